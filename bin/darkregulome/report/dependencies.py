"""The report of `--workflow dependencies`: what was mapped, an interactive heat map, how the models agree."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from darkregulome.report.content import Section
from darkregulome.report.markup import number, plain, probability, render, table

MOST_CELLS = 160
"""Cells of a side of an interactive map: longer sequences are binned, a bin showing its largest entry."""

TOP = 99.5
"""Percentile at which the colours end."""


@dataclass(frozen=True)
class ReportMap:
    """One map of the report.

    Attributes
    ----------
    row : of the index.
    values : e[i, j], (length, length). bases : the sequence as it was read.
    boxes, pairs : called blocks as two intervals, and called base pairs.
    """

    model: str
    row: Mapping[str, Any]
    values: np.ndarray
    bases: str
    boxes: Sequence[tuple[tuple[int, int], tuple[int, int]]] = ()
    pairs: Sequence[tuple[int, int]] = ()


def dependency_sections(record: Mapping[str, Any], maps: Sequence[ReportMap]) -> list[Section]:
    """Every section that there is something to say in.

    Parameters
    ----------
    record : `dependencies.json`.
    """
    sections = [called_section(record), maps_section(maps), agreement_section(record), settings_section(record)]
    return [section for section in sections if section is not None]


def called_section(record: Mapping[str, Any]) -> Section:
    """One row per model."""
    headers = ("Model", "Sequences", "Mapped", "Not mapped", "Motifs", "Blocks", "Stems", "Null")
    rows = []
    for model, entry in record["models"].items():
        statuses, calls = entry["statuses"], entry["calls"]
        unmapped = {status: count for status, count in statuses.items() if status != "ok"}
        mapped = (sum(statuses.values()), statuses.get("ok", 0), plain(unmapped) if unmapped else "0")
        rows.append((model, *mapped, calls["motifs"], calls["blocks"], calls["stems"], entry["null"]))
    return Section(
        "called_dependencies",
        "Dependencies called",
        "A motif is a run of bases that depend on one another, a block two runs apart, a stem bases that pair along "
        "an anti-diagonal. The positions are in motifs.bed, blocks.bedpe and stems.bedpe of each model.",
        table(headers, rows, numeric=(1, 2, 4, 5, 6)),
    )


def agreement_section(record: Mapping[str, Any]) -> Section | None:
    """One row per pair of models; none for a single model."""
    if not record["comparisons"]:
        return None
    headers = ("Models", "Sequences", "Spearman", "Pearson", "Spearman, maps turned", "p")
    rows = []
    for comparison in record["comparisons"]:
        pooled = comparison["pooled"]
        names = " and ".join(comparison["models"])
        values = [number(pooled[name]) for name in ("spearman", "pearson", "null")]
        rows.append((names, len(comparison["sequences"]), *values, probability(pooled["p"])))
    return Section(
        "model_agreement",
        "Agreement of models",
        "Correlation of the entries of two models' maps of one sequence, without the diagonal; mean over sequences. "
        "Maps turned along their diagonals keep their decay with distance and their patterns, but not the places.",
        table(headers, rows, numeric=(1, 2, 3, 4, 5)),
    )


def settings_section(record: Mapping[str, Any]) -> Section:
    """What was asked for."""
    rows = [(name, plain(value)) for name, value in record["parameters"].items()]
    rows += [
        (f"{model}: {name}", plain(value))
        for model, entry in record["models"].items()
        for name, value in entry["parameters"].items()
    ]
    html = table(("Setting", "Value"), rows)
    return Section("map_settings", "Settings", "What the maps and calls were made with.", html)


def maps_section(maps: Sequence[ReportMap]) -> Section | None:
    """The maps, one at a time, with the value under the mouse. All is in the page: nothing is fetched."""
    if not maps:
        return None
    # `</` would end the script element.
    data = Markup(json.dumps([_payload(item) for item in maps], separators=(",", ":")).replace("<", "\\u003c"))
    labels = [f"{item.row['sequence']} ({item.model})" for item in maps]
    return Section(
        "dependency_maps",
        "Maps",
        "Rows: the base that is substituted; columns: the base at which the prediction changes; colour: by how much, "
        "at most, in log2. Orange: blocks; green: base pairs. Point at an entry to read it.",
        render("map_viewer.html", labels=labels, data=data),
    )


def _payload(item: ReportMap) -> dict[str, Any]:
    values = np.nan_to_num(item.values)
    length = len(values)
    size = -(-length // MOST_CELLS)
    cells = binned(values, size)
    positive = cells[cells > 0]
    top = float(np.percentile(positive, TOP)) if len(positive) else 1.0
    shades = np.minimum(np.round(255 * cells / top), 255).astype(np.uint8)
    row = item.row
    return {
        "chrom": row["chrom"],
        "start": int(row["start"]),
        "end": int(row["end"]),
        "strand": row["strand"],
        "bases": item.bases if size == 1 else "",
        "bin": size,
        "cells": len(cells),
        "top": float(f"{top:.4g}"),
        "shades": base64.b64encode(shades.tobytes()).decode("ascii"),
        "boxes": [[*first, *second] for first, second in item.boxes],
        "pairs": [list(pair) for pair in item.pairs],
    }


def binned(values: np.ndarray, size: int) -> np.ndarray:
    """The largest entry of each square of `size` x `size`; the last ones may be smaller."""
    if size == 1:
        return values
    edges = np.arange(0, len(values), size)
    return np.maximum.reduceat(np.maximum.reduceat(values, edges, axis=0), edges, axis=1)
