"""A training of the Enformer from its data to its checkpoint folder, and again after an interruption."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from darkregulome.io.tables import write_json
from darkregulome.models.checkpoint import save_checkpoint
from darkregulome.training.build import build_enformer
from darkregulome.training.enformer import EnformerTraining, identity, train_enformer
from darkregulome.training.schedule import Budget
from darkregulome.training.sources import Source
from darkregulome.training.state import StateFile


def share_of(steps: int | None, minutes: float | None) -> Callable[[float], Budget]:
    """The budget of a part of a training, by its share of the steps or minutes of the whole."""

    def budget(share: float) -> Budget:
        return Budget(None if steps is None else round(share * steps), None if minutes is None else share * minutes)

    return budget


def train_into(
    out: Path,
    config: Path,
    source: Source,
    budget: Callable[[float], Budget],
    settings: EnformerTraining,
    command: str,
    state: Path,
    state_minutes: float,
    report: Callable[[Mapping[str, Any]], None],
) -> None:
    """Train, and write the checkpoint with its card and its curve; what a restart needs is kept until then.

    Parameters
    ----------
    out : checkpoint folder; the model has its name.
    command : for the card.
    state : begin of the names of the files of a restart.
    report : called with each row of the curve.
    """
    model, model_config = build_enformer(config, settings.seed)
    which = identity(model, source.codes, source.values, source.training.sites, budget(1.0), settings)
    kept = StateFile(state, which, state_minutes)
    card, curve = train_enformer(
        model, source.training, source.held_out, budget, settings, report, kept, source.validation
    )
    card |= {**source.card(), "model": out.name, "command": command}
    save_checkpoint(model, model_config, out, card)
    write_json({"curve": curve}, out / "training_curve.json")
    kept.remove()
