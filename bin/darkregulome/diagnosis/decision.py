"""From a claim's effects, raw and adjusted, to one of six words; never from a p-value alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from darkregulome.io.records import Verdict
from darkregulome.stats.partial import FEWEST_INFORMATIVE

FLOOR = 0.1
"""SD of the score within loci: the smallest effect worth naming."""
MARGIN = 0.25
"""SD of the score within loci: what *absent* excludes; calibration plants it."""
LEAST_LEFT_OVER = 0.1
"""Of the tested variable: where features leave less, it cannot be told from them."""
MOST_RESIDUAL_AUC = 0.7
"""AUC with which features may tell the top from the bottom tenth of the residual; above it the adjustment has failed.
Of normal residuals it is the correlation (0.2) that tells the top tenth from all others with an AUC of 0.6."""
LEAST_RELIABLE, NEEDED_RELIABLE = 0.5, 0.8
"""Of predictability: below the first nothing rests on it, below the second nothing survives by it. Where it is not
known, an effect survives only if it would also stand at the first."""
FEW_LOCI = "one locus or a few elements carry it"


@dataclass(frozen=True)
class Rung:
    """One effect by every learner: raw, given the trivial features, or given the full ones.

    Attributes
    ----------
    effects, lows, highs, p_values : one per learner. q : adjusted p of the learner that is least sure.
    left_over : share of the tested variable that the features leave by the best learner, so the smallest.
    informative_loci : effective number of loci that the effect rests on, by the learner that has fewest.
    """

    effects: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]
    p_values: Sequence[float]
    q: float = float("nan")
    left_over: float = 1.0
    informative_loci: float = float("inf")

    @property
    def envelope(self) -> tuple[float, float]:
        """Union of the learners' intervals."""
        return min(self.lows), max(self.highs)

    @property
    def sign(self) -> float:
        """Of every learner's effect; 0 where they differ."""
        signs = {float(np.sign(effect)) for effect in self.effects}
        return signs.pop() if len(signs) == 1 else 0.0

    @property
    def smallest(self) -> float:
        """Size of the effect by the learner that finds least."""
        return min(abs(effect) for effect in self.effects)

    def beyond(self, alpha: float, floor: float) -> bool:
        """Beyond chance and beyond the floor, with one sign, by every learner."""
        return bool(self.sign != 0 and self.q < alpha and self.smallest >= floor)

    def inside(self, bound: float) -> bool:
        """Whether the whole envelope is nearer to none than `bound`."""
        low, high = self.envelope
        return bool(-bound < low and high < bound)

    def disagree(self, alpha: float, floor: float) -> bool:
        """Whether a learner sees an effect (chance, floor) that another's interval excludes."""
        seen = [
            effect for effect, p in zip(self.effects, self.p_values, strict=True) if p < alpha and abs(effect) >= floor
        ]
        low, high = max(self.lows), min(self.highs)
        return any(not low <= effect <= high for effect in seen)


@dataclass(frozen=True)
class Gates:
    """What must hold before anything is said.

    Attributes
    ----------
    residual_auc : with which the features tell the top from the bottom tenth of what the trivial, and the full ones
        leave of the score (of a list: members from others of the same chance).
    reliability : of predictability; None where its halves are not known.
    reliability_needed : at which the effect given the full features falls to the floor; 0: at none.
    draws : whether the null has enough draws for the family.
    stable, stable_full : whether the effect given the trivial, and given the full features keeps sign and floor without
        any one locus, and with scores winsorised.
    stable_loss : whether the effect given the full features then stays below the smallest given the trivial ones.
    stable_absence : whether the raw effect stays inside the margin when scores are winsorised.
    """

    residual_auc: tuple[float, float] = (0.5, 0.5)
    reliability: float | None = 1.0
    reliability_needed: float = 1.0
    draws: bool = True
    stable: bool = True
    stable_full: bool = True
    stable_loss: bool = True
    stable_absence: bool = True


@dataclass(frozen=True)
class Evidence:
    """All that a verdict rests on.

    Attributes
    ----------
    full : None where no predictability was measured. floor, margin : of the claim, stated beforehand.
    natural, natural_floor : size and least size of the effect in the readout's own units, where it has a floor there.
    """

    raw: Rung
    trivial: Rung
    full: Rung | None
    floor: float
    margin: float
    gates: Gates = field(default_factory=Gates)
    natural: float | None = None
    natural_floor: float | None = None


