"""Figures of the cross-checks."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from darkregulome.plots.style import NEUTRAL, RUNG_COLOURS, RUNG_LABELS, legend_above, panels, rungs_at

MOST_SUBJECTS = 40
"""A figure with more rows could not be read; the table has them all."""


def marked_figure(record: Mapping[str, Any]) -> Figure:
    """Effects of marked elements with intervals, and how often the top lists hold them."""
    claims = record["claims"]
    figure, (left, right) = panels(2, width=4.2, height=1.6 + 0.6 * len(claims), sharey=True)
    for place, claim in enumerate(claims):
        rungs_at(left, place, claim, labelled=True)
    left.set_yticks(range(len(claims)), [f"{claim['model']}\n({claim['verdict']})" for claim in claims])
    left.invert_yaxis()
    left.axvline(0, color=NEUTRAL, lw=0.8)
    left.set_xlabel(claims[0]["unit"])
    legend_above(figure, [left])
    for place, claim in enumerate(claims):
        lists = claim["details"]["enrichment"]
        for offset, (rung, colour) in zip((-0.2, 0.0, 0.2), RUNG_COLOURS, strict=True):
            for null, fill in (("rotated", "none"), ("matched", colour)):
                fold = lists.get(rung, {}).get(null, {}).get("fold")
                if fold is not None:
                    right.plot(fold, place + offset, "o", mec=colour, mfc=fill, ms=6)
    right.axvline(1, color=NEUTRAL, lw=0.8, ls="--")
    right.set_xlabel("fold of the top list: filled, matched controls; open, rotated lists")
    return figure


def effects_figure(record: Mapping[str, Any]) -> Figure:
    """Effects with intervals, rung by rung: one row per subject (a family, a pair), one panel per model."""
    claims = record["claims"]
    models = list(dict.fromkeys(claim["model"].split("|")[0] for claim in claims))
    subjects = list(dict.fromkeys(claim["model"].partition("|")[2] for claim in claims))[:MOST_SUBJECTS]
    figure, axes = panels(len(models), width=3.6, height=1.3 + 0.32 * len(subjects), sharey=True)
    for axis, model in zip(axes, models, strict=True):
        for claim in claims:
            name, _, subject = claim["model"].partition("|")
            if name == model and subject in subjects:
                place = subjects.index(subject)
                rungs_at(axis, place, claim, labelled=True, ms=5, open_full=claim["verdict"] != "survives")
        axis.axvline(0, color=NEUTRAL, lw=0.8)
        axis.set_title(model)
        axis.set_xlabel(claims[0]["unit"])
    axes[0].set_yticks(range(len(subjects)), subjects)
    axes[0].set_ylim(len(subjects) - 0.4, -0.6)
    legend_above(figure, axes)
    return figure


def conservation_figure(record: Mapping[str, Any], profiles: pd.DataFrame) -> Figure:
    """Mean score by conservation, rung by rung."""
    claims = record["claims"]
    figure, axes = panels(len(claims), sharey=True)
    for axis, claim in zip(axes, claims, strict=True):
        for rung, colour in RUNG_COLOURS:
            rows = profiles[(profiles["model"] == claim["model"]) & (profiles["scores"] == rung)]
            if rows.empty:
                continue
            axis.plot(rows["conservation"], rows["mean"], "o-", color=colour, ms=3, label=RUNG_LABELS[rung])
        axis.axhline(0, color=NEUTRAL, lw=0.6)
        axis.set_title(f"{claim['model']}: {claim['verdict']}")
        axis.set_xlabel("mean conservation")
    axes[0].set_ylabel("score (SD within locus)")
    legend_above(figure, axes)
    return figure
