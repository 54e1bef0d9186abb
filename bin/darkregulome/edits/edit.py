"""Edits of the sequence: which, where, and drawn how. Coordinates are genomic, letters are on the forward strand.

Every draw comes from a generator seeded by (seed, names), so an element's edits do not depend on the order of the
table nor on the other elements in it. The model's name is one of the names: two models are probed at different
sites, so that the noise of the sampling is independent between them.
"""

import itertools
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from darkregulome.genome.bases import BASES
from darkregulome.genome.sequence import dinucleotide_shuffle

SHUFFLE_TRIES = 5
"""How often a shuffle that came out as the reference is drawn again before it is given up."""

_OTHERS = {base: BASES.replace(base, "") for base in BASES}
_NOT_A_BASE = re.compile("[^ACGT]")


@dataclass(frozen=True, slots=True)
class Edit:
    """``[start, end)`` of the contig, which reads `ref`, reads `alt` instead; either may be empty."""

    start: int
    end: int
    ref: str
    alt: str
    replicate: int = 0
    decoys: str = ""
    """Of a decoy: the name of the set that it is of, as in the table of decoys."""

    @property
    def shift(self) -> int:
        """By how many bases what follows moves: negative for a deletion."""
        return len(self.alt) - (self.end - self.start)

    def within(self, start: int, end: int) -> "Edit":
        """The part of an edit that keeps its length which lies in ``[start, end)``."""
        first, last = max(0, start - self.start), max(0, min(self.end, end) - self.start)
        return replace(
            self, start=self.start + first, end=self.start + last, ref=self.ref[first:last], alt=self.alt[first:last]
        )

    def apply(self, sequence: str, offset: int) -> str:
        """`sequence`, which begins at `offset` of the contig, with the edit made."""
        return sequence[: self.start - offset] + self.alt + sequence[self.end - offset :]


def named_generator(seed: int, *names: str) -> np.random.Generator:
    """A generator that depends on the seed and the names alone."""
    return np.random.default_rng(np.random.SeedSequence([seed, *(zlib.crc32(name.encode()) for name in names)]))


def clean(sequence: str) -> str:
    """Upper case, with everything that is not A, C, G or T written as N."""
    return _NOT_A_BASE.sub("N", sequence.upper())


def sample_sites(sequence: str, sites: int, rng: np.random.Generator) -> np.ndarray:
    """Offsets of at most `sites` bases of `sequence`: evenly spaced, jittered, in order, never an N.

    The bases that are A, C, G or T are cut into `sites` runs of equal length, and one base is drawn from each.
    A sequence with no more than `sites` such bases gives them all.
    """
    letters = np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)
    bases = np.flatnonzero(letters != ord("N"))
    if len(bases) <= sites:
        return bases
    edges = np.arange(sites + 1) * len(bases) // sites
    return bases[rng.integers(edges[:-1], edges[1:])]


def substitutions(
    sequence: str, offset: int, sites: np.ndarray, alternatives: int, rng: np.random.Generator
) -> Iterator[Edit]:
    """Single-base substitutions at `sites` of `sequence`, which begins at `offset` of the contig.

    Parameters
    ----------
    alternatives : 3 for every other base at each site, 1 for one of the three, drawn.
    """
    for site in sites.tolist():
        ref = sequence[site]
        others = _OTHERS[ref]
        for alt in others if alternatives == 3 else others[int(rng.integers(3))]:
            yield Edit(offset + site, offset + site + 1, ref, alt)


def shuffles(sequence: str, offset: int, replicates: int, rng: np.random.Generator) -> Iterator[Edit]:
    """Dinucleotide shuffles of `sequence`; an N stays where it is.

    A copy equal to the reference is drawn again, `SHUFFLE_TRIES` times in all, then left out.
    """
    for replicate in range(replicates):
        for _ in range(SHUFFLE_TRIES):
            alt = dinucleotide_shuffle(sequence, rng)
            if alt != sequence:
                yield Edit(offset, offset + len(sequence), sequence, alt, replicate)
                break


def blocks(length: int, size: int) -> list[tuple[int, int]]:
    """Cut ``[0, length)`` into near-equal blocks of at most `size` bases; into one where `size` is 0."""
    count = -(-length // size) if size else 1
    edges = [index * length // count for index in range(count + 1)]
    return list(itertools.pairwise(edges))


def block_substitutions(sequence: str, offset: int, replicates: int, rng: np.random.Generator) -> Iterator[Edit]:
    """Every base of `sequence` replaced by another, drawn; an N stays."""
    for replicate in range(replicates):
        draws = rng.integers(3, size=len(sequence)).tolist()
        alt = "".join(
            _OTHERS[base][draw] if base in _OTHERS else base for base, draw in zip(sequence, draws, strict=True)
        )
        if alt != sequence:
            yield Edit(offset, offset + len(sequence), sequence, alt, replicate)


def deletions(sequence: str, offset: int) -> Iterator[Edit]:
    """The whole of `sequence` taken out, unless it is N."""
    if sequence.strip("N"):
        yield Edit(offset, offset + len(sequence), sequence, "")


def insertions(
    offset: int, sites: np.ndarray, inserted: str | int, replicates: int, rng: np.random.Generator
) -> Iterator[Edit]:
    """`inserted` put before the base at each of `sites`, which count from `offset`.

    Parameters
    ----------
    inserted : letters, the same each time; or a number of bases, drawn `replicates` times a site.
    """
    for site in sites.tolist():
        for replicate in range(1 if isinstance(inserted, str) else replicates):
            alt = inserted if isinstance(inserted, str) else "".join(rng.choice(list(BASES), inserted))
            yield Edit(offset + site, offset + site, "", alt, replicate)


def n_masks(sequence: str, offset: int) -> Iterator[Edit]:
    """The whole of `sequence` as N, unless it is that already."""
    alt = "N" * len(sequence)
    if alt != sequence:
        yield Edit(offset, offset + len(sequence), sequence, alt)
