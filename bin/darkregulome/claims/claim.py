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

import numpy as np
import pandas as pd
from pydantic import BaseModel

from darkregulome import claims
from darkregulome.diagnosis.prepared import Prepared, track_floor
from darkregulome.diagnosis.scores import ModelScores
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry, Verdict
from darkregulome.stats.loci import Floats
from darkregulome.stats.tested import Setting, Tested

_DECLARES = re.compile(r"^CLAIM\b.*=", re.MULTILINE)


@dataclass(frozen=True)
class Subject:
    """What a claim is asked of: one model, two or all; for a cross-check one model and the outside data.

    Attributes
    ----------
    model : its name in the files: ``"a"``, ``"a|b"`` for a pair, ``"a|SINE/Alu"`` for a part of the outside data.
    readouts : the models in whose readout the effect is measured; the first is what `one` gives.
    setting : layout, null and bootstrap draws of the elements.
    data : whatever else the claim's own test needs.
    """

    model: str
    readouts: tuple[Prepared, ...]
    setting: Setting
    data: Any = None

    @property
    def one(self) -> Prepared:
        """The model that is asked, where it is one."""
        return self.readouts[0]

    @property
    def residual_sd(self) -> float:
        """Within-locus SD of the residual, in the readout's units."""
        return float(np.mean([one.residual_sd for one in self.readouts]))

    def track_floor(self, settings: Settings) -> float | None:
        """The floor in the units of the readout; None where a readout has none."""
        floors = [track_floor(one.scores, settings.track_floor) for one in self.readouts]
        return None if None in floors else floors[0]


@dataclass(frozen=True)
class Sides:
    """A claim tested on raw and on residual scores, and details for its sentence and its readers."""

    raw: Tested
    residual: Tested
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ClaimResult:
    """One claim on one subject, before the other claims of its family are known.

    Attributes
    ----------
    n, n_loci, null : elements, loci, and how chance was drawn.
    residual_sd : within-locus SD of the residual, in the readout's units: turns a contrast in SD into natural units.
    track_floor : least effect in those units; None where the readout has no floor.
    subject : None for results that no run made.
    """

    claim: "Claim"
    model: str
    raw: Tested
    residual: Tested
    n: int
    n_loci: int
    null: str
    residual_sd: float
    track_floor: float | None
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
    figure : of (record, profiles); None: raw and residual effects by subject.
    null : how chance is drawn, in words; empty: the null of the run.
    """

    check: str
    asks: type[BaseModel]
    read: Callable[[pd.DataFrame, Any], External]
    example: str
    tables: Callable[[Findings], Tables]
    figure: Callable[[Mapping[str, Any], pd.DataFrame], Any] | None = None
    null: str = ""


@dataclass(frozen=True)
class Plant:
    """How calibration plants the truth of a claim, or draws outside data that follow nothing.

    Attributes
    ----------
    truth : name of the truth that it plants; empty where none is planted for it.
    signal : unit effect of that truth on each element, shape (n,).
    along_with : truths that are planted together with it too, in a table of their own.
    true_under : truths that make the claim true.
    touched : whether every other planted truth moves it, so that it is then judged neither way.
    data : draws the outside data.
    plain_p : name of the detail that has the p-value of a plainer null, shown next to the null's; None: the test is
        repeated under the shuffle within the locus. A detail that no test gives: there is no plainer null.
    more : further statistics that calibration counts, by name: of a subject, p and contrast by side.
    """

    truth: str = ""
    signal: Callable[[ModelScores, Settings], Floats] | None = None
    along_with: tuple[str, ...] = ()
    true_under: tuple[str, ...] = ()
    touched: bool = True
    data: Callable[[Prepared, np.random.Generator], External] | None = None
    plain_p: str | None = None
    more: Mapping[str, Callable[[Subject], Mapping[str, Mapping[str, Any]]]] = field(default_factory=dict)


Make = Callable[[], Subject]
Subjects = Callable[[Sequence[Prepared], Settings, Any], Iterator[tuple[str, Make]]]
"""Models, settings and outside data to the subjects of a claim: the name of each, and what makes it (or raises
`NotTestable`)."""
Needs = Literal["one model", "two kinds of models", "all models"] | OutsideData


def each_model(data_of: Callable[[Prepared, Settings, Any], Any] = lambda one, settings, data: None) -> Subjects:
    """The subjects of a claim about single models; `data_of` gives what the test needs besides the scores."""

    def subjects(models: Sequence[Prepared], settings: Settings, data: Any) -> Iterator[tuple[str, Make]]:
        for one in models:
            yield one.name, partial(_whole_model, one, settings, data, data_of)

    return subjects


def _whole_model(
    one: Prepared, settings: Settings, data: Any, data_of: Callable[[Prepared, Settings, Any], Any]
) -> Subject:
    return Subject(one.name, (one,), one.setting, data_of(one, settings, data))


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes
    ----------
    name : in the files; the name of its module.
    title : in the report.
    question : that it answers, for the documents.
    statistic : that is tested, for the documents.
    unit : of the effect.
    floor : least effect, as distance from none, that it must keep to survive.
    reference : the effect that its power is stated for, in words with its unit.
    subject : what a sentence calls it ("the horizon").
    order : its place in files, tables and documents.
    needs : what it is asked of besides elements and scores.
    subjects : what it is asked of, in order.
    test : tests one subject, raw and residual.
    say : what a sentence says of an entry: what the raw scores show, and what remains of it.
    describe : details that a run writes and that calibration does not need.
    summary : further keys of the JSON, over all subjects.
    in_readout_units : whether the effect is a difference of means, which can be too small in the readout's own units.
    simulated : the verdict that it must reach on the simulated genome where something is planted, by model.
    plant : how calibration plants it; None: calibration leaves it out.
    """

    name: str
    title: str
    question: str
    statistic: str
    unit: str
    floor: float
    reference: str
    subject: str
    order: int
    test: Callable[[Subject, Settings], Sides]
    say: Callable[[ClaimEntry, Settings], tuple[str, str]]
    needs: Needs = "one model"
    subjects: Subjects = field(default_factory=each_model)
    describe: Callable[[Subject, Sides, Settings], Mapping[str, Any]] = lambda subject, sides, settings: {}
    summary: Callable[[Findings], dict[str, Any]] = lambda findings: {}
    in_readout_units: bool = True
    simulated: Mapping[str, Verdict] = field(default_factory=dict)
    plant: Plant | None = None

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
