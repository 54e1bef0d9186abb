"""What features say of a variable, no element seen by its own fit: three learners of scikit-learn, within loci."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from threadpoolctl import ThreadpoolController

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
    targets: NDArray, features: Floats, loci: Loci, folds: Folds, learner: str, levels: bool = False
) -> Floats:
    """What the features leave of `targets`, held out, fitted within loci: shape (n, k).

    Parameters
    ----------
    targets : shape (n, k). features : shape (n, p), standardised; without a column the targets are centred only.
    learner : out of `LEARNERS`.
    levels : keep the differences between loci that the features leave, for claims about whole loci; else centred.
    """
    targets = np.asarray(targets, dtype=float).reshape(loci.n, -1)
    within = loci.center(targets)
    if features.shape[1] == 0:
        return targets if levels else within
    expanded = expand(features, "linear" if learner == "linear" else "splines")
    columns = loci.center(expanded)
    said = expanded if levels else columns
    predicted = np.zeros_like(within)
    # One thread per fit: sums would differ in their last digits with the number of threads.
    with _threads().limit(limits=1):
        for train, test in _splits(folds):
            fit = Ridge(alpha=_RIDGE, fit_intercept=False).fit(columns[train], within[train])
            predicted[test] = fit.predict(said[test]).reshape(int(test.sum()), -1)
            if learner == "boosting":
                left = within[train] - fit.predict(columns[train]).reshape(int(train.sum()), -1)
                for target in range(within.shape[1]):
                    boosted = HistGradientBoostingRegressor(**_BOOSTING).fit(features[train], left[:, target])
                    predicted[test, target] += boosted.predict(features[test])
    return targets - predicted if levels else loci.center(within - predicted)


@lru_cache
def _threads() -> ThreadpoolController:
    """Of the libraries that are loaded: to look for them takes longer than a small fit."""
    return ThreadpoolController()


def top_auc(scores: NDArray, features: Floats, folds: Folds, share: float = 0.1) -> float:
    """How well features alone tell the highest scores: held-out AUC of a logistic regression.

    NaN where a training set has none of them, or nothing else, or where there is no feature.
    """
    top = top_members(scores, max(1, round(share * len(scores))))
    values = np.zeros(len(scores))
    for train, test in _splits(folds):
        if len(np.unique(top[train])) < 2 or not features.shape[1]:
            return float("nan")
        with _threads().limit(limits=1):
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
