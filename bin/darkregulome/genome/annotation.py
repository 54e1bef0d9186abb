"""Genes (GTF), intervals (BED) and repeats (RepeatMasker) as tables in the reference's contig names.

Read line by line, keeping only what lies in the windows asked for: a genome-wide RepeatMasker table has millions
of lines and a run needs a few per cent of them, and a message can then name the line.
"""

import bisect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import bioframe
import pandas as pd

from darkregulome.errors import InputError, Problem
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.textfile import bed_lines, numbered_lines

MAX_PROBLEMS = 5

# GENCODE and Ensembl biotypes of long non-coding RNA genes, of this decade and the last.
LNCRNA_BIOTYPES = frozenset(
    {
        "lncRNA",
        "lincRNA",
        "lnc_RNA",
        "antisense",
        "antisense_RNA",
        "sense_intronic",
        "sense_overlapping",
        "3prime_overlapping_ncRNA",
        "3prime_overlapping_ncrna",
        "bidirectional_promoter_lncRNA",
        "bidirectional_promoter_lncrna",
        "macro_lncRNA",
        "non_coding",
        "processed_transcript",
    }
)

# RepeatMasker classes that are transposable elements.
TE_CLASSES = frozenset({"SINE", "LINE", "LTR", "DNA", "RC", "Retroposon", "Retrotransposon"})
_REPEAT_CLASSES = TE_CLASSES | {
    *("Simple_repeat", "Low_complexity", "Satellite", "RNA", "rRNA", "tRNA", "snRNA", "scRNA", "srpRNA"),
    *("Unknown", "Other", "Segmental", "ARTEFACT"),
}
_RMSK_COLUMNS = 17
_GTF_COLUMNS = 9
_ATTRIBUTE = re.compile(r'(\w+) (?:"([^"]*)"|([^";]+))')


class Windows:
    """Half-open windows by contig; answers whether an interval touches any of them."""

    def __init__(self, windows: pd.DataFrame):
        self._starts: dict[str, list[int]] = {}
        self._ends: dict[str, list[int]] = {}
        if len(windows):
            merged = bioframe.merge(windows[["chrom", "start", "end"]], min_dist=0)
            for chrom, group in merged.groupby("chrom", sort=False):
                group = group.sort_values("start")
                self._starts[str(chrom)] = group["start"].tolist()
                self._ends[str(chrom)] = group["end"].tolist()

    def touches(self, chrom: str, start: int, end: int) -> bool:
        """True where ``[start, end)`` shares a base with a window."""
        starts = self._starts.get(chrom)
        if starts is None:
            return False
        at = bisect.bisect_left(starts, end) - 1
        return at >= 0 and self._ends[chrom][at] > start


@dataclass
class Annotation:
    """Genes and exons of a GTF.

    Attributes
    ----------
    genes : gene_id, gene_name, biotype, chrom, start, end, strand; one row a gene (and contig and strand).
    exons : chrom, start, end, strand, gene_id, gene_name, biotype (the gene's), coding (True where the exon's
        transcript is protein coding, so that the exon is CDS or UTR).
    notes : sentences on contig names mapped or left out.
    """

    genes: pd.DataFrame
    exons: pd.DataFrame
    notes: list[str] = field(default_factory=list)


@dataclass
class Intervals:
    """Intervals of one file that touch the windows asked for, and what the file held.

    Attributes
    ----------
    table : chrom, start, end and the columns of the format.
    n_records : records in the file, wherever they lie.
    notes : sentences on contig names mapped or left out.
    """

    table: pd.DataFrame
    n_records: int
    notes: list[str] = field(default_factory=list)


def read_bed(path: str | Path, contigs: Contigs, windows: Windows | None = None) -> Intervals:
    """Read BED of 3 to any number of columns, gzipped or not.

    The table has chrom, start, end, name and strand ('.' where absent), and the file's columns from the fourth on as
    they stand: column4, column5, ... A table of UCSC's database is BED after its first column, the bin.
    """
    reader = _Reader(path, contigs, windows)
    for number, fields in bed_lines(path):
        if _has_bin(fields):
            fields = fields[1:]
        if len(fields) < 3:
            reader.problem(number, f"has {len(fields)} columns, where BED has 3 or more", "separate columns by tabs")
            continue
        reader.add(number, fields[0], fields[1], fields[2], fields[3:])
    width = max((len(rest) for *_, rest in reader.kept), default=0)
    columns = [f"column{at}" for at in range(4, 4 + max(width, 3))]
    rows = [(c, s, e, *rest, *["."] * (len(columns) - len(rest))) for c, s, e, rest in reader.kept]
    table = pd.DataFrame(rows, columns=["chrom", "start", "end", *columns])
    table["name"] = table["column4"]
    table["strand"] = table["column6"].where(table["column6"].isin(["+", "-"]), ".")
    return reader.done(table)


