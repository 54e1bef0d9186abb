"""The diagnosis: every claim that needs only elements and scores, rung by rung, for each model and each pair."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from darkregulome.diagnosis.prepared import Prepared, prepare_models
from darkregulome.diagnosis.run import claims_of, judge
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import rounded
from darkregulome.stats.bootstrap import MINIMUM_LOCI, percentile_interval, ratio
from darkregulome.stats.features import expand
from darkregulome.stats.learners import top_auc
from darkregulome.stats.loci import Floats
from darkregulome.stats.residual import commonality, r_squared


@dataclass(frozen=True)
class Diagnosis:
    """What a diagnosis gives.

    Attributes
    ----------
    record : ``diagnosis.json``.
    residuals : one row per element and model: class, distance, ris, what the features of each rung leave of it in SD
        within loci (``<rung>_sd``) and in the units of ris (``ris_given_<rung>``), and the features.
    profiles : mean score by distance, rung by rung, for the figure of the horizon.
    nulls : of each claim and model, rung by rung, what the least sure learner's statistic is, and its draws.
    """

    record: dict[str, Any]
    residuals: pd.DataFrame
    profiles: pd.DataFrame
    nulls: dict[tuple[str, str, str], tuple[float, Floats]]


def diagnose(elements: pd.DataFrame, ris: pd.DataFrame, settings: Settings, threads: int = 1) -> Diagnosis:
    """Test every claim on every model, raw, given the trivial features and given the full ones, and give verdicts.

    Parameters
    ----------
    elements, ris : tables of the schemas ELEMENTS and RIS; `ris` may be anybody's (element, model, ris).
    settings : parameters.
    threads : claims tested at a time; the answer is the same for any number.

    Raises
    ------
    InputError
        The two tables have no element in common, or there is no score.
    """
    models, left_out = prepare_models(elements, ris, settings)
    judged = judge(claims_of("diagnosis"), models, settings, threads=threads)
    record = judged.record(settings, left_out)
    record["models"] = {one.name: _model_record(one, settings) for one in models}
    nulls = {}
    for result in judged.results:
        for rung, estimates in result.ladder.rungs().items():
            weakest = max(estimates, key=lambda one: one.p)
            nulls[(result.claim.name, result.model, rung)] = (weakest.statistic, weakest.draws)
    frames, profiles = [_residual_rows(one) for one in models], [distance_profile(one) for one in models]
    return Diagnosis(
        rounded(record),
        pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(),
        pd.concat(profiles, ignore_index=True) if profiles else pd.DataFrame(),
        nulls,
    )


def _model_record(one: Prepared, settings: Settings) -> dict[str, Any]:
    scores = one.scores
    enough = settings.bootstrap and scores.loci.count >= MINIMUM_LOCI
    resamples = one.setting.resamples if enough else None
    features = expand(scores.features.values, "splines")
    parts = commonality(scores.raw, features, scores.annotation(), scores.loci, resamples)
    return {
        "kind": scores.kind,
        "readout": scores.readout,
        "n": scores.loci.n,
        "n_loci": scores.loci.count,
        "r2": {rung: r_squared(one.raw, one.raw - one.left(rung)) for rung in one.rungs if rung != "raw"},
        "top_tenth_from_features": {
            rung: top_auc(scores.raw, matrix.values, scores.folds)
            for rung, matrix in (("trivial", scores.trivial), ("full", scores.features))
            if rung in one.rungs
        },
        "held_out": scores.folds.unit,
        "shares": parts.shares,
        "shares_interval": parts.intervals,
        "predictability_source": scores.predictability_source,
        "halves": scores.halves is not None,
        "features": list(scores.features.names),
        "imputed": scores.features.imputed,
        "dropped_features": scores.features.dropped,
        "log10_distinct_draws": one.setting.null.log10_distinct,
        "without_score": scores.statuses,
        "notes": list(scores.notes),
    }


def _residual_rows(one: Prepared) -> pd.DataFrame:
    frame = one.scores.table[["element", "locus", "class", "distance"]].assign(model=one.name, ris=one.scores.raw)
    for rung in one.rungs:
        frame[f"{rung}_sd"] = one.left(rung)
        if rung != "raw":
            frame[f"ris_given_{rung}"] = one.left(rung) * one.raw_sd
    for name, column in zip(one.scores.features.names, one.scores.features.values.T, strict=True):
        frame[f"feature_{name}"] = column
    return frame


def distance_profile(one: Prepared, bins: int = 16) -> pd.DataFrame:
    """Mean of the scores (SD), rung by rung, in bins of distance with equal numbers of elements, with intervals."""
    if not one.scores.knows_distance:
        return pd.DataFrame()
    distance, loci = one.scores.distance, one.scores.loci
    edges = np.unique(np.quantile(distance, np.linspace(0, 1, bins + 1)))
    where = np.clip(np.searchsorted(edges, distance, side="right") - 1, 0, max(len(edges) - 2, 0))
    member = (where[:, None] == np.arange(max(len(edges) - 1, 1))[None, :]).astype(float)
    counts = loci.sums(member)
    rows = []
    for side in one.rungs:
        values = one.left(side)
        sums = loci.sums(member * values[:, None])
        drawn = ratio(sums, counts, one.setting.resamples)
        for i in range(member.shape[1]):
            if not member[:, i].any():
                continue
            low, high = percentile_interval(drawn[:, i])
            rows.append(
                {
                    "model": one.name,
                    "scores": side,
                    "distance": float(np.median(distance[member[:, i] > 0])),
                    "mean": float(sums[:, i].sum() / counts[:, i].sum()),
                    "low": low,
                    "high": high,
                    "n": int(member[:, i].sum()),
                }
            )
    return pd.DataFrame(rows)
