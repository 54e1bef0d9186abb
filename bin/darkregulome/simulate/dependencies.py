"""Sequences whose dependencies are known: RNA families with stems and a pseudoknot. For motifs see `motif_pairs.py`.

A base of a stem is drawn together with its partner, so that only the partner says what it is.
"""

from dataclasses import dataclass

import numpy as np

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
    """A family with a pseudoknot of two stems and a hairpin after it; lengths of stems and loops are drawn."""
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
