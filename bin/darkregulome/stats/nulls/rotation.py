"""Rotation within the locus, the default null.

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

from darkregulome.stats.loci import Floats, Ints, Loci


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
        scores, weights = np.asarray(scores, dtype=float), as_columns(weights, self.loci.n)
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


def as_columns(weights: NDArray, n: int) -> Floats:
    """Weights of shape (n,) or (n, k) as (n, k)."""
    return np.asarray(weights, dtype=float).reshape(n, -1)
