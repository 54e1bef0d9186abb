"""p-values from draws of a null."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

_TOLERANCE = 1e-9
"""FFT noise relative to the statistic's scale: the identity rotation must count as at least as extreme."""


def empirical_p(observed: float, draws: NDArray, center: float = 0.0, two_sided: bool = True) -> float:
    """``(1 + exceedances) / (1 + permutations)``, two-sided about `center` unless `two_sided` is false."""
    draws = np.asarray(draws, dtype=float)
    if two_sided:
        observed, draws = abs(observed - center), np.abs(draws - center)
    slack = _TOLERANCE * max(abs(observed), float(np.abs(draws).max(initial=0.0)), 1e-300)
    return float((1 + np.count_nonzero(draws >= observed - slack)) / (1 + len(draws)))


def equal_tailed_p(observed: float, draws: NDArray) -> float:
    """Twice the smaller of the two one-sided p-values, at most 1: for a null that need not be symmetric about 0."""
    draws = np.asarray(draws, dtype=float)
    tails = (empirical_p(sign * observed, sign * draws, two_sided=False) for sign in (1.0, -1.0))
    return min(1.0, 2.0 * min(tails))


def benjamini_hochberg(p_values: NDArray) -> NDArray[np.float64]:
    """Adjusted p-values (q) of one family; a missing p stays missing and does not count."""
    p_values = np.asarray(p_values, dtype=float)
    q_values = np.full(len(p_values), np.nan)
    finite = np.isfinite(p_values)
    if finite.any():
        q_values[finite] = false_discovery_control(p_values[finite])
    return q_values
