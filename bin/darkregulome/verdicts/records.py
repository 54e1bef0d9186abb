"""A claim of the second edition, as it stands in ``verdicts.json``: the one place that says its keys."""

from typing import Any, Literal, get_args

from pydantic import Field

from darkregulome.io.records import Bounds, Record

Verdict = Literal["survives", "hinges", "collapses", "reverses", "absent", "undecided"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
VERSION = 2
"""Of the files that hold claims: 1 had four verdicts, and a residual where there now are three rungs."""


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
