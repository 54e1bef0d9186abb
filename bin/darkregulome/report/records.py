"""What the report reads, checked on the way in: diagnosis, cross-checks, planted truth, model cards."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from darkregulome.errors import InputError, Problem
from darkregulome.io.documents import read_json
from darkregulome.io.records import Bounds, ClaimEntry, NotTested, Record, Verdict

MOST_PROBLEMS = 5
"""Misfits of one file that are named: where one entry is of another form, all are."""


class ModelSummary(Record):
    """How much of one model's RIS the features of predictability explain; elements without a score, by status."""

    kind: str = ""
    n: int | None = None
    r2: float | None = None
    shares: dict[str, float | None] = Field(default_factory=dict)
    coefficients: dict[str, Any] = Field(default_factory=dict)
    without_score: dict[str, int] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


class _Judgement(Record):
    """A file of claims that were tested."""

    parameters: dict[str, Any] = Field(default_factory=dict)
    claims: list[ClaimEntry]
    not_tested: list[NotTested] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


class Diagnosis(_Judgement):
    """`diagnosis.json`."""

    models: dict[str, ModelSummary] = Field(default_factory=dict)


class CrossCheck(_Judgement):
    """`cross_check_<name>.json`."""

    check: str


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
        The file is absent, is not JSON, or lacks fields; the first misfits are named.
    """
    try:
        return kind.model_validate(read_json(path, remedy))
    except ValidationError as error:
        problems = [
            Problem(f"{path}: {'.'.join(str(step) for step in misfit['loc'])}", misfit["msg"].lower(), remedy)
            for misfit in error.errors()[:MOST_PROBLEMS]
        ]
        raise InputError(*problems) from error


def read_cards(paths: Sequence[str | Path]) -> list[ModelCard]:
    """Model cards by name. A card that does not name its model is named by its folder."""
    cards = []
    for path in paths:
        card = read_record(path, ModelCard, "give a model_card.json written by a trainer of darkregulome")
        name = card.model or str((card.model_extra or {}).get("name") or Path(path).resolve().parent.name)
        cards.append(card.model_copy(update={"model": name}))
    return sorted(cards, key=lambda card: card.model)
