"""One claim's ladder: its effect raw, given the trivial features and given the full ones, by every learner."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import roc_auc_score

from darkregulome.diagnosis.decision import FLOOR, MARGIN, Gates
from darkregulome.stats.learners import LEARNERS, residuals
from darkregulome.stats.loci import Floats, Loci
from darkregulome.stats.partial import Estimate, partial_effect, reliability, robustness_value
from darkregulome.stats.residual import normal_scores_by_locus
from darkregulome.stats.setting import NotTestable, Setting

if TYPE_CHECKING:
    from darkregulome.diagnosis.prepared import Prepared

TRIVIAL, FULL = "trivial", "full"
TOP = 0.1
"""Share of elements at either end of the residual, which the features must not tell apart."""
_WINSORISED = 0.005
"""Share of scores at either end that the winsorised twin pulls in."""


@dataclass(frozen=True)
class Pair:
    """A score and what it is held against.

    Attributes
    ----------
    outcome : shape (n,), the score. tested : shape (n,), in units that the effect is per.
    name, outcome_name : of the two, so that the same residual is worked out once.
    others : by name, shape (n,) each, further tested variables that are held fixed (the other classes of a contrast).
    group : of pairs that hold the same variables fixed, so that their features are the same; empty: `name`.
    covariates : shape (n, q), held fixed on every rung, the raw one too (class and distance of matched claims).
    """

    outcome: Floats
    tested: Floats
    name: str
    outcome_name: str = "score"
    others: Mapping[str, Floats] = field(default_factory=dict)
    group: str = ""
    covariates: Floats | None = None


@dataclass(frozen=True)
class Ladder:
    """A claim's effect on every rung.

    Attributes
    ----------
    raw : without adjustment. trivial, full : by learner; `full` is None where no predictability was measured.
    gates, sensitivity, details : see `decision.Gates` and docs/statistics.md.
    """

    raw: Estimate
    trivial: tuple[Estimate, ...]
    full: tuple[Estimate, ...] | None
    gates: Gates = field(default_factory=Gates)
    sensitivity: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def rungs(self) -> dict[str, tuple[Estimate, ...]]:
        """The rungs that were measured, in their order."""
        every = {"raw": (self.raw,), TRIVIAL: self.trivial, FULL: self.full}
        return {name: rung for name, rung in every.items() if rung is not None}


def ranks_of(one: "Prepared") -> Floats:
    """Normal scores of the ranks within loci, in SD within loci: what no monotone change of the scores changes."""
    return one.scores.loci.standardise(normal_scores_by_locus(one.scores.raw, one.scores.loci))[0]


def make_ladder(one: "Prepared", pair: Pair, setting: Setting, floor: float = FLOOR, margin: float = MARGIN) -> Ladder:
    """The ladder of one pair on one model's elements.

    Raises
    ------
    NotTestable
        The tested variable does not vary within loci.
    """
    loci = setting.loci
    plain = _Sides(one, pair, None, "linear")
    raw = partial_effect(plain.outcome, plain.tested, setting)
    by_rung: dict[str, tuple[Estimate, ...]] = {}
    sides: dict[str, dict[str, _Sides]] = {}
    reliable = measured_reliability(one, pair)
    for rung in (TRIVIAL, FULL) if one.scores.has_predictability else (TRIVIAL,):
        sides[rung] = {learner: _Sides(one, pair, rung, learner, reliable) for learner in LEARNERS}
        by_rung[rung] = tuple(_estimate(own, plain.tested, setting, learner) for learner, own in sides[rung].items())
    told = tuple(_told(one, pair, sides[rung], rung, reliable) if rung in sides else 0.5 for rung in (TRIVIAL, FULL))
    winsorised = _winsorised(pair.outcome, loci)
    twin = _Sides(
        one, replace(pair, outcome=winsorised, outcome_name=pair.outcome_name + " winsorised"), TRIVIAL, "linear"
    )
    twin_effect = _slope(twin.outcome, twin.tested)
    raw_twin = _slope(loci.center(winsorised), plain.tested)
    sign = np.sign(by_rung[TRIVIAL][0].effect)
    stable = twin_effect * sign >= floor and all(
        min(sign * np.array(estimate.without_locus)) >= floor
        for estimate in by_rung[TRIVIAL]
        if np.isfinite(estimate.without_locus).all()
    )
    gates = Gates((told[0], told[1]), reliable, True, bool(stable), abs(raw_twin) < margin)
    return Ladder(
        raw,
        by_rung[TRIVIAL],
        by_rung.get(FULL),
        gates,
        _sensitivity(one, pair, by_rung, sides),
        {"winsorised": {"raw": raw_twin, "trivial": twin_effect}},
    )


def _slope(outcome: Floats, tested: Floats) -> float:
    size = float(tested @ tested)
    return float(tested @ outcome) / size if size > 0 else 0.0


class _Sides:
    """Both sides of a pair with the features of a rung taken out by one learner."""

    def __init__(self, one: "Prepared", pair: Pair, rung: str | None, learner: str, reliable: float | None = None):
        key = _features_key(pair, rung, reliable)

        def left(name: str, values: Floats) -> Floats:
            def work() -> Floats:
                features = _features(one, pair, rung, reliable)
                return residuals(values, features, one.setting.loci, one.scores.folds, learner)

            return one.remember((name, key, learner), work)

        self.outcome = left(pair.outcome_name, pair.outcome)[:, 0]
        self.tested = left(pair.name, pair.tested)[:, 0]
        self.everything = self.tested[:, None]
        if pair.others:
            held = np.hstack([left(name, values) for name, values in pair.others.items()])
            self.everything = np.hstack([self.everything, held])
            self.tested = _less(self.tested[:, None], held)[:, 0]


def _estimate(sides: _Sides, unadjusted: Floats, setting: Setting, learner: str) -> Estimate:
    """Where the features leave nothing there is nothing to estimate, and the gate says so."""
    whole = float(unadjusted @ unadjusted)
    share = min(1.0, float(sides.tested @ sides.tested) / whole)
    try:
        return partial_effect(sides.outcome, sides.tested, setting, learner, share)
    except NotTestable:
        return Estimate(learner, 0.0, np.inf, (-np.inf, np.inf), 1.0, 0.0)


def _features_key(pair: Pair, rung: str | None, reliable: float | None) -> str:
    name = pair.group or pair.name
    held = name if pair.covariates is not None else ""
    corrected = name if rung == FULL and reliable is not None and reliable < 1.0 else ""
    return f"{rung}|{held}|{corrected}"


def _features(one: "Prepared", pair: Pair, rung: str | None, reliable: float | None) -> Floats:
    parts = [np.zeros((one.setting.loci.n, 0))]
    if rung is not None:
        parts.append(one.scores.trivial.values)
    if rung == FULL:
        parts.append(_calibrated_predictability(one, pair, reliable)[:, None])
    if pair.covariates is not None:
        parts.append(pair.covariates)
    return np.hstack(parts)


def _calibrated_predictability(one: "Prepared", pair: Pair | None, reliable: float | None) -> Floats:
    """Regression calibration: the best guess of true predictability, given its measurement, the features and what is
    tested (Carroll et al. 2006, Measurement Error in Nonlinear Models, chapter 4). Shape (n,), standardised."""
    measured = one.scores.predictability
    if reliable is None or reliable >= 1.0:
        return measured
    own = _halves_left(one, pair).mean(axis=1)
    return np.asarray(measured - (1.0 - reliable) * own, dtype=np.float64)


def _halves_left(one: "Prepared", pair: Pair | None) -> Floats:
    """What the trivial features, and all that is tested, leave of the halves of predictability: shape (n, 2)."""
    halves = one.scores.halves
    assert halves is not None
    loci, folds = one.setting.loci, one.scores.folds
    left: Floats = one.remember(
        ("halves", "trivial", "splines"),
        lambda: residuals(halves, one.scores.trivial.values, loci, folds, "splines"),
    )
    return left if pair is None else _less(left, _Sides(one, pair, TRIVIAL, "splines").everything)


def measured_reliability(one: "Prepared", pair: Pair | None = None) -> float | None:
    """Reliability of predictability beyond the trivial features and what is tested; None without halves."""
    if not one.scores.has_predictability or one.scores.halves is None:
        return None
    first, second = _halves_left(one, pair).T
    return reliability(first, second)


def full_features(one: "Prepared", reliable: float | None) -> Floats:
    """The full features, predictability corrected for its reliability, where nothing is tested element by element."""
    return np.column_stack([one.scores.trivial.values, _calibrated_predictability(one, None, reliable)])


def _less(values: Floats, others: Floats) -> Floats:
    """What is left of columns once others are regressed out of them: of shape (n, k) and (n, q)."""
    return np.asarray(values - others @ np.linalg.lstsq(others, values, rcond=None)[0], dtype=np.float64)


def _told(one: "Prepared", pair: Pair, by_learner: Mapping[str, _Sides], rung: str, reliable: float | None) -> float:
    """AUC, less its sampling error, with which boosting tells the top from the bottom tenth of what the best learner
    leaves. Against the bottom, not against the rest: features that only widen scores, as short length does, fill both
    ends alike and bend nothing; features that still move the mean fill one of them."""

    def work() -> float:
        best = min(by_learner.values(), key=lambda sides: float(sides.outcome @ sides.outcome)).outcome
        low, high = np.quantile(best, [TOP, 1 - TOP])
        end = np.where(best >= high, 1.0, 0.0) - np.where(best <= low, 1.0, 0.0)
        positive, negative = int((end > 0).sum()), int((end < 0).sum())
        if not (positive and negative and low < high):
            return 0.5
        features = _features(one, pair, rung, None)
        guess = (
            one.setting.loci.center(end)
            - residuals(end, features, one.setting.loci, one.scores.folds, "boosting")[:, 0]
        )
        error = np.sqrt((positive + negative + 1) / (12 * positive * negative))
        return max(0.5, float(roc_auc_score(end[end != 0] > 0, guess[end != 0])) - 1.645 * error)

    return one.remember((pair.outcome_name, _features_key(pair, rung, reliable), "told"), work)


def _winsorised(outcome: Floats, loci: Loci) -> Floats:
    """The scores with both ends pulled in, in their own SD within loci; about medians, which no outlier moves."""
    medians = np.array([np.median(outcome[part]) for part in loci.slices()])
    within = outcome - medians[loci.codes]
    low, high = np.quantile(within, [_WINSORISED, 1 - _WINSORISED])
    return loci.standardise(np.clip(within, low, high))[0]


def _sensitivity(
    one: "Prepared", pair: Pair, rungs: Mapping[str, tuple[Estimate, ...]], sides: Mapping[str, Mapping[str, _Sides]]
) -> dict[str, Any]:
    """How strong an unmeasured cause would have to be, next to the strongest measured feature; and the reliability of
    predictability at which the effect given the full features would vanish."""
    rung = FULL if FULL in rungs else TRIVIAL
    own, estimate = sides[rung]["linear"], rungs[rung][0]
    value = robustness_value(estimate.effect, own.outcome, own.tested)
    strongest, name = _strongest_feature(one, pair)
    record: dict[str, Any] = {
        "robustness_value": value,
        "strongest_feature": name,
        "in_units_of_it": value / strongest if strongest > 0 else None,
    }
    if one.scores.has_predictability:
        record["reliability_where_it_vanishes"] = _vanishing_reliability(one, pair)
    return record


def _strongest_feature(one: "Prepared", pair: Pair) -> tuple[float, str]:
    """The feature with the largest smaller one of its partial R2 with the two sides, given all others."""
    loci = one.setting.loci
    columns = loci.center(one.scores.features.values)
    targets = loci.center(np.column_stack([pair.outcome, pair.tested]))
    best, name = 0.0, ""
    for at, feature in enumerate(one.scores.features.names):
        others = np.delete(columns, at, axis=1)
        both = np.column_stack([columns[:, [at]], targets])
        both = both - others @ np.linalg.lstsq(others, both, rcond=None)[0]
        products = both.T @ both
        squared = products[0, 1:] ** 2 / np.maximum(products[0, 0] * np.diag(products)[1:], 1e-300)
        if squared.min() > best:
            best, name = float(squared.min()), feature
    return best, name


def _vanishing_reliability(one: "Prepared", pair: Pair) -> float | None:
    """The reliability at which regression calibration brings the linear effect to zero; None where none does."""
    loci, folds = one.setting.loci, one.scores.folds
    trivial = _Sides(one, pair, TRIVIAL, "linear")
    left = one.remember(
        ("predictability", "trivial", "linear"),
        lambda: residuals(one.scores.predictability, one.scores.trivial.values, loci, folds, "linear"),
    )[:, 0]
    with_both = float(left @ trivial.tested) * float(left @ trivial.outcome)
    without = float(trivial.outcome @ trivial.tested) * float(left @ left)
    needed = with_both / without if without else 0.0
    return needed if 0.0 < needed < 1.0 else None
