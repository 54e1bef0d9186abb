"""Sequences whose dependencies are known: RNA families with stems and a pseudoknot, and pairs of motifs.

A base of a stem is drawn together with its partner, so that only the partner says what it is. A motif of a pair is
whole or broken, and its partner is spelled exactly where it is whole and carelessly where it is broken, so that any
edit of the one changes what is expected of every base of the other.
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
    """Two motifs of which the second is spelled exactly only beside a whole first one."""

    first: str
    second: str


PAIRED_MOTIFS = (
    MotifPair("TGACGTCA", "CCGGAAGT"),
    MotifPair("GATAAGCG", "CACGTGTT"),
    MotifPair("TTGCGCAA", "AGGTCAAC"),
)
LONE_MOTIF = "CTAATCCG"
"""A motif without a partner: what is called beside it is a false call."""


@dataclass(frozen=True)
class MotifSequence:
    """A sequence with motifs.

    Attributes
    ----------
    pairs : ((start, end), (start, end)) of each pair whose first motif is whole.
    lone : (start, end) of the motifs without a partner.
    """

    bases: str
    pairs: tuple[tuple[tuple[int, int], tuple[int, int]], ...]
    lone: tuple[tuple[int, int], ...]


def motif_sequence(
    rng: np.random.Generator, length: int = 128, whole: float = 0.5, careless: float = 0.5
) -> MotifSequence:
    """Random bases with two pairs of motifs and a lone one, in any order.

    Parameters
    ----------
    whole : chance that a pair's first motif is whole; else one of its bases is another one.
    careless : chance of each base of the second motif to be drawn at random where the first is broken.
    """
    codes = rng.integers(0, 4, length)
    chosen: list[MotifPair | None] = [PAIRED_MOTIFS[k] for k in rng.permutation(len(PAIRED_MOTIFS))[:2]]
    units = [(unit, int(rng.integers(5, 16))) for unit in [*chosen, None]]
    sizes = [len(LONE_MOTIF) if unit is None else len(unit.first) + gap + len(unit.second) for unit, gap in units]
    order = rng.permutation(len(units))
    spare = length - sum(sizes) - 4 * (len(units) + 1)
    cuts = np.diff([0, *np.sort(rng.integers(0, spare + 1, size=len(units)))])
    pairs, lone, at = [], [], 0
    for place, cut in zip(order, cuts, strict=True):
        at += 4 + int(cut)
        unit, gap = units[place]
        if unit is None:
            codes[at : at + len(LONE_MOTIF)] = _codes(LONE_MOTIF)
            lone.append((at, at + len(LONE_MOTIF)))
        else:
            one = (at, at + len(unit.first))
            other = (one[1] + gap, one[1] + gap + len(unit.second))
            codes[slice(*one)], codes[slice(*other)] = _codes(unit.first), _codes(unit.second)
            if rng.random() < whole:
                pairs.append((one, other))
            else:
                broken = rng.integers(*one)
                codes[broken] = (codes[broken] + rng.integers(1, 4)) % 4
                blurred = rng.random(len(unit.second)) < careless
                codes[slice(*other)][blurred] = rng.integers(0, 4, int(blurred.sum()))
        at += sizes[place]
    return MotifSequence(spell(codes), tuple(pairs), tuple(lone))


def spell(codes: Sequence[int] | np.ndarray) -> str:
    """Base codes as letters."""
    return "".join(BASES[code] for code in codes)


def _codes(word: str) -> np.ndarray:
    return np.array([BASES.index(base) for base in word])
