"""Genes (GTF) and repeats (RepeatMasker) as tables in the reference's contig names.

Read line by line, keeping only what lies in the windows asked for: a genome-wide RepeatMasker table has millions
of lines and a run needs a few per cent of them, and a message can then name the line.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from darkregulome.errors import InputError, Problem
from darkregulome.genome.bed import Interval, Intervals, RecordsOfFile, Windows, best_column, parsed, read_bed
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.intervals import KEYS
from darkregulome.genome.textfile import numbered_lines

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


@dataclass
class Annotation:
    """Genes and exons of a GTF.

    Attributes
    ----------
    genes : gene_id, gene_name, biotype, chrom, start, end, strand; one row per gene (and contig and strand).
    exons : chrom, start, end, strand, gene_id, gene_name, biotype (the gene's), coding (True where the exon's
        transcript is protein coding, so that the exon is CDS or UTR).
    notes : sentences on contig names mapped or left out.
    """

    genes: pd.DataFrame
    exons: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def read_repeats(path: str | Path, contigs: Contigs, windows: Windows | None = None) -> Intervals:
    """Read repeats: UCSC's rmsk table (17 columns), RepeatMasker's ``.out``, or BED with the class in some column.

    The table has chrom, start, end, strand, name (repName), family (``SINE/Alu``) and repeat_class (``SINE``). In BED
    the class is looked for in every column from the fourth on, as ``SINE``, ``SINE/Alu`` or ``AluY#SINE/Alu``.
    """
    layout = _repeat_layout(path)
    if layout == "bed":
        return _repeats_from_bed(read_bed(path, contigs, windows), path)
    records = RecordsOfFile(path, contigs, windows)
    columns_of = _rmsk_columns if layout == "rmsk" else _repeatmasker_out_columns
    for number, line in numbered_lines(path):
        columns = columns_of(line)
        if isinstance(columns, str):
            remedy = "give UCSC's rmsk table, RepeatMasker's .out or BED"
            records.add_problem(Problem(f"{path}:{number}", columns, remedy))
        elif columns:
            records.add(parsed(path, number, columns))
    names = [*KEYS, "strand", "name", "repeat_class", "repeat_family"]
    table = pd.DataFrame([(*row[1:4], *row.rest) for row in records.in_windows], columns=names)
    classes = table["repeat_class"].str.rstrip("?")
    same = table["repeat_family"].isin(["", "."]) | (table["repeat_family"] == table["repeat_class"])
    table["family"] = classes.where(same, classes + "/" + table["repeat_family"].str.rstrip("?"))
    table["repeat_class"] = classes
    return records.finish(table.drop(columns="repeat_family"))


def read_gtf(path: str | Path, contigs: Contigs, windows: Windows | None = None, exons: bool = True) -> Annotation:
    """Read genes and exons of a GTF (GENCODE, Ensembl, RefSeq), gzipped or not.

    ``gene_type`` and ``gene_biotype`` are one; a gene without a name has its id as name; genes without a ``gene`` line
    are made from their transcripts (or exons). `windows` limits the exons, never the genes.
    """
    records = RecordsOfFile(path, contigs)
    wanted = {"gene", "transcript", "exon", "CDS"} if exons else {"gene", "transcript"}
    for number, line in numbered_lines(path):
        fields = line.split("\t")
        if len(fields) < _GTF_COLUMNS:
            what = f"has {len(fields)} columns, where GTF has 9"
            records.add_problem(Problem(f"{path}:{number}", what, "separate columns by tabs"))
            continue
        feature = fields[2]
        row = None
        if feature in wanted:
            columns = [fields[0], _zero_based(fields[3]), fields[4], feature, fields[6], fields[8]]
            row = parsed(path, number, columns)
            if feature in ("exon", "CDS") and windows is not None and isinstance(row, Interval):
                chrom = contigs.resolve(row.chrom)
                row = row if chrom is None or windows.touches(chrom, row.start, row.end) else None
        if row is None:
            records.n_records += 1
        else:
            records.add(row)
    rows = _gtf_rows(records)
    notes = records.finish(rows).notes
    return Annotation(_genes(rows), _exons(rows), notes)


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


def _rmsk_columns(line: str) -> list[str] | str:
    """chrom, start, end, strand, repName, repClass, repFamily; or what is wrong with the line."""
    fields = line.split("\t")
    if len(fields) != _RMSK_COLUMNS:
        return f"has {len(fields)} columns, where the rmsk table has {_RMSK_COLUMNS}"
    return [*fields[5:8], *fields[9:13]]


def _repeatmasker_out_columns(line: str) -> list[str] | str:
    """As `_rmsk_columns`, of RepeatMasker's .out (1-based, closed); nothing for its header lines."""
    fields = line.split()
    if fields[0] in ("SW", "score"):
        return []
    if len(fields) < 14:
        return f"has {len(fields)} columns, where RepeatMasker's .out has 15"
    repeat_class, _, family = fields[10].partition("/")
    strand = "-" if fields[8] == "C" else "+"
    return [fields[4], _zero_based(fields[5]), fields[6], strand, fields[9], repeat_class, family or "."]


def _zero_based(text: str) -> str:
    """A position counted from 1 as one counted from 0; what is no position stays, for the message."""
    return str(int(text) - 1) if text.isascii() and text.isdecimal() and len(text) < 16 else text


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
    table["family"] = table["family"].str.replace("?", "")
    table["repeat_class"] = table["family"].str.split("/").str[0]
    columns = [*KEYS, "strand", "name", "repeat_class", "family"]
    return Intervals(table[columns], bed.n_records, bed.notes)


def _gtf_rows(records: RecordsOfFile) -> pd.DataFrame:
    rows = []
    for _, chrom, start, end, (feature, strand, text) in records.in_windows:
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
    if records.in_windows and not rows:
        raise InputError.at(
            records.path, "has no gene_id in any line (a GFF3 has none)", 'give a GTF, with attributes as gene_id "ID";'
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
