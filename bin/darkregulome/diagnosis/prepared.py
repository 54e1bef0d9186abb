"""Models ready to be tested: their scores standardised, raw and residual, with their nulls and bootstrap draws."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from numpy.typing import NDArray

from darkregulome.diagnosis.scores import ModelScores, join_scores, shared_rows
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import NotTested
from darkregulome.stats.bootstrap import resample_loci
from darkregulome.stats.loci import Floats, Loci
from darkregulome.stats.nulls import Null, find_null, null_names
from darkregulome.stats.randomness import generator
from darkregulome.stats.residual import Residualization
from darkregulome.stats.tested import NotTestable, Setting

MINIMUM_ELEMENTS = 20
"""A model with fewer scored elements is not diagnosed, and the record says so."""
OTHER_NULL_DRAWS = 999
"""Most draws of the nulls whose p-values are shown next to those of the run's null."""


@dataclass(frozen=True)
class Prepared:
    """A model ready to be tested.

    Attributes
    ----------
    scores, fit : of the model, and what the features explain of them.
    raw, residual, studentised : shape (n,), in SD within loci: RIS, its residual, its residual over the fitted scale.
    residual_sd : within-locus SD of the residual, in the readout's units.
    setting : layout, null and bootstrap draws of its elements.
    """

    scores: ModelScores
    fit: Residualization
    raw: Floats
    residual: Floats
    studentised: Floats
    residual_sd: float
    setting: Setting

    @property
    def name(self) -> str:
        """Of the model."""
        return self.scores.name

    def both(self) -> tuple[tuple[str, Floats], tuple[str, Floats]]:
        """Raw and residual scores by their names in the files."""
        return ("raw", self.raw), ("residual", self.residual)

    def other_nulls(self, settings: Settings) -> list[tuple[str, Null]]:
        """The nulls that the run does not use, by name."""
        draws = min(settings.permutations, OTHER_NULL_DRAWS)
        names = [name for name in null_names() if name != settings.null]
        loci, classes = self.scores.loci, self.scores.classes
        return [(name, _null(name, [self.name], loci, classes, draws, settings.seed)) for name in names]


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


def prepare(scores: ModelScores, settings: Settings) -> Prepared:
    """Residualize and standardise one model's scores, and draw its null."""
    fit = scores.residualize(settings.residualize)
    loci = scores.loci
    residual, residual_sd = loci.standardise(fit.residual)
    return Prepared(
        scores=scores,
        fit=fit,
        raw=loci.standardise(scores.raw)[0],
        residual=residual,
        studentised=loci.standardise(loci.center(fit.residual) / fit.scale)[0],
        residual_sd=residual_sd,
        setting=setting_for([scores.name], loci, scores.classes, settings),
    )


def setting_for(names: Sequence[str], loci: Loci, classes: NDArray, settings: Settings) -> Setting:
    """The null and bootstrap draws of one set of elements, by names, so that they depend on nothing else."""
    null = _null(settings.null, names, loci, classes, settings.permutations, settings.seed)
    resamples = resample_loci(loci.count, settings.bootstrap, generator(settings.seed, "bootstrap", *names))
    return Setting(loci, null, resamples, settings.alpha, settings.sequential)


@dataclass(frozen=True)
class Aligned:
    """Scores of two models on the elements that both scored, centred within loci: two of shape (n,) each."""

    setting: Setting
    raw: tuple[Floats, Floats]
    residual: tuple[Floats, Floats]
    studentised: tuple[Floats, Floats]


def align(first: Prepared, second: Prepared, settings: Settings) -> Aligned:
    """Two models' scores on the elements that both scored, and the pair's own null.

    Raises
    ------
    NotTestable
        There are too few such elements.
    """
    rows_a, rows_b = shared_rows(first.scores, second.scores)
    if len(rows_a) < MINIMUM_ELEMENTS:
        raise NotTestable(f"the two models share {len(rows_a)} elements")
    everything = len(rows_a) == first.scores.loci.n
    loci = first.scores.loci if everything else Loci.of(first.scores.loci.codes[rows_a])

    def both(side: str) -> tuple[Floats, Floats]:
        return loci.center(getattr(first, side)[rows_a]), loci.center(getattr(second, side)[rows_b])

    setting = setting_for([first.name, second.name], loci, first.scores.classes[rows_a], settings)
    return Aligned(setting, both("raw"), both("residual"), both("studentised"))


def _null(kind: str, names: Sequence[str], loci: Loci, classes: NDArray, draws: int, seed: int) -> Null:
    return find_null(kind).make(loci, classes, draws, generator(seed, kind, *names))


def track_floor(scores: ModelScores, floor: float) -> float | None:
    """The floor in log2 units of an output model's tracks; None for every other readout."""
    return floor if scores.kind == "output" and scores.readout == "track" else None
