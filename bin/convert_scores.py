#!/usr/bin/env python3
"""Scores of any tool as elements and RIS."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    help="Turn scores of other tools into the tables that diagnose.py, decompose.py and cross_check.py take. "
    "Formats: table (TSV, CSV, parquet), bed, bigwig, npz (attributions or ISM of tangermeme and gReLU), gpn, "
    "variants, baskerville (scores.h5). The layout of each is in docs/usage.md.",
    example="convert_scores.py --scores gpn=scores.parquet --scores borzoi=scores.h5 --elements elements.bed "
    "--fasta genome.fa.gz --gtf genes.gtf.gz --outdir converted",
)
File = Path | None


@app.command()
def main(
    scores: Annotated[list[str], typer.Option(help="FILE or NAME=FILE, NAME the model; repeat or use commas.")],
    outdir: Annotated[Path, typer.Option(help="Folder for elements.parquet, ris.parquet and loci.tsv.")],
    format: Annotated[str, typer.Option(help="auto, table, bed, bigwig, npz, gpn, variants or baskerville.")] = "auto",
    elements: Annotated[
        File, typer.Option(help="Elements to pool over (BED or table); by default the scores' own intervals.")
    ] = None,
    intervals: Annotated[File, typer.Option(help="npz: BED of the sequences, in their order.")] = None,
    variants: Annotated[File, typer.Option(help="gpn: the variants, where the parquet has scores alone.")] = None,
    score_column: Annotated[str | None, typer.Option(help="Column of the score (BED: its number).")] = None,
    dataset: Annotated[str | None, typer.Option(help="Array of an npz, dataset of an HDF5 file.")] = None,
    target: Annotated[int | None, typer.Option(min=0, help="One target; by default the mean over all.")] = None,
    kind: Annotated[str | None, typer.Option(help="Kind of the model: masked, causal or output.")] = None,
    fasta: Annotated[File, typer.Option(help="Reference, for the sequence features.")] = None,
    gtf: Annotated[File, typer.Option(help="Genes: each element belongs to the nearest TSS.")] = None,
    loci: Annotated[File, typer.Option(help="Loci, in place of all genes of the GTF.")] = None,
    repeats: cli.Repeats = None,
    class_map: cli.ClassMap = None,
    seed: cli.Seed = 0,
    threads: cli.Threads = 1,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    from darkregulome.conversion.convert import convert, sources_from
    from darkregulome.elements.class_map import default_class_map, read_class_map
    from darkregulome.elements.own import Around
    from darkregulome.io.provenance import provenance
    from darkregulome.io.schemas import ELEMENTS, LOCI, RIS
    from darkregulome.io.tables import write_table

    options = {"format": format, "kind": kind, "score_column": score_column, "dataset": dataset, "target": target}
    words = [word for given in scores for word in given.split(",")]
    sources = sources_from(words, **options, intervals=intervals, variants=variants)
    words_of = read_class_map(class_map) if class_map is not None else default_class_map()
    converted = convert(sources, elements, Around(fasta, gtf, loci, repeats, words_of))
    given = {"scores": [Path(word) for word in words], "elements": elements, "fasta": fasta, "gtf": gtf, "loci": loci}
    made = provenance("convert_scores.py", {**options, **given, "repeats": repeats}, notes=converted.notes)
    write_table(converted.elements, outdir / "elements.parquet", ELEMENTS, made)
    write_table(converted.ris, outdir / "ris.parquet", RIS, made)
    write_table(converted.loci, outdir / "loci.tsv", LOCI)
    for note in converted.notes:
        cli.console.print(f"note: {note}", markup=False)
    if progress:
        cli.console.print(
            f"{len(converted.elements)} elements, {converted.ris['model'].nunique()} models", markup=False
        )


if __name__ == "__main__":
    cli.run(app)
