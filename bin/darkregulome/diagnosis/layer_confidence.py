"""How sure the layer of an element is: the share of bootstrap samples of loci that put it there.

In every sample the slopes of the features, the scale of the residuals and the bounds of the top lists are worked out
again from the loci drawn; then every element is placed, drawn or not. So the confidence tells an element well inside a
layer from one at its edge, and a layer that hangs on a few loci from one that does not. It knows nothing of the noise
of a single score.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from darkregulome.claims.top_lists import list_length
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Settings
from darkregulome.stats.bootstrap import resample_loci
from darkregulome.stats.features import expand
from darkregulome.stats.loci import Bools, Floats, Loci
from darkregulome.stats.randomness import generator

SAMPLES = 200
"""Most bootstrap samples: a share is then known to 3.5 points."""
LAYERS = ("shared", "regulatory_output", "predictability", "none")


def layer_codes(raw_top: Bools, language_top: Bools, output_top: Bools) -> np.ndarray:
    """Index into `LAYERS` of each element, from its membership of the top lists; all of one shape."""
    return np.select([language_top & output_top, output_top, raw_top | language_top], [0, 1, 2], default=3)


def layer_shares(prepared: Sequence[Prepared], names: pd.Index, settings: Settings) -> Floats:
    """Share of bootstrap samples that put each element into each layer: shape (len(names), 4), as `LAYERS`.

    NaN without bootstrap samples.

    Parameters
    ----------
    names : elements that every model scored, in any order.
    """
    locus = prepared[0].scores.table.set_index("element")["cluster"].astype(str).reindex(names).to_numpy()
    loci, codes = np.unique(locus, return_inverse=True)
    rng = generator(settings.seed, "layers", *(one.scores.name for one in prepared))
    samples = resample_loci(len(loci), min(settings.bootstrap, SAMPLES), rng)
    if not len(samples):
        return np.full((len(names), len(LAYERS)), np.nan)
    models = [_Model(one, names, loci, settings) for one in prepared]
    k = list_length(len(names), settings)
    counts = np.zeros((len(names), len(LAYERS)))
    rows = np.arange(len(names))
    for weights in samples.astype(float):
        tops = {}
        for kind, chosen in (("language", True), ("output", False)):
            parts = [one.drawn(weights) for one in models if one.is_language == chosen]
            if not parts:
                tops[kind] = np.zeros((2, len(names)), dtype=bool)
                continue
            consensus = np.mean(parts, axis=0)
            tops[kind] = np.array([_top(values, weights[codes], k) for values in consensus])
        counts[rows, layer_codes(tops["language"][0], tops["language"][1], tops["output"][1])] += 1
    return counts / len(samples)


def _top(values: Floats, weights: Floats, k: int) -> Bools:
    """Elements at or above the bound of the top `k` of ``weights.sum()`` draws, scaled to the size of the sample."""
    # Not stable, and much quicker: the bound is a value, and equal values are the same bound in any order.
    order = np.argsort(-values)
    depth = np.cumsum(weights[order])
    bound = int(np.searchsorted(depth, k * depth[-1] / len(values)))
    return values >= values[order[min(bound, len(order) - 1)]]


class _Model:
    """One model's scores, and what its slopes are made of, locus by locus."""

    def __init__(self, one: Prepared, names: pd.Index, all_loci: np.ndarray, settings: Settings):
        scores, layout = one.scores, one.scores.loci
        self.is_language = scores.is_language_model
        self._layout: Loci = layout
        self._features = layout.center(expand(scores.features.values, "splines"))
        self._values = layout.center(scores.raw)
        design = np.column_stack([self._features, self._values])
        self._grams = layout.sums(design[:, :, None] * design[:, None, :])
        self._of_locus = np.searchsorted(all_loci, scores.table["cluster"].astype(str).to_numpy()[layout.starts])
        self._rows = pd.Index(scores.table["element"]).get_indexer(names)

    def drawn(self, weights: Floats) -> Floats:
        """Raw and studentised residual scores in SD of a sample of loci: shape (2, elements)."""
        own = weights[self._of_locus]
        p = self._features.shape[1]
        gram = np.tensordot(own, self._grams, axes=1)
        slopes = np.linalg.lstsq(gram[:p, :p], gram[:p, p], rcond=None)[0] if p else np.zeros(0)
        residual = self._values - self._features @ slopes
        scaled = residual / self._scale(np.abs(residual), own, gram[:p, :p])
        return np.array([self._in_sd(self._values, own), self._in_sd(scaled, own)])[:, self._rows]

    def _scale(self, spread: Floats, own: Floats, gram: Floats) -> Floats:
        """Fitted size of the residuals (Glejser: their absolute values on the features), as in the residualization."""
        centred = self._layout.center(spread)
        moments = own @ self._layout.sums(self._features * centred[:, None])
        slopes = np.linalg.lstsq(gram, moments, rcond=None)[0] if len(gram) else np.zeros(0)
        by_element = own[self._layout.codes]
        mean = float((by_element * spread).sum() / by_element.sum())
        return np.maximum(mean + self._features @ slopes, 0.1 * max(mean, 1e-300))

    def _in_sd(self, values: Floats, own: Floats) -> Floats:
        centred = self._layout.center(values)
        by_element = own[self._layout.codes]
        sd = float(np.sqrt((by_element * centred**2).sum() / by_element.sum()))
        return centred / sd if sd > 0 else centred
