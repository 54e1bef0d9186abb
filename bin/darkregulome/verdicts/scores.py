"""The scores of one model with what the ladder adjusts for: trivial features, and predictability by two halves."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from darkregulome.diagnosis.scores import HALVES, ModelScores
from darkregulome.stats.features import FeatureMatrix, standardise_features
from darkregulome.stats.loci import Floats, Loci

TRIVIAL_FEATURES = ("gc", "cpg_oe", "complexity", "markov5", "two_sided", "copy_advantage", "copies")
"""Columns of the element table; the log of the length goes with them."""


@dataclass(frozen=True)
class LadderScores(ModelScores):
    """`ModelScores` whose features are the trivial ones and predictability, laid out along the bases."""

    @classmethod
    def of(cls, scores: ModelScores) -> "LadderScores":
        """The same scores."""
        return cls(**{one.name: getattr(scores, one.name) for one in fields(ModelScores)})

    @cached_property
    def loci(self) -> Loci:
        """The layout, with positions where the elements of every locus are in order along one contig."""
        loci = Loci.of(self.table["cluster"].to_numpy())
        start = self.table["start"].to_numpy(dtype=float)
        ordered = all((np.diff(start[part]) >= 0).all() for part in loci.slices())
        return replace(loci, positions=start) if ordered else loci

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

    def take(self, rows: NDArray) -> "LadderScores":
        """The scores of some elements, given by their rows."""
        return replace(self, table=self.table.iloc[np.sort(rows)].reset_index(drop=True))

    def with_table(self, table: pd.DataFrame) -> "LadderScores":
        """The same elements with other columns; what depends on places alone is taken over, not worked out again."""
        other = replace(self, table=table)
        other.share_elements(self)
        return other


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


def absent_features(models: Sequence[LadderScores]) -> list[str]:
    """Trivial features that no model's elements have, in order."""
    return [name for name in TRIVIAL_FEATURES if not any(name in one.trivial.names for one in models)]
