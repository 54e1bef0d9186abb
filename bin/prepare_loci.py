#!/usr/bin/env python3
"""Genes to loci: TSS, strand, window."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.elements.settings import LocusInputs
from darkregulome.errors import InputError

app = cli.script(
    help="Place genes on the reference: TSS (the gene's 5' end), strand, and a window around it.",
    example="prepare_loci.py --loci genes.csv --gtf gencode.gtf.gz --fasta GRCh38.fa.gz --out loci.tsv",
)


@cli.command(app)
def main(
    inputs: LocusInputs,
    out: Annotated[Path, typer.Option(help="Table of loci to write.")],
    run: cli.Run,
    failed: Annotated[
        Path | None,
        typer.Option(help="Write loci that cannot be placed here, with the reason, and go on with the others."),
    ] = None,
) -> None:
    from darkregulome.elements.loci import failed_table, place_loci, read_locus_rows
    from darkregulome.genome.annotation import read_gtf
    from darkregulome.genome.reference import Reference
    from darkregulome.io.schemas import LOCI
    from darkregulome.io.tables import write_table

    cli.different_files(out=out, failed=failed)
    rows = read_locus_rows(inputs.loci)
    with Reference(inputs.fasta) as reference:
        annotation = read_gtf(inputs.gtf, reference.contigs, exons=False)
        table, failures = place_loci(rows, annotation.genes, reference.contigs, inputs.flank)
        notes = reference.notes + annotation.notes
    if failures and (failed is None or table.empty):
        raise InputError(*(failure.problem for failure in failures))
    cli.note(notes)
    cli.warn(f"left out: {failure.problem}" for failure in failures)
    write_table(table, out, LOCI)
    if failed is not None:
        write_table(failed_table(failures, "prepare_loci"), failed)


if __name__ == "__main__":
    cli.run(app)
