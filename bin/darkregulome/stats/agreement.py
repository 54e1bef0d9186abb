"""Agreement of two rankings: rank correlations, overlap of top lists, rank-biased overlap."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from darkregulome.stats.loci import Bools, Floats
from darkregulome.stats.tested import MINIMUM_GROUP, NotTestable, Setting, Tested
from darkregulome.stats.verdict import power_of

REFERENCE_OVERLAP = 0.1
"""Power to see that two top lists overlap is stated for this overlap beyond chance."""


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


def list_overlap(
    first: Floats, second: Floats, top_fraction: float, setting: Setting, contrast_of: NDArray | None = None
) -> Tested:
    """Overlap of the top lists of two models beyond chance, when one model's list is rotated against the other's.

    Parameters
    ----------
    first, second : shape (n,), the scores of two models on the same elements.
    contrast_of : shape (n,), scores whose mean is compared inside and outside the first list (for a natural unit).
    """
    loci = setting.loci
    n = loci.n
    k = max(1, round(top_fraction * n))
    if k < MINIMUM_GROUP:
        raise NotTestable(f"a top list of {k} elements is too short")
    one, two = top_members(first, k), top_members(second, k)
    null, p = setting.draw(two.astype(float), one.astype(float))
    overlap = round(float(null.observed[0]))
    effect = chance_corrected(overlap, n, k, k)
    shared, in_one, in_two = (setting.resamples @ loci.sums(x) for x in (one & two, one, two))
    size = setting.resamples @ loci.sizes
    expected = in_one * in_two / size
    most = np.minimum(in_one, in_two)
    drawn = np.divide(shared - expected, most - expected, out=np.full(len(most), np.nan), where=most > expected)
    scale = k - k * k / n
    contrasted = second if contrast_of is None else contrast_of
    return Tested(
        statistic=overlap / k,
        p=p,
        effect=effect,
        interval=setting.interval(effect, drawn, float(null.sd[0]) / scale),
        neutral=0.0,
        sign=float(np.sign(overlap - null.mean[0])),
        power=power_of(REFERENCE_OVERLAP * scale, float(null.sd[0]), setting.alpha),
        contrast=float(contrasted[one].mean() - contrasted[~one].mean()),
        draws=null.draws[:, 0] / k,
        details={
            "k": k,
            "overlap": overlap,
            "expected_by_chance": k * k / n,
            "hypergeometric_p": hypergeometric_p(overlap, n, k, k),
            "rank_biased_overlap": rank_biased_overlap(first, second, persistence=1 - 1 / k),
        },
    )


def rank_correlation_draws(first: NDArray, second: NDArray, setting: Setting) -> Floats:
    """Bootstrap draws over loci of the correlation of ranks; ranks are of the whole set and kept in each resample."""
    one, two = stats.rankdata(first), stats.rankdata(second)
    sums = setting.loci.sums(np.column_stack([np.ones(len(one)), one, two, one * one, two * two, one * two]))
    n, a, b, aa, bb, ab = (setting.resamples.astype(float) @ sums).T
    below = np.sqrt(np.maximum((n * aa - a * a) * (n * bb - b * b), 0.0))
    return np.divide(n * ab - a * b, below, out=np.full(len(n), np.nan), where=below > 0)
