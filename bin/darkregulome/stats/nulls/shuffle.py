"""Shuffles within the locus, free or stratified: shown beside the rotation, which they undercut."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from darkregulome.stats.loci import Floats, Loci
from darkregulome.stats.nulls.rotation import NullDraws, as_columns


class ShuffleNull:
    """Shuffles within strata, shown beside the rotation: anti-conservative where neighbours resemble each other.

    Parameters
    ----------
    loci : layout of the elements.
    strata : shape (n,), scores are exchanged only between elements of the same locus and stratum; None for the free
        shuffle within the locus.
    permutations : number of draws.
    rng : source of the seed; every call then draws the same shuffles, as `RotationNull` does.
    """

    def __init__(self, loci: Loci, strata: NDArray | None, permutations: int, rng: np.random.Generator):
        self.loci = loci
        self.strata = np.zeros(loci.n, dtype=int) if strata is None else np.unique(strata, return_inverse=True)[1]
        self.permutations = permutations
        self._seed = int(rng.integers(2**63))

    @property
    def log10_distinct(self) -> float:
        """log10 of the number of distinct shuffles."""
        _, counts = np.unique(self.loci.codes * (self.strata.max() + 1) + self.strata, return_counts=True)
        return float(gammaln(counts + 1.0).sum() / np.log(10.0))

    def locus_draws(self, scores: NDArray, weights: NDArray) -> Iterator[Floats]:
        """``weights.T @ shuffled scores`` of each locus in turn: shape (permutations, k)."""
        rng = np.random.default_rng(self._seed)
        for part in self.loci.slices():
            total = np.zeros((self.permutations, weights.shape[1]))
            for stratum in np.unique(self.strata[part]):
                members = part.start + np.flatnonzero(self.strata[part] == stratum)
                block = np.broadcast_to(scores[members], (self.permutations, len(members)))
                total += rng.permuted(block, axis=1) @ weights[members]
            yield total

    def draw(self, scores: NDArray, weights: NDArray) -> NullDraws:
        """The null of ``weights.T @ scores``; mean and SD are those of the draws."""
        scores, weights = np.asarray(scores, dtype=float), as_columns(weights, self.loci.n)
        draws = np.zeros((self.permutations, weights.shape[1]))
        for locus_draws in self.locus_draws(scores, weights):
            draws += locus_draws
        return NullDraws(weights.T @ scores, draws, draws.mean(axis=0), draws.std(axis=0))
