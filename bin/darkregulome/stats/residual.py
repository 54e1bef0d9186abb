"""What is held out together, normal scores, and the shares of a commonality analysis."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from darkregulome.stats.loci import Floats, Ints, Loci

_RIDGE = 1e-10
"""Relative ridge of the bootstrap's normal equations: a class absent from a resample must not be a singularity."""

MERGED_FOLDS = 5
"""Most folds of a learner, each of which costs a fit."""


@dataclass(frozen=True)
class Folds:
    """Which elements are held out together.

    Attributes
    ----------
    codes : shape (n,), fold of each element.
    unit : ``"chromosome"``, ``"locus"``, or ``"none"`` where there is but one group and the fit is in-sample.
    """

    codes: Ints
    unit: str


def make_folds(chromosomes: NDArray, loci: Loci, minimum: int = 5) -> Folds:
    """Hold out chromosomes; loci where there are fewer than `minimum` chromosomes; nothing where there is one locus."""
    names, codes = np.unique(np.asarray(chromosomes), return_inverse=True)
    if len(names) >= minimum:
        return Folds(codes.astype(np.int64), "chromosome")
    if loci.count >= 2:
        return Folds(loci.codes, "locus")
    return Folds(np.zeros(loci.n, dtype=np.int64), "none")


def normal_scores(scores: NDArray) -> Floats:
    """Rank-based inverse normal transform (Blom 1958): the normal quantiles of the ranks, ties sharing theirs."""
    return np.asarray(norm.ppf((rankdata(scores) - 0.375) / (len(scores) + 0.25)), dtype=np.float64)


def normal_scores_by_locus(scores: NDArray, loci: Loci) -> Floats:
    """`normal_scores` of each locus by itself: levels and monotone transformations of a locus's scores do not count."""
    scores = np.asarray(scores, dtype=float)
    return np.concatenate([normal_scores(scores[part]) for part in loci.slices()])


def r_squared(centred: Floats, predicted: Floats) -> float:
    """1 - SSE / SST of scores that are centred already; 0 where they do not vary."""
    total = float((centred**2).sum())
    return 1.0 - float(((centred - predicted) ** 2).sum()) / total if total > 0 else 0.0


SHARES = ("predictability", "annotation", "shared", "unexplained")


@dataclass(frozen=True)
class Commonality:
    """Shares of the within-locus variance that sum to one, and their intervals, in the order of `SHARES`."""

    shares: dict[str, float]
    intervals: dict[str, tuple[float, float]]


def commonality(
    scores: NDArray, features: Floats, annotation: Floats, loci: Loci, resamples: Ints | None
) -> Commonality:
    """Variance explained by predictability alone, by annotation (class, distance) alone, and by both.

    Parameters
    ----------
    scores : shape (n,). features : shape (n, p). annotation : shape (n, q).
    resamples : shape (b, n_loci), how often each bootstrap sample takes each locus (None: no intervals).

    Returns
    -------
    Shares of in-sample R2. ``shared`` is negative where one set hides what the other explains (suppression).
    """
    design = loci.center(np.column_stack([features, annotation, np.asarray(scores, dtype=float)]))
    grams = loci.sums(design[:, :, None] * design[:, None, :])
    p, q = features.shape[1], annotation.shape[1]
    point = _shares(grams.sum(axis=0)[None], p, q)[0]
    if resamples is None:
        return Commonality(dict(zip(SHARES, point, strict=True)), {})
    drawn = _shares(np.tensordot(resamples.astype(float), grams, axes=1), p, q)
    bounds = np.percentile(drawn, [2.5, 97.5], axis=0)
    intervals = {name: (float(bounds[0, i]), float(bounds[1, i])) for i, name in enumerate(SHARES)}
    return Commonality(dict(zip(SHARES, map(float, point), strict=True)), intervals)


def _shares(grams: Floats, p: int, q: int) -> Floats:
    by_features = _gram_r2(grams, np.arange(p))
    by_annotation = _gram_r2(grams, np.arange(p, p + q))
    by_both = _gram_r2(grams, np.arange(p + q))
    return np.column_stack(
        [by_both - by_annotation, by_both - by_features, by_features + by_annotation - by_both, 1.0 - by_both]
    )


def _gram_r2(grams: Floats, columns: Ints) -> Floats:
    """R2 of the last column on `columns`, from centred cross-products of shape (b, k, k)."""
    total = grams[:, -1, -1]
    if len(columns) == 0:
        return np.zeros(len(grams))
    inner = grams[:, columns[:, None], columns[None, :]]
    outer = grams[:, columns, -1]
    ridge = _RIDGE * np.maximum(np.trace(inner, axis1=1, axis2=2) / len(columns), 1e-300)
    beta = np.linalg.solve(inner + ridge[:, None, None] * np.eye(len(columns)), outer[:, :, None])[:, :, 0]
    explained = (beta * outer).sum(axis=1)
    return np.clip(np.divide(explained, total, out=np.zeros_like(total), where=total > 0), 0.0, 1.0)
