"""Shuffles within the locus, free or stratified: shown next to the rotation, whose p-values they undercut."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from darkregulome.stats.compiled import compiled
from darkregulome.stats.loci import Floats, Ints, Loci
from darkregulome.stats.nulls.network import next_state
from darkregulome.stats.nulls.rotation import NullDraws, as_columns


class ShuffleNull:
    """Shuffles within strata, shown next to the rotation: anti-conservative where neighbours resemble each other.

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
        self._order = np.lexsort((np.arange(loci.n), self.strata, loci.codes))
        blocks = (loci.codes * (self.strata.max() + 1) + self.strata)[self._order]
        self._ends = np.flatnonzero(np.diff(blocks, append=-1)) + 1
        self._seeds = rng.integers(2**63, size=permutations, dtype=np.uint64)

    @property
    def log10_distinct(self) -> float:
        """log10 of the number of distinct shuffles."""
        _, counts = np.unique(self.loci.codes * (self.strata.max() + 1) + self.strata, return_counts=True)
        return float(gammaln(counts + 1.0).sum() / np.log(10.0))

    def locus_draws(self, scores: NDArray, weights: NDArray) -> Iterator[tuple[int, Floats]]:
        """Each locus and its share of ``weights.T @ shuffled scores``, shape (permutations, k)."""
        scores, weights = np.asarray(scores, dtype=float), np.asarray(weights, dtype=float)
        states = self._seeds | np.uint64(1)
        for locus, part in enumerate(self.loci.slices()):
            order = self._order[part]
            ends = self._ends[(self._ends > part.start) & (self._ends <= part.stop)] - part.start
            yield locus, _shuffled_sums(scores[order], weights[order], ends, states)

    def draw(self, scores: NDArray, weights: NDArray) -> NullDraws:
        """The null of ``weights.T @ scores``; mean and SD are those of the draws."""
        scores, weights = np.asarray(scores, dtype=float), as_columns(weights, self.loci.n)
        states = self._seeds | np.uint64(1)
        draws = _shuffled_sums(scores[self._order], weights[self._order], self._ends, states)
        return NullDraws(weights.T @ scores, draws, draws.mean(axis=0), draws.std(axis=0))


@compiled
def shuffle_blocks(values: NDArray, ends: Ints, state: np.uint64) -> np.uint64:  # pragma: no cover, compiled
    """Shuffle each block up to an end by itself, in place (Fisher and Yates); returns the random state after it."""
    start = 0
    for end in ends:
        for i in range(end - start - 1, 0, -1):
            state = next_state(state)
            j = start + int(((state >> np.uint64(32)) * np.uint64(i + 1)) >> np.uint64(32))
            values[start + i], values[j] = values[j], values[start + i]
        start = end
    return state


@compiled
def _shuffled_sums(
    scores: Floats, weights: Floats, ends: Ints, states: NDArray[np.uint64]
) -> Floats:  # pragma: no cover, compiled
    """Sums of weight times shuffled score; each block up to an end is shuffled by itself, one random state a draw."""
    n, columns = weights.shape
    sums = np.zeros((len(states), columns))
    shuffled = np.empty(n)
    for draw in range(len(states)):
        state = states[draw]
        shuffled[:] = scores
        states[draw] = shuffle_blocks(shuffled, ends, state)
        for i in range(n):
            for column in range(columns):
                sums[draw, column] += weights[i, column] * shuffled[i]
    return sums
