"""A dependency map as a heat map, with what was called in it, and the agreement of models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from darkregulome.plots.style import NEUTRAL, SERIES, panel, panels, save

Pair = tuple[int, int]
Box = tuple[Pair, Pair]
TOP = 99.5
"""Percentile of the entries at which the colours end: single entries would leave all others pale."""


def draw_map(
    values: np.ndarray, title: str, folder: Path, name: str, boxes: Sequence[Box] = (), pairs: Sequence[Pair] = ()
) -> list[Path]:
    """Write ``<name>.svg`` and ``.png``.

    Parameters
    ----------
    values : e[i, j], (length, length).
    boxes : called blocks, as two intervals. pairs : called base pairs (i, j). Both are drawn above the diagonal.
    """
    caption = f"Dependency map of {title}; orange: blocks, green: base pairs."
    return save(map_figure(values, title, boxes, pairs), folder, name, "Dependency maps", caption)


def map_figure(values: np.ndarray, title: str, boxes: Sequence[Box] = (), pairs: Sequence[Pair] = ()) -> Figure:
    """Rows are the bases that are substituted, columns those at which the predictions change."""
    finite = values[np.isfinite(values)]
    top = max(float(np.percentile(finite, TOP)) if len(finite) else 0.0, 1e-6)
    figure, axis = panel(4.6, 4.0)
    image = axis.imshow(values, cmap="Blues", vmin=0, vmax=top, interpolation="nearest", rasterized=True)
    for (first, first_end), (second, second_end) in boxes:
        corner, width, height = (second - 0.5, first - 0.5), second_end - second, first_end - first
        axis.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=SERIES[1], linewidth=0.9))
    if pairs:
        axis.plot([j for _, j in pairs], [i for i, _ in pairs], "s", markersize=2, color=SERIES[2], linestyle="none")
    axis.set_xlabel("base at which the prediction changes")
    axis.set_ylabel("base that is substituted")
    axis.set_title(title)
    figure.colorbar(image, ax=axis, shrink=0.8, label="|change|, log2")
    return figure


def draw_agreement(comparisons: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Correlation of two models' maps against the mean of the null: one dot per sequence, one panel per pair."""
    figure, axes = panels(len(comparisons))
    for axis, comparison in zip(axes, comparisons, strict=True):
        rows = comparison["sequences"]
        axis.plot([row["null"] for row in rows], [row["spearman"] for row in rows], "o", markersize=3, color=SERIES[0])
        axis.axline((0, 0), slope=1, color=NEUTRAL, linewidth=0.8, linestyle=":")
        axis.set_xlabel("Spearman correlation, maps turned")
        axis.set_ylabel("Spearman correlation")
        axis.set_title(" and ".join(comparison["models"]))
    caption = "Correlation of two models' maps of each sequence, and of the maps turned."
    return save(figure, folder, "agreement", "Agreement of models", caption)
