"""From the tables of elements and scores to arrays in order of position, a model at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from darkregulome.diagnosis.clusters import in_clusters
from darkregulome.errors import InputError, Problem, raise_all
from darkregulome.genome.intervals import KEYS
from darkregulome.stats.features import FeatureMatrix, standardise_features
from darkregulome.stats.loci import Bools, Floats, Ints, Loci
from darkregulome.stats.residual import Folds, make_folds
from darkregulome.stats.setting import NotTestable

LANGUAGE_KINDS = ("masked", "causal")
TRIVIAL_FEATURES = ("gc", "cpg_oe", "complexity", "markov5", "two_sided", "copy_advantage", "copies")
"""Columns of the element table; the log of the length goes with them."""
HALVES = ("predictability_a", "predictability_b")
"""Predictability by the two halves of an element's bases."""


@dataclass(frozen=True)
class ModelScores:
    """The scores of one model on the elements where it has any, sorted by cluster of loci and position.

    Attributes
    ----------
    name, kind, readout : of the model; `readout` is None where the table does not say.
    table : one row per element: the columns of the element table, ``cluster`` (loci that overlap are one, see
        `diagnosis.clusters`), ``ris`` and ``predictability``.
    predictability_source : ``"own"``, ``"mean of ..."`` or ``"none"``.
    statuses : elements without a score, by reason.
    notes : what a reader must know, one sentence each.
    """

    name: str
    kind: str
    readout: str | None
    table: pd.DataFrame
    predictability_source: str
    statuses: dict[str, int]
    notes: tuple[str, ...] = field(default=())

    @property
    def is_language_model(self) -> bool:
        """True for masked and causal models."""
        return self.kind in LANGUAGE_KINDS

    @cached_property
    def loci(self) -> Loci:
        """The layout of the table's rows: what is resampled and rotated is a cluster of loci.

        With positions where the elements of every cluster are in order along one contig.
        """
        loci = Loci.of(self.table["cluster"].to_numpy())
        start = self.table["start"].to_numpy(dtype=float)
        ordered = all((np.diff(start[part]) >= 0).all() for part in loci.slices())
        return replace(loci, positions=start) if ordered else loci

    @cached_property
    def genes(self) -> tuple[list[str], Ints]:
        """Names of the loci as the table has them, in order, and the number of each row's locus: shape (n,)."""
        codes, names = pd.factorize(self.table["locus"].astype(str))
        return names.tolist(), codes.astype(np.int64)

    @cached_property
    def folds(self) -> Folds:
        """What is held out together."""
        return make_folds(self.table["chrom"].to_numpy(), self.loci)

    @cached_property
    def trivial(self) -> FeatureMatrix:
        """What needs no trained model, standardised."""
        return standardise_features(trivial_columns(self.table))

    @cached_property
    def features(self) -> FeatureMatrix:
        """The full features, standardised: the trivial ones and predictability."""
        known = self.table["predictability"].to_numpy(dtype=float) if "predictability" in self.table else None
        return standardise_features({**trivial_columns(self.table), "predictability": known})

    @property
    def has_predictability(self) -> bool:
        """Whether predictability was measured, by this model or by the language models of the table."""
        return "predictability" in self.features.names

    @property
    def predictability(self) -> Floats:
        """Standardised predictability, shape (n,)."""
        return self.features.values[:, self.features.names.index("predictability")]

    @cached_property
    def halves(self) -> Floats | None:
        """Predictability by the two halves of the bases, in SD of their mean, shape (n, 2); None where not known."""
        if not set(HALVES) <= set(self.table.columns):
            return None
        halves = self.table[list(HALVES)].to_numpy(dtype=float, copy=True)
        missing = ~np.isfinite(halves).all(axis=1)
        if missing.all():
            return None
        halves[missing] = np.median(halves[~missing], axis=0)
        sd = halves.mean(axis=1).std()
        return (halves - halves.mean()) / sd if sd > 0 else None

    def take(self, rows: NDArray) -> "ModelScores":
        """The scores of some elements, given by their rows."""
        return replace(self, table=self.table.iloc[np.sort(rows)].reset_index(drop=True))

    def with_table(self, table: pd.DataFrame) -> "ModelScores":
        """The same elements with other columns; what depends on places alone is taken over, not worked out again."""
        other = replace(self, table=table)
        other.share_elements(self)
        return other

    def share_elements(self, other: "ModelScores") -> None:
        """Take what depends on the elements alone from another model of the same ones, instead of working it out."""
        self.__dict__.update(loci=other.loci, folds=other.folds, classes=other.classes)
        if other.knows_distance:
            self.__dict__["distance"] = other.distance

    @property
    def raw(self) -> Floats:
        """RIS, shape (n,)."""
        return self.table["ris"].to_numpy(dtype=float)

    @cached_property
    def distance(self) -> Floats:
        """|distance| to the TSS in bases, shape (n,).

        Raises
        ------
        NotTestable
            It is not known of every element.
        """
        unknown = int(self.table["distance"].isna().sum())
        if unknown == len(self.table):
            raise NotTestable("no distance is known: give --gtf or a distance column")
        if unknown:
            raise NotTestable(f"no distance is known of {unknown} elements: give --gtf or a whole distance column")
        return np.abs(self.table["distance"].to_numpy(dtype=float))

    @property
    def knows_distance(self) -> bool:
        """True where every element has its distance."""
        return not self.table["distance"].isna().any()

    @cached_property
    def classes(self) -> NDArray:
        """Class words, shape (n,)."""
        return self.table["class"].to_numpy(dtype=str)

    def annotation(self) -> Floats:
        """Columns of annotation: class indicators (the first left out) and, where it is known, log distance."""
        dummies = pd.get_dummies(pd.Series(self.classes), drop_first=True).to_numpy(dtype=float)
        return np.column_stack([dummies, np.log1p(self.distance)]) if self.knows_distance else dummies