def _has_bin(fields: list[str]) -> bool:
    """True for ``585 chr1 10 20 ...``: UCSC's bin, then a contig that is no number, then an interval."""
    return (
        len(fields) >= 4
        and fields[0].isdecimal()
        and not fields[1].isdecimal()
        and fields[2].isdecimal()
        and fields[3].isdecimal()
    )


def read_repeats(path: str | Path, contigs: Contigs, windows: Windows | None = None) -> Intervals:
    """Read repeats: UCSC's rmsk table (17 columns), RepeatMasker's ``.out``, or BED with the class in some column.

    The table has chrom, start, end, strand, name (repName), family (``SINE/Alu``) and repeat_class (``SINE``). In BED
    the class is looked for in every column from the fourth on, as ``SINE``, ``SINE/Alu`` or ``AluY#SINE/Alu``.
    """
    layout = _repeat_layout(path)
    if layout == "bed":
        return _repeats_from_bed(read_bed(path, contigs, windows), path)
    reader = _Reader(path, contigs, windows)
    parse = _rmsk_fields if layout == "rmsk" else _repeatmasker_out_fields
    for number, line in numbered_lines(path):
        parsed = parse(line)
        if parsed is None:
            continue
        if len(parsed) == 1:
            reader.problem(number, parsed[0], "give UCSC's rmsk table, RepeatMasker's .out or BED")
            continue
        chrom, start, end, *rest = parsed
        reader.add(number, chrom, start, end, rest)
    columns = ["chrom", "start", "end", "strand", "name", "repeat_class", "repeat_family"]
    table = pd.DataFrame([(c, s, e, *rest) for c, s, e, rest in reader.kept], columns=columns)
    classes = table["repeat_class"].str.rstrip("?")
    same = table["repeat_family"].isin(["", "."]) | (table["repeat_family"] == table["repeat_class"])
    table["family"] = classes.where(same, classes + "/" + table["repeat_family"].str.rstrip("?"))
    table["repeat_class"] = classes
    return reader.done(table.drop(columns="repeat_family"))


def read_gtf(path: str | Path, contigs: Contigs, windows: Windows | None = None, exons: bool = True) -> Annotation:
    """Read genes and exons of a GTF (GENCODE, Ensembl, RefSeq), gzipped or not.

    ``gene_type`` and ``gene_biotype`` are one; a gene without a name has its id as name; genes without a ``gene`` line
    are made from their transcripts (or exons). `windows` limits the exons, never the genes.
    """
    reader = _Reader(path, contigs, None)
    wanted = {"gene", "transcript", "exon", "CDS"} if exons else {"gene", "transcript"}
    for number, line in numbered_lines(path):
        fields = line.split("\t")
        if len(fields) < _GTF_COLUMNS:
            reader.problem(number, f"has {len(fields)} columns, where GTF has 9", "separate columns by tabs")
            continue
        feature = fields[2]
        if feature not in wanted:
            reader.n_records += 1
            continue
        chrom = contigs.resolve(fields[0])
        if feature in ("exon", "CDS") and windows is not None and chrom is not None:
            try:
                if not windows.touches(chrom, int(fields[3]) - 1, int(fields[4])):
                    reader.n_records += 1
                    continue
            except ValueError:
                pass  # told below
        start = str(int(fields[3]) - 1) if fields[3].isdecimal() else fields[3]
        reader.add(number, fields[0], start, fields[4], [feature, fields[6], fields[8]])
    rows = _gtf_rows(reader)
    notes = reader.done(rows).notes
    return Annotation(_genes(rows), _exons(rows), notes)


