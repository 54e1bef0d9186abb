"""What a calibration draws its worlds on: elements without scores, an example of some, and noise like a user's own."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from darkregulome.diagnosis.clusters import in_clusters
from darkregulome.diagnosis.scores import ModelScores
from darkregulome.io.schemas import CLASSES
from darkregulome.stats.learners import residuals
from darkregulome.stats.loci import Floats, Loci
from darkregulome.stats.noise import correlated_noise, geometric
from darkregulome.stats.randomness import generator

LONGEST_LAG = 40
CHROMOSOMES = 22
"""That an example's loci lie on."""


def unscored(elements: pd.DataFrame) -> pd.DataFrame:
    """Elements in the order of clusters and positions, each interval once, for scores to be planted on."""
    table = in_clusters(elements)[0]
    order = ["cluster", "chrom", "start", "end", "element"]
    return table.sort_values(order, kind="stable").reset_index(drop=True).assign(ris=0.0, predictability=np.nan)


def noise_like(scores: ModelScores) -> tuple[tuple[float, ...], float]:
    """Autocorrelation of what features leave of a user's own scores, and SD of the loci's levels in its own SD.

    Autocorrelations are pooled over loci, corrected for the mean that each locus's centring takes out (Marriott and
    Pope 1954 to first order), and tapered to zero at the longest lag (Bartlett).
    """
    loci = scores.loci
    left = residuals(scores.raw, scores.features.values, loci, scores.folds, "splines", levels=True)[:, 0]
    noise, sd = loci.standardise(left)
    lags = int(min(LONGEST_LAG, max(loci.sizes.min() // 3, 1)))
    values = np.array([1.0] + [_lag_correlation(noise, loci, lag) for lag in range(1, lags)])
    lost = 1.0 / max(float(np.average(loci.sizes, weights=loci.sizes)), 2.0)
    spread = values[0] + 2 * values[1:].clip(min=0).sum()
    corrected = np.clip(values + lost * spread, -1.0, 1.0) * (1 - np.arange(lags) / lags)
    corrected[0] = 1.0
    levels = loci.sums(left) / loci.sizes
    return tuple(map(float, corrected)), float(levels.std() / sd) if sd > 0 else 0.0


def _lag_correlation(noise: Floats, loci: Loci, lag: int) -> float:
    same = loci.codes[lag:] == loci.codes[:-lag]
    pairs = int(same.sum())
    return float((noise[lag:] * noise[:-lag])[same].sum() / pairs) if pairs else 0.0


def example_elements(loci: int, per_locus: int, seed: int = 0, flank: int = 100_000) -> pd.DataFrame:
    """An element table to plan with, where there is none yet.

    cCREs are commoner and repeats rarer near the TSS, so that classes and features follow distance; elements of a class
    lie side by side, GC follows its neighbours, and most repeats have copies. Loci lie on as many as `CHROMOSOMES`.
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
            "copy_advantage": 0.05 * rng.standard_normal(layout.n) + 0.1 * repeat * rng.random(layout.n),
            # Old repeats have no copy that is still alike, and some other elements have one.
            "copies": 0.3 * rng.standard_normal(layout.n) + 3.0 * (rng.random(layout.n) < np.where(repeat, 0.7, 0.05)),
        }
    )


def _example_classes(closeness: Floats, uniform: Floats) -> NDArray:
    """Class words from uniform numbers, with chances that follow closeness to the TSS (1 at it, 0 far from it)."""
    rest = [np.full(len(closeness), chance) for chance in (0.1, 0.1, 0.2)]
    chances = np.column_stack([0.15 + 0.35 * closeness, 0.45 - 0.25 * closeness, *rest])
    upto = (chances / chances.sum(axis=1, keepdims=True)).cumsum(axis=1)
    pick = (uniform[:, None] > upto).sum(axis=1)
    return np.array(CLASSES)[np.minimum(pick, len(CLASSES) - 1)]
