#!/usr/bin/env python3
"""Compare the models' rankings, rung by rung, and divide the elements into layers."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.diagnosis.settings import ForeignTables, Settings
from darkregulome.elements.settings import Around

app = cli.script(
    help="Rank agreement and overlap of top lists between models, rung by rung, and the layer of each element: "
    "what the likelihood models share, and what only an output model keeps.",
    example="decompose.py --elements elements.parquet --ris ris.parquet --outdir decomposition",
)


@cli.command(app)
def main(
    tables: ForeignTables,
    outdir: Annotated[Path, typer.Option(help="Folder for decomposition.json, tables and figures.")],
    around: Annotated[Around, cli.Take(without=["class_map"])],
    settings: Annotated[Settings, cli.Take(without=("horizon", "track_floor"))],
    run: cli.Run,
) -> None:
    from threadpoolctl import threadpool_limits

    from darkregulome.diagnosis.decompose import decompose
    from darkregulome.diagnosis.output import read_foreign_scores, read_settings, write_decomposition

    settings = read_settings(settings, tables.model_cards)
    scores = read_foreign_scores(tables, around, settings.without_grammar)
    with threadpool_limits(1):
        decomposition = decompose(scores.elements, scores.ris, settings)
    decomposition.record["notes"] += scores.notes
    write_decomposition(decomposition, outdir, {"elements": tables.elements, "ris": tables.ris})
    cli.say_claims(decomposition.record, run.progress)
    for layer, content in decomposition.record["layers"].items():
        run.say(f"{content['n']:>8}  {layer}")


if __name__ == "__main__":
    cli.run(app)
