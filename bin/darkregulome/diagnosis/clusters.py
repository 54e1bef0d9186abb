"""Loci that share bases as one cluster, in which an interval counts once."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from darkregulome.genome.intervals import KEYS


def overlap_runs(table: pd.DataFrame) -> np.ndarray:
    """Number of the run of overlapping intervals that each row lies in, shape (rows,); touching is no overlap."""
    order = np.lexsort([table["end"], table["start"], table["chrom"].astype(str)])
    chrom = table["chrom"].astype(str).to_numpy()[order]
    start, end = (table[name].to_numpy(dtype=np.int64)[order] for name in ("start", "end"))
    other_contig = np.r_[True, chrom[1:] != chrom[:-1]]
    # Contigs are laid behind each other, so that one running maximum serves all of them.
    offset = (np.cumsum(other_contig) - 1) * (int(end.max(initial=0)) + 1)
    reach = np.maximum.accumulate(end + offset)
    runs = np.empty(len(table), dtype=np.int64)
    runs[order] = np.cumsum(np.r_[True, (start + offset)[1:] >= reach[:-1]])
    return runs


def clusters_of(table: pd.DataFrame) -> pd.Series:
    """Cluster of each row: the first, by name, of the loci that its locus shares bases with, directly or in a chain."""
    loci, codes = np.unique(table["locus"].to_numpy(dtype=str), return_inverse=True)
    runs = overlap_runs(table)
    size = len(loci) + int(runs.max(initial=0)) + 1
    links = coo_array((np.ones(len(table)), (codes, len(loci) + runs)), shape=(size, size))
    component = connected_components(links, directed=False)[1][: len(loci)]
    first = pd.Series(loci).groupby(component).transform("first")
    return pd.Series(first.to_numpy()[codes], index=table.index)


def in_clusters(elements: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The element table with the column ``cluster``, each interval once per cluster; and what was merged.

    Of an interval that several loci share, the row with the nearer TSS stays. Pairs of element and gene (column
    ``pair_gene``) are no repetition: each has a score of its own.
    """
    table = elements.reset_index(drop=True)
    table["cluster"] = clusters_of(table)
    notes = []
    loci, clusters = (int(table[name].nunique()) for name in ("locus", "cluster"))
    if loci > clusters:
        merged = int((table.groupby("cluster")["locus"].nunique() > 1).sum())
        together = f"{loci - clusters + merged} loci that overlap are {merged} cluster{'s' * (merged > 1)}"
        notes.append(f"{together}: the {loci} loci are {clusters} units of resampling.")
    keys = ["cluster", *KEYS, *(name for name in ("pair_gene",) if name in table.columns)]
    far = table["distance"].abs().astype("Float64") if "distance" in table.columns else pd.Series(0, index=table.index)
    nearest = table.assign(far=far).sort_values(["far", "locus", "element"], kind="stable", na_position="last")
    once = table.loc[nearest.drop_duplicates(keys).index.sort_values()]
    if len(once) < len(table):
        notes.append(
            f"{len(table) - len(once)} of {len(table)} elements repeat an interval of their cluster and do not count "
            "again; the row with the nearer TSS stays."
        )
    return once, notes
