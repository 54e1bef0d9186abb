"""A tested claim, its verdict and its sentence, as they stand in the JSON."""

import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from darkregulome.claims.claim import Claim, ClaimResult
from darkregulome.diagnosis.decision import (
    FEW_LOCI,
    LEAST_LEFT_OVER,
    NEEDED_RELIABLE,
    Decision,
    Evidence,
    Gates,
    Rung,
    decide,
)
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry, LearnerOutcome, Outcome
from darkregulome.stats.nulls import benjamini_hochberg
from darkregulome.stats.partial import Estimate

RUNGS = ("raw", "trivial", "full")


def entries(results: Sequence[ClaimResult], settings: Settings) -> list[ClaimEntry]:
    """Adjust the family, each rung apart, decide each claim, and write each entry."""
    q_values = {rung: _q_values(results, rung) for rung in RUNGS}
    # The least equal-tailed p is 2 / (draws + 1).
    enough = settings.alpha * (settings.permutations + 1) >= 2 * len(results)
    return [
        _entry(result, {rung: float(q_values[rung][i]) for rung in RUNGS}, enough, settings)
        for i, result in enumerate(results)
    ]


def _q_values(results: Sequence[ClaimResult], rung: str) -> np.ndarray:
    """Of the learner that is least sure; a rung that was not measured does not count."""
    rungs = [result.ladder.rungs().get(rung, ()) for result in results]
    return benjamini_hochberg(np.array([max((one.p for one in own), default=np.nan) for own in rungs]))


def rung_of(estimates: Sequence[Estimate], q: float) -> Rung:
    """What a verdict reads of a rung."""
    return Rung(
        [one.effect for one in estimates],
        [one.interval[0] for one in estimates],
        [one.interval[1] for one in estimates],
        [one.p for one in estimates],
        q,
        min(one.left_over for one in estimates),
        min(one.informative_loci for one in estimates),
    )


def _entry(result: ClaimResult, q: dict[str, float], enough: bool, settings: Settings) -> ClaimEntry:
    ladder, claim = result.ladder, result.claim
    gates = replace(ladder.gates, draws=enough)
    evidence = Evidence(
        raw=rung_of((ladder.raw,), q["raw"]),
        trivial=rung_of(ladder.trivial, q["trivial"]),
        full=rung_of(ladder.full, q["full"]) if ladder.full is not None else None,
        floor=claim.floor,
        margin=claim.margin,
        gates=gates,
        natural=result.natural,
        natural_floor=result.track_floor,
    )
    decision = _decision(result, evidence, settings)
    details = {**ladder.details, **result.details}
    if result.track_floor is not None:
        details["track_effect_log2"], details["track_floor_log2"] = result.natural, result.track_floor
    outcomes = {rung: _outcome(estimates, q[rung], claim) for rung, estimates in ladder.rungs().items()}
    entry = ClaimEntry(
        claim=claim.name,
        model=result.model,
        unit=claim.unit,
        raw=outcomes["raw"],
        trivial=outcomes.get("trivial"),
        full=outcomes.get("full"),
        null=result.null,
        n=result.n,
        n_loci=result.n_loci,
        floor=claim.floor,
        margin=claim.margin,
        verdict=decision.verdict,
        reason=decision.reason,
        gates=_gates(gates, evidence),
        sensitivity=dict(ladder.sensitivity),
        details=details,
    )
    return entry.model_copy(update={"sentence": sentence(claim, entry, settings, trivially_known(ladder.features))})


def _decision(result: ClaimResult, evidence: Evidence, settings: Settings) -> Decision:
    decision = decide(evidence, settings.alpha)
    unlearnt = [name for name in re.split(r"[|+]", result.model) if name in settings.without_grammar]
    if unlearnt and decision.verdict == "absent":
        # A model that has not learnt the grammar cannot show what the grammar does.
        return Decision("undecided", f"by its card {' and '.join(unlearnt)} does not know the grammar")
    return decision


def _gates(gates: Gates, evidence: Evidence) -> dict[str, Any]:
    """The gates as they are written, one key per rung where there is one per rung."""
    record = asdict(gates)
    aucs = record.pop("residual_auc")
    if gates.reliability is not None:
        record.pop("reliability_needed")
    for at, (name, rung) in enumerate((("trivial", evidence.trivial), ("full", evidence.full))):
        if rung is not None:
            record |= {f"residual_auc_{name}": aucs[at], f"left_over_{name}": rung.left_over}
            record[f"informative_loci_{name}"] = rung.informative_loci if np.isfinite(rung.informative_loci) else None
    if gates.reliability is not None and gates.reliability < NEEDED_RELIABLE:
        record["flag"] = f"predictability has a reliability of {gates.reliability:.2f}"
    return record


