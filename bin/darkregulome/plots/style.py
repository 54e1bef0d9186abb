"""One look for every figure: colour-blind-safe, small, and the same bytes for the same data."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

RAW, RESIDUAL, NEUTRAL = "#E69F00", "#0072B2", "#8C8C8C"
"""Okabe-Ito orange for raw, blue for residual, grey for nulls and guides."""
SHARE_COLOURS = {"predictability": "#E69F00", "shared": "#F0E442", "annotation": "#009E73", "unexplained": "#D9D9D9"}
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#F0E442")

_SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.dpi": 110,
    "savefig.bbox": "tight",
    "svg.fonttype": "none",
    "svg.hashsalt": "darkregulome",
}


plt.rcParams.update(_SETTINGS)


def panels(rows: int, columns: int, width: float = 3.4, height: float = 2.6, **options: Any) -> tuple[Figure, Any]:
    """A figure with a grid of axes (always two-dimensional)."""
    size = (width * columns, height * rows)
    return plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained", **options)


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write ``<name>.svg`` and ``<name>.png`` without dates, and close the figure."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.svg", folder / f"{name}.png"]
    for path in paths:
        partial = path.with_name(f".partial-{path.name}")
        figure.savefig(partial, format=path.suffix[1:], metadata=_METADATA[path.suffix], dpi=130)
        partial.replace(path)
    plt.close(figure)
    return paths


_METADATA: dict[str, dict[str, Any]] = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
