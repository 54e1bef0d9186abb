#!/usr/bin/env python3
"""Verdicts in six words, from a ladder of adjustments; and worlds to see how often they are right."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.diagnosis.settings import ForeignTables
from darkregulome.elements.settings import Around
from darkregulome.verdicts.settings import Settings, WorldPlan

JUDGE = "verdicts.py judge --elements elements.parquet --ris ris.parquet --outdir verdicts"
CALIBRATE = "verdicts.py calibrate --elements elements.parquet --worlds nothing,consequence --outdir worlds"
app = cli.script("Verdicts in six words, from effects raw, given trivial and given learnt predictability.", JUDGE)

Outdir = Annotated[Path, typer.Option(help="Folder for the JSON and the table.")]


@app.callback()
def common(version: cli.Version = False) -> None:
    pass


@cli.command(app, epilog=cli.epilog_of(JUDGE))
def judge(
    tables: Annotated[ForeignTables, cli.Take(without=["calibration"])],
    outdir: Outdir,
    around: Annotated[Around, cli.Take(without=["class_map"])],
    settings: Settings,
    run: cli.Run,
) -> None:
    """Ask every claim of every model of a table, which may be anybody's, and say what holds."""
    from darkregulome.diagnosis.output import read_foreign_scores
    from darkregulome.io.model_cards import models_without_grammar
    from darkregulome.verdicts.run import judge as ask
    from darkregulome.verdicts.run import write_verdicts

    settings = settings.model_copy(update={"without_grammar": models_without_grammar(tables.model_cards)})
    scores = read_foreign_scores(tables, around, settings.without_grammar)
    record = ask(scores.elements, scores.ris, settings, run.threads)
    record["notes"] += scores.notes
    write_verdicts(record, outdir, {"elements": tables.elements, "ris": tables.ris})
    for note in record["notes"]:
        run.say(note)
    for claim in record["claims"]:
        run.say(f"{claim['model']}: {claim['sentence']}")


@cli.command(app, epilog=cli.epilog_of(CALIBRATE))
def calibrate(
    plan: WorldPlan,
    outdir: Outdir,
    settings: Annotated[Settings, cli.Take("permutations", "horizon", "alpha", "seed", permutations=499)],
    run: cli.Run,
) -> None:
    """Draw worlds whose truth is known on your own elements, and count the words that are said of them."""
    from darkregulome.verdicts.calibrate import calibrate as count
    from darkregulome.verdicts.calibrate import calibration_table
    from darkregulome.verdicts.calibration_input import calibration_input
    from darkregulome.verdicts.run import write_worlds

    planned = calibration_input(plan, settings.seed)
    record = count(planned.asked, plan.tables, plan.effect, settings, run.threads)
    parameters = {"tables": plan.tables, "effect": plan.effect, **settings.model_dump(), **planned.parameters}
    write_worlds(record, parameters, calibration_table(record), outdir)
    for warning in record["warnings"]:
        run.say(warning)


if __name__ == "__main__":
    cli.run(app)
