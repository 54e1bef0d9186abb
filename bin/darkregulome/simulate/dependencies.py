"""Sequences whose dependencies are known: RNA families with stems and a pseudoknot, and pairs of motifs.

A base of a stem is drawn together with its partner, so that only the partner says what it is. The first motif of a pair
is drawn at random, and the second one is spelled as the first one says: so its own bases say nothing of one another.
(A motif that is spelled alike everywhere says all of its own bases, and a model need not look at its partner.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BASES = "ACGT"
PAIRS = np.array([(0, 3), (3, 0), (1, 2), (2, 1), (2, 3), (3, 2)])
"""Base pairs, as codes: A-T (U), T-A, C-G, G-C, and the wobbles G-T, T-G."""


@dataclass(frozen=True)
class RnaFamily:
    """One structure, and how its members spell it.

    Attributes
    ----------
    dot_bracket : the structure: stems as brackets, the stem that crosses another as square ones.
    pairs : (i, j), i < j, shape (pairs, 2).
    loops : consensus of every base, codes, shape (length,); only the unpaired ones are read.
    pair_shares : chance of each of `PAIRS` at every pair, shape (pairs, 6).
    """

    name: str
    dot_bracket: str
    pairs: np.ndarray
    loops: np.ndarray
    pair_shares: np.ndarray

    def draw(self, count: int, rng: np.random.Generator, loop_noise: float = 0.1) -> np.ndarray:
        """Members, codes, shape (count, length); a loop's base is not its consensus with a chance of `loop_noise`."""
        members = np.tile(self.loops, (count, 1))
        noisy = rng.random(members.shape) < loop_noise
        members = np.where(noisy, rng.integers(0, 4, members.shape), members)
        for (i, j), shares in zip(self.pairs, self.pair_shares, strict=True):
            members[:, [i, j]] = PAIRS[rng.choice(len(PAIRS), size=count, p=shares)]
        return members


def rna_family(name: str, rng: np.random.Generator, length: int = 72) -> RnaFamily:
    """A family with a pseudoknot of two stems and a hairpin beside it; lengths of stems and loops are drawn."""
    sizes = [int(rng.integers(4, 7)) for _ in range(3)]
    gaps = rng.integers(1, 4, size=4) + np.array([0, 2, 0, 0])
    first, crossing, hairpin = sizes
    # 5'-first ... crossing ... first' ... crossing'-3': the two stems interleave, as in an H-type pseudoknot.
    starts: list[int] = []
    at = int(rng.integers(2, 5))
    for size, gap in zip((first, crossing, first, crossing), gaps, strict=True):
        starts.append(at)
        at += size + int(gap)
    loop = int(rng.integers(4, 7))
    pseudoknot = [(starts[0] + k, starts[2] + first - 1 - k) for k in range(first)]
    crossed = [(starts[1] + k, starts[3] + crossing - 1 - k) for k in range(crossing)]
    plain = [(at + k, at + 2 * hairpin + loop - 1 - k) for k in range(hairpin)]
    if plain[0][1] >= length:
        raise ValueError(f"a family of {length} bases has no room for its stems")
    pairs = np.array(sorted([*pseudoknot, *crossed, *plain]))
    letters = ["."] * length
    for stem, (opening, closing) in ((pseudoknot, "()"), (crossed, "[]"), (plain, "()")):
        for i, j in stem:
            letters[i], letters[j] = opening, closing
    shares = rng.dirichlet(np.full(len(PAIRS), 1.5), size=len(pairs))
    return RnaFamily(name, "".join(letters), pairs, rng.integers(0, 4, length), shares)


@dataclass(frozen=True)
class MotifPair:
    """A word, a motif of `SIZE` random bases, a gap, and a second motif that is spelled by the first: see `answer`."""

    word: str
    gap: int


SIZE = 8
"""Bases of either motif of a pair."""

PAIRED_MOTIFS = (MotifPair("TGACGT", 4), MotifPair("CCGGAA", 7))
LONE_MOTIF = "CTAATCCG"
"""A motif without a partner: what is called beside it is a false call."""


@dataclass(frozen=True)
class MotifSequence:
    """A sequence with motifs.

    Attributes
    ----------
    pairs : ((start, end), (start, end)) of each word and either motif beside it: two motifs answer one another beside
        their word only, so an edit of it changes what is expected of every base of both.
    lone : (start, end) of the motif without a partner.
    """

    bases: str
    pairs: tuple[tuple[tuple[int, int], tuple[int, int]], ...]
    lone: tuple[tuple[int, int], ...]


def answer(first: np.ndarray) -> np.ndarray:
    """The second motif of a pair: each base of the first, complemented where a pyrimidine follows it; codes."""
    follows = np.append(first[1:], 0)  # A
    return np.where(np.isin(follows, (0, 2)), first, 3 - first)


def motif_sequence(rng: np.random.Generator, length: int = 96) -> MotifSequence:
    """Random bases with each of `PAIRED_MOTIFS` and a lone one, in any order."""
    codes = rng.integers(0, 4, length)
    units: list[MotifPair | None] = [*PAIRED_MOTIFS, None]
    sizes = [len(LONE_MOTIF) if unit is None else len(unit.word) + unit.gap + 2 * SIZE for unit in units]
    order = rng.permutation(len(units))
    spare = length - sum(sizes) - 4 * (len(units) + 1)
    cuts = np.diff([0, *np.sort(rng.integers(0, spare + 1, size=len(units)))])
    pairs, lone, at = [], [], 0
    for place, cut in zip(order, cuts, strict=True):
        at += 4 + int(cut)
        unit = units[place]
        word = _codes(LONE_MOTIF if unit is None else unit.word)
        codes[at : at + len(word)] = word
        if unit is None:
            lone.append((at, at + len(word)))
        else:
            one = (at + len(word), at + len(word) + SIZE)
            other = (one[1] + unit.gap, one[1] + unit.gap + SIZE)
            codes[slice(*other)] = answer(codes[slice(*one)])
            pairs += [((at, one[0]), one), ((at, one[0]), other)]
        at += sizes[place]
    return MotifSequence(spell(codes), tuple(pairs), tuple(lone))


def spell(codes: Sequence[int] | np.ndarray) -> str:
    """Base codes as letters."""
    return "".join(BASES[code] for code in codes)


def _codes(word: str) -> np.ndarray:
    return np.array([BASES.index(base) for base in word])