def _outcome(estimates: Sequence[Estimate], q: float, claim: Claim) -> Outcome:
    middle = sorted(estimates, key=lambda one: one.effect)[len(estimates) // 2]
    return Outcome(
        effect=middle.effect,
        interval=_envelope(estimates),
        shown=None if claim.show is None else [claim.show(value) for value in (middle.effect, *_envelope(estimates))],
        p=max(one.p for one in estimates),
        q=q,
        left_over=min(one.left_over for one in estimates),
        learners={
            one.learner: LearnerOutcome(effect=one.effect, interval=one.interval, p=one.p, left_over=one.left_over)
            for one in estimates
        },
    )


def _envelope(estimates: Sequence[Estimate]) -> tuple[float, float]:
    return min(one.interval[0] for one in estimates), max(one.interval[1] for one in estimates)


# -- sentences -------------------------------------------------------------------------------------------------------

TRIVIALLY_KNOWN = "composition, copies and repeats"
"""What the trivial features are of, where all of them are known."""
MEANING = {
    "survives": "more than predictability, however measured",
    "hinges": "it goes with what this model has learnt to predict, conserved grammar or memorised sequence; "
    "these scores cannot tell which",
    "collapses": f"{TRIVIALLY_KNOWN} account for it",
    "reverses": "adjustment turns it over; the raw direction misleads",
    "absent": "there is no effect of a size that matters",
}
"""What each word says, in plain words."""
NEEDED = {
    "few draws": "draw more (--permutations)",
    "not identifiable": "the features tell what is tested; elements that differ in one and not the other would decide",
    "adjustment failed": "the features still tell what is left of the scores; a better learner or more elements would "
    "decide",
    FEW_LOCI: "more loci would decide",
    "one locus": "what is tested varies in one locus, or nearly so; elements of more loci would decide",
    "predictability not measured": "a language model's predictability of each element would decide",
    "predictability too noisy": "predictability over more bases would decide",
    "reliability of predictability not known": "predictability by halves of the bases (predictability_a, "
    "predictability_b) would decide",
    "learners disagree": "more loci, or elements more alike in their features, would decide",
    "too small to be measured": "a change this small is below what a laboratory measures",
}
"""What would decide, by the reason of an *undecided* claim; for *underpowered* see `loci_needed`."""


def trivially_known(features: Collection[str]) -> str:
    """What the trivial features are of, in words: of foreign tables often no more than the length is known."""
    kinds = {
        "length": ("log_length",),
        "composition": ("gc", "cpg_oe", "complexity", "markov5", "two_sided"),
        "copies": ("copy_advantage",),
        "repeats": ("copies", "repeat_fraction"),
    }
    names = [kind for kind, columns in kinds.items() if set(columns) & set(features)]
    if "composition" in names and "length" in names:
        names.remove("length")
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "no feature"


def sentence(claim: Claim, entry: ClaimEntry, settings: Settings, features: str) -> str:
    """One plain sentence for a reader who is no statistician; `features` are what `trivially_known` names."""
    steps = [f"{claim.say(entry, settings)} ({_q(entry.raw.q)})"]
    names = {"trivial": f"given {features}", "full": "given predictability too"}
    steps += [f"{names[rung]} {_effect(entry.rungs[rung])}" for rung in ("trivial", "full") if rung in entry.rungs]
    says = ", ".join(steps)
    if entry.verdict == "undecided":
        return f"{says}: {claim.subject} is undecided ({entry.reason}): {_needed(entry)}."
    verb = "is absent" if entry.verdict == "absent" else f"{entry.verdict}"
    return f"{says}: {claim.subject} {verb}: {MEANING[entry.verdict or 'absent'].replace(TRIVIALLY_KNOWN, features)}."


def _needed(entry: ClaimEntry) -> str:
    if entry.reason == "underpowered":
        loci = loci_needed(entry)
        return "more loci like these would decide" if loci is None else f"about {loci} loci like these would decide"
    return NEEDED.get(entry.reason, "a model that knows it would decide")


def loci_needed(entry: ClaimEntry) -> int | None:
    """Loci with which the widest interval would fit between none and the margin; None where that is no number."""
    rung = entry.full or entry.trivial
    if rung is None or entry.n_loci is None or entry.margin is None:
        return None
    halves = [
        (one.interval[1] - one.interval[0]) / 2
        for one in rung.learners.values()
        if one.interval is not None and one.interval[0] is not None and one.interval[1] is not None
    ]
    widest = max(halves, default=np.inf)
    if not np.isfinite(widest) or widest <= entry.margin / 2:
        return None
    return int(np.ceil(entry.n_loci * (widest / (entry.margin / 2)) ** 2))


def _effect(outcome: Outcome) -> str:
    effect, low, high = outcome.shown or (outcome.effect, *(outcome.interval or (None, None)))
    explained = (outcome.left_over or 0.0) < LEAST_LEFT_OVER
    if explained or effect is None or low is None or high is None or not np.isfinite([low, high]).all():
        return "nothing can be estimated"
    return f"{effect:.2f} ({low:.2f} to {high:.2f}, {_q(outcome.q)})"


def _q(q: float | None) -> str:
    return "q not known" if q is None or not np.isfinite(q) else f"q = {q:.2g}"
