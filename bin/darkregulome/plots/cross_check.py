"""Figures of the cross-checks."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from darkregulome.plots.style import NEUTRAL, RESIDUAL, SIDES, estimate, panels

MOST_SUBJECTS = 40
"""A figure with more rows could not be read; the table has them all."""


def eqtl_figure(record: Mapping[str, Any]) -> Figure:
    """Effects with intervals, and the balance of the matching."""
    claims = record["claims"]
    figure, axes = panels(1, 2, width=4.2, height=1.2 + 0.5 * len(claims))
    left, right = axes[0]
    for place, claim in enumerate(claims[::-1]):
        for offset, (side, colour) in zip((0.15, -0.15), SIDES, strict=True):
            estimate(left, place + offset, claim[side], colour, label=side if place == 0 else None)
    left.set_yticks(range(len(claims)), [f"{claim['model']}\n({claim['verdict']})" for claim in claims[::-1]])
    left.axvline(0, color=NEUTRAL, lw=0.8)
    left.set_xlabel(claims[0]["unit"])
    left.legend()
    for claim in claims:
        rows = record["balance"][claim["model"]]
        names = [row["covariate"].replace("_", " ") for row in rows]
        right.plot([abs(row["before"]) for row in rows], names, "o", mfc="none", color=NEUTRAL, ms=5)
        right.plot([abs(row["after"]) for row in rows], names, "o", color=RESIDUAL, ms=4)
    right.axvline(0.1, color=NEUTRAL, lw=0.8, ls="--")
    right.set_xlabel("|standardised difference|: open before, filled after")
    return figure


def effects_figure(record: Mapping[str, Any]) -> Figure:
    """Effects with intervals, raw and residual: one row per subject (a family, a pair), one panel per model."""
    claims = record["claims"]
    models = list(dict.fromkeys(claim["model"].split("|")[0] for claim in claims))
    subjects = list(dict.fromkeys(claim["model"].partition("|")[2] for claim in claims))[:MOST_SUBJECTS]
    figure, axes = panels(1, len(models), width=3.6, height=1.3 + 0.32 * len(subjects), sharey=True)
    for axis, model in zip(axes[0], models, strict=True):
        for claim in claims:
            name, _, subject = claim["model"].partition("|")
            if name != model or subject not in subjects:
                continue
            place = len(subjects) - 1 - subjects.index(subject)
            for offset, (side, colour) in zip((0.15, -0.15), SIDES, strict=True):
                filled = "full" if claim["verdict"] == "survives" or side == "raw" else "none"
                label = side if place == 0 else None
                estimate(axis, place + offset, claim[side], colour, fillstyle=filled, ms=5, label=label)
        axis.axvline(0, color=NEUTRAL, lw=0.8)
        axis.set_title(model)
        axis.set_xlabel(claims[0]["unit"])
    axes[0][0].set_yticks(range(len(subjects)), subjects[::-1])
    axes[0][0].set_ylim(-0.6, len(subjects) - 0.4)
    axes[0][0].legend()
    return figure


def conservation_figure(record: Mapping[str, Any], profiles: pd.DataFrame) -> Figure:
    """Mean score by conservation, raw and residual."""
    claims = record["claims"]
    figure, axes = panels(1, len(claims), sharey=True)
    for axis, claim in zip(axes[0], claims, strict=True):
        for side, colour in SIDES:
            rows = profiles[(profiles["model"] == claim["model"]) & (profiles["scores"] == side)]
            axis.plot(rows["conservation"], rows["mean"], "o-", color=colour, ms=3, label=side)
        axis.axhline(0, color=NEUTRAL, lw=0.6)
        axis.set_title(f"{claim['model']}: {claim['verdict']}")
        axis.set_xlabel("mean conservation")
    axes[0][0].set_ylabel("score (SD within locus)")
    axes[0][0].legend()
    return figure
