"""How far the models agree, from `decomposition.json`: rank agreement as heat maps, overlaps and layers as tables.

The file belongs to `decompose.py`; what it does not hold is left out of the report.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import escape

from darkregulome.diagnosis.entries import TRIVIALLY_KNOWN
from darkregulome.report.content import Section
from darkregulome.report.findings import Findings
from darkregulome.report.markup import PARTS, model_name, number, plain, probability, table

SCORES = {
    "raw": "RIS",
    "trivial": f"RIS given {TRIVIALLY_KNOWN}",
    "full": "RIS given predictability too",
}
"""What is compared, by rung."""

LAYERS = {
    "shared": "top in what is left of the language models' scores and of the output model's",
    "regulatory_output": "top in what is left of the output model's scores only",
    "predictability": "top in the language models only",
    "none": "top in none",
}

Row = Mapping[str, Any]


def sections(findings: Findings) -> list[Section]:
    """Heat maps of rank agreement, rung by rung; then overlaps and layers."""
    record = findings.decomposition or {}
    pairs = [pair for pair in _list(record.get("pairs")) if _named(pair)]
    made = [*(rank_section(pairs, score) for score in SCORES), overlap_section(pairs), layer_section(record)]
    return [section for section in made if section is not None]


def rank_section(pairs: Sequence[Row], score: str) -> Section | None:
    """Spearman's rho between every two models."""
    rho = {
        (pair["first"], pair["second"]): float(pair["spearman"])
        for pair in pairs
        if pair.get("scores") == score and isinstance(pair.get("spearman"), (int, float))
    }
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
        cells,
        "heatmap",
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
        replaces="Rank agreement",
    )


def overlap_section(pairs: Sequence[Row]) -> Section | None:
    """Overlap of every two models' top lists, with what chance gives."""
    rows = [_overlap_row(pair) for pair in pairs if pair.get("overlap") is not None]
    if not rows:
        return None
    headers = ("Models", "Scores", "In each list", "In both", "By chance", "p of more", "p of fewer", "q")
    return Section(
        "list_overlap",
        "Overlap of top lists",
        "Elements that both models put among their highest, held against rotations of one of them; an overlap of none "
        "is a finding too. Two language models share what they find predictable, so "
        "their agreement is no evidence of regulation and has no verdict; that of a language model and an output model "
        "is judged above.",
        table(headers, rows, numeric=range(2, 8)),
    )


def layer_section(record: Row) -> Section | None:
    """How many elements each layer holds."""
    layers = record.get("layers")
    if not isinstance(layers, Mapping):
        return None
    rows = [
        (
            *(name.replace("_", " "), LAYERS.get(name, ""), plain(layer.get("n")), plain(layer.get("n_sure"))),
            *(_kb(layer), plain(layer.get("classes"))),
        )
        for name, layer in layers.items()
        if isinstance(layer, Mapping)
    ]
    if not rows:
        return None
    html = table(
        ("Layer", "Elements that are", "Number", "Sure", "Median distance", "Classes"), rows, numeric=(2, 3, 4)
    )
    return Section(
        "layers",
        "Layers",
        "Which kind of model still puts an element first once predictability is taken out. Sure: at least 80 % of "
        "bootstrap samples of loci put the element into its layer.",
        html + PARTS.notes(_list(record.get("notes"), str)),
    )


def _overlap_row(pair: Row) -> tuple[Any, ...]:
    return (
        model_name(f"{pair['first']}|{pair['second']}"),
        SCORES.get(str(pair.get("scores")), str(pair.get("scores"))),
        *(plain(pair.get("k")), plain(pair.get("overlap")), number(pair.get("expected_by_chance"))),
        *(probability(pair.get(name)) for name in ("p_more", "p_fewer", "overlap_q")),
    )


def _kb(layer: Row) -> str:
    distance = layer.get("median_distance")
    return f"{number(distance / 1000)} kb" if isinstance(distance, (int, float)) else "–"


def _named(pair: Row) -> bool:
    return isinstance(pair.get("first"), str) and isinstance(pair.get("second"), str)


def _list(value: Any, kind: type = Mapping) -> list[Any]:
    return [item for item in value if isinstance(item, kind)] if isinstance(value, list) else []
