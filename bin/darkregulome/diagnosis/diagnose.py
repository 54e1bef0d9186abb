"""The diagnosis: claims 1 to 5, raw and residual, for each model and each pair that can be judged."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from darkregulome.diagnosis.entries import ClaimResult, entries, power_warnings
from darkregulome.diagnosis.scores import ModelScores, draws_for, join_scores, near_mask, shared_rows
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import rounded
from darkregulome.stats import claims
from darkregulome.stats.agreement import spearman
from darkregulome.stats.bootstrap import percentile_interval, ratio
from darkregulome.stats.claims import NotTestable, Setting, Tested
from darkregulome.stats.features import expand
from darkregulome.stats.loci import Bools, Floats, Loci
from darkregulome.stats.nulls import Null
from darkregulome.stats.residual import Residualization, commonality, normal_scores_by_locus, propensity, residualize

MINIMUM_ELEMENTS = 20
"""A model with fewer scored elements is not diagnosed, and said so."""


@dataclass(frozen=True)
class Diagnosis:
    """What a diagnosis gives.

    Attributes
    ----------
    record : ``diagnosis.json``.
    residuals : one row an element and model: ris, residual, fitted scale, class, distance, and the features used.
    profiles : mean score by distance, raw and residual, for the figure of the horizon.
    nulls : draws of each claim's statistic: ``(claim, model, "raw" | "residual")`` to (observed, draws).
    """

    record: dict[str, Any]
    residuals: pd.DataFrame
    profiles: pd.DataFrame
    nulls: dict[tuple[str, str, str], tuple[float, Floats]]


@dataclass(frozen=True)
class Prepared:
    """A model ready to be tested: standardised raw scores, residuals, and residuals over their fitted scale."""

    scores: ModelScores
    fit: Residualization
    raw: Floats
    residual: Floats
    studentised: Floats
    residual_sd: float
    setting: Setting
    beside: list[tuple[str, Null]]


class Sides(NamedTuple):
    """One claim on the raw and on the residual scores."""

    raw: Tested
    residual: Tested


def diagnose(elements: pd.DataFrame, ris: pd.DataFrame, settings: Settings, threads: int = 1) -> Diagnosis:
    """Test every claim on every model, raw and residual, against the null, and give verdicts.

    Parameters
    ----------
    elements, ris : tables of the schemas ELEMENTS and RIS; `ris` may be anybody's (element, model, ris).
    settings : parameters.
    threads : claims tested at a time; each has its own generators, so that the answer is the same for any number.

    Raises
    ------
    InputError
        The two tables have no element in common, or there is no score.
    """
    models, skipped = testable(join_scores(elements, ris))
    prepared = [prepare(model, settings) for model in models]
    results: list[ClaimResult] = []
    asked = list(_tests(prepared, settings))
    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(lambda item: _answer(item[2]), asked))
    for (name, model, _), answer in zip(asked, answers, strict=True):
        if isinstance(answer, ClaimResult):
            results.append(answer)
        else:
            skipped.append({"claim": name, "model": model, "reason": answer})
    written = entries(results, settings)
    record = {
        "parameters": settings.model_dump(),
        "models": {one.scores.name: _model_record(one, settings) for one in prepared},
        "claims": [entry.to_json() for entry in written],
        "warnings": power_warnings(written),
        "not_tested": skipped,
        "class_order_agreement": _class_order_agreement(results),
    }
    nulls = {
        (result.claim, result.model, side): (tested.statistic, tested.draws)
        for result in results
        for side, tested in (("raw", result.raw), ("residual", result.residual))
    }
    frames = [_residual_rows(one) for one in prepared]
    profiles = [distance_profile(one) for one in prepared]
    return Diagnosis(
        rounded(record),
        pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(),
        pd.concat(profiles, ignore_index=True) if profiles else pd.DataFrame(),
        nulls,
    )


def prepare(scores: ModelScores, settings: Settings) -> Prepared:
    """Residualize and standardise one model's scores, and draw its nulls."""
    fit = scores.residualize(settings.residualize)
    loci = scores.loci
    residual, residual_sd = loci.standardise(fit.residual)
    setting, beside = draws_for([scores.name], loci, scores.classes, settings)
    return Prepared(
        scores=scores,
        fit=fit,
        raw=loci.standardise(scores.raw)[0],
        residual=residual,
        studentised=loci.standardise(loci.center(fit.residual) / fit.scale)[0],
        residual_sd=residual_sd,
        setting=setting,
        beside=beside,
    )


def testable(models: list[ModelScores]) -> tuple[list[ModelScores], list[dict[str, str]]]:
    """Models with enough to test, and the others with the reason."""
    reasons = {model.name: _unfit(model) for model in models}
    skipped = [{"claim": "all", "model": name, "reason": reason} for name, reason in reasons.items() if reason]
    return [model for model in models if not reasons[model.name]], skipped


