#!/usr/bin/env python3
"""Apply trained Seq2Exp models: masks, elements and predictions."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.seq2exp.settings import ExpressionInputs, MaskOptions, OverlapOptions

app = cli.script(
    "Apply one or several trained Seq2Exp models to genes: the mask of every base as bigWig, elements with their "
    "scores as BED, and a table of predictions. Several models are averaged.",
    "apply_seq2exp.py --checkpoint models/fold0_seed0 --checkpoint models/fold0_seed1 --fasta genome.fa.gz "
    "--expression expression.tsv --signal h3k27ac=h3k27ac.bw --signal dnase=dnase.bw --outdir masks",
)


@cli.command(app)
def main(
    checkpoint: Annotated[list[Path], typer.Option(help="Checkpoint folder of train_seq2exp.py; may be repeated.")],
    inputs: ExpressionInputs,
    outdir: Annotated[Path, typer.Option(help="Folder for mask.bw, elements.bed.gz and predictions.tsv.")],
    masks: MaskOptions,
    overlap: OverlapOptions,
    run: cli.Run,
) -> None:
    import torch

    from darkregulome.seq2exp.run import apply_into

    torch.set_num_threads(run.threads)
    run.say(apply_into(outdir, checkpoint, inputs, masks, overlap))


if __name__ == "__main__":
    cli.run(app)
