"""Genes to loci: a TSS, its strand, and a window around it."""

import csv
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from darkregulome.errors import InputError, Problem, Problems, raise_all
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.genes import GeneIndex
from darkregulome.genome.textfile import numbered_lines
from darkregulome.io.schemas import LOCI
from darkregulome.io.tables import check_separator, read_table, table_format

# Locus names become file names and the first part of element names, which '|' ends.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class LocusRow:
    """One row of a user's list; what the user left out is empty, a TSS left out is None."""

    where: str
    locus: str
    gene: str
    chrom: str = ""
    tss: int | None = None
    strand: str = ""


@dataclass(frozen=True)
class FailedLocus:
    """A locus that cannot be placed, and why."""

    locus: str
    gene: str
    problem: Problem


def read_locus_rows(path: str | Path) -> list[LocusRow]:
    """Read loci: CSV or TSV with ``gene`` or ``locus`` and, optionally, ``chrom, tss, strand``; or one gene per line.

    ``tss`` (or ``tss0``) is the 0-based position of the TSS's base. Lines that start with ``#`` are comments.

    Raises
    ------
    InputError
        The file is absent, empty, has no column for the gene, or has a TSS that is not a whole number.
    """
    lines = list(numbered_lines(path))
    if not lines:
        raise InputError.at(path, "is empty", "give a header and at least one gene")
    separator = table_format(path)
    header = [name.lower() for name in _cells(lines[0][1], separator)]
    if len(header) == 1:
        check_separator(path, lines[0][1], separator)
    if doubled := sorted({name for name in header if name and header.count(name) > 1}):
        raise InputError.at(path, f"has the column {doubled[0]!r} twice", "leave one of them")
    if not {"gene", "locus"} & set(header):
        if len(header) > 1:
            raise InputError.at(path, f"has the columns {', '.join(header)}, and none is 'gene'", "name it 'gene'")
        header = ["gene"]
    else:
        lines = lines[1:]
    if not lines:
        raise InputError.at(path, "has a header and no locus", "give at least one gene")
    problems = Problems()
    rows = [problems.attempt(_row, f"{path}:{number}", header, _cells(line, separator)) for number, line in lines]
    problems.raise_all()
    return [row for row in rows if row is not None]


def _cells(line: str, separator: str) -> list[str]:
    return [value.strip() for value in next(csv.reader([line], delimiter=separator))]


def _row(where: str, header: list[str], cells: list[str]) -> LocusRow:
    if any(cells[len(header) :]):
        what = f"has {len(cells)} values, where the header names {len(header)}"
        raise InputError.at(where, what, "give each value its column, and quote what holds a separator")
    values = dict(zip(header, cells, strict=False))
    gene = values.get("gene") or values.get("locus") or ""
    text = values.get("tss") or values.get("tss0") or ""
    if not gene:
        raise InputError.at(where, "has no gene", "give a gene name or id")
    try:
        tss = int(text) if text else None
    except ValueError as error:
        raise InputError.at(where, f"has the TSS {text!r}", "give the 0-based position as a whole number") from error
    return LocusRow(where, values.get("locus") or gene, gene, values.get("chrom", ""), tss, values.get("strand", ""))


def place_loci(
    rows: Iterable[LocusRow], genes: pd.DataFrame, contigs: Contigs, flank: int
) -> tuple[pd.DataFrame, list[FailedLocus]]:
    """Place each locus, in the order of `rows`.

    A row with ``chrom, tss, strand`` is taken as it stands. A row with a gene alone is looked up in `genes`, by name,
    then by id, versions of ids left out of account. Its TSS is the gene's 5' end: ``start`` on the plus strand,
    ``end - 1`` on the minus strand, which is where the 5'-most annotated transcript begins.

    Parameters
    ----------
    genes : gene_id, gene_name, chrom, start, end, strand, as of `read_gtf`.
    flank : bases to either side of the TSS; the window is cut at the contig's ends.

    Returns
    -------
    Loci as `io.schemas.LOCI` has them, with the gene's id and name in the GTF ('.' where it has none), since other
    tables may know the gene by either; and the loci that cannot be placed, each with its reason.
    """
    rows = list(rows)
    index = GeneIndex(genes)
    seen: Counter[str] = Counter()
    placed, failed = [], []
    for row in rows:
        seen[row.locus] += 1
        try:
            _check_name(row, seen[row.locus])
            chrom, tss, strand = _stated_tss(row, contigs) if row.tss is not None else _tss_of_gene(row, index, contigs)
            _check_tss(row, chrom, tss, contigs)
        except InputError as error:
            failed.append(FailedLocus(row.locus, row.gene, error.problems[0]))
            continue
        start, end = max(0, tss - flank), min(contigs.lengths[chrom], tss + flank + 1)
        placed.append((row.locus, row.gene, chrom, tss, strand, start, end, *_id_and_name(index.find(row.gene))))
    return pd.DataFrame(placed, columns=[*LOCI.columns, "gene_id", "gene_name"]), failed