def _unfit(scores: ModelScores) -> str | None:
    if len(scores.table) < MINIMUM_ELEMENTS:
        return f"{len(scores.table)} elements have a score; {MINIMUM_ELEMENTS} are needed"
    if scores.loci.standardise(scores.raw)[1] == 0:
        return "its scores do not vary within loci"
    return None


def _answer(test: Callable[[], ClaimResult]) -> ClaimResult | str:
    """What a test gives, or why it cannot be asked."""
    try:
        return test()
    except NotTestable as error:
        return str(error)


def _tests(prepared: list[Prepared], settings: Settings) -> Iterator[tuple[str, str, Callable[[], ClaimResult]]]:
    for one in prepared:
        name = one.scores.name
        yield "horizon", name, lambda one=one: _horizon(one, settings)  # type: ignore[misc]
        yield "class_hierarchy", name, lambda one=one: _class_hierarchy(one, settings)  # type: ignore[misc]
        yield "baseline_membership", name, lambda one=one: _baseline(one, settings)  # type: ignore[misc]
        yield "ccre_discrimination", name, lambda one=one: _ccre(one, settings)  # type: ignore[misc]
    for language in prepared:
        for output in prepared:
            if language.scores.is_language_model and not output.scores.is_language_model:
                pair = f"{language.scores.name}|{output.scores.name}"
                yield "list_overlap", pair, lambda a=language, b=output: _lists(a, b, settings)  # type: ignore[misc]


def _result(claim: str, one: Prepared, sides: Sides, settings: Settings, details: dict[str, Any]) -> ClaimResult:
    return ClaimResult(
        claim=claim,
        model=one.scores.name,
        raw=sides.raw,
        residual=sides.residual,
        n=one.scores.loci.n,
        n_loci=one.scores.loci.count,
        null=settings.null,
        residual_sd=one.residual_sd,
        track_floor=track_floor(one.scores, settings),
        details={**details, "log10_distinct_draws": one.setting.null.log10_distinct},
    )


def track_floor(scores: ModelScores, settings: Settings) -> float | None:
    """The floor in log2 units of an output model's tracks; None for every other readout."""
    return settings.track_floor if scores.kind == "output" and scores.readout == "track" else None


def horizon_sides(one: Prepared, settings: Settings) -> Sides:
    """Near against far, raw and residual."""
    near = near_mask(one.scores.distance, settings.horizon)
    return Sides(*(claims.horizon(values, near, one.setting) for _, values in _both(one)))


def change_points(one: Prepared) -> dict[str, dict[str, Any]]:
    """The change point of raw and of residual scores; empty where there is nothing to scan."""
    return {side: claims.change_point(values, one.scores.distance, one.setting) for side, values in _both(one)}


def _horizon(one: Prepared, settings: Settings) -> ClaimResult:
    near = near_mask(one.scores.distance, settings.horizon)
    sides = horizon_sides(one, settings)
    weights = one.scores.loci.center(near)
    details = {
        "horizon": settings.horizon,
        "change_point": change_points(one),
        "ladder": _ladder(one, near, settings),
        "other_nulls": {side: claims.shuffles_beside(values, weights, one.beside) for side, values in _both(one)},
    }
    return _result("horizon", one, sides, settings, details)


def _both(one: Prepared) -> tuple[tuple[str, Floats], tuple[str, Floats]]:
    return (("raw", one.raw), ("residual", one.residual))


def _ladder(one: Prepared, near: np.ndarray, settings: Settings) -> list[dict[str, Any]]:
    """The contrast as features are added in turn, then all; and with each feature alone."""
    names = one.scores.features.names
    steps = [("raw", ())] + [(f"+ {names[i]}", names[: i + 1]) for i in range(len(names))]
    alone = [(f"{name} alone", (name,)) for name in names]
    rungs = []
    for label, used in steps + alone:
        values = one.raw
        if used:
            columns = one.scores.features.values[:, [names.index(name) for name in used]]
            fit = residualize(one.scores.raw, columns, one.scores.loci, one.scores.folds, settings.residualize)
            values = one.scores.loci.standardise(fit.residual)[0]
        tested = claims.horizon(values, near, one.setting)
        rungs.append(
            {
                "step": label,
                "features": list(used),
                "effect": tested.effect,
                "interval": list(tested.interval),
                "p": tested.p,
            }
        )
    return rungs


def class_sides(one: Prepared, settings: Settings) -> Sides:
    """The class hierarchy, raw and residual; a residual hierarchy has the sign of its agreement with the raw one."""
    raw = claims.class_hierarchy(one.raw, one.scores.classes, one.setting)
    return Sides(raw, claims.class_hierarchy(one.residual, one.scores.classes, one.setting, _class_means(raw)))