def trivial_columns(table: pd.DataFrame) -> dict[str, NDArray | None]:
    """What is trivially predictable of each element, unstandardised; None where the table does not know.

    The share of annotated repeats stands for copies where copies were not counted in the sequence. Then whether an
    element is a transposable one cannot be told from its features, and the gate of identifiability says so.
    """
    columns: dict[str, NDArray | None] = {"log_length": np.log(table["length"].to_numpy(dtype=float))}
    for name in TRIVIAL_FEATURES:
        columns[name] = table[name].to_numpy(dtype=float) if name in table.columns else None
    if "copies" not in table.columns or table["copies"].isna().all():
        columns["repeat_fraction"] = table["repeat_fraction"].to_numpy(dtype=float)
    return columns


def absent_features(models: Sequence[ModelScores]) -> list[str]:
    """Trivial features that no model's elements have, in order."""
    return [name for name in TRIVIAL_FEATURES if not any(name in one.trivial.names for one in models)]


def join_scores(elements: pd.DataFrame, ris: pd.DataFrame) -> list[ModelScores]:
    """Models of a score table, each joined to the elements it scored, in order of name.

    Raises
    ------
    InputError
        No element of the score table is in the element table, or no model has a score.
    """
    if not is_in(ris["element"], elements["element"]).any():
        raise InputError.at(
            "--ris",
            f"names no element of the element table (for example {ris['element'].iloc[0]!r})"
            if len(ris)
            else "has no rows",
            "give the element table that the scores were made for",
        )
    consensus = _language_predictability(ris)
    scored = elements[is_in(elements["element"], ris["element"])]
    _check_repeats(scored, ris)
    once, merged = in_clusters(scored)
    parts = once, set(scored["element"]) - set(once["element"]), merged
    models = [_one_model(str(name), rows, parts, consensus) for name, rows in ris.groupby("model", sort=True)]
    models = [model for model in models if len(model.table)]
    if not models:
        raise InputError.at("--ris", "has no score at all", "see the column 'status' for the reason of each element")
    return models


def _check_repeats(elements: pd.DataFrame, ris: pd.DataFrame) -> None:
    """Refuse an interval that one locus has several times with different scores."""
    keys = ["locus", *KEYS, *(name for name in ("pair_gene",) if name in elements.columns)]
    repeats = elements[elements.duplicated(keys, keep=False)]
    scores = repeats.merge(ris[["element", "model", "ris"]].dropna(), on="element").groupby([*keys, "model"])["ris"]
    differ = scores.max() - scores.min() > 1e-9 * scores.max().abs()
    raise_all(
        Problem("--ris", f"has several scores of {chrom}:{start}-{end} ({locus})", "give one score per interval")
        for locus, chrom, start, end in sorted({key[:4] for key in differ.index[differ]})[:5]
    )


