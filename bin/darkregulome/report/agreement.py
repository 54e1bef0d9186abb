"""How far the models agree, from `decomposition.json`: rank agreement as a heat map, overlap of top lists as curves.

The file belongs to `decompose.py`; what it does not hold is left out of the report.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import escape

from darkregulome.report.content import Section

SCORES = {"raw": "RIS", "residual": "residual RIS"}


def agreement_sections(decomposition: Mapping[str, Any] | None) -> list[Section]:
    """Heat maps and curves, raw before residual."""
    pairs = _pairs(decomposition or {})
    sections = [rank_section(pairs, score) for score in SCORES] + [overlap_section(pairs, score) for score in SCORES]
    return [section for section in sections if section is not None]


def rank_section(pairs: Sequence[Mapping[str, Any]], score: str) -> Section | None:
    """Spearman's rho between every two models."""
    rho = {names: value for pair in pairs if (names := _names(pair)) and (value := _rho(pair, score)) is not None}
    if not rho:
        return None
    models = list(dict.fromkeys(name for names in rho for name in names))
    cells = [
        [1.0 if row == column else rho.get((row, column), rho.get((column, row))) for column in models]
        for row in models
    ]
    labels = [str(escape(model)) for model in models]
    return Section(
        f"rank_agreement_{score}",
        f"Rank agreement, {SCORES[score]}",
        f"Spearman's rank correlation of {SCORES[score]} between models, over the elements that both scored.",
        "heatmap",
        cells,
        pconfig={
            "title": f"Rank agreement of {SCORES[score]}",
            "xlab": "model",
            "ylab": "model",
            "zlab": "Spearman's rho",
            "min": -1,
            "max": 1,
            "display_values": True,
            "cluster_rows": False,
            "cluster_cols": False,
            "xcats_samples": False,
            "ycats_samples": False,
            "colstops": [[0, "#b2182b"], [0.5, "#f7f7f7"], [1, "#2166ac"]],
        },
        extra={"xcats": labels, "ycats": labels},
    )


def overlap_section(pairs: Sequence[Mapping[str, Any]], score: str) -> Section | None:
    """Overlap of the two top lists over what chance gives, by the fraction of elements in the lists."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for pair in pairs:
        names = _names(pair)
        # Pairs, not an object: the keys of JSON objects are text, which MultiQC would sort as text.
        points = sorted(
            (100 * point["fraction"], point["fold"])
            for point in _overlaps(pair, score)
            if point.get("fraction") is not None and point.get("fold") is not None
        )
        if names and points:
            curves[str(escape(" × ".join(names)))] = points
    if not curves:
        return None
    return Section(
        f"list_overlap_{score}",
        f"Overlap of top lists, {SCORES[score]}",
        f"Elements that both models put among their highest {SCORES[score]}, over what chance gives (1).",
        "linegraph",
        curves,
        pconfig={
            "title": f"Overlap of top lists by {SCORES[score]}",
            "xlab": "elements in each list, %",
            "ylab": "overlap, observed / expected",
            "ymin": 0,
            "style": "lines+markers",
            "y_lines": [{"value": 1, "color": "#8c8c8c", "dash": "dash", "label": "chance"}],
        },
    )


def _pairs(decomposition: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    pairs = decomposition.get("pairs")
    return [pair for pair in pairs if isinstance(pair, Mapping)] if isinstance(pairs, list) else []


def _names(pair: Mapping[str, Any]) -> tuple[str, str] | None:
    names = str(pair.get("pair", "")).split("|")
    return (names[0], names[1]) if len(names) == 2 else None


def _rho(pair: Mapping[str, Any], score: str) -> float | None:
    agreement = pair.get("rank_agreement")
    value = agreement.get(score) if isinstance(agreement, Mapping) else None
    return float(value) if isinstance(value, (int, float)) else None


def _overlaps(pair: Mapping[str, Any], score: str) -> list[Mapping[str, Any]]:
    overlap = pair.get("overlap")
    points = overlap.get(score) if isinstance(overlap, Mapping) else None
    return [point for point in points if isinstance(point, Mapping)] if isinstance(points, list) else []
