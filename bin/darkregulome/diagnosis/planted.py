"""Scores whose truth is planted on given elements: what a calibration is made of.

A score is a locus's level, plus what the features explain, plus planted effects, plus noise that resembles its
neighbours. Noise has unit variance within loci, so planted effects are in SD of what predictability leaves.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from darkregulome.claims.claim import Claim, all_claims
from darkregulome.diagnosis.clusters import in_clusters
from darkregulome.diagnosis.scores import ModelScores, feature_columns
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.schemas import CLASSES
from darkregulome.stats.features import standardise_features
from darkregulome.stats.loci import Floats, Loci
from darkregulome.stats.noise import correlated_noise, geometric
from darkregulome.stats.randomness import generator

LANGUAGE, OUTPUT = "language", "output"
"""The two models of a planted table: the second is there for the lists that it shares with the first."""
DEFAULT_WEIGHTS = {"predictability": -1.0, "repeat_fraction": -0.5, "gc": 0.3, "complexity": 0.3, "log_length": 0.2}
"""What the features explain where no table of scores says it: direction of the slopes, in SD of the feature."""
OUTPUT_R2 = 0.3
"""Share of the output model's variance that the features explain."""
LONGEST_LAG = 40


@dataclass(frozen=True)
class Truth:
    """What is planted.

    Attributes
    ----------
    name : of the truth.
    parts : truths of single claims that it is made of, by the name in their record; none: nothing is true.
    predictability : whether the features explain part of the scores.
    """

    name: str
    parts: tuple[str, ...] = ()
    predictability: bool = True

    def role(self, claim: Claim) -> str:
        """Whether a claim is then ``planted``, ``absent``, or ``touched`` by what is planted and judged neither way."""
        plant = claim.plant
        assert plant is not None, f"calibration leaves {claim.name} out"
        if set(self.parts) & set(plant.true_under):
            return "planted"
        return "touched" if self.parts and plant.touched else "absent"


def truths() -> dict[str, Truth]:
    """Nothing, predictability only, the truth of each claim that plants one, and those that are planted together."""
    plants = [claim.plant for claim in all_claims() if claim.plant is not None and claim.plant.truth]
    together = [(plant.truth, other) for plant in plants for other in plant.along_with]
    every = [
        Truth("nothing", predictability=False),
        Truth("predictability"),
        *(Truth(plant.truth, (plant.truth,)) for plant in plants),
        *(Truth("_and_".join(parts), parts) for parts in together),
    ]
    return {truth.name: truth for truth in every}


