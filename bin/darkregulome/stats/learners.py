"""What features say of a variable, no element seen by its own fit: three learners of scikit-learn, within loci.

Sums differ in their last digits with the number of threads: callers set one thread (`threadpool_limits`), once.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score

from darkregulome.stats.agreement import top_members
from darkregulome.stats.features import expand
from darkregulome.stats.loci import Bools, Floats, Ints, Loci
from darkregulome.stats.residual import MERGED_FOLDS, Folds

LEARNERS = ("linear", "splines", "boosting")
"""On the features; on cubic splines of each; gradient boosting of what the splines leave, which sees interactions."""
_RIDGE = 1.0
"""Penalty per standardised column: nothing to thousands of elements, and no singularity where columns are collinear."""
_BOOSTING = {"max_iter": 40, "learning_rate": 0.15, "max_leaf_nodes": 8, "early_stopping": False, "random_state": 0}


def residuals(
    targets: NDArray,
    features: Floats,
    loci: Loci,
    folds: Folds,
    learner: str,
    levels: bool = False,
    chances: bool = False,
) -> Floats:
    """What the features leave of `targets`, held out, fitted within loci: shape (n, k).

    Parameters
    ----------
    targets : shape (n, k). features : shape (n, p), standardised; without a column the targets are centred only.
    learner : out of `LEARNERS`.
    levels : keep the differences between loci that the features leave, for claims about whole loci; else centred.
    chances : the targets are 0 and 1, and their chances are fitted on the scale of log odds, as those of a short list
        must be: a straight line through rare members leaves their curve.
    """
    targets = np.asarray(targets, dtype=float).reshape(loci.n, -1)
    within = loci.center(targets)
    if features.shape[1] == 0:
        return targets if levels else within
    expanded = expand(features, "linear" if learner == "linear" else "splines")
    columns = loci.center(expanded)
    fitted_on, measured = (expanded if levels else columns), (targets if chances else within)
    predicted = np.zeros_like(within)
    for train, test in _splits(folds):
        for at, target in enumerate(measured.T):
            inside, outside = _fit(columns[train], target[train], fitted_on[test], chances)
            predicted[test, at] = outside
            if learner == "boosting":
                boosted = HistGradientBoostingRegressor(**_BOOSTING).fit(features[train], target[train] - inside)
                predicted[test, at] += boosted.predict(features[test])
    return targets - predicted if levels else loci.center(measured - predicted)


def _fit(columns: Floats, target: Floats, others: Floats, chances: bool) -> tuple[Floats, Floats]:
    """What a ridge regression of the target (or a logistic one of its chances) says of its own rows, and of others."""
    if not chances:
        ridge = Ridge(alpha=_RIDGE, fit_intercept=False).fit(columns, target)
        return ridge.predict(columns), ridge.predict(others)
    if target.min() == target.max():
        return np.full(len(columns), target[0]), np.full(len(others), target[0])
    logistic = LogisticRegression(C=1.0 / _RIDGE, max_iter=1000).fit(columns, target)
    return logistic.predict_proba(columns)[:, 1], logistic.predict_proba(others)[:, 1]


def top_auc(scores: NDArray, features: Floats, folds: Folds, share: float = 0.1) -> float:
    """How well features alone tell the highest scores: held-out AUC of a logistic regression.

    NaN where a training set has none of them, or nothing else, or where there is no feature.
    """
    top = top_members(scores, max(1, round(share * len(scores))))
    values = np.zeros(len(scores))
    for train, test in _splits(folds):
        if len(np.unique(top[train])) < 2 or not features.shape[1]:
            return float("nan")
        fit = LogisticRegression(max_iter=1000).fit(features[train], top[train])
        values[test] = fit.decision_function(features[test])
    return float(roc_auc_score(top, values))


def _splits(folds: Folds) -> Sequence[tuple[Bools, Bools]]:
    """Of each fold, what is learnt from and what is held out; the same where there is one fold."""
    merged: Ints = folds.codes % MERGED_FOLDS
    if folds.unit == "none":
        everything = np.ones(len(merged), dtype=bool)
        return [(everything, everything)]
    return [(merged != fold, merged == fold) for fold in np.unique(merged)]
