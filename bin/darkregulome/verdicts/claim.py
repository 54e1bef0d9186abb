"""What a claim of the second edition says of itself, and how it is found by name."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from darkregulome.stats.loci import Floats
from darkregulome.stats.tested import Setting
from darkregulome.verdicts import claims
from darkregulome.verdicts.adjust import Ladder
from darkregulome.verdicts.decision import MARGIN
from darkregulome.verdicts.prepared import Prepared
from darkregulome.verdicts.records import ClaimEntry
from darkregulome.verdicts.scores import LadderScores
from darkregulome.verdicts.settings import Settings


@dataclass(frozen=True)
class Subject:
    """What a claim is asked of: one model, or a pair; `one` is whose readout the effect is measured in.

    Attributes
    ----------
    model : its name in the files: ``"a"``, or ``"a|b"`` for a pair or a part.
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


Make = Callable[[], Subject]
Subjects = Callable[[Sequence[Prepared], Settings], Iterator[tuple[str, Make]]]
"""Models and settings to the subjects of a claim: the name of each, and what makes it (or raises `NotTestable`)."""


def each_model(models: Sequence[Prepared], settings: Settings) -> Iterator[tuple[str, Make]]:
    """The subjects of a claim about single models."""
    for one in models:
        yield one.name, partial(Subject, one.name, one, one.setting)


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes
    ----------
    name : in the files; the name of its module. title : for readers. question : that it answers.
    statistic : that is tested. unit : of the effect. subject : what a sentence calls it ("the horizon").
    floor : smallest effect worth naming. margin : the effect that *absent* excludes. Both stated beforehand.
    order : its place in files.
    test : the ladder of one subject. say : what a sentence says that the raw scores show.
    show : turns an effect into the unit that sentences use; None: that of the effect.
    describe : details that a run writes. summary : further keys of the JSON, over all entries of the claim.
    in_readout_units : whether the effect is a difference of means, which can be too small in the readout's own units.
    signal : the tested variable on each element, shape (n,), which calibration acts on; None: it leaves the claim out.
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
    show: Callable[[float], float] | None = None
    subjects: Subjects = each_model
    describe: Callable[[Subject, Ladder, Settings], Mapping[str, Any]] = lambda subject, ladder, settings: {}
    summary: Callable[[Sequence[ClaimEntry]], dict[str, Any]] = lambda entries: {}
    in_readout_units: bool = True
    signal: Callable[[LadderScores, Settings], Floats] | None = None


def all_claims() -> list[Claim]:
    """Every claim of the folder, in the order of its `order`."""
    names = [one.name for one in pkgutil.iter_modules(claims.__path__)]
    modules = [importlib.import_module(f"{claims.__name__}.{name}") for name in names]
    return sorted((module.CLAIM for module in modules if hasattr(module, "CLAIM")), key=lambda claim: claim.order)
