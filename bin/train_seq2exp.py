#!/usr/bin/env python3
"""Train Seq2Exp: learn from expression which bases around a TSS matter."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from darkregulome import cli
from darkregulome.seq2exp.settings import ExpressionInputs, FoldPlan, TrainedModels
from darkregulome.training.settings import RestartOptions

app = cli.script(
    "Train Seq2Exp on windows around TSSs, over folds of whole contigs and several seeds; writes a checkpoint folder "
    "for each, and their measures on the contigs left out. Defaults are the paper's recipe. Killed and started again "
    "with the same command, it goes on where it was.",
    "train_seq2exp.py --fasta genome.fa.gz --expression expression.tsv --signal h3k27ac=h3k27ac.bw "
    "--signal dnase=dnase.bw --config recipe.yaml --folds 5 --fold 0 --seeds 3 --outdir models",
)


@cli.command(app)
def main(
    inputs: ExpressionInputs,
    outdir: Annotated[Path, typer.Option(help="Folder for the checkpoints and measures.")],
    models: TrainedModels,
    plan: FoldPlan,
    restart: RestartOptions,
    run: cli.Run,
) -> None:
    import torch

    from darkregulome.seq2exp.run import train_into

    torch.set_num_threads(run.threads)

    def report(row: Mapping[str, Any]) -> None:
        run.say(" ".join(value if name == "model" else f"{name} {value:.4g}" for name, value in row.items()))

    train_into(outdir, inputs, models, plan, restart, cli.command_line("train_seq2exp.py"), report)


if __name__ == "__main__":
    cli.run(app)
