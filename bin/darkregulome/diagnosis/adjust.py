"""One claim's ladder: its effect raw, given the trivial features and given the full ones, by every learner."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

from darkregulome.diagnosis.decision import FLOOR, LEAST_LEFT_OVER, MARGIN, Gates
from darkregulome.stats.learners import LEARNERS, residuals
from darkregulome.stats.loci import Bools, Floats, Ints, Loci
from darkregulome.stats.partial import FEWEST_INFORMATIVE, Estimate, partial_effect, reliability, robustness_value
from darkregulome.stats.residual import normal_scores_by_locus
from darkregulome.stats.setting import NotTestable, Setting

if TYPE_CHECKING:
    from darkregulome.diagnosis.prepared import Prepared

TRIVIAL, FULL = "trivial", "full"
TOP = 0.1
"""Share of elements at either end of the residual, which the features must not tell apart."""
_CHANCE_STRATA = 10
"""Strata of the chance to be a member within which members are told from others (deciles, as Hosmer and Lemeshow's)."""
_WINSORISED = 0.005
"""Share of scores at either end that the winsorised twin pulls in."""
_LEAST_STRONGEST = 1e-3
"""Partial R2 of the strongest measured feature below which no feature matters, and none is a unit of anything."""


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

    @property
    def is_list(self) -> bool:
        """Whether the outcome is membership, 0 or 1: then both sides are fitted as chances, and none is an outlier."""
        return _is_binary(self.outcome)


@dataclass(frozen=True)
class Ladder:
    """A claim's effect on every rung.

    Attributes
    ----------
    raw : without adjustment. trivial, full : by learner; `full` is None where no predictability was measured.
    features : names of the trivial features that were known.
    gates, sensitivity, details : see `decision.Gates` and docs/statistics.md.
    """

    raw: Estimate
    trivial: tuple[Estimate, ...]
    full: tuple[Estimate, ...] | None
    features: tuple[str, ...]
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


def _is_binary(values: Floats) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all())


def make_ladder(one: "Prepared", pair: Pair, setting: Setting, floor: float = FLOOR, margin: float = MARGIN) -> Ladder:
    """The ladder of one pair on one model's elements.

    Raises
    ------
    NotTestable
        The tested variable does not vary within loci.
    """
    plain = _Residuals(one, pair, None, "linear")
    raw = partial_effect(plain.outcome, plain.tested, setting)
    by_rung: dict[str, tuple[Estimate, ...]] = {}
    sides: dict[str, dict[str, _Residuals]] = {}
    reliable = measured_reliability(one, pair)
    for rung in (TRIVIAL, FULL) if one.scores.has_predictability else (TRIVIAL,):
        sides[rung] = {learner: _Residuals(one, pair, rung, learner, reliable) for learner in LEARNERS}
        by_rung[rung] = tuple(_estimate(own, plain.tested, setting, learner) for learner, own in sides[rung].items())
    needed = _reliability_needed(one, pair, floor) if FULL in sides else 1.0
    twins = _winsorised_twins(one, pair, reliable)
    aucs = [_residual_auc(one, pair, sides[rung], rung, reliable) if rung in sides else 0.5 for rung in (TRIVIAL, FULL)]
    gates = replace(
        _stability(raw, by_rung, twins, floor, margin),
        residual_auc=(aucs[0], aucs[1]),
        reliability=reliable,
        reliability_needed=needed,
    )
    sensitivity = _sensitivity(one, pair, by_rung, sides)
    if FULL in sides and sensitivity:
        sensitivity["reliability_where_it_vanishes"] = needed if needed > 0 else None
    details = {"winsorised": twins} if twins else {}
    return Ladder(raw, by_rung[TRIVIAL], by_rung.get(FULL), one.scores.trivial.names, gates, sensitivity, details)


class _Residuals:
    """Both sides of a pair with the features of a rung taken out by one learner.

    Attributes
    ----------
    left : shape (n,), what the features leave of the outcome.
    outcome, tested : shape (n,), what is left of the two once other tested variables are taken out too.
    everything : shape (n, 1 + others), what the features leave of all tested variables.
    """

    def __init__(self, one: "Prepared", pair: Pair, rung: str | None, learner: str, reliable: float | None = None):
        key = _features_key(pair, rung, reliable)

        def left(name: str, values: Floats) -> Floats:
            def work() -> Floats:
                features = _features(one, pair, rung, reliable)
                loci, folds = one.setting.loci, one.scores.folds
                return residuals(values, features, loci, folds, learner, chances=pair.is_list and _is_binary(values))

            return one.remember((name, key, learner), work)

        self.left = self.outcome = left(pair.outcome_name, pair.outcome)[:, 0]
        self.tested = left(pair.name, pair.tested)[:, 0]
        self.everything = self.tested[:, None]
        if pair.others:
            held = np.hstack([left(name, values) for name, values in pair.others.items()])
            self.everything = np.hstack([self.everything, held])
            # Out of the outcome too: the effect is the same, but what others do would count as error.
            both = regressed_out(np.column_stack([self.outcome, self.tested]), held)
            self.outcome, self.tested = both[:, 0].copy(), both[:, 1].copy()

    @property
    def slope(self) -> float:
        """The effect, where all that is wanted is its size."""
        size = float(self.tested @ self.tested)
        return float(self.tested @ self.outcome) / size if size > 0 else 0.0


