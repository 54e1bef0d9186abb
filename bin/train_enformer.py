#!/usr/bin/env python3
"""Train a small Enformer on a FASTA and tracks."""

import json
from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError

app = cli.script(
    "Train a small Enformer on windows around TSSs; writes a checkpoint folder that every other stage loads.",
    "train_enformer.py --fasta genome.fa.gz --tracks cage.bw --tracks dnase.bw --tss tss.bed --config small.json "
    "--holdout chr5 --steps 2000 --out model",
)


@app.command()
def main(
    fasta: Annotated[list[Path], typer.Option(help="FASTA of the genome; may be repeated.")],
    tracks: Annotated[list[Path], typer.Option(help="bigWig of one track; repeat it for every track.")],
    tss: Annotated[Path, typer.Option(help="BED of TSSs: a window is taken around each.")],
    config: Annotated[Path, typer.Option(help="config.json of the Enformer.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write.")],
    holdout: Annotated[str, typer.Option(help="Contigs left out of training, comma-separated.")],
    steps: Annotated[int | None, typer.Option(min=1, help="Steps to train: exactly repeatable.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="Minutes to train, instead of steps.")] = None,
    window: Annotated[int, typer.Option(help="Bases a window.")] = 49_152,
    tower_window: Annotated[int, typer.Option(help="Bases a window while the convolution tower learns.")] = 4_096,
    tower_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the steps for the tower.")] = 0.5,
    learning_rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 2e-3,
    accumulate: Annotated[
        int, typer.Option(min=1, help="Parts into which a step is cut, so that less memory is enough.")
    ] = 1,
    state: Annotated[
        Path | None, typer.Option(help="Begin of the names of two files that keep what a restart needs.")
    ] = None,
    state_minutes: Annotated[float, typer.Option(min=0, help="Minutes between two writings of them.")] = 5.0,
    device: cli.Device = "auto",
    precision: cli.Precision = "fp32",
    seed: cli.Seed = 0,
    threads: cli.Threads = 2,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    if (steps is None) == (minutes is None):
        raise InputError.at("train_enformer.py", "takes either --steps or --minutes", "give one of the two")
    for option, length in (("--window", window), ("--tower-window", tower_window)):
        if length < 128 or length % 128:
            raise InputError.at(option, f"is {length}", "give a multiple of 128, the bases of a bin")
    import torch

    from darkregulome.io.tables import write_json
    from darkregulome.models.checkpoint import save_checkpoint
    from darkregulome.models.numerics import check_precision, resolve_device
    from darkregulome.training.build import build_enformer
    from darkregulome.training.enformer import (
        EnformerTraining,
        TrackWindows,
        identity,
        read_sites,
        read_tracks,
        train_enformer,
    )
    from darkregulome.training.schedule import Budget
    from darkregulome.training.state import StateFile
    from darkregulome.training.windows import read_codes, split_contigs

    torch.set_num_threads(threads)
    settings = EnformerTraining(
        window=window,
        tower_window=tower_window,
        tower_share=tower_share,
        learning_rate=learning_rate,
        seed=seed,
        parts=accumulate,
        device=str(resolve_device(device)),
        precision=check_precision(precision),
    )

    def budget(share: float) -> Budget:
        return Budget(None if steps is None else round(share * steps), None if minutes is None else share * minutes)

    codes = read_codes(fasta)
    training, held_out = split_contigs(codes, [name for name in holdout.split(",") if name], fasta[0])
    values = read_tracks(tracks, codes)
    sites = read_sites(tss)
    model, model_config = build_enformer(config, seed)
    kept = StateFile(
        state or out.with_name(f"{out.name}.state"),
        identity(model, training, values, sites, budget(1.0), settings),
        state_minutes,
    )

    def report(row) -> None:
        if progress:
            cli.console.print(json.dumps(row), markup=False)

    card, curve = train_enformer(
        model,
        TrackWindows(training, values, sites, settings),
        TrackWindows(held_out, values, sites, settings),
        budget,
        settings,
        report,
        kept,
    )
    card["tracks"] = [path.name for path in tracks]
    card["model"] = out.name
    card["command"] = cli.command_line("train_enformer.py")
    save_checkpoint(model, model_config, out, card)
    write_json({"curve": curve}, out / "training_curve.json")
    kept.remove()


if __name__ == "__main__":
    cli.run(app)
