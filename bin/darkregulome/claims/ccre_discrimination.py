"""Scores tell cCREs from other elements."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from darkregulome.claims.claim import Claim, Plant, Sides, Subject, each_model
from darkregulome.claims.sentences import effect_with_interval
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.scores import ModelScores
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.bootstrap import auc_draws, ratio
from darkregulome.stats.loci import Bools, Floats
from darkregulome.stats.nulls import empirical_p
from darkregulome.stats.residual import normal_scores_by_locus, propensity, residualize
from darkregulome.stats.studentised import studentised_draws
from darkregulome.stats.tested import MINIMUM_GROUP, NotTestable, Setting, Tested
from darkregulome.stats.verdict import REFERENCE_EFFECT

REFERENCE_AUC = float(norm.cdf(REFERENCE_EFFECT / np.sqrt(2)))
"""Of normal scores that are `REFERENCE_EFFECT` apart."""
_NO_OVERLAP = 1e-3
"""Least part of membership that features must leave open."""


def discrimination(
    scores: Floats,
    positive: Bools,
    setting: Setting,
    expected: NDArray | None = None,
    contrast_of: NDArray | None = None,
) -> Tested:
    """AUC of the scores for `positive` elements against the others (for cCREs: do they score differently?).

    With `expected`, `positive` elements are compared with others that were as likely to be positive: each element
    weighs by how far its membership is from expected. The contrast of ranks is then orthogonal to whatever function of
    the features made the expectation (Robinson 1988; Chernozhukov et al. 2018), so that what a regression of the scores
    on the features has missed does not pass for discrimination; the two misses must coincide to matter. Without
    `expected`, the same formula is the plain AUC.

    Parameters
    ----------
    scores : shape (n,). positive : shape (n,).
    expected : shape (n,), chance that the element is positive, given its features; None: the same for all.
    contrast_of : shape (n,), scores whose mean is compared inside and outside `positive` (for a natural unit).
    """
    contrasted = scores if contrast_of is None else contrast_of
    loci = setting.loci
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if min(n_positive, n_negative) < MINIMUM_GROUP:
        counted = f"there are {n_positive} such elements and {n_negative} others"
        raise NotTestable(f"{counted}; {MINIMUM_GROUP} of each are needed")
    ranks = rankdata(np.round(scores, 12)) / loci.n
    weights = positive - positive.mean() if expected is None else loci.center(positive - expected)
    size = float((weights * positive).sum())
    if size <= _NO_OVERLAP * n_positive:
        raise NotTestable("the features tell such elements from all others, so that none can be compared")
    auc = 0.5 + float((weights * ranks).sum()) / size
    drawn = studentised_draws(loci.center(ranks), weights, setting)
    if expected is None:
        resampled = auc_draws(np.round(scores, 12), positive, loci, setting.resamples)
    else:
        resampled = 0.5 + ratio(loci.sums(weights * ranks), loci.sums(weights * positive), setting.resamples)
    return Tested(
        statistic=drawn.observed,
        p=empirical_p(drawn.observed, drawn.draws),
        effect=auc,
        interval=setting.interval(auc, resampled, drawn.sd / size),
        neutral=0.5,
        sign=float(np.sign(drawn.observed)),
        power=drawn.power((REFERENCE_AUC - 0.5) * size, setting.alpha),
        contrast=float((weights * contrasted).sum() / size),
        draws=drawn.draws,
        details={
            "n_positive": n_positive,
            "n_negative": n_negative,
            "auc_plain": plain_auc(ranks, positive),
            "comparable": size / float((positive * (1 - positive.mean())).sum()),
        },
    )


def plain_auc(ranks: Floats, positive: Bools) -> float:
    """AUC from ranks over n: half, and the difference of mean ranks."""
    return 0.5 + float(ranks[positive].mean() - ranks[~positive].mean())


@dataclass(frozen=True)
class Ranked:
    """What the claim is about: normal scores of ranks, what the features leave of them, and who is a cCRE."""

    raw: Floats
    residual: Floats
    positive: Bools
    expected: Floats


def rank_scores(one: Prepared, settings: Settings, data: Any = None) -> Ranked:
    """Raw and residual normal scores of the ranks within loci, for a claim that is of ranks.

    An AUC does not change under a monotone transformation of the scores, and what is left of it must not either.
    Least squares on the scores themselves would let a few large ones decide how the many small ones rank.
    """
    scores, loci = one.scores, one.scores.loci
    values = normal_scores_by_locus(scores.raw, loci)
    fit = residualize(values, scores.features.values, loci, scores.folds, settings.residualize)
    positive = scores.classes == "cCRE"
    return Ranked(
        raw=loci.standardise(values)[0],
        residual=loci.standardise(fit.residual)[0],
        positive=positive,
        expected=propensity(positive, scores.features.values, scores.folds),
    )


def _test(subject: Subject, settings: Settings) -> Sides:
    """AUC of raw scores, and of residuals among comparable elements."""
    ranked, setting, one = subject.data, subject.setting, subject.one
    return Sides(
        discrimination(ranked.raw, ranked.positive, setting, contrast_of=one.raw),
        discrimination(ranked.residual, ranked.positive, setting, ranked.expected, contrast_of=one.residual),
    )


def _describe(subject: Subject, sides: Sides, settings: Settings) -> Mapping[str, Any]:
    others = {
        name: _test(replace(subject, setting=replace(subject.setting, null=null)), settings)
        for name, null in subject.one.other_nulls(settings)
        # Within a class, every element is a cCRE or none is.
        if name != "stratified"
    }
    p_values = {side: {name: getattr(other, side).p for name, other in others.items()} for side in ("raw", "residual")}
    return {"other_nulls": p_values}


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    return (
        f"Scores tell cCREs from other elements with an AUC of {entry.raw.effect:.2f}",
        f"an AUC of {effect_with_interval(entry.residual)} remains",
    )


def _signal(scores: ModelScores, settings: Settings) -> Floats:
    return (scores.classes == "cCRE").astype(float)


CLAIM = Claim(
    name="ccre_discrimination",
    title="cCRE discrimination",
    question="do scores tell cCREs from other elements?",
    statistic="contrast of ranks over its standard error between loci",
    unit="AUC, cCRE against other",
    floor=0.02,
    reference=f"an AUC of {REFERENCE_AUC:.2f}",
    subject="cCRE discrimination",
    order=4,
    subjects=each_model(rank_scores),
    test=_test,
    say=_say,
    describe=_describe,
    simulated={"demo-enformer": "survives"},
    plant=Plant(truth="ccre", signal=_signal, true_under=("ccre",)),
)
