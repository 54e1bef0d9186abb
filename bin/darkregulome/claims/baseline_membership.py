"""The features of predictability alone tell the top elements."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from darkregulome.claims.claim import Claim, Plant, Sides, Subject
from darkregulome.claims.sentences import effect_with_interval
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.agreement import top_members
from darkregulome.stats.bootstrap import auc_draws
from darkregulome.stats.loci import Floats
from darkregulome.stats.nulls import empirical_p
from darkregulome.stats.residual import Folds
from darkregulome.stats.tested import MINIMUM_GROUP, NotTestable, Setting, Tested
from darkregulome.stats.verdict import power_of

ACCEPTABLE_AUC = 0.7
"""The usual bound of an acceptable discrimination."""


def membership_from_features(
    scores: Floats, features: Floats, folds: Folds, top_fraction: float, setting: Setting
) -> Tested:
    """How well the features alone tell the top elements: out-of-fold AUC of a linear discriminant.

    The p-value is of the discriminant's separation (difference of means over SD of its held-out values), with the
    discriminant fitted again in every draw. Holding it fixed would make the null too narrow by the square root of two,
    since each pair of folds trains on and tests the same chance association.

    Parameters
    ----------
    scores : shape (n,). features : shape (n, p), standardised. top_fraction : share of elements called top.
    """
    loci = setting.loci
    k = max(1, round(top_fraction * loci.n))
    if k < MINIMUM_GROUP or features.shape[1] == 0:
        raise NotTestable(f"the top list has {k} elements and there are {features.shape[1]} features")
    top = top_members(scores, k)
    within = loci.center(features)
    fold_of = np.array([folds.codes[start] for start in loci.starts])
    groups = np.unique(fold_of)
    grams = loci.sums(within[:, :, None] * within[:, None, :])
    moments = loci.sums(within * top[:, None])
    drawn = np.zeros((len(groups), setting.null.permutations, within.shape[1]))
    for locus, rows in setting.null.locus_draws(top.astype(float), within):
        drawn[np.searchsorted(groups, fold_of[locus])] += rows
    fold_grams = np.array([grams[fold_of == group].sum(axis=0) for group in groups])
    fold_moments = np.array([moments[fold_of == group].sum(axis=0) for group in groups])
    separations, _ = _separation_and_slopes(fold_grams, drawn, k, loci.n)
    separation, slopes = _separation_and_slopes(fold_grams, fold_moments[:, None, :], k, loci.n)
    values = np.einsum("ij,ij->i", within, slopes[np.searchsorted(groups, folds.codes), 0])
    auc = float(roc_auc_score(top, values)) if np.ptp(values) > 0 else 0.5
    null_auc = norm.cdf(separations / np.sqrt(2))
    predicted_top = top_members(values, k)
    return Tested(
        statistic=auc,
        p=empirical_p(float(separation[0]), separations, two_sided=False),
        effect=auc,
        interval=setting.interval(auc, auc_draws(values, top, loci, setting.resamples), float(null_auc.std())),
        neutral=0.5,
        sign=float(np.sign(auc - 0.5)),
        power=power_of(np.sqrt(2) * norm.ppf(ACCEPTABLE_AUC), float(separations.std()), setting.alpha),
        contrast=float(scores[predicted_top].mean() - scores[~predicted_top].mean()),
        draws=null_auc,
        details={"separation": float(separation[0]), "n_top": k},
    )


def _separation_and_slopes(grams: Floats, moments: Floats, k: int, n: int) -> tuple[Floats, Floats]:
    """Held-out separation, shape (draws,), and slopes, from sums by fold: grams (f, p, p), moments (f, draws, p)."""
    folds, _, p = moments.shape
    slopes = np.empty_like(moments)
    for fold in range(folds):
        alone = folds == 1
        gram = grams[fold] if alone else grams.sum(axis=0) - grams[fold]
        moment = moments[fold] if alone else moments.sum(axis=0) - moments[fold]
        slopes[fold] = moment @ np.linalg.pinv(gram + 1e-9 * np.trace(gram) / p * np.eye(p))
    inside = np.einsum("fdp,fdp->d", moments, slopes)
    variance = np.einsum("fdp,fdp->d", slopes @ grams, slopes) / n
    difference = inside * (1.0 / k + 1.0 / (n - k))
    return np.divide(difference, np.sqrt(variance), out=np.zeros_like(difference), where=variance > 0), slopes


def logistic_auc(scores: NDArray, features: Floats, folds: Folds, top_fraction: float) -> float:
    """Out-of-fold AUC of a logistic regression for membership of the top list, differences between loci included.

    NaN where a training set has members only, or none, or where there is no feature.
    """
    top = top_members(scores, max(1, round(top_fraction * len(scores))))
    values = np.zeros(len(scores))
    for fold in np.unique(folds.codes):
        test = folds.codes == fold
        train = ~test if folds.unit != "none" else test
        if len(np.unique(top[train])) < 2 or not features.shape[1]:
            return float("nan")
        model = LogisticRegression(max_iter=1000).fit(features[train], top[train])
        values[test] = model.decision_function(features[test])
    return float(roc_auc_score(top, values)) if len(np.unique(top)) == 2 else float("nan")


def _test(subject: Subject, settings: Settings) -> Sides:
    one, scores = subject.one, subject.one.scores
    raw, residual = (
        membership_from_features(values, scores.features.values, scores.folds, settings.top_fraction, subject.setting)
        for values in (one.raw, one.studentised)
    )
    return Sides(raw, residual)


def _describe(subject: Subject, sides: Sides, settings: Settings) -> Mapping[str, Any]:
    scores = subject.one.scores
    return {"auc_logistic_raw": logistic_auc(scores.raw, scores.features.values, scores.folds, settings.top_fraction)}


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    top = f"{100 * settings.top_fraction:g} %"
    return (
        f"The features alone tell the top {top} of elements with an AUC of {entry.raw.effect:.3f}",
        f"{effect_with_interval(entry.residual, 3)} is left of it",
    )


CLAIM = Claim(
    name="baseline_membership",
    title="Top decile from features alone",
    question="do the six features alone tell the top elements?",
    statistic="the features' held-out discriminant for the top tenth",
    unit="out-of-fold AUC",
    floor=0.2,
    reference=f"an AUC of {ACCEPTABLE_AUC:.2f}",
    subject="membership by features",
    order=3,
    test=_test,
    say=_say,
    describe=_describe,
    plant=Plant(touched=False),
)
