"""Bootstrap over loci: the locus is the unit that is sampled, so whole loci are drawn, never single elements.

A statistic made of per-locus sums is resampled by weighting those sums, all draws in one product.
"""

import numpy as np
from numpy.typing import NDArray

from darkregulome.stats.loci import Floats, Ints

MINIMUM_LOCI = 3
"""With fewer loci a bootstrap over them says nothing."""


def resample_loci(n_loci: int, draws: int, rng: np.random.Generator) -> Ints:
    """How often each bootstrap sample takes each locus: shape (draws, n_loci), rows sum to n_loci."""
    return rng.multinomial(n_loci, np.full(n_loci, 1.0 / n_loci), size=draws)


def percentile_interval(values: NDArray, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of the finite values; NaN where there are none."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return (float("nan"), float("nan"))
    low, high = np.percentile(values, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def ratio(numerators: NDArray, denominators: NDArray, resamples: Ints) -> Floats:
    """Bootstrap draws of sum(numerator) / sum(denominator): per-locus shape (n_loci, ...) to (draws, ...)."""
    top = np.tensordot(resamples.astype(float), numerators, axes=1)
    bottom = np.tensordot(resamples.astype(float), denominators, axes=1)
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)
