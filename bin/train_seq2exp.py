#!/usr/bin/env python3
"""Train Seq2Exp: learn from expression which bases around a TSS matter."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError

app = cli.script(
    "Train Seq2Exp on windows around TSSs, over folds of whole contigs and several seeds; writes a checkpoint folder "
    "for each, and their measures on the contigs left out. Defaults are the paper's recipe. Killed and started again "
    "with the same command, it goes on where it was.",
    "train_seq2exp.py --fasta genome.fa.gz --expression expression.tsv --signal h3k27ac=h3k27ac.bw "
    "--signal dnase=dnase.bw --config recipe.yaml --folds 5 --fold 0 --seeds 3 --out models",
)


@app.command()
def main(
    fasta: cli.Fasta,
    expression: cli.Expression,
    out: Annotated[Path, typer.Option(help="Folder for the checkpoints and measures.")],
    signal: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE: bigWig of a signal of the config; repeat it for each.")
    ] = None,
    peaks: Annotated[Path | None, typer.Option(help="BED of peaks, for a config whose mask is given.")] = None,
    config: Annotated[Path | None, typer.Option(help="JSON or YAML with the objects model and training.")] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            help="Train this instead of the config as it is; repeat it or use commas: seq2exp-hard, seq2exp-soft, "
            "caduceus-signals, caduceus, mamba, hyena, peaks, epinformer-like."
        ),
    ] = None,
    folds: Annotated[int, typer.Option(min=3, help="Folds of whole contigs.")] = 5,
    fold: Annotated[list[int] | None, typer.Option(min=0, help="Test folds to run; by default all.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds a fold, counted from --seed.")] = 1,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps, instead of the config's.")] = None,
    top: Annotated[
        float | None, typer.Option(min=0, max=1, help="Test also with this fraction of highest positions alone.")
    ] = None,
    retrain: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Train a fresh predictor on this fraction of highest positions, and test it."),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Folder that keeps what a restart needs until the end; by default OUT/.state.")
    ] = None,
    state_minutes: Annotated[float, typer.Option(min=0, help="Minutes between two writings of it.")] = 5.0,
    device: cli.Device = "auto",
    precision: cli.Precision = "fp32",
    threads: cli.Threads = 1,
    seed: cli.Seed = 0,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    import torch

    from darkregulome.genome.reference import Reference
    from darkregulome.io.tables import write_json, write_table
    from darkregulome.models.checkpoint import save_checkpoint
    from darkregulome.models.numerics import check_precision, resolve_device
    from darkregulome.seq2exp.data import ExpressionWindows, parse_signals, read_genes
    from darkregulome.seq2exp.folds import Plan, metrics_table, summary_of, train_folds
    from darkregulome.seq2exp.recipe import read_recipe
    from darkregulome.seq2exp.variants import OWN
    from darkregulome.seq2exp.variants import variant as variant_of
    from darkregulome.training.state import StateFile

    torch.set_num_threads(threads)
    config_given, recipe = read_recipe(config)
    if steps is not None:
        recipe = recipe.model_copy(update={"steps": steps})
    names = [name for option in variant or [] for name in option.split(",") if name] or [OWN]
    configs = {name: variant_of(config_given, name) for name in names}
    which = sorted(set(fold)) if fold else list(range(folds))
    if which[-1] >= folds:
        raise InputError.at("--fold", f"{which[-1]} is not one of {folds}", "count folds from 0")
    plan = Plan(
        folds, which, range(seed, seed + seeds), top, retrain, resolve_device(device), check_precision(precision)
    )
    states = state or out / ".state"
    kept: list[StateFile] = []

    def report(row) -> None:
        if progress:
            shown = " ".join(f"{name} {value:.4g}" if name != "model" else value for name, value in row.items())
            cli.console.print(shown, markup=False)

    def state_of(name: str, identity: dict) -> StateFile:
        kept.append(StateFile(states / f"{name}.state", identity, state_minutes))
        return kept[-1]

    rows: list[dict] = []
    paths = parse_signals(signal or [])
    strange = sorted(set(paths) - set(config_given.signals))
    if strange:
        raise InputError.at(
            "--signal", f"{strange[0]!r} is not a signal of the config", "add it there, or leave it out"
        )
    with Reference(fasta) as reference:
        genes = read_genes(expression, reference.contigs)
        for name, model_config in configs.items():
            # A variant that reads the sequence alone leaves the signals that others need unread.
            read = {one: path for one, path in paths.items() if name == OWN or one in model_config.signals}
            windows = ExpressionWindows(reference, read, model_config, peaks, recipe.shift)
            for run in train_folds(name, model_config, recipe, windows, genes, plan, report, state_of):
                folder = out / ("" if name == OWN else name) / f"fold{run.fold}_seed{run.seed}"
                card = run.card(cli.command_line("train_seq2exp.py")) | {"recipe": recipe.model_dump()}
                save_checkpoint(run.trained.model, model_config, folder, card)
                write_json({"curve": run.trained.curve}, folder / "training_curve.json")
                rows += run.rows
    table = metrics_table(rows)
    write_table(table, out / "metrics.tsv")
    write_json(summary_of(table), out / "metrics.json")
    for one in kept:
        one.remove()
    if states.is_dir() and not any(states.iterdir()):
        states.rmdir()


if __name__ == "__main__":
    cli.run(app)
