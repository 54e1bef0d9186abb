"""Logos: one letter per base, as high as the model knows or needs it."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from darkregulome.plots.style import panels, save

LETTERS = "ACGT"
COLOURS = {"A": "#009E73", "C": "#0072B2", "G": "#E69F00", "T": "#D55E00"}
"""Colour-blind-safe, near the usual green, blue, yellow, red."""


def draw_logo(
    name: str, sequence: str, probabilities: NDArray, information: NDArray, importance: NDArray, folder: Path, unit: str
) -> list[Path]:
    """Write the logo of a region, its name made safe for a file."""
    figure = logo_figure(name, sequence, probabilities, information, importance, unit)
    return save(figure, folder, re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:100], "Logos", name)


def logo_figure(
    name: str, sequence: str, probabilities: NDArray, information: NDArray, importance: NDArray, unit: str
) -> Figure:
    """Above the predicted distributions by their information, where there are any; below ISM at the reference bases."""
    predicted = np.isfinite(information).any()
    width = float(np.clip(0.11 * len(sequence), 4, 40))
    figure, axes = panels(1 + int(predicted), 1, width=width, height=1.6)
    if predicted:
        _letters(axes[0], np.nan_to_num(probabilities * information[:, None]))
        axes[0].set_ylabel("bits")
        axes[0].set_ylim(0, 2)
    heights = np.zeros((len(sequence), len(LETTERS)))
    for at, base in enumerate(sequence):
        if base in LETTERS and np.isfinite(importance[at]):
            heights[at, LETTERS.index(base)] = importance[at]
    _letters(axes[-1], heights)
    axes[-1].axhline(0, color="black", linewidth=0.5)
    axes[-1].set_ylabel(unit)
    axes[-1].set_xlabel(f"{name}, base")
    return figure


def _letters(axis: Axes, heights: NDArray) -> None:
    import logomaker

    frame = pd.DataFrame(heights, columns=list(LETTERS))
    logomaker.Logo(frame, ax=axis, color_scheme=COLOURS, show_spines=False, baseline_width=0)
    axis.spines[["left", "bottom"]].set_visible(True)
