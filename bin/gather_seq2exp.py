#!/usr/bin/env python3
"""Gather the measures of several trainings of Seq2Exp into one table, and compare the models."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    "Gather metrics.tsv of several runs of train_seq2exp.py (models, folds, seeds) into one table, with means, "
    "standard deviations over seeds, and every model against the first one.",
    "gather_seq2exp.py a/metrics.tsv b/metrics.tsv --first seq2exp-hard --outdir gathered",
)


@app.command()
def main(
    parts: Annotated[list[Path], typer.Argument(help="metrics.tsv of each run.")],
    outdir: Annotated[Path, typer.Option(help="Folder for metrics.tsv and metrics.json.")],
    first: Annotated[str | None, typer.Option(help="Model against which the others are compared.")] = None,
    version: cli.Version = False,
) -> None:
    from darkregulome.io.tables import write_json, write_table
    from darkregulome.seq2exp.folds import gather_metrics, summary_of

    table = gather_metrics(parts, first)
    write_table(table, outdir / "metrics.tsv")
    write_json(summary_of(table), outdir / "metrics.json")


if __name__ == "__main__":
    cli.run(app)
