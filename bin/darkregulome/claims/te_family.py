"""A family of transposable elements scores apart from other elements of its distance.

A family whose members the features tell from all others is not identifiable: its mark could be its predictability.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pandas as pd
from pydantic import Field

from darkregulome.claims.claim import Claim, External, Findings, Make, OutsideData, Subject, Tables
from darkregulome.claims.marked import test_marked
from darkregulome.claims.sentences import say_contrast
from darkregulome.diagnosis.adjust import Ladder
from darkregulome.diagnosis.decision import FLOOR
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Asked, Settings
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.loci import Bools


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


def _members(one: Prepared, family: str, data: TestedFamilies) -> Bools:
    return (one.scores.table["element"].map(data.family_of) == family).to_numpy(dtype=bool)


def _subjects(models: Sequence[Prepared], settings: Settings, data: TestedFamilies) -> Iterator[tuple[str, Make]]:
    for one in models:
        for family in data.names:
            name = f"{one.name}|{family}"
            yield name, partial(Subject, name, one, one.setting, (family, data))


def _test(subject: Subject, settings: Settings) -> Ladder:
    """Members of the family less other elements, class and distance held fixed."""
    family, data = subject.data
    return test_marked(subject.one, _members(subject.one, family, data), f"family {family}", subject.setting)


def _describe(subject: Subject, ladder: Ladder, settings: Settings) -> Mapping[str, Any]:
    family, data = subject.data
    return {"family": family, "n_members": int(_members(subject.one, family, data).sum())}


def _summary(findings: Findings) -> dict[str, Any]:
    return {"families": {str(name): int(n) for name, n in findings.data.family_of.value_counts().items()}}


def _tables(findings: Findings) -> Tables:
    data = findings.data
    columns = ["element", "locus", "chrom", "start", "end", "class"]
    table = data.elements[columns].assign(family=data.family_of.to_numpy())
    return Tables(table[table["family"].notna()].reset_index(drop=True))


def _say(entry: ClaimEntry, settings: Settings) -> str:
    return say_contrast(entry, f"Elements of {entry.details['family']} score", "other transposable elements")


CLAIM = Claim(
    name="te_family",
    title="Families of transposable elements",
    question="does a family of transposable elements score apart from the other ones?",
    statistic="elements of a family less others, class and distance held fixed, both sides partialled out",
    unit="family less other elements, SD of the score",
    floor=FLOOR,
    subject="the family's mark",
    order=9,
    needs=OutsideData("families", Families, hold, "", _tables),
    subjects=_subjects,
    test=_test,
    say=_say,
    describe=_describe,
    summary=_summary,
)
