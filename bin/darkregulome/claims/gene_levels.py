"""Levels of genes: what the claims about genes compare, and the claims within loci leave out, on their ladder."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from darkregulome.diagnosis.adjust import Ladder, full_features, measured_reliability
from darkregulome.diagnosis.decision import Gates
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Asked
from darkregulome.errors import InputError
from darkregulome.genome.genes import genes_of_loci
from darkregulome.io.schemas import LOCI
from darkregulome.io.tables import read_rows
from darkregulome.stats.learners import LEARNERS, residuals
from darkregulome.stats.loci import Floats, Ints
from darkregulome.stats.nulls import empirical_p
from darkregulome.stats.partial import LEVEL, Estimate


class LocusTable(Asked):
    """What every check by gene asks for."""

    loci: Path = Field(description="Locus table: whose gene an element belongs to.")

    def read_loci(self) -> pd.DataFrame:
        """The table of loci."""
        return read_rows(self.loci, LOCI)


class NetworkNames(LocusTable):
    """What a check that reads a network of STRING asks for too."""

    network_info: Path | None = Field(
        None, description="Names of the proteins: STRING's protein.info or protein.aliases."
    )


def locus_by_gene(loci: pd.DataFrame) -> dict[str, str]:
    """Gene key to locus; every name of a locus's gene counts, the first locus wins.

    Raises
    ------
    InputError
        The table names no gene.
    """
    locus_of: dict[str, str] = {}
    for locus, key in genes_of_loci(loci):
        locus_of.setdefault(key, locus)
    if not locus_of:
        raise InputError.at("the loci", "name no gene", "give loci with a column gene")
    return locus_of


def locus_means(values: Floats, codes: Ints, count: int) -> Floats:
    """Mean of each column of `values` (shape (n, k)) over the elements of each gene: shape (count, k)."""
    sizes = np.maximum(np.bincount(codes, minlength=count), 1)
    sums = np.column_stack([np.bincount(codes, weights=column, minlength=count) for column in values.T])
    return sums / sizes[:, None]


def score_columns(one: Prepared) -> tuple[list[tuple[str, str]], Floats]:
    """Scores of the elements with their levels, as each rung and learner leaves them, in SD over all elements.

    Slopes are those within loci; the differences between loci that they do not explain stay.

    Returns
    -------
    Rung and learner of each column, and the columns: shape (n, k).
    """
    raw = (one.scores.raw - one.scores.raw.mean()) / one.scores.raw.std()
    labels, columns = [("raw", "none")], [raw]
    features = {"trivial": one.scores.trivial.values}
    if one.scores.has_predictability:
        features["full"] = full_features(one, measured_reliability(one))
    for rung, values in features.items():
        for learner in LEARNERS:
            work = partial(residuals, raw, values, one.setting.loci, one.scores.folds, learner, levels=True)
            labels.append((rung, learner))
            columns.append(one.remember(("levels", rung, learner), work)[:, 0])
    return labels, np.column_stack(columns)


def gene_ladder(
    one: Prepared, estimates: Mapping[tuple[str, str], Estimate], floor: float, details: Mapping[str, Any]
) -> Ladder:
    """The ladder of a statistic of genes, from its estimate on each rung by each learner.

    No features tell apart what is tested here, so that the gates are the reliability of predictability and, where a
    statistic knows it, that no single gene carries the effect.
    """
    rungs = {
        rung: tuple(own for (name, _), own in estimates.items() if name == rung) for rung in ("raw", "trivial", "full")
    }
    stable = all(
        np.sign(own.effect) * bound >= floor
        for own in rungs["trivial"]
        for bound in own.without_locus
        if np.isfinite(bound)
    )
    gates = Gates(reliability=measured_reliability(one), stable=bool(stable))
    return Ladder(
        rungs["raw"][0], rungs["trivial"], rungs["full"] or None, one.scores.trivial.names, gates, {}, details
    )


def about_null(
    learner: str, value: float, draws: Floats, p: float | None = None, without: tuple[float, float] | None = None
) -> Estimate:
    """An effect beyond the mean of its null, with the interval that holds 0 just where p is above 5 %.

    Parameters
    ----------
    value : observed statistic. draws : shape (draws,), of the null. p : where it is not that of these draws.
    without : values without each gene in turn, smallest and largest.
    """
    centre = float(draws.mean())
    half = float(np.quantile(np.abs(draws - centre), LEVEL))
    effect = value - centre
    return Estimate(
        learner,
        effect,
        float(draws.std()),
        (effect - half, effect + half),
        empirical_p(value, draws, centre) if p is None else p,
        statistic=value,
        draws=draws,
        without_locus=(np.nan, np.nan) if without is None else (without[0] - centre, without[1] - centre),
    )


def gene_table(one: Prepared) -> pd.DataFrame:
    """Mean score of each gene's elements, rung by rung (by splines), in SD over all elements."""
    names, codes = one.scores.genes
    labels, values = score_columns(one)
    means = locus_means(values, codes, len(names))
    columns = {rung: means[:, at] for at, (rung, learner) in enumerate(labels) if learner in ("none", "splines")}
    return pd.DataFrame({"locus": names, "model": one.name, **columns})
