"""Sections of the report of `--workflow embeddings`: maps, clusters against classes, what is not embedded, logos."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from darkregulome.io.documents import read_json
from darkregulome.io.tables import read_table
from darkregulome.plots.embeddings import colours_of
from darkregulome.report.content import Section
from darkregulome.report.figures import Figure, find_figures
from darkregulome.report.markup import PARTS, definitions, heading, model_name, number, plain, probability, table

Row = Mapping[str, Any]

MOST_POINTS = 3000
"""Points of an interactive map: what a browser moves without effort, and a report can hold. The table has all."""
MOST_ROWS = 200
MOST_LOGOS = 20


def read_embeddings(folder: Path) -> dict[str, Any]:
    """What embed_windows.py wrote: the record, with ``placed``, ``enrichment`` and ``figures``.

    Raises
    ------
    InputError : a file is absent or damaged.
    """
    record = read_json(folder / "clusters.json", "give a folder of embed_windows.py")
    enrichment = folder / "enrichment.tsv"
    return {
        **record,
        "placed": read_table(folder / "windows.tsv.gz"),
        "enrichment": read_table(enrichment) if enrichment.is_file() else pd.DataFrame(),
        "figures": find_figures([folder]),
    }


def embedding_sections(records: Sequence[Row], logos: Mapping[str, Sequence[Figure]]) -> list[Section]:
    """Every section that there is something to say in; `logos` are figures by model."""
    sections = [
        scatter_section(records),
        agreement_section(records),
        enrichment_section(records),
        failed_section(records),
        logo_section(logos),
        methods_section() if records else None,
    ]
    return [section for section in sections if section is not None]


def scatter_section(records: Sequence[Row]) -> Section | None:
    """The maps, by class and by cluster: one point per window, its name and place under the pointer."""
    datasets: list[dict[str, Any]] = []
    labels = []
    sampled = False
    for record in records:
        placed = record["placed"].dropna(subset=["umap_1", "umap_2"])
        sampled |= len(placed) > MOST_POINTS
        if len(placed) > MOST_POINTS:
            placed = placed.sample(MOST_POINTS, random_state=0).sort_index()
        for column in ("class", "cluster"):
            datasets.append(_points(placed, column))
            labels.append({"name": f"{escape(record['model'])}, by {column}", "xlab": "UMAP 1", "ylab": "UMAP 2"})
    if not datasets:
        return None
    note = f" Of each map {MOST_POINTS} points are shown, drawn at random." if sampled else ""
    return Section(
        "embeddings_scatter",
        "Map of the windows",
        "Each point is a window; near ones are alike to the model. Distances between groups far apart mean little."
        + note,
        datasets,
        "scatter",
        pconfig={
            "title": "Map of the windows (UMAP)",
            "xlab": "UMAP 1",
            "ylab": "UMAP 2",
            "data_labels": labels,
            "marker_size": 5,
            "marker_line_width": 0,
            "square": True,
            "showlegend": True,
            "height": 620,
        },
    )


def _points(placed: pd.DataFrame, column: str) -> dict[str, Any]:
    groups = placed[column].astype(str).str.removesuffix(".0")
    colours = colours_of(groups)
    columns = zip(placed.index, placed["window"], groups, placed["umap_1"], placed["umap_2"], strict=True)
    return {
        # Names may be equal; keys may not.
        f"{escape(window)} ({escape(group)})" + ("" if placed["window"].is_unique else f" #{number}"): {
            "x": float(x),
            "y": float(y),
            "color": colours[group],
            "group": str(escape(group)),
        }
        for number, window, group, x, y in columns
    }


def agreement_section(records: Sequence[Row]) -> Section | None:
    """Adjusted Rand index of each model's clusters and the classes, against chance and mere composition."""
    if not records:
        return None
    rows = []
    for record in records:
        index = record.get("adjusted_rand") or {}
        rows.append(
            (
                *(model_name(record["model"]), f"{plain(record['embedded'])} of {plain(record['windows'])}"),
                *(plain(record["dimensions"]), plain(record["clusters"]), number(index.get("embedding"))),
                *(number(index.get("null_95")), probability(index.get("p")), number(index.get("composition"))),
            )
        )
    headers = ("Model", "Windows", "Channels", "Clusters", "Adjusted Rand", "Chance, 95 %", "p", "Composition alone")
    html = table(headers, rows, numeric=range(1, len(headers)))
    for record in records:
        if record["figures"]:
            html += heading(record["model"]) + PARTS.figures(record["figures"])
    return Section(
        "embeddings_agreement",
        "Clusters against classes",
        "1: clusters and classes are the same partition; 0: no more alike than chance. Composition alone: the same "
        "clustering of 3-mer frequencies. A model that does no better may know no more than composition.",
        html,
    )


def enrichment_section(records: Sequence[Row]) -> Section | None:
    """Classes that are more frequent in a cluster than among all windows."""
    rows = [
        (
            *(model_name(record["model"]), plain(row["cluster"]), row["class"], plain(row["size"]), plain(row["both"])),
            *(number(row["fold"]), number(row["odds_ratio"]), probability(row["q"])),
        )
        for record in records
        if len(record["enrichment"])
        for row in record["enrichment"].query("q < 0.05").to_dict("records")
    ]
    if not rows:
        return None
    headers = ("Model", "Cluster", "Class", "Windows in it", "Of the class", "Fold", "Odds ratio", "q")
    html = table(headers, rows[:MOST_ROWS], numeric=(1, 3, 4, 5, 6, 7))
    return Section(
        "embeddings_enrichment",
        "Classes in clusters",
        "One-sided, against classes turned along the windows of each chromosome; Benjamini-Hochberg over all classes "
        "and clusters of a model; those with q < 0.05.",
        html,
    )


def failed_section(records: Sequence[Row]) -> Section | None:
    """Windows without an embedding, with the reason."""
    if not records:
        return None
    rows = [
        (model_name(record["model"]), row["window"], row["status"], plain(row["reason"]))
        for record in records
        for row in record["placed"].query("status != 'ok'").head(MOST_ROWS).to_dict("records")
    ]
    html = table(("Model", "Window", "Status", "Reason"), rows) if rows else Markup("<p>Every window was embedded.</p>")
    return Section("embeddings_failed", "Not embedded", "Windows without an embedding.", html)


def logo_section(logos: Mapping[str, Sequence[Figure]]) -> Section | None:
    """Logos of regions, by model."""
    html = Markup("")
    for model, figures in logos.items():
        if figures:
            html += heading(model) + PARTS.figures(figures[:MOST_LOGOS])
    if not html:
        return None
    return Section(
        "logos",
        "Logos",
        "Above, what the model predicts at each base while it is masked, by its information; below, the mean effect of "
        "the other three bases with its sign turned, at the base that stands there: high where edits do harm.",
        html,
    )


def methods_section() -> Section:
    """What the words mean."""
    text = {
        "embedding": "Mean of the last hidden states over the window's bases, seen in the middle of the model's "
        "window; both strands averaged. Of Enformer, the bins before its head.",
        "map": "UMAP of the 50 leading principal components of standardised channels; exact neighbours, seeded.",
        "clusters": "Leiden algorithm on UMAP's graph of neighbours, weighted; 0 is the largest.",
        "chance": "Neighbours stay together: classes are turned along the windows of each chromosome, with reflection. "
        "Permuted freely, neighbours that are alike would be found to agree with anything.",
    }
    return Section("embeddings_methods", "How the maps are made", "See docs/embeddings.md.", definitions(text))
