"""Pairs of motifs that determine each other: sequences from a law whose conditional distributions are known exactly.

A motif is a conserved core and `DEGENERATE` bases, at each of which two are allowed (an IUPAC word). Of the two, one
is of the first variant of the motif, one of the second. A pair stands at a fixed distance; its variants go together:

    P(a, b) ~ exp(sum_i h_i(a_i) + sum_j g_j(b_j) + COUPLING S(a) S(b)),

S being the bases of the first variant less those of the second (a Potts model whose couplings are between the motifs
only; Weigt et al. 2009 read such couplings from covarying sequences). Given one motif the bases of the other are
independent of one another: so each base of the one changes what is expected of each of the other, by the same log odds
whatever the rest is, and tells nothing of its own motif. (Where the bases of one motif tell of each other, as in a
word that is spelled in one of a few ways, no single base of the partner is needed.) Beside the coupled pairs stand
pairs of motifs that take no notice of each other, and lone words: what is called there is false.

A sequence is background with such units at random places (a semi-Markov chain). What the law expects of each base,
given all others, is computed in `tests/support/motif_law.py`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from darkregulome.genome.bases import BASES, letters_of_codes

IUPAC = {"R": "AG", "Y": "CT", "M": "AC", "K": "GT", "S": "CG", "W": "AT"}
"""Degenerate letters: the base of the first variant, and that of the second."""

DEGENERATE = 6
"""Degenerate bases of a motif: what may depend on the partner."""

COUPLING = 0.17
"""Nats for each two bases, one of either motif, that are of one variant: the log odds of a base change by 4 of them."""

FAULT = 0.02
"""Chance of each base that a motif does not allow."""

Span = tuple[int, int]


@dataclass(frozen=True)
class Unit:
    """One or two motifs as they stand in a sequence: IUPAC letters, N for any base between them.

    Attributes
    ----------
    rate : weight of the unit at a place, against that of a base of background.
    coupling : see `COUPLING`; 0 where the motifs do not depend on each other.
    """

    name: str
    letters: str
    rate: float
    coupling: float = 0.0

    @property
    def sides(self) -> tuple[Span, ...]:
        """(start, end) of the degenerate bases of each motif."""
        runs = [i for i, letter in enumerate(self.letters) if letter in IUPAC]
        return tuple((runs[first], runs[first] + DEGENERATE) for first in range(0, len(runs), DEGENERATE))

    @cached_property
    def fields(self) -> np.ndarray:
        """Log-probability of each base where nothing else counts, (length, 4)."""
        chances = np.empty((len(self.letters), 4))
        for row, letter in zip(chances, self.letters, strict=True):
            allowed = BASES if letter == "N" else IUPAC.get(letter, letter)
            row[:] = FAULT
            row[[BASES.index(base) for base in allowed]] = (1 - FAULT * (4 - len(allowed))) / len(allowed)
        return np.log(chances)

    @cached_property
    def variant(self) -> np.ndarray:
        """1 for a base of the first variant, -1 for one of the second, 0 for others, (length, 4)."""
        signs = np.zeros((len(self.letters), 4))
        for row, letter in zip(signs, self.letters, strict=True):
            for sign, base in zip((1, -1), IUPAC.get(letter, ""), strict=False):
                row[BASES.index(base)] = sign
        return signs

    def _partner_weight(self, total: np.ndarray) -> np.ndarray:
        """Summed weight of all that the second motif can be, where S of the first is `total`."""
        second = slice(*self.sides[1])
        tilted = self.fields[second] + self.coupling * np.multiply.outer(total, self.variant[second])
        return np.exp(tilted).sum(-1).prod(-1)

    @cached_property
    def _first_words(self) -> tuple[np.ndarray, np.ndarray]:
        """All that the first motif can be, (words, bases), and the cumulated chance of each: there are few enough."""
        start, end = self.sides[0]
        words = np.indices((4,) * (end - start)).reshape(end - start, -1).T
        places = np.arange(start, end)
        weights = np.exp(self.fields[places, words].sum(1)) * self._partner_weight(self.variant[places, words].sum(1))
        return words, weights.cumsum()

    @cached_property
    def log_total(self) -> float:
        """Log of the summed weight of all that the unit can be: 0 without coupling, for the fields are normalised."""
        return float(np.log(self._first_words[1][-1])) if self.coupling else 0.0

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Base codes of the unit, exactly from its law."""
        tilt = np.zeros(len(self.letters))
        if self.coupling:
            first, second = (slice(*side) for side in self.sides)
            words, chances = self._first_words
            word = words[np.searchsorted(chances, rng.random() * chances[-1], side="right")]
            tilt[second] = self.coupling * self.variant[np.arange(first.start, first.stop), word].sum()
        chances = np.exp(self.fields + tilt[:, None] * self.variant).cumsum(1)
        codes = (rng.random((len(chances), 1)) * chances[:, -1:] >= chances).sum(1)
        if self.coupling:
            codes[first] = word
        return codes


UNITS = (
    Unit("near", "TGACGTRYMKSW" + "N" * 4 + "CCGGAAKSRMYW", rate=0.02, coupling=COUPLING),
    Unit("far", "AACCTGWRSYKM" + "N" * 7 + "GTAAACMWYKRS", rate=0.02, coupling=COUPLING),
    Unit("free", "CAGCTGSKYRWM" + "N" * 5 + "ATTGCGYMWSRK", rate=0.015),
    Unit("word", "CTAATCCGTA", rate=0.015),
)
"""Two pairs that are coupled, one that is not, and a word: what `motif_sequence` draws from."""


@dataclass(frozen=True)
class MotifSequence:
    """A sequence with motifs.

    Attributes
    ----------
    pairs : (start, end) of the degenerate bases of both motifs, of each coupled pair. free : of each uncoupled one.
    """

    bases: str
    pairs: tuple[tuple[Span, Span], ...]
    free: tuple[tuple[Span, Span], ...]


def motif_sequence(rng: np.random.Generator, length: int = 96) -> MotifSequence:
    """Random bases with units at random places, exactly from the law."""
    codes = rng.integers(0, 4, length)
    weights = _arrangements(length)
    pairs: dict[bool, list[tuple[Span, Span]]] = {True: [], False: []}
    end = length
    while end > 0:
        fitting = [unit for unit in UNITS if len(unit.letters) <= end]
        units = (unit.rate * weights[end - len(unit.letters)] for unit in fitting)
        shares = np.array([_STAY * weights[end - 1], *units])
        choice = int(rng.choice(len(shares), p=shares / shares.sum()))
        if choice == 0:
            end -= 1
            continue
        unit = fitting[choice - 1]
        end -= len(unit.letters)
        codes[end : end + len(unit.letters)] = unit.draw(rng)
        if len(unit.sides) == 2:
            one, other = ((end + first, end + last) for first, last in unit.sides)
            pairs[unit.coupling != 0].append((one, other))
    return MotifSequence(letters_of_codes(codes), tuple(pairs[True][::-1]), tuple(pairs[False][::-1]))


_STAY = 1 - sum(unit.rate for unit in UNITS)


def _arrangements(length: int) -> np.ndarray:
    """Summed weight of all arrangements of units in the first 0 to `length` bases."""
    weights = np.ones(length + 1)
    for end in range(1, length + 1):
        units = (unit.rate * weights[end - len(unit.letters)] for unit in UNITS if len(unit.letters) <= end)
        weights[end] = _STAY * weights[end - 1] + sum(units)
    return weights
