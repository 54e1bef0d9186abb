"""Judging an allele, and placing it in the window in which a model compares it with the reference.

Both alleles are seen in the same stretch of the genome: no base comes in to make up for a deletion, and none is pushed
out by an insertion. So the two windows differ in length by as much as the alleles do, and the longer one has the length
that was asked for. An output model reads windows of one length only: see `place_output`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from darkregulome.edits.perturb import clean
from darkregulome.genome.alleles import check_allele
from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import n_fraction, reverse_complement
from darkregulome.scoring.variants.records import Record

REMEMBERED = 1_000_000
"""How many different variants are remembered to tell a duplicate by: in a sorted file duplicates lie side by side."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A stretch of the genome with either allele: they agree outside of ``[start, ref_end)`` and ``[start, alt_end)``.

    Upper case, anything but A, C, G and T as N.
    """

    ref: str
    alt: str
    start: int
    ref_end: int
    alt_end: int

    def reverse_complement(self) -> "Edit":
        """The same edit, read on the other strand."""
        size = len(self.ref)
        start = size - self.ref_end
        return Edit(
            reverse_complement(self.ref),
            reverse_complement(self.alt),
            start,
            size - self.start,
            start + self.alt_end - self.start,
        )

    @property
    def substitution(self) -> bool:
        """True where both alleles have one length."""
        return self.ref_end == self.alt_end


@dataclass(frozen=True, slots=True)
class Allele:
    """One ALT of a record.

    Attributes
    ----------
    alt : as the file writes it.
    status, reason : ``"ok"``, or why it has no score, in a word and in words.
    chrom, start, ref_bases, alt_bases : the change, trimmed of what both alleles share; in the reference's own contig
        name. Both empty where ALT is REF.
    """

    record: Record
    alt: str
    status: str
    reason: str = ""
    chrom: str = ""
    start: int = 0
    ref_bases: str = ""
    alt_bases: str = ""

    @property
    def identity(self) -> bool:
        """True where ALT is REF: nothing changes."""
        return not self.ref_bases and not self.alt_bases


class Judge:
    """Says of each allele whether it can be scored. Remembers what it has seen, to tell duplicates.

    Parameters
    ----------
    max_length : longest allele, in bases, that is scored.
    """

    def __init__(self, reference: Reference, max_length: int):
        self.reference, self.max_length = reference, max_length
        self._seen: dict[int, None] = {}

    def alleles(self, record: Record) -> Iterator[Allele]:
        """One allele an ALT, in order; one where there is no ALT."""
        for alt in record.alts:
            allele = self._judge(record, alt)
            yield self._once(allele) if allele.status == "ok" else allele

    def _judge(self, record: Record, alt: str) -> Allele:
        if record.start is None:
            return Allele(record, alt, "malformed", "the line has fewer than five columns, or no position")
        checked = check_allele(self.reference, record.chrom, record.start, record.ref, alt, self.max_length)
        return Allele(record, alt, *checked)

    def _once(self, allele: Allele) -> Allele:
        name = f"{allele.chrom} {allele.start} {allele.ref_bases} {allele.alt_bases}".encode()
        # A number of 64 bits takes a third of a name's memory; of a million names two share one by chance of 3e-8.
        key = int.from_bytes(blake2b(name, digest_size=8).digest())
        if key in self._seen:
            return Allele(allele.record, allele.alt, "duplicate", "the same change stands further up")
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return allele


def place_language(allele: Allele, reference: Reference, window: int, edge: str) -> Edit:
    """An allele in the window of a language model.

    The window of an SNV begins ``window // 2`` bases before it, as in the official GPN scripts; of longer
    alleles the middle of the longest takes its place, so that REF and ALT exchanged have the same flanks.

    Parameters
    ----------
    window : bases of the longer of the two alleles' windows.
    edge : what happens at a contig's end: ``"pad"`` fills up with N, ``"shift"`` moves the window inside.
    """
    longest = max(1, len(allele.ref_bases), len(allele.alt_bases))
    start = allele.start - (window // 2 - (longest - 1) // 2)
    size = window - longest + len(allele.ref_bases)
    if edge == "shift":
        start = shift(start, size, reference.length(allele.chrom))
    sequence = clean(reference.fetch(allele.chrom, start, start + size))
    return edit_of(allele, sequence, start)


def shift(start: int, size: int, length: int) -> int:
    """The start of a window moved inside of a contig of `length` bases, where the contig can hold it."""
    return start if length < size else min(max(start, 0), length - size)


def edit_of(allele: Allele, sequence: str, start: int) -> Edit:
    """The edit of `sequence`, which begins at `start` of the contig."""
    first = allele.start - start
    last = first + len(allele.ref_bases)
    return Edit(
        sequence,
        sequence[:first] + allele.alt_bases + sequence[last:],
        first,
        last,
        first + len(allele.alt_bases),
    )


def too_many_n(sequence: str, most: float) -> str:
    """Why a window cannot be read: more than a fraction `most` of it is N; empty where it can."""
    fraction = n_fraction(sequence)
    return f"{fraction:.0%} of the window is N" if fraction > most else ""


def place_output(
    allele: Allele, reference: Reference, start: int, size: int, anchor: int
) -> tuple[str, str, tuple[int, int]]:
    """The window ``[start, start + size)`` of an output model with REF, with ALT, and the span in which they differ.

    Both have `size` bases, and the base `anchor` of the window (the TSS, or the variant itself) stays where it is:
    what an insertion pushes out, or a deletion lets in, is at the window's end on the variant's side.
    """
    gained = len(allele.alt_bases) - len(allele.ref_bases)
    spare = max(0, -gained)
    left = allele.start + len(allele.ref_bases) <= start + anchor
    first = start - spare if left else start
    edit = edit_of(allele, clean(reference.fetch(allele.chrom, first, first + size + spare)), first)
    if left:
        end = edit.ref_end - spare
        return edit.ref[spare:], edit.alt[-size:], (0 if gained else edit.start, end)
    return edit.ref[:size], edit.alt[:size], (edit.start, size if gained else edit.ref_end)
