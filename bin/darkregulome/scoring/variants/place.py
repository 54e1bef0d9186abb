"""Judging an allele: whether it can be scored, and what it changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from darkregulome.edits.edit import Edit
from darkregulome.genome.alleles import check_allele
from darkregulome.genome.reference import Reference
from darkregulome.scoring.variants.records import Record

REMEMBERED = 1_000_000
"""How many different variants are remembered to recognise duplicates: in a sorted file they lie side by side."""


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
    def edit(self) -> Edit:
        """What the allele changes."""
        return Edit(self.start, self.start + len(self.ref_bases), self.ref_bases, self.alt_bases)

    @property
    def identity(self) -> bool:
        """True where ALT is REF: nothing changes."""
        return not self.ref_bases and not self.alt_bases


class AlleleChecker:
    """Says of each allele whether it can be scored. Remembers what it has seen, to recognise duplicates.

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
