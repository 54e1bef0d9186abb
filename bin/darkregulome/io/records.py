"""What a claim came to, as it stands in the JSON files: the one place that says its keys.

`diagnosis.json`, `decomposition.json` and `cross_check_<name>.json` hold a list of these under ``claims``. They are
written through `to_json` and read through `from_json`.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field

from darkregulome.io.provenance import plain

Verdict = Literal["survives", "hinges", "collapses", "reverses", "absent", "undecided"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
VERSION = 2
"""Of the files that hold claims: 1 had four verdicts, and a residual where there now are three rungs."""
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


class LearnerOutcome(Record):
    """The effect by one learner; `left_over` is the share of the tested variable that the features leave."""

    effect: float | None = None
    interval: Bounds | None = None
    p: float | None = None
    left_over: float | None = None


class Outcome(Record):
    """One rung of a claim: raw, given the trivial features, or given the full ones.

    `effect` is the middle one of the learners', `interval` the union of theirs, `p` the largest; `q` is adjusted for
    the family. `shown` has effect and interval in the unit that sentences use, where it is not that of the effect.
    """

    effect: float | None = None
    interval: Bounds | None = None
    p: float | None = None
    q: float | None = None
    left_over: float | None = None
    shown: list[float] | None = None
    learners: dict[str, LearnerOutcome] = Field(default_factory=dict)


class ClaimEntry(Record):
    """One claim about one model (``"a|b"`` for a pair or a part), rung by rung, with its verdict.

    `full` is None where no predictability was measured; `reason` says why a verdict is *undecided*. `verdict` is None
    of a claim that is described but not judged.
    """

    claim: str
    model: str
    unit: str = ""
    raw: Outcome = Field(default_factory=Outcome)
    trivial: Outcome | None = None
    full: Outcome | None = None
    null: str = ""
    n: int | None = None
    n_loci: int | None = None
    floor: float | None = None
    margin: float | None = None
    verdict: Verdict | None = None
    reason: str = ""
    gates: dict[str, Any] = Field(default_factory=dict)
    sensitivity: dict[str, Any] = Field(default_factory=dict)
    details: dict[str, Any] = Field(default_factory=dict)
    sentence: str = ""

    @property
    def rungs(self) -> dict[str, Outcome]:
        """The rungs that were measured, in their order."""
        every = {"raw": self.raw, "trivial": self.trivial, "full": self.full}
        return {name: outcome for name, outcome in every.items() if outcome is not None}


class NotTested(Record):
    """A claim that could not be tested on a model, and why."""

    claim: str
    model: str
    reason: str


def rounded(value: Any, digits: int = 6) -> Any:
    """A value for JSON with floats of `digits` significant digits: the last bits of a sum depend on threads."""
    return plain(value, digits)
