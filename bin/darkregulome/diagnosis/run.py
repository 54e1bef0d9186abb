"""Asks claims of their subjects, adjusts each family, and gives verdicts: what every stage that judges scores does."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from darkregulome.claims.claim import Claim, ClaimResult, External, Findings, Make, OutsideData, all_claims, find_claim
from darkregulome.diagnosis.entries import entries
from darkregulome.diagnosis.prepared import Prepared, prepare_models, track_floor
from darkregulome.diagnosis.scores import absent_features
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import VERSION, ClaimEntry, NotTested, rounded
from darkregulome.stats.setting import NotTestable


@dataclass(frozen=True)
class Judged:
    """A family of claims with verdicts.

    Attributes
    ----------
    results, entries : one per claim and subject that could be tested, in the same order.
    findings : by claim. not_tested : what could not be tested, and why.
    """

    models: Sequence[Prepared]
    results: list[ClaimResult]
    entries: list[ClaimEntry]
    findings: dict[str, Findings]
    not_tested: list[NotTested]

    def record(self, settings: Settings, models_left_out: Sequence[NotTested]) -> dict[str, Any]:
        """What the JSON of every stage says of its claims."""
        record: dict[str, Any] = {
            "version": VERSION,
            "parameters": settings.model_dump(),
            "claims": [entry.to_json() for entry in self.entries],
            "warnings": _warnings(self.models),
            "not_tested": [item.to_json() for item in [*models_left_out, *self.not_tested]],
        }
        for name, own in self.findings.items():
            record |= find_claim(name).summary(own)
        return record


def workers(threads: int) -> ThreadPoolExecutor:
    """Threads that share the work. In each of them OpenMP, whose limit is a thread's own, has one thread: more would
    wait for each other, and change the last digits of sums."""
    return ThreadPoolExecutor(threads, initializer=threadpool_limits, initargs=(1,))


def claims_of(family: str) -> list[Claim]:
    """The claims that are adjusted together."""
    return [claim for claim in all_claims() if claim.family == family]


def judge(
    family: Sequence[Claim], models: Sequence[Prepared], settings: Settings, data: Any = None, threads: int = 1
) -> Judged:
    """Test the claims of a family on all their subjects, rung by rung, and give verdicts.

    Parameters
    ----------
    data : what claims that need outside data are held against.
    threads : claims tested at a time; the answer is the same for any number.
    """
    asked = [(claim, *subject) for claim in family for subject in claim.subjects(models, settings, data)]
    # All claims of a model stand together, before those of several models.
    place = {one.name: at for at, one in enumerate(models)}
    asked.sort(key=lambda item: place.get(item[1].split("|")[0], len(place)))
    with workers(threads) as pool:
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
    return Judged(models, results, judged, findings, not_tested)


def _answer(claim: Claim, make: Make, settings: Settings) -> ClaimResult | str:
    """What a claim comes to on a subject, or why it cannot be asked."""
    try:
        subject = make()
        ladder = claim.test(subject, settings)
    except NotTestable as error:
        return str(error)
    loci = subject.setting.loci
    floor = track_floor(subject.one.scores, settings.track_floor) if claim.in_readout_units else None
    rung = ladder.full or ladder.trivial
    middle = sorted(estimate.effect for estimate in rung)[len(rung) // 2]
    outside = claim.needs.null if isinstance(claim.needs, OutsideData) else ""
    return ClaimResult(
        claim=claim,
        model=subject.model,
        ladder=ladder,
        n=loci.n,
        n_loci=loci.count,
        null=outside or settings.null,
        natural=None if floor is None else middle * subject.one.raw_sd,
        track_floor=floor,
        details=claim.describe(subject, ladder, settings),
        subject=subject,
    )


def _warnings(models: Sequence[Prepared]) -> list[str]:
    absent = absent_features([one.scores for one in models])
    if not absent:
        return []
    return [
        f"WARNING: {', '.join(absent)} are not known: what survives may still follow what they would tell; give "
        "--fasta to measure them."
    ]


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
    record: Mapping[str, Any] = {
        "check": claim.needs.check,
        **judged.record(settings, left_out),
        "notes": list(data.notes),
    }
    tables = claim.needs.tables(judged.findings[claim.name])
    return CrossCheck(rounded(record), tables.elements, tables.profiles)
