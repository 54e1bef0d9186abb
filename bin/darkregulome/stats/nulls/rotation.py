"""Rotation within the locus, the default null.

Neighbouring elements resemble each other, so shuffling them within a locus pretends to more independent data than
there are. Rotating each locus's scores along its elements, with random reflection, keeps their autocorrelation and
breaks only their alignment with position, class or another model.

For a statistic that is linear in the scores, the contribution of a locus at every rotation is a circular
cross-correlation. It is computed once by FFT; a draw is then a sum of look-ups.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from darkregulome.stats.compiled import compiled
from darkregulome.stats.loci import Floats, Ints, Loci
from darkregulome.stats.nulls.kind import NullKind

_BLOCK = 4096
"""Draws summed at once: a block of sums then stays in the processor's cache."""
_BATCH = 2**22
"""Largest number of values in the tables of loci of one size that are transformed together."""
_MOST_KEPT = 2**27
"""Most numbers that the matches of all loci are kept in; those of further loci are worked out at every look."""


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
    """Sum of weight times rotated score at every rotation of one locus, or of several of one size at once.

    Parameters
    ----------
    scores : shape (..., m), in order of position.
    weights : shape (..., m, k).

    Returns
    -------
    Shape (..., 2 m, k). Row s is ``sum_i weights[i] * scores[(i + s) % m]``; row m + s the same of the
    reflected scores.
    """
    scores = np.asarray(scores, dtype=float)
    size = scores.shape[-1]
    spectrum = np.conj(np.fft.rfft(weights, axis=-2))
    both = [np.fft.rfft(arm)[..., None] for arm in (scores, scores[..., ::-1])]
    return np.concatenate([np.fft.irfft(spectrum * arm, n=size, axis=-2) for arm in both], axis=-2)


def shifted_table(scores: NDArray, weights: NDArray, positions: NDArray, matches: "Matches | None" = None) -> Floats:
    """`rotation_table` of one locus whose elements are unevenly spaced: scores move along the bases, not the elements.

    The locus is closed to a ring by one mean gap. At shift s the first element comes to lie on element s, every other
    element is moved by as many bases, and takes the score of the element nearest to where it comes to lie. So scores
    that resemble each other because they are close in bases still do. Evenly spaced elements give `rotation_table`.

    Parameters
    ----------
    scores : shape (m,). weights : shape (m, k). positions : shape (m,), in bases, not decreasing.
    matches : `matches_of(positions)`, where they were kept.
    """
    scores, weights = np.asarray(scores, dtype=float), np.ascontiguousarray(weights, dtype=float)
    places = np.asarray(positions, dtype=float)
    if places[-1] <= places[0]:
        return rotation_table(scores, weights)
    size, columns = weights.shape
    sums = np.zeros((2 * size, columns))
    for arm, values in enumerate((scores, np.ascontiguousarray(scores[::-1]))):
        for first, block in matches[arm] if matches is not None else _arm_matches(places, arm):
            _add_matched(values, weights, block, sums[arm * size + first :])
    return sums


Matches = tuple[list[tuple[int, NDArray]], list[tuple[int, NDArray]]]
"""For either direction of a locus, blocks of shifts: the first of them, and what `_nearest_on_ring` gives."""


def matches_of(positions: NDArray) -> Matches:
    """Which element's score each element takes at every shift: the same for all scores of a locus."""
    places = np.asarray(positions, dtype=float)
    return list(_arm_matches(places, 0)), list(_arm_matches(places, 1))


