#!/usr/bin/env python3
"""Test each claim about the scores, rung by rung, and give it one of six verdicts."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.diagnosis.settings import ForeignTables, Settings
from darkregulome.elements.settings import Around

app = cli.script(
    help="Test each claim about influence scores, raw, given what is trivially predictable and given what a model has "
    "learnt to predict, and give verdicts. The scores may be ours or anybody's: element, model, ris[, predictability].",
    example="diagnose.py --elements elements.parquet --ris ris.parquet --outdir diagnosis",
)


@cli.command(app)
def main(
    tables: ForeignTables,
    outdir: Annotated[Path, typer.Option(help="Folder for diagnosis.json, tables and figures.")],
    around: Annotated[Around, cli.Take(without=["class_map"])],
    settings: Settings,
    run: cli.Run,
) -> None:
    from threadpoolctl import threadpool_limits

    from darkregulome.diagnosis.diagnose import diagnose
    from darkregulome.diagnosis.output import read_foreign_scores, read_settings, write_diagnosis

    settings = read_settings(settings, tables.model_cards)
    scores = read_foreign_scores(tables, around, settings.without_grammar)
    with threadpool_limits(1):
        diagnosis = diagnose(scores.elements, scores.ris, settings, run.threads)
    diagnosis.record["notes"] = scores.notes
    write_diagnosis(diagnosis, outdir, {"elements": tables.elements, "ris": tables.ris})
    cli.say_claims(diagnosis.record, run.progress)


if __name__ == "__main__":
    cli.run(app)