def _class_means(tested: Tested) -> dict[str, float]:
    return {word: numbers["mean"] for word, numbers in tested.details["classes"].items()}


def _class_hierarchy(one: Prepared, settings: Settings) -> ClaimResult:
    scores = one.scores
    sides = class_sides(one, settings)
    columns = np.hstack([scores.features.values, scores.location(settings.horizon)])
    fit = residualize(scores.raw, columns, scores.loci, scores.folds, settings.residualize)
    located = scores.loci.standardise(fit.residual)[0]
    beyond = claims.class_hierarchy(located, scores.classes, one.setting, _class_means(sides.raw))
    details = {
        "tested_beyond_location": settings.beyond_location,
        "residual_plain": {"effect": sides.residual.effect, "p": sides.residual.p},
        "residual_beyond_location": {"effect": beyond.effect, "p": beyond.p},
    }
    if settings.beyond_location:
        sides = Sides(sides.raw, beyond)
    return _result("class_hierarchy", one, sides, settings, details)


def baseline_sides(one: Prepared, settings: Settings) -> Sides:
    """How well the features alone tell the top elements, of raw scores and of residuals."""
    scores = one.scores
    return Sides(
        *(
            claims.baseline_membership(values, scores.features.values, scores.folds, settings.top_fraction, one.setting)
            for values in (one.raw, one.studentised)
        )
    )


def _baseline(one: Prepared, settings: Settings) -> ClaimResult:
    scores = one.scores
    logistic = claims.logistic_auc(scores.raw, scores.features.values, scores.folds, settings.top_fraction)
    return _result("baseline_membership", one, baseline_sides(one, settings), settings, {"auc_logistic_raw": logistic})


@dataclass(frozen=True)
class Ranked:
    """What the claim on cCREs is about: normal scores of ranks, what the features leave of them, and who is a cCRE."""

    raw: Floats
    residual: Floats
    positive: Bools
    expected: Floats


def rank_scores(one: Prepared, settings: Settings) -> Ranked:
    """Raw and residual normal scores of the ranks within loci, for a claim that is of ranks.

    An AUC does not change under a monotone transformation of the scores, and what is left of it must not either.
    Least squares on the scores themselves would let a few large ones decide how the many small ones rank.
    """
    scores, loci = one.scores, one.scores.loci
    values = normal_scores_by_locus(scores.raw, loci)
    fit = residualize(values, scores.features.values, loci, scores.folds, settings.residualize)
    positive = scores.classes == "cCRE"
    return Ranked(
        raw=loci.standardise(values)[0],
        residual=loci.standardise(fit.residual)[0],
        positive=positive,
        expected=propensity(positive, scores.features.values, scores.folds),
    )


def ccre_sides(one: Prepared, ranked: Ranked) -> Sides:
    """Do cCREs score differently from other elements: AUC of raw scores, and of residuals among comparable elements."""
    setting, positive = one.setting, ranked.positive
    return Sides(
        claims.discrimination(ranked.raw, positive, setting, contrast_of=one.raw),
        claims.discrimination(ranked.residual, positive, setting, ranked.expected, contrast_of=one.residual),
    )


def _ccre(one: Prepared, settings: Settings) -> ClaimResult:
    ranked = rank_scores(one, settings)
    sides = ccre_sides(one, ranked)
    beside = {
        name: ccre_sides(replace(one, setting=replace(one.setting, null=null)), ranked)
        for name, null in one.beside
        if name != "stratified"
    }
    others = {side: {name: getattr(other, side).p for name, other in beside.items()} for side in ("raw", "residual")}
    return _result("ccre_discrimination", one, sides, settings, {"other_nulls": others})


@dataclass(frozen=True)
class Pair:
    """A language model and an output model on the elements that both scored."""

    loci: Loci
    setting: Setting
    language: Floats
    output: Floats
    language_residual: Floats
    output_residual: Floats
    output_contrast: Floats


def align(language: Prepared, output: Prepared, settings: Settings) -> Pair:
    """The two models' scores on the elements that both scored, and the pair's own null.

    Raises
    ------
    NotTestable
        There are too few such elements.
    """
    rows_a, rows_b = shared_rows(language.scores, output.scores)
    if len(rows_a) < MINIMUM_ELEMENTS:
        raise NotTestable(f"the two models share {len(rows_a)} elements")
    everything = len(rows_a) == language.scores.loci.n
    loci = language.scores.loci if everything else Loci.of(language.scores.loci.codes[rows_a])
    names = [language.scores.name, output.scores.name]
    setting, _ = draws_for(names, loci, language.scores.classes[rows_a], settings)
    columns = (
        *(language.raw[rows_a], output.raw[rows_b]),
        *(language.studentised[rows_a], output.studentised[rows_b], output.residual[rows_b]),
    )
    return Pair(loci, setting, *map(loci.center, columns))


