#!/usr/bin/env python3
"""Compare the models' rankings, rung by rung, and divide the elements into layers."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.diagnosis.settings import Settings, Tables

app = cli.script(
    help="Rank agreement and overlap of top lists between models, rung by rung, and the layer of each element: "
    "what the likelihood models share, and what only an output model keeps.",
    example="decompose.py --elements elements.parquet --ris ris.parquet --outdir decomposition",
)


@cli.command(app)
def main(
    tables: Tables,
    outdir: Annotated[Path, typer.Option(help="Folder for decomposition.json, tables and figures.")],
    settings: Annotated[Settings, cli.Take(without=("horizon", "track_floor"))],
    run: cli.Run,
) -> None:
    from threadpoolctl import threadpool_limits

    from darkregulome.diagnosis.decompose import decompose
    from darkregulome.diagnosis.output import read_settings, write_decomposition
    from darkregulome.io.schemas import ELEMENTS, RIS
    from darkregulome.io.tables import read_rows

    settings = read_settings(settings, tables.model_cards)
    elements, ris = read_rows(tables.elements, ELEMENTS), read_rows(tables.ris, RIS)
    with threadpool_limits(run.threads):
        decomposition = decompose(elements, ris, settings)
    write_decomposition(decomposition, outdir, {"elements": tables.elements, "ris": tables.ris})
    cli.say_claims(decomposition.record, run.progress)
    for layer, content in decomposition.record["layers"].items():
        run.say(f"{content['n']:>8}  {layer}")


if __name__ == "__main__":
    cli.run(app)
