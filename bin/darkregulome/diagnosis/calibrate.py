"""Does the diagnosis say what is true? Known truths are planted, diagnosed, and the verdicts counted."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from darkregulome.claims.claim import Claim, ClaimResult, External, OutsideData, Sides, Subject, all_claims
from darkregulome.diagnosis.entries import entries
from darkregulome.diagnosis.planted import Design, ScoreModel, Truth, plant
from darkregulome.diagnosis.prepared import Prepared, prepare
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import rounded
from darkregulome.stats.nulls import Null, ShuffleNull
from darkregulome.stats.randomness import generator
from darkregulome.stats.tested import NotTestable
from darkregulome.stats.verdict import MINIMUM_POWER

SHUFFLES = 99
"""Draws of the plain shuffle whose p-values are counted too."""
NOT_ABOVE_NOMINAL = 0.01
"""A rate is called above nominal where a one-sided binomial test of it has a smaller p."""


def counted_names() -> dict[str, Claim]:
    """What a calibration can count: every claim that can be planted, and its further statistics, by name."""
    names: dict[str, Claim] = {}
    for claim in all_claims():
        if claim.plant is not None:
            names |= dict.fromkeys((claim.name, *claim.plant.more), claim)
    return names


@dataclass(frozen=True)
class Condition:
    """One truth under one model of the scores; `label` names the latter."""

    truth: Truth
    label: str
    scores: ScoreModel


@dataclass(frozen=True)
class Outcome:
    """One claim on one planted table: p-values of the diagnosis's null and of a plainer one.

    The plainer null is that of the claim's `Plant`; its p-values are NaN where there is none. A further statistic of a
    claim has neither power nor verdict.
    """

    claim: str
    raw_p: float
    residual_p: float
    raw_shuffled_p: float
    residual_shuffled_p: float
    raw_effect: float
    residual_effect: float
    power: float = float("nan")
    verdict: str = ""


def calibrate(
    design: Design,
    conditions: Sequence[Condition],
    tables: int,
    effect: float,
    settings: Settings,
    claims: Sequence[str] | None = None,
    threads: int = 1,
) -> dict[str, Any]:
    """Plant each condition in `tables` tables, diagnose them, and count false positives and power by claim.

    Every table has its own generator, so that the counts are the same for any number of threads.

    Parameters
    ----------
    claims : names out of `counted_names`; None: all.
    """
    claims = list(counted_names()) if claims is None else claims
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
    language, output = plant(design, condition.truth, condition.scores, own, effect, rng)
    models = [prepare(language, own)]
    shuffle = ShuffleNull(models[0].scores.loci, None, SHUFFLES, rng)
    asked = {claim.name: claim for name, claim in counted_names().items() if name in claims}
    data = _outside_data(models[0], rng) if any(_is_outside(claim) for claim in asked.values()) else {}
    if any(claim.needs == "two kinds of models" for claim in asked.values()):
        models.append(prepare(output, own))
    tested: list[tuple[ClaimResult, tuple[float, float]]] = []
    outcomes: list[Outcome] = []
    for claim in asked.values():
        try:
            needed = models if claim.needs == "two kinds of models" else models[:1]
            subject = next(make for _, make in claim.subjects(needed, own, data.get(claim.name)))()
            outcomes += _more(claim, subject, shuffle, claims)
            if claim.name in claims:
                sides = claim.test(subject, own)
                tested.append((_result(claim, subject, sides, own), _plain(claim, subject, sides, shuffle, own)))
        except NotTestable:
            continue
    return outcomes + _outcomes(tested, own)


def _is_outside(claim: Claim) -> bool:
    return isinstance(claim.needs, OutsideData)


def _outside_data(one: Prepared, rng: np.random.Generator) -> dict[str, External]:
    """What the cross-checks hold the scores against, by claim: drawn one after the other, whichever are asked."""
    plants = {claim.name: claim.plant for claim in all_claims() if claim.plant is not None}
    return {name: plant.data(one, rng) for name, plant in plants.items() if plant.data is not None}


def _result(claim: Claim, subject: Subject, sides: Sides, settings: Settings) -> ClaimResult:
    loci, sd = subject.setting.loci, subject.residual_sd
    return ClaimResult(
        claim, subject.model, sides.raw, sides.residual, loci.n, loci.count, settings.null, sd, None, sides.details
    )


def _under(subject: Subject, null: Null) -> Subject:
    return replace(subject, setting=replace(subject.setting, null=null))


def _plain(claim: Claim, subject: Subject, sides: Sides, shuffle: Null, settings: Settings) -> tuple[float, float]:
    """p-values, raw and residual, under a plainer null; NaN where there is none."""
    assert claim.plant is not None
    if claim.plant.plain_p is None:
        sides = claim.test(_under(subject, shuffle), settings)
        return sides.raw.p, sides.residual.p
    raw, residual = (side.details.get(claim.plant.plain_p, np.nan) for side in (sides.raw, sides.residual))
    return float(raw), float(residual)


def _more(claim: Claim, subject: Subject, shuffle: Null, names: Sequence[str]) -> Iterator[Outcome]:
    """Further statistics of a claim, which have no verdict."""
    assert claim.plant is not None
    for name, statistic in claim.plant.more.items():
        if name in names and (own := statistic(subject))["raw"]:
            plain = statistic(_under(subject, shuffle))
            yield Outcome(
                name,
                raw_p=own["raw"]["p"],
                residual_p=own["residual"]["p"],
                raw_shuffled_p=plain["raw"]["p"],
                residual_shuffled_p=plain["residual"]["p"],
                raw_effect=own["raw"]["contrast"],
                residual_effect=own["residual"]["contrast"],
            )


def _outcomes(tested: Sequence[tuple[ClaimResult, tuple[float, float]]], settings: Settings) -> list[Outcome]:
    """Verdicts as in a run: each family of claims is adjusted by itself."""
    families: dict[str, list[ClaimResult]] = {}
    for result, _ in tested:
        families.setdefault(result.claim.family, []).append(result)
    verdicts = {entry.claim: entry.verdict or "" for family in families.values() for entry in entries(family, settings)}
    return [
        Outcome(
            result.claim.name,
            result.raw.p,
            result.residual.p,
            *plain,
            result.raw.effect,
            result.residual.effect,
            result.residual.power,
            verdicts[result.claim.name],
        )
        for result, plain in tested
    ]


# -- counts ----------------------------------------------------------------------------------------------------------


def _summary(
    condition: Condition, outcomes: Sequence[Outcome], tables: int, alpha: float, claims: Sequence[str]
) -> dict[str, Any]:
    rows, claim_of = [], counted_names()
    for name in claims:
        mine = [outcome for outcome in outcomes if outcome.claim == name]
        if mine:
            rows.append(_claim_row(name, condition.truth.role(claim_of[name]), mine, alpha))
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


def _claim_row(name: str, role: str, outcomes: Sequence[Outcome], alpha: float) -> dict[str, Any]:
    row: dict[str, Any] = {"claim": name, "role": role, "tables": len(outcomes)}
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
            if row["role"] == "planted" and residual["rate"] < MINIMUM_POWER:
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
    """One row per condition, claim and side."""
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