def _estimate(sides: _Residuals, unadjusted: Floats, setting: Setting, learner: str) -> Estimate:
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
    return left if pair is None else regressed_out(left, _Residuals(one, pair, TRIVIAL, "splines").everything)


def measured_reliability(one: "Prepared", pair: Pair | None = None) -> float | None:
    """Reliability of predictability beyond the trivial features and what is tested; None without halves."""
    if not one.scores.has_predictability or one.scores.halves is None:
        return None
    first, second = _halves_left(one, pair).T
    return reliability(first, second)


def full_features(one: "Prepared", reliable: float | None) -> Floats:
    """The full features, predictability corrected for its reliability, where nothing is tested element by element."""
    return np.column_stack([one.scores.trivial.values, _calibrated_predictability(one, None, reliable)])


def regressed_out(values: Floats, others: Floats) -> Floats:
    """What is left of columns, shape (n, k), once others, shape (n, q), are regressed out of them."""
    return np.asarray(values - others @ np.linalg.lstsq(others, values, rcond=None)[0], dtype=np.float64)


# -- what a verdict rests on ------------------------------------------------------------------------------------------


def _residual_auc(
    one: "Prepared", pair: Pair, by_learner: Mapping[str, _Residuals], rung: str, reliable: float | None
) -> float:
    """AUC, less its sampling error, with which boosting tells, out of fold, what the best learner left to be told.

    Of scores: the top from the bottom tenth of the residual. Against the bottom, not against the rest: features that
    only widen scores, as short length does, fill both ends alike and bend nothing; features that still move the mean
    fill one of them. Of a list: members from others whose chance to be a member is alike (deciles of the best learner's
    chance), where a residual's two ends are members and others whatever the features say.
    """
    best = min((own.left for own in by_learner.values()), key=lambda left: float(left @ left))
    if pair.is_list:
        chance = pair.outcome - best
        edges = np.quantile(chance, np.linspace(0, 1, _CHANCE_STRATA + 1)[1:-1])
        strata, group, target = np.searchsorted(edges, chance, side="right"), 2.0 * pair.outcome - 1.0, best
    else:
        low, high = np.quantile(best, [TOP, 1 - TOP])
        group = np.where(best >= high, 1.0, 0.0) - np.where(best <= low, 1.0, 0.0)
        strata, target = np.zeros(len(best), dtype=np.int64), group

    def work() -> float:
        features, loci = _features(one, pair, rung, None), one.setting.loci
        guess = loci.center(target) - residuals(target, features, loci, one.scores.folds, "boosting")[:, 0]
        return _stratified_auc(guess[group != 0], group[group != 0] > 0, strata[group != 0])

    return float(one.remember((pair.outcome_name, _features_key(pair, rung, reliable), "auc"), work))


def _stratified_auc(guess: Floats, positive: Bools, strata: Ints) -> float:
    """Share of pairs in order within strata (van Elteren 1960) less 1.645 of its errors without any order; >= 0.5."""
    won = pairs = variance = 0.0
    for stratum in np.unique(strata):
        own = positive[strata == stratum]
        first, second = int(own.sum()), int((~own).sum())
        ranks = rankdata(guess[strata == stratum])
        won += float(ranks[own].sum()) - first * (first + 1) / 2
        pairs += first * second
        variance += first * second * (first + second + 1) / 12
    return max(0.5, (won - 1.645 * float(np.sqrt(variance))) / pairs) if pairs else 0.5


def _winsorised_twins(one: "Prepared", pair: Pair, reliable: float | None) -> dict[str, float]:
    """The linear effect on each rung when both ends of the scores are pulled in; none of a list, which has no ends."""
    if pair.is_list:
        return {}
    twin = replace(
        pair, outcome=_winsorised(pair.outcome, one.setting.loci), outcome_name=f"{pair.outcome_name} winsorised"
    )
    rungs = ("raw", TRIVIAL, FULL) if one.scores.has_predictability else ("raw", TRIVIAL)
    return {rung: _Residuals(one, twin, None if rung == "raw" else rung, "linear", reliable).slope for rung in rungs}


