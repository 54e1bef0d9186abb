"""The methods of a run, for a reader who has only the report."""

from typing import Any

from markupsafe import Markup

from darkregulome import __version__
from darkregulome.report.markup import definitions, plain, render

_TEXT = """<div class="dr-text">
<p>Each non-coding <b>element</b> around a gene is edited in the sequence, and a DNA model is read before and
after the edit. The mean absolute change is the element's <b>regulatory influence score (RIS)</b>, one number
an element and model. Sequence that a model predicts well gives large changes whether or not it regulates
anything, so no RIS is taken at its word here.</p>
<dl>
<dt>Predictability</dt><dd>The model's mean log-likelihood per base of the element's reference sequence
(nats). Output models have none of their own: theirs is the mean of the language models' standardised
values.</dd>
<dt>Residual RIS</dt><dd>RIS less what six features of predictability explain: log length, GC, CpG
observed/expected, complexity, repeat fraction, predictability. Each element's prediction comes from a
regression that has not seen it (cross-fitted over chromosomes, or over loci where there are fewer than five
chromosomes). Distance to the TSS is never one of the features: it is what is tested.</dd>
<dt>Variance shares</dt><dd>How much of the variance of RIS is explained by predictability alone, by
annotation alone (class and distance), by both without telling them apart, and by neither (commonality
analysis). A shared part below zero means that one masks the other.</dd>
<dt>Null</dt><dd>Neighbouring elements resemble each other, so shuffling them would find too much. Each
locus's scores are rotated along its elements instead, with random reflection: the resemblance stays, the
position goes. Empirical p = (1 + exceedances) / (1 + permutations), two-sided. q is p after
Benjamini-Hochberg over the claims of a family.</dd>
<dt>Interval</dt><dd>95 %, by a bootstrap over loci.</dd>
<dt>Verdict</dt><dd><b>Survives</b>: the residual q is below {{ alpha }}, the sign is that of the raw effect,
and the residual effect is above the stated floor. <b>Collapses</b>: the raw q is below {{ alpha }}, but the
claim does not survive.
<b>Absent</b>: neither, though an effect at the floor would have been seen. <b>Underpowered</b>: neither, and
with so many elements and loci an effect at the floor would have been seen less than half of the time.</dd>
</dl>
<p>A claim that survives is one that the features of predictability, in a linear model, do not explain. That
is not yet proof of regulation: an unmeasured property of the sequence may still do so.</p>
</div>
"""


def methods_html(parameters: dict[str, Any]) -> Markup:
    """Definitions in plain words, then the parameters of the run."""
    text = render(_TEXT, alpha=plain(parameters.get("alpha", 0.05)))
    shown = {"darkregulome": __version__, **flatten(parameters)}
    return text + Markup("<h4>Parameters</h4>") + definitions(shown)


def flatten(parameters: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in parameters.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
