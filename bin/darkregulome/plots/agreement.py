"""Figures of the decomposition."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from darkregulome.plots.style import (
    NEUTRAL,
    RUNG_COLOURS,
    RUNG_LABELS,
    SERIES,
    legend_above,
    panel,
    panels,
    save_all,
    stacked_bars,
)

LISTS = "Top lists and layers"
CAPTIONS = {
    "list_overlap": (
        LISTS,
        "Elements that both models of a pair put first, by the length of the list; dotted: 95 % of the null.",
    ),
    "rank_agreement": ("Rank agreement", "Rank correlation of the scores between models, rung by rung."),
    "layers": (LISTS, "Elements in each layer, by class."),
    "layer_confidence": (LISTS, "How sure the layers are: elements of a layer with at least a given confidence."),
}
"""Of each figure: the title of its section in the report, and what it shows."""


def draw_decomposition(
    record: Mapping[str, Any], overlaps: pd.DataFrame, layers: pd.DataFrame, folder: Path
) -> list[Path]:
    """Draw and write every figure that the record has data for."""
    figures = {
        "list_overlap": overlap_figure(overlaps),
        "rank_agreement": agreement_figure(record),
        "layers": layers_figure(record["layers"]),
        "layer_confidence": confidence_figure(layers),
    }
    return save_all(folder, figures, CAPTIONS)


def overlap_figure(overlaps: pd.DataFrame) -> Figure | None:
    """Share of two top lists that is common, by depth and rung, with chance and the null's 95 % line."""
    if overlaps.empty:
        return None
    pairs = list(overlaps[["first", "second"]].drop_duplicates().itertuples(index=False, name=None))
    figure, axes = panels(len(pairs), 3, sharey=True)
    for axis, (first, second) in zip(axes, pairs, strict=True):
        of_pair = overlaps[(overlaps["first"] == first) & (overlaps["second"] == second)]
        for rung, colour in RUNG_COLOURS:
            rows = of_pair[of_pair["scores"] == rung]
            if rows.empty:
                continue
            depth, k = 100 * rows["fraction"], rows["k"]
            axis.plot(depth, rows["overlap"] / k, "o-", color=colour, ms=3, label=RUNG_LABELS[rung])
            axis.plot(depth, rows["null_95"] / k, ":", color=colour, lw=1)
            if rung == "raw":
                axis.plot(depth, rows["expected_by_chance"] / k, color=NEUTRAL, lw=1, label="chance, raw")
        axis.set_title(f"{first} and {second}", fontsize=8)
        axis.set_xlabel("depth of the lists (% of elements)")
    axes[0].set_ylabel("share in common")
    legend_above(figure, axes)
    return figure


def agreement_figure(record: Mapping[str, Any]) -> Figure | None:
    """Spearman's correlation of every pair of models: one panel per rung."""
    models, pairs = list(record["models"]), record["pairs"]
    if not pairs:
        return None
    rungs = [rung for rung in RUNG_LABELS if any(pair["scores"] == rung for pair in pairs)]
    size = 1.4 + 0.6 * len(models)
    figure, axes = panels(len(rungs), width=size, height=size, sharey=True)
    for axis, rung in zip(axes, rungs, strict=True):
        matrix = np.full((len(models), len(models)), np.nan)
        for pair in pairs:
            if pair["scores"] == rung and pair["spearman"] is not None:
                row, column = models.index(pair["first"]), models.index(pair["second"])
                matrix[row, column] = matrix[column, row] = pair["spearman"]
        image = axis.imshow(matrix, vmin=-1, vmax=1, cmap="RdBu_r")
        for (row, column), value in np.ndenumerate(matrix):
            if np.isfinite(value):
                ink = "white" if abs(value) > 0.6 else "black"
                axis.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink)
        axis.set_xticks(range(len(models)), models, rotation=35, ha="right")
        axis.set_yticks(range(len(models)), models)
        axis.set_title(RUNG_LABELS[rung], fontsize=8)
    figure.colorbar(image, ax=axes, shrink=0.8)
    return figure


def layers_figure(layers: Mapping[str, Any]) -> Figure | None:
    """Elements in each layer, by class."""
    named = {layer: content for layer, content in layers.items() if layer != "none" and content["n"]}
    if not named:
        return None
    words = sorted({word for content in named.values() for word in content.get("classes", {})})
    figure, axis = panel(5.2, 0.9 + 0.5 * len(named))
    parts = {word: [content.get("classes", {}).get(word, 0) for content in named.values()] for word in words}
    stacked_bars(axis, list(named), parts, SERIES)
    axis.invert_yaxis()
    axis.set_xlabel("elements")
    axis.legend(ncols=len(words), loc="lower center", bbox_to_anchor=(0.4, 1.0), fontsize=7)
    return figure


def confidence_figure(layers: pd.DataFrame) -> Figure | None:
    """How sure the layer of its elements is: the share of elements with at least such a confidence."""
    if "confidence" not in layers or layers.empty:
        return None
    figure, axis = panel(4.6, 2.8)
    named = [name for name in dict.fromkeys(layers["layer"]) if name != "none"]
    for colour, name in zip(SERIES, sorted(named), strict=False):
        values = np.sort(layers.loc[layers["layer"] == name, "confidence"].to_numpy())
        label = f"{name.replace('_', ' ')} ({len(values)})"
        axis.step(values, 100 * (1 - np.arange(len(values)) / len(values)), where="pre", color=colour, label=label)
    axis.axvline(0.8, color=NEUTRAL, lw=0.8, ls="--")
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 102)
    axis.set_xlabel("confidence (share of bootstrap samples of loci)")
    axis.set_ylabel("% of the layer's elements")
    axis.legend()
    return figure