def read_placed_loci(path: str | Path, contigs: Contigs) -> pd.DataFrame:
    """Read the loci that `place_loci` placed, and check that they are of this reference."""
    loci = read_table(path, LOCI)
    if loci.empty:
        raise InputError.at(path, "has no locus", "give at least one")
    problems = []
    columns = loci[["locus", "chrom", "start", "tss", "end"]].itertuples(index=False, name=None)
    for at, (name, chrom, start, tss, end) in enumerate(columns, start=2):
        length = contigs.lengths.get(chrom)
        if length is None:
            what = f"locus {name!r} is on {chrom!r}, which {contigs.where} does not have"
        elif not 0 <= start <= tss < end <= length:
            what = f"the window of locus {name!r} leaves its contig ({chrom}, {length} bases) or misses its TSS"
        else:
            continue
        problems.append(Problem(f"{path}:{at}", what, "make the table again with prepare_loci.py and this FASTA"))
    raise_all(problems)
    return loci


def failed_table(failed: Iterable[FailedLocus], stage: str) -> pd.DataFrame:
    """Failed loci as the table that the report reads: locus, gene, stage, reason."""
    rows = [(one.locus, one.gene, stage, f"{one.problem.what}; {one.problem.remedy}") for one in failed]
    return pd.DataFrame(rows, columns=["locus", "gene", "stage", "reason"])


def _check_name(row: LocusRow, occurrence: int) -> None:
    if not _NAME.fullmatch(row.locus):
        raise InputError.at(
            row.where, f"the locus name {row.locus!r} cannot be a file name", "use letters, digits, '.', '_' and '-'"
        )
    if occurrence > 1:
        raise InputError.at(row.where, f"the locus {row.locus!r} is listed twice", "give each locus its own name")


def _stated_tss(row: LocusRow, contigs: Contigs) -> tuple[str, int, str]:
    missing = [name for name in ("chrom", "strand") if not getattr(row, name)]
    if missing:
        raise InputError.at(
            row.where, f"locus {row.locus!r} has a TSS but no {' and no '.join(missing)}", "give chrom, tss and strand"
        )
    if row.strand not in ("+", "-"):
        raise InputError.at(row.where, f"locus {row.locus!r} has the strand {row.strand!r}", "give + or -")
    assert row.tss is not None
    return contigs.require(row.chrom, row.where), row.tss, row.strand


def _check_tss(row: LocusRow, chrom: str, tss: int, contigs: Contigs) -> None:
    length = contigs.lengths[chrom]
    if not 0 <= tss < length:
        raise InputError.at(
            row.where,
            f"locus {row.locus!r} has its TSS at {chrom}:{tss}, outside the contig (0 to {length - 1})",
            f"give a position of the assembly of {contigs.where}",
        )


def _tss_of_gene(row: LocusRow, index: GeneIndex, contigs: Contigs) -> tuple[str, int, str]:
    """Contig, TSS and strand of the one gene that a row names."""
    genes = index.find(row.gene)
    if genes.empty:
        close = index.close_names(row.gene)
        remedy = (
            f"write {' or '.join(close)} if that is meant" if close else "check its name, or give chrom, tss and strand"
        )
        raise InputError.at(row.where, f"the gene {row.gene!r} is not in the GTF (on a contig of the FASTA)", remedy)
    if row.chrom:
        genes = genes[genes["chrom"] == contigs.require(row.chrom, row.where)]
        if genes.empty:
            raise InputError.at(
                row.where, f"the GTF has no gene {row.gene!r} on {row.chrom}", "correct the contig, or leave it out"
            )
    places = set(zip(genes["chrom"], five_prime_ends(genes).tolist(), genes["strand"], strict=True))
    if len(places) > 1:
        candidates = ", ".join(f"{gene.gene_id} ({gene.chrom}:{gene.start}-{gene.end})" for gene in genes.itertuples())
        raise InputError.at(
            row.where, f"the gene name {row.gene!r} is that of {len(genes)} genes: {candidates}", "give the gene's id"
        )
    chrom, tss, strand = places.pop()
    if strand not in ("+", "-"):
        raise InputError.at(
            row.where, f"the gene {row.gene!r} has the strand {strand!r} in the GTF", "give chrom, tss and strand"
        )
    return chrom, tss, strand


def five_prime_ends(genes: pd.DataFrame) -> np.ndarray:
    """Position of the first base of each gene on its strand, which is taken for its TSS; integers, shape (genes,)."""
    return np.where(genes["strand"] == "+", genes["start"], genes["end"] - 1).astype(np.int64)


def _id_and_name(genes: pd.DataFrame) -> tuple[str, str]:
    """Id and name of the gene that the GTF has once; '.' and '.' otherwise."""
    return (str(genes["gene_id"].iloc[0]), str(genes["gene_name"].iloc[0])) if len(genes) == 1 else (".", ".")
