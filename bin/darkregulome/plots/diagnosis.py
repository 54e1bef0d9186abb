"""Figures of the diagnosis. Each function draws the record it is handed and returns a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from darkregulome.plots.style import (
    NEUTRAL,
    RUNG_COLOURS,
    SERIES,
    SHARE_COLOURS,
    panel,
    panels,
    rungs_at,
    save_all,
    stacked_bars,
)

Nulls = Mapping[tuple[str, str, str], tuple[float, NDArray]]


CAPTIONS = {
    "horizon": ("RIS against distance", "RIS against distance from the TSS, raw and residual, with the horizon."),
    "variance_shares": ("Variance shares", "How much of the variance of RIS predictability and annotation explain."),
    "classes": ("Classes", "Mean RIS of each class of elements, raw and residual."),
    "nulls": ("Nulls", "Each statistic as observed, and as its null would have given it, raw and residual."),
    "ladder": ("Ladder of features", "The horizon with each feature taken out in turn, and with all of them out."),
    "effects": ("Effects", "The effect of every claim with its interval, raw and residual."),
}
"""Of each figure: the title of its section in the report, and what it shows."""


def draw_diagnosis(record: Mapping[str, Any], profiles: pd.DataFrame, nulls: Nulls, folder: Path) -> list[Path]:
    """Draw and write every figure that the record has data for."""
    claims = record["claims"]
    figures = {
        "horizon": horizon_figure(profiles, claims, record["parameters"]["horizon"]),
        "variance_shares": shares_figure(record["models"]),
        "classes": classes_figure(claims),
        "nulls": nulls_figure(claims, nulls),
        "ladder": ladder_figure(claims),
        "effects": effects_figure(claims),
    }
    return save_all(folder, figures, CAPTIONS)


def _of(claims: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return [claim for claim in claims if claim["claim"] == name]


def horizon_figure(profiles: pd.DataFrame, claims: Sequence[Mapping[str, Any]], horizon: int) -> Figure | None:
    """Mean score against distance to the TSS, raw and residual, with the horizon and the change point."""
    if profiles.empty:
        return None
    by_model = {claim["model"]: claim for claim in claims if "change_point" in claim["details"]}
    models = list(dict.fromkeys(profiles["model"]))
    figure, axes = panels(len(models), sharey=True)
    for axis, model in zip(axes, models, strict=True):
        for side, colour in RUNG_COLOURS:
            rows = profiles[(profiles["model"] == model) & (profiles["scores"] == side)]
            kb = rows["distance"] / 1000
            low, high = (rows[bound].fillna(rows["mean"]) for bound in ("low", "high"))
            axis.fill_between(kb, low, high, color=colour, alpha=0.2, lw=0)
            axis.plot(kb, rows["mean"], color=colour, marker="o", ms=3, lw=1.4, label=side)
        axis.axvline(horizon / 1000, color=NEUTRAL, lw=1, ls="--")
        axis.axhline(0, color=NEUTRAL, lw=0.6)
        claim = by_model.get(model)
        point = claim["details"]["change_point"]["residual"] if claim else {}
        if claim and point and claim["verdict"] == "survives":
            low, high = (value if value is not None else point["position"] for value in point["interval"])
            axis.axvspan(low / 1000, high / 1000, color=SERIES[0], alpha=0.12, lw=0)
        axis.set_title(f"{model}: {claim['verdict']}" if claim else model)
        axis.set_xlabel("|distance| to TSS (kb)")
    axes[0].set_ylabel("score (SD within locus)")
    axes[0].legend(title=f"dashed: {horizon / 1000:g} kb", title_fontsize=7)
    return figure


def shares_figure(models: Mapping[str, Any]) -> Figure | None:
    """Share of each model's variance: predictability alone, annotation alone, shared, unexplained."""
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


