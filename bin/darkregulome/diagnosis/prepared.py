"""Models ready to be asked: their scores in SD within loci, their nulls, and what has been worked out of them."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd

from darkregulome.diagnosis.scores import ModelScores, is_in, join_scores, positions_in
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import NotTested
from darkregulome.stats.bootstrap import resample_loci
from darkregulome.stats.learners import residuals
from darkregulome.stats.loci import Floats
from darkregulome.stats.nulls import find_null
from darkregulome.stats.randomness import generator
from darkregulome.stats.setting import NotTestable, Setting

MINIMUM_ELEMENTS = 20
"""A model with fewer scored elements is not diagnosed, and the record says so."""
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Prepared:
    """A model ready to be asked.

    Attributes
    ----------
    raw : shape (n,), its scores in SD within loci. raw_sd : that SD, in the readout's units.
    setting : layout and null of its elements.
    """

    scores: ModelScores
    raw: Floats
    raw_sd: float
    setting: Setting
    _memory: dict[Key, "Future[Any]"] = field(default_factory=dict, compare=False, repr=False)
    _lock: Any = field(default_factory=Lock, compare=False, repr=False)

    @property
    def name(self) -> str:
        """Of the model."""
        return self.scores.name

    def left(self, rung: str) -> Floats:
        """What the features of a rung leave of the scores, by splines, in SD of the scores within loci: shape (n,)."""
        if rung == "raw":
            return self.raw
        work = partial(self._residuals, self.raw, rung)
        return np.asarray(self.remember(("score", f"{rung}||", "splines"), work)[:, 0])

    def scaled(self, rung: str) -> Floats:
        """`left` over its size as the features fit it, so that features which widen scores do not fill a top list.

        The size is that of absolute values on the features (Glejser 1969, J Am Stat Assoc 64:316): shape (n,).
        """
        left = self.left(rung)
        if rung == "raw":
            return left
        spread = np.abs(left)
        fitted = spread - self._residuals(spread, rung, levels=True)[:, 0]
        return self.setting.loci.standardise(left / np.maximum(fitted, 0.1 * spread.mean()))[0]

    def _residuals(self, values: Floats, rung: str, levels: bool = False) -> Floats:
        features = self.scores.trivial if rung == "trivial" else self.scores.features
        return residuals(values, features.values, self.setting.loci, self.scores.folds, "splines", levels)

    @property
    def rungs(self) -> tuple[str, ...]:
        """The rungs that there are for this model."""
        return ("raw", "trivial", "full") if self.scores.has_predictability else ("raw", "trivial")

    def remember(self, key: Key, work: Callable[[], Any]) -> Any:
        """What `work` gives, worked out once per key (variable, features, learner), by whichever thread asks first."""
        with self._lock:
            mine = key not in self._memory
            future = self._memory.setdefault(key, Future())
        if mine:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
        return future.result()


def prepare_models(
    elements: pd.DataFrame, ris: pd.DataFrame, settings: Settings
) -> tuple[list[Prepared], list[NotTested]]:
    """The models that can be tested, and the others with the reason.

    Raises
    ------
    InputError
        The two tables have no element in common, or there is no score.
    """
    models = join_scores(elements, ris)
    reasons = {model.name: unfit(model) for model in models}
    not_tested = [NotTested(claim="all", model=name, reason=reason) for name, reason in reasons.items() if reason]
    return [prepare(model, settings) for model in models if not reasons[model.name]], not_tested


def unfit(scores: ModelScores) -> str | None:
    """Why a model's scores cannot be tested at all; None where they can."""
    if len(scores.table) < MINIMUM_ELEMENTS:
        return f"{len(scores.table)} elements have a score; {MINIMUM_ELEMENTS} are needed"
    if scores.loci.standardise(scores.raw)[1] == 0:
        return "its scores do not vary within loci"
    return None


def track_floor(scores: ModelScores, floor: float) -> float | None:
    """The floor in log2 units of an output model's tracks; None for every other readout."""
    return floor if scores.kind == "output" and scores.readout == "track" else None


def prepare(scores: ModelScores, settings: Settings) -> Prepared:
    """Standardise one model's scores, and draw its null."""
    raw, raw_sd = scores.loci.standardise(scores.raw)
    return Prepared(scores, raw, raw_sd, setting_for([scores.name], scores, settings))


def setting_for(names: Sequence[str], scores: ModelScores, settings: Settings) -> Setting:
    """The null and bootstrap draws of one set of elements, by names, so that it depends on nothing else."""
    draws = generator(settings.seed, settings.null, *names)
    null = find_null(settings.null).make(scores.loci, scores.classes, settings.permutations, draws)
    resamples = resample_loci(scores.loci.count, settings.bootstrap, generator(settings.seed, "bootstrap", *names))
    return Setting(scores.loci, null, resamples)


def on_shared(models: Sequence[Prepared], settings: Settings) -> list[Prepared]:
    """The models on the elements that all of them scored, with one null of their own.

    Raises
    ------
    NotTestable
        There are too few such elements.
    """
    names = models[0].scores.table["element"]
    for one in models[1:]:
        names = names[is_in(names, one.scores.table["element"])]
    if len(names) < MINIMUM_ELEMENTS:
        raise NotTestable(f"the models share {len(names)} elements")
    if any(len(names) < len(one.scores.table) for one in models):
        models = [prepare(one.scores.take(positions_in(one.scores, names.to_numpy())), settings) for one in models]
    setting = setting_for([one.name for one in models], models[0].scores, settings)
    return [replace(one, setting=setting) for one in models]