def _winsorised(outcome: Floats, loci: Loci) -> Floats:
    """The scores with both ends pulled in, in their own SD within loci; about medians, which no outlier moves."""
    medians = np.array([np.median(outcome[part]) for part in loci.slices()])
    within = outcome - medians[loci.codes]
    low, high = np.quantile(within, [_WINSORISED, 1 - _WINSORISED])
    return loci.standardise(np.clip(within, low, high))[0]


def _stability(
    raw: Estimate, rungs: Mapping[str, tuple[Estimate, ...]], twins: Mapping[str, float], floor: float, margin: float
) -> Gates:
    """Whether an effect stands, or is small, without any one locus and with scores winsorised: `Gates.stable...`."""
    sign = float(np.sign(rungs[TRIVIAL][0].effect))

    def towards(rung: str) -> Floats:
        """Every effect of the rung with something left out, in the direction of the effect given the trivial ones."""
        without = [
            bound if own.informative_loci >= FEWEST_INFORMATIVE - 1e-9 else np.nan
            for own in rungs.get(rung, ())
            for bound in own.without_locus
        ]
        return sign * np.array([*without, *([twins[rung]] if rung in twins else [])])

    smallest = min(abs(own.effect) for own in rungs[TRIVIAL])
    # Comparisons with NaN, of an effect that is not known without a locus, are false.
    return Gates(
        stable=bool((towards(TRIVIAL) >= floor).all()),
        stable_full=bool((towards(FULL) >= floor).all()),
        stable_loss=bool((towards(FULL) < smallest).all()),
        stable_absence=abs(twins.get("raw", raw.effect)) < margin,
    )


def _sensitivity(
    one: "Prepared",
    pair: Pair,
    rungs: Mapping[str, tuple[Estimate, ...]],
    sides: Mapping[str, Mapping[str, _Residuals]],
) -> dict[str, Any]:
    """How strong an unmeasured cause would have to be, also next to the strongest measured feature.

    Empty where the features tell what is tested: of what they leave then no cause can be spoken of.
    """
    if min(own.left_over for rung in rungs.values() for own in rung) < LEAST_LEFT_OVER:
        return {}
    rung = FULL if FULL in rungs else TRIVIAL
    own, estimate = sides[rung]["linear"], rungs[rung][0]
    value = robustness_value(estimate.effect, own.outcome, own.tested)
    strongest, name = _strongest_feature(one, pair)
    units = {"in_units_of_it": value / strongest} if strongest >= _LEAST_STRONGEST else {}
    return {"robustness_value": value, "strongest_feature": name, **units}


def _strongest_feature(one: "Prepared", pair: Pair) -> tuple[float, str]:
    """The feature with the largest smaller one of its partial R2 with the two sides, given all others."""
    loci = one.setting.loci
    columns = loci.center(one.scores.features.values)
    targets = loci.center(np.column_stack([pair.outcome, pair.tested]))
    best, name = 0.0, ""
    for at, feature in enumerate(one.scores.features.names):
        both = regressed_out(np.column_stack([columns[:, [at]], targets]), np.delete(columns, at, axis=1))
        products = both.T @ both
        squared = products[0, 1:] ** 2 / np.maximum(products[0, 0] * np.diag(products)[1:], 1e-300)
        if squared.min() > best:
            best, name = float(squared.min()), feature
    return best, name


def _reliability_needed(one: "Prepared", pair: Pair, floor: float) -> float:
    """The reliability of predictability, beyond the trivial features and what is tested as `measured_reliability` is,
    at which the effect given the full features falls to the floor; 0 where none does, 1 where it is below it anyway.

    With T, Y and P what the trivial features leave (by splines) of tested variable, outcome and predictability, and P'
    what T leaves of P, regression calibration at reliability r gives the effect T.Y / T.T - T.P / T.T P'.Y / (r P'.P').
    """
    loci, folds = one.setting.loci, one.scores.folds
    trivial = _Residuals(one, pair, TRIVIAL, "splines")
    left: Floats = one.remember(
        ("predictability", "trivial", "splines"),
        lambda: residuals(one.scores.predictability, one.scores.trivial.values, loci, folds, "splines"),
    )
    own = regressed_out(left, trivial.everything)[:, 0]
    size, spread = float(trivial.tested @ trivial.tested), float(own @ own)
    if size <= 0 or spread <= 0:
        return 1.0 if abs(trivial.slope) < floor else 0.0
    sign = float(np.sign(trivial.slope))
    taken = sign * float(trivial.tested @ left[:, 0]) / size * float(own @ trivial.outcome) / spread
    spare = abs(trivial.slope) - floor
    if spare <= 0:
        return 1.0
    return min(1.0, max(0.0, taken / spare))
