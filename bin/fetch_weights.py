#!/usr/bin/env python3
"""Weights of models from the hub, verified."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.cli import console
from darkregulome.errors import InputError

app = cli.script(
    help="Fetch the checkpoints of models at their pinned commits into OUTDIR/MODEL, each verified: sizes, checksums, "
    "and, unless --no-check-shapes is given, that the weights fit their config.json.",
    example="fetch_weights.py --models caduceus-ph-131k,hyenadna-tiny-1k --registry models.yml --outdir weights",
)


@cli.command(app)
def main(
    models: cli.Models,
    outdir: Annotated[Path, typer.Option(help="Folder that gets one folder per model, for --weights MODEL=FOLDER.")],
    run: cli.Run,
    registry: cli.Registry = None,
    cache: Annotated[Path | None, typer.Option(help="Cache of downloads; by default that of the hub's client.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Take what the cache holds; ask nobody.")] = False,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds without an answer after which a try is given up.")
    ] = 30.0,
    check_shapes: Annotated[
        bool, typer.Option("--check-shapes/--no-check-shapes", help="Load each model once: its tensors must fit.")
    ] = True,
) -> None:
    from darkregulome.models import hub
    from darkregulome.models.registry import check_fetchable, find_entry, model_problems

    names = [name.strip() for item in models for name in item.split(",") if name.strip()]
    if not names:
        raise InputError.at("--models", "names no model", "give at least one")
    entries, problems = {}, []
    for name in names:
        try:
            entries[name] = find_entry(name, None, registry)
            check_fetchable(name, entries[name])
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    _set_progress(run.progress)
    for name, entry in entries.items():
        folder = outdir / name
        if hub.is_fetched(entry, folder):
            console.print(f"{name}: {folder} is complete", markup=False)
            continue
        hub.place(entry, hub.fetch(entry, cache, offline=offline, timeout=timeout), folder)
        if check_shapes and (found := model_problems(name, folder, registry)):
            (folder / hub.MANIFEST).unlink()
            raise InputError(*found)
        console.print(f"{name}: {entry.repo}@{entry.revision} in {folder}", markup=False)


def _set_progress(shown: bool) -> None:
    """The client's own progress bars, on or off."""
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

    (enable_progress_bars if shown else disable_progress_bars)()


if __name__ == "__main__":
    cli.run(app)
