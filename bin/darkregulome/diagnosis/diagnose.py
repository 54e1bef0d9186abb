"""The diagnosis: every claim that needs only elements and scores, raw and residual, for each model and each pair."""

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
from darkregulome.stats.loci import Floats
from darkregulome.stats.residual import commonality


@dataclass(frozen=True)
class Diagnosis:
    """What a diagnosis gives.

    Attributes
    ----------
    record : ``diagnosis.json``.
    residuals : one row per element and model: ris, residual, fitted scale, class, distance, and the features used.
    profiles : mean score by distance, raw and residual, for the figure of the horizon.
    nulls : draws of each claim's statistic: ``(claim, model, "raw" | "residual")`` to (observed, draws).
    """

    record: dict[str, Any]
    residuals: pd.DataFrame
    profiles: pd.DataFrame
    nulls: dict[tuple[str, str, str], tuple[float, Floats]]


def diagnose(elements: pd.DataFrame, ris: pd.DataFrame, settings: Settings, threads: int = 1) -> Diagnosis:
    """Test every claim on every model, raw and residual, against the null, and give verdicts.

    Parameters
    ----------
    elements, ris : tables of the schemas ELEMENTS and RIS; `ris` may be anybody's (element, model, ris).
    settings : parameters.
    threads : claims tested at a time.

    Raises
    ------
    InputError
        The two tables have no element in common, or there is no score.
    """
    models, left_out = prepare_models(elements, ris, settings)
    family = claims_of("diagnosis")
    judged = judge(family, models, settings, threads=threads)
    record = judged.record(settings, left_out)
    record["models"] = {one.name: _model_record(one, settings) for one in models}
    for claim in family:
        record |= claim.summary(judged.findings[claim.name])
    nulls = {
        (result.claim.name, result.model, side): (tested.statistic, tested.draws)
        for result in judged.results
        for side, tested in (("raw", result.raw), ("residual", result.residual))
    }
    frames, profiles = [_residual_rows(one) for one in models], [distance_profile(one) for one in models]
    return Diagnosis(
        rounded(record),
        pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(),
        pd.concat(profiles, ignore_index=True) if profiles else pd.DataFrame(),
        nulls,
    )


def _model_record(one: Prepared, settings: Settings) -> dict[str, Any]:
    scores, fit = one.scores, one.fit
    features = expand(scores.features.values, settings.residualize)
    enough = settings.bootstrap and scores.loci.count >= MINIMUM_LOCI
    resamples = one.setting.resamples if enough else None
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


def _residual_rows(one: Prepared) -> pd.DataFrame:
    table = one.scores.table
    frame = pd.DataFrame(
        {
            "element": table["element"],
            "locus": table["locus"],
            "model": one.name,
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
    if not one.scores.knows_distance:
        return pd.DataFrame()
    distance, loci = one.scores.distance, one.scores.loci
    edges = np.unique(np.quantile(distance, np.linspace(0, 1, bins + 1)))
    where = np.clip(np.searchsorted(edges, distance, side="right") - 1, 0, max(len(edges) - 2, 0))
    member = (where[:, None] == np.arange(max(len(edges) - 1, 1))[None, :]).astype(float)
    counts = loci.sums(member)
    rows = []
    for side, values in one.both():
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
