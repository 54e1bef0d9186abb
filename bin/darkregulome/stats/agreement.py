"""Agreement of two rankings: rank correlations, overlap of top lists, rank-biased overlap."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from darkregulome.stats.loci import Bools, Floats
from darkregulome.stats.nulls import empirical_p
from darkregulome.stats.setting import Setting


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


def descending_ranks(scores: NDArray) -> NDArray[np.int64]:
    """Place of each item, 0 for the highest score, ties in order: shape (n,)."""
    ranks = np.empty(len(scores), dtype=np.int64)
    ranks[np.argsort(-np.asarray(scores), kind="stable")] = np.arange(len(scores))
    return ranks


def rank_biased_overlap(first: NDArray, second: NDArray, persistence: float) -> float:
    """Extrapolated rank-biased overlap of two full rankings of the same n elements (Webber et al. 2010, eq. 32).

    Parameters
    ----------
    first, second : `descending_ranks` of the scores, shape (n,).
    persistence : weight of going one rank deeper, in (0, 1); 1 / (1 - persistence) is the expected depth.
    """
    n = len(first)
    joint = np.bincount(np.maximum(first, second), minlength=n).cumsum()
    depth = np.arange(1, n + 1)
    agreement = joint / depth
    weights = persistence**depth
    return float((1 - persistence) / persistence * (agreement * weights).sum() + agreement[-1] * persistence**n)


def list_overlap(first: NDArray, second: NDArray, setting: Setting) -> dict[str, Any]:
    """The overlap of two lists as it is counted, when one is rotated against the other.

    Both tails have a p: an overlap of zero is a finding too.

    Parameters
    ----------
    first, second : shape (n,), 1 for members.
    """
    k, n = int(first.sum()), len(first)
    null = setting.null.draw(np.asarray(second, dtype=float), np.asarray(first, dtype=float))
    observed, draws = float(null.observed[0]), null.draws[:, 0]
    overlap = round(observed)
    return {
        "k": k,
        "overlap": overlap,
        "expected_by_chance": float(null.mean[0]),
        "null_95": float(np.quantile(draws, 0.95)),
        "p_more": empirical_p(observed, draws, two_sided=False),
        "p_fewer": empirical_p(-observed, -draws, two_sided=False),
        "hypergeometric_p": hypergeometric_p(overlap, n, k, k),
    }


def rank_correlation_draws(first: NDArray, second: NDArray, setting: Setting) -> Floats:
    """Bootstrap draws over loci of the correlation of ranks; ranks are of the whole set and kept in each resample."""
    one, two = stats.rankdata(first), stats.rankdata(second)
    sums = setting.loci.sums(np.column_stack([np.ones(len(one)), one, two, one * one, two * two, one * two]))
    n, a, b, aa, bb, ab = (setting.resamples.astype(float) @ sums).T
    below = np.sqrt(np.maximum((n * aa - a * a) * (n * bb - b * b), 0.0))
    return np.divide(n * ab - a * b, below, out=np.full(len(n), np.nan), where=below > 0)