def list_sides(pair: Pair, settings: Settings) -> Sides:
    """Overlap of the two models' top lists, of raw scores and of residuals over their fitted scale."""
    top = settings.top_fraction
    raw = claims.list_overlap(pair.language, pair.output, top, pair.setting)
    left = (pair.language_residual, pair.output_residual)
    return Sides(raw, claims.list_overlap(*left, top, pair.setting, contrast_of=pair.output_contrast))


def _lists(language: Prepared, output: Prepared, settings: Settings) -> ClaimResult:
    pair = align(language, output, settings)
    sides = list_sides(pair, settings)
    return ClaimResult(
        claim="list_overlap",
        model=f"{language.scores.name}|{output.scores.name}",
        raw=sides.raw,
        residual=sides.residual,
        n=pair.loci.n,
        n_loci=pair.loci.count,
        null=settings.null,
        residual_sd=output.residual_sd,
        track_floor=track_floor(output.scores, settings),
        details={"log10_distinct_draws": pair.setting.null.log10_distinct},
    )


def _model_record(one: Prepared, settings: Settings) -> dict[str, Any]:
    scores, fit = one.scores, one.fit
    features = expand(scores.features.values, settings.residualize)
    resamples = one.setting.resamples if scores.loci.count >= 3 else None
    parts = commonality(scores.raw, features, scores.annotation(), scores.loci, resamples)
    return {
        "kind": scores.kind,
        "readout": scores.readout,
        "n": scores.loci.n,
        "n_loci": scores.loci.count,
        "r2": fit.r2,
        "r2_in_sample": fit.r2_in_sample,
        "r2_total": fit.r2_total,
        "held_out": fit.unit,
        "shares": parts.shares,
        "shares_interval": parts.intervals,
        "coefficients": dict(zip(scores.features.names, fit.coefficients.tolist(), strict=True)),
        "predictability_source": scores.predictability_source,
        "imputed": scores.features.imputed,
        "dropped_features": scores.features.dropped,
        "without_score": scores.statuses,
        "notes": list(scores.notes),
    }


def _class_order_agreement(results: list[ClaimResult]) -> list[dict[str, Any]]:
    """Rank correlation of class means between every two models, raw and residual."""
    hierarchies = [result for result in results if result.claim == "class_hierarchy"]
    rows = []
    for i, first in enumerate(hierarchies):
        for second in hierarchies[i + 1 :]:
            row: dict[str, Any] = {"first": first.model, "second": second.model}
            for side in ("raw", "residual"):
                one, two = (getattr(result, side).details["classes"] for result in (first, second))
                words = [word for word in one if word in two]
                pair = [[side_of[word]["mean"] for word in words] for side_of in (one, two)]
                row[side] = spearman(np.array(pair[0]), np.array(pair[1])) if len(words) >= 3 else float("nan")
                row["n_classes"] = len(words)
            rows.append(row)
    return rows


def _residual_rows(one: Prepared) -> pd.DataFrame:
    table = one.scores.table
    frame = pd.DataFrame(
        {
            "element": table["element"],
            "locus": table["locus"],
            "model": one.scores.name,
            "class": table["class"],
            "distance": table["distance"],
            "ris": one.scores.raw,
            "residual": one.fit.residual,
            "raw_sd": one.raw,
            "residual_sd": one.residual,
            "residual_scale": one.fit.scale,
        }
    )
    for name, column in zip(one.scores.features.names, one.scores.features.values.T, strict=True):
        frame[f"feature_{name}"] = column
    return frame


def distance_profile(one: Prepared, bins: int = 16) -> pd.DataFrame:
    """Mean of raw and residual scores (SD) in bins of distance with equal numbers of elements, with intervals."""
    distance, loci = one.scores.distance, one.scores.loci
    edges = np.unique(np.quantile(distance, np.linspace(0, 1, bins + 1)))
    where = np.clip(np.searchsorted(edges, distance, side="right") - 1, 0, max(len(edges) - 2, 0))
    member = (where[:, None] == np.arange(max(len(edges) - 1, 1))[None, :]).astype(float)
    counts = loci.sums(member)
    rows = []
    for side, values in _both(one):
        sums = loci.sums(member * values[:, None])
        drawn = ratio(sums, counts, one.setting.resamples)
        for i in range(member.shape[1]):
            if not member[:, i].any():
                continue
            low, high = percentile_interval(drawn[:, i])
            rows.append(
                {
                    "model": one.scores.name,
                    "scores": side,
                    "distance": float(np.median(distance[member[:, i] > 0])),
                    "mean": float(sums[:, i].sum() / counts[:, i].sum()),
                    "low": low,
                    "high": high,
                    "n": int(member[:, i].sum()),
                }
            )
    return pd.DataFrame(rows)