def classes_figure(claims: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Class means with intervals, raw next to residual."""
    hierarchies = [claim for claim in claims if "classes" in claim["details"]["raw"]]
    if not hierarchies:
        return None
    figure, axes = panels(len(hierarchies), sharey=True)
    words = hierarchies[0]["details"]["raw"]["order"]
    for axis, claim in zip(axes, hierarchies, strict=True):
        for place, word in enumerate(words):
            means = {side: claim["details"][side]["classes"].get(word) for side, _ in RUNG_COLOURS}
            if None not in means.values():
                outcomes = {side: {"effect": one["mean"], "interval": one["interval"]} for side, one in means.items()}
                rungs_at(axis, place, outcomes, labelled=place == 0, vertical=True, ms=5)
        axis.axhline(0, color=NEUTRAL, lw=0.6)
        axis.set_xticks(range(len(words)), words, rotation=35, ha="right")
        axis.set_title(f"{claim['model']}: {claim['verdict']}")
    axes[0].set_ylabel("class mean (SD within locus)")
    axes[0].legend()
    return figure


def nulls_figure(claims: Sequence[Mapping[str, Any]], nulls: Nulls) -> Figure | None:
    """Each statistic against its null, raw and residual."""
    with_null = [claim for claim in claims if (claim["claim"], claim["model"], "raw") in nulls]
    if not with_null:
        return None
    figure, axes = panels(len(with_null), 3, width=2.9, height=1.7)
    for axis, claim in zip(axes, with_null, strict=True):
        for side, colour in RUNG_COLOURS:
            observed, draws = nulls[(claim["claim"], claim["model"], side)]
            counts, edges = np.histogram(draws, bins=_edges(draws))
            axis.stairs(counts, edges, color=colour, fill=True, alpha=0.35)
            axis.axvline(observed, color=colour, lw=1.6)
        axis.set_yticks([])
        axis.set_title(f"{claim['claim'].replace('_', ' ')}\n{claim['model']}", fontsize=7)
        axis.tick_params(labelsize=7)
    figure.supxlabel("statistic: null draws (filled) and observed (line), raw orange, residual blue", fontsize=8)
    return figure


def _edges(draws: NDArray, most: int = 40) -> NDArray:
    """Edges of a histogram; one bin per value where the statistic takes few values, as counts do."""
    values = np.unique(np.round(draws, 9))
    if len(values) > 3 * most:
        return np.linspace(draws.min(), draws.max(), most + 1)
    step = float(np.diff(values).min()) if len(values) > 1 else 1.0
    return np.r_[values[0] - step / 2, values + step / 2]


def ladder_figure(claims: Sequence[Mapping[str, Any]]) -> Figure | None:
    """The near/far contrast as features are taken out in turn."""
    horizons = [claim for claim in claims if "ladder" in claim["details"]]
    if not horizons:
        return None
    figure, axes = panels(len(horizons), sharey=True)
    for axis, claim in zip(axes, horizons, strict=True):
        rungs = [rung for rung in claim["details"]["ladder"] if not rung["step"].endswith(" alone")]
        effects = np.array([rung["effect"] for rung in rungs], dtype=float)
        bounds = np.array([rung["interval"] for rung in rungs], dtype=float)
        place = np.arange(len(rungs))
        axis.vlines(place, bounds[:, 0], bounds[:, 1], color=SERIES[0], lw=1.4)
        axis.plot(place, effects, "o-", color=SERIES[0], ms=4, lw=0.8)
        axis.axhline(0, color=NEUTRAL, lw=0.6)
        labels = [rung["step"].replace("_", " ") for rung in rungs]
        axis.set_xticks(place, labels, rotation=45, ha="right", fontsize=7)
        axis.set_title(claim["model"])
    axes[0].set_ylabel("near less far (SD)")
    return figure


def effects_figure(claims: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Raw and residual effect of every claim with its interval: one panel per claim, one row per model."""
    names = list(dict.fromkeys(claim["claim"] for claim in claims))
    if not names:
        return None
    counts = [len(_of(claims, name)) for name in names]
    ratios = {"height_ratios": [count + 1 for count in counts]}
    figure, axes = panels(len(names), 1, width=6.0, height=0.55 + 0.36 * max(counts), gridspec_kw=ratios)
    for axis, name in zip(axes, names, strict=True):
        rows = _of(claims, name)
        for place, claim in enumerate(rows):
            rungs_at(axis, place, claim, ms=4)
        neutral = 0.5 if "AUC" in rows[0]["unit"] else 0.0
        axis.axvline(neutral, color=NEUTRAL, lw=0.8)
        axis.set_yticks(range(len(rows)), [f"{claim['model']} ({claim['verdict']})" for claim in rows], fontsize=7)
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.set_title(f"{name.replace('_', ' ')}: {rows[0]['unit']}", fontsize=8, loc="left")
        axis.tick_params(axis="x", labelsize=7)
    figure.supxlabel("raw orange, residual blue; 95 % intervals over loci", fontsize=8)
    return figure
