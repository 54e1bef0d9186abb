"""HTML of the report's own sections. Every value goes through an escaping template: none of it is trusted."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

MISSING = "–"

CLAIM_TITLES = {
    "all": "Every claim",
    "horizon": "Regulatory horizon",
    "class_hierarchy": "Class hierarchy",
    "baseline_membership": "Top decile from features alone",
    "ccre_discrimination": "cCRE discrimination",
    "list_overlap": "Overlap of top lists",
    "layers": "Layer shared by language and output models",
    "eqtl": "eQTLs of the same gene",
    "conservation": "Conservation",
    "network": "Protein network",
    "te_family": "Families of transposable elements",
    "protein_pair": "Pairs of proteins",
}

STYLE = Markup("""<style>
.dr-table { width: 100%; font-size: 0.875rem; border-collapse: collapse; margin-bottom: 1rem; }
.dr-table th { text-align: left; border-bottom: 2px solid #8c8c8c; padding: 0.4rem 0.6rem; vertical-align:
  bottom; }
.dr-table td { border-bottom: 1px solid #d9d9d9; padding: 0.4rem 0.6rem; vertical-align: top; }
.dr-table td.dr-number, .dr-table th.dr-number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.dr-table .dr-small { color: #6b6b6b; font-size: 0.8rem; }
.dr-scroll { overflow-x: auto; }
.dr-badge { display: inline-block; min-width: 6.6rem; padding: 0.15rem 0.5rem; border-radius: 0.25rem;
  text-align: center; font-weight: 600; font-size: 0.8rem; color: #fff; background: #6b6b6b; white-space:
  nowrap; }
.dr-survives { background: #1b7837; }
.dr-collapses { background: #b2182b; }
.dr-absent { background: #6b6b6b; }
.dr-underpowered { background: #8a6100; }
.dr-unjudged { background: #fff; color: #444; border: 1px solid #8c8c8c; }
.dr-tick { color: #1b7837; font-weight: 700; white-space: nowrap; }
.dr-cross { color: #b2182b; font-weight: 700; white-space: nowrap; }
.dr-untested { color: #8a6100; font-weight: 700; white-space: nowrap; }
.dr-tally { margin: 0 0 0.8rem 0; }
.dr-tally span.dr-count { margin: 0 1.2rem 0 0.4rem; }
.dr-figures { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; margin-bottom: 1rem; }
.dr-figures figure { margin: 0; max-width: 100%; }
.dr-figures img { max-width: min(100%, 75rem); height: auto; background: #fff; }
.dr-figures figcaption { font-size: 0.8rem; color: #6b6b6b; padding-top: 0.25rem; }
.dr-model { white-space: nowrap; }
#mqc_welcome, #page_title .multiqc-logo-wrapper { display: none !important; }
.dr-table td.dr-words { min-width: 20rem; }
.dr-text { max-width: 60rem; }
.dr-text dt { margin-top: 0.5rem; }
.dr-text code, .dr-table code { font-size: 0.8rem; }
</style>""")

_GLYPHS = {"survives": "✓", "collapses": "✗", "absent": "○", "underpowered": "?"}

_ENVIRONMENT = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def render(template: str, **values: Any) -> Markup:
    """A jinja template filled in, with every value that is not `Markup` escaped."""
    return Markup(_ENVIRONMENT.from_string(template).render(**values))


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]], numeric: Sequence[int] = ()) -> Markup:
    """A table; the columns whose index is in `numeric` are set to the right."""
    return render(
        """<div class="dr-scroll"><table class="dr-table"><thead><tr>
{% for header in headers %}<th{% if loop.index0 in numeric %} class="dr-number"{% endif %}>{{ header }}</th>{% endfor %}
</tr></thead><tbody>
{% for row in rows %}
<tr>
{% for cell in row %}
<td{% if loop.index0 in numeric %} class="dr-number"{% endif %}>{{ cell }}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody></table></div>""",
        headers=headers,
        rows=rows,
        numeric=set(numeric),
    )


def definitions(items: Mapping[str, Any]) -> Markup:
    """A two-column table of names and values."""
    return table(("name", "value"), [(name, plain(value)) for name, value in items.items()])


def badge(verdict: str | None) -> Markup:
    """A coloured verdict. The glyph and the word say it too, for those who do not see the colours."""
    if verdict is None:
        return Markup('<span class="dr-badge dr-unjudged">not judged</span>')
    return render(
        '<span class="dr-badge dr-{{ verdict }}">{{ glyph }} {{ verdict }}</span>',
        verdict=verdict,
        glyph=_GLYPHS[verdict],
    )


def claim_name(claim: str) -> Markup:
    """A claim's title over its name in the files."""
    return render(
        '{{ title }}<br><code class="dr-small">{{ claim }}</code>',
        title=CLAIM_TITLES.get(claim, claim.replace("_", " ").capitalize()),
        claim=claim,
    )


def model_name(model: str) -> Markup:
    """A model, or a pair of models, as it is written in tables; broken between models only."""
    return Markup(" × ").join(Markup('<span class="dr-model">{}</span>').format(name) for name in model.split("|"))


def number(value: float | None, digits: int = 3) -> str:
    """`value` to so many significant digits, with a true minus sign; a dash where there is none."""
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
