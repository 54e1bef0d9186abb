"""What the report reads, checked on the way in: diagnosis, cross-checks, planted truth, model cards."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from darkregulome.errors import InputError, Problem
from darkregulome.io.documents import read_json

Verdict = Literal["survives", "collapses", "absent", "underpowered"]
VERDICTS: tuple[Verdict, ...] = ("survives", "collapses", "absent", "underpowered")
MOST_PROBLEMS = 5
"""Misfits of one file that are named: where one entry is of another form, all are."""


class _Record(BaseModel):
    # Later stages may add fields; the report shows those it knows.
    model_config = ConfigDict(extra="allow", allow_inf_nan=True)


class Outcome(_Record):
    """One test of a claim, on raw or on residual RIS."""

    statistic: float | None = None
    p: float | None = None
    q: float | None = None
    effect: float | None = None
    interval: tuple[float | None, float | None] | None = None


class Claim(_Record):
    """One claim about one model (``"a|b"`` for a pair), raw and residual, with its verdict.

    `verdict` is None for a claim that is described but not judged.
    """

    claim: str
    model: str
    unit: str = ""
    raw: Outcome = Field(default_factory=Outcome)
    residual: Outcome = Field(default_factory=Outcome)
    effect: float | None = None
    interval: tuple[float | None, float | None] | None = None
    null: str = ""
    n: int | None = None
    n_loci: int | None = None
    power: float | None = None
    floor: float | None = None
    verdict: Verdict | None = None
    sentence: str = ""
    details: dict[str, Any] = Field(default_factory=dict)


class NotTested(_Record):
    """A claim that could not be tested on a model, and why."""

    claim: str
    model: str
    reason: str


class ModelSummary(_Record):
    """How much of one model's RIS the features of predictability explain; elements without a score, by status."""

    kind: str = ""
    n: int | None = None
    r2: float | None = None
    shares: dict[str, float | None] = Field(default_factory=dict)
    coefficients: dict[str, Any] = Field(default_factory=dict)
    without_score: dict[str, int] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


class Diagnosis(_Record):
    """`diagnosis.json`."""

    parameters: dict[str, Any] = Field(default_factory=dict)
    models: dict[str, ModelSummary] = Field(default_factory=dict)
    claims: list[Claim]
    not_tested: list[NotTested] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


class CrossCheck(_Record):
    """`cross_check_<name>.json`."""

    check: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    claims: list[Claim]
    not_tested: list[NotTested] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


class Expectation(_Record):
    """A verdict that the simulated genome was built to give."""

    claim: str
    model: str
    verdict: Verdict | list[Verdict]

    @property
    def verdicts(self) -> list[str]:
        return [self.verdict] if isinstance(self.verdict, str) else list(self.verdict)


class Truth(_Record):
    """`truth.json` of a simulated genome. Nothing planted: no claim may survive."""

    planted: bool
    seed: int | None = None
    expected: list[Expectation] = Field(default_factory=list)
    facts: dict[str, Any] = Field(default_factory=dict)


class ModelCard(_Record):
    """`model_card.json` of a checkpoint folder; losses in nats per base."""

    model: str = ""
    command: str = ""
    heldout_loss: float | None = None
    markov_loss: dict[str, float | None] = Field(default_factory=dict)
    motif_loss: Any = None


class Judged(_Record):
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


class Matched(_Record):
    """Scores judged against matched controls."""

    n: int
    results: list[Judged]


class ByFrequency(_Record):
    """A score against the frequency of alleles."""

    score: str
    n: int
    spearman: float | None
    interval: tuple[float | None, float | None]
    monotone: bool


class Evaluation(_Record):
    """`evaluation.json` of evaluate_scores.py."""

    results: list[Judged]
    matched: Matched | None = None
    frequency: list[ByFrequency] = Field(default_factory=list)


AnyRecord = TypeVar("AnyRecord", bound=_Record)


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
