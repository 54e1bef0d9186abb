#!/usr/bin/env python3
"""Estimate what scoring elements will cost before anything is run."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.edits.settings import Settings
from darkregulome.errors import InputError
from darkregulome.scoring.settings import EstimateOptions

app = cli.script(
    help="Estimate forwards, operations, hours, memory and money of scoring elements, before anything is run.",
    example="estimate_cost.py --elements elements.parquet --models demo-caduceus --calibrate --out cost.json",
)


@cli.command(app)
def main(
    elements: cli.Elements,
    models: cli.Models,
    out: Annotated[Path, typer.Option(help="Where to write the estimate (JSON).")],
    settings: Settings,
    options: EstimateOptions,
    run: cli.Run,
    plan_out: Annotated[
        Path | None, typer.Option(help="Where to write the plan: every task with its cost, in order (parquet, TSV).")
    ] = None,
    loci: Annotated[
        Path | None, typer.Option(help="Table of loci: tasks take them in its order; without it in the elements'.")
    ] = None,
) -> None:
    import pandas as pd

    from darkregulome.io import schemas, tables
    from darkregulome.scoring.estimate import estimate, order_of, print_estimate, read_elements

    cli.different_files(out=out, plan_out=plan_out)
    table = read_elements(elements)
    names = list(dict.fromkeys(name for item in models for name in item.split(",") if name))
    if not names:
        raise InputError.at("--models", "names no model", "give at least one")
    folders = cli.named_folders("--weights", list(options.weights))
    order, threads = order_of(loci, table), run.threads
    result = estimate(
        names, table, settings, options, folders=folders, order=order, threads=threads, say=cli.console.print
    )
    parameters = {**settings.model_dump(exclude={"seed"}), **options.model_dump(exclude={"weights", "registry"})}
    if plan_out is not None:
        tables.write_table(pd.DataFrame(result.plan), plan_out, schemas.PLAN)
    tables.write_json(result.record({**parameters, "threads": threads}), out)
    print_estimate(result, threads)


if __name__ == "__main__":
    cli.run(app)
