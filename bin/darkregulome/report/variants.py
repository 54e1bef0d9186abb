"""Sections of the report of `--workflow variants`: what was scored, how the scores lie, how good they are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import escape

from darkregulome.errors import InputError
from darkregulome.genome.alleles import CLASSES
from darkregulome.report.content import Section, lines_section
from darkregulome.report.figures import find_figures
from darkregulome.report.markup import PARTS, definitions, heading, interval, model_name, number, plain, table
from darkregulome.report.records import Evaluation, read_record

Row = Mapping[str, Any]

STATUSES = {
    "ok": ("scored", "#1b7837"),
    "ref_mismatch": ("REF is not what the reference has", "#b2182b"),
    "n_in_window": ("REF or too much of the window is N", "#fdb863"),
    "off_contig": ("the FASTA has no such contig, or it ends before", "#8a6100"),
    "symbolic": ("ALT is not spelled in A, C, G, T", "#8c8c8c"),
    "too_long": ("an allele is longer than --max-allele", "#c2a5cf"),
    "duplicate": ("the same change stands further up", "#92c5de"),
    "malformed": ("the line has too few columns, or no position", "#000000"),
    "outside_window": ("no window around a TSS holds it", "#2166ac"),
}
"""What each status means, and its colour."""


def read_evaluations(folders: Sequence[Path]) -> dict[str, Row]:
    """`evaluation.json` of each folder, by the folder's name, with its figures under ``figures``.

    Raises
    ------
    InputError : a folder holds none, or something else under its name.
    """
    records: dict[str, Row] = {}
    for folder in folders:
        path = folder / "evaluation.json"
        if not path.is_file():
            raise InputError.at(folder, "holds no evaluation.json", "give a folder of evaluate_scores.py")
        record = read_record(path, Evaluation, "give a folder of evaluate_scores.py")
        records[folder.name] = {**record.model_dump(), "figures": find_figures([folder])}
    return records


def variant_sections(summaries: Sequence[Row], evaluations: Mapping[str, Row]) -> list[Section]:
    """Every section that there is something to say in."""
    evaluated = [evaluation_section(evaluations)] if evaluations else []
    return [*evaluated, status_chart(summaries), status_section(summaries), *score_sections(summaries), methods()]


def status_chart(summaries: Sequence[Row]) -> Section:
    """Alleles by status, one bar per model."""
    return Section(
        "variants_statuses",
        "Alleles by status",
        "Every record comes out once and in order; an allele without a score has a status that says why.",
        {
            str(escape(summary["model"])): {status: sum(of.values()) for status, of in summary["statuses"].items()}
            for summary in summaries
        },
        "bargraph",
        pconfig={"title": "Alleles by status", "ylab": "alleles", "tt_decimals": 0},
        extra={"categories": {status: {"name": status, "color": colour} for status, (_, colour) in STATUSES.items()}},
    )


def status_section(summaries: Sequence[Row]) -> Section:
    """Statuses by class of allele."""
    classes = [kind for kind in CLASSES if any(_count(s, status, kind) for s in summaries for status in STATUSES)]
    rows = [
        (model_name(summary["model"]), status, meaning, *map(plain, counts), plain(sum(counts)))
        for summary in summaries
        for status, (meaning, _) in STATUSES.items()
        if status in summary["statuses"]
        for counts in [[_count(summary, status, kind) for kind in classes]]
    ]
    html = table(("Model", "Status", "Means", *classes, "All"), rows, numeric=range(3, 4 + len(classes)))
    return Section("variants_counts", "Statuses by class of allele", "Numbers of alleles.", html)


def score_sections(summaries: Sequence[Row]) -> list[Section]:
    """The distribution of each score, drawn by class of allele, and in numbers."""
    scores = list(dict.fromkeys(name for summary in summaries for name in summary["scores"]))
    if not scores:
        return []
    curves = {
        name: {
            f"{escape(summary['model'])}, {kind}": _curve(of["edges"], part["density"])
            for summary in summaries
            if (of := summary["scores"].get(name)) is not None
            for kind, part in of["classes"].items()
        }
        for name in scores
    }
    what = "Density of each score by class of allele, within the middle 99 % of all alleles."
    chart = lines_section("variants_scores", "Distribution of scores", what, curves, xlab="", ylab="density")
    rows = [
        (
            *(model_name(summary["model"]), name, kind, plain(part["n"]), number(part["mean"])),
            *(number(value) for value in part["quantiles"]),
        )
        for summary in summaries
        for name, of in summary["scores"].items()
        for kind, part in of["classes"].items()
    ]
    headers = ("Model", "Score", "Class", "Alleles", "Mean", "5 %", "25 %", "Median", "75 %", "95 %")
    html = table(headers, rows, numeric=range(3, len(headers)))
    return [chart, Section("variants_quantiles", "Scores in numbers", "Quantiles of each score.", html)]


def evaluation_section(evaluations: Mapping[str, Row]) -> Section:
    """Scores against labels or measurements: over all, within strata, against matched controls, by frequency."""
    headers = ("Model", "Score", "Statistic", "Where", "n", "Positives", "Value [95 % interval]")
    rows = [
        (
            *(model_name(name), row["score"], row["statistic"]),
            "all" if row["by"] == "all" else f"within {row['by']}",
            *(plain(row["n"]), plain(row.get("n_positive")), _value(row)),
        )
        for name, record in evaluations.items()
        for row in record["results"]
        if row["by"] == "all" or row["stratum"] == "mean within"
    ]
    html = table(headers, rows, numeric=(4, 5, 6))
    matched = [
        (model_name(name), row["score"], row["statistic"], plain(record["matched"]["n"]), _value(row))
        for name, record in evaluations.items()
        for row in (record["matched"] or {}).get("results", ())
    ]
    if matched:
        html += heading("Against matched controls")
        html += table(("Model", "Score", "Statistic", "Pairs", "Value [95 % of draws]"), matched, numeric=(3, 4))
    frequencies = [
        (
            *(model_name(name), entry["score"], plain(entry["n"])),
            f"{number(entry['spearman'])} {interval(entry['interval'])}",
            "yes" if entry["monotone"] else "no",
        )
        for name, record in evaluations.items()
        for entry in record["frequency"]
    ]
    if frequencies:
        html += heading("By allele frequency")
        names = ("Model", "Score", "Alleles", "Spearman with frequency", "Bins monotone")
        html += table(names, frequencies, numeric=(2, 3))
    for name, record in evaluations.items():
        if record.get("figures"):
            html += heading(name) + PARTS.figures(record["figures"])
    return Section(
        "variants_evaluation",
        "How good the scores are",
        "Scores side by side, against labels or measurements. Intervals are bootstraps; 'within' is the mean of the "
        "strata, weighted by their size.",
        html,
    )


def methods() -> Section:
    """What the scores are."""
    text = {
        "llr": "log p(ALT) − log p(REF) at the masked site; natural logarithms.",
        "influence": "Mean over the other positions of the largest absolute change of ln odds.",
        "influence_signed": "Sum over all positions of the largest change of log2 odds, over their number less one.",
        "loglik": "Log-likelihood of the window with ALT less that with REF; masked models mask each base once.",
        "embedding": "Euclidean distance of the last hidden states of the two windows.",
        "track": "log2 change of the predicted tracks, their mean.",
        "alleles of different lengths": "Compared over the same stretch of the genome, as means per base, scaled back.",
    }
    return Section("variants_methods", "What the scores are", "See docs/variants.md.", definitions(text))


def _count(summary: Row, status: str, kind: str) -> int:
    return int(summary["statuses"].get(status, {}).get(kind, 0))


def _curve(edges: Sequence[float], density: Sequence[float]) -> dict[float, float]:
    """Height at the middle of each bin."""
    return {(low + high) / 2: value for low, high, value in zip(edges, edges[1:], density, strict=False)}


def _value(row: Row) -> str:
    return f"{number(row['value'])} {interval([row['low'], row['high']])}"
