"""Matched controls: for each chosen element, others that are like it in everything but the choice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from darkregulome.stats.loci import Bools, Floats, Ints

LOCUS_PENALTY = 0.25
"""Squared SD added to the distance of a control of another locus: half a standard deviation."""


@dataclass(frozen=True)
class Matches:
    """Pools of controls.

    Attributes
    ----------
    chosen : shape (m,), indices of the chosen elements that have a pool.
    pools : shape (m, k), indices of their controls, nearest first.
    same_locus : number of chosen elements whose controls are all of their own locus.
    unmatched : number of chosen elements for which no control of their class exists.
    """

    chosen: Ints
    pools: Ints
    same_locus: int
    unmatched: int

    def weights(self, n: int) -> Floats:
        """Weights of the matched contrast, shape (n,): chosen less the mean of their controls; they sum to zero."""
        weights = np.zeros(n)
        np.add.at(weights, self.chosen, 1.0 / len(self.chosen))
        np.add.at(weights, self.pools.ravel(), -1.0 / self.pools.size)
        return weights


def match_controls(chosen: Bools, classes: NDArray, loci: NDArray, covariates: Floats, pool_size: int = 5) -> Matches:
    """Pools of `pool_size` controls of the same class, nearest in the covariates.

    A control of another locus is taken only where it is nearer by more than `LOCUS_PENALTY`: a locus has few elements
    near its TSS, and controls of the same locus but far from the TSS would not be matched in distance.

    Parameters
    ----------
    chosen : shape (n,). classes, loci : shape (n,). covariates : shape (n, q), standardised.
    """
    chosen = np.asarray(chosen, dtype=bool)
    kept, pools, unmatched = [], [], 0
    for word in np.unique(classes[chosen]):
        members = np.flatnonzero(chosen & (classes == word))
        candidates = np.flatnonzero(~chosen & (classes == word))
        if len(candidates) < pool_size:
            unmatched += len(members)
            continue
        kept.append(members)
        pools.append(_nearest(members, candidates, loci, covariates, pool_size))
    if not kept:
        return Matches(np.zeros(0, dtype=np.int64), np.zeros((0, pool_size), dtype=np.int64), 0, unmatched)
    every, pool = np.concatenate(kept), np.concatenate(pools)
    order = np.argsort(every)
    every, pool = every[order], pool[order]
    same = int((loci[pool] == loci[every][:, None]).all(axis=1).sum())
    return Matches(every.astype(np.int64), pool.astype(np.int64), same, unmatched)


def _nearest(members: Ints, candidates: Ints, loci: NDArray, covariates: Floats, size: int) -> Ints:
    """The `size` candidates nearest to each member, those of other loci set back by `LOCUS_PENALTY`.

    They are among the nearest of all and the nearest of the own locus: whatever comes after `size` nearer ones of all
    comes after them with the penalty too, or is of the own locus.
    """
    found = np.full((len(members), 2 * size), -1, dtype=np.int64)
    found[:, :size] = candidates[_query(covariates, members, candidates, size)]
    for locus in np.unique(loci[members]):
        rows, own = np.flatnonzero(loci[members] == locus), candidates[loci[candidates] == locus]
        k = min(size, len(own))
        if k:
            found[rows, size : size + k] = own[_query(covariates, members[rows], own, k)]
    # An element that is in both lists counts once.
    found.sort(axis=1)
    void = (found < 0) | (np.diff(found, axis=1, prepend=-2) == 0)
    gap = ((covariates[found] - covariates[members][:, None, :]) ** 2).sum(axis=2)
    gap += LOCUS_PENALTY * (loci[found] != loci[members][:, None])
    best = np.argsort(np.where(void, np.inf, gap), axis=1, kind="stable")[:, :size]
    return np.take_along_axis(found, best, axis=1)


def _query(covariates: Floats, members: Ints, candidates: Ints, size: int) -> Ints:
    nearest = KDTree(covariates[candidates]).query(covariates[members], k=size)[1]
    return np.asarray(nearest, dtype=np.int64).reshape(len(members), size)


def standardised_difference(values: NDArray, first: NDArray, second: NDArray) -> float:
    """Difference of means of two groups (indices, with repeats) over the pooled SD of the two (Austin 2009)."""
    one, two = np.asarray(values, dtype=float)[first], np.asarray(values, dtype=float)[second]
    pooled = np.sqrt((one.var() + two.var()) / 2)
    return float((one.mean() - two.mean()) / pooled) if pooled > 0 else 0.0
