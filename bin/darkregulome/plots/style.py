"""One look for every figure: colour-blind-safe, small, and the same bytes for the same data."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from darkregulome.diagnosis.decision import LEAST_LEFT_OVER
from darkregulome.diagnosis.entries import TRIVIALLY_KNOWN

NEUTRAL = "#8C8C8C"
"""Grey, of nulls and guides."""
RUNG_COLOURS = (("raw", "#E69F00"), ("trivial", "#009E73"), ("full", "#0072B2"))
"""The rungs of a claim in their order, with their colours (of Okabe and Ito)."""
RUNG_LABELS = {"raw": "raw", "trivial": f"given {TRIVIALLY_KNOWN}", "full": "given predictability too"}
"""What a legend calls the rungs."""
VERDICT_COLOURS = {
    "survives": "#1b7837",
    "hinges": "#2166ac",
    "collapses": "#b2182b",
    "reverses": "#762a83",
    "absent": "#6b6b6b",
    "undecided": "#8a6100",
}
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


def panels(
    count: int, columns: int = 0, width: float = 3.4, height: float = 2.6, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with `count` axes, at most `columns` of them side by side (0: all)."""
    columns = min(columns or count, count)
    rows = -(-count // columns)
    size = (width * columns, height * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained", **options)
    for axis in axes.flat[count:]:
        axis.set_visible(False)
    return figure, list(axes.flat[:count])


def panel(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure with one pair of axes."""
    figure, axes = panels(1, width=width, height=height)
    return figure, axes[0]


def estimate(
    axis: Axes, place: float, outcome: Mapping[str, Any], colour: str, *, vertical: bool = False, **marker: Any
) -> None:
    """A dot at an effect, and a line over its interval (without one, no line)."""
    bounds = [np.nan if bound is None else bound for bound in outcome["interval"]]
    effect = outcome["effect"]
    line, dot = (bounds, [place] * 2), ([effect], [place])
    axis.plot(*(line[::-1] if vertical else line), color=colour, lw=1.5)
    axis.plot(*(dot[::-1] if vertical else dot), **{"color": colour, "marker": "o", "ls": "none", **marker})


def measured_rungs(claim: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The rungs of a claim that say something, in their order.

    Left out are those that were not measured, and those whose features leave too little of what is tested.
    """
    rungs = {rung: claim.get(rung) or {} for rung, _ in RUNG_COLOURS}
    return {
        rung: outcome
        for rung, outcome in rungs.items()
        if None not in (outcome.get("interval") or (None,)) and outcome.get("left_over", 1.0) >= LEAST_LEFT_OVER
    }


def rungs_at(
    axis: Axes,
    place: float,
    claim: Mapping[str, Any],
    *,
    labelled: bool = False,
    open_full: bool = False,
    **options: Any,
) -> None:
    """The estimates of `measured_rungs`, side by side at one place; see `estimate`."""
    offsets = dict(zip(RUNG_LABELS, (-0.22, 0.0, 0.22), strict=True))
    for rung, outcome in measured_rungs(claim).items():
        style = {"label": RUNG_LABELS[rung] if labelled else None, "fillstyle": "full"} | options
        if open_full and rung == "full":
            style["fillstyle"] = "none"
        estimate(axis, place + offsets[rung], outcome, dict(RUNG_COLOURS)[rung], **style)


def legend_above(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend for all axes, each label once, above them."""
    handles = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if handles:
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles))


def stacked_bars(
    axis: Axes, names: Sequence[str], parts: Mapping[str, Sequence[float]], colours: Iterable[str]
) -> None:
    """One bar per name, from its parts, the first of which begins at 0."""
    left = np.zeros(len(names))
    for colour, (part, widths) in zip(colours, parts.items(), strict=False):
        axis.barh(names, widths, left=left, color=colour, label=part, height=0.7)
        left += widths


def save(figure: Figure, folder: Path, name: str, title: str = "", caption: str = "") -> list[Path]:
    """Write ``<name>.svg`` and ``<name>.png`` without dates, and close the figure.

    Parameters
    ----------
    title, caption : what the report says of the figure, written into both files: the section that shows it, and what
        it shows. Figures of one title stand in one section.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.svg", folder / f"{name}.png"]
    words = {name: text for name, text in (("Title", title), ("Description", caption)) if text}
    for path in paths:
        partial = path.with_name(f".partial-{path.name}")
        figure.savefig(partial, format=path.suffix[1:], metadata=_METADATA[path.suffix] | words, dpi=130)
        partial.replace(path)
    plt.close(figure)
    return paths


def save_all(folder: Path, figures: Mapping[str, Figure | None], captions: Mapping[str, tuple[str, str]]) -> list[Path]:
    """Write figures by name, each with its title and caption; what there was nothing to draw for is left out."""
    drawn = {name: figure for name, figure in figures.items() if figure is not None}
    return [path for name, figure in drawn.items() for path in save(figure, folder, name, *captions[name])]


_METADATA: dict[str, dict[str, Any]] = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
