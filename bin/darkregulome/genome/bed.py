"""The one reader of intervals: BED of any number of columns, and tables with chrom, start and end.

A BED is read line by line, so that a genome-wide file costs no memory and a message can name the line; where windows
are asked for, only what lies in them is taken. Contigs keep the file's names unless the caller gives `Contigs`.
"""

import bisect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from darkregulome.errors import InputError, Problem, listed, raise_all
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.intervals import KEYS, merge
from darkregulome.genome.textfile import numbered_lines
from darkregulome.io.tables import read_table, table_format

MAX_PROBLEMS = 5
"""Faults of one file that are reported at once."""
_NUMBER = re.compile(r"\s*-?[0-9]{1,15}\s*")
_COLUMN_NAMES = {
    **dict.fromkeys(("chr", "#chrom", "#chr", "chromosome"), "chrom"),
    **dict.fromkeys(("chromstart", "chrom_start"), "start"),
    **dict.fromkeys(("chromend", "chrom_end", "stop"), "end"),
}


class Interval(NamedTuple):
    """One line of a BED: ``[start, end)`` of a contig as the file names it, and the columns from the fourth on."""

    line: int
    chrom: str
    start: int
    end: int
    rest: list[str]

    def column(self, number: int) -> str:
        """The text of a column, counted from 1 (4 is the name, 6 the strand); '.' where there is none."""
        return (self.rest[number - 4] if number - 4 < len(self.rest) else "") or "."


class FaultyLine(NamedTuple):
    """A line that holds no interval: its columns, and what is wrong with it."""

    fields: list[str]
    problem: Problem


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


class Windows:
    """Half-open windows by contig; answers whether an interval touches any of them."""

    def __init__(self, windows: pd.DataFrame):
        self._starts: dict[str, list[int]] = {}
        self._ends: dict[str, list[int]] = {}
        if len(windows):
            for chrom, group in merge(windows).groupby("chrom", sort=False):
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


def parsed_lines(path: str | Path) -> Iterator[Interval | FaultyLine]:
    """Yield every line of a BED as an interval, or with what is wrong with it.

    Columns are separated by tabs or, in a line without any, by blanks. ``track`` and ``browser`` lines are left out. A
    table of UCSC's database is BED after its first column, the bin.
    """
    for number, line in numbered_lines(path):
        fields = line.split("\t") if "\t" in line else line.split()
        if fields[0] not in ("track", "browser"):
            yield parsed(path, number, fields[1:] if _has_bin(fields) else fields)


def parsed(path: str | Path, line: int, fields: list[str]) -> Interval | FaultyLine:
    """Contig, start, end and further columns of a line as an interval, or what is wrong with it."""
    where = f"{path}:{line}"
    if len(fields) < 3:
        what = f"has {len(fields)} columns, where BED has 3 or more"
        return FaultyLine(fields, Problem(where, what, "separate columns by tabs"))
    chrom, start_text, end_text, *rest = fields
    if not (_NUMBER.fullmatch(start_text) and _NUMBER.fullmatch(end_text)):
        what = f"has {start_text!r} and {end_text!r} as its interval"
        return FaultyLine(fields, Problem(where, what, "give whole numbers, columns by tabs"))
    start, end = int(start_text), int(end_text)
    if not 0 <= start <= end:
        what = f"has the interval {chrom}:{start}-{end}"
        return FaultyLine(fields, Problem(where, what, "give 0 <= start < end"))
    return Interval(line, chrom, start, end, rest)


def bed_intervals(path: str | Path, header: bool = False) -> Iterator[Interval]:
    """Yield every interval of a BED, in order, in the file's own contig names.

    Parameters
    ----------
    header : a first line that is no interval is taken for a header and left out.

    Raises
    ------
    InputError
        The file has no interval, or lines that are none: the first few are named at once.
    """
    problems: list[Problem] = []
    count = 0
    for at, row in enumerate(parsed_lines(path)):
        if isinstance(row, FaultyLine):
            if not (header and at == 0):
                problems.append(row.problem)
        elif not problems:
            count += 1
            yield row
        if len(problems) == MAX_PROBLEMS:
            break
    raise_all(problems)
    if not count:
        raise InputError.at(path, "has no record", "give a BED with at least one interval")


def read_bed(path: str | Path, contigs: Contigs, windows: Windows | None = None) -> Intervals:
    """Read the intervals of a BED, gzipped or not, in the reference's contig names.

    The table has chrom, start, end, name and strand ('.' where absent), and the file's columns from the fourth on as
    they stand: column4, column5, ...
    """
    records = RecordsOfFile(path, contigs, windows)
    for row in parsed_lines(path):
        records.add(row)
    width = max((len(row.rest) for row in records.in_windows), default=0)
    columns = [f"column{at}" for at in range(4, 4 + max(width, 3))]
    rows = [(*row[1:4], *row.rest, *["."] * (len(columns) - len(row.rest))) for row in records.in_windows]
    table = pd.DataFrame(rows, columns=[*KEYS, *columns])
    table["name"] = table["column4"]
    table["strand"] = table["column6"].where(table["column6"].isin(["+", "-"]), ".")
    return records.finish(table)


def best_column(table: pd.DataFrame, matches: Callable[[pd.Series], pd.Series]) -> str | None:
    """The text column, from BED's fourth on, with most words that match; None if none has any."""
    columns = [name for name in table.columns if name.startswith("column")]
    shares = {name: float(matches(table[name]).mean()) for name in columns} if len(table) else {}
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best is not None and shares[best] > 0 else None


