"""The figure of a calibration: what was said of each world, and which words are true in it."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from darkregulome.plots.style import VERDICT_COLOURS, legend_above, panels, stacked_bars


def calibration_figure(record: Mapping[str, Any]) -> Figure | None:
    """Share of tables in which each word was said: one panel per claim and design, one bar per world.

    The words that are right in a world have a black frame, but for *undecided*, which is never wrong.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in record["worlds"]:
        if row["tables"]:
            groups.setdefault((row["claim"], row["scores"]), []).append(row)
    if not groups:
        return None
    most = max(map(len, groups.values()))
    figure, axes = panels(len(groups), 3, width=4.2, height=1.0 + 0.24 * most)
    for axis, ((claim, scores), rows) in zip(axes, groups.items(), strict=True):
        names = [f"{row['world'].replace('_', ' ')} ({row['tables']})" for row in rows]
        parts = {word: [row["verdicts"][word] / row["tables"] for row in rows] for word in VERDICT_COLOURS}
        stacked_bars(axis, names, parts, VERDICT_COLOURS.values())
        for container, word in zip(axis.containers, parts, strict=True):
            for bar, row in zip(container, rows, strict=True):
                if word in row["right"] and word != "undecided" and bar.get_width() > 0:
                    frame = Rectangle(bar.get_xy(), bar.get_width(), bar.get_height(), fill=False, lw=1.6, zorder=3)
                    axis.add_patch(frame)
        axis.invert_yaxis()
        axis.set_xlim(0, 1)
        axis.set_title(f"{claim.replace('_', ' ')}, {scores}", fontsize=8)
        axis.tick_params(axis="y", labelsize=7)
    figure.supxlabel("share of tables; framed: right in that world; in brackets: tables", fontsize=8)
    legend_above(figure, axes)
    return figure
