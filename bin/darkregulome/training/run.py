"""Whole trainings of one model: from options to a checkpoint folder with its card and curve."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from darkregulome.io.tables import write_json
from darkregulome.models.checkpoint import find_weights, load_weights, read_card, save_checkpoint
from darkregulome.models.numerics import resolve_device
from darkregulome.training import enformer, lm
from darkregulome.training.build import build_enformer, build_language_model, extra_files, language_of
from darkregulome.training.probe import probe_card, windows_at
from darkregulome.training.settings import (
    BudgetOptions,
    EnformerInputs,
    EnformerTraining,
    LanguageInputs,
    LanguageTraining,
    RestartOptions,
)
from darkregulome.training.sources import source_of
from darkregulome.training.state import StateFile
from darkregulome.training.windows import read_codes, read_repeats, split_contigs

Report = Callable[[Mapping[str, Any]], None]


def train_language_into(
    outdir: Path,
    inputs: LanguageInputs,
    settings: LanguageTraining,
    budget: BudgetOptions,
    restart: RestartOptions,
    command: str,
    report: Report,
) -> list[str]:
    """Train a language model and write its folder; what a restart needs is kept until then.

    Parameters
    ----------
    outdir : checkpoint folder; the model has its name.
    command : the command line, for the card.
    report : called with each row of the curve.

    Returns
    -------
    Warnings.
    """
    settings = settings.model_copy(update={"device": str(resolve_device(settings.device))})
    training, held_out = split_contigs(read_codes(inputs.fasta), inputs.holdout, inputs.fasta[0], inputs.exclude)
    if inputs.probe is not None:
        windows_at(held_out, inputs.probe, settings.window)  # refused before hours of training, not after
    model, config = build_language_model(inputs.architecture, inputs.config, settings.seed)
    language = language_of(inputs.architecture)
    if inputs.start is not None:
        load_weights(model, find_weights(inputs.start))
    corpus = lm.Corpus(training, held_out, read_repeats(inputs.fasta) if settings.repeat_weight != 1 else None)
    whole = budget.share()
    state = StateFile(restart.place(outdir), lm.identity(model, corpus, whole, settings), restart.state_minutes)
    card, curve = lm.train_language_model(model, language, corpus, whole, settings, report, state)
    if inputs.probe is not None:
        card["motif_loss"] = probe_card(model, language, held_out, inputs.probe, settings)
    card |= {"window": settings.window}
    if inputs.start is not None:
        card["started_from"] = read_card(inputs.start)
    _write(outdir, model, config, card | {"command": command}, curve, extra_files(inputs.architecture))
    state.remove()
    return [f"{outdir.name} {card['verdict']}."] if lm.is_useless(card["heldout_loss"], card["markov_loss"]) else []


def train_enformer_into(
    outdir: Path,
    inputs: EnformerInputs,
    settings: EnformerTraining,
    budget: BudgetOptions,
    restart: RestartOptions,
    command: str,
    report: Report,
) -> None:
    """Train an Enformer and write its folder, as `train_language_into` does; the state has a file for each part."""
    settings = settings.model_copy(update={"device": str(resolve_device(settings.device))})
    source = source_of(inputs, settings)
    model, config = build_enformer(inputs.config, settings.seed)
    sites = source.windows.training.sites
    identity = enformer.identity(model, source.codes, source.values, sites, budget.share(), settings)
    state = StateFile(restart.place(outdir), identity, restart.state_minutes)
    card, curve = enformer.train_enformer(model, source.windows, budget.share, settings, report, state)
    _write(outdir, model, config, card | {**source.card(settings), "command": command}, curve)
    state.remove()


def _write(
    outdir: Path,
    model: torch.nn.Module,
    config: Any,
    card: dict[str, Any],
    curve: list[dict[str, Any]],
    extra: Mapping[str, str] | None = None,
) -> None:
    save_checkpoint(model, config, outdir, {"model": outdir.name, **card}, dict(extra or {}))
    write_json({"curve": curve}, outdir / "training_curve.json")
