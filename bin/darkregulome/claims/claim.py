"""What a claim file says of itself, and how it is found by name.

A file of this folder that holds a claim ends with ``CLAIM = Claim(...)``; the file has the name of the claim.
Diagnosis, cross-checks, calibration, report, documents and the truth of the simulated genome read that record, and
nothing else has to know of it.
"""

import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel

from darkregulome import claims
from darkregulome.diagnosis.adjust import Ladder
from darkregulome.diagnosis.decision import MARGIN
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.scores import ModelScores
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry, Verdict
from darkregulome.stats.loci import Floats
from darkregulome.stats.setting import Setting

_DECLARES = re.compile(r"^CLAIM\b.*=", re.MULTILINE)


@dataclass(frozen=True)
class Subject:
    """What a claim is asked of: one model, or a pair; `one` is whose readout the effect is measured in.

    Attributes
    ----------
    model : its name in the files: ``"a"``, ``"a|b"`` for a pair, ``"a|SINE/Alu"`` for a part of the outside data.
    setting : layout and null of the elements. data : whatever else the claim's own test needs.
    """

    model: str
    one: Prepared
    setting: Setting
    data: Any = None


@dataclass(frozen=True)
class ClaimResult:
    """One claim on one subject, before the other claims of its family are known.

    Attributes
    ----------
    natural, track_floor : the effect in the readout's own units and its least size; None where it has no floor.
    subject : None for results that no run made.
    """

    claim: "Claim"
    model: str
    ladder: Ladder
    n: int
    n_loci: int
    null: str
    natural: float | None = None
    track_floor: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    subject: Subject | None = None


@dataclass(frozen=True, kw_only=True)
class External:
    """What no model saw, read and ready: the base of each cross-check's data.

    Attributes
    ----------
    elements : those that can be tested. notes : what a reader must know of the data.
    """

    elements: pd.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """What a claim came to on every subject of a run.

    Attributes
    ----------
    models : all that were asked. data : what they were held against; None without outside data.
    results, entries : one per subject that could be tested, in the same order.
    """

    models: Sequence[Prepared]
    data: Any
    results: Sequence[ClaimResult]
    entries: Sequence[ClaimEntry]


@dataclass(frozen=True)
class Tables:
    """Of a cross-check: one row per element (or gene) with what is known of it, and what its figure needs."""

    elements: pd.DataFrame
    profiles: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class OutsideData:
    """What a claim needs that no model saw, and the cross-check that tests it.

    Attributes
    ----------
    check : name of the cross-check: the subcommand of `cross_check.py`, and the name of its files.
    asks : settings class of the options that name the data.
    read : reads and checks the data: (element table, options) to a `External`.
    example : its options, for ``--help``.
    tables : makes the tables of the check.
    figure : of (record, profiles); None: effects by rung and subject.
    null : how chance is drawn, in words; empty: the null of the run.
    """

    check: str
    asks: type[BaseModel]
    read: Callable[[pd.DataFrame, Any], External]
    example: str
    tables: Callable[[Findings], Tables]
    figure: Callable[[Mapping[str, Any], pd.DataFrame], Any] | None = None
    null: str = ""


Make = Callable[[], Subject]
Subjects = Callable[[Sequence[Prepared], Settings, Any], Iterator[tuple[str, Make]]]
"""Models, settings and outside data to the subjects of a claim: the name of each, and what makes it (or raises
`NotTestable`)."""
Needs = Literal["one model", "two kinds of models", "all models"] | OutsideData


def each_model(models: Sequence[Prepared], settings: Settings, data: Any) -> Iterator[tuple[str, Make]]:
    """The subjects of a claim about single models; the outside data, if there are any, go with each."""
    for one in models:
        yield one.name, partial(Subject, one.name, one, one.setting, data)


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes
    ----------
    name : in the files; the name of its module. title : for readers. question : that it answers.
    statistic : that is tested. unit : of the effect. subject : what a sentence calls it ("the horizon").
    floor : smallest effect worth naming. margin : the effect that *absent* excludes. Both stated beforehand.
    order : its place in files, tables and documents. needs : what it is asked of besides elements and scores.
    subjects : what it is asked of, in order.
    test : the ladder of one subject. say : what a sentence says that the raw scores show.
    show : turns an effect into the unit that sentences use; None: that of the effect.
    describe : details that a run writes. summary : further keys of the JSON, over all subjects.
    in_readout_units : whether the effect is a difference of means, which can be too small in the readout's own units.
    signal : the tested variable on each element, shape (n,), which calibration acts on; None: it leaves the claim out.
    calibrated : the subject that calibration asks; None: the first.
    simulated : the verdicts, by model, that it may reach on the simulated genome where something is planted.
    """

    name: str
    title: str
    question: str
    statistic: str
    unit: str
    subject: str
    floor: float
    order: int
    test: Callable[[Subject, Settings], Ladder]
    say: Callable[[ClaimEntry, Settings], str]
    margin: float = MARGIN
    needs: Needs = "one model"
    show: Callable[[float], float] | None = None
    subjects: Subjects = each_model
    describe: Callable[[Subject, Ladder, Settings], Mapping[str, Any]] = lambda subject, ladder, settings: {}
    summary: Callable[[Findings], dict[str, Any]] = lambda findings: {}
    in_readout_units: bool = True
    signal: Callable[[ModelScores, Settings], Floats] | None = None
    calibrated: Callable[[Sequence[Prepared], Settings], Subject] | None = None
    simulated: Mapping[str, tuple[Verdict, ...]] = field(default_factory=dict)

    def asked_of(self, models: Sequence[Prepared], settings: Settings) -> Subject:
        """The subject that calibration asks: the one on which `signal` acts."""
        if self.calibrated is not None:
            return self.calibrated(models, settings)
        return next(make for _, make in self.subjects(models, settings, None))()

    @property
    def family(self) -> str:
        """Claims of one family are adjusted together and stand in one file."""
        if isinstance(self.needs, OutsideData):
            return self.needs.check
        return "decomposition" if self.needs == "all models" else "diagnosis"


def claim_names() -> tuple[str, ...]:
    """Names of all claims, found without importing them."""
    return _names_in(tuple(claims.__path__))


@lru_cache
def _names_in(folders: tuple[str, ...]) -> tuple[str, ...]:
    files = (path for folder in folders for path in Path(folder).glob("*.py"))
    return tuple(sorted(path.stem for path in files if _DECLARES.search(path.read_text())))


def find_claim(name: str) -> Claim:
    """The claim of a name out of `claim_names`."""
    if name not in claim_names():
        raise KeyError(name)
    return importlib.import_module(f"darkregulome.claims.{name}").CLAIM


def all_claims() -> list[Claim]:
    """Every claim, in the order of its `order`."""
    return sorted(map(find_claim, claim_names()), key=lambda claim: (claim.order, claim.name))


def cross_checks() -> list[tuple[Claim, OutsideData]]:
    """The claims that need outside data, with what they need."""
    return [(claim, claim.needs) for claim in all_claims() if isinstance(claim.needs, OutsideData)]
