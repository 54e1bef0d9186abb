#!/usr/bin/env python3
"""Plant known truths on an element table, run the diagnosis on each, and count false positives and power."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.diagnosis.settings import CalibrationPlan, Settings

app = cli.script(
    help="Plant known truths (nothing, predictability only, a horizon, a class effect, a cCRE effect, horizon and "
    "class) on your own elements, run the diagnosis on each, and count false positives and power by claim. With --ris, "
    "autocorrelation, levels and what the features explain are those of your scores.",
    example="calibrate.py --elements elements.parquet --ris ris.parquet --model demo-caduceus --outdir calibration",
)


@cli.command(app)
def main(
    outdir: Annotated[Path, typer.Option(help="Folder for calibration.json, calibration.tsv and figures.")],
    plan: CalibrationPlan,
    settings: Annotated[Settings, cli.Take("permutations", "horizon", "alpha", "seed", permutations=199, bootstrap=0)],
    run: cli.Run,
) -> None:
    from threadpoolctl import threadpool_limits

    from darkregulome.diagnosis.calibrate import calibrate
    from darkregulome.diagnosis.calibration_input import calibration_input
    from darkregulome.diagnosis.output import write_calibration

    planned = calibration_input(plan, settings.seed)
    with threadpool_limits(1):
        record = calibrate(
            planned.design, planned.conditions, plan.tables, plan.effect, settings, planned.claims, run.threads
        )
    parameters = {"tables": plan.tables, "effect": plan.effect, **settings.model_dump(), **planned.parameters}
    write_calibration(record, parameters, outdir, {"elements": plan.elements, "ris": plan.ris})
    for warning in record["warnings"]:
        run.say(warning)


if __name__ == "__main__":
    cli.run(app)
