#!/usr/bin/env python3
"""A FASTA that can be read at random: bgzipped where --out is given, and indexed."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    help="Compress a gzipped FASTA again with bgzip, which can be read at random, and index it; or index a FASTA.",
    example="compress_fasta.py --fasta GRCh38.primary_assembly.genome.fa.gz --out bgzip/GRCh38.fa.gz",
)


@cli.command(app)
def main(
    fasta: Annotated[Path, typer.Option(help="Genome (FASTA, gzip; without --out: plain or bgzip).")],
    run: cli.Run,
    out: Annotated[
        Path | None,
        typer.Option(help="The same, bgzipped, with its .fai and .gzi; without it, --fasta is indexed where it lies."),
    ] = None,
) -> None:
    from darkregulome.genome.reference import Reference, compress_fasta

    if out is None:
        Reference(fasta).close()
    else:
        compress_fasta(fasta, out)


if __name__ == "__main__":
    cli.run(app)
