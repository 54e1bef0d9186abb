"""Trivial decoys: no trained model is needed to draw them.

shuffle
    Uniform over the sequences that have the element's dinucleotide counts and its first and last base. Element and
    decoys are exchangeable where it is itself such a draw.
markov
    The order-5 Markov chain of the genome, both strands, without the element's locus (`genome/background.py`), given
    the bases before and after the element. The draws are exact and independent: backwards, the probability of the right
    flank from every 5-mer at every place; forwards, each base in proportion to its own and that of what is then to
    come. Where a flank is N or ends, nothing is known of it, and every 5-mer before the element counts alike.

An N of an element stays, and what lies between two of them is drawn by itself.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from darkregulome.decoys.place import Place
from darkregulome.edits.edit import named_generator
from darkregulome.genome.background import ORDER, Background, kmer_codes
from darkregulome.genome.bases import base_codes, letters_of_codes
from darkregulome.genome.sequence import dinucleotide_shuffle

_RUN = re.compile("[ACGT]+")
STATES = 4**ORDER
_NEXT = (np.arange(STATES)[:, None] * 4 + np.arange(4)) % STATES
"""The 5-mer that follows each 5-mer with each base."""


class ShuffleWriter:
    """Draws dinucleotide shuffles."""

    name = "shuffle"

    def __init__(self, seed: int):
        self.seed = seed

    def write(self, places: Sequence[Place], numbers: Sequence[int]) -> list[list[str]]:
        """Decoys of each place, by number."""
        return [
            [
                dinucleotide_shuffle(place.sequence, named_generator(self.seed, self.name, place.element, str(number)))
                for number in numbers
            ]
            for place in places
        ]


class MarkovWriter:
    """Draws from the order-5 Markov chain of a genome without the locus of the element.

    Parameters
    ----------
    windows : contig, start and end of every locus: what is taken out of the background.
    """

    name = "markov"

    def __init__(self, background: Background, windows: Mapping[str, tuple[str, int, int]], seed: int):
        self.background, self.windows, self.seed = background, windows, seed
        self._locus: tuple[str, NDArray[np.float64]] | None = None

    def write(self, places: Sequence[Place], numbers: Sequence[int]) -> list[list[str]]:
        """Decoys of each place, by number."""
        return [self._write(place, numbers) for place in places]

    def log_likelihood(self, sequences: Sequence[tuple[Place, str]]) -> NDArray[np.float64]:
        """Mean log p of the bases of each sequence in its place given the five before, nats."""
        means = []
        for place, sequence in sequences:
            codes = base_codes(place.window(sequence, place.start - ORDER, place.end))
            kmers = kmer_codes(codes, ORDER + 1)
            log_p = self._log_p(place.locus).ravel()[kmers[kmers >= 0]]
            means.append(log_p.mean() if len(log_p) else np.nan)
        return np.array(means)

    def _write(self, place: Place, numbers: Sequence[int]) -> list[str]:
        rngs = [named_generator(self.seed, self.name, place.element, str(number)) for number in numbers]
        around = place.window(place.sequence, place.start - ORDER, place.end + ORDER)
        decoys = [[place.sequence] for _ in numbers]
        for first, last in runs(place.sequence):
            left, right = around[first : first + ORDER], around[last + ORDER : last + 2 * ORDER]
            uniform = np.stack([rng.random(last - first + 1) for rng in rngs])
            for decoy, codes in zip(
                decoys, bridge(self._log_p(place.locus), left, last - first, right, uniform), strict=True
            ):
                decoy[0] = decoy[0][:first] + letters_of_codes(codes) + decoy[0][last:]
        return [decoy[0] for decoy in decoys]

    def _log_p(self, locus: str) -> NDArray[np.float64]:
        if self._locus is None or self._locus[0] != locus:
            with self.background.without(*self.windows[locus]) as background:
                self._locus = locus, background.markov()
        return self._locus[1]


def runs(sequence: str) -> Iterator[tuple[int, int]]:
    """Where the runs of A, C, G and T of a sequence begin and end."""
    return (match.span() for match in _RUN.finditer(sequence))


def bridge(
    log_p: NDArray[np.float64], left: str, length: int, right: str, uniform: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Draws of an order-5 chain between two flanks, exactly: codes, shape (draws, length).

    Parameters
    ----------
    log_p : of each base after each 5-mer, shape (1024, 4).
    left, right : the 5 bases before and after; of `left` what follows the last N is known, of `right` what precedes
        the first.
    uniform : numbers in [0, 1), shape (draws, length + 1): the first draws the 5-mer before, where it is not known.
    """
    p = np.exp(log_p)
    known = base_codes(right.partition("N")[0]).tolist()
    state, log_weight = np.arange(STATES), np.zeros(STATES)
    for code in known:
        log_weight, state = log_weight + log_p[state, code], _NEXT[state, code]
    ahead = np.empty((length + 1, STATES))
    ahead[length] = np.exp(log_weight - log_weight.max())
    for at in range(length - 1, -1, -1):
        ahead[at] = (p * ahead[at + 1][_NEXT]).sum(axis=1)
        ahead[at] /= ahead[at].max()
    before = base_codes(left.rpartition("N")[2])
    number = int("0" + "".join(map(str, before)), 4)
    possible = np.flatnonzero(np.arange(STATES) % 4 ** len(before) == number)
    states = possible[_pick(np.broadcast_to(ahead[0][possible], (len(uniform), len(possible))), uniform[:, 0])]
    drawn = np.empty((len(uniform), length), dtype=np.int64)
    for at in range(length):
        drawn[:, at] = _pick(p[states] * ahead[at + 1][_NEXT[states]], uniform[:, at + 1])
        states = _NEXT[states, drawn[:, at]]
    return drawn


def _pick(weights: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """A column of each row in proportion to its weight."""
    cumulative = np.cumsum(weights, axis=1)
    return (uniform[:, None] * cumulative[:, -1:] >= cumulative[:, :-1]).sum(axis=1)