def is_in(names: pd.Series, others: pd.Series) -> Bools:
    """Which `names` are among the `others`: ``names.isin(others)`` is ten times as slow on columns of strings."""
    every = set(others.to_numpy(dtype=object))
    return np.fromiter((name in every for name in names.to_numpy(dtype=object)), dtype=bool, count=len(names))


def _kind(rows: pd.DataFrame) -> tuple[str, bool]:
    """Kind of a model, and whether the table states it; without it, a model with predictability is a language model."""
    stated = rows["kind"].dropna() if "kind" in rows.columns else pd.Series(dtype=str)
    if len(stated):
        return str(stated.iloc[0]), True
    has_own = "predictability" in rows.columns and rows["predictability"].notna().any()
    return ("masked" if has_own else "output"), False


def _language_predictability(ris: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Mean over the language models of each element's standardised predictability and its halves, and their names."""
    parts, names = [], []
    columns = [name for name in ("predictability", *HALVES) if name in ris.columns]
    if "predictability" in columns:
        for name, rows in ris.groupby("model", sort=True):
            values = rows.set_index("element")[columns].astype(float)
            values = values[values["predictability"].notna()]
            sd = values["predictability"].std(ddof=0) if len(values) else 0.0
            if _kind(rows)[0] in LANGUAGE_KINDS and sd > 0:
                parts.append((values - values["predictability"].mean()) / sd)
                names.append(str(name))
    if not parts:
        return pd.DataFrame(), []
    return pd.concat(parts).groupby(level=0).mean(), names


def _one_model(
    name: str,
    rows: pd.DataFrame,
    parts: tuple[pd.DataFrame, set[str], list[str]],
    consensus: tuple[pd.DataFrame, list[str]],
) -> ModelScores:
    """A model's scores on elements that count; `parts` are these, names of those that repeat one, and notes on both."""
    elements, repeated, merged = parts
    rows = rows[~rows["element"].isin(repeated)]
    kind, stated = _kind(rows)
    notes = [] if stated else [f"The table does not state the kind of {name}; taken as {kind!r}."]
    unknown = int((~is_in(rows["element"], elements["element"])).sum())
    if unknown:
        notes.append(f"{unknown} scored elements are not in the element table and were left out.")
    notes += merged
    status = rows["status"].fillna("ok") if "status" in rows.columns else pd.Series("ok", index=rows.index)
    finite = np.isfinite(rows["ris"].to_numpy(dtype=float))
    status = status.where((status != "ok") | finite, "no_score")
    scored = ("ris", "predictability", *HALVES)
    wanted = rows.loc[status == "ok", [c for c in ("element", *scored) if c in rows.columns]]
    columns = [column for column in elements.columns if column not in scored]
    table = elements[columns].merge(wanted, on="element", validate="one_to_one")
    source = "own"
    if "predictability" not in table.columns or not table["predictability"].notna().any():
        values, names = consensus
        table = table.drop(columns=["predictability", *HALVES], errors="ignore").join(values, on="element")
        if not names:
            table["predictability"] = np.nan
        source = f"mean of {', '.join(names)}" if names else "none"
        if not names:
            notes.append(f"No predictability is known for {name}: nothing of it can survive or hinge.")
    table = table.sort_values(["cluster", "chrom", "start", "end", "element"], kind="stable").reset_index(drop=True)
    readout = None
    if "readout" in rows.columns and rows["readout"].notna().any():
        readout = str(rows["readout"].dropna().iloc[0])
    counts = status[status != "ok"].value_counts().sort_index()
    statuses = {str(reason): int(count) for reason, count in counts.items()}
    return ModelScores(name, kind, readout, table, source, statuses, tuple(notes))


def near_mask(distance: NDArray, horizon: int) -> Bools:
    """True within the horizon."""
    return np.asarray(distance) <= horizon


def positions_in(model: ModelScores, names: NDArray) -> Ints:
    """Row of each named element in the model's table."""
    return pd.Index(model.table["element"]).get_indexer(pd.Index(names)).astype(np.int64)
