#!/usr/bin/env python3
"""A gzipped FASTA, bgzipped and indexed, so that it can be read at random."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    help="Compress a gzipped FASTA again with bgzip, which can be read at random, and index it.",
    example="compress_fasta.py --fasta GRCh38.primary_assembly.genome.fa.gz --out bgzip/GRCh38.fa.gz",
)


@app.command()
def main(
    fasta: Annotated[Path, typer.Option(help="Genome (FASTA, gzip).")],
    out: Annotated[Path, typer.Option(help="The same, bgzipped; its .fai and .gzi are written beside it.")],
    seed: cli.Seed = 1,
    threads: cli.Threads = 1,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    from darkregulome.genome.reference import compress_fasta

    compress_fasta(fasta, out)


if __name__ == "__main__":
    cli.run(app)
