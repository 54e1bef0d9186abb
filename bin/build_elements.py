#!/usr/bin/env python3
"""Annotation to elements: the dark genome of each locus."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.cli import console

app = cli.script(
    help="Cut the dark genome around each locus into classified elements, and describe each.",
    example="build_elements.py --loci loci.tsv --fasta GRCh38.fa.gz --gtf gencode.gtf.gz "
    "--regulatory cCREs.bed.gz --repeats rmsk.txt.gz --conserved phastcons.bed.gz --outdir elements",
)


@app.command()
def main(
    loci: Annotated[Path, typer.Option(help="Loci, as prepare_loci.py writes them.")],
    fasta: cli.Fasta,
    gtf: cli.Gtf,
    outdir: Annotated[Path, typer.Option(help="Folder for elements.parquet and elements.bed.gz.")],
    regulatory: cli.Regulatory = None,
    repeats: cli.Repeats = None,
    conserved: cli.Conserved = None,
    class_map: cli.ClassMap = None,
    class_column: Annotated[
        int | None, typer.Option(min=4, help="Column of the class word in --regulatory; by default found.")
    ] = None,
    min_length: cli.MinLength = 50,
    max_length: cli.MaxLength = 1000,
    promoter_exclusion: Annotated[
        int, typer.Option(help="Bases to either side of a TSS that belong to no element.")
    ] = 0,
    failed: Annotated[Path | None, typer.Option(help="Write loci without any element here.")] = None,
    seed: cli.Seed = 1,
    threads: cli.Threads = 1,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    from darkregulome.elements.build import ElementSettings, build_elements, class_counts, read_sources
    from darkregulome.elements.class_map import default_class_map, read_class_map
    from darkregulome.elements.loci import read_placed_loci
    from darkregulome.genome.intervals import write_bed
    from darkregulome.genome.reference import Reference
    from darkregulome.io.provenance import provenance
    from darkregulome.io.schemas import ELEMENTS
    from darkregulome.io.tables import check_table, write_table

    settings = ElementSettings(min_length, max_length, promoter_exclusion)
    words = read_class_map(class_map) if class_map is not None else default_class_map()
    with Reference(fasta) as reference:
        placed = read_placed_loci(loci, reference.contigs)
        sources = read_sources(placed, reference, gtf, regulatory, repeats, conserved, words, class_column)
        elements = build_elements(placed, sources, reference, settings)
        notes = reference.notes + elements.notes
    for note in notes:
        console.print(f"note: {note}", markup=False)
    table = check_table(elements.table, ELEMENTS, outdir / "elements.parquet")
    parameters = {
        **{"loci": loci, "fasta": fasta, "gtf": gtf, "regulatory": regulatory, "repeats": repeats},
        **{"conserved": conserved, "class_map": class_map, "min_length": min_length, "max_length": max_length},
        **{"promoter_exclusion": promoter_exclusion, "class_column": class_column},
    }
    write_table(table, outdir / "elements.parquet", ELEMENTS, provenance("build_elements", parameters))
    bed_columns = ["chrom", "start", "end", "element", "score", "strand", "class", "subclass", "distance"]
    write_bed(table.assign(score=0)[bed_columns], outdir / "elements.bed.gz")
    if failed is not None:
        write_table(elements.failed(placed), failed)
    counts = ", ".join(f"{kind} {count}" for kind, count in class_counts(table).items())
    console.print(f"{len(table)} elements in {table['locus'].nunique()} loci: {counts}", markup=False)


if __name__ == "__main__":
    cli.run(app)
