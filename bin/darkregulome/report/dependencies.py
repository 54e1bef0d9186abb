"""The report of `--workflow dependencies`: what was mapped, an interactive heat map, how the models agree."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from darkregulome.report.content import Section
from darkregulome.report.markup import STYLE, number, plain, probability, render, table

MOST_CELLS = 160
"""Cells of a side of an interactive map: longer sequences are binned, a bin showing its largest entry."""

TOP = 99.5
"""Percentile at which the colours end."""


@dataclass(frozen=True)
class ShownMap:
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


def dependency_sections(record: Mapping[str, Any], maps: Sequence[ShownMap]) -> list[Section]:
    """Every section that there is something to say in.

    Parameters
    ----------
    record : `dependencies.json`.
    """
    sections = [called_section(record), maps_section(maps), agreement_section(record), settings_section(record)]
    return [section for section in sections if section is not None]


def called_section(record: Mapping[str, Any]) -> Section:
    """One row a model."""
    headers = ("Model", "Sequences", "Mapped", "Not mapped", "Motifs", "Blocks", "Stems", "Null")
    rows = []
    for model, found in record["models"].items():
        missed = {status: count for status, count in found["statuses"].items() if status != "ok"}
        counts = [found["calls"][name] for name in ("motifs", "blocks", "stems")]
        ok = found["statuses"].get("ok", 0)
        rows.append(
            (model, sum(found["statuses"].values()), ok, plain(missed) if missed else "0", *counts, found["null"])
        )
    return Section(
        "called_dependencies",
        "Dependencies called",
        "A motif is a run of bases that depend on one another, a block two runs apart, a stem bases that pair along "
        "an anti-diagonal. The positions are in motifs.bed, blocks.bedpe and stems.bedpe of each model.",
        "html",
        str(STYLE + table(headers, rows, numeric=(1, 2, 4, 5, 6))),
    )


def agreement_section(record: Mapping[str, Any]) -> Section | None:
    """One row a pair of models; none for a single model."""
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
        "html",
        str(table(headers, rows, numeric=(1, 2, 3, 4, 5))),
    )


def settings_section(record: Mapping[str, Any]) -> Section:
    """What was asked for."""
    rows = [(name, plain(value)) for name, value in record["parameters"].items()]
    rows += [
        (f"{model}: {name}", plain(value))
        for model, found in record["models"].items()
        for name, value in found["parameters"].items()
    ]
    return Section(
        "map_settings",
        "Settings",
        "What the maps and calls were made with.",
        "html",
        str(table(("Setting", "Value"), rows)),
    )


def maps_section(maps: Sequence[ShownMap]) -> Section | None:
    """The maps, one at a time, with the value under the mouse. All is in the page: nothing is fetched."""
    if not maps:
        return None
    # `</` would end the script element.
    data = Markup(json.dumps([_payload(shown) for shown in maps], separators=(",", ":")).replace("<", "\\u003c"))
    labels = [f"{shown.row['sequence']} ({shown.model})" for shown in maps]
    return Section(
        "dependency_maps",
        "Maps",
        "Rows: the base that is substituted; columns: the base at which the prediction changes; colour: by how much, "
        "at most, in log2. Orange: blocks; green: base pairs. Point at an entry to read it.",
        "html",
        str(render(_VIEWER, labels=labels, data=data)),
    )


def _payload(shown: ShownMap) -> dict[str, Any]:
    values = np.nan_to_num(shown.values)
    length = len(values)
    size = -(-length // MOST_CELLS)
    cells = binned(values, size)
    positive = cells[cells > 0]
    top = float(np.percentile(positive, TOP)) if len(positive) else 1.0
    shades = np.minimum(np.round(255 * cells / top), 255).astype(np.uint8)
    row = shown.row
    return {
        "chrom": row["chrom"],
        "start": int(row["start"]),
        "end": int(row["end"]),
        "strand": row["strand"],
        "bases": shown.bases if size == 1 else "",
        "bin": size,
        "cells": len(cells),
        "top": float(f"{top:.4g}"),
        "shades": base64.b64encode(shades.tobytes()).decode("ascii"),
        "boxes": [[*first, *second] for first, second in shown.boxes],
        "pairs": [list(pair) for pair in shown.pairs],
    }


def binned(values: np.ndarray, size: int) -> np.ndarray:
    """The largest entry of each square of `size` x `size`; the last ones may be smaller."""
    if size == 1:
        return values
    edges = np.arange(0, len(values), size)
    return np.maximum.reduceat(np.maximum.reduceat(values, edges, axis=0), edges, axis=1)


_VIEWER = """<div class="dr-maps" style="max-width: 44em">
<p><label>Map <select>
{% for label in labels %}<option value="{{ loop.index0 }}">{{ label }}</option>
{% endfor %}</select></label></p>
<canvas style="width: 100%; image-rendering: pixelated; border: 1px solid #ccc"></canvas>
<p class="dr-reading" style="font-family: monospace; min-height: 3em"></p>
</div>
<script>
(function (home) {
  "use strict";
  var maps = {{ data }};
  var canvas = home.querySelector("canvas"), choice = home.querySelector("select");
  var reading = home.querySelector(".dr-reading"), pen = canvas.getContext("2d"), shown, shades, cell;
  function place(i) { return shown.strand === "-" ? shown.end - 1 - i : shown.start + i; }
  function draw() {
    shown = maps[Number(choice.value)];
    shades = Uint8Array.from(atob(shown.shades), function (c) { return c.charCodeAt(0); });
    cell = Math.max(1, Math.floor(640 / shown.cells));
    canvas.width = canvas.height = cell * shown.cells;
    for (var i = 0; i < shown.cells; i++) {
      for (var j = 0; j < shown.cells; j++) {
        var part = shades[i * shown.cells + j] / 255;
        pen.fillStyle = "rgb(" + Math.round(255 - 247 * part) + "," + Math.round(255 - 207 * part) + "," +
          Math.round(255 - 148 * part) + ")";
        pen.fillRect(j * cell, i * cell, cell, cell);
      }
    }
    var scale = cell / shown.bin;
    pen.strokeStyle = "#D55E00";
    shown.boxes.forEach(function (b) {
      pen.strokeRect(b[2] * scale, b[0] * scale, (b[3] - b[2]) * scale, (b[1] - b[0]) * scale);
    });
    pen.fillStyle = "#009E73";
    shown.pairs.forEach(function (p) {
      pen.fillRect((p[1] + 0.25) * scale, (p[0] + 0.25) * scale, Math.max(2, scale / 2), Math.max(2, scale / 2));
    });
    idle();
  }
  function idle() { reading.textContent = "Darkest: " + shown.top.toPrecision(3) + " or more."; }
  function name(index) {
    var first = index * shown.bin;
    if (shown.bin === 1) { return shown.bases[first] + " at " + shown.chrom + ":" + (place(first) + 1); }
    var last = Math.min(first + shown.bin, shown.end - shown.start) - 1, ends = [place(first), place(last)];
    return shown.chrom + ":" + (Math.min.apply(null, ends) + 1) + "-" + (Math.max.apply(null, ends) + 1);
  }
  canvas.addEventListener("mousemove", function (event) {
    var box = canvas.getBoundingClientRect();
    var j = Math.floor((event.clientX - box.left) / box.width * shown.cells);
    var i = Math.floor((event.clientY - box.top) / box.height * shown.cells);
    if (i < 0 || j < 0 || i >= shown.cells || j >= shown.cells) { return; }
    var shade = shades[i * shown.cells + j];
    reading.textContent = "substituted: " + name(i) + "; changes: " + name(j) + "; " +
      (shade === 255 ? "at least " : "") + (shade / 255 * shown.top).toPrecision(3);
  });
  canvas.addEventListener("mouseleave", idle);
  choice.addEventListener("change", draw);
  draw();
})(document.currentScript.previousElementSibling);
</script>"""
