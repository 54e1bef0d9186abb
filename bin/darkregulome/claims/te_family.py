"""A family of transposable elements scores apart from others like it.

Controls are matched in length, GC, distance and predictability. A family with no others like it (`MOST_IMBALANCE`) is
not tested: its mark could be its predictability. Where matching succeeds, the raw difference is free of the features
already, so the residual's p-value is the larger of both: a difference that only the residual shows comes from the
regression.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.special import ndtr

from darkregulome.claims.claim import Claim, External, Findings, Make, OutsideData, Plant, Sides, Subject, Tables
from darkregulome.claims.matched import match_elements
from darkregulome.claims.sentences import say_contrast
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Asked, Settings
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.matching import Matches, matched_contrast
from darkregulome.stats.noise import RUNS, correlated_noise
from darkregulome.stats.randomness import generator
from darkregulome.stats.tested import NotTestable
from darkregulome.stats.verdict import REFERENCE_EFFECT

MOST_IMBALANCE = 0.25
"""Largest standardised difference after matching with which a comparison is trusted (Stuart 2010, Stat Sci 25:1)."""


class Families(Asked):
    """What the check asks for."""

    level: Literal["family", "subclass"] = Field(
        "family", description="Column of the families: family (SINE/Alu) or subclass (AluY)."
    )
    min_members: int = Field(20, ge=5, description="A family with fewer elements is not tested.")


@dataclass(frozen=True, kw_only=True)
class TestedFamilies(External):
    """The family of each transposable element, by element, and the families that are tested."""

    family_of: pd.Series
    names: tuple[str, ...]


def hold(elements: pd.DataFrame, asked: Families) -> TestedFamilies:
    """The data of the check, from the element table alone; no families where it names none."""
    family_of = pd.Series(pd.NA, index=elements["element"])
    if asked.level in elements.columns:
        names = elements[asked.level].where(elements["class"] == "TE")
        family_of = pd.Series(names.where(~names.isin([".", "none", ""])).to_numpy(), index=elements["element"])
    counts = family_of.value_counts()
    large = tuple(sorted(counts.index[counts >= asked.min_members]))
    note = f"{len(large)} of {len(counts)} families have {asked.min_members} elements or more and are tested."
    return TestedFamilies(elements=elements, notes=(note,), family_of=family_of, names=large)


@dataclass(frozen=True)
class Matched:
    """One family in one model's elements, and its controls."""

    family: str
    n_members: int
    matches: Matches
    balance: list[dict[str, Any]]


def _subjects(models: Sequence[Prepared], settings: Settings, data: TestedFamilies) -> Iterator[tuple[str, Make]]:
    for one in models:
        for family in data.names:
            yield f"{one.name}|{family}", partial(_match, one, family, data)


def _match(one: Prepared, family: str, data: TestedFamilies) -> Subject:
    """A family and its controls in one model's elements.

    Raises
    ------
    NotTestable
        No other elements are like them.
    """
    members = (one.scores.table["element"].map(data.family_of) == family).to_numpy(dtype=bool)
    matches, balance = match_elements(one, members)
    worst = max(balance, key=lambda row: abs(row["after"]), default=None)
    if worst is not None and abs(worst["after"]) > MOST_IMBALANCE:
        raise NotTestable(
            f"no other elements are like them in {worst['covariate'].replace('_', ' ')} "
            f"(standardised difference {worst['after']:.1f} after matching)"
        )
    matched = Matched(family, int(members.sum()), matches, balance)
    return Subject(f"{one.name}|{family}", (one,), one.setting, matched)


def _test(subject: Subject, settings: Settings) -> Sides:
    """Members of the family less matched elements of others."""
    one, data = subject.one, subject.data
    raw, residual = (
        matched_contrast(
            values, data.matches, subject.setting, generator(settings.seed, "family", data.family, one.name)
        )
        for _, values in one.both()
    )
    details = {"family": data.family, "n_members": data.n_members, "balance": data.balance}
    return Sides(raw, replace(residual, p=max(raw.p, residual.p)), details)


def _summary(findings: Findings) -> dict[str, Any]:
    return {"families": {str(name): int(n) for name, n in findings.data.family_of.value_counts().items()}}


def _tables(findings: Findings) -> Tables:
    data = findings.data
    columns = ["element", "locus", "chrom", "start", "end", "class"]
    table = data.elements[columns].assign(family=data.family_of.to_numpy())
    return Tables(table[table["family"].notna()].reset_index(drop=True))


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    family = entry.details["family"]
    return say_contrast(entry, f"Elements of {family} score", "matched ones of other families")


def _planted(one: Prepared, rng: np.random.Generator) -> TestedFamilies:
    """A family whose members lie in runs, and that follows nothing."""
    members = (one.scores.classes == "TE") & (ndtr(correlated_noise(RUNS, one.scores.loci, rng)) < 0.3)
    family_of = pd.Series(np.where(members, "planted", "none"), index=one.scores.table["element"])
    return TestedFamilies(elements=one.scores.table, family_of=family_of, names=("planted",))


CLAIM = Claim(
    name="te_family",
    title="Families of transposable elements",
    question="does a family of transposable elements score apart from others like it?",
    statistic="elements of a family less matched ones of other families",
    unit="family less matched elements, SD",
    floor=0.1,
    reference=f"{REFERENCE_EFFECT:g} SD",
    subject="the family's mark",
    order=9,
    needs=OutsideData("families", Families, hold, "", _tables, null="matched draws and rotation"),
    subjects=_subjects,
    test=_test,
    say=_say,
    summary=_summary,
    plant=Plant(data=_planted, plain_p="p_matched_draws"),
)
