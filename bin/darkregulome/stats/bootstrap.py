"""Bootstrap over loci: the locus is the unit that is sampled, so whole loci are drawn, never single elements.

A statistic made of per-locus sums is resampled by weighting those sums, all draws in one product.
"""

import numpy as np
from numpy.typing import NDArray

from darkregulome.stats.loci import Bools, Floats, Ints, Loci

MINIMUM_LOCI = 3
"""With fewer loci a bootstrap over them says nothing; the interval is then the normal one of the rotation null."""


def resample_loci(n_loci: int, draws: int, rng: np.random.Generator) -> Ints:
    """How often each bootstrap sample takes each locus: shape (draws, n_loci), rows sum to n_loci."""
    return rng.multinomial(n_loci, np.full(n_loci, 1.0 / n_loci), size=draws)


def percentile_interval(values: NDArray, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of the finite values; NaN where there are none."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return (float("nan"), float("nan"))
    low, high = np.percentile(values, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def normal_interval(estimate: float, sd: float) -> tuple[float, float]:
    """Estimate and 1.96 SD either side."""
    return (estimate - 1.959964 * sd, estimate + 1.959964 * sd)


def ratio(numerators: NDArray, denominators: NDArray, resamples: Ints) -> Floats:
    """Bootstrap draws of sum(numerator) / sum(denominator): per-locus shape (n_loci, ...) to (draws, ...)."""
    top = np.tensordot(resamples.astype(float), numerators, axes=1)
    bottom = np.tensordot(resamples.astype(float), denominators, axes=1)
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)


def auc_draws(scores: NDArray, positive: Bools, loci: Loci, resamples: Ints) -> Floats:
    """Bootstrap draws of the AUC of `scores` for `positive` elements over resampled loci: shape (draws,).

    The AUC is a sum over pairs of loci of the pairs that are in order, so a draw is a quadratic form in the
    multiplicities of the loci.
    """
    if len(resamples) == 0:
        return np.zeros(0)
    wins = np.zeros((loci.count, loci.count))
    negatives = np.flatnonzero(~positive)
    order = negatives[np.argsort(scores[negatives], kind="stable")]
    below = np.zeros((len(order) + 1, loci.count))
    below[np.arange(1, len(order) + 1), loci.codes[order]] = 1.0
    below = np.cumsum(below, axis=0)
    members = np.flatnonzero(positive)
    left = np.searchsorted(scores[order], scores[members], side="left")
    right = np.searchsorted(scores[order], scores[members], side="right")
    np.add.at(wins, loci.codes[members], 0.5 * (below[left] + below[right]))
    counts = resamples.astype(float)
    pairs = (counts @ loci.sums(positive)) * (counts @ loci.sums(~positive))
    won = ((counts @ wins) * counts).sum(axis=1)
    return np.divide(won, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)
