"""What a claim file says of itself, and how it is found by name.

A file of this folder that holds a claim ends with ``CLAIM = Claim(...)``; the file has the name of the claim.
Diagnosis, cross-checks, calibration, report, documents and the truth of the simulated genome read that record, and
nothing else has to know of it.
"""

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from darkregulome import claims
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry, Verdict

_DECLARES = re.compile(r"^CLAIM\b.*=", re.MULTILINE)

Say = Callable[[ClaimEntry, Settings], tuple[str, str]]
"""An entry and the settings of the run to two clauses: what the raw scores show, and what remains of it."""


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
    say : what a sentence says of its numbers.
    order : its place in files, tables and documents.
    simulated : the verdict that it must reach on the simulated genome where something is planted, by model.
    """

    name: str
    title: str
    question: str
    statistic: str
    unit: str
    floor: float
    reference: str
    subject: str
    say: Say
    order: int
    simulated: Mapping[str, Verdict] = field(default_factory=dict)


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
