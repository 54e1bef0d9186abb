#!/usr/bin/env python3
"""Train a small language model on a FASTA."""

import json
from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError

app = cli.script(
    "Train a small masked (caduceus, gpn, bert over bases) or causal (hyena) language model on any genome; writes a "
    "checkpoint folder that every other stage loads. Killed and started again with the same command, it goes on where "
    "it was.",
    "train_lm.py --fasta genome.fa.gz --architecture gpn --config small.json --holdout chr5 --steps 2000 --out m",
)


@app.command()
def main(
    fasta: Annotated[list[Path], typer.Option(help="FASTA of the genome; may be repeated.")],
    architecture: Annotated[str, typer.Option(help="caduceus, gpn, bert or hyena.")],
    config: Annotated[Path, typer.Option(help="config.json of the architecture, in the official form.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write.")],
    holdout: Annotated[
        str, typer.Option(help="Contigs left out of training, comma-separated; patterns too: 'test_*'.")
    ],
    exclude: Annotated[str, typer.Option(help="Contigs left out altogether, comma-separated.")] = "",
    steps: cli.Steps = None,
    minutes: cli.Minutes = None,
    window: Annotated[int, typer.Option(min=16, help="Bases a training window.")] = 256,
    batch: Annotated[int, typer.Option(min=1, help="Windows a step.")] = 64,
    accumulate: cli.Accumulate = 1,
    learning_rate: cli.LearningRate = 3e-3,
    strands: Annotated[str, typer.Option(help="both, or forward: windows as they stand, for RNA.")] = "both",
    repeat_weight: Annotated[
        float, typer.Option(min=0, max=1, help="Weight of soft-masked bases in the loss; GPN's is 0.1.")
    ] = 1.0,
    evaluate_every: Annotated[int, typer.Option(min=0, help="Steps between evaluations; 0 for none.")] = 200,
    patience: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after so many evaluations without a lower held-out loss; keep the best."),
    ] = None,
    heldout_windows: Annotated[int, typer.Option(min=1, help="Held-out windows of an evaluation.")] = 256,
    probe: Annotated[
        Path | None,
        typer.Option(help="BED of motif positions: their held-out loss shows whether the grammar is known."),
    ] = None,
    start: Annotated[Path | None, typer.Option(help="Checkpoint folder of the same shape to go on from.")] = None,
    state: Annotated[
        Path | None, typer.Option(help="File that keeps what a restart needs until the end; by default OUT.state.")
    ] = None,
    state_minutes: Annotated[float, typer.Option(min=0, help="Minutes between two writings of that file.")] = 5.0,
    device: cli.Device = "auto",
    precision: cli.Precision = "fp32",
    seed: cli.Seed = 0,
    threads: cli.Threads = 2,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    if (steps is None) == (minutes is None):
        raise InputError.at("train_lm.py", "takes either --steps or --minutes", "give one of the two")
    if patience is not None and not evaluate_every:
        raise InputError.at("--patience", "counts evaluations, of which there are none", "give --evaluate-every")
    cli.one_of("--strands", strands, ("both", "forward"))
    import torch

    from darkregulome.io.tables import write_json
    from darkregulome.models.checkpoint import find_weights, load_weights, read_card, save_checkpoint
    from darkregulome.models.numerics import check_precision, resolve_device
    from darkregulome.training.build import build_language_model, extra_files, language_of
    from darkregulome.training.lm import LanguageTraining, identity, is_useless, train_language_model
    from darkregulome.training.probe import probe_card, windows_at
    from darkregulome.training.schedule import Budget
    from darkregulome.training.state import StateFile
    from darkregulome.training.windows import read_codes, read_repeats, split_contigs

    torch.set_num_threads(threads)
    settings = LanguageTraining(
        window=window,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
        evaluate_every=evaluate_every,
        heldout_windows=heldout_windows,
        parts=accumulate,
        both_strands=strands == "both",
        repeat_weight=repeat_weight,
        patience=patience,
        device=str(resolve_device(device)),
        precision=check_precision(precision),
    )
    training, held_out = split_contigs(read_codes(fasta), _names(holdout), fasta[0], _names(exclude))
    if probe is not None:
        windows_at(held_out, probe, window)  # said before hours of training, not after
    model, model_config = build_language_model(architecture, config, seed)
    language = language_of(architecture)
    if start is not None:
        load_weights(model, find_weights(start))
    budget = Budget(steps, minutes)
    kept = StateFile(
        state or out.with_name(f"{out.name}.state"),
        identity(model, training, held_out, budget, settings),
        state_minutes,
    )

    def report(row) -> None:
        if progress:
            cli.console.print(json.dumps({key: round(value, 4) for key, value in row.items()}), markup=False)

    repeats = read_repeats(fasta) if repeat_weight != 1 else None
    card, curve = train_language_model(model, language, training, held_out, budget, settings, report, repeats, kept)
    if probe is not None:
        card["motif_loss"] = probe_card(model, language, held_out, probe, settings)
    card |= {"model": out.name, "window": window}
    card["command"] = cli.command_line("train_lm.py")
    if start is not None:
        card["started_from"] = read_card(start)
    save_checkpoint(model, model_config, out, card, extra_files(architecture))
    write_json({"curve": curve}, out / "training_curve.json")
    kept.remove()
    if is_useless(card["heldout_loss"], card["markov_loss"]):
        cli.console.print(f"warning: {out.name} {card['verdict']}.", markup=False)


def _names(value: str) -> list[str]:
    return [name for name in value.split(",") if name]


if __name__ == "__main__":
    cli.run(app)
