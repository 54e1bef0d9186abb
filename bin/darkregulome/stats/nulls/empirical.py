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


def benjamini_hochberg(p_values: NDArray) -> NDArray[np.float64]:
    """Adjusted p-values (q) of one family; a missing p stays missing and does not count."""
    p_values = np.asarray(p_values, dtype=float)
    q_values = np.full(len(p_values), np.nan)
    finite = np.isfinite(p_values)
    if finite.any():
        q_values[finite] = false_discovery_control(p_values[finite])
    return q_values


def sequential_p(
    observed: float, draws: NDArray, stop: int, center: float = 0.0, two_sided: bool = True
) -> tuple[float, int]:
    """p-value of draws that stop once `stop` of them are as extreme as the observed, and how many it took.

    With the h-th exceedance at draw L, p is h / L; where n draws give g < h, it is (1 + g) / (1 + n). Both are valid
    (Besag and Clifford 1991, Biometrika 78:301): a claim that is nothing is known to be so after some dozens of draws,
    and only small p-values take them all.

    Parameters
    ----------
    draws : shape (n,), in the order drawn. stop : exceedances to stop at, h.
    """
    exceeds = exceedances(observed, draws, center, two_sided)
    reached = np.flatnonzero(exceeds)
    if len(reached) < stop:
        return (1 + len(reached)) / (1 + len(exceeds)), len(exceeds)
    taken = int(reached[stop - 1]) + 1
    return stop / taken, taken


def exceedances(observed: float, draws: NDArray, center: float = 0.0, two_sided: bool = True) -> NDArray[np.bool_]:
    """Which draws are at least as extreme as the observed, up to the noise of a sum: shape (n,)."""
    draws = np.asarray(draws, dtype=float)
    if two_sided:
        observed, draws = abs(observed - center), np.abs(draws - center)
    # The noise is relative to the observed alone, so that a draw counts the same however many follow it.
    return np.asarray(draws >= observed - _TOLERANCE * max(abs(observed), 1e-300), dtype=np.bool_)
