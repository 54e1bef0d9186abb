"""Agreement of two rankings: rank correlations, overlap of top lists, rank-biased overlap."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from darkregulome.stats.loci import Bools


def top_members(scores: NDArray, k: int) -> Bools:
    """The k highest scores, ties broken by order: shape (n,)."""
    members = np.zeros(len(scores), dtype=bool)
    members[np.argsort(-np.asarray(scores, dtype=float), kind="stable")[:k]] = True
    return members


def spearman(first: NDArray, second: NDArray) -> float:
    """Spearman's rank correlation; NaN where one of the two does not vary."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(stats.spearmanr(first, second).statistic)


def kendall(first: NDArray, second: NDArray) -> float:
    """Kendall's tau-b."""
    return float(stats.kendalltau(first, second).statistic)


def hypergeometric_p(overlap: int, n: int, first: int, second: int) -> float:
    """P(overlap or more) of two random lists of `first` and `second` out of `n` elements: ignores autocorrelation."""
    return float(stats.hypergeom.sf(overlap - 1, n, first, second))


def chance_corrected(overlap: float, n: float, first: float, second: float) -> float:
    """Overlap of two lists beyond chance: 0 at the overlap of random lists, 1 where the shorter is in the longer."""
    expected = first * second / n
    most = min(first, second)
    return (overlap - expected) / (most - expected) if most > expected else float("nan")


def rank_biased_overlap(first: NDArray, second: NDArray, persistence: float) -> float:
    """Extrapolated rank-biased overlap of two full rankings of the same n elements (Webber et al. 2010, eq. 32).

    Parameters
    ----------
    first, second : scores, shape (n,), higher is better.
    persistence : weight of going one rank deeper, in (0, 1); 1 / (1 - persistence) is the expected depth.
    """
    return rank_biased_overlap_of_ranks(descending_ranks(first), descending_ranks(second), persistence)


def descending_ranks(scores: NDArray) -> NDArray[np.int64]:
    """Place of each item, 0 for the highest score, ties in order: shape (n,)."""
    ranks = np.empty(len(scores), dtype=np.int64)
    ranks[np.argsort(-np.asarray(scores), kind="stable")] = np.arange(len(scores))
    return ranks


def rank_biased_overlap_of_ranks(first: NDArray, second: NDArray, persistence: float) -> float:
    """`rank_biased_overlap` of items whose `descending_ranks` are known."""
    n = len(first)
    joint = np.bincount(np.maximum(first, second), minlength=n).cumsum()
    depth = np.arange(1, n + 1)
    agreement = joint / depth
    weights = persistence**depth
    return float((1 - persistence) / persistence * (agreement * weights).sum() + agreement[-1] * persistence**n)
