"""Noise that resembles its neighbours, as scores along a locus do."""

import numpy as np
from scipy.fft import next_fast_len

from darkregulome.stats.loci import Floats, Loci


def geometric(rho: float, lags: int = 400) -> tuple[float, ...]:
    """The autocorrelation of a first-order autoregression."""
    return tuple(float(value) for value in rho ** np.arange(lags) if value > 1e-6)


def correlated_noise(autocorrelation: tuple[float, ...], loci: Loci, rng: np.random.Generator) -> Floats:
    """Normal noise of unit variance with the given autocorrelation, loci independent: shape (n,).

    By circulant embedding (Davies and Harte 1987), long enough that the ends of a locus do not meet.
    """
    longest = int(loci.sizes.max())
    length = next_fast_len(longest + min(longest, len(autocorrelation)), real=True)
    row = np.zeros(length)
    lags = min(len(autocorrelation), length // 2)
    row[:lags] = autocorrelation[:lags]
    row[length - lags + 1 :] = row[1:lags][::-1]
    power = np.sqrt(np.maximum(np.fft.rfft(row).real, 0.0))
    drawn = np.fft.irfft(np.fft.rfft(rng.standard_normal((loci.count, length))) * power, n=length)
    scale = np.sqrt(np.mean(np.fft.irfft(power**2, n=length)[0]))
    place = np.arange(loci.n) - loci.starts[loci.codes]
    return np.asarray(drawn[loci.codes, place] / scale, dtype=np.float64)
