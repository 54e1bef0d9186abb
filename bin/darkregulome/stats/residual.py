"""What predictability explains of a score, and what it leaves: cross-fitted least squares and commonality analysis."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression

from darkregulome.stats.features import expand
from darkregulome.stats.loci import Floats, Ints, Loci

_RIDGE = 1e-10
"""Relative ridge of the bootstrap's normal equations: a class absent from a resample must not be a singularity."""

_COLLINEAR = 1e-11
"""Eigenvalues of cross-products below this part of the largest are of collinear features."""
MERGED_FOLDS = 5
"""Most folds of a logistic regression or of boosting, each of which costs a fit."""
_WEAK = 100.0
"""Inverse strength of its penalty: enough to keep a feature that divides members from others perfectly finite."""


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


@dataclass(frozen=True)
class Residualization:
    """A score less its prediction.

    Attributes
    ----------
    residual : shape (n,), in the units of the score.
    scale : shape (n,), fitted mean absolute residual at each element's features (Glejser), in the same units.
    r2 : within-locus R2 of the held-out predictions; negative where they are worse than the locus's mean.
    r2_in_sample : within-locus R2 of the fit to all elements.
    r2_total : R2 of the held-out predictions about the overall mean, differences between loci included.
    coefficients : shape (p,), of the fit to all elements, in SD of the score per SD of the feature.
    unit : what was held out together (`Folds.unit`).
    """

    residual: Floats
    scale: Floats
    r2: float
    r2_in_sample: float
    r2_total: float
    coefficients: Floats
    unit: str


def make_folds(chromosomes: NDArray, loci: Loci, minimum: int = 5) -> Folds:
    """Hold out chromosomes; loci where there are fewer than `minimum` chromosomes; nothing where there is one locus."""
    names, codes = np.unique(np.asarray(chromosomes), return_inverse=True)
    if len(names) >= minimum:
        return Folds(codes.astype(np.int64), "chromosome")
    if loci.count >= 2:
        return Folds(loci.codes, "locus")
    return Folds(np.zeros(loci.n, dtype=np.int64), "none")


def cross_products(features: Floats, scores: Floats, loci: Loci, folds: Folds) -> tuple[Floats, Floats]:
    """Within-locus cross-products by fold: of the features, shape (folds, p, p), and with the scores, (folds, p)."""
    design, within = loci.center(features), loci.center(scores)
    count = int(folds.codes.max()) + 1
    grams, moments = np.zeros((count, design.shape[1], design.shape[1])), np.zeros((count, design.shape[1]))
    for fold in range(count):
        rows = folds.codes == fold
        grams[fold], moments[fold] = design[rows].T @ design[rows], design[rows].T @ within[rows]
    return grams, moments


def slopes(gram: Floats, moment: Floats) -> Floats:
    """Least-squares slopes from cross-products (minimum norm where features are collinear)."""
    return np.linalg.pinv(gram, rcond=_COLLINEAR, hermitian=True) @ moment if len(moment) else np.zeros(0)


def cross_fit(scores: NDArray, features: Floats, loci: Loci, folds: Folds) -> Residualization:
    """Residuals of `scores` (shape (n,)) on `features` (shape (n, p)), no element seen by its own fit.

    Slopes are estimated within loci (scores and features centred by locus): every claim is about differences within
    a locus, and slopes that differences between a few loci have bent would leave the features in the residual.
    """
    scores = np.asarray(scores, dtype=float)
    predicted = _held_out(scores, features, loci, folds)
    residual = scores - predicted
    spread = np.abs(loci.center(residual))
    scale = np.maximum(_held_out(spread, features, loci, folds), 0.1 * max(spread.mean(), 1e-300))
    within, features_within = loci.center(scores), loci.center(features)
    everything = slopes(features_within.T @ features_within, features_within.T @ within)
    sd = within.std() or 1.0
    return Residualization(
        residual=residual,
        scale=scale,
        r2=r_squared(within, loci.center(predicted)),
        r2_in_sample=r_squared(within, features_within @ everything),
        r2_total=r_squared(scores - scores.mean(), predicted - scores.mean()),
        coefficients=everything / sd,
        unit=folds.unit,
    )