class _Reader:
    """Collects records and problems of one file, in the reference's contig names."""

    def __init__(self, path: str | Path, contigs: Contigs, windows: Windows | None):
        self.path, self.contigs, self.windows = path, contigs, windows
        self.kept: list[tuple[str, int, int, list[str]]] = []
        self.n_records = 0
        self.problems: list[Problem] = []
        self.names: dict[str, int] = {}

    def problem(self, number: int, what: str, remedy: str) -> None:
        self.problems.append(Problem(f"{self.path}:{number}", what, remedy))
        if len(self.problems) >= MAX_PROBLEMS:
            raise InputError(*self.problems)

    def add(self, number: int, name: str, start_text: str, end_text: str, rest: list[str]) -> None:
        """Keep a record if it lies on a contig of the reference and touches a window; note what is wrong with it."""
        self.n_records += 1
        self.names[name] = self.names.get(name, 0) + 1
        try:
            start, end = int(start_text), int(end_text)
        except ValueError:
            self.problem(
                number, f"has {start_text!r} and {end_text!r} as its interval", "give whole numbers, columns by tabs"
            )
            return
        chrom = self.contigs.resolve(name)
        if start < 0 or end < start:
            self.problem(number, f"has the interval {name}:{start}-{end}", "give 0 <= start < end")
            return
        if chrom is None or start == end:
            return
        if end > self.contigs.lengths[chrom]:
            self.problem(
                number,
                f"ends at {name}:{end}, past the contig's end ({self.contigs.lengths[chrom]})",
                f"use an annotation of the assembly of {self.contigs.where}",
            )
            return
        if self.windows is None or self.windows.touches(chrom, start, end):
            self.kept.append((chrom, start, end, rest))

    def done(self, table: pd.DataFrame) -> Intervals:
        """The table with its notes; raises what was collected, and if no contig of the file is known."""
        if self.problems:
            raise InputError(*self.problems)
        if not self.n_records:
            raise InputError.at(
                self.path, "has no record", "give an annotation with at least one line, or leave it out"
            )
        known = [name for name in self.names if self.contigs.resolve(name) is not None]
        if not known and self.names:
            raise InputError.at(
                self.path,
                f"names the contigs {', '.join(list(self.names)[:3])}, none of which is in {self.contigs.where} "
                f"({', '.join(list(self.contigs.lengths)[:3])})",
                "use files of the same assembly",
            )
        notes = []
        if mapped := self.contigs.mapping_note(self.names, self.path):
            notes.append(mapped)
        if unknown := [name for name in self.names if self.contigs.resolve(name) is None]:
            count = sum(self.names[name] for name in unknown)
            notes.append(
                f"{self.path}: {count} records on {len(unknown)} contigs that {self.contigs.where} does not have "
                f"({', '.join(unknown[:3])}{', ...' if len(unknown) > 3 else ''}) are left out"
            )
        return Intervals(table.reset_index(drop=True), self.n_records, notes)


def _repeat_layout(path: str | Path) -> str:
    """``"rmsk"``, ``"out"`` or ``"bed"``, by the first line that is data."""
    for _, line in numbered_lines(path):
        fields = line.split()
        if fields[:2] == ["SW", "perc"] or fields[:2] == ["SW", "score"] or fields[:1] == ["score"]:
            return "out"
        tabs = line.split("\t")
        if len(tabs) == _RMSK_COLUMNS and tabs[0].isdecimal() and tabs[9] in "+-C":
            return "rmsk"
        if len(fields) >= 14 and fields[0].isdecimal() and fields[8] in ("+", "C"):
            return "out"
        return "bed"
    return "bed"


def _rmsk_fields(line: str) -> list[str] | None:
    """chrom, start, end, strand, repName, repClass, repFamily; or the one thing that is wrong."""
    fields = line.split("\t")
    if len(fields) != _RMSK_COLUMNS:
        return [f"has {len(fields)} columns, where the rmsk table has {_RMSK_COLUMNS}"]
    return [fields[5], fields[6], fields[7], fields[9], fields[10], fields[11], fields[12]]


def _repeatmasker_out_fields(line: str) -> list[str] | None:
    """As `_rmsk_fields`, of RepeatMasker's .out (1-based, closed); None for its header lines."""
    fields = line.split()
    if fields[0] in ("SW", "score"):
        return None
    if len(fields) < 14:
        return [f"has {len(fields)} columns, where RepeatMasker's .out has 15"]
    start = str(int(fields[5]) - 1) if fields[5].isdecimal() else fields[5]
    repeat_class, _, family = fields[10].partition("/")
    return [fields[4], start, fields[6], "-" if fields[8] == "C" else "+", fields[9], repeat_class, family or "."]


