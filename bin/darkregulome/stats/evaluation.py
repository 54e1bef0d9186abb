"""How well scores agree with labels or measurements, and how sure that is.

Every statistic takes multiplicities: how often a bootstrap sample holds each item, shape (draws, n). All draws are
computed at once from one sort, which is the same as resampling the rows and ranking again (ties have mid-ranks).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from darkregulome.stats.bootstrap import percentile_interval

Floats = NDArray[np.float64]
Statistic = Callable[[Floats, Floats, Floats], Floats]
"""(scores, truth, multiplicities of shape (draws, n)) to shape (draws,)."""

DRAWS_AT_ONCE = 2**23
"""Most multiplicities held at once."""


def auroc(scores: Floats, positive: Floats, counts: Floats) -> Floats:
    """Area under the ROC curve: the share of pairs in order, ties counting half. Shape (draws,)."""
    starts, order = _groups(scores)
    ones = _summed(counts * positive, order, starts)
    zeros = _summed(counts * (1 - positive), order, starts)
    below = zeros.cumsum(axis=1) - zeros
    pairs = ones.sum(axis=1) * zeros.sum(axis=1)
    return _divided((ones * (below + zeros / 2)).sum(axis=1), pairs)


def auprc(scores: Floats, positive: Floats, counts: Floats) -> Floats:
    """Average precision: precision at each threshold, weighted by the recall gained there. Shape (draws,)."""
    starts, order = _groups(-scores)
    ones = _summed(counts * positive, order, starts)
    every = _summed(counts, order, starts)
    precision = _divided(ones.cumsum(axis=1), every.cumsum(axis=1))
    return _divided(np.nansum(precision * ones, axis=1), ones.sum(axis=1))


def pearson(scores: Floats, truth: Floats, counts: Floats) -> Floats:
    """Pearson's correlation. Shape (draws,)."""
    return _correlation(np.broadcast_to(scores, counts.shape), np.broadcast_to(truth, counts.shape), counts)


def spearman(scores: Floats, truth: Floats, counts: Floats) -> Floats:
    """Spearman's correlation, with the ranks of each draw. Shape (draws,)."""
    return _correlation(_ranks(scores, counts), _ranks(truth, counts), counts)


LABEL_STATISTICS: dict[str, Statistic] = {"auroc": auroc, "auprc": auprc}
MEASURE_STATISTICS: dict[str, Statistic] = {"spearman": spearman, "pearson": pearson}


def multiplicities(strata: NDArray, draws: int, rng: np.random.Generator) -> Floats:
    """A stratified bootstrap: from each stratum as many items as it has, with replacement. Shape (draws, n)."""
    strata = np.asarray(strata)
    counts = np.zeros((draws, len(strata)))
    for label in np.unique(strata):
        members = np.flatnonzero(strata == label)
        counts[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=draws)
    return counts


def estimate(
    statistic: Statistic, scores: NDArray, truth: NDArray, strata: NDArray, draws: int, rng: np.random.Generator
) -> tuple[float, Floats]:
    """The statistic, and `draws` bootstrap draws of it."""
    scores, truth = np.asarray(scores, dtype=float), np.asarray(truth, dtype=float)
    whole = float(statistic(scores, truth, np.ones((1, len(scores))))[0])
    at_once = max(1, DRAWS_AT_ONCE // max(1, len(scores)))
    sizes = [min(at_once, draws - first) for first in range(0, draws, at_once)]
    drawn = [statistic(scores, truth, multiplicities(strata, size, rng)) for size in sizes]
    return whole, np.concatenate([np.zeros(0), *drawn])


def interval(drawn: Floats) -> list[float]:
    """The 95 % percentile interval of bootstrap draws; NaN where there are none."""
    return list(percentile_interval(drawn))


def frequency_bins(frequencies: NDArray, edges: NDArray) -> NDArray[np.int64]:
    """The bin of each allele frequency, the last bin's upper edge inside."""
    return np.clip(np.searchsorted(edges, frequencies, side="right") - 1, 0, len(edges) - 2)


def _groups(values: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each run of equal values begins in the sorted order, and the order."""
    order = np.argsort(values, kind="stable")
    inside = values[order]
    return np.flatnonzero(np.r_[True, inside[1:] != inside[:-1]]), order


def _summed(counts: Floats, order: NDArray[np.int64], starts: NDArray[np.int64]) -> Floats:
    return np.add.reduceat(counts[:, order], starts, axis=1)


def _ranks(values: Floats, counts: Floats) -> Floats:
    """Mid-ranks in each draw, up to a constant."""
    starts, order = _groups(values)
    inside = _summed(counts, order, starts)
    middle = inside.cumsum(axis=1) - inside / 2
    of_group = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(values)]))
    ranks = np.empty_like(counts)
    ranks[:, order] = middle[:, of_group]
    return ranks


def _correlation(first: Floats, second: Floats, counts: Floats) -> Floats:
    total = counts.sum(axis=1, keepdims=True)
    one = first - (counts * first).sum(axis=1, keepdims=True) / total
    two = second - (counts * second).sum(axis=1, keepdims=True) / total
    spread = (counts * one**2).sum(axis=1) * (counts * two**2).sum(axis=1)
    return _divided((counts * one * two).sum(axis=1), np.sqrt(spread))


def _divided(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)
