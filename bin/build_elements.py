#!/usr/bin/env python3
"""Annotation to elements: the dark genome of each locus."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.elements.settings import AnnotationFiles, ElementSettings, GenomeInputs

app = cli.script(
    help="Cut the dark genome around each locus into classified elements, and describe each.",
    example="build_elements.py --loci loci.tsv --fasta GRCh38.fa.gz --gtf gencode.gtf.gz "
    "--regulatory cCREs.bed.gz --repeats rmsk.txt.gz --conserved phastcons.bed.gz --outdir elements",
)


@cli.command(app)
def main(
    loci: Annotated[Path, typer.Option(help="Loci, as prepare_loci.py writes them.")],
    genome: GenomeInputs,
    outdir: Annotated[Path, typer.Option(help="Folder for elements.parquet and elements.bed.gz.")],
    files: AnnotationFiles,
    settings: ElementSettings,
    run: cli.Run,
    class_column: Annotated[
        int | None,
        typer.Option(min=4, help="Column of the class word in --regulatory; by default the one that has them."),
    ] = None,
    failed: Annotated[Path | None, typer.Option(help="Write loci without any element here.")] = None,
) -> None:
    from darkregulome.elements.build import build_elements, class_counts, read_sources
    from darkregulome.elements.loci import read_placed_loci
    from darkregulome.genome.intervals import write_bed
    from darkregulome.genome.reference import Reference
    from darkregulome.io.provenance import provenance
    from darkregulome.io.schemas import ELEMENTS
    from darkregulome.io.tables import check_table, write_table

    with Reference(genome.fasta) as reference:
        placed = read_placed_loci(loci, reference.contigs)
        sources = read_sources(placed, reference, genome.gtf, files, class_column)
        elements = build_elements(placed, sources, reference, settings)
        cli.note(reference.notes + elements.notes)
    table = check_table(elements.table, ELEMENTS, outdir / "elements.parquet")
    parameters = {"loci": loci, "class_column": class_column, **dict(genome), **dict(files), **dict(settings)}
    write_table(table, outdir / "elements.parquet", ELEMENTS, provenance("build_elements", parameters))
    bed_columns = ["chrom", "start", "end", "element", "score", "strand", "class", "subclass", "distance"]
    write_bed(table.assign(score=0)[bed_columns], outdir / "elements.bed.gz")
    if failed is not None:
        write_table(elements.failed(placed), failed)
    counts = ", ".join(f"{kind} {count}" for kind, count in class_counts(table).items())
    cli.console.print(f"{len(table)} elements in {table['locus'].nunique()} loci: {counts}", markup=False)


if __name__ == "__main__":
    cli.run(app)
