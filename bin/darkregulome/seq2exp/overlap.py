"""Does a learnt mask agree with known elements, and with RIS: more with what features leave of it than with raw RIS?

Masks, cCREs and RIS all crowd around the TSS, so that any two of them agree. The null therefore gives each gene's
intervals the mask of another gene, read in that gene's own direction: what is common to all genes stays, what belongs
to one is lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darkregulome.errors import InputError
from darkregulome.genome.contigs import Contigs
from darkregulome.io.schemas import ELEMENTS
from darkregulome.io.tables import read_table
from darkregulome.seq2exp.data import covered_bases

NULL = (
    "Null: each gene's intervals with the mask of another gene, in the direction of the genes, so that what all "
    "masks share (the neighbourhood of the TSS) is no agreement. Correlations within windows, mean over genes; "
    "p two-sided."
)
LEFT = {"trivial_sd": "given the trivial features", "full_sd": "given the full features"}
"""Columns of residuals.parquet that hold what the features of a rung leave of the scores. Models without predictability
have no `full_sd`."""


@dataclass(frozen=True)
class Agreement:
    """The mean correlation over genes, and its p."""

    n: int
    value: float
    p: float


def coverage(intervals: Mapping[str, np.ndarray], masks: pd.DataFrame) -> np.ndarray:
    """Which bases of each gene's window lie in intervals: float, (genes, window), in the direction of the genome.

    `intervals` are starts and ends by contig, (2, count).
    """
    size = len(masks["mask"].iloc[0])
    places = zip(masks["chrom"], masks["start"], strict=True)
    return np.stack([covered_bases(intervals, chrom, start, start + size) for chrom, start in places]).astype(float)


def painted(elements: pd.DataFrame, column: str, masks: pd.DataFrame) -> np.ndarray:
    """Values of elements (chrom, start, end) on the bases of each gene's window, less their mean there; 0 elsewhere.

    Where elements overlap, the later one in the table counts.
    """
    size = len(masks["mask"].iloc[0])
    found = np.full((len(masks), size), np.nan)
    by_contig = dict(list(elements.groupby("chrom")))
    for row, (chrom, start) in enumerate(zip(masks["chrom"], masks["start"], strict=True)):
        here = by_contig.get(chrom)
        if here is None:
            continue
        here = here[(here["start"] < start + size) & (here["end"] > start)]
        for first, end, value in zip(here["start"], here["end"], here[column], strict=True):
            found[row, max(0, first - start) : end - start] = value
    covered = np.isfinite(found)
    count = covered.sum(axis=1, keepdims=True)
    mean = np.where(covered, found, 0).sum(axis=1, keepdims=True) / np.maximum(count, 1)
    return np.where(covered, found - mean, 0.0)


def turned(values: np.ndarray, strands: pd.Series) -> np.ndarray:
    """Rows in the direction of their genes."""
    minus = (strands == "-").to_numpy()
    return np.where(minus[:, None], values[:, ::-1], values)


def crossed(masks: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Correlation within the window of every gene's values with every gene's mask: (genes, genes); rows are values'.

    Genes whose values or mask do not vary are left out.
    """
    keep = (masks.std(axis=1) > 0) & (values.std(axis=1) > 0)
    if keep.sum() < 2:
        raise InputError.at("masks", "fewer than two genes have a mask and values that vary", "give more genes")
    first, second = (_unit(side[keep]) for side in (values, masks))
    return first @ second.T


def agreement(table: np.ndarray, permutations: int, rng: np.random.Generator) -> Agreement:
    """Mean of the diagonal of a `crossed` table, against that of the table with its columns permuted."""
    genes = len(table)
    value = float(np.trace(table) / genes)
    rows = np.arange(genes)
    draws = np.array([table[rows, rng.permutation(genes)].mean() for _ in range(permutations)])
    middle = table.mean()
    exceeding = int((np.abs(draws - middle) >= abs(value - middle) - 1e-12).sum())
    return Agreement(genes, value, (1 + exceeding) / (1 + permutations))


def overlap_table(
    masks: pd.DataFrame,
    strands: pd.Series,
    resolution: int,
    ccres: Mapping[str, np.ndarray] | None,
    residuals: pd.DataFrame | None,
    permutations: int = 1999,
    seed: int = 0,
) -> dict[str, Any]:
    """The content of overlap.json.

    Parameters
    ----------
    masks : of `output.base_masks`; `strands` of the same genes.
    resolution : bases to a position of the mask: more than one base are not looked at singly.
    residuals : of `read_residuals`.
    """

    def positions(values: np.ndarray) -> np.ndarray:
        return turned(values.reshape(len(values), -1, resolution).mean(axis=2), strands)

    own = positions(np.stack(list(masks["mask"])))
    rng = np.random.default_rng(seed)
    results = []

    def add(what: str, table: np.ndarray, statistic: str = "mean correlation") -> None:
        found = agreement(table, permutations, rng)
        results.append({"what": what, "statistic": statistic, "n": found.n, "value": found.value, "p": found.p})

    if ccres is not None:
        add("cCREs", crossed(own, positions(coverage(ccres, masks))))
    if residuals is not None:
        for model, elements in residuals.groupby("model", sort=True):
            columns = ["ris", *(name for name in LEFT if name in elements and elements[name].notna().all())]
            values = [positions(painted(elements, column, masks)) for column in columns]
            varies = np.all([one.std(axis=1) > 0 for one in values], axis=0)
            raw, *tables = (crossed(own[varies], one[varies]) for one in values)
            add(f"raw RIS of {model}", raw)
            for column, table in zip(columns[1:], tables, strict=True):
                add(f"RIS of {model} {LEFT[column]}", table)
                what = f"RIS of {model} {LEFT[column]}, less raw"
                add(what, table - raw, "difference of mean correlations")
    return {"null": NULL, "permutations": permutations, "results": results}


def read_residuals(residuals: str | Path, elements: str | Path, contigs: Contigs) -> pd.DataFrame:
    """RIS of residuals.parquet, and what the features of each rung leave of it, with the places of the elements.

    Raises
    ------
    InputError : a table cannot be read or lacks a column, or no element is in both.
    """
    places = read_table(elements, ELEMENTS)[["element", "chrom", "start", "end"]]
    places = places.assign(chrom=places["chrom"].map(lambda name: contigs.resolve(str(name))))
    scores = read_table(residuals)
    missing = sorted({"element", "model", "ris", "trivial_sd"} - set(scores.columns))
    if missing:
        raise InputError.at(residuals, f"has no column {missing[0]!r}", "give residuals.parquet of diagnose.py")
    columns = [name for name in ("element", "model", "ris", *LEFT) if name in scores]
    joined = scores[columns].merge(places, on="element")
    if joined.empty:
        raise InputError.at(residuals, f"has no element of {elements}", "give the tables of one run")
    return joined


def _unit(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=1, keepdims=True)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)
