"""Does the diagnosis say what is true? Known truths are planted, diagnosed, and the verdicts counted."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from darkregulome.diagnosis import diagnose
from darkregulome.diagnosis.diagnose import Prepared, Sides, prepare
from darkregulome.diagnosis.entries import ClaimResult, entries
from darkregulome.diagnosis.planted import Design, ScoreModel, Truth, plant
from darkregulome.diagnosis.planted_outside import OUTSIDE_CLAIMS, outside_sides, plant_outside
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import rounded
from darkregulome.stats.claims import NotTestable
from darkregulome.stats.loci import Loci
from darkregulome.stats.nulls import ShuffleNull
from darkregulome.stats.randomness import generator

CLAIMS = (
    "horizon",
    "change_point",
    "class_hierarchy",
    "baseline_membership",
    "ccre_discrimination",
    "list_overlap",
    *OUTSIDE_CLAIMS,
)
SHUFFLES = 99
"""Draws of the plain shuffle that is shown beside."""
NOT_ABOVE_NOMINAL = 0.01
"""A rate is called above nominal where a one-sided binomial test of it has a smaller p."""
ENOUGH_POWER = 0.5
"""A claim found less often where it is planted is called underpowered."""


@dataclass(frozen=True)
class Condition:
    """One truth under one model of the scores; `label` names the latter."""

    truth: Truth
    label: str
    scores: ScoreModel


@dataclass(frozen=True)
class Outcome:
    """One claim on one planted table: p-values of the diagnosis's null and of a plainer one.

    The plainer null is the shuffle within the locus (of cross-checks: see `outside_sides`); NaN where there is none.
    """

    claim: str
    raw_p: float
    residual_p: float
    raw_shuffled_p: float
    residual_shuffled_p: float
    raw_effect: float
    residual_effect: float
    power: float
    verdict: str


def calibrate(
    design: Design,
    conditions: Sequence[Condition],
    tables: int,
    effect: float,
    settings: Settings,
    claims: Sequence[str] = CLAIMS,
    threads: int = 1,
) -> dict[str, Any]:
    """Plant each condition in `tables` tables, diagnose them, and count false positives and power by claim.

    Every table has its own generator, so that the counts are the same for any number of threads.
    """
    jobs = [(condition, index) for condition in conditions for index in range(tables)]
    with ThreadPoolExecutor(threads) as pool:
        outcomes = list(pool.map(lambda job: one_table(design, job[0], job[1], effect, settings, claims), jobs))
    record = []
    for place, condition in enumerate(conditions):
        mine = [outcome for table in outcomes[place * tables : (place + 1) * tables] for outcome in table]
        record.append(_summary(condition, mine, tables, settings.alpha, claims))
    return rounded({"conditions": record, "warnings": list(_warnings(record, settings.alpha, effect))})


def one_table(
    design: Design, condition: Condition, index: int, effect: float, settings: Settings, claims: Sequence[str]
) -> list[Outcome]:
    """Plant one table, diagnose it, and give what each claim came to."""
    rng = generator(settings.seed, condition.truth.name, condition.label, str(index))
    own = settings.model_copy(update={"seed": int(rng.integers(2**31)), "bootstrap": 0})
    planted = plant(design, condition.truth, condition.scores, settings.horizon, effect, rng)
    language = prepare(planted[0], own)
    shuffled = replace(language, setting=_shuffled(language.setting.loci, language, own, rng))
    tested: list[_Tested] = []
    outside = plant_outside(language, rng) if set(claims) & set(OUTSIDE_CLAIMS) else None
    for claim in claims:
        try:
            if outside is not None and claim in OUTSIDE_CLAIMS:
                tested.append(_Tested(claim, *outside_sides(claim, language, outside, own, shuffled.setting.null)))
            elif claim == "list_overlap":
                output = prepare(planted[1], own)
                pair = diagnose.align(language, output, own)
                beside = replace(pair, setting=replace(pair.setting, null=shuffled.setting.null))
                tested.append(_beside(claim, diagnose.list_sides(pair, own), diagnose.list_sides(beside, own)))
            elif claim == "ccre_discrimination":
                ranked = diagnose.rank_scores(language, own)
                sides = (diagnose.ccre_sides(one, ranked) for one in (language, shuffled))
                tested.append(_beside(claim, *sides))
            elif claim in _TESTS:
                test = _TESTS[claim]
                tested.append(_beside(claim, test(language, own), test(shuffled, own)))
        except NotTestable:
            continue
    outcomes = _outcomes(tested, language, own)
    if "change_point" in claims:
        outcomes += _change_point(language, shuffled)
    return outcomes


class _Tested(NamedTuple):
    """A claim, raw and residual, its p-values under a plainer null, and details that its sentence needs."""

    claim: str
    sides: Sides
    plain: tuple[float, float]
    details: dict[str, Any]


def _beside(claim: str, sides: Sides, plain: Sides) -> _Tested:
    return _Tested(claim, sides, (plain.raw.p, plain.residual.p), {})


_TESTS = {
    "horizon": diagnose.horizon_sides,
    "class_hierarchy": diagnose.class_sides,
    "baseline_membership": diagnose.baseline_sides,
}


def _shuffled(loci: Loci, one: Prepared, settings: Settings, rng: np.random.Generator):
    return replace(one.setting, null=ShuffleNull(loci, None, SHUFFLES, rng))


def _outcomes(tested: Sequence[_Tested], one: Prepared, settings: Settings) -> list[Outcome]:
    """Verdicts as in a run: the claims of the diagnosis are one family, each cross-check is one of its own."""
    loci = one.scores.loci
    results = {
        item.claim: ClaimResult(
            item.claim,
            "language|output" if item.claim == "list_overlap" else one.scores.name,
            *item.sides,
            loci.n,
            loci.count,
            settings.null,
            one.residual_sd,
            None,
            item.details,
        )
        for item in tested
    }
    families = [[result for claim, result in results.items() if claim not in OUTSIDE_CLAIMS]]
    families += [[result] for claim, result in results.items() if claim in OUTSIDE_CLAIMS]
    verdicts = {entry.claim: entry.verdict or "" for family in families for entry in entries(family, settings)}
    return [
        Outcome(
            claim,
            sides.raw.p,
            sides.residual.p,
            *plain,
            sides.raw.effect,
            sides.residual.effect,
            sides.residual.power,
            verdicts[claim],
        )
        for claim, sides, plain, _ in tested
    ]


def _change_point(one: Prepared, shuffled: Prepared) -> list[Outcome]:
    found, beside = diagnose.change_points(one), diagnose.change_points(shuffled)
    if not found["raw"]:
        return []
    return [
        Outcome(
            claim="change_point",
            raw_p=found["raw"]["p"],
            residual_p=found["residual"]["p"],
            raw_shuffled_p=beside["raw"]["p"],
            residual_shuffled_p=beside["residual"]["p"],
            raw_effect=found["raw"]["contrast"],
            residual_effect=found["residual"]["contrast"],
            power=float("nan"),
            verdict="",
        )
    ]


# -- counts ----------------------------------------------------------------------------------------------------------


def _summary(
    condition: Condition, outcomes: Sequence[Outcome], tables: int, alpha: float, claims: Sequence[str]
) -> dict[str, Any]:
    rows = []
    for claim in claims:
        mine = [outcome for outcome in outcomes if outcome.claim == claim]
        if mine:
            rows.append(_claim_row(claim, mine, condition.truth, alpha))
    return {
        "truth": condition.truth.name,
        "scores": condition.label,
        "lag1_autocorrelation": condition.scores.autocorrelation[1]
        if len(condition.scores.autocorrelation) > 1
        else 0.0,
        "r2": condition.scores.r2 if condition.truth.predictability else 0.0,
        "tables": tables,
        "claims": rows,
    }


def _claim_row(claim: str, outcomes: Sequence[Outcome], truth: Truth, alpha: float) -> dict[str, Any]:
    touched = claim in truth.touched or (claim in OUTSIDE_CLAIMS and truth.true)
    role = "planted" if claim in truth.true else "touched" if touched else "absent"
    row: dict[str, Any] = {"claim": claim, "role": role, "tables": len(outcomes)}
    for side in ("raw", "residual"):
        p_values = np.array([getattr(outcome, f"{side}_p") for outcome in outcomes])
        shuffled = np.array([getattr(outcome, f"{side}_shuffled_p") for outcome in outcomes])
        row[side] = {
            **_rate(p_values <= alpha, alpha),
            "shuffle": _rate(shuffled <= alpha, alpha) if np.isfinite(shuffled).all() else None,
            "median_effect": float(np.median([getattr(outcome, f"{side}_effect") for outcome in outcomes])),
        }
    powers = [outcome.power for outcome in outcomes]
    row["survives"] = float(np.mean([outcome.verdict == "survives" for outcome in outcomes]))
    row["stated_power"] = float(np.mean(powers)) if np.isfinite(powers).all() else None
    return row


def _rate(rejected: np.ndarray, alpha: float) -> dict[str, Any]:
    """Rejections, their rate with its 95 % interval (Wilson), and whether the rate is not above nominal."""
    count, n = int(rejected.sum()), len(rejected)
    interval = binomtest(count, n).proportion_ci(method="wilson")
    above = binomtest(count, n, alpha, alternative="greater").pvalue
    return {
        "rejected": count,
        "rate": count / n,
        "interval": [interval.low, interval.high],
        "not_above_nominal": bool(above > NOT_ABOVE_NOMINAL),
    }


def _warnings(record: Sequence[dict[str, Any]], alpha: float, effect: float) -> Iterator[str]:
    """Claims that these elements could hardly show, and claims that are found too often where they are not."""
    for condition in record:
        where = f"{condition['truth']}, {condition['scores']}"
        for row in condition["claims"]:
            residual = row["residual"]
            if row["role"] == "planted" and residual["rate"] < ENOUGH_POWER:
                yield (
                    f"{row['claim']} is underpowered on these elements: an effect of {effect:g} SD is found in "
                    f"{100 * residual['rate']:.0f} % of tables ({where})."
                )
            if row["role"] == "absent" and not residual["not_above_nominal"]:
                yield (
                    f"{row['claim']} is found in {100 * residual['rate']:.1f} % of tables where it is not "
                    f"({where}; nominal {100 * alpha:g} %)."
                )


def calibration_table(record: dict[str, Any]) -> pd.DataFrame:
    """One row a condition, claim and side."""
    rows = []
    for condition in record["conditions"]:
        for row in condition["claims"]:
            for side in ("raw", "residual"):
                numbers = row[side]
                rows.append(
                    {
                        **{name: condition[name] for name in ("truth", "scores", "lag1_autocorrelation", "r2")},
                        **{name: row[name] for name in ("claim", "role", "tables")},
                        "side": side,
                        "rejected": numbers["rejected"],
                        "rate": numbers["rate"],
                        "low": numbers["interval"][0],
                        "high": numbers["interval"][1],
                        "not_above_nominal": numbers["not_above_nominal"],
                        "shuffle_rejected": numbers["shuffle"]["rejected"] if numbers["shuffle"] else None,
                        "shuffle_rate": numbers["shuffle"]["rate"] if numbers["shuffle"] else None,
                        "median_effect": numbers["median_effect"],
                        "survives": row["survives"],
                        "stated_power": row["stated_power"],
                    }
                )
    return pd.DataFrame(rows)
