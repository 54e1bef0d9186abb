"""What the report reads, checked on the way in: diagnosis, cross-checks, calibration, planted truth, model cards."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from darkregulome.errors import InputError, Problem
from darkregulome.io.documents import read_json
from darkregulome.io.records import VERSION, Bounds, ClaimEntry, NotTested, Record, Verdict

MOST_PROBLEMS = 5
"""Misfits of one file that are named: where one entry is of another form, all are."""


class ModelSummary(Record):
    """One model of a diagnosis.

    `r2` is how much of RIS the features of each rung explain, and `top_tenth_from_features` how well those alone tell
    the top tenth (AUC). `halves` says whether predictability came in two halves, which give its reliability.
    """

    kind: str = ""
    n: int | None = None
    r2: dict[str, float | None] = Field(default_factory=dict)
    top_tenth_from_features: dict[str, float | None] = Field(default_factory=dict)
    shares: dict[str, float | None] = Field(default_factory=dict)
    features: list[str] = Field(default_factory=list)
    dropped_features: dict[str, str] = Field(default_factory=dict)
    predictability_source: str = ""
    halves: bool | None = None
    without_score: dict[str, int] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)


class Judgement(Record):
    """A file of claims that were tested."""

    version: int
    parameters: dict[str, Any] = Field(default_factory=dict)
    claims: list[ClaimEntry]
    not_tested: list[NotTested] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


class ClassOrder(Record):
    """Whether the order of a model's classes holds: its verdict, those of the pairs, and Kendall's tau by rung."""

    verdict: Verdict
    pairs: dict[str, Verdict | None] = Field(default_factory=dict)
    not_identifiable: list[str] = Field(default_factory=list)
    kendall_tau: dict[str, float | None] = Field(default_factory=dict)


class Diagnosis(Judgement):
    """`diagnosis.json`."""

    models: dict[str, ModelSummary] = Field(default_factory=dict)
    class_order: dict[str, ClassOrder] = Field(default_factory=dict)


class CrossCheck(Judgement):
    """`cross_check_<name>.json`."""

    check: str


class World(Record):
    """What was said in one world of a calibration, and the words that are right in it."""

    world: str
    says: str = ""
    claim: str
    scores: str
    n: int | None = None
    n_loci: int | None = None
    tables: int
    verdicts: dict[Verdict, int]
    right: list[Verdict]
    reasons: dict[str, int] = Field(default_factory=dict)


class Calibration(Record):
    """`calibration.json`."""

    version: int
    parameters: dict[str, Any] = Field(default_factory=dict)
    worlds: list[World]
    warnings: list[str] = Field(default_factory=list)


class Expectation(Record):
    """A verdict that the simulated genome was built to give."""

    claim: str
    model: str
    verdict: Verdict | list[Verdict]

    @property
    def verdicts(self) -> list[str]:
        return [self.verdict] if isinstance(self.verdict, str) else list(self.verdict)


class Truth(Record):
    """`truth.json` of a simulated genome. Nothing planted: no claim may survive."""

    planted: bool
    seed: int | None = None
    expected: list[Expectation] = Field(default_factory=list)
    facts: dict[str, Any] = Field(default_factory=dict)


class ModelCard(Record):
    """`model_card.json` of a checkpoint folder; losses in nats per base."""

    model: str = ""
    command: str = ""
    heldout_loss: float | None = None
    markov_loss: dict[str, float | None] = Field(default_factory=dict)
    motif_loss: Any = None


class Judged(Record):
    """One score judged by one statistic, over all variants or within a stratum."""

    score: str
    statistic: str
    by: str = "all"
    stratum: str = "all"
    n: int | None = None
    n_positive: int | None = None
    value: float | None
    low: float | None
    high: float | None


class Matched(Record):
    """Scores judged against matched controls."""

    n: int
    results: list[Judged]


class ByFrequency(Record):
    """A score against the frequency of alleles."""

    score: str
    n: int
    spearman: float | None
    interval: Bounds
    monotone: bool


class Evaluation(Record):
    """`evaluation.json` of evaluate_scores.py."""

    results: list[Judged]
    matched: Matched | None = None
    frequency: list[ByFrequency] = Field(default_factory=list)


AnyRecord = TypeVar("AnyRecord", bound=Record)


def read_record(path: str | Path, kind: type[AnyRecord], remedy: str) -> AnyRecord:
    """Read one JSON file and check it.

    Raises
    ------
    InputError
        The file is absent, is not JSON, lacks fields, or is of another version; the first misfits are named.
    """
    content = read_json(path, remedy)
    if "version" in kind.model_fields:
        check_version(content, path)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problems = [
            Problem(f"{path}: {'.'.join(str(step) for step in misfit['loc'])}", misfit["msg"].lower(), remedy)
            for misfit in error.errors()[:MOST_PROBLEMS]
        ]
        raise InputError(*problems) from error


def check_version(content: Mapping[str, Any], path: str | Path) -> None:
    """Refuse a file of verdicts that another version wrote.

    Raises
    ------
    InputError : the file holds claims or worlds and has another version than `VERSION`.
    """
    version = content.get("version", 1)
    if not isinstance(version, int) or not {"claims", "worlds", "conditions"} & set(content):
        return
    if version < VERSION:
        remedy = "run the script that wrote it again"
        raise InputError.at(path, "was written by an older version, with four verdicts", remedy)
    if version > VERSION:
        raise InputError.at(
            path, f"was written by a newer version (its files have number {version})", "update darkregulome"
        )


def read_cards(paths: Sequence[str | Path]) -> list[ModelCard]:
    """Model cards by name. A card that does not name its model is named by its folder."""
    cards = []
    for path in paths:
        card = read_record(path, ModelCard, "give a model_card.json written by a trainer of darkregulome")
        name = card.model or str((card.model_extra or {}).get("name") or Path(path).resolve().parent.name)
        cards.append(card.model_copy(update={"model": name}))
    return sorted(cards, key=lambda card: card.model)
