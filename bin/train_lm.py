#!/usr/bin/env python3
"""Train a small language model on a FASTA."""

import json
from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError

app = cli.script(
    "Train a small masked (caduceus) or causal (hyena) language model; writes a checkpoint folder that every other "
    "stage loads.",
    "train_lm.py --fasta genome.fa.gz --architecture caduceus --config small.json --holdout chr5 --steps 2000 --out m",
)


@app.command()
def main(
    fasta: Annotated[list[Path], typer.Option(help="FASTA of the genome; may be repeated.")],
    architecture: Annotated[str, typer.Option(help="caduceus or hyena.")],
    config: Annotated[Path, typer.Option(help="config.json of the architecture, in the official form.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write.")],
    holdout: Annotated[str, typer.Option(help="Contigs left out of training, comma-separated.")],
    steps: Annotated[int | None, typer.Option(min=1, help="Steps to train: exactly repeatable.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="Minutes to train, instead of steps.")] = None,
    window: Annotated[int, typer.Option(min=16, help="Bases a training window.")] = 256,
    batch: Annotated[int, typer.Option(min=1, help="Windows a step.")] = 64,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 3e-3,
    probe: Annotated[
        Path | None,
        typer.Option(help="BED of motif positions: their held-out loss shows whether the grammar is known."),
    ] = None,
    start: Annotated[Path | None, typer.Option(help="Checkpoint folder of the same shape to go on from.")] = None,
    seed: cli.Seed = 0,
    threads: cli.Threads = 2,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    if (steps is None) == (minutes is None):
        raise InputError.at("train_lm.py", "takes either --steps or --minutes", "give one of the two")
    import torch

    from darkregulome.io.tables import write_json
    from darkregulome.models.checkpoint import find_weights, load_weights, read_card, save_checkpoint
    from darkregulome.training.build import build_language_model
    from darkregulome.training.lm import LanguageTraining, train_language_model
    from darkregulome.training.probe import probe_card
    from darkregulome.training.schedule import Budget
    from darkregulome.training.windows import read_codes, split_contigs

    torch.set_num_threads(threads)
    settings = LanguageTraining(window=window, batch=batch, learning_rate=learning_rate, seed=seed)
    training, held_out = split_contigs(read_codes(fasta), [name for name in holdout.split(",") if name], fasta[0])
    model, model_config = build_language_model(architecture, config, seed)
    if start is not None:
        load_weights(model, find_weights(start))
    curve: list[dict] = []

    def report(row) -> None:
        curve.append(dict(row))
        if progress:
            cli.console.print(json.dumps({key: round(value, 4) for key, value in row.items()}), markup=False)

    causal = architecture == "hyena"
    card = train_language_model(model, causal, training, held_out, Budget(steps, minutes), settings, report)
    if probe is not None:
        card["motif_loss"] = probe_card(model, causal, held_out, probe, settings)
    card |= {"model": out.name, "window": window}
    card["command"] = cli.command_line("train_lm.py")
    if start is not None:
        card["started_from"] = read_card(start)
    save_checkpoint(model, model_config, out, card)
    write_json({"curve": curve}, out / "training_curve.json")


if __name__ == "__main__":
    cli.run(app)
