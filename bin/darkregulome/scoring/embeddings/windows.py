"""Windows to embed: the intervals of a BED or of a table of elements, each with a class and a status."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import bioframe
import numpy as np
import pandas as pd

from darkregulome.errors import InputError
from darkregulome.genome.bed import FaultyLine, is_bed, parsed_lines, read_bed, read_interval_table
from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import n_fraction

UNCLASSED = "none"
"""Class of a window that no annotation names."""
LARGEST = 10**6
"""Longest window, in bases."""


@dataclass(frozen=True, slots=True)
class LabelledWindow:
    """``[start, end)`` of a contig.

    Attributes
    ----------
    name : as the file names it, or its place.
    label : class that clusters are compared with.
    status, reason : ``"ok"``, or why it has no embedding, in a word and in words.
    """

    name: str
    chrom: str
    start: int
    end: int
    label: str = UNCLASSED
    status: str = "ok"
    reason: str = ""


def read_windows(
    path: str | Path, reference: Reference, label: str | None = None, max_n: float = 0.5
) -> list[LabelledWindow]:
    """Every window of a file, in order; one that cannot be embedded has a status that says why.

    Parameters
    ----------
    path : a BED (plain or gzipped), or a table with chrom, start, end.
    label : column of the table that holds the class; by default ``class``. Of a BED the fourth column is the class.
    max_n : largest fraction of a window that may be N.

    Raises
    ------
    InputError : the file is absent or empty, or lacks a column.
    """
    path = Path(path)
    rows = _bed_rows(path) if is_bed(path) else _table_rows(path, label)
    windows = [_judge(window, reference, max_n) for window in rows]
    if not windows:
        raise InputError.at(path, "has no window", "give intervals: chrom, start, end")
    return windows


def _bed_rows(path: Path) -> Iterator[LabelledWindow]:
    for row in parsed_lines(path):
        if isinstance(row, FaultyLine):
            line = row.problem.where.rpartition(":")[2]
            label = (row.fields[3] if len(row.fields) > 3 else "") or UNCLASSED
            yield LabelledWindow(f"line {line}", row.fields[0], 0, 0, label, "malformed", f"it {row.problem.what}")
        else:
            label = (row.rest[0] if row.rest else "") or UNCLASSED
            yield LabelledWindow(f"{row.chrom}:{row.start}-{row.end}", row.chrom, row.start, row.end, label)


def _table_rows(path: Path, label: str | None) -> Iterator[LabelledWindow]:
    table = read_interval_table(path)
    label = label or ("class" if "class" in table else None)
    if missing := [n for n in ("chrom", "start", "end", *([label] if label else [])) if n not in table]:
        raise InputError.at(path, f"lacks the column {missing[0]!r}", "give chrom, start, end, and a column of classes")
    places = zip(
        table["chrom"].astype(str),
        pd.to_numeric(table["start"], errors="coerce"),
        pd.to_numeric(table["end"], errors="coerce"),
        strict=True,
    )
    labels = table[label].fillna(UNCLASSED).astype(str) if label else [UNCLASSED] * len(table)
    names = table["element"].astype(str) if "element" in table else [None] * len(table)
    for number, ((chrom, start, end), name, of) in enumerate(zip(places, names, labels, strict=True), start=2):
        if not (np.isfinite(start) and np.isfinite(end)):
            yield LabelledWindow(name or f"line {number}", chrom, 0, 0, of, "malformed", "the row has no start and end")
            continue
        yield LabelledWindow(name or f"{chrom}:{int(start)}-{int(end)}", chrom, int(start), int(end), of)


def _judge(window: LabelledWindow, reference: Reference, max_n: float) -> LabelledWindow:
    if window.status != "ok":
        return window
    chrom = reference.contigs.resolve(window.chrom)
    if chrom is None:
        return replace(window, status="off_contig", reason=f"the FASTA has no contig {window.chrom}")
    window = replace(window, chrom=chrom)
    if window.start < 0 or window.end <= window.start:
        return replace(window, status="malformed", reason="it ends where it starts, or before")
    if window.end > reference.length(chrom):
        return replace(window, status="off_contig", reason=f"{chrom} has {reference.length(chrom)} bases")
    if window.end - window.start > LARGEST:
        return replace(window, status="too_long", reason=f"longer than {LARGEST} bases")
    fraction = n_fraction(reference.fetch(chrom, window.start, window.end))
    if fraction > max_n:
        return replace(window, status="n_masked", reason=f"{fraction:.0%} of it is N")
    return window


def annotate(windows: list[LabelledWindow], path: str | Path, reference: Reference) -> list[LabelledWindow]:
    """The windows with the class of the annotation (column 4 of a BED) that covers most of each; `UNCLASSED` elsewhere.

    Raises
    ------
    InputError : the annotation cannot be read; every bad line is named.
    """
    annotation = read_bed(path, reference.contigs).table[["chrom", "start", "end", "name"]]
    places = pd.DataFrame({"chrom": [w.chrom for w in windows], "start": [w.start for w in windows]})
    places = places.assign(end=[max(w.end, w.start + 1) for w in windows], number=np.arange(len(windows)))
    pairs = bioframe.overlap(places, annotation, how="inner", suffixes=("", "_of"), return_overlap=True)
    covered = (pairs["overlap_end"] - pairs["overlap_start"]).groupby([pairs["number"], pairs["name_of"]]).sum()
    # Of two that cover as much the first by name, so that the order of the file does not matter.
    best = covered.reset_index(name="bases").sort_values(["number", "bases", "name_of"], ascending=[True, False, True])
    labels = best.drop_duplicates("number").set_index("number")["name_of"].to_dict()
    return [replace(window, label=str(labels.get(number, UNCLASSED))) for number, window in enumerate(windows)]
