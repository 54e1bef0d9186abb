"""The sequences whose maps are asked for, each with a status: what cannot be mapped stops nothing."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from darkregulome.errors import InputError
from darkregulome.genome.bed import bed_intervals
from darkregulome.genome.reference import Reference, fasta_records
from darkregulome.genome.sequence import dinucleotide_shuffle, n_fraction, reverse_complement

_RNA = str.maketrans("Uu", "TT")


@dataclass(frozen=True)
class Sequence:
    """One sequence to map.

    Attributes
    ----------
    bases : as they are read, on `strand`, upper case, U as T; empty where the status is ``off_contig``.
    status : one of `io.schemas.MAP_STATUSES`.
    """

    name: str
    chrom: str
    start: int
    end: int
    strand: str
    bases: str
    status: str = "ok"

    def judged(self, shortest: int, longest: int) -> "Sequence":
        """The same with the status that its bases have."""
        if self.status != "ok":
            return self
        size = len(self.bases)
        if size < shortest:
            return replace(self, status="too_short")
        if size > longest:
            return replace(self, status="too_long")
        return replace(self, status="n_inside") if n_fraction(self.bases) > 0 else self

    def shuffled(self, seed: int) -> "Sequence":
        """The same with its bases in another order that keeps every dinucleotide's count: a control."""
        rng = np.random.default_rng([seed, *blake2b(self.bases.encode(), digest_size=8).digest()])
        return replace(self, bases=dinucleotide_shuffle(self.bases, rng))


def sequences_of_bed(path: str | Path, reference: Reference) -> Iterator[Sequence]:
    """The intervals of a BED, in order; a line on the minus strand is read there.

    Intervals of one name are told apart by their place, ``name::chrom:start-end(strand)`` as bedtools getfasta writes
    it. An interval that stands further up, by the same name, is a duplicate.

    Raises
    ------
    InputError : the file is absent, holds nothing, or a line is not BED; before the first sequence.
    """
    intervals = _intervals_of_bed(path)
    shared = Counter(interval.name for interval in set(intervals))
    seen: set[_Interval] = set()
    for interval in intervals:
        sequence = _sequence_of(interval, reference)
        if shared[interval.name] > 1:
            place = f"{interval.chrom}:{interval.start}-{interval.end}({interval.strand})"
            sequence = replace(sequence, name=f"{interval.name}::{place}")
        yield replace(sequence, status="duplicate") if interval in seen else sequence
        seen.add(interval)


class _Interval(NamedTuple):
    """A line of a BED; its name is its place where it has none."""

    name: str
    chrom: str
    start: int
    end: int
    strand: str


def _intervals_of_bed(path: str | Path) -> list[_Interval]:
    intervals = []
    for row in bed_intervals(path):
        name = f"{row.chrom}:{row.start}-{row.end}" if row.column(4) == "." else row.column(4)
        intervals.append(_Interval(name, row.chrom, row.start, row.end, "-" if row.column(6) == "-" else "+"))
    return intervals


def _sequence_of(interval: _Interval, reference: Reference) -> Sequence:
    name, chrom, start, end, strand = interval
    contig = reference.contigs.resolve(chrom)
    if contig is None or end > reference.length(contig):
        return Sequence(name, chrom, start, end, strand, "", "off_contig")
    bases = reference.fetch(contig, start, end)
    return Sequence(name, contig, start, end, strand, bases if strand == "+" else reverse_complement(bases))


def sequences_of_fasta(path: str | Path) -> Iterator[Sequence]:
    """Every record of a FASTA, in order, each as a contig of its own; the second one of a name is a duplicate.

    Raises
    ------
    InputError : the file is absent, damaged, or holds no sequence.
    """
    seen: set[str] = set()
    for name, letters in fasta_records(path):
        bases = letters.upper().translate(_RNA)
        yield Sequence(name, name, 0, len(bases), "+", bases, "duplicate" if name in seen else "ok")
        seen.add(name)
    if not seen:
        raise InputError.at(path, "holds no sequence", "give a FASTA with sequences")
