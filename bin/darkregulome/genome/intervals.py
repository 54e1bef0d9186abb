"""Interval arithmetic: bioframe, and the two things that it lacks: painting by rank, and BED with its index."""

import os
import tempfile
from itertools import pairwise
from pathlib import Path

import bioframe
import numpy as np
import pandas as pd
import pysam

from darkregulome.io.atomic import make_folder

KEYS = ["chrom", "start", "end"]


def merge(table: pd.DataFrame, on: list[str] | None = None) -> pd.DataFrame:
    """Union of overlapping or touching intervals; only of those that agree in the columns `on`."""
    if table.empty:
        return table[[*KEYS, *(on or [])]].reset_index(drop=True)
    return bioframe.merge(table, min_dist=0, on=on)[[*KEYS, *(on or [])]]


def covered_fraction(table: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    """Fraction of each row's bases that lie in `other` (bases under two intervals count once), shape (rows,)."""
    if table.empty or other.empty:
        return np.zeros(len(table))
    covered = bioframe.coverage(table[KEYS], merge(other))["coverage"].to_numpy(dtype=float)
    return covered / (table["end"] - table["start"]).to_numpy()


def paint(ranked: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    """Cut overlapping intervals into disjoint pieces: each base belongs to the first row that covers it.

    Parameters
    ----------
    ranked : intervals, the ones that win first.
    windows : disjoint windows; what lies outside is cut off.

    Returns
    -------
    Pieces with chrom, start, end and `row`, the position in `ranked` of the interval that they belong to. An interval
    in which a winning one lies gives several pieces.
    """
    by_contig = dict(iter(ranked.assign(row=np.arange(len(ranked))).groupby("chrom", sort=False)))
    pieces = []
    for chrom, window_start, window_end in windows[KEYS].itertuples(index=False):
        if chrom not in by_contig:
            continue
        group = by_contig[chrom]
        owner = np.full(window_end - window_start, -1, dtype=np.int64)
        starts = np.maximum(group["start"].to_numpy(), window_start) - window_start
        ends = np.minimum(group["end"].to_numpy(), window_end) - window_start
        for start, end, row in zip(starts[::-1], ends[::-1], group["row"].to_numpy()[::-1], strict=True):
            if start < end:
                owner[start:end] = row
        bounds = [0, *(np.flatnonzero(np.diff(owner)) + 1), len(owner)]
        pieces += [
            (chrom, start + window_start, end + window_start, owner[start])
            for start, end in pairwise(bounds)
            if owner[start] >= 0
        ]
    return pd.DataFrame(pieces, columns=[*KEYS, "row"]).astype({"start": int, "end": int, "row": int})


def write_bed(table: pd.DataFrame, path: str | Path) -> None:
    """Write the table's columns, chrom, start and end first, as bgzipped BED with a tabix index; no header.

    Rows are sorted by contig and position. The file and its ``.tbi`` appear whole or not at all.
    """
    path = Path(path)
    rows = table[[*KEYS, *(column for column in table.columns if column not in KEYS)]].sort_values(KEYS, kind="stable")
    make_folder(path.parent)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".partial-bed-") as folder:
        plain, packed = Path(folder, "rows.bed"), Path(folder, path.name)
        rows.to_csv(plain, sep="\t", header=False, index=False)
        pysam.tabix_compress(str(plain), str(packed), force=True)
        pysam.tabix_index(str(packed), preset="bed", force=True)
        os.replace(packed, path)
        os.replace(f"{packed}.tbi", f"{path}.tbi")
