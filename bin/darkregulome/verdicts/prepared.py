"""Models ready to be asked: their scores in SD within loci, their nulls, and what has been worked out of them."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

import numpy as np

from darkregulome.diagnosis.prepared import MINIMUM_ELEMENTS
from darkregulome.diagnosis.scores import is_in, positions_in
from darkregulome.stats.loci import Floats
from darkregulome.stats.nulls import find_null
from darkregulome.stats.randomness import generator
from darkregulome.stats.tested import NotTestable, Setting
from darkregulome.verdicts.scores import LadderScores
from darkregulome.verdicts.settings import Settings

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Prepared:
    """A model ready to be asked.

    Attributes
    ----------
    raw : shape (n,), its scores in SD within loci. raw_sd : that SD, in the readout's units.
    setting : layout and null of its elements.
    """

    scores: LadderScores
    raw: Floats
    raw_sd: float
    setting: Setting
    _memory: dict[Key, "Future[Any]"] = field(default_factory=dict, compare=False, repr=False)
    _lock: Any = field(default_factory=Lock, compare=False, repr=False)

    @property
    def name(self) -> str:
        """Of the model."""
        return self.scores.name

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


def prepare(scores: LadderScores, settings: Settings) -> Prepared:
    """Standardise one model's scores, and draw its null."""
    raw, raw_sd = scores.loci.standardise(scores.raw)
    return Prepared(scores, raw, raw_sd, setting_for([scores.name], scores, settings))


def setting_for(names: Sequence[str], scores: LadderScores, settings: Settings) -> Setting:
    """The null of one set of elements, by names, so that it depends on nothing else."""
    draws = generator(settings.seed, settings.null, *names)
    null = find_null(settings.null).make(scores.loci, scores.classes, settings.permutations, draws)
    return Setting(scores.loci, null, np.zeros((0, scores.loci.count), dtype=np.int64), settings.alpha)


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
