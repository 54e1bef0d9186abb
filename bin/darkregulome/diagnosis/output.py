"""Reads what the diagnosis takes and writes what it gives."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from darkregulome.claims.claim import Claim, OutsideData
from darkregulome.conversion.convert import Converted, read_any_scores
from darkregulome.conversion.settings import ScoreFormat
from darkregulome.diagnosis.calibrate import calibration_table
from darkregulome.diagnosis.decompose import Decomposition
from darkregulome.diagnosis.diagnose import Diagnosis
from darkregulome.diagnosis.entries import RUNGS
from darkregulome.diagnosis.run import CrossCheck
from darkregulome.diagnosis.settings import ForeignTables, Settings
from darkregulome.elements.settings import Around
from darkregulome.io.model_cards import models_without_grammar, notes_of_strangers
from darkregulome.io.provenance import provenance
from darkregulome.io.records import ClaimEntry, rounded
from darkregulome.io.tables import write_json, write_table
from darkregulome.plots.agreement import draw_decomposition
from darkregulome.plots.calibration import calibration_figure
from darkregulome.plots.cross_check import effects_figure
from darkregulome.plots.diagnosis import draw_diagnosis
from darkregulome.plots.style import save


def read_settings(settings: Settings, model_cards: Sequence[Path]) -> Settings:
    """Settings with what model cards say."""
    return settings.model_copy(update={"without_grammar": models_without_grammar(model_cards)})


def read_foreign_scores(tables: ForeignTables, around: Around, without_grammar: Sequence[str]) -> Converted:
    """Elements and scores that may be anybody's, completed, with notes for the reader."""
    form = ScoreFormat(format="table", score_column=tables.score_column, gene_column=tables.gene_column)
    scores = read_any_scores(tables.elements, tables.ris, form, around)
    scores.notes.extend(notes_of_strangers(without_grammar, scores.ris["model"]))
    return scores


_CLAIM_COLUMNS = [
    *("claim", "model", "verdict", "reason"),
    *(f"{rung}_{number}" for rung in RUNGS for number in ("effect", "low", "high", "p", "q")),
    *("unit", "floor", "margin", "null", "n", "n_loci", "sentence"),
]


def claims_table(claims: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per claim and model, for a spreadsheet."""
    rows = []
    for claim in claims:
        entry = ClaimEntry.from_json(claim)
        row: dict[str, Any] = {name: getattr(entry, name) for name in ("claim", "model", "verdict", "reason")}
        for rung in RUNGS:
            outcome = entry.rungs.get(rung)
            low, high = (outcome.interval if outcome is not None else None) or (None, None)
            row[f"{rung}_effect"] = outcome.effect if outcome is not None else None
            row[f"{rung}_low"], row[f"{rung}_high"] = low, high
            row[f"{rung}_p"] = outcome.p if outcome is not None else None
            row[f"{rung}_q"] = outcome.q if outcome is not None else None
        row |= {name: getattr(entry, name) for name in ("unit", "floor", "margin", "null", "n", "n_loci", "sentence")}
        rows.append(row)
    return pd.DataFrame(rows, columns=_CLAIM_COLUMNS)


def write_diagnosis(diagnosis: Diagnosis, outdir: Path, inputs: Mapping[str, Path | None]) -> None:
    """Write ``diagnosis.json``, ``claims.tsv``, ``residuals.parquet``, ``distance_profile.tsv`` and ``figures/``."""
    source = provenance("diagnose.py", {**diagnosis.record["parameters"], **inputs})
    write_table(_rounded_columns(diagnosis.residuals), outdir / "residuals.parquet", provenance=source)
    write_table(claims_table(diagnosis.record["claims"]), outdir / "claims.tsv")
    write_table(_rounded_columns(diagnosis.profiles), outdir / "distance_profile.tsv")
    draw_diagnosis(diagnosis.record, diagnosis.profiles, diagnosis.nulls, outdir / "figures")
    write_json({"provenance": source, **diagnosis.record}, outdir / "diagnosis.json")


def write_calibration(
    record: dict[str, Any], parameters: Mapping[str, Any], outdir: Path, inputs: Mapping[str, Path | None]
) -> None:
    """Write ``calibration.json``, ``calibration.tsv`` and the figure."""
    source = provenance("calibrate.py", {**inputs})
    write_table(calibration_table(record), outdir / "calibration.tsv")
    figure = calibration_figure(record)
    if figure is not None:
        caption = "What is said of each world, and which words are true in it."
        save(figure, outdir / "figures", "calibration", "Calibration", caption)
    write_json({"provenance": source, "parameters": rounded(dict(parameters)), **record}, outdir / "calibration.json")


def write_decomposition(decomposition: Decomposition, outdir: Path, inputs: Mapping[str, Path]) -> None:
    """Write ``decomposition.json``, ``pairs.tsv``, ``overlaps.tsv``, ``layers.tsv.gz`` and ``figures/``."""
    source = provenance("decompose.py", {**decomposition.record["parameters"], **inputs})
    write_table(_rounded_columns(_split_intervals(decomposition.pairs)), outdir / "pairs.tsv")
    write_table(_rounded_columns(_split_intervals(decomposition.overlaps)), outdir / "overlaps.tsv")
    write_table(_rounded_columns(decomposition.layers), outdir / "layers.tsv.gz")
    draw_decomposition(decomposition.record, decomposition.overlaps, decomposition.layers, outdir / "figures")
    write_json({"provenance": source, **decomposition.record}, outdir / "decomposition.json")


def write_cross_check(check: CrossCheck, claim: Claim, outdir: Path, inputs: Mapping[str, Any]) -> None:
    """Write ``cross_check_<name>.json``, its claims and elements as tables, and the figure."""
    name = check.record["check"]
    source = provenance(f"cross_check.py {name}", {**check.record["parameters"], **inputs})
    write_table(claims_table(check.record["claims"]), outdir / f"cross_check_{name}.tsv")
    write_table(_rounded_columns(check.elements), outdir / f"{name}_elements.tsv.gz")
    if check.record["claims"]:
        draw = claim.needs.figure if isinstance(claim.needs, OutsideData) else None
        figure = draw(check.record, check.profiles) if draw else effects_figure(check.record)
        caption = f"{claim.title}: {claim.question}"
        save(figure, outdir / "figures", f"cross_check_{name}", "Cross-check figures", caption)
    write_json({"provenance": source, **check.record}, outdir / f"cross_check_{name}.json")


def _rounded_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Float columns to six significant digits, as in the JSON."""
    frame = frame.copy()
    for name in frame.select_dtypes("float").columns:
        frame[name] = [float(f"{value:.6g}") for value in frame[name]]
    return frame


def _split_intervals(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of [low, high] as two columns, for text."""
    frame = frame.copy()
    for name in [column for column in frame.columns if column.endswith("_interval")]:
        bounds = frame.pop(name)
        for i, bound in enumerate(("low", "high")):
            frame[f"{name.removesuffix('_interval')}_{bound}"] = [pair[i] if pair else None for pair in bounds]
    return frame
