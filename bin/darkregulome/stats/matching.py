"""Matched controls: for each chosen element, others that are like it in everything but the choice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    kept, pools, same, unmatched = [], [], 0, 0
    for index in np.flatnonzero(chosen):
        candidates = np.flatnonzero(~chosen & (classes == classes[index]))
        if len(candidates) < pool_size:
            unmatched += 1
            continue
        gap = ((covariates[candidates] - covariates[index]) ** 2).sum(axis=1)
        gap += LOCUS_PENALTY * (loci[candidates] != loci[index])
        pool = candidates[np.argsort(gap, kind="stable")[:pool_size]]
        kept.append(index)
        pools.append(pool)
        same += int((loci[pool] == loci[index]).all())
    shape = (len(kept), pool_size)
    return Matches(np.array(kept, dtype=np.int64), np.array(pools, dtype=np.int64).reshape(shape), same, unmatched)


def standardised_difference(values: NDArray, first: NDArray, second: NDArray) -> float:
    """Difference of means of two groups (indices, with repeats) over the pooled SD of the two (Austin 2009)."""
    one, two = np.asarray(values, dtype=float)[first], np.asarray(values, dtype=float)[second]
    pooled = np.sqrt((one.var() + two.var()) / 2)
    return float((one.mean() - two.mean()) / pooled) if pooled > 0 else 0.0
