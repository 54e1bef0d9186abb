"""Scores are linked to conservation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from darkregulome.claims.claim import Claim, External, Findings, OutsideData, Subject, Tables
from darkregulome.diagnosis.adjust import Ladder, Pair, make_ladder, ranks_of
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Asked, Settings
from darkregulome.errors import InputError
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.loci import Floats
from darkregulome.stats.residual import normal_scores_by_locus
from darkregulome.stats.setting import NotTestable

CORRELATION_FLOOR, CORRELATION_MARGIN = 0.05, 0.1


class Files(Asked):
    """What the check asks for."""

    bigwig: Path = Field(description="Conservation, base by base (phyloP, phastCons).")


@dataclass(frozen=True, kw_only=True)
class Conservation(External):
    """Mean conservation of every element, by its name; NaN where there is none."""

    means: pd.Series
    table: pd.DataFrame


def hold(elements: pd.DataFrame, means: NDArray, notes: tuple[str, ...] = ()) -> Conservation:
    """The data of the check, of elements whose mean conservation (shape (n,)) is a number."""
    covered = np.isfinite(means)
    if not covered.any():
        raise InputError.at("conservation", "has no value in any element", "give a bigWig that covers the loci")
    table = elements[["element", "locus", "chrom", "start", "end", "class", "distance"]].assign(conservation=means)
    values = pd.Series(means, index=elements["element"])
    return Conservation(elements=elements[covered], notes=notes, means=values, table=table)


def _read(elements: pd.DataFrame, files: Files) -> Conservation:
    from darkregulome.genome.bigwig import bigwig_means

    means, _, notes = bigwig_means(elements, files.bigwig)
    return hold(elements, means, tuple(notes))


def _means_of(one: Prepared, data: Conservation) -> Floats:
    return np.asarray(one.scores.table["element"].map(data.means), dtype=np.float64)


def _test(subject: Subject, settings: Settings) -> Ladder:
    """Ranks of scores on ranks of conservation, both normal scores within loci, in SD."""
    one, loci = subject.one, subject.setting.loci
    conservation, sd = loci.standardise(normal_scores_by_locus(_means_of(one, subject.data), loci))
    if sd == 0:
        raise NotTestable("conservation does not vary within loci")
    pair = Pair(ranks_of(one), conservation, "conservation", "ranks")
    return make_ladder(one, pair, subject.setting, CORRELATION_FLOOR, CORRELATION_MARGIN)


def _summary(findings: Findings) -> dict[str, Any]:
    return {"n_without_value": int(findings.data.means.isna().sum())}


def _tables(findings: Findings) -> Tables:
    profiles = [_profile(result.subject) for result in findings.results if result.subject is not None]
    return Tables(findings.data.table, pd.concat(profiles, ignore_index=True) if profiles else pd.DataFrame())


def _profile(subject: Subject, bins: int = 10) -> pd.DataFrame:
    """Mean score, rung by rung, by bins of conservation with equal numbers of elements."""
    conservation = _means_of(subject.one, subject.data)
    edges = np.unique(np.quantile(conservation, np.linspace(0, 1, bins + 1)))
    bin_of = np.clip(np.searchsorted(edges, conservation, side="right") - 1, 0, max(len(edges) - 2, 0))
    rows = []
    for rung in subject.one.rungs:
        values = subject.one.left(rung)
        for place in np.unique(bin_of):
            inside = bin_of == place
            numbers = (float(np.median(conservation[inside])), float(values[inside].mean()), int(inside.sum()))
            rows.append((subject.model, rung, *numbers))
    return pd.DataFrame(rows, columns=["model", "scores", "conservation", "mean", "n"])


def _figure(record: Mapping[str, Any], profiles: pd.DataFrame) -> Any:
    from darkregulome.plots.cross_check import conservation_figure

    return conservation_figure(record, profiles)


def _say(entry: ClaimEntry, settings: Settings) -> str:
    return f"Scores and conservation have a rank correlation of {entry.raw.effect or 0.0:.2f}"


CLAIM = Claim(
    name="conservation",
    title="Conservation",
    question="are scores linked to conservation?",
    statistic="normal scores of ranks within loci on those of conservation, both sides partialled out",
    unit="SD of ranks per SD of conservation; raw, their correlation",
    floor=CORRELATION_FLOOR,
    margin=CORRELATION_MARGIN,
    subject="the link to conservation",
    order=7,
    needs=OutsideData("conservation", Files, _read, "--bigwig phylop.bw", _tables, _figure),
    test=_test,
    say=_say,
    summary=_summary,
    in_readout_units=False,
)
