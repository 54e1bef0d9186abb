"""The figure of a calibration: false positives against nominal, and power."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from darkregulome.plots.style import NEUTRAL, RUNG_COLOURS, estimate, panels

_SHAPES = {"absent": "o", "planted": "^", "touched": "x"}


def calibration_figure(record: Mapping[str, Any], alpha: float) -> Figure | None:
    """Rates of rejection: one panel per truth, one row per claim and scores; open marks are plainer nulls."""
    conditions = record["conditions"]
    truths = list(dict.fromkeys(condition["truth"] for condition in conditions))
    if not truths:
        return None
    most = max(sum(len(c["claims"]) for c in conditions if c["truth"] == truth) for truth in truths)
    figure, axes = panels(len(truths), 3, width=4.0, height=0.9 + 0.19 * most)
    for axis, truth in zip(axes, truths, strict=True):
        labels = []
        mine = [(c["scores"], row) for c in conditions if c["truth"] == truth for row in c["claims"]]
        mine.sort(key=lambda pair: pair[1]["claim"])
        for place, (label, row) in enumerate(mine):
            for offset, (side, colour) in zip((-0.22, 0.0, 0.22), RUNG_COLOURS, strict=True):
                numbers, shape = row[side], _SHAPES[row["role"]]
                rate = {"effect": numbers["rate"], "interval": numbers["interval"]}
                estimate(axis, place + offset, rate, colour, marker=shape, ms=4)
                if numbers["shuffle"]:
                    axis.plot(numbers["shuffle"]["rate"], place + offset, shape, mec=colour, mfc="none", ms=4, lw=0)
            labels.append(f"{row['claim'].replace('_', ' ')}, {label.replace('autocorrelation', 'r')}")
        axis.axvline(alpha, color=NEUTRAL, lw=0.8, ls="--")
        axis.set_yticks(np.arange(len(labels)), labels, fontsize=6)
        axis.set_ylim(len(labels) - 0.5, -0.5)
        axis.set_xlim(-0.02, 1.02)
        axis.set_title(truth.replace("_", " "))
    figure.supxlabel(
        f"rate of p <= {alpha:g}: circle not there, triangle planted, cross moved by what is; "
        "raw orange, residual blue; open: plain shuffle (matched draws, permuted map)",
        fontsize=7,
    )
    return figure
