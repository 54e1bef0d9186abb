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
    fasta: Annotated[
        list[Path], typer.Option(help="FASTA of the genome, or of pieces named contig:start-end; may be repeated.")
    ],
    config: Annotated[Path, typer.Option(help="config.json of the Enformer.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write.")],
    holdout: Annotated[str, typer.Option(help="Contigs left out of training, comma-separated.")],
    tracks: Annotated[list[Path] | None, typer.Option(help="bigWig of one track; repeat it for every track.")] = None,
    tss: Annotated[Path | None, typer.Option(help="BED of TSSs: a window is taken around each.")] = None,
    windows: Annotated[
        Path | None, typer.Option(help="BED of windows with binned targets, instead of --tracks and --tss.")
    ] = None,
    targets: Annotated[Path | None, typer.Option(help="npz of the targets: windows x bins x tracks.")] = None,
    track_table: Annotated[
        Path | None, typer.Option(help="Table of the targets' tracks: identifier, description, strand_pair.")
    ] = None,
    track_pattern: Annotated[
        str, typer.Option(help="Train on the tracks whose description matches this regular expression.")
    ] = "",
    validation: Annotated[
        str, typer.Option(help="Contigs by which the best weights are chosen; by default the last weights are kept.")
    ] = "",
    patience: Annotated[
        int | None, typer.Option(min=1, help="Evaluations without a better validation after which a part ends.")
    ] = None,
    steps: cli.Steps = None,
    minutes: cli.Minutes = None,
    window: Annotated[int, typer.Option(help="Bases a window.")] = 49_152,
    shift: Annotated[int, typer.Option(min=0, help="Bases by which a window may move to either side.")] = 4_096,
    tower_window: Annotated[int, typer.Option(help="Bases a window while the convolution tower learns.")] = 4_096,
    tower_batch: Annotated[int, typer.Option(min=1, help="Windows a step while the tower learns.")] = 16,
    tower_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the steps for the tower.")] = 0.5,
    learning_rate: cli.LearningRate = 2e-3,
    weight_decay: Annotated[float, typer.Option(min=0, help="Weight decay.")] = 0.01,
    evaluate_every: Annotated[int, typer.Option(min=1, help="Steps between two evaluations.")] = 100,
    accumulate: cli.Accumulate = 1,
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
    given = [bool(tracks), tss is not None, windows is not None, targets is not None, track_table is not None]
    if given not in ([True, True, False, False, False], [False, False, True, True, True]):
        raise InputError.at(
            "train_enformer.py",
            "takes either --tracks and --tss, or --windows, --targets and --track-table",
            "give all of the one kind and none of the other",
        )
    for option, length in (("--window", window), ("--tower-window", tower_window)):
        if length < 128 or length % 128:
            raise InputError.at(option, f"is {length}", "give a multiple of 128, the bases of a bin")
    import torch

    from darkregulome.models.numerics import check_precision, resolve_device
    from darkregulome.training.enformer import EnformerTraining
    from darkregulome.training.enformer_run import share_of, train_into
    from darkregulome.training.sources import from_bigwigs, from_target_set

    torch.set_num_threads(threads)
    settings = EnformerTraining(
        window=window,
        tower_window=tower_window,
        tower_batch=tower_batch,
        tower_share=tower_share,
        shift=shift,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        evaluate_every=evaluate_every,
        patience=patience,
        seed=seed,
        parts=accumulate,
        device=str(resolve_device(device)),
        precision=check_precision(precision),
    )
    held_out, chosen_by = ([name for name in names.split(",") if name] for names in (holdout, validation))
    if windows is not None and targets is not None and track_table is not None:
        source = from_target_set(fasta, windows, targets, track_table, track_pattern, held_out, chosen_by, settings)
    else:
        source = from_bigwigs(fasta, tracks or [], tss or Path(), held_out, chosen_by, settings)

    def report(row) -> None:
        if progress:
            cli.console.print(json.dumps(row), markup=False)

    kept = state or out.with_name(f"{out.name}.state")
    command = cli.command_line("train_enformer.py")
    train_into(out, config, source, share_of(steps, minutes), settings, command, kept, state_minutes, report)


if __name__ == "__main__":
    cli.run(app)
