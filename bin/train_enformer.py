#!/usr/bin/env python3
"""Train a small Enformer on a FASTA and tracks."""

import json
from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.training.settings import BudgetOptions, EnformerInputs, EnformerTraining, RestartOptions

app = cli.script(
    "Train a small Enformer on windows around TSSs; writes a checkpoint folder that every other stage loads.",
    "train_enformer.py --fasta genome.fa.gz --tracks cage.bw --tracks dnase.bw --tss tss.bed --config small.json "
    "--holdout chr5 --steps 2000 --outdir model",
)


@cli.command(app)
def main(
    inputs: EnformerInputs,
    outdir: Annotated[Path, typer.Option(help="Checkpoint folder to write.")],
    budget: BudgetOptions,
    settings: Annotated[EnformerTraining, cli.Take(device="auto")],
    restart: RestartOptions,
    run: Annotated[cli.Run, cli.Take(threads=2)],
) -> None:
    import torch

    from darkregulome.training.run import train_enformer_into

    torch.set_num_threads(run.threads)
    command = cli.command_line("train_enformer.py")
    train_enformer_into(outdir, inputs, settings, budget, restart, command, lambda row: run.say(json.dumps(row)))


if __name__ == "__main__":
    cli.run(app)
