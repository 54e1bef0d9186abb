"""Matched controls: elements like the chosen ones in everything but the choice."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from darkregulome.stats.compiled import compiled
from darkregulome.stats.loci import Bools, Floats, Ints

_EMPTY = -1


def matchable(strata: NDArray, chosen: Ints) -> Bools:
    """Whether each chosen element has any other element in its stratum that is not chosen: shape (m,)."""
    codes = np.unique(np.asarray(strata), return_inverse=True)[1]
    others = np.ones(len(codes), dtype=bool)
    others[chosen] = False
    return np.bincount(codes[others], minlength=codes.max(initial=0) + 1)[codes[chosen]] > 0


def nearest_pools(features: NDArray, strata: NDArray, chosen: Ints, pool_size: int) -> Ints:
    """The nearest elements of each chosen element's stratum, no chosen one among them.

    Parameters
    ----------
    features : shape (n, q), in any units: each column is divided by its SD; constant columns count for nothing.
    strata : shape (n,), labels that must be equal (class, or class and locus).
    chosen : shape (m,), indices.
    pool_size : most controls of one element.

    Returns
    -------
    Shape (m, pool_size), indices, nearest first; -1 where a stratum has no more.
    """
    features = np.asarray(features, dtype=float).reshape(len(strata), -1)
    spread = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.where(spread > 0, spread, np.inf)
    codes = np.unique(np.asarray(strata), return_inverse=True)[1]
    return _nearest(scaled, codes, np.asarray(chosen, dtype=np.int64), pool_size)


def _nearest(covariates: Floats, codes: Ints, chosen: Ints, size: int) -> Ints:
    """The `size` elements of its code nearest to each chosen one, none of them chosen; -1 where there are fewer."""
    is_chosen = np.zeros(len(codes), dtype=bool)
    is_chosen[chosen] = True
    pools = np.full((len(chosen), size), _EMPTY, dtype=np.int64)
    for code in np.unique(codes[chosen]):
        rows = np.flatnonzero(codes[chosen] == code)
        candidates = np.flatnonzero((codes == code) & ~is_chosen)
        k = min(size, len(candidates))
        if k:
            nearest = KDTree(covariates[candidates]).query(covariates[chosen[rows]], k=k)[1]
            pools[rows, :k] = candidates[nearest.reshape(len(rows), k)]
    return pools


def matched_draws(
    features: NDArray, strata: NDArray, chosen: Ints, n_draws: int, rng: np.random.Generator, pool_size: int = 20
) -> Ints:
    """Random sets of controls: in each draw, every chosen element gets one of its nearest of the same stratum.

    A draw is without replacement: elements take their controls in random order, each at random from those of its pool
    that are still free; only where none is free is a control taken twice.

    Parameters
    ----------
    features : shape (n, q), what to match on, in any units. strata : shape (n,), what must be equal.
    chosen : shape (m,), indices. n_draws : number of sets. rng : source of the draws.
    pool_size : nearest controls from which each is drawn: fewer are better matched, more are more various.

    Returns
    -------
    Shape (n_draws, m), indices; column j are the controls of ``chosen[j]``.

    Raises
    ------
    ValueError
        An element has no control in its stratum: see `matchable`.
    """
    pools = nearest_pools(features, strata, chosen, pool_size)
    alone = int((pools[:, 0] == _EMPTY).sum()) if len(pools) else 0
    if alone:
        raise ValueError(f"{alone} chosen elements have no control in their stratum")
    return _draw_controls(pools, (pools != _EMPTY).sum(axis=1), len(strata), rng.random((n_draws, 2, len(pools))))


@compiled
def _draw_controls(pools: Ints, sizes: Ints, n: int, uniforms: Floats) -> Ints:  # pragma: no cover, compiled
    draws, _, members = uniforms.shape
    taken_in = np.full(n, -1)
    drawn = np.empty((draws, members), dtype=np.int64)
    for draw in range(draws):
        for member in np.argsort(uniforms[draw, 0]):
            size = sizes[member]
            first = int(uniforms[draw, 1, member] * size)
            pick = pools[member, first]
            for step in range(size):
                candidate = pools[member, (first + step) % size]
                if taken_in[candidate] != draw:
                    pick = candidate
                    break
            taken_in[pick] = draw
            drawn[draw, member] = pick
    return drawn


def standardised_mean_differences(features: NDArray, chosen: Ints, controls: Ints) -> Floats:
    """Difference of means over the pooled SD, of each feature (Austin 2009, Statistics in Medicine 28:3083).

    Parameters
    ----------
    features : shape (n, q). chosen : shape (m,), indices. controls : indices of any shape, with repeats, as
        `matched_draws` gives them; or all elements that are not chosen, for the balance before matching.

    Returns
    -------
    Shape (q,); 0 where a feature does not vary. Above 0.1 in size is usually called unbalanced.
    """
    features = np.asarray(features, dtype=float)
    one, two = features[np.asarray(chosen)], features[np.asarray(controls).ravel()]
    pooled = np.sqrt((one.var(axis=0) + two.var(axis=0)) / 2)
    gap = one.mean(axis=0) - two.mean(axis=0)
    return np.divide(gap, pooled, out=np.zeros_like(gap), where=pooled > 0)