def residualize(scores: NDArray, features: Floats, loci: Loci, folds: Folds, how: str = "linear") -> Residualization:
    """`cross_fit` in the way that `how` says: linear, quadratic, splines (see `expand`) or boosting.

    Coefficients are those of the linear fit, whatever the way. Boosting is `HistGradientBoostingRegressor` on scores
    centred by locus, in `MERGED_FOLDS` folds at most.
    """
    linear = cross_fit(scores, features, loci, folds)
    if how == "linear" or features.shape[1] == 0:
        return linear
    if how != "boosting":
        return replace(cross_fit(scores, expand(features, how), loci, folds), coefficients=linear.coefficients)
    scores = np.asarray(scores, dtype=float)
    within = loci.center(scores)
    predicted, in_sample = _boosted(within, features, folds), _boosted(within, features, Folds(folds.codes * 0, "none"))
    residual = scores - predicted
    spread = np.abs(loci.center(residual))
    return Residualization(
        residual=residual,
        scale=np.maximum(_held_out(spread, features, loci, folds), 0.1 * max(spread.mean(), 1e-300)),
        r2=r_squared(within, loci.center(predicted)),
        r2_in_sample=r_squared(within, loci.center(in_sample)),
        r2_total=r_squared(scores - scores.mean(), predicted),
        coefficients=linear.coefficients,
        unit=folds.unit,
    )


def _boosted(within: Floats, features: Floats, folds: Folds) -> Floats:
    merged = folds.codes % MERGED_FOLDS
    predicted = np.zeros(len(within))
    for fold in np.unique(merged):
        test = merged == fold
        train = ~test if folds.unit != "none" else test
        if train.any():
            model = HistGradientBoostingRegressor(max_iter=100, early_stopping=False, random_state=0)
            predicted[test] = model.fit(features[train], within[train]).predict(features[test])
    return predicted


def normal_scores(scores: NDArray) -> Floats:
    """Rank-based inverse normal transform (Blom 1958): the normal quantiles of the ranks, ties sharing theirs."""
    return np.asarray(norm.ppf((rankdata(scores) - 0.375) / (len(scores) + 0.25)), dtype=np.float64)


def normal_scores_by_locus(scores: NDArray, loci: Loci) -> Floats:
    """`normal_scores` of each locus by itself: levels and monotone transformations of a locus's scores do not count."""
    scores = np.asarray(scores, dtype=float)
    return np.concatenate([normal_scores(scores[part]) for part in loci.slices()])


def propensity(member: NDArray, features: Floats, folds: Folds) -> Floats:
    """Chance that an element is a member given its features, by logistic regression, no element seen by its own fit.

    Parameters
    ----------
    member : shape (n,), booleans. features : shape (n, p), standardised; their squares are used too.
    folds : held out together; merged into `MERGED_FOLDS` at most, since each costs a fit.

    Returns
    -------
    Shape (n,). Where a training set has members only, or none, its share of members.
    """
    member = np.asarray(member, dtype=bool)
    columns = np.hstack([features, features**2 - 1.0])
    merged = folds.codes % MERGED_FOLDS
    chance = np.full(len(member), member.mean())
    for fold in np.unique(merged):
        test = merged == fold
        train = ~test if folds.unit != "none" else test
        if columns.shape[1] and 0 < member[train].sum() < train.sum():
            model = LogisticRegression(C=_WEAK, solver="newton-cholesky", max_iter=50).fit(
                columns[train], member[train]
            )
            chance[test] = model.predict_proba(columns[test])[:, 1]
        else:
            chance[test] = member[train].mean() if train.any() else member.mean()
    return chance


def r_squared(centred: Floats, predicted: Floats) -> float:
    """1 - SSE / SST of scores that are centred already; 0 where they do not vary."""
    total = float((centred**2).sum())
    return 1.0 - float(((centred - predicted) ** 2).sum()) / total if total > 0 else 0.0


def _held_out(scores: Floats, features: Floats, loci: Loci, folds: Folds) -> Floats:
    grams, moments = cross_products(features, scores, loci, folds)
    sizes = np.bincount(folds.codes)
    sums = np.stack([np.bincount(folds.codes, weights=column) for column in (scores, *features.T)], axis=1)
    out = np.ones(len(sizes)) if folds.unit != "none" else np.zeros(len(sizes))
    betas = np.zeros((len(sizes), features.shape[1] + 1))
    for fold, left_out in enumerate(out):
        beta = slopes(grams.sum(axis=0) - left_out * grams[fold], moments.sum(axis=0) - left_out * moments[fold])
        means = (sums.sum(axis=0) - left_out * sums[fold]) / (sizes.sum() - left_out * sizes[fold])
        betas[fold] = np.r_[means[0] - means[1:] @ beta, beta]
    own = betas[folds.codes]
    return np.asarray(own[:, 0] + np.einsum("ij,ij->i", features, own[:, 1:]), dtype=np.float64)


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
