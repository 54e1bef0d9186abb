"""Tables (TSV, CSV, parquet) of intervals or elements with a score; BED; bigWig."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from darkregulome.conversion.pairs import as_pairs, each_once
from darkregulome.conversion.scored import IntervalScores, Scores
from darkregulome.errors import InputError
from darkregulome.genome.bed import bed_intervals, with_interval_names
from darkregulome.genome.bigwig import bigwig_means
from darkregulome.genome.intervals import KEYS
from darkregulome.io.tables import read_table

_ALIASES = {"name": "element", "score": "ris"}
_BED_SCORE = {".bedgraph": 4, ".bg": 4, ".narrowpeak": 7, ".broadpeak": 7}


def normal_columns(
    table: pd.DataFrame, score_column: str | None, where: object, gene_column: str | None = None
) -> pd.DataFrame:
    """The table with our names for its columns; `score_column` becomes ``ris``; `gene_column`: `as_pairs`.

    Raises
    ------
    InputError
        There is no column of that name, or no score, or neither elements nor intervals.
    """
    columns = f"(its columns are {', '.join(map(str, table.columns[:12]))})"
    if score_column is not None:
        if score_column not in table.columns:
            raise InputError.at(where, f"has no column {score_column!r} {columns}", "give --score-column one of them")
        table = table.drop(columns="ris", errors="ignore").rename(columns={score_column: "ris"})
    table = with_interval_names(table)
    if gene_column is not None:
        table = as_pairs(table, gene_column, where)
    low = {str(name).lower(): name for name in table.columns}
    renames = {low[alias]: name for alias, name in _ALIASES.items() if alias in low and name not in table.columns}
    table = table.rename(columns=renames)
    if "ris" not in table.columns:
        remedy = "call it ris or score, or name it by --score-column"
        raise InputError.at(where, f"has no column of scores {columns}", remedy)
    if not ({"chrom", "start", "end"} <= set(table.columns) or "element" in table.columns):
        raise InputError.at(where, "names neither elements nor intervals", "give element, or chrom, start and end")
    scores = pd.to_numeric(table["ris"], errors="coerce")
    if not np.isfinite(scores).any():
        raise InputError.at(where, "has no number in its column of scores", "name the right one by --score-column")
    return table.assign(ris=scores)


def read_score_table(
    path: Path, name: str, score_column: str | None = None, gene_column: str | None = None
) -> dict[str, IntervalScores]:
    """Scores of a table, by model: their names are in the column ``model``; without one, all are of model `name`."""
    table = normal_columns(read_table(path), score_column, path, gene_column)
    if "model" not in table.columns:
        return {name: _once(table, path)}
    groups = table.dropna(subset=["model"]).groupby("model", sort=True)
    return {str(model): _once(rows.reset_index(drop=True), path) for model, rows in groups}


def _once(table: pd.DataFrame, where: object) -> IntervalScores:
    notes: list[str] = []
    return IntervalScores(each_once(table, where, notes), notes=notes)


def suffix_of(path: Path) -> str:
    """The last suffix of a file's name but ``.gz``, lower case."""
    return next((one.lower() for one in reversed(path.suffixes) if one.lower() != ".gz"), "")


def read_bed_scores(path: Path, score_column: str | None = None) -> IntervalScores:
    """Scores of a BED: column 5 (BED), 4 (bedGraph), 7 (narrowPeak, broadPeak), or the number `score_column`."""
    if score_column is not None and not (score_column.isdecimal() and int(score_column) > 3):
        raise InputError.at("--score-column", f"is {score_column!r}", "give the number of a column, 4 or more")
    column = _BED_SCORE.get(suffix_of(path), 5) if score_column is None else int(score_column)
    rows = []
    for row in bed_intervals(path):
        word = row.rest[column - 4] if column - 4 < len(row.rest) else ""
        try:
            score = np.nan if word in (".", "NA", "nan") else float(word)
        except ValueError as error:
            raise InputError.at(
                f"{path}:{row.line}",
                f"has no number in column {column} ({' '.join(map(str, [*row[1:4], *row.rest]))[:60]!r})",
                "give BED with the score in column 5, bedGraph, or --score-column NUMBER",
            ) from error
        rows.append((row.chrom, row.start, row.end, score))
    return _once(pd.DataFrame(rows, columns=[*KEYS, "ris"]), path)


@dataclass(frozen=True)
class BigWigScores(Scores):
    """Base-by-base scores in a bigWig; it has no elements of its own, and its contigs are matched when it is read."""

    path: Path

    def over(self, elements: pd.DataFrame) -> pd.DataFrame:
        """Mean absolute value over the bases that have one."""
        means, counts, notes = bigwig_means(elements, self.path, absolute=True)
        self.notes.extend(notes)
        return pd.DataFrame({"element": elements["element"].to_numpy(), "ris": means, "n_perturbations": counts})