def _repeats_from_bed(bed: Intervals, path: str | Path) -> Intervals:
    table = bed.table
    named = table["name"].str.contains("#", regex=False).mean() > 0.5 if len(table) else False
    if named:
        table = table.assign(family=table["name"].str.split("#").str[1], name=table["name"].str.split("#").str[0])
    else:
        column = best_column(table, lambda words: words.str.split("/").str[0].str.rstrip("?").isin(_REPEAT_CLASSES))
        if column is None:
            bed.notes.append(f"{path}: no column holds RepeatMasker classes; all but simple repeats are taken as TEs")
            simple = table["name"].str.fullmatch(r"\([ACGTN]+\)n|.*[-_]rich|trf|dust")
            family = pd.Series("Retrotransposon", index=table.index).mask(simple, "Simple_repeat")
        else:
            family = table[column]
        table = table.assign(family=family)
    table["family"] = table["family"].str.replace("?", "", regex=False)
    table["repeat_class"] = table["family"].str.split("/").str[0]
    columns = ["chrom", "start", "end", "strand", "name", "repeat_class", "family"]
    return Intervals(table[columns].reset_index(drop=True), bed.n_records, bed.notes)


def best_column(table: pd.DataFrame, matches: Callable[[pd.Series], pd.Series]) -> str | None:
    """The text column, from BED's fourth on, with most words that match; None if none has any."""
    columns = [name for name in table.columns if name.startswith("column")]
    shares = {name: float(matches(table[name]).mean()) for name in columns} if len(table) else {}
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best is not None and shares[best] > 0 else None


def _gtf_rows(reader: _Reader) -> pd.DataFrame:
    rows = []
    for chrom, start, end, (feature, strand, text) in reader.kept:
        tags = {key: quoted or plain for key, quoted, plain in _ATTRIBUTE.findall(text)}
        gene_id = tags.get("gene_id") or tags.get("gene_name") or tags.get("gene")
        if not gene_id:
            continue
        rows.append(
            (
                *(chrom, start, end, strand, feature, gene_id),
                tags.get("gene_name") or tags.get("gene") or gene_id,
                tags.get("gene_type") or tags.get("gene_biotype") or "",
                tags.get("transcript_id", gene_id),
                tags.get("transcript_type") or tags.get("transcript_biotype") or "",
            )
        )
    if reader.kept and not rows:
        raise InputError.at(
            reader.path, "has no gene_id in any line (a GFF3 has none)", 'give a GTF, with attributes as gene_id "ID";'
        )
    columns = ["chrom", "start", "end", "strand", "feature", "gene_id", "gene_name", "biotype", "transcript_id"]
    return pd.DataFrame(rows, columns=[*columns, "transcript_biotype"])


def _genes(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a gene: the `gene` line, or else the extent of its transcripts (or exons)."""
    keys = ["gene_id", "chrom", "strand"]
    has_line = set(rows.loc[rows["feature"] == "gene", "gene_id"])
    lines = rows[(rows["feature"] == "gene") | ~rows["gene_id"].isin(has_line)]
    genes = lines.groupby(keys, sort=False, as_index=False).agg(
        gene_name=("gene_name", "first"), biotype=("biotype", "first"), start=("start", "min"), end=("end", "max")
    )
    return genes[["gene_id", "gene_name", "biotype", "chrom", "start", "end", "strand"]]


def _exons(rows: pd.DataFrame) -> pd.DataFrame:
    """Exons with their gene's biotype and whether their transcript is coding.

    Where the file gives transcripts no biotype, a transcript is coding if it has CDS lines, or if its gene is
    protein coding and the gene has no CDS line at all.
    """
    coding_transcripts = set(rows.loc[rows["feature"] == "CDS", "transcript_id"])
    genes_with_cds = set(rows.loc[rows["feature"] == "CDS", "gene_id"])
    exons = rows[rows["feature"] == "exon"].copy()
    no_better = (exons["transcript_biotype"] == "") & ~exons["gene_id"].isin(genes_with_cds)
    exons["coding"] = (
        exons["transcript_id"].isin(coding_transcripts)
        | (exons["transcript_biotype"] == "protein_coding")
        | (no_better & (exons["biotype"] == "protein_coding"))
    )
    columns = ["chrom", "start", "end", "strand", "gene_id", "gene_name", "biotype", "coding"]
    return exons[columns].reset_index(drop=True)