def _arm_matches(places: Floats, arm: int) -> Iterator[tuple[int, NDArray]]:
    size = len(places)
    if (np.diff(places) == 0).any():
        # Elements that begin together keep their order: a hundredth of a base parts them, and evens stay even.
        places = places + 0.01 * np.arange(size)
    field = (places[-1] + places[0] - places)[::-1].copy() if arm else places
    step = max(1, _BATCH // size)
    for first in range(0, size, step):
        block = np.empty((size, min(step, size - first)), dtype=np.uint16 if size < 2**16 else np.int32)
        _nearest_on_ring(field, places, first, block)
        yield first, block


@lru_cache(maxsize=2)
def _kept_matches(sizes: tuple[int, ...], positions: bytes) -> list[Matches | None]:
    """`matches_of` every locus, as far as memory allows; models of the same elements share them."""
    places = np.frombuffer(positions)
    kept: list[Matches | None] = []
    room = _MOST_KEPT
    for start, size in zip(np.cumsum((0, *sizes[:-1])), sizes, strict=True):
        own = places[start : start + size]
        room -= 2 * size**2
        kept.append(matches_of(own) if room >= 0 and own[-1] > own[0] else None)
    return kept


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
        # One locus after the other in memory, as `draw` reads them.
        self.turns: NDArray[np.int32] = np.empty((permutations, loci.count), dtype=np.int32, order="F")
        for locus, size in enumerate(loci.sizes):
            self.turns[:, locus] = rng.integers(0, 2 * size, size=permutations, dtype=np.int32)
        self._matches: list[Matches | None] = []
        if loci.positions is not None:
            self._matches = _kept_matches(tuple(map(int, loci.sizes)), loci.positions.tobytes())

    @property
    def log10_distinct(self) -> float:
        """log10 of the number of distinct rotations: how small a p-value the loci could give at all."""
        return float(np.log10(2.0 * self.loci.sizes).sum())

    def tables(self, scores: NDArray, weights: NDArray) -> Iterator[tuple[Ints, Floats]]:
        """The table of every locus, some of one size at a time: their numbers, and shape (some, 2 size, k).

        `shifted_table` where the layout has positions, else `rotation_table`.
        """
        if self.loci.positions is not None:
            for locus, part in enumerate(self.loci.slices()):
                kept = self._matches[locus]
                table = shifted_table(scores[part], weights[part], self.loci.positions[part], kept)
                yield np.array([locus]), table[None]
            return
        for size in np.unique(self.loci.sizes):
            alike = np.flatnonzero(self.loci.sizes == size)
            step = max(1, _BATCH // int(2 * size * weights.shape[1]))
            for start in range(0, len(alike), step):
                some = alike[start : start + step]
                rows = self.loci.starts[some][:, None] + np.arange(size)
                yield some, rotation_table(scores[rows], weights[rows])

    def locus_draws(self, scores: NDArray, weights: NDArray) -> Iterator[tuple[int, Floats]]:
        """Each locus and its share of ``weights.T @ rotated scores``, shape (permutations, k)."""
        for loci, tables in self.tables(scores, weights):
            for locus, table in zip(loci, tables, strict=True):
                yield int(locus), np.take(table, self.turns[:, locus], axis=0)

    def draw(self, scores: NDArray, weights: NDArray) -> NullDraws:
        """The null of ``weights.T @ scores``; `weights` has shape (n,) or (n, k)."""
        scores, weights = np.asarray(scores, dtype=float), as_columns(weights, self.loci.n)
        columns = weights.shape[1]
        draws = np.zeros((self.permutations, columns))
        mean, variance, observed = (np.zeros(columns) for _ in range(3))
        for loci, tables in self.tables(scores, weights):
            mean += tables.mean(axis=1).sum(axis=0)
            variance += tables.var(axis=1).sum(axis=0)
            observed += tables[:, 0].sum(axis=0)
            _add_look_ups(tables, loci, self.turns, draws)
        return NullDraws(observed, draws, mean, np.sqrt(variance))

    def rotate(self, scores: NDArray, draw: int) -> Floats:
        """The scores of one draw, laid out in full: what `draw` never needs to build, for tests and plots."""
        loci = self.loci
        sizes, turns = loci.sizes[loci.codes], self.turns[draw][loci.codes]
        place = (np.arange(loci.n) - loci.starts[loci.codes] + turns) % sizes
        return np.asarray(scores)[loci.starts[loci.codes] + np.where(turns < sizes, place, sizes - 1 - place)]


@compiled
def _add_look_ups(
    tables: Floats, loci: Ints, turns: NDArray[np.int32], draws: Floats
) -> None:  # pragma: no cover, compiled
    """Add to each draw (shape (permutations, k)) what some loci give at its turns; tables (some, 2 size, k)."""
    permutations, columns = draws.shape
    for first in range(0, permutations, _BLOCK):
        last = min(first + _BLOCK, permutations)
        for row in range(len(loci)):
            table, of_locus = tables[row], turns[:, loci[row]]
            if columns == 1:
                for draw in range(first, last):
                    draws[draw, 0] += table[of_locus[draw], 0]
            else:
                for draw in range(first, last):
                    turn = of_locus[draw]
                    for column in range(columns):
                        draws[draw, column] += table[turn, column]


@compiled
def _nearest_on_ring(field: Floats, places: Floats, first: int, nearest: NDArray) -> None:  # pragma: no cover, compiled
    """Fill `nearest` (m, shifts): the element of `field` nearest to each of `places`, moved so that the first is on
    field[first + column] of the ring."""
    size, shifts = nearest.shape
    ring = (field[-1] - field[0]) * size / (size - 1)
    twice = np.empty(2 * size + 1)
    for i in range(2 * size + 1):
        twice[i] = field[i % size] + (i // size) * ring
    slack = 1e-9 * ring
    for column in range(shifts):
        at = first + column
        for i in range(size):
            where = field[first + column] + (places[i] - places[0])
            # Elements come one after the other along the ring, so the nearest one only moves on.
            while at < 2 * size and abs(twice[at + 1] - where) < abs(twice[at] - where) - slack:
                at += 1
            nearest[i, column] = at % size


@compiled
def _add_matched(values: Floats, weights: Floats, nearest: NDArray, sums: Floats) -> None:  # pragma: no cover, compiled
    """Add weight times the value that each element takes, to the sums of the block's shifts, element by element."""
    size, shifts = nearest.shape
    for column in range(weights.shape[1]):
        block = np.zeros(shifts)
        for i in range(size):
            weight, taken = weights[i, column], nearest[i]
            for shift in range(shifts):
                block[shift] += weight * values[taken[shift]]
        sums[:shifts, column] = block


def as_columns(weights: NDArray, n: int) -> Floats:
    """Weights of shape (n,) or (n, k) as (n, k)."""
    return np.asarray(weights, dtype=float).reshape(n, -1)


NULL = NullKind(
    name="rotation",
    sentence="Neighbouring elements resemble each other, so shuffling them would find too much. Each locus's scores "
    "are rotated along its elements instead, with random reflection: the resemblance stays, the position goes.",
    make=lambda loci, classes, permutations, rng: RotationNull(loci, permutations, rng),
)
