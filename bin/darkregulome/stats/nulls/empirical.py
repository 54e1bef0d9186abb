"""p-values from draws of a null."""

import numpy as np
from numpy.typing import NDArray

_TOLERANCE = 1e-9
"""FFT noise relative to the statistic's scale: the identity rotation must count as at least as extreme."""


def empirical_p(observed: float, draws: NDArray, center: float = 0.0, two_sided: bool = True) -> float:
    """``(1 + exceedances) / (1 + permutations)``, two-sided about `center` unless told otherwise."""
    draws = np.asarray(draws, dtype=float)
    if two_sided:
        observed, draws = abs(observed - center), np.abs(draws - center)
    slack = _TOLERANCE * max(abs(observed), float(np.abs(draws).max(initial=0.0)), 1e-300)
    return float((1 + np.count_nonzero(draws >= observed - slack)) / (1 + len(draws)))
