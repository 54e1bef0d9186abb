"""A tested claim, its verdict and its sentence, as they stand in the JSON."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from darkregulome.claims.claim import Claim, ClaimResult, find_claim
from darkregulome.diagnosis.settings import Settings
from darkregulome.diagnosis.simulated_power import power_by_simulation
from darkregulome.io.records import ClaimEntry, Outcome
from darkregulome.stats.tested import Tested
from darkregulome.stats.verdict import (
    MINIMUM_POWER,
    Evidence,
    above_floors,
    benjamini_hochberg,
    counted_p,
    counts,
    decide,
    sign_flip,
)


def entries(results: Sequence[ClaimResult], settings: Settings) -> list[ClaimEntry]:
    """Adjust the family, raw and residual apart, decide each claim, and write each entry.

    In the residual's family a claim that its floor or its sign stops has p 1 (`counted_p`).
    """
    simulated = [
        power_by_simulation(result.claim.name, result.model, result.n, result.n_loci, settings) for result in results
    ]
    evidence = [_evidence(result, power) for result, power in zip(results, simulated, strict=True)]
    residual_p = np.array([result.residual.p for result in results])
    counted = counted_p(residual_p, np.array([counts(one) for one in evidence], dtype=bool))
    raw_q = benjamini_hochberg(np.array([result.raw.p for result in results]))
    residual_q, any_q = benjamini_hochberg(counted), benjamini_hochberg(residual_p)
    return [
        _entry(
            result,
            replace(
                evidence[i],
                raw_q=float(raw_q[i]),
                residual_q=float(residual_q[i]),
                residual_q_any=float(any_q[i]),
            ),
            settings,
            by_simulation=simulated[i] is not None,
        )
        for i, result in enumerate(results)
    ]


def _evidence(result: ClaimResult, simulated: float | None) -> Evidence:
    """What a verdict rests on, but for the family's q; with the analytic power where none is `simulated`."""
    return Evidence(
        raw_q=float("nan"),
        residual_q=float("nan"),
        raw_sign=result.raw.sign,
        residual_sign=result.residual.sign,
        magnitude=result.residual.magnitude,
        floor=result.claim.floor,
        power=result.residual.power if simulated is None else simulated,
        natural=result.residual.contrast * result.residual_sd,
        natural_floor=result.track_floor,
    )


def _entry(result: ClaimResult, evidence: Evidence, settings: Settings, by_simulation: bool) -> ClaimEntry:
    verdict = decide(evidence, settings.alpha)
    details = dict(result.details)
    unlearnt = [name for name in re.split(r"[|+]", result.model) if name in settings.without_grammar]
    if unlearnt and verdict == "absent":
        # A model that has not learnt the grammar cannot show what the grammar does.
        verdict = "underpowered"
        details["without_grammar"] = unlearnt
    details["raw"], details["residual"] = result.raw.details, result.residual.details
    if by_simulation:
        details["analytic_power"] = result.residual.power
    details["sign_flip"] = sign_flip(evidence)
    details["above_floors"] = above_floors(evidence)
    if result.track_floor is not None:
        details["track_effect_log2"], details["track_floor_log2"] = evidence.natural, result.track_floor
    entry = ClaimEntry(
        claim=result.claim.name,
        model=result.model,
        unit=result.claim.unit,
        raw=_outcome(result.raw, evidence.raw_q),
        residual=_outcome(result.residual, evidence.residual_q, q_any=evidence.residual_q_any),
        effect=result.residual.effect,
        interval=result.residual.interval,
        null=result.null,
        n=result.n,
        n_loci=result.n_loci,
        power=evidence.power,
        floor=result.residual.neutral + result.claim.floor,
        verdict=verdict,
        details=details,
    )
    return entry.model_copy(update={"sentence": sentence(result.claim, entry, settings)})


def power_warnings(written: Sequence[ClaimEntry]) -> list[str]:
    """Claims that these elements could hardly show, one sentence per claim, with the models it is so for."""
    weak: dict[str, list[str]] = {}
    for entry in written:
        if entry.power is not None and entry.power < MINIMUM_POWER:
            simulated = " by simulation" if "analytic_power" in entry.details else ""
            weak.setdefault(entry.claim, []).append(f"{entry.model} {entry.power:.2f}{simulated}")
    return [
        f"WARNING: {name} is underpowered at this size: the power to see {find_claim(name).reference} is "
        f"{', '.join(models)}. Where it is not found, nothing is shown."
        for name, models in weak.items()
    ]


def _outcome(tested: Tested, q: float, **more: float | None) -> Outcome:
    return Outcome(statistic=tested.statistic, p=tested.p, q=q, effect=tested.effect, interval=tested.interval, **more)


# -- sentences -------------------------------------------------------------------------------------------------------


def sentence(claim: Claim, entry: ClaimEntry, settings: Settings) -> str:
    """One plain sentence for a reader who is no statistician."""
    details = entry.details
    raw, rest = claim.say(entry, settings)
    chance = _q(entry.residual.q_any if _stopped(details) else entry.residual.q)
    remains = f"{rest} after what predictability explains ({chance})"
    if entry.verdict == "survives":
        return f"{raw}, and {remains}: {claim.subject} survives."
    if entry.verdict == "underpowered" and "without_grammar" in details:
        return (
            f"{raw}; {remains}, but by its card {' and '.join(details['without_grammar'])} does not know the grammar: "
            f"nothing can be said of {claim.subject}."
        )
    if entry.verdict == "underpowered":
        return (
            f"{raw}; {remains}, but these data could hardly show an effect of the stated size "
            f"({_power(entry.power)}): nothing can be said of {claim.subject}."
        )
    if entry.verdict == "absent":
        return f"{raw} ({_q(entry.raw.q)}); {remains}: {claim.subject} is absent."
    return f"{raw}, but {remains}{_why(entry, settings)}: {claim.subject} collapses."


def _why(entry: ClaimEntry, settings: Settings) -> str:
    """Why a residual that is not chance still does not count."""
    details, q_any = entry.details, entry.residual.q_any
    if q_any is None or not q_any < settings.alpha or not _stopped(details):
        return ""
    if details["sign_flip"]:
        return ", the other way round"
    if "track_effect_log2" in details and abs(details["track_effect_log2"]) < details["track_floor_log2"]:
        return f", a change of {abs(details['track_effect_log2']):.2g} log2 units, too small to be measured"
    return ", less than the floor"


def _stopped(details: dict[str, Any]) -> bool:
    """True where the residual's sign or a floor keeps the claim from surviving, whatever its p."""
    return bool(details["sign_flip"]) or not details["above_floors"]


def _q(q: float | None) -> str:
    return "q not known" if q is None or not np.isfinite(q) else f"q = {q:.2g}"


def _power(power: float | None) -> str:
    return "power not known" if power is None or not np.isfinite(power) else f"power {power:.2f}"
