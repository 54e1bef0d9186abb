"""The one judge of REF and ALT: how alleles are spelled, whether REF is the reference's, and their shortest form."""

import re
from typing import NamedTuple

from darkregulome.genome.reference import Reference

CLASSES = ("SNV", "MNV", "insertion", "deletion", "complex", "other")
"""Classes of alleles; `other` is not spelled in bases (``<DEL>``, ``*``, ``-``, ``.``)."""
_BASES = re.compile("[ACGT]+")
_BASES_OR_N = re.compile("[ACGTN]+", re.IGNORECASE)


class CheckedAllele(NamedTuple):
    """What an ALT changes, and whether it can be put into the reference.

    Attributes
    ----------
    status, reason : ``"ok"`` (and no reason), or one of `io.schemas.VARIANT_STATUSES` and why, in words.
    chrom, start, ref_bases, alt_bases : the change, as `trim` leaves it, upper case, in the reference's own contig
        name; empty where the status is not ok, and both alleles empty where ALT is REF.
    """

    status: str
    reason: str = ""
    chrom: str = ""
    start: int = 0
    ref_bases: str = ""
    alt_bases: str = ""


def is_bases(allele: str) -> bool:
    """True where an allele is spelled in A, C, G and T alone, in either case."""
    return _BASES.fullmatch(allele.upper()) is not None


def is_substitution(ref: str, alt: str) -> bool:
    """True where one base takes the place of another."""
    return len(ref) == len(alt) == 1 and is_bases(ref) and is_bases(alt) and ref.upper() != alt.upper()


def allele_class(ref: str, alt: str) -> str:
    """The class of an allele by its spelling, one of `CLASSES`."""
    if not (_BASES_OR_N.fullmatch(ref) and _BASES_OR_N.fullmatch(alt)):
        return "other"
    if len(ref) == len(alt):
        return "SNV" if len(ref) == 1 else "MNV"
    short, long, name = (ref, alt, "insertion") if len(ref) < len(alt) else (alt, ref, "deletion")
    return name if long.startswith(short) or long.endswith(short) else "complex"


def trim(start: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Position and alleles without what they share, first at their ends, then at their beginnings."""
    tail = 0
    while tail < min(len(ref), len(alt)) and ref[-1 - tail] == alt[-1 - tail]:
        tail += 1
    ref, alt = ref[: len(ref) - tail], alt[: len(alt) - tail]
    head = 0
    while head < min(len(ref), len(alt)) and ref[head] == alt[head]:
        head += 1
    return start + head, ref[head:], alt[head:]


def other_bases(reference: Reference, chrom: str, start: int, ref: str) -> str | None:
    """What the reference has where REF is said to begin (0-based), or None where that is REF, in either case."""
    bases = reference.fetch(chrom, start, start + len(ref))
    return None if bases == ref.upper() else bases


def check_allele(reference: Reference, name: str, start: int, ref: str, alt: str, max_length: int) -> CheckedAllele:
    """Check one ALT against the reference, and trim it.

    Parameters
    ----------
    name : contig, as the file of variants names it.
    start : position of the first base of REF, 0-based.
    max_length : longest allele, in bases, that is taken.
    """
    chrom = reference.contigs.resolve(name)
    if chrom is None:
        return CheckedAllele("off_contig", f"the FASTA has no contig {name}")
    if start < 0 or start + len(ref) > reference.length(chrom):
        return CheckedAllele("off_contig", f"not inside {chrom}, which has {reference.length(chrom)} bases")
    if not is_bases(alt):
        return CheckedAllele("symbolic", "ALT is not spelled in A, C, G and T")
    others = other_bases(reference, chrom, start, ref)
    if others is not None:
        return CheckedAllele("ref_mismatch", f"REF is {_shortened(ref)}, the reference has {_shortened(others)}")
    if max(len(ref), len(alt)) > max_length:
        return CheckedAllele("too_long", f"an allele is longer than {max_length} bases")
    if not is_bases(ref):
        return CheckedAllele("n_in_window", "REF holds letters other than A, C, G and T")
    return CheckedAllele("ok", "", chrom, *trim(start, ref.upper(), alt.upper()))


def _shortened(bases: str) -> str:
    return bases if len(bases) <= 10 else f"{bases[:10]}... ({len(bases)} bases)"