@dataclass(frozen=True)
class ScoreModel:
    """How scores vary where nothing is planted.

    Attributes
    ----------
    autocorrelation : shape (lags,), of the noise along the elements of a locus, from lag 0 (which is 1).
    locus_sd : SD of the loci's levels, in SD of the noise.
    r2 : share of the variance within loci that the features explain.
    weights : slope of each feature, up to a factor, in SD of the feature.
    skew : scores are ``exp(skew * z)`` of the standardised sum; 0 leaves them as they are.
    """

    autocorrelation: tuple[float, ...]
    locus_sd: float = 0.5
    r2: float = 0.9
    weights: dict[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    skew: float = 0.0


def estimate_score_model(scores: ModelScores) -> ScoreModel:
    """The score model of a user's own table: autocorrelation of the residual, levels of the loci, slopes and R2.

    Autocorrelations are pooled over loci, corrected for the mean that each locus's centring takes out (Marriott and
    Pope 1954 to first order), and tapered to zero at the longest lag (Bartlett).
    """
    fit = scores.residualize("linear")
    loci = scores.loci
    noise, sd = loci.standardise(fit.residual)
    lags = int(min(LONGEST_LAG, max(loci.sizes.min() // 3, 1)))
    values = np.array([1.0] + [_lag_correlation(noise, loci, lag) for lag in range(1, lags)])
    lost = 1.0 / max(float(np.average(loci.sizes, weights=loci.sizes)), 2.0)
    spread = values[0] + 2 * values[1:].clip(min=0).sum()
    corrected = np.clip(values + lost * spread, -1.0, 1.0) * (1 - np.arange(lags) / lags)
    corrected[0] = 1.0
    levels = loci.sums(fit.residual) / loci.sizes
    names = scores.features.names
    return ScoreModel(
        autocorrelation=tuple(map(float, corrected)),
        locus_sd=float(levels.std() / sd) if sd > 0 else 0.0,
        r2=float(np.clip(fit.r2, 0.0, 0.99)),
        weights={name: float(slope) for name, slope in zip(names, fit.coefficients, strict=True)},
    )


def _lag_correlation(noise: Floats, loci: Loci, lag: int) -> float:
    same = loci.codes[lag:] == loci.codes[:-lag]
    pairs = int(same.sum())
    return float((noise[lag:] * noise[:-lag])[same].sum() / pairs) if pairs else 0.0


CHROMOSOMES = 22
"""That an example's loci lie on."""


@dataclass(frozen=True)
class Design:
    """The elements that truths are planted on.

    Attributes
    ----------
    language, output : the two models on the elements, their scores yet to be planted.
    own : predictability of the user's own table, shape (n,); None where each planted table draws its own.
    """

    language: ModelScores
    output: ModelScores
    own: Floats | None


def unscored(elements: pd.DataFrame) -> pd.DataFrame:
    """Elements in the order of clusters and positions, each interval once, for scores to be planted on."""
    table = in_clusters(elements)[0]
    order = ["cluster", "chrom", "start", "end", "element"]
    return table.sort_values(order, kind="stable").reset_index(drop=True).assign(ris=0.0, predictability=np.nan)


def make_design(elements: pd.DataFrame, own: pd.Series | None = None) -> Design:
    """The design of an element table; `own` is predictability by element, of elements that have one."""
    table = elements.drop(columns=["ris", "predictability"], errors="ignore")
    if own is not None:
        table = table[table["element"].isin(own.index)]
    table = unscored(table)
    of_element = None if own is None else table["element"].map(own).to_numpy(dtype=float)
    language = ModelScores(LANGUAGE, "masked", "llr", table, "own", {})
    output = ModelScores(OUTPUT, "output", None, table, f"mean of {LANGUAGE}", {})
    output.share_elements(language)
    return Design(language=language, output=output, own=of_element)


def plant(
    design: Design, truth: Truth, score_model: ScoreModel, settings: Settings, effect: float, rng: np.random.Generator
) -> tuple[ModelScores, ModelScores]:
    """One table of planted scores: those of a language model and of an output model, effects planted in both."""
    scores, loci = design.language, design.language.loci
    predictability = design.own if design.own is not None else _drawn_predictability(design, score_model, rng)
    columns = {**feature_columns(scores.table), "predictability": predictability}
    features = standardise_features(columns)
    slopes = np.array([score_model.weights.get(name, 0.0) for name in features.names])
    explained = loci.standardise(features.values @ slopes)[0]
    signal = effect * planted_signal(scores, truth, settings)
    planted = []
    for model, r2 in ((design.language, score_model.r2), (design.output, min(OUTPUT_R2, score_model.r2))):
        part = np.sqrt(r2 / (1 - r2)) * explained if truth.predictability else 0.0
        level = score_model.locus_sd * rng.standard_normal(loci.count)[loci.codes]
        values = part + signal + level + correlated_noise(score_model.autocorrelation, loci, rng)
        if score_model.skew:
            values = np.exp(score_model.skew * (values - values.mean()) / values.std())
        planted.append(model.rescored(values, predictability))
    return planted[0], planted[1]


def planted_signal(scores: ModelScores, truth: Truth, settings: Settings) -> Floats:
    """Unit effects of a truth, shape (n,): the sum of those of its parts."""
    signal = np.zeros(scores.loci.n)
    for claim in all_claims():
        if claim.plant is not None and claim.plant.signal is not None and claim.plant.truth in truth.parts:
            signal += claim.plant.signal(scores, settings)
    return signal


def _drawn_predictability(design: Design, score_model: ScoreModel, rng: np.random.Generator) -> Floats:
    """Nats per base: repeats and AT-rich elements are predicted best, and neighbours are predicted alike."""
    table = design.language.table
    mean = 1.5 * table["repeat_fraction"].to_numpy(dtype=float) - 5.0 * (table["gc"].fillna(0.42).to_numpy() - 0.42)
    return -1.3 + 0.1 * (mean + 0.5 * correlated_noise(score_model.autocorrelation, design.language.loci, rng))


def example_elements(loci: int, per_locus: int, seed: int = 0, flank: int = 100_000) -> pd.DataFrame:
    """An element table to plan with, where there is none yet.

    cCREs are commoner and repeats rarer near the TSS, so that classes and features follow distance; elements of a class
    lie side by side, and GC follows its neighbours. Loci lie on as many as `CHROMOSOMES`.
    """
    rng = generator(seed, "example")
    layout = Loci.of(np.repeat(np.arange(loci), per_locus))
    # Loci of one chromosome do not overlap.
    tss = (10 + 4 * (np.arange(loci) // CHROMOSOMES)) * flank
    length = np.clip(np.exp(rng.normal(5.3, 0.4, layout.n)), 50, 600).astype(int)
    offset = np.sort(rng.integers(-flank, flank - 600, (loci, per_locus)), axis=1)
    start = (offset + tss[:, None]).ravel()
    end, tss = start + length, tss[layout.codes]
    distance = np.where(end <= tss, end - 1 - tss, np.where(start > tss, start - tss, 0))
    field_of_classes = ndtr(correlated_noise(geometric(0.6), layout, rng))
    words = _example_classes(np.exp(-np.abs(distance) / 15_000), field_of_classes)
    repeat = words == "TE"
    isochore = correlated_noise(geometric(0.8), layout, rng)
    gc = np.clip(0.42 + 0.05 * isochore + 0.05 * (words == "cCRE"), 0.2, 0.8)
    index = np.arange(layout.n)
    return pd.DataFrame(
        {
            "element": [f"element{i:06d}" for i in index],
            "locus": [f"locus{code:04d}" for code in layout.codes],
            "chrom": [f"chr{code % CHROMOSOMES + 1}" for code in layout.codes],
            "start": start,
            "end": end,
            "strand": ".",
            "class": words,
            "subclass": "none",
            "distance": distance,
            "length": length,
            "gc": gc,
            "cpg_oe": np.clip(0.25 + gc - 0.42 + 0.1 * rng.standard_normal(layout.n), 0, None),
            "complexity": np.clip(0.95 + 0.02 * rng.standard_normal(layout.n) - 0.02 * repeat, 0, 1),
            "repeat_fraction": np.clip(repeat * 0.9 + 0.05 * rng.random(layout.n), 0, 1),
            "n_fraction": 0.0,
        }
    )


def _example_classes(closeness: Floats, uniform: Floats) -> NDArray:
    """Class words from uniform numbers, with chances that follow closeness to the TSS (1 at it, 0 far from it)."""
    rest = [np.full(len(closeness), chance) for chance in (0.1, 0.1, 0.2)]
    chances = np.column_stack([0.15 + 0.35 * closeness, 0.45 - 0.25 * closeness, *rest])
    upto = (chances / chances.sum(axis=1, keepdims=True)).cumsum(axis=1)
    pick = (uniform[:, None] > upto).sum(axis=1)
    return np.array(CLASSES)[np.minimum(pick, len(CLASSES) - 1)]
