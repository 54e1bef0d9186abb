"""What base composition alone says of tracks: the baseline that a sequence-to-function model has to beat.

GC content and CpG dinucleotides tell promoters from the rest of a mammalian genome, so a network may reach a fair
correlation with nothing else. A ridge regression on both, near and wide about each bin, shows how far that goes.
"""

from typing import Any

import numpy as np
from scipy.ndimage import uniform_filter1d
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from darkregulome.genome.bases import base_codes
from darkregulome.training.enformer import Windows, correlations

WIDTHS = (1, 4, 16)
"""Bins over which GC and CpG are averaged about each bin."""

PENALTY = 0.2
"""Ridge penalty a bin of the training."""

C, G = base_codes("CG")


def composition(codes: np.ndarray, bin_length: int) -> np.ndarray:
    """GC content and CpG per base about every bin: float, (bins, 2 x widths); the first column is GC of the bin."""
    gc = np.isin(codes, (C, G)).astype(float)
    cpg = np.append((codes[:-1] == C) & (codes[1:] == G), False).astype(float)
    bins = [values.reshape(-1, bin_length).mean(axis=1) for values in (gc, cpg)]
    return np.stack([uniform_filter1d(one, width, mode="nearest") for one in bins for width in WIDTHS], axis=1)


def composition_pearson(training: Windows, held_out: Windows, length: int, bin_length: int) -> dict[str, Any]:
    """Pearson correlation of each track with baselines, over the bins of held-out cuts of `length` bases.

    ``composition`` is a ridge regression of log1p of the track on `composition` and its products, fitted to the
    training windows; ``gc`` is the GC content of the bin itself; ``mean_profile`` is the training windows' mean of
    log1p at each place in the cut. On log1p, and under ``natural`` on the track as it is, after expm1.
    """
    x, y = _table(training, length, bin_length)
    wanted, target = _table(held_out, length, bin_length)
    bins = length // bin_length
    regression = make_pipeline(
        StandardScaler(), PolynomialFeatures(2, include_bias=False), StandardScaler(), Ridge(PENALTY * len(x))
    )
    logs = regression.fit(x, np.log1p(y)).predict(wanted)
    profile = np.log1p(y).reshape(-1, bins, y.shape[1]).mean(axis=0)
    repeated = np.tile(profile, (len(target) // bins, 1))
    gc = np.repeat(wanted[:, :1], target.shape[1], axis=1)
    measured = np.log1p(target)
    return {
        "composition": correlations(np.stack([logs, measured])),
        "gc": correlations(np.stack([gc, measured])),
        "mean_profile": correlations(np.stack([repeated, measured])),
        "natural": {
            "composition": correlations(np.stack([np.expm1(logs), target])),
            "gc": correlations(np.stack([gc, target])),
            "mean_profile": correlations(np.stack([np.expm1(repeated), target])),
        },
    }


def _table(windows: Windows, length: int, bin_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (bins, features) and tracks (bins, tracks) of all cuts, one after the other."""
    cuts = [windows.cut(name, start, length, False) for name, start in windows.places(length, len(windows.sites))]
    features = [composition(codes, bin_length) for codes, _ in cuts]
    return np.concatenate(features), np.concatenate([target for _, target in cuts]).astype(float)
