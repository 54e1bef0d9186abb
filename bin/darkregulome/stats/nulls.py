"""Null distributions: rotation within the locus (the default), free and stratified shuffles.

Neighbouring elements resemble each other, so shuffling them within a locus pretends to more independent data than
there are. Rotating each locus's scores along its elements, with random reflection, keeps their autocorrelation and
breaks only their alignment with position, class or another model.

For a statistic that is linear in the scores, the contribution of a locus at every rotation is a circular
cross-correlation. It is computed once by FFT; a draw is then a sum of look-ups.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from darkregulome.stats.loci import Floats, Ints, Loci

_TOLERANCE = 1e-9
"""FFT noise relative to the statistic's scale: the identity rotation must count as at least as extreme."""


@dataclass(frozen=True)
class NullDraws:
    """Observed statistics and their null.

    Attributes
    ----------
    observed : shape (k,).
    draws : shape (permutations, k).
    mean, sd : shape (k,): exact mean and SD over all rotations (for shuffles: over the draws).
    """

    observed: Floats
    draws: Floats
    mean: Floats
    sd: Floats


def rotation_table(scores: NDArray, weights: NDArray) -> Floats:
    """Sum of weight times rotated score at every rotation of one locus.

    Parameters
    ----------
    scores : shape (m,), in order of position.
    weights : shape (m, k).

    Returns
    -------
    Shape (2 m, k). Row s is ``sum_i weights[i] * scores[(i + s) % m]``; row m + s the same of the reflected scores.
    """
    size = len(scores)
    spectrum = np.conj(np.fft.rfft(weights, axis=0))
    both = [np.fft.rfft(arm)[:, None] for arm in (scores, scores[::-1])]
    return np.concatenate([np.fft.irfft(spectrum * arm, n=size, axis=0) for arm in both])


class RotationNull:
    """Random rotations with reflection, drawn once and shared by every statistic of a set of elements.

    Parameters
    ----------
    loci : layout of the elements.
    permutations : number of draws.
    rng : source of the draws.
    """

    def __init__(self, loci: Loci, permutations: int, rng: np.random.Generator):
        self.loci = loci
        self.permutations = permutations
        self.turns: Ints = rng.integers(0, 2 * loci.sizes, size=(permutations, loci.count))

    @property
    def log10_distinct(self) -> float:
        """log10 of the number of distinct rotations: how small a p-value the loci could give at all."""
        return float(np.log10(2.0 * self.loci.sizes).sum())

    def locus_draws(self, scores: NDArray, weights: NDArray) -> Iterator[Floats]:
        """``weights.T @ rotated scores`` of each locus in turn: shape (permutations, k)."""
        for locus, part in enumerate(self.loci.slices()):
            yield rotation_table(scores[part], weights[part])[self.turns[:, locus]]

    def draw(self, scores: NDArray, weights: NDArray) -> NullDraws:
        """The null of ``weights.T @ scores``; `weights` has shape (n,) or (n, k)."""
        scores, weights = np.asarray(scores, dtype=float), _columns(weights, self.loci.n)
        draws = np.zeros((self.permutations, weights.shape[1]))
        mean, variance, observed = (np.zeros(weights.shape[1]) for _ in range(3))
        for locus, part in enumerate(self.loci.slices()):
            table = rotation_table(scores[part], weights[part])
            draws += table[self.turns[:, locus]]
            mean += table.mean(axis=0)
            variance += table.var(axis=0)
            observed += table[0]
        return NullDraws(observed, draws, mean, np.sqrt(variance))

    def rotate(self, scores: NDArray, draw: int) -> Floats:
        """The scores of one draw, laid out in full: what `draw` never needs to build, for tests and plots."""
        rotated = np.empty(self.loci.n)
        for part, turn in zip(self.loci.slices(), self.turns[draw], strict=True):
            arm = scores[part] if turn < len(scores[part]) else scores[part][::-1]
            rotated[part] = np.roll(arm, -(turn % len(arm)))
        return rotated


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
        scores, weights = np.asarray(scores, dtype=float), _columns(weights, self.loci.n)
        draws = np.zeros((self.permutations, weights.shape[1]))
        for locus_draws in self.locus_draws(scores, weights):
            draws += locus_draws
        return NullDraws(weights.T @ scores, draws, draws.mean(axis=0), draws.std(axis=0))


Null = RotationNull | ShuffleNull


def _columns(weights: NDArray, n: int) -> Floats:
    return np.asarray(weights, dtype=float).reshape(n, -1)


def empirical_p(observed: float, draws: NDArray, center: float = 0.0, two_sided: bool = True) -> float:
    """``(1 + exceedances) / (1 + permutations)``, two-sided about `center` unless told otherwise."""
    draws = np.asarray(draws, dtype=float)
    if two_sided:
        observed, draws = abs(observed - center), np.abs(draws - center)
    slack = _TOLERANCE * max(abs(observed), float(np.abs(draws).max(initial=0.0)), 1e-300)
    return float((1 + np.count_nonzero(draws >= observed - slack)) / (1 + len(draws)))
