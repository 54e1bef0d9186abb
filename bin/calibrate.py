#!/usr/bin/env python3
"""Plant known truths on an element table, run the diagnosis on each, and count false positives and power."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    help="Plant known truths (nothing, predictability only, a horizon, a class effect, a cCRE effect, horizon and "
    "class) on your own elements, run the diagnosis on each, and count false positives and power by claim. With --ris, "
    "autocorrelation, levels and what the features explain are those of your scores.",
    example="calibrate.py --elements elements.parquet --ris ris.parquet --model demo-caduceus --outdir calibration",
)


@app.command()
def main(
    outdir: Annotated[Path, typer.Option(help="Folder for calibration.json, calibration.tsv and figures.")],
    elements: Annotated[Path | None, typer.Option(help="Element table; without it, an example is made.")] = None,
    ris: Annotated[Path | None, typer.Option(help="Score table to estimate autocorrelation and R2 from.")] = None,
    model: Annotated[str | None, typer.Option(help="Model of the score table to estimate from.")] = None,
    loci: Annotated[int, typer.Option(min=2, help="Loci of the example.")] = 92,
    per_locus: Annotated[int, typer.Option(min=10, help="Elements of a locus of the example.")] = 330,
    truths: Annotated[str, typer.Option(help="Truths to plant, by comma; 'all'.")] = "all",
    claims: Annotated[str, typer.Option(help="Claims to count, by comma; 'all'.")] = "all",
    autocorrelation: Annotated[
        str, typer.Option(help="Of neighbouring elements, by comma; not with --ris, which has its own.")
    ] = "0,0.5,0.8",
    r2: Annotated[float, typer.Option(min=0.0, max=0.99, help="Share that features explain, without --ris.")] = 0.9,
    skew: Annotated[float, typer.Option(min=0.0, max=3.0, help="Scores are exp(skew x) of normal ones.")] = 0.0,
    effect: Annotated[float, typer.Option(min=0.0, help="Planted effect, SD of what predictability leaves.")] = 0.25,
    tables: Annotated[int, typer.Option(min=1, help="Planted tables of a condition.")] = 400,
    permutations: cli.Permutations = 199,
    horizon: cli.Horizon = 10_000,
    alpha: Annotated[float, typer.Option(min=1e-9, max=0.999, help="Nominal level.")] = 0.05,
    seed: cli.Seed = 0,
    threads: cli.Threads = 1,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    from threadpoolctl import threadpool_limits

    from darkregulome.diagnosis.calibrate import calibrate
    from darkregulome.diagnosis.calibration_input import calibration_input
    from darkregulome.diagnosis.output import settings_from, write_calibration

    settings = settings_from(horizon=horizon, permutations=permutations, alpha=alpha, bootstrap=0, seed=seed)
    planned = calibration_input(
        elements=elements,
        ris=ris,
        model=model,
        example=(loci, per_locus, seed),
        truths=truths,
        claims=claims,
        autocorrelation=autocorrelation,
        r2=r2,
        skew=skew,
    )
    with threadpool_limits(1):
        record = calibrate(
            planned.design, planned.conditions, tables, effect, settings, planned.claims, threads=threads
        )
    parameters = {"tables": tables, "effect": effect, **settings.model_dump(), **planned.parameters}
    write_calibration(record, parameters, outdir, {"elements": elements, "ris": ris})
    if progress:
        for warning in record["warnings"]:
            cli.console.print(warning, markup=False)


if __name__ == "__main__":
    cli.run(app)
