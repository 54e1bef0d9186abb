"""Figures of the diagnosis. Each function draws the record it is handed and returns a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from darkregulome.plots.style import (
    NEUTRAL,
    RUNG_COLOURS,
    RUNG_LABELS,
    SHARE_COLOURS,
    estimate,
    legend_above,
    measured_rungs,
    panel,
    panels,
    rungs_at,
    save_all,
    stacked_bars,
)

Claims = Sequence[Mapping[str, Any]]
Nulls = Mapping[tuple[str, str, str], tuple[float, NDArray]]

CAPTIONS = {
    "horizon": ("RIS against distance", "Mean score by distance from the TSS, rung by rung, with 95 % intervals."),
    "variance_shares": ("Variance shares", "How much of the variance of RIS features and annotation explain."),
    "effects": ("Effects", "The effect of every claim rung by rung, over the intervals of all learners."),
}
"""Of each figure: the title of its section in the report, and what it shows."""
LADDER = ("Ladder of adjustments", "{}: by each learner; dark band: floor, light band: margin.")
NULLS = ("Nulls", "{}: the least sure learner's statistic (line), and as chance gives it (filled).")
LEARNER_MARKERS = {"none": "o", "linear": "o", "splines": "s", "boosting": "^"}
"""Of the estimates by each learner; raw effects have none."""


def draw_diagnosis(record: Mapping[str, Any], profiles: pd.DataFrame, nulls: Nulls, folder: Path) -> list[Path]:
    """Draw and write every figure that the record has data for."""
    claims = record["claims"]
    figures = {
        "horizon": horizon_figure(profiles, claims, record["parameters"]["horizon"]),
        "variance_shares": shares_figure(record["models"]),
        "effects": effects_figure(claims),
    }
    captions = dict(CAPTIONS)
    for name in dict.fromkeys(claim["claim"] for claim in claims):
        own = _of(claims, name)
        figures |= {f"ladder_{name}": ladder_figure(own), f"nulls_{name}": nulls_figure(own, nulls)}
        words = name.replace("_", " ").capitalize()
        captions |= {f"ladder_{name}": _filled(LADDER, words), f"nulls_{name}": _filled(NULLS, words)}
    return save_all(folder, figures, captions)


def _filled(caption: tuple[str, str], words: str) -> tuple[str, str]:
    return caption[0], caption[1].format(words)


def _of(claims: Claims, name: str) -> list[Mapping[str, Any]]:
    return [claim for claim in claims if claim["claim"] == name]


def horizon_figure(profiles: pd.DataFrame, claims: Claims, horizon: int) -> Figure | None:
    """Mean score against distance to the TSS, rung by rung, with the horizon."""
    if profiles.empty:
        return None
    verdicts = {claim["model"]: claim["verdict"] for claim in _of(claims, "horizon")}
    models = list(dict.fromkeys(profiles["model"]))
    figure, axes = panels(len(models), sharey=True)
    for axis, model in zip(axes, models, strict=True):
        for rung, colour in RUNG_COLOURS:
            rows = profiles[(profiles["model"] == model) & (profiles["scores"] == rung)]
            if rows.empty:
                continue
            kb = rows["distance"] / 1000
            low, high = (rows[bound].fillna(rows["mean"]) for bound in ("low", "high"))
            axis.fill_between(kb, low, high, color=colour, alpha=0.2, lw=0)
            axis.plot(kb, rows["mean"], color=colour, marker="o", ms=3, lw=1.4, label=RUNG_LABELS[rung])
        axis.axvline(horizon / 1000, color=NEUTRAL, lw=1, ls="--")
        axis.axhline(0, color=NEUTRAL, lw=0.6)
        axis.set_title(f"{model}: {verdicts[model]}" if model in verdicts else model)
        axis.set_xlabel(f"|distance| to TSS (kb); dashed: {horizon / 1000:g} kb")
    axes[0].set_ylabel("score (SD within locus)")
    legend_above(figure, axes)
    return figure


def shares_figure(models: Mapping[str, Any]) -> Figure | None:
    """Share of each model's variance: features alone, annotation alone, shared, unexplained."""
    if not models:
        return None
    figure, axis = panel(5.6, 0.9 + 0.42 * len(models))
    names = list(models)[::-1]
    # Suppression makes the shared part negative; a bar cannot be.
    parts = {part: [max(models[name]["shares"][part], 0.0) for name in names] for part in SHARE_COLOURS}
    stacked_bars(axis, names, parts, SHARE_COLOURS.values())
    axis.set_xlim(0, max(1.0, *(sum(widths) for widths in zip(*parts.values(), strict=True))))
    axis.set_xlabel("share of within-locus variance of RIS")
    axis.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def nulls_figure(claims: Claims, nulls: Nulls) -> Figure | None:
    """The statistic of one claim against its null, rung by rung: one panel per model."""
    with_null = [claim for claim in claims if (claim["claim"], claim["model"], "raw") in nulls]
    if not with_null:
        return None
    figure, axes = panels(len(with_null), 4, width=2.4, height=1.6)
    for axis, claim in zip(axes, with_null, strict=True):
        for rung, colour in RUNG_COLOURS:
            observed, draws = nulls.get((claim["claim"], claim["model"], rung), (np.inf, np.zeros(0)))
            if not len(draws) or not np.isfinite(observed):
                continue
            counts, edges = np.histogram(draws, bins=_edges(draws))
            axis.stairs(counts, edges, color=colour, fill=True, alpha=0.35, label=RUNG_LABELS[rung])
            axis.axvline(observed, color=colour, lw=1.6)
        axis.set_yticks([])
        axis.set_title(claim["model"].replace("|", "\n"), fontsize=7)
        axis.tick_params(labelsize=7)
    figure.supxlabel("statistic: null draws (filled) and observed (line)", fontsize=8)
    legend_above(figure, axes)
    return figure


