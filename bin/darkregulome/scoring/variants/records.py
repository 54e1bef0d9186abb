"""The records to score: those of a VCF, or every SNV of a BED in the same form, and which of their alleles can be."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from darkregulome.errors import InputError
from darkregulome.genome.alleles import CheckedAllele, check_allele
from darkregulome.genome.bases import BASES
from darkregulome.genome.bed import bed_intervals
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.reference import Reference
from darkregulome.genome.vcf import COLUMNS, FILE_FORMAT, Record, Region, VcfFile

REMEMBERED = 1_000_000
"""How many different variants are remembered to recognise duplicates: in a sorted file they are next to each other."""


class AlleleChecker:
    """Says of each allele whether it can be scored. Remembers what it has seen, to recognise duplicates.

    Parameters
    ----------
    max_length : longest allele, in bases, that is scored.
    """

    def __init__(self, reference: Reference, max_length: int):
        self.reference, self.max_length = reference, max_length
        self._seen: dict[int, None] = {}

    def alleles(self, record: Record) -> list[CheckedAllele]:
        """One per ALT, in order; one where there is no ALT."""
        return [self._check(record, alt) for alt in record.alts]

    def _check(self, record: Record, alt: str) -> CheckedAllele:
        if record.start is None:
            return CheckedAllele("malformed", "the line has fewer than five columns, or no position")
        allele = check_allele(self.reference, record.chrom, record.start, record.ref, alt, self.max_length)
        if allele.status != "ok":
            return allele
        # A number of 64 bits takes a third of a name's memory; of a million names two share one by chance of 3e-8.
        key = int.from_bytes(blake2b(" ".join(map(str, allele[2:])).encode(), digest_size=8).digest())
        if key in self._seen:
            return CheckedAllele("duplicate", "the same change stands further up")
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return allele


def snvs_of_bed(path: str | Path, reference: Reference) -> Iterator[Record]:
    """Every SNV of the intervals of a BED: one record a base, with the three other bases as its ALTs.

    A base that is not A, C, G or T, or lies on no contig of the reference, is a record without ALT. An interval is cut
    at the contig's end.

    Raises
    ------
    InputError : a line is no interval.
    """
    number = 0
    for interval in bed_intervals(path):
        name, start, end = interval[1:4]
        chrom = reference.contigs.resolve(name)
        if chrom is None:
            yield Record(number, [name, str(start + 1), ".", "N", ".", ".", ".", "."], start)
            number += 1
            continue
        end = min(end, reference.length(chrom))
        for first in range(start, end, 10_000):  # long intervals piece by piece
            for at, base in enumerate(reference.fetch(chrom, first, min(end, first + 10_000)), start=first):
                others = ",".join(BASES.replace(base, "")) if base in BASES else "."
                yield Record(number, [name, str(at + 1), ".", base, others, ".", ".", "."], at)
                number += 1


def bed_header(contigs: Contigs) -> list[str]:
    """The header of a VCF made from a BED."""
    lines = [f"##contig=<ID={name},length={length}>" for name, length in contigs.lengths.items()]
    return [FILE_FORMAT, *lines, "#" + "\t".join(COLUMNS)]


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 1) of `count` parts, one after the other and of equal size, of all records."""

    index: int
    count: int

    def bounds(self, records: int) -> tuple[int, int]:
        """Numbers of the first record, and of the one after the last."""
        return records * (self.index - 1) // self.count, records * self.index // self.count


def parse_shard(text: str) -> Shard:
    """A shard written as ``2/8``: the second of eight.

    Raises
    ------
    InputError : the text is no shard.
    """
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise InputError.at("--shard", f"{text!r} is no shard", "write 2/8 for the second of eight")
    return Shard(int(index), int(count))


class VcfSource:
    """The records of a VCF, or of a region of it, with the header they are written under."""

    def __init__(self, file: VcfFile, region: Region | None = None):
        self.header = file.header_lines()
        self._file, self._region = file, region

    def records(self) -> Iterator[Record]:
        """Every record, in order."""
        return self._file.records(self._region)

    def count(self) -> int:
        """Number of records."""
        return self._file.count() if self._region is None else sum(1 for _ in self.records())


class BedSource:
    """Every SNV of the intervals of a BED, as records, with the header they are written under."""

    def __init__(self, path: Path, reference: Reference, region: Region | None = None):
        self.header = bed_header(reference.contigs)
        self._path, self._reference, self._region = path, reference, region

    def records(self) -> Iterator[Record]:
        """One record a base, in order."""
        for record in snvs_of_bed(self._path, self._reference):
            if self._region is None or self._region.holds(record):
                yield record

    def count(self) -> int:
        """Number of records."""
        return sum(1 for _ in self.records())


def open_source(
    vcf: Path | None, bed: Path | None, reference: Reference, region: Region | None
) -> VcfSource | BedSource:
    """The records of a VCF, or every SNV of a BED.

    Raises
    ------
    InputError : both are given, or neither.
    """
    if vcf is not None and bed is None:
        return VcfSource(VcfFile(vcf), region)
    if bed is not None and vcf is None:
        return BedSource(bed, reference, region)
    raise InputError.at("--vcf and --bed", "are both given, or neither", "give one of them")