class RecordsOfFile:
    """Collects the records and problems of one annotation file, in the reference's contig names.

    Attributes
    ----------
    in_windows : records on contigs of the reference that touch a window (all, where there are no windows).
    n_records : records so far, wherever they lie.
    """

    def __init__(self, path: str | Path, contigs: Contigs, windows: Windows | None = None):
        self.path, self.contigs, self.windows = path, contigs, windows
        self.in_windows: list[Interval] = []
        self.n_records = 0
        self._problems: list[Problem] = []
        self._counts: dict[str, int] = {}

    def add(self, row: Interval | FaultyLine) -> None:
        """Keep a record if it lies on a contig of the reference and touches a window; note what is wrong with it."""
        self.n_records += 1
        if isinstance(row, FaultyLine):
            self.add_problem(row.problem)
            return
        self._counts[row.chrom] = self._counts.get(row.chrom, 0) + 1
        chrom = self.contigs.resolve(row.chrom)
        if chrom is None or row.start == row.end:
            return
        if row.end > self.contigs.lengths[chrom]:
            what = f"ends at {row.chrom}:{row.end}, past the contig's end ({self.contigs.lengths[chrom]})"
            remedy = f"use an annotation of the assembly of {self.contigs.where}"
            self.add_problem(Problem(f"{self.path}:{row.line}", what, remedy))
        elif self.windows is None or self.windows.touches(chrom, row.start, row.end):
            self.in_windows.append(row._replace(chrom=chrom))

    def add_problem(self, problem: Problem) -> None:
        """Note a fault; at the `MAX_PROBLEMS`-th all of them are raised."""
        self._problems.append(problem)
        if len(self._problems) >= MAX_PROBLEMS:
            raise InputError(*self._problems)

    def finish(self, table: pd.DataFrame) -> Intervals:
        """`table` with notes on contigs; raises what was collected, and if no contig of the file is the reference's."""
        raise_all(self._problems)
        if not self.n_records:
            raise InputError.at(
                self.path, "has no record", "give an annotation with at least one line, or leave it out"
            )
        unknown = [name for name in self._counts if self.contigs.resolve(name) is None]
        if unknown and len(unknown) == len(self._counts):
            raise InputError.at(
                self.path,
                f"names the contigs {', '.join(unknown[:3])}, and none is in {self.contigs.where} "
                f"({', '.join(list(self.contigs.lengths)[:3])})",
                "use files of the same assembly",
            )
        notes = [self.contigs.mapping_note(self._counts, self.path)]
        if unknown:
            count = sum(self._counts[name] for name in unknown)
            notes.append(
                f"{self.path}: {count} records on {len(unknown)} contigs that {self.contigs.where} does not have "
                f"({listed(unknown)}) are left out"
            )
        return Intervals(table.reset_index(drop=True), self.n_records, [note for note in notes if note])


def _has_bin(fields: list[str]) -> bool:
    """True for ``585 chr1 10 20 ...``: UCSC's bin, then a contig that is no number, then an interval."""
    return (
        len(fields) >= 4
        and fields[0].isdecimal()
        and not fields[1].isdecimal()
        and fields[2].isdecimal()
        and fields[3].isdecimal()
    )


# -- tables ----------------------------------------------------------------------------------------------------------


def read_interval_table(path: Path) -> pd.DataFrame:
    """Intervals of a table (TSV, CSV, parquet), or of a BED, with our names for chrom, start and end.

    Of a BED: chrom, start, end, `element` (column 4) where every line has one of its own, `strand` (column 6) where
    every line has one. Of a table, whatever it has; `check_interval_table` says whether that are intervals.
    """
    if not is_bed(path):
        return with_interval_names(read_table(path))
    rows = list(bed_intervals(path))
    table = pd.DataFrame([row[1:4] for row in rows], columns=KEYS)
    names = [row.rest[0] for row in rows if row.rest]
    if len(set(names)) == len(rows):
        table["element"] = names
    strands = [row.rest[2] for row in rows if len(row.rest) > 2]
    return table.assign(strand=strands) if len(strands) == len(rows) else table


def is_bed(path: Path) -> bool:
    """True where the file's name says BED; refuses a name that is that of neither BED nor table."""
    if [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"][-1:] == [".bed"]:
        return True
    table_format(path)
    return False


def with_interval_names(table: pd.DataFrame) -> pd.DataFrame:
    """The table with our names for its columns of contig, start and end, whatever their case."""
    by_lower = {str(name).lower(): name for name in table.columns}
    names = {by_lower[theirs]: ours for theirs, ours in _COLUMN_NAMES.items() if theirs in by_lower}
    return table.rename(columns={theirs: ours for theirs, ours in names.items() if ours not in table.columns})


def check_interval_table(table: pd.DataFrame, where: object) -> pd.DataFrame:
    """The table with chrom as text and start and end as whole numbers.

    Raises
    ------
    InputError
        A column is absent, or a row has no interval: the first few are named.
    """
    if absent := [name for name in KEYS if name not in table.columns]:
        raise InputError.at(
            where,
            f"lacks {', '.join(absent)} (its columns are {', '.join(map(str, table.columns[:12]))})",
            "give the columns chrom, start, end (0-based, half-open), or an element table",
        )
    starts, ends = (pd.to_numeric(table[name], errors="coerce") for name in ("start", "end"))
    bad = starts.isna() | ends.isna() | (starts < 0) | (ends <= starts) | (ends >= 1e15)
    raise_all(
        Problem(f"{where}:{row + 2}", f"has the interval {place(table, row)}", "give 0 <= start < end")
        for row in np.flatnonzero(bad)[:MAX_PROBLEMS]
    )
    return table.assign(chrom=table["chrom"].astype(str), start=starts.astype(np.int64), end=ends.astype(np.int64))


def place(table: pd.DataFrame, row: int) -> str:
    """``chrom:start-end`` of one row."""
    return "{}:{}-{}".format(*(table[name].iloc[row] for name in KEYS))
