"""The background of a genome, and what it alone says of an element: features that need no trained model.

Counts are of both strands of the run's FASTA. Before the elements of a locus are described, every k-mer that overlaps
the locus's window is taken out of them, as if the window were N. Of a FASTA longer than `SAMPLED_BASES`, evenly spaced
blocks are counted.

markov5
    Mean log-likelihood per base (nats) given the 5 bases before it, over both strands: ``PSEUDO_COUNT`` is added to the
    count of each of the four bases after each context.
two_sided
    Mean log-likelihood per base (nats) given the 3 bases on each side, with the same pseudo-count.
copy_advantage
    Mean over the bases, read from either end, of log p(base with copy) - log p(base), in nats. The background p is that
    of `markov5`. Where the `COPY_K` bases just read occur earlier in the window, on either strand, the last such
    occurrence predicts the next base: ``p with copy = COPY_WEIGHT [base is the predicted] + (1 - COPY_WEIGHT) p``.
    Elsewhere nothing is gained: 0.
copies
    log2 of the geometric mean, over the element's 12-mers, of (count + 1) / (expected + 1): the counts of both strands,
    and what the order-5 Markov model expects of each.

A feature is NaN where no base has what it needs (a whole context, a 12-mer inside of the element). Each is the same for
an element and for its reverse complement.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from darkregulome.genome.bases import N_CODE, base_codes, reverse_complement_codes
from darkregulome.genome.reference import Reference

ORDER = 5
SIDE = 3
COPY_K = 12
COPY_WEIGHT = 0.9
PSEUDO_COUNT = 1.0
SAMPLED_BASES = 200_000_000
BLOCK = 1 << 17
FEW_BASES = 200_000
"""A background of fewer bases, once the locus is taken out, is reported: fewer than a hundred of each 6-mer."""

FEATURES = ("markov5", "two_sided", "copy_advantage", "copies")

_SIZES = (ORDER + 1, 2 * SIDE + 1, COPY_K)
_PIECE = 1 << 20
_NO_BASE = -(1 << 30)
"""In the place of the code of an N: every k-mer with one has a negative code."""


def kmer_codes(codes: NDArray[np.uint8], size: int) -> NDArray[np.int64]:
    """The k-mer that begins at each position as a number in base 4, negative where it holds an N.

    Shape (length - size + 1,), none where the sequence is shorter.
    """
    single = np.where(codes == N_CODE, _NO_BASE, codes.astype(np.int64))
    if len(single) < size:
        return np.zeros(0, dtype=np.int64)
    kmers, width = single, 1
    for bit in bin(size)[3:]:  # the binary digits after the first: doubled, and one base more where it is 1
        kmers, width = (kmers[:-width] << 2 * width) + kmers[width:], 2 * width
        if bit == "1":
            kmers, width = (kmers[:-1] << 2) + single[width:], width + 1
    return kmers


@cache
def _reversed_kmers(size: int) -> NDArray[np.int64]:
    """The code of the reverse complement of every k-mer, by its code."""
    forward, back = np.arange(4**size), np.zeros(4**size, dtype=np.int64)
    for _ in range(size):
        back = back * 4 + 3 - forward % 4
        forward //= 4
    return back


@dataclass
class Background:
    """Counts of k-mers of a FASTA's forward strand, by size; both strands are read of them.

    Attributes
    ----------
    blocks : starts and ends of what is counted, by contig.
    bases : how many bases that is.
    notes : whether they are a sample.
    """

    reference: Reference
    blocks: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]
    bases: int
    counts: dict[int, NDArray[np.int32]]
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def without(self, chrom: str, start: int, end: int) -> Iterator["Background"]:
        """The background without the k-mers that overlap ``[start, end)``, while the context lasts."""
        self._count(chrom, start, end, -1)
        try:
            yield self
        finally:
            self._count(chrom, start, end, 1)

    @property
    def kmers(self) -> int:
        """6-mers counted on one strand: about as many as there are bases."""
        return int(self.counts[ORDER + 1].sum())

    def markov(self) -> NDArray[np.float64]:
        """log p of a base given the five before it, shape (4**5, 4), nats."""
        return _log_shares(self._both_strands(ORDER + 1).reshape(-1, 4), axis=1)

    def two_sided(self) -> NDArray[np.float64]:
        """log p of the base in the middle of each 7-mer given the others, shape (4**7,), nats."""
        return _log_shares(self._both_strands(2 * SIDE + 1).reshape(4**SIDE, 4, 4**SIDE), axis=1).ravel()

    def log_expected(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """ln of the expected count, over both strands, of the 12-mer at each position by the order-5 Markov model.

        The product of the counts of its 6-mers over the product of those of the 5-mers that two of them share. A 12-mer
        with an N has any number.
        """
        longer = self._both_strands(ORDER + 1) + PSEUDO_COUNT
        shared = (longer.reshape(-1, 4).sum(axis=1) + longer.reshape(4, -1).sum(axis=0)) / 2
        steps = COPY_K - ORDER
        at_longer, at_shared = (np.maximum(kmer_codes(codes, size), 0) for size in (ORDER + 1, ORDER))
        of_longer = np.convolve(np.log(longer)[at_longer], np.ones(steps), "valid")
        return of_longer - np.convolve(np.log(shared)[at_shared][1:-1], np.ones(steps - 1), "valid")

    def _both_strands(self, size: int) -> NDArray[np.float64]:
        return (self.counts[size] + self.counts[size][_reversed_kmers(size)]).astype(float)

    def _count(self, chrom: str, start: int, end: int, sign: int) -> None:
        """Add `sign` for every k-mer of the blocks that overlaps ``[start, end)`` of a contig."""
        firsts, lasts = self.blocks.get(chrom, (np.zeros(0, int), np.zeros(0, int)))
        for row in range(np.searchsorted(lasts, start, "right"), np.searchsorted(firsts, end)):
            first, last = int(firsts[row]), int(lasts[row])
            for at in range(max(first, start - COPY_K + 1), min(last, end), _PIECE):
                until = min(at + _PIECE, last, end)
                codes = base_codes(self.reference.fetch(chrom, at, min(until + COPY_K - 1, last)))
                for size, counts in self.counts.items():
                    skipped = max(0, start - size + 1 - at)
                    kmers = kmer_codes(codes, size)[skipped : until - at]
                    np.add.at(counts, kmers[kmers >= 0], np.int32(sign))


def fit_background(reference: Reference) -> Background:
    """The background of a FASTA: all of it, or of a long one `SAMPLED_BASES` in evenly spaced blocks."""
    total = sum(reference.lengths.values())
    step = BLOCK * total // SAMPLED_BASES if total > SAMPLED_BASES else 0
    blocks, offset = {}, 0
    for chrom, length in reference.lengths.items():
        # Evenly over the contigs laid end to end, so that many short ones do not weigh more than they hold.
        firsts = np.arange(-offset % step, length, step) if step else np.zeros(1, dtype=np.int64)
        blocks[chrom] = firsts, np.minimum(firsts + BLOCK, length) if step else np.array([length])
        offset += length
    bases = sum(int((lasts - firsts).sum()) for firsts, lasts in blocks.values())
    background = Background(reference, blocks, bases, {size: np.zeros(4**size, np.int32) for size in _SIZES})
    if step:
        background.notes.append(
            f"{reference.path}: the background of the sequence features is counted in every {step / BLOCK:.1f}th block "
            f"of {BLOCK:,} bases, {bases / 1e6:.0f} of {total / 1e6:.0f} Mb."
        )
    for chrom, (firsts, lasts) in blocks.items():
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
            background._count(chrom, first, last, 1)
    return background


class _WindowFeatures:
    """The features of each base of a window and of `COPY_K` bases on either side; of a k-mer where it begins."""

    def __init__(self, background: Background, chrom: str, start: int, end: int):
        self.offset = start - COPY_K
        codes = base_codes(background.reference.fetch(chrom, self.offset, end + COPY_K))
        flipped = reverse_complement_codes(codes)
        log_p = background.markov().ravel()
        forward, backward = _after_context(codes, log_p), _after_context(flipped, log_p)[::-1]
        two_sided = _looked_up(np.append(background.two_sided(), np.nan), kmer_codes(codes, 2 * SIDE + 1))
        self.markov5 = np.stack([forward, backward])
        self.two_sided = np.pad(two_sided, SIDE, constant_values=np.nan)
        kmers, reverse = kmer_codes(codes, COPY_K), kmer_codes(flipped, COPY_K)[::-1]
        after, before = _copied(codes, kmers, reverse)
        self.copy_advantage = np.stack(
            [_gain(forward, after == codes, after), _gain(backward, before == codes, before)]
        )
        at, at_reverse = np.maximum(kmers, 0), np.maximum(reverse, 0)
        count = background.counts[COPY_K][at] + background.counts[COPY_K][at_reverse].astype(float)
        more = np.log2(count + 1) - np.log1p(np.exp(background.log_expected(codes))) / np.log(2)
        self.copies = np.where(kmers >= 0, more, np.nan)

    def means(self, start: int, end: int) -> list[float]:
        """`FEATURES` of the element ``[start, end)`` of the contig."""
        first, last = start - self.offset, end - self.offset
        return [
            _mean(self.markov5[:, first:last]),
            _mean(self.two_sided[first:last]),
            _mean(self.copy_advantage[:, first:last]),
            _mean(self.copies[first : max(first, last - COPY_K + 1)]),
        ]


def _after_context(codes: NDArray[np.uint8], log_p: NDArray[np.float64]) -> NDArray[np.float64]:
    """log p of each base given those before it, NaN where one of them is no base; shape (length,)."""
    return np.pad(
        _looked_up(np.append(log_p, np.nan), kmer_codes(codes, ORDER + 1)), (ORDER, 0), constant_values=np.nan
    )


def _looked_up(values: NDArray[np.float64], kmers: NDArray[np.int64]) -> NDArray[np.float64]:
    """The value of each k-mer; the last value where there is an N."""
    return values[np.where(kmers < 0, len(values) - 1, kmers)]


def _copied(
    codes: NDArray[np.uint8], kmers: NDArray[np.int64], reverse: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The base that the nearest earlier copy of the 12-mer read before it predicts, reading rightwards and leftwards.

    Shapes (length,); N where there is no copy. `reverse` are the codes of the reverse complements of `kmers`.
    """
    # A k-mer and its reverse complement have one number; `plain` tells which of them stands there.
    number, plain = np.minimum(kmers, reverse), kmers <= reverse
    places = np.flatnonzero(kmers >= 0)
    places = places[np.argsort(number[places], kind="stable")]
    left, right = places[:-1], places[1:]
    alike = number[left] == number[right]
    left, right = left[alike], right[alike]
    same = plain[left] == plain[right]
    # One base more on either side, so that those at the ends have neighbours.
    padded = np.pad(codes, 1, constant_values=N_CODE)
    flipped = np.where(padded == N_CODE, N_CODE, 3 - padded)
    after, before = (np.full(len(padded) + COPY_K, N_CODE, dtype=np.uint8) for _ in range(2))
    after[right + COPY_K + 1] = np.where(same, padded[left + COPY_K + 1], flipped[left])
    before[left] = np.where(same, padded[right], flipped[right + COPY_K + 1])
    return after[1 : len(codes) + 1], before[1 : len(codes) + 1]


