"""Scores against labels or measurements: each statistic with its interval, and scores by allele frequency."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from darkregulome.plots.style import NEUTRAL, SERIES, panels, save_all

MOST_ROWS = 40
"""Strata drawn at most."""


CAPTIONS = {
    "allele_frequency": ("Allele frequency", "Mean score by minor allele frequency, with 95 % intervals."),
    "evaluation": ("How good the scores are", "Each statistic of each score, with 95 % intervals."),
}
"""Of each figure: a title, and what it shows."""


def draw_evaluation(record: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the figures of an evaluation."""
    frequencies = frequency_figure(record) if record.get("frequency") else None
    return save_all(folder, {"allele_frequency": frequencies, "evaluation": evaluation_figure(record)}, CAPTIONS)


def evaluation_figure(record: Mapping[str, Any]) -> Figure:
    """One panel per statistic, one row per stratum, one colour per score; the interval as a bar."""
    rows = [row for row in record["results"] if row["value"] == row["value"]]
    statistics = list(dict.fromkeys(row["statistic"] for row in record["results"]))
    strata = list(dict.fromkeys((row["by"], row["stratum"]) for row in rows))[:MOST_ROWS]
    scores = list(dict.fromkeys(row["score"] for row in record["results"]))
    figure, axes = panels(len(statistics), height=1.2 + 0.25 * max(1, len(strata)))
    for axis, statistic in zip(axes, statistics, strict=True):
        for number, score in enumerate(scores):
            of_score = [row for row in rows if (row["statistic"], row["score"]) == (statistic, score)]
            of_score = [row for row in of_score if (row["by"], row["stratum"]) in strata]
            shift = 0.6 * (number - (len(scores) - 1) / 2) / max(1, len(scores))
            places = [strata.index((row["by"], row["stratum"])) + shift for row in of_score]
            values = [row["value"] for row in of_score]
            colour = SERIES[number % len(SERIES)]
            bars = _bars(of_score, "value")
            axis.errorbar(values, places, xerr=bars, fmt="o", markersize=3, color=colour, label=score)
        axis.axvline(0.5 if statistic == "auroc" else 0.0, color=NEUTRAL, linewidth=0.8, linestyle=":")
        axis.set_yticks(range(len(strata)), ["all" if by == "all" else f"{by}: {name}" for by, name in strata])
        axis.set_ylim(len(strata) - 0.5, -0.5)
        axis.set_xlabel({"auroc": "AUROC", "auprc": "AUPRC"}.get(statistic, f"{statistic.capitalize()} correlation"))
    axes[0].legend(loc="best")
    return figure


def frequency_figure(record: Mapping[str, Any]) -> Figure:
    """Mean score by bin of minor allele frequency, one panel per score."""
    entries = record["frequency"]
    figure, axes = panels(len(entries))
    for axis, entry in zip(axes, entries, strict=True):
        places = range(len(entry["bins"]))
        means = [row["mean"] for row in entry["bins"]]
        axis.errorbar(places, means, yerr=_bars(entry["bins"], "mean"), fmt="o-", markersize=3, color=SERIES[0])
        axis.set_xticks(list(places), [f"{row['from']:g}-{row['to']:g}" for row in entry["bins"]], rotation=40)
        axis.set_xlabel("minor allele frequency")
        axis.set_ylabel(f"mean {entry['score']}")
        axis.set_title(f"Spearman {entry['spearman']:.2f}, n {entry['n']}")
    return figure


def _bars(rows: Sequence[Mapping[str, Any]], name: str) -> list[list[float]]:
    """Lengths of error bars below and above; a bootstrap interval need not hold the estimate."""
    below = [max(0.0, row[name] - row["low"]) for row in rows]
    return [below, [max(0.0, row["high"] - row[name]) for row in rows]]
