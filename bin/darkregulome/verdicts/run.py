"""Asks every claim of every model, adjusts the family, and writes the verdicts."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from darkregulome.diagnosis.prepared import track_floor, unfit
from darkregulome.diagnosis.scores import join_scores
from darkregulome.io.provenance import provenance
from darkregulome.io.records import NotTested, rounded
from darkregulome.io.tables import write_json, write_table
from darkregulome.stats.tested import NotTestable
from darkregulome.verdicts.claim import Claim, ClaimResult, Make, all_claims
from darkregulome.verdicts.entries import RUNGS, entries
from darkregulome.verdicts.prepared import Prepared, prepare
from darkregulome.verdicts.records import VERSION, ClaimEntry
from darkregulome.verdicts.scores import LadderScores, absent_features
from darkregulome.verdicts.settings import Settings


def judge(elements: pd.DataFrame, ris: pd.DataFrame, settings: Settings, threads: int = 1) -> dict[str, Any]:
    """Every claim on every model and pair: what ``verdicts.json`` holds.

    Parameters
    ----------
    elements, ris : tables of the schemas ELEMENTS and RIS; `ris` may be anybody's (element, model, ris).
    threads : claims asked at a time; the answer is the same for any number.

    Raises
    ------
    InputError
        The two tables have no element in common, or there is no score.
    """
    joined = join_scores(elements, ris)
    reasons = {one.name: unfit(one) for one in joined}
    models = [prepare(LadderScores.of(one), settings) for one in joined if not reasons[one.name]]
    not_tested = [NotTested(claim="all", model=name, reason=reason) for name, reason in reasons.items() if reason]
    asked = [(claim, *subject) for claim in all_claims() for subject in claim.subjects(models, settings)]
    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(lambda item: _answer(item[0], item[2], settings), asked))
    results = [answer for answer in answers if isinstance(answer, ClaimResult)]
    not_tested += [
        NotTested(claim=claim.name, model=model, reason=answer)
        for (claim, model, _), answer in zip(asked, answers, strict=True)
        if isinstance(answer, str)
    ]
    said = entries(results, settings)
    record: dict[str, Any] = {
        "version": VERSION,
        "parameters": settings.model_dump(),
        "models": {one.name: _describe(one) for one in models},
        "claims": [entry.to_json() for entry in said],
        "not_tested": [item.to_json() for item in not_tested],
        "notes": _notes(models),
    }
    for claim in all_claims():
        record |= claim.summary([entry for entry in said if entry.claim == claim.name])
    return dict(rounded(record))


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
    return ClaimResult(
        claim=claim,
        model=subject.model,
        ladder=ladder,
        n=loci.n,
        n_loci=loci.count,
        null=settings.null,
        natural=None if floor is None else middle * subject.one.raw_sd,
        track_floor=floor,
        details=claim.describe(subject, ladder, settings),
    )


def _describe(one: Prepared) -> dict[str, Any]:
    scores = one.scores
    return {
        "kind": scores.kind,
        "readout": scores.readout,
        "n": scores.loci.n,
        "n_loci": scores.loci.count,
        "trivial_features": list(scores.trivial.names),
        "dropped_features": scores.trivial.dropped,
        "imputed": scores.features.imputed,
        "predictability_source": scores.predictability_source,
        "halves": scores.halves is not None,
        "log10_distinct_draws": one.setting.null.log10_distinct,
        "without_score": scores.statuses,
        "notes": list(scores.notes),
    }


def _notes(models: Sequence[Prepared]) -> list[str]:
    absent = absent_features([one.scores for one in models])
    if not absent:
        return []
    return [
        f"WARNING: {', '.join(absent)} are not known: what survives may still follow what they would tell; give "
        "--fasta to measure them."
    ]


def verdict_table(record: Mapping[str, Any]) -> pd.DataFrame:
    """One row per claim and model, for a spreadsheet."""
    rows = []
    for claim in record["claims"]:
        entry = ClaimEntry.from_json(claim)
        row: dict[str, Any] = {name: getattr(entry, name) for name in ("claim", "model", "verdict", "reason")}
        for rung in RUNGS:
            outcome = entry.rungs.get(rung)
            low, high = (outcome.interval if outcome is not None else None) or (None, None)
            row[f"{rung}_effect"] = outcome.effect if outcome is not None else None
            row[f"{rung}_low"], row[f"{rung}_high"] = low, high
            row[f"{rung}_q"] = outcome.q if outcome is not None else None
        row |= {name: getattr(entry, name) for name in ("unit", "floor", "margin", "n", "n_loci", "sentence")}
        rows.append(row)
    return pd.DataFrame(rows)


def write_verdicts(record: Mapping[str, Any], outdir: Path, inputs: Mapping[str, Any]) -> None:
    """Write ``verdicts.json`` and ``verdicts.tsv``."""
    source = provenance("verdicts.py judge", {**record["parameters"], **inputs})
    write_table(verdict_table(record), outdir / "verdicts.tsv")
    write_json({"provenance": source, **record}, outdir / "verdicts.json")


def write_worlds(record: Mapping[str, Any], parameters: Mapping[str, Any], table: pd.DataFrame, outdir: Path) -> None:
    """Write ``worlds.json`` and ``worlds.tsv``."""
    source = provenance("verdicts.py calibrate", {})
    write_table(table, outdir / "worlds.tsv")
    write_json({"provenance": source, "parameters": rounded(dict(parameters)), **record}, outdir / "worlds.json")
