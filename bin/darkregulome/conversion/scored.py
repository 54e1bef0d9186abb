"""What a reader of a format gives: scores of intervals, of windows base by base, or of single sites."""

from dataclasses import dataclass, field, replace
from typing import Self

import bioframe
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from darkregulome.elements.own import interval_names
from darkregulome.errors import InputError
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.intervals import KEYS
from darkregulome.io.schemas import RIS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Scores of one model.

    Attributes
    ----------
    table : what has scores, one row each, with its contig and position.
    notes : sentences on what could not be read.
    """

    table: pd.DataFrame
    notes: list[str] = field(default_factory=list, kw_only=True)

    def intervals(self) -> pd.DataFrame | None:
        """The intervals that the scores are of (chrom, start, end, ...), or None where only sites are known."""
        return None

    def named_as(self, contigs: Contigs) -> Self:
        """The same with contigs called as in `contigs` (``chr1`` for ``1``)."""
        if "chrom" not in self.table.columns:
            return self
        names = {name: contigs.resolve(str(name)) or str(name) for name in self.table["chrom"].unique()}
        return replace(self, table=self.table.assign(chrom=self.table["chrom"].map(names)))

    def over(self, elements: pd.DataFrame) -> pd.DataFrame:
        """One row per element, in order: element, ris, n_perturbations and, where known, predictability."""
        raise NotImplementedError


class IntervalScores(Scores):
    """One score per interval: chrom, start, end (or element), ris, further columns of RIS and ELEMENTS."""

    def intervals(self) -> pd.DataFrame | None:
        """The intervals, where the table has any."""
        if not set(KEYS) <= set(self.table.columns):
            return None
        return self.table[[name for name in self.table.columns if name == "element" or name not in RIS.columns]]

    def over(self, elements: pd.DataFrame) -> pd.DataFrame:
        """By the element's name, else by its interval, else the mean of what overlaps, weighted by bases."""
        own = self.table
        extra = [name for name in ("ris_max", "predictability") if name in own.columns]
        if "element" in own.columns and own["element"].isin(elements["element"]).any():
            keyed = own.set_index(own["element"].astype(str))
            if (twice := keyed.index.duplicated()).any():
                raise InputError.at(
                    "the scores",
                    f"have {int(twice.sum())} elements more than once, such as {keyed.index[twice][0]!r}",
                    "give one row per element, or a column model",
                )
            return _aligned(keyed, elements["element"], elements, extra)
        if not set(KEYS) <= set(own.columns):
            raise InputError.at(
                "the scores",
                f"name none of the elements (they name {', '.join(own['element'].astype(str).head(3))})",
                "give scores of these elements, or add chrom, start and end",
            )
        keyed = own.set_index(interval_names(own))
        keyed = keyed[~keyed.index.duplicated()]
        names = interval_names(elements)
        if keyed.index.isin(names).any():
            return _aligned(keyed, names, elements, extra)
        columns = {name: pd.to_numeric(own[name], errors="coerce") for name in ("ris", *extra)}
        return _means_of_overlaps(elements, own, columns)


def _aligned(keyed: pd.DataFrame, names: pd.Series, elements: pd.DataFrame, extra: list[str]) -> pd.DataFrame:
    columns = ["ris", *extra, *(name for name in ("n_perturbations",) if name in keyed.columns)]
    aligned = keyed[columns].apply(pd.to_numeric, errors="coerce").reindex(names).reset_index(drop=True)
    aligned.insert(0, "element", elements["element"].to_numpy())
    counts = aligned["n_perturbations"].fillna(0) if "n_perturbations" in aligned else aligned["ris"].notna()
    return aligned.assign(n_perturbations=counts.astype(int))


@dataclass(frozen=True)
class WindowScores(Scores):
    """Size of the effect at every base of windows: chrom, start, end; their length is that of a row of `values`.

    Attributes
    ----------
    values : shape (windows, bases), not negative; NaN where a base has no effect.
    effects_per_base : how many effects a value is the mean of.
    """

    values: Floats
    effects_per_base: int

    def intervals(self) -> pd.DataFrame | None:
        """The windows."""
        return self.table

    def over(self, elements: pd.DataFrame) -> pd.DataFrame:
        """Mean over the element's bases (over windows too, where several cover a base)."""
        pairs = _overlaps(elements, self.table)
        rows, theirs = pairs["index"].to_numpy(), pairs["index_other"].to_numpy()
        offset = self.table["start"].to_numpy()[theirs]
        left, right = pairs["overlap_start"].to_numpy() - offset, pairs["overlap_end"].to_numpy() - offset
        finite = np.isfinite(self.values)
        sums = _running(np.where(finite, self.values, 0.0))
        counts = _running(finite.astype(float))
        total = np.bincount(rows, weights=sums[theirs, right] - sums[theirs, left], minlength=len(elements))
        size = np.bincount(rows, weights=counts[theirs, right] - counts[theirs, left], minlength=len(elements))
        ris = np.divide(total, size, out=np.full(len(elements), np.nan), where=size > 0)
        n = np.round(size * self.effects_per_base).astype(int)
        return pd.DataFrame({"element": elements["element"].to_numpy(), "ris": ris, "n_perturbations": n})


class SiteScores(Scores):
    """Effects of single variants.

    The table has chrom, position (0-based), effect (its size), and, where the effects are log-likelihood ratios of all
    three alternatives of a site, loglik (of the reference base, nats; NaN elsewhere; one row per site carries it).
    """

    def over(self, elements: pd.DataFrame) -> pd.DataFrame:
        """Mean over the effects inside each element."""
        columns = {"ris": "effect"} | ({"predictability": "loglik"} if "loglik" in self.table else {})
        sites = self.table.assign(start=self.table["position"], end=self.table["position"] + 1)
        return _means_of_overlaps(elements, sites, {name: sites[column] for name, column in columns.items()})


def _means_of_overlaps(elements: pd.DataFrame, other: pd.DataFrame, columns: dict[str, pd.Series]) -> pd.DataFrame:
    """Means of columns of `other` over each element, weighted by the bases that are shared; and how many rows share."""
    pairs = _overlaps(elements, other)
    rows, theirs = pairs["index"].to_numpy(), pairs["index_other"].to_numpy()
    shared = (pairs["overlap_end"] - pairs["overlap_start"]).to_numpy(dtype=float)
    result = pd.DataFrame({"element": elements["element"].to_numpy()})
    for name, column in columns.items():
        values = column.to_numpy(dtype=float)[theirs]
        finite = np.isfinite(values)
        weight = np.bincount(rows[finite], weights=shared[finite], minlength=len(elements))
        total = np.bincount(rows[finite], weights=(shared * values)[finite], minlength=len(elements))
        result[name] = np.divide(total, weight, out=np.full(len(elements), np.nan), where=weight > 0)
    return result.assign(n_perturbations=np.bincount(rows, minlength=len(elements)))


def _running(values: Floats) -> Floats:
    """Sums of the first 0, 1, 2, ... columns: shape (rows, columns + 1)."""
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)


def _overlaps(elements: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Pairs of rows that share bases: index, index_other, overlap_start, overlap_end."""
    one, two = (table[KEYS].reset_index(drop=True) for table in (elements, other))
    pairs = bioframe.overlap(one, two, how="inner", return_index=True, return_overlap=True, suffixes=("", "_other"))
    names = ["index", "index_other", "overlap_start", "overlap_end"]
    return pairs[names].astype(np.int64)
