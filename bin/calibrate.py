#!/usr/bin/env python3
"""Draw worlds whose truth is known on an element table, diagnose them, and count the words that are said."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.diagnosis.settings import CalibrationPlan, Settings

app = cli.script(
    help="Draw worlds whose truth is known (nothing, nuisance, regulation, regulation that makes sequence predictable, "
    "and more) on your own elements, diagnose them, and count the words that are said of each. With --ris, "
    "autocorrelation and levels are those of your scores.",
    example="calibrate.py --elements elements.parquet --worlds nothing,consequence --outdir calibration",
)


@cli.command(app)
def main(
    outdir: Annotated[Path, typer.Option(help="Folder for calibration.json, calibration.tsv and figures.")],
    plan: CalibrationPlan,
    settings: Annotated[Settings, cli.Take("permutations", "horizon", "alpha", "seed", permutations=499)],
    run: cli.Run,
) -> None:
    from darkregulome.diagnosis.calibrate import calibrate
    from darkregulome.diagnosis.calibration_input import calibration_input
    from darkregulome.diagnosis.output import write_calibration

    planned = calibration_input(plan, settings.seed)
    record = calibrate(planned.asked, plan.tables, plan.effect, settings, run.threads, run.say)
    parameters = {"tables": plan.tables, "effect": plan.effect, **settings.model_dump(), **planned.parameters}
    write_calibration(record, parameters, outdir, {"elements": plan.elements, "ris": plan.ris})
    for warning in record["warnings"]:
        run.say(warning)


if __name__ == "__main__":
    cli.run(app)
