"""Scores are linked to conservation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit
from scipy.stats import rankdata

from darkregulome.claims.claim import Claim, External, Findings, OutsideData, Plant, Sides, Subject, Tables, each_model
from darkregulome.claims.sentences import effect_with_interval
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Asked, Settings
from darkregulome.errors import InputError
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.loci import Floats
from darkregulome.stats.noise import RUNS, correlated_noise
from darkregulome.stats.residual import normal_scores_by_locus, residualize
from darkregulome.stats.tested import NotTestable, Setting, Tested
from darkregulome.stats.verdict import power_of

REFERENCE_CORRELATION = 0.1


def rank_association(scores: Floats, other: NDArray, setting: Setting) -> Tested:
    """Within-locus correlation of the ranks of the scores and of `other` (shape (n,), centred)."""
    return association(rankdata(np.round(scores, 12)), rankdata(np.round(other, 12)), setting)


def association(scores: Floats, other: NDArray, setting: Setting) -> Tested:
    """Within-locus correlation of the scores and `other`, both shape (n,), as they are."""
    loci = setting.loci
    one, two = loci.center(scores), loci.center(np.asarray(other, dtype=float))
    size = float(np.sqrt((one**2).sum() * (two**2).sum()))
    if size == 0:
        raise NotTestable("one of the two does not vary within loci")
    null, p = setting.draw(one, two / size)
    estimate, sd = float(null.observed[0]), float(null.sd[0])
    sums = loci.sums(np.column_stack([one * two, one * one, two * two]))
    both, first, second = (setting.resamples.astype(float) @ sums).T
    below = np.sqrt(first * second)
    drawn = np.divide(both, below, out=np.full(len(both), np.nan), where=below > 0)
    return Tested.of_effect(
        estimate,
        p,
        interval=setting.interval(estimate, drawn, sd),
        power=power_of(REFERENCE_CORRELATION, sd, setting.alpha),
        draws=null.draws[:, 0],
        details={"null_sd": sd},
    )


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


def _means_of(one: Prepared, settings: Settings, data: Conservation) -> Floats:
    return np.asarray(one.scores.table["element"].map(data.means), dtype=np.float64)


def _test(subject: Subject, settings: Settings) -> Sides:
    """Correlation of scores and conservation within loci: of ranks, and of what the features leave."""
    one, scores, conservation = subject.one, subject.one.scores, subject.data
    raw = rank_association(one.raw, scores.loci.center(conservation), subject.setting)
    # Ranks first, then the features out of both, and no ranks again: what a residual misses of the features
    # (a bend) then meets what is left of the other's only where that misses the same. Ranked again, the noise of
    # the other's slopes would meet it as well, and be taken for a link.
    ranks = (normal_scores_by_locus(values, scores.loci) for values in (scores.raw, conservation))
    parts = [
        residualize(values, scores.features.values, scores.loci, scores.folds, settings.residualize).residual
        for values in ranks
    ]
    return Sides(raw, association(parts[0], parts[1], subject.setting))


def _summary(findings: Findings) -> dict[str, Any]:
    return {"n_without_value": int(findings.data.means.isna().sum())}


def _tables(findings: Findings) -> Tables:
    profiles = [_profile(result.subject) for result in findings.results if result.subject is not None]
    return Tables(findings.data.table, pd.concat(profiles, ignore_index=True) if profiles else pd.DataFrame())


def _profile(subject: Subject, bins: int = 10) -> pd.DataFrame:
    """Mean score, raw and residual, by bins of conservation with equal numbers of elements."""
    conservation = subject.data
    edges = np.unique(np.quantile(conservation, np.linspace(0, 1, bins + 1)))
    bin_of = np.clip(np.searchsorted(edges, conservation, side="right") - 1, 0, max(len(edges) - 2, 0))
    rows = []
    for side, values in subject.one.both():
        for place in np.unique(bin_of):
            inside = bin_of == place
            numbers = (float(np.median(conservation[inside])), float(values[inside].mean()), int(inside.sum()))
            rows.append((subject.model, side, *numbers))
    return pd.DataFrame(rows, columns=["model", "scores", "conservation", "mean", "n"])


def _figure(record: Mapping[str, Any], profiles: pd.DataFrame) -> Any:
    from darkregulome.plots.cross_check import conservation_figure

    return conservation_figure(record, profiles)


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    return (
        f"Scores and conservation have a rank correlation of {entry.raw.effect:.2f}",
        f"{effect_with_interval(entry.residual)} remains",
    )


def _planted(one: Prepared, rng: np.random.Generator) -> Conservation:
    """Conservation that follows the features that explain scores, and nothing else of them."""
    loci, features = one.scores.loci, one.scores.features.values
    explained = loci.standardise(features @ rng.standard_normal(features.shape[1]))[0]
    return hold(one.scores.table, expit(explained + correlated_noise(RUNS, loci, rng)))


CLAIM = Claim(
    name="conservation",
    title="Conservation",
    question="are scores linked to conservation, beyond what predictability explains of both?",
    statistic="correlation within loci: of ranks, of what features leave of their normal scores",
    unit="rank correlation",
    floor=0.05,
    reference=f"a correlation of {REFERENCE_CORRELATION:g}",
    subject="the link to conservation",
    order=7,
    needs=OutsideData("conservation", Files, _read, "--bigwig phylop.bw", _tables, _figure),
    subjects=each_model(_means_of),
    test=_test,
    say=_say,
    summary=_summary,
    in_readout_units=False,
    plant=Plant(data=_planted),
)
