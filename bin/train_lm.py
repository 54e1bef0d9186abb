#!/usr/bin/env python3
"""Train a small language model on a FASTA."""

import json
from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.training.settings import BudgetOptions, LanguageInputs, LanguageTraining, RestartOptions

app = cli.script(
    "Train a small masked (caduceus, gpn, bert over bases) or causal (hyena) language model on any genome; writes a "
    "checkpoint folder that every other stage loads. Killed and started again with the same command, it goes on where "
    "it was.",
    "train_lm.py --fasta genome.fa.gz --architecture gpn --config small.json --holdout chr5 --steps 2000 --outdir m",
)


@cli.command(app)
def main(
    inputs: LanguageInputs,
    outdir: Annotated[Path, typer.Option(help="Checkpoint folder to write.")],
    budget: BudgetOptions,
    settings: Annotated[LanguageTraining, cli.Take(device="auto")],
    restart: RestartOptions,
    run: Annotated[cli.Run, cli.Take(threads=2)],
) -> None:
    import torch

    from darkregulome.training.run import train_language_into

    torch.set_num_threads(run.threads)
    warnings = train_language_into(
        outdir,
        inputs,
        settings,
        budget,
        restart,
        cli.command_line("train_lm.py"),
        lambda row: run.say(json.dumps({key: round(value, 4) for key, value in row.items()})),
    )
    cli.warn(warnings)


if __name__ == "__main__":
    cli.run(app)
