"""What a claim came to, as it stands in the JSON files: the one place that says its keys.

`diagnosis.json`, `decomposition.json` and `cross_check_<name>.json` hold a list of these under ``claims``. They are
written through `to_json` and read through `from_json`.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field

from darkregulome.io.provenance import plain

Verdict = Literal["survives", "collapses", "absent", "underpowered"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
Bounds = tuple[float | None, float | None]


class Record(BaseModel):
    """A part of a JSON file. Later versions may add keys; a reader keeps what it does not know."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=True)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The record of a parsed JSON object; raises pydantic's `ValidationError`."""
        return cls.model_validate(content)

    def to_json(self) -> dict[str, Any]:
        """What is written: the keys that were set, floats rounded, numbers that are none as null."""
        return rounded(self.model_dump(exclude_unset=True))


class Outcome(Record):
    """One test of a claim, on raw or on residual scores.

    `q_any` is q where claims of any size and sign keep their p; only the residual has it.
    """

    statistic: float | None = None
    p: float | None = None
    q: float | None = None
    effect: float | None = None
    interval: Bounds | None = None
    q_any: float | None = None


class ClaimEntry(Record):
    """One claim about one model (``"a|b"`` for a pair), raw and residual, with its verdict.

    `effect` and `interval` are those of the residual. `verdict` is None for a claim that is described but not judged.
    """

    claim: str
    model: str
    unit: str = ""
    raw: Outcome = Field(default_factory=Outcome)
    residual: Outcome = Field(default_factory=Outcome)
    effect: float | None = None
    interval: Bounds | None = None
    null: str = ""
    n: int | None = None
    n_loci: int | None = None
    power: float | None = None
    floor: float | None = None
    verdict: Verdict | None = None
    details: dict[str, Any] = Field(default_factory=dict)
    sentence: str = ""


class NotTested(Record):
    """A claim that could not be tested on a model, and why."""

    claim: str
    model: str
    reason: str


def rounded(value: Any, digits: int = 6) -> Any:
    """A value for JSON with floats of `digits` significant digits: the last bits of a sum depend on threads."""
    return plain(value, digits)
