"""Asks claims of their subjects, adjusts each family, and gives verdicts: what every stage that judges scores does."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pandas as pd

from darkregulome.claims.claim import Claim, ClaimResult, External, Findings, Make, OutsideData, all_claims
from darkregulome.diagnosis.entries import entries, power_warnings
from darkregulome.diagnosis.prepared import Prepared, prepare_models
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry, NotTested, rounded
from darkregulome.stats.tested import NotTestable


@dataclass(frozen=True)
class Judged:
    """A family of claims with verdicts.

    Attributes
    ----------
    results, entries : one per claim and subject that could be tested, in the same order.
    findings : by claim. not_tested : what could not be tested, and why.
    """

    results: list[ClaimResult]
    entries: list[ClaimEntry]
    findings: dict[str, Findings]
    not_tested: list[NotTested]

    def record(self, settings: Settings, models_left_out: Sequence[NotTested]) -> dict[str, Any]:
        """What the JSON of every stage says of its claims."""
        return {
            "parameters": settings.model_dump(),
            "claims": [entry.to_json() for entry in self.entries],
            "warnings": power_warnings(self.entries),
            "not_tested": [item.to_json() for item in [*models_left_out, *self.not_tested]],
        }


def claims_of(family: str) -> list[Claim]:
    """The claims that are adjusted together."""
    return [claim for claim in all_claims() if claim.family == family]


def judge(
    family: Sequence[Claim], models: Sequence[Prepared], settings: Settings, data: Any = None, threads: int = 1
) -> Judged:
    """Test the claims of a family on all their subjects, raw and residual, and give verdicts.

    Parameters
    ----------
    data : what claims that need outside data are held against.
    threads : claims tested at a time; each has its own generators, so that the answer is the same for any number.
    """
    asked = [(claim, *subject) for claim in family for subject in claim.subjects(models, settings, data)]
    # All claims of a model stand together, before those of several models.
    place = {one.name: at for at, one in enumerate(models)}
    asked.sort(key=lambda item: place.get(item[1], len(place)))
    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(lambda item: _answer(item[0], item[2], settings), asked))
    results = [answer for answer in answers if isinstance(answer, ClaimResult)]
    not_tested = [
        NotTested(claim=claim.name, model=model, reason=answer)
        for (claim, model, _), answer in zip(asked, answers, strict=True)
        if isinstance(answer, str)
    ]
    judged = entries(results, settings)
    findings = {}
    for claim in family:
        own = [at for at, result in enumerate(results) if result.claim is claim]
        findings[claim.name] = Findings(models, data, [results[at] for at in own], [judged[at] for at in own])
    return Judged(results, judged, findings, not_tested)


def _answer(claim: Claim, make: Make, settings: Settings) -> ClaimResult | str:
    """What a claim comes to on a subject, or why it cannot be asked."""
    try:
        subject = make()
        sides = claim.test(subject, settings)
    except NotTestable as error:
        return str(error)
    details = {**sides.details, **claim.describe(subject, sides, settings)}
    null = settings.null
    if isinstance(claim.needs, OutsideData):
        null = claim.needs.null or null
    else:
        details["log10_distinct_draws"] = subject.setting.null.log10_distinct
    return ClaimResult(
        claim=claim,
        model=subject.model,
        raw=sides.raw,
        residual=sides.residual,
        n=subject.setting.loci.n,
        n_loci=subject.setting.loci.count,
        null=null,
        residual_sd=subject.residual_sd,
        track_floor=subject.track_floor(settings) if claim.in_readout_units else None,
        details=details,
        subject=subject,
    )


@dataclass(frozen=True)
class CrossCheck:
    """``cross_check_<name>.json``; one row per element (or gene) with what is known of it; what the figure needs."""

    record: dict[str, Any]
    elements: pd.DataFrame
    profiles: pd.DataFrame


def cross_check(claim: Claim, data: External, ris: pd.DataFrame, settings: Settings) -> CrossCheck:
    """Test a claim that needs outside data on every model; the family of tests is all of its subjects."""
    assert isinstance(claim.needs, OutsideData), f"{claim.name} needs no outside data"
    models, left_out = prepare_models(data.elements, ris, settings)
    judged = judge([claim], models, settings, data)
    findings = judged.findings[claim.name]
    record: Mapping[str, Any] = {
        "check": claim.needs.check,
        **judged.record(settings, left_out),
        **claim.summary(findings),
        "notes": list(data.notes),
    }
    tables = claim.needs.tables(findings)
    return CrossCheck(rounded(record), tables.elements, tables.profiles)