def _gain(log_p: NDArray[np.float64], right: NDArray[np.bool_], predicted: NDArray[np.uint8]) -> NDArray[np.float64]:
    """log p with the copy less log p: 0 where nothing is predicted, NaN where log p is."""
    with_copy = np.log(COPY_WEIGHT * right + (1 - COPY_WEIGHT) * np.exp(log_p))
    return np.where(predicted == N_CODE, log_p, with_copy) - log_p


def _log_shares(counts: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    counts = counts + PSEUDO_COUNT
    return np.log(counts / counts.sum(axis=axis, keepdims=True))


def _mean(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")


def background_features(elements: pd.DataFrame, windows: pd.DataFrame, background: Background) -> pd.DataFrame:
    """The features `FEATURES` of every element, on the index of `elements`.

    Parameters
    ----------
    elements : chrom, start, end.
    windows : start and end, one row per element, which lies inside: what is taken out of the background, and where
        earlier copies are looked for.
    """
    features = pd.DataFrame(np.nan, index=elements.index, columns=list(FEATURES))
    places = elements[["chrom", "start", "end"]].assign(first=windows["start"], last=windows["end"])
    few = 0
    for key, rows in places.groupby(["chrom", "first", "last"], sort=False):
        chrom, first, last = cast(tuple[str, int, int], key)
        with background.without(chrom, first, last):
            window = _WindowFeatures(background, chrom, first, last)
            few += background.kmers < FEW_BASES
        features.loc[rows.index] = [
            window.means(start, end) for start, end in zip(rows["start"], rows["end"], strict=True)
        ]
    if few:
        background.notes.append(
            f"WARNING: outside of {few} windows the FASTA has fewer than {FEW_BASES:,} bases, and "
            f"{', '.join(FEATURES)} of their elements rest on that: give the whole genome."
        )
    return features
