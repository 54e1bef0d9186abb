"""Tables of element-gene pairs (ABC, ENCODE-rE2G, CRISPRi), and tables that repeat an interval."""

import numpy as np
import pandas as pd

from darkregulome.elements.build import signed_distance
from darkregulome.elements.own import interval_names
from darkregulome.errors import InputError, Problem, raise_all
from darkregulome.genome.bed import MAX_PROBLEMS, check_interval_table
from darkregulome.genome.intervals import KEYS

_DISTANCES = ("distance", "distancetotss")
_TSS = ("tss", "targetgenetss", "starttss")
_OWN_NAMES = ("name", "element", "locus", *_DISTANCES)
_SAME = 1e-9
"""Scores that differ by less, relative to their size, are one score written twice."""


def as_pairs(table: pd.DataFrame, gene_column: str, where: object) -> pd.DataFrame:
    """A table of pairs with one element per pair: its locus is the gene, its distance that from the gene's TSS.

    The distance is the column ``distance`` or ``distanceToTSS``, else it is worked out from ``TargetGeneTSS``,
    ``startTSS`` or ``tss``; without them the column is absent.

    Raises
    ------
    InputError
        There is no such column, or a row lacks a gene or an interval.
    """
    if gene_column not in table.columns:
        columns = ", ".join(map(str, table.columns[:12]))
        raise InputError.at(
            where, f"has no column {gene_column!r} (its columns are {columns})", "give --gene-column one of them"
        )
    table = check_interval_table(table, where)
    lacking = np.flatnonzero(table[gene_column].isna())
    raise_all(
        Problem(f"{where}:{row + 2}", f"has no gene in the column {gene_column!r}", "name the gene, or drop the row")
        for row in lacking[:MAX_PROBLEMS]
    )
    genes = table[gene_column].astype(str)
    low = {str(name).lower(): name for name in table.columns}
    numbers = {name: pd.to_numeric(table[low[name]], errors="coerce") for name in (*_DISTANCES, *_TSS) if name in low}
    named: dict[str, pd.Series] = {"element": interval_names(table) + "|" + genes, "locus": genes, "pair_gene": genes}
    if distance := [numbers[name] for name in _DISTANCES if name in numbers]:
        named["distance"] = distance[0].round().astype("Int64")
    elif starts := [numbers[name] for name in _TSS if name in numbers]:
        tss = starts[0].fillna(0).to_numpy(dtype=np.int64)
        edges = signed_distance(table["start"].to_numpy() - tss, table["end"].to_numpy() - tss, 0, "+")
        named["distance"] = pd.Series(edges, index=table.index).where(starts[0].notna()).astype("Int64")
    return table.drop(columns=[low[name] for name in _OWN_NAMES if name in low]).assign(**named)


def each_once(table: pd.DataFrame, where: object, notes: list[str]) -> pd.DataFrame:
    """A table with `ris` of one model in which each interval (or pair) stands once.

    Rows of an interval must have the same score. Where they belong to several loci, their mean is taken.

    Raises
    ------
    InputError
        An interval has several scores in one locus.
    """
    if "element" not in table.columns:
        keys = KEYS
    elif "pair_gene" in table.columns:
        keys = ["element"]
    else:
        return table
    repeated = table[table.duplicated(keys, keep=False)]
    if repeated.empty:
        return table
    scores = repeated.groupby(keys, sort=False)["ris"].agg(["min", "max", "mean"])
    differ = scores["max"] - scores["min"] > _SAME * scores.abs().max(axis=1)
    several = "locus" in table.columns and "pair_gene" not in table.columns
    if several:
        in_one_locus = repeated.groupby([*keys, "locus"], sort=False)["ris"].agg(["min", "max"])
        own = in_one_locus["max"] - in_one_locus["min"] > _SAME * in_one_locus.abs().max(axis=1)
        faulty = list(dict.fromkeys(tuple(key)[:3] for key in own.index[own]))
    else:
        faulty = list(differ.index[differ])
    raise_all(
        Problem(
            str(where),
            f"has several scores of {_interval(key)} ({scores['min'][key]:g} to {scores['max'][key]:g})",
            "give one score per interval" + ("" if keys == ["element"] else ", or name the genes by --gene-column"),
        )
        for key in faulty[:MAX_PROBLEMS]
    )
    if differ.any():
        notes.append(
            f"{int(differ.sum())} intervals belong to several loci with different scores: their mean is taken."
        )
    once = table.sort_values("ris", key=lambda values: values.isna(), kind="stable").drop_duplicates(keys).sort_index()
    notes.append(f"{len(table) - len(once)} rows repeat an interval and do not count again.")
    means = once[keys].merge(scores["mean"], left_on=keys, right_index=True, how="left")["mean"]
    return once.assign(ris=means.to_numpy()).fillna({"ris": once["ris"]}).reset_index(drop=True)


def _interval(key: object) -> str:
    return "{}:{}-{}".format(*key) if isinstance(key, tuple) else str(key)
