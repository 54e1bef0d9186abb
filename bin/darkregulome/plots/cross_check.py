"""Figures of the cross-checks."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from darkregulome.plots.style import NEUTRAL, RUNG_COLOURS, RUNG_LABELS, SERIES, legend_above, panels, rungs_at

MOST_SUBJECTS = 40
"""A figure with more rows could not be read; the table has them all."""


def eqtl_figure(record: Mapping[str, Any]) -> Figure:
    """Effects with intervals, and the balance of the matching."""
    claims = record["claims"]
    figure, (left, right) = panels(2, width=4.2, height=1.2 + 0.5 * len(claims))
    for place, claim in enumerate(claims):
        rungs_at(left, place, claim, labelled=True)
    left.set_yticks(range(len(claims)), [f"{claim['model']}\n({claim['verdict']})" for claim in claims])
    left.invert_yaxis()
    left.axvline(0, color=NEUTRAL, lw=0.8)
    left.set_xlabel(claims[0]["unit"])
    legend_above(figure, [left])
    for claim in claims:
        rows = record["balance"][claim["model"]]
        names = [row["covariate"].replace("_", " ") for row in rows]
        right.plot([abs(row["before"]) for row in rows], names, "o", mfc="none", color=NEUTRAL, ms=5)
        right.plot([abs(row["after"]) for row in rows], names, "o", color=SERIES[0], ms=4)
    right.axvline(0.1, color=NEUTRAL, lw=0.8, ls="--")
    right.set_xlabel("|standardised difference|: open before, filled after")
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
