"""The map of embeddings: one point per window, coloured by class and by cluster; classes in clusters."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from darkregulome.plots.style import SERIES, panel, panels, save_all

MOST_POINTS = 20_000
"""Points drawn; more would be a file of many MB, and ink."""
REST = "#D9D9D9"


CAPTIONS = {
    "enrichment": ("Classes in clusters", "Log2 odds ratio of each class in each cluster; dots: q below 0.05."),
    "umap": ("Map of the windows", "The windows by class, and by cluster."),
}
"""Of each figure: a title, and what it shows."""


def draw_map(placed: pd.DataFrame, enrichment: pd.DataFrame, folder: Path, seed: int = 0) -> list[Path]:
    """Write the figures of a map."""
    enriched = enrichment_figure(enrichment) if len(enrichment) else None
    return save_all(folder, {"enrichment": enriched, "umap": map_figure(placed, seed)}, CAPTIONS)


def map_figure(placed: pd.DataFrame, seed: int = 0) -> Figure:
    """Two panels of the same points: by class, and by cluster. The commonest have colours, the rest is grey."""
    windows = placed.dropna(subset=["umap_1"])
    if len(windows) > MOST_POINTS:
        windows = windows.sample(MOST_POINTS, random_state=seed)
    figure, axes = panels(2, width=4.4, height=3.8)
    for axis, column in zip(axes, ("class", "cluster"), strict=True):
        _points(axis, windows, windows[column].astype(str))
        axis.set_title(f"by {column}")
        axis.set_xlabel("UMAP 1")
        axis.set_ylabel("UMAP 2")
        axis.set_xticks([])
        axis.set_yticks([])
    return figure


def colours_of(labels: pd.Series) -> dict[str, str]:
    """A colour for each label, the commonest first; grey where colours run out.

    By number, then by name: the same data must give the same colours.
    """
    counts = labels.value_counts()
    names = sorted(counts.index, key=lambda name: (-counts[name], name))
    return {name: SERIES[at] if at < len(SERIES) else REST for at, name in enumerate(names)}


def _points(axis: Axes, windows: pd.DataFrame, labels: pd.Series) -> None:
    size = float(np.clip(6000 / max(1, len(windows)), 1.5, 14))
    for name, colour in reversed(colours_of(labels).items()):
        inside = labels == name
        label = None if colour == REST else name
        x, y = windows.loc[inside, "umap_1"], windows.loc[inside, "umap_2"]
        axis.scatter(x, y, s=size, color=colour, label=label, linewidths=0, rasterized=True)
    handles, texts = axis.get_legend_handles_labels()
    axis.legend(handles[::-1], texts[::-1], loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2)


def enrichment_figure(enrichment: pd.DataFrame) -> Figure:
    """Log2 odds ratio of each class in each cluster; dots: q below 0.05."""
    odds = enrichment.pivot(index="class", columns="cluster", values="odds_ratio")
    small = enrichment.pivot(index="class", columns="cluster", values="q") < 0.05
    figure, axis = panel(1.6 + 0.35 * odds.shape[1], 1.2 + 0.3 * len(odds))
    image = axis.imshow(np.log2(odds.to_numpy()), cmap="RdBu_r", vmin=-4, vmax=4, aspect="auto")
    rows, columns = np.nonzero(small.to_numpy())
    axis.plot(columns, rows, "o", color="black", markersize=3)
    axis.set_xticks(range(odds.shape[1]), [str(name) for name in odds.columns])
    axis.set_yticks(range(len(odds)), [str(name) for name in odds.index])
    axis.set_xlabel("cluster")
    figure.colorbar(image, label="log2 odds ratio")
    return figure
