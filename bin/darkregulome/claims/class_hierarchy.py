"""Classes of elements differ."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkregulome.claims.claim import Claim, Findings, Plant, Sides, Subject
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.scores import ModelScores
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.agreement import spearman
from darkregulome.stats.bootstrap import ratio
from darkregulome.stats.loci import Floats
from darkregulome.stats.nulls import empirical_p
from darkregulome.stats.residual import residualize
from darkregulome.stats.tested import MINIMUM_GROUP, NotTestable, Setting, Tested
from darkregulome.stats.verdict import REFERENCE_EFFECT


def between_classes(
    scores: Floats, classes: NDArray, setting: Setting, reference: dict[str, float] | None = None
) -> Tested:
    """Between-class share of the within-locus variance (eta squared) beyond what the null gives.

    Parameters
    ----------
    scores : shape (n,), standardised.
    classes : shape (n,), class words; classes with fewer than `MINIMUM_GROUP` elements are not compared.
    reference : class means of the raw scores: the sign of a residual hierarchy is its agreement with them.
    """
    words, counts = np.unique(classes.astype(str), return_counts=True)
    words, counts = words[counts >= MINIMUM_GROUP], counts[counts >= MINIMUM_GROUP]
    if len(words) < 2:
        raise NotTestable(f"fewer than two classes have {MINIMUM_GROUP} elements")
    member = (classes.astype(str)[:, None] == words[None, :]).astype(float)
    total = float((scores**2).sum())
    null = setting.null.draw(scores, member / counts)
    means = null.observed
    drawn_eta = _eta_squared(null.draws, counts, total)
    eta, expected = float(_eta_squared(means[None], counts, total)[0]), float(drawn_eta.mean())
    resampled_means, resampled_eta = _resampled(scores, member, setting)
    # A resample adds its own noise to every class mean: the shift it makes is taken out of the interval.
    shift = np.nanmean(resampled_eta) - eta if len(resampled_eta) else 0.0
    low, high = setting.interval(eta, resampled_eta - shift, float(drawn_eta.std()))
    return Tested(
        statistic=eta,
        p=empirical_p(eta, drawn_eta, two_sided=False),
        effect=eta - expected,
        interval=(low - expected, high - expected),
        neutral=0.0,
        sign=1.0 if reference is None else _pattern_sign(reference, words, means, counts),
        power=_power(null.draws, counts, total, drawn_eta, setting.alpha),
        contrast=float(means.max() - means.min()),
        draws=drawn_eta,
        details={
            "classes": {
                str(word): {
                    "n": int(counts[i]),
                    "mean": float(means[i]),
                    "interval": list(setting.interval(means[i], resampled_means[:, i], float(null.sd[i]))),
                }
                for i, word in enumerate(words)
            },
            "order": [str(words[i]) for i in np.argsort(-means, kind="stable")],
            "eta_squared_expected_by_null": expected,
        },
    )


def _resampled(scores: Floats, member: Floats, setting: Setting) -> tuple[Floats, Floats]:
    """Bootstrap draws over loci of the class means, shape (b, classes), and of eta squared, shape (b,)."""
    loci = setting.loci
    in_class = loci.sums(member)
    means = ratio(loci.sums(member * scores[:, None]), in_class, setting.resamples)
    totals = setting.resamples @ loci.sums(scores**2)
    return means, _eta_squared(np.nan_to_num(means), setting.resamples @ in_class, totals)


def _eta_squared(means: Floats, counts: NDArray, total: NDArray | float) -> Floats:
    return (counts * means**2).sum(axis=1) / np.maximum(total, 1e-300)


def _pattern_sign(reference: dict[str, float], words: NDArray, means: Floats, counts: NDArray) -> float:
    raw = np.array([reference.get(str(word), 0.0) for word in words])
    return float(np.sign((counts * raw * means).sum()))


def _power(draws: Floats, counts: NDArray, total: float, drawn_eta: Floats, alpha: float) -> float:
    """Simulated: class means of null draws, with the classes set `REFERENCE_EFFECT` apart in two groups."""
    planted = np.where(np.arange(len(counts))[np.argsort(np.argsort(-counts))] % 2 == 0, 0.5, -0.5) * REFERENCE_EFFECT
    planted = planted - (counts * planted).sum() / counts.sum()
    critical = np.quantile(drawn_eta, 1 - alpha)
    return float((_eta_squared(draws + planted, counts, total) > critical).mean())


def _test(subject: Subject, settings: Settings) -> Sides:
    """A residual hierarchy has the sign of its agreement with the raw one."""
    one = subject.one
    raw = between_classes(one.raw, one.scores.classes, subject.setting)
    residual = _located(one, settings) if settings.beyond_location else one.residual
    return Sides(raw, between_classes(residual, one.scores.classes, subject.setting, _means(raw)))


def _means(tested: Tested) -> dict[str, float]:
    return {word: numbers["mean"] for word, numbers in tested.details["classes"].items()}


def _located(one: Prepared, settings: Settings) -> Floats:
    """What features and location leave of the scores, in SD."""
    scores = one.scores
    columns = np.hstack([scores.features.values, scores.location(settings.horizon)])
    fit = residualize(scores.raw, columns, scores.loci, scores.folds, settings.residualize)
    return scores.loci.standardise(fit.residual)[0]


def _describe(subject: Subject, sides: Sides, settings: Settings) -> Mapping[str, Any]:
    one, plain, beyond = subject.one, sides.residual, sides.residual
    if settings.beyond_location:
        plain = between_classes(one.residual, one.scores.classes, subject.setting, _means(sides.raw))
    elif one.scores.knows_distance:
        beyond = between_classes(_located(one, settings), one.scores.classes, subject.setting, _means(sides.raw))
    return {
        "tested_beyond_location": settings.beyond_location,
        "residual_plain": {"effect": plain.effect, "p": plain.p},
        "residual_beyond_location": {"effect": beyond.effect, "p": beyond.p} if one.scores.knows_distance else None,
    }


def _order_agreement(findings: Findings) -> dict[str, Any]:
    """Rank correlation of class means between every two models, raw and residual."""
    rows = []
    for i, first in enumerate(findings.results):
        for second in findings.results[i + 1 :]:
            row: dict[str, Any] = {"first": first.model, "second": second.model}
            for side in ("raw", "residual"):
                one, two = (_means(getattr(result, side)) for result in (first, second))
                pairs = np.array([(one[word], two[word]) for word in one if word in two]).reshape(-1, 2)
                row[side] = spearman(*pairs.T) if len(pairs) >= 3 else float("nan")
                row["n_classes"] = len(pairs)
            rows.append(row)
    return {"class_order_agreement": rows}


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    order = " > ".join(entry.details["raw"]["order"])
    explained, left = (100 * max(side.effect or 0.0, 0.0) for side in (entry.raw, entry.residual))
    return f"Class explains {explained:.1f} % of the variance of scores ({order})", f"{left:.1f} % remains"


def _signal(scores: ModelScores, settings: Settings) -> Floats:
    """Every other class by size is raised."""
    words, counts = np.unique(scores.classes, return_counts=True)
    return np.isin(scores.classes, words[np.argsort(-counts, kind="stable")][::2]).astype(float)


CLAIM = Claim(
    name="class_hierarchy",
    title="Class hierarchy",
    question="do classes of elements differ?",
    statistic="between-class share of within-locus variance",
    unit="eta squared beyond chance",
    floor=0.01,
    reference=f"two groups of classes {REFERENCE_EFFECT:g} SD apart",
    subject="the class hierarchy",
    order=2,
    test=_test,
    say=_say,
    describe=_describe,
    summary=_order_agreement,
    simulated={"demo-caduceus": "collapses", "demo-hyena": "collapses"},
    plant=Plant(truth="class", signal=_signal, true_under=("class", "ccre")),
)