def _edges(draws: NDArray, most: int = 40) -> NDArray:
    """Edges of a histogram; one bin per value where the statistic takes few values, as counts do."""
    values = np.unique(np.round(draws, 9))
    if len(values) > 3 * most:
        return np.linspace(draws.min(), draws.max(), most + 1)
    step = float(np.diff(values).min()) if len(values) > 1 else 1.0
    return np.r_[values[0] - step / 2, values + step / 2]


def ladder_figure(claims: Claims) -> Figure | None:
    """The effect of one claim by every learner, from rung to rung: one panel per model."""
    if not claims:
        return None
    figure, axes = panels(len(claims), 4, width=2.4, height=2.0, sharey=True)
    for axis, claim in zip(axes, claims, strict=True):
        _ladder(axis, claim)
        verdict = claim["verdict"] or "not judged"
        axis.set_title(f"{claim['model']}\n{verdict}".replace("|", "\n"), fontsize=7)
    figure.supylabel(claims[0]["unit"].partition(";")[0], fontsize=8)
    legend_above(figure, axes)
    return figure


def _ladder(axis: Axes, claim: Mapping[str, Any]) -> None:
    for bound, shade in ((claim["margin"], "#EFEFEF"), (claim["floor"], "#D9D9D9")):
        axis.axhspan(-bound, bound, color=shade, lw=0)
    axis.axhline(0, color=NEUTRAL, lw=0.6)
    places = {rung: place for place, (rung, _) in enumerate(RUNG_COLOURS)}
    measured = measured_rungs(claim)
    for rung, outcome in measured.items():
        learners = outcome["learners"]
        for at, (learner, own) in enumerate(learners.items()):
            shift = 0.2 * (at - (len(learners) - 1) / 2)
            label = None if learner == "none" else learner
            style = {"marker": LEARNER_MARKERS.get(learner, "D"), "ms": 4, "label": label}
            estimate(axis, places[rung] + shift, own, dict(RUNG_COLOURS)[rung], vertical=True, **style)
    for rung, place in places.items():
        if claim.get(rung) and rung not in measured:
            axis.text(place, 0, "not\nidentifiable", ha="center", va="bottom", fontsize=6, color="#555555")
    axis.set_xticks(list(places.values()), list(places), fontsize=8)
    axis.set_xlim(-0.5, len(places) - 0.5)


def effects_figure(claims: Claims) -> Figure | None:
    """Effects of every claim with their intervals, rung by rung: one panel per claim, one row per model."""
    groups = {name: _of(claims, name) for name in dict.fromkeys(claim["claim"] for claim in claims)}
    if not groups:
        return None
    ratios = [len(rows) + 1.4 for rows in groups.values()]
    height = 0.3 * sum(ratios) / len(groups) + 0.25
    figure, axes = panels(len(groups), 1, width=6.5, height=height, gridspec_kw={"height_ratios": ratios})
    for axis, (name, rows) in zip(axes, groups.items(), strict=True):
        for place, claim in enumerate(rows):
            rungs_at(axis, place, claim, labelled=True, ms=4)
        axis.axvline(0, color=NEUTRAL, lw=0.8)
        axis.set_yticks(range(len(rows)), [_row_label(claim) for claim in rows], fontsize=7)
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.set_title(f"{name.replace('_', ' ')}: {rows[0]['unit'].partition(';')[0]}", fontsize=8, loc="left")
        axis.tick_params(axis="x", labelsize=7)
    legend_above(figure, axes)
    return figure


def _row_label(claim: Mapping[str, Any]) -> str:
    return f"{claim['model'].replace('|', ', ')} ({claim['verdict'] or 'not judged'})"
