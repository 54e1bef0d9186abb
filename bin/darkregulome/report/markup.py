"""HTML of the report's own sections, from the templates. Every value is escaped: none of it is trusted."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from darkregulome.claims.claim import claim_names, find_claim
from darkregulome.diagnosis.decision import LEAST_LEFT_OVER
from darkregulome.io.records import Outcome

MISSING = "–"
FEATURES = {
    "log_length": "length",
    "gc": "GC",
    "cpg_oe": "CpG",
    "markov5": "likelihood by words of six letters",
    "two_sided": "likelihood by both neighbours",
    "copy_advantage": "copies nearby",
    "copies": "copies elsewhere",
    "repeat_fraction": "annotated repeats",
}
"""Features in words; the others are called what they are."""


def number(value: float | None, digits: int = 3) -> str:
    """`value` to that many significant digits, with a true minus sign; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.{digits}g}".replace("-", "−")


def probability(value: float | None) -> str:
    """A p or q value: four decimals, or scientific where those would not do."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.4f}" if value >= 1e-4 else f"{value:.0e}".replace("-", "−")


def interval(bounds: Sequence[float | None] | None) -> str:
    """``[lo, hi]``, or nothing where there is none."""
    if bounds is None or any(bound is None for bound in bounds):
        return ""
    return "[" + ", ".join(number(bound) for bound in bounds) + "]"


def plain(value: Any) -> str:
    """A parameter or a fact in words: numbers shortened, lists joined."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return number(value, 4)
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {plain(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(item) for item in value)
    return str(value)


def claim_title(name: str) -> str:
    """A claim's title; of a name that no claim has, the name."""
    return find_claim(name).title if name in claim_names() else name.replace("_", " ").capitalize()


def feature_name(name: str) -> str:
    """A feature in words."""
    return FEATURES.get(name, name.replace("_", " "))


def not_identifiable(rung: Outcome) -> bool:
    """Whether the features leave too little of what is tested for an effect to be read."""
    return rung.left_over is not None and rung.left_over < LEAST_LEFT_OVER


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    "number": number,
    "probability": probability,
    "interval": interval,
    "plain": plain,
    "claim_title": claim_title,
}

_ENVIRONMENT.tests["not_identifiable"] = not_identifiable


def render(template: str, **values: Any) -> Markup:
    """A template of `templates/` filled in, with every value that is not `Markup` escaped."""
    return Markup(_ENVIRONMENT.get_template(template).render(**values))


PARTS: Any = _ENVIRONMENT.get_template("parts.html").module
"""Pieces that several sections use, as functions that return `Markup`."""
STYLE = render("style.html")


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]], numeric: Collection[int] = ()) -> Markup:
    """A table; the columns whose index is in `numeric` are set to the right."""
    return PARTS.table(headers, rows, set(numeric))


def definitions(items: Mapping[str, Any]) -> Markup:
    """A two-column table of names and values."""
    return table(("name", "value"), [(name, plain(value)) for name, value in items.items()])


def model_name(model: str) -> Markup:
    """A model, or a pair of models, as it is written in tables; broken between models only."""
    return PARTS.model_name(model)


def heading(text: str) -> Markup:
    """A heading within a section."""
    return Markup("<h4>{}</h4>").format(text)