@dataclass(frozen=True)
class Decision:
    """A verdict, and for *undecided* the reason."""

    verdict: Verdict
    reason: str = ""


def decide(evidence: Evidence, alpha: float) -> Decision:
    """The verdict on a claim: see docs/statistics.md for what each word says.

    The gates come first where a word rests on what they guard; then *reverses*, *survives*, *hinges*, *collapses*,
    *absent*. What none of them describes is *undecided*, with the reason that would have to go.
    """
    raw, trivial, gates = evidence.raw, evidence.trivial, evidence.gates
    reason = _shut(evidence)
    if reason:
        return Decision("undecided", reason)
    raw_seen, trivial_seen = raw.beyond(alpha, evidence.floor), trivial.beyond(alpha, evidence.floor)
    if trivial_seen:
        if not gates.stable:
            return Decision("undecided", FEW_LOCI)
        if raw_seen and raw.sign != trivial.sign:
            return Decision("reverses")
        return _given_full(evidence, alpha)
    # Half of a large raw effect may still hide one that matters, so the margin bounds it too.
    if raw_seen and trivial.inside(min(max(abs(raw.effects[0]) / 2, evidence.floor), evidence.margin)):
        return Decision("collapses")
    full_seen = evidence.full is not None and evidence.full.beyond(alpha, evidence.floor)
    if not raw_seen and not full_seen and _inside_margin(evidence):
        return Decision("absent") if gates.stable_absence else Decision("undecided", FEW_LOCI)
    return Decision("undecided", "learners disagree" if trivial.disagree(alpha, evidence.floor) else "underpowered")


def _shut(evidence: Evidence) -> str:
    """The gate that no word passes, as a reason; empty where all are open."""
    trivial, gates = evidence.trivial, evidence.gates
    if not gates.draws:
        return "few draws"
    if min(evidence.raw.informative_loci, trivial.informative_loci) < FEWEST_INFORMATIVE - 1e-9:
        return "one locus"
    if trivial.left_over < LEAST_LEFT_OVER:
        return "not identifiable"
    return "adjustment failed" if gates.residual_auc[0] > MOST_RESIDUAL_AUC else ""


def _given_full(evidence: Evidence, alpha: float) -> Decision:
    """Of an effect that is there given the trivial features: does predictability explain it, as the model learnt it?"""
    trivial, full, gates = evidence.trivial, evidence.full, evidence.gates
    if full is None:
        return Decision("undecided", "predictability not measured")
    if gates.reliability is not None and gates.reliability < LEAST_RELIABLE:
        return Decision("undecided", "predictability too noisy")
    if full.left_over < LEAST_LEFT_OVER:
        return Decision("undecided", "not identifiable")
    if gates.residual_auc[1] > MOST_RESIDUAL_AUC:
        return Decision("undecided", "adjustment failed")
    seen = full.beyond(alpha, evidence.floor)
    if seen and full.sign == trivial.sign:
        reason = _short_of_survival(evidence)
        return Decision("undecided", reason) if reason else Decision("survives")
    # It must be shown to be smaller: a wide interval shows nothing.
    largest = max(trivial.sign * bound for bound in full.envelope)
    if seen or largest < trivial.smallest:
        return Decision("hinges") if gates.stable_loss else Decision("undecided", FEW_LOCI)
    return Decision("undecided", "learners disagree" if full.disagree(alpha, evidence.floor) else "underpowered")


def _short_of_survival(evidence: Evidence) -> str:
    """Why an effect that is there given the full features too does not survive; empty where it does.

    What noise hides of predictability is left in the effect. The correction for it rests on the noise's form, so a
    reliability below `NEEDED_RELIABLE` does not carry it; where none is known nothing was corrected, and the effect
    must stand at the least reliability that anything rests on.
    """
    gates = evidence.gates
    if gates.reliability is None and gates.reliability_needed >= LEAST_RELIABLE:
        return "reliability of predictability not known"
    if gates.reliability is not None and gates.reliability < NEEDED_RELIABLE:
        return "predictability too noisy"
    if not gates.stable_full:
        return FEW_LOCI
    if evidence.natural_floor is not None and abs(evidence.natural or 0.0) < evidence.natural_floor:
        return "too small to be measured"
    return ""


def _inside_margin(evidence: Evidence) -> bool:
    rungs = (evidence.raw, evidence.trivial, *([evidence.full] if evidence.full is not None else []))
    return all(rung.inside(evidence.margin) for rung in rungs)
