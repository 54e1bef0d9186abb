#!/usr/bin/env python3
"""Scores of any tool as elements and RIS."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.conversion.settings import ScoreFormat
from darkregulome.elements.settings import Around

app = cli.script(
    help="Turn scores of other tools into the tables that diagnose.py, decompose.py and cross_check.py take. "
    "Formats: table (TSV, CSV, parquet), bed, bigwig, npz (attributions or ISM of tangermeme and gReLU), gpn, "
    "variants, baskerville (scores.h5). The layout of each is in docs/usage.md.",
    example="convert_scores.py --scores gpn=scores.parquet --scores borzoi=scores.h5 --elements elements.bed "
    "--fasta genome.fa.gz --gtf genes.gtf.gz --outdir converted",
)


@cli.command(app)
def main(
    scores: Annotated[list[str], typer.Option(help="FILE or NAME=FILE, NAME the model; repeat or use commas.")],
    outdir: Annotated[Path, typer.Option(help="Folder for elements.parquet, ris.parquet and loci.tsv.")],
    form: ScoreFormat,
    around: Around,
    run: cli.Run,
    elements: Annotated[
        Path | None, typer.Option(help="Element table or BED; by default the intervals of the score table.")
    ] = None,
) -> None:
    from darkregulome.conversion.convert import convert, sources_from
    from darkregulome.io.provenance import provenance
    from darkregulome.io.schemas import ELEMENTS, LOCI, RIS
    from darkregulome.io.tables import write_table

    words = [word for item in scores for word in item.split(",")]
    converted = convert(sources_from(words, form), elements, around)
    parameters = {
        **form.model_dump(exclude={"intervals", "variants"}),
        **dict(around),
        "scores": [Path(word) for word in words],
        "elements": elements,
    }
    made = provenance("convert_scores.py", parameters, notes=converted.notes)
    write_table(converted.elements, outdir / "elements.parquet", ELEMENTS, made)
    write_table(converted.ris, outdir / "ris.parquet", RIS, made)
    write_table(converted.loci, outdir / "loci.tsv", LOCI)
    cli.note(converted.notes)
    run.say(f"{len(converted.elements)} elements, {converted.ris['model'].nunique()} models")


if __name__ == "__main__":
    cli.run(app)
