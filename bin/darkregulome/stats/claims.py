"""The claims that a diagnosis tests, each on one set of scores: raw or residual, centred and scaled within loci.

Every function takes scores standardised by `Loci.standardise`, and gives a `Tested`. What varies within a locus is
what is tested: differences in level between loci are no claim, and the rotation null keeps them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nct, norm, rankdata
from scipy.stats import t as student_t
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from darkregulome.stats.agreement import chance_corrected, hypergeometric_p, rank_biased_overlap, top_members
from darkregulome.stats.bootstrap import (
    MINIMUM_LOCI,
    auc_draws,
    normal_interval,
    percentile_interval,
    ratio,
    resample_loci,
)
from darkregulome.stats.loci import Bools, Floats, Ints, Loci
from darkregulome.stats.matching import Matches
from darkregulome.stats.nulls import Null, NullDraws, empirical_p, exchanged_contrasts, sequential_p
from darkregulome.stats.residual import Folds
from darkregulome.stats.verdict import power_of

REFERENCE_EFFECT = 0.25
"""Power is stated for an effect of a quarter of a standard deviation."""
REFERENCE_OVERLAP = 0.1
"""Power of the list claim is stated for this overlap beyond chance."""
REFERENCE_CORRELATION = 0.1
"""Power of the conservation claim is stated for this rank correlation."""
ACCEPTABLE_AUC = 0.7
"""Power of the baseline claim is stated for this AUC: the usual bound of an acceptable discrimination."""
STUDENTISED_LOCI = 8
"""Least number of loci that a standard error between them is taken of."""
_NO_OVERLAP = 1e-3
"""Least part of membership that features must leave open."""
MINIMUM_GROUP = 5
"""A class, or a side of a threshold, with fewer elements is left out."""


MOST_SET_DRAWS = 10_000
"""Most draws of a null that is no rotation (matched controls, networks, maps): every one is laid out in full."""


class NotTestable(ValueError):
    """The claim cannot be asked of these elements; the message says why, as a clause."""


@dataclass(frozen=True)
class Tested:
    """One claim on one set of scores.

    Attributes
    ----------
    statistic : what the null is about.
    p : empirical p-value.
    effect, interval : effect size and its 95 % bootstrap interval over loci.
    neutral : the effect where there is none (0, or 0.5 for an AUC).
    sign : -1, 0 or 1.
    power : power at alpha for an effect of the stated size.
    contrast : the effect as a difference of means in within-locus SD, for floors in a readout's own units.
    draws : the null draws of `statistic`, shape (permutations,).
    details : whatever else a reader may ask for.
    """

    statistic: float
    p: float
    effect: float
    interval: tuple[float, float]
    neutral: float
    sign: float
    power: float
    contrast: float
    draws: Floats
    details: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_effect(
        cls,
        effect: float,
        p: float,
        *,
        interval: tuple[float, float],
        power: float,
        draws: Floats,
        details: dict[str, Any],
    ) -> "Tested":
        """Of a statistic that is its own effect and contrast, and 0 where there is none."""
        sign = float(np.sign(effect))
        return cls(effect, p, effect, interval, 0.0, sign, power, effect, draws, details)

    @property
    def magnitude(self) -> float:
        """Distance of the effect from none."""
        return abs(self.effect - self.neutral)


@dataclass(frozen=True)
class Setting:
    """What all claims on one set of elements share.

    Attributes
    ----------
    loci : layout of the elements.
    null : the null to draw from.
    resamples : bootstrap over loci, shape (b, n_loci).
    alpha : level of the tests that power is stated for.
    sequential : exceedances after which no more is drawn for a statistic linear in the scores; 0: all is drawn.
    """

    loci: Loci
    null: Null
    resamples: Ints
    alpha: float
    sequential: int = 0

    def draw(self, scores: NDArray, weights: NDArray) -> tuple[NullDraws, float]:
        """The null of one statistic ``weights @ scores`` and its two-sided p-value."""
        null = self.null.draw(scores, weights, self.sequential)
        observed, draws, centre = float(null.observed[0]), null.draws[:, 0], float(null.mean[0])
        if self.sequential:
            return null, sequential_p(observed, draws, self.sequential, centre)[0]
        return null, empirical_p(observed, draws, centre)

    def interval(self, estimate: float, drawn: NDArray, null_sd: float) -> tuple[float, float]:
        """Percentile interval of bootstrap draws; the null's normal interval where there are too few loci."""
        if self.loci.count < MINIMUM_LOCI:
            return normal_interval(estimate, null_sd)
        return percentile_interval(drawn)


def horizon(scores: Floats, near: Bools, setting: Setting) -> Tested:
    """Near less far: the within-locus difference of means, pooled over loci by how well each can tell it.

    Parameters
    ----------
    scores : shape (n,), standardised.
    near : shape (n,), True within the horizon.
    """
    loci = setting.loci
    side = loci.center(near)
    spread = loci.sums(side**2)
    if spread.sum() == 0:
        where = "within" if near.all() else "beyond" if not near.any() else "on both sides of"
        raise NotTestable(f"no locus has elements on both sides of the horizon (all lie {where} it)")
    null, p = setting.draw(scores, side / spread.sum())
    estimate, sd = float(null.observed[0]), float(null.sd[0])
    drawn = ratio(loci.sums(side * scores), spread, setting.resamples)
    return Tested.of_effect(
        estimate,
        p,
        interval=setting.interval(estimate, drawn, sd),
        power=power_of(REFERENCE_EFFECT, sd, setting.alpha),
        draws=null.draws[:, 0],
        details={"n_near": int(near.sum()), "n_far": int((~near).sum()), "null_sd": sd},
    )


def distance_grid(distance: NDArray, points: int = 60) -> Floats:
    """Thresholds to scan: evenly spaced in distance, with enough elements (2 %, 10 at least) on both sides."""
    absolute = np.sort(np.abs(distance))
    least = max(2 * MINIMUM_GROUP, int(0.02 * len(absolute)))
    if len(absolute) < 2 * least:
        return np.zeros(0)
    low, high = absolute[least - 1], absolute[-least - 1]
    return np.unique(np.round(np.linspace(low, high, points))) if high > low else np.zeros(0)


def change_point(scores: Floats, distance: NDArray, setting: Setting) -> dict[str, Any]:
    """The threshold that best divides near from far, its interval over loci, and the p-value of the whole scan.

    Every threshold's contrast is linear in the scores, so the maximum over thresholds is drawn with the others.
    """
    grid = distance_grid(distance)
    side = setting.loci.center(np.abs(distance)[:, None] <= grid[None, :]) if len(grid) else np.zeros((len(scores), 0))
    spread = setting.loci.sums(side**2)
    usable = spread.sum(axis=0) > 0
    if not usable.any():
        return {}
    grid, side, spread = grid[usable], side[:, usable], spread[:, usable]
    null = setting.null.draw(scores, side / np.sqrt(spread.sum(axis=0)))
    best = int(np.argmax(np.abs(null.observed)))
    drawn_sums = np.tensordot(setting.resamples.astype(float), setting.loci.sums(side * scores[:, None]), axes=1)
    drawn_spread = np.tensordot(setting.resamples.astype(float), spread, axes=1)
    drawn = np.abs(drawn_sums) / np.sqrt(np.maximum(drawn_spread, 1e-300))
    enough = setting.loci.count >= MINIMUM_LOCI
    low, high = percentile_interval(grid[np.argmax(drawn, axis=1)]) if enough else (float("nan"),) * 2
    return {
        "position": float(grid[best]),
        "interval": [low, high],
        "contrast": float(null.observed[best] / np.sqrt(spread.sum(axis=0)[best])),
        "p": empirical_p(np.abs(null.observed).max(), np.abs(null.draws).max(axis=1), two_sided=False),
        "scanned": [float(grid[0]), float(grid[-1])],
    }


def class_hierarchy(
    scores: Floats, classes: NDArray, setting: Setting, reference: dict[str, float] | None = None
) -> Tested:
    """Between-class share of the within-locus variance (eta squared) beyond what rotation gives.

    Parameters
    ----------
    scores : shape (n,), standardised.
    classes : shape (n,), class words; classes with fewer than `MINIMUM_GROUP` elements are not compared.
    reference : class means of the raw scores: the sign of a residual hierarchy is its agreement with them.
    """
    loci = setting.loci
    words, counts = np.unique(classes.astype(str), return_counts=True)
    words, counts = words[counts >= MINIMUM_GROUP], counts[counts >= MINIMUM_GROUP]
    if len(words) < 2:
        raise NotTestable(f"fewer than two classes have {MINIMUM_GROUP} elements")
    member = (classes.astype(str)[:, None] == words[None, :]).astype(float)
    total = float((scores**2).sum())
    null = setting.null.draw(scores, member / counts)
    means = null.observed
    drawn_eta = _eta_squared(null.draws, counts, total)
    eta = float(_eta_squared(means[None], counts, total)[0])
    by_class, in_class = loci.sums(member * scores[:, None]), loci.sums(member)
    resampled_means = ratio(by_class, in_class, setting.resamples)
    resampled_counts = setting.resamples @ in_class
    resampled_total = setting.resamples @ loci.sums(scores**2)
    resampled = _eta_squared(np.nan_to_num(resampled_means), resampled_counts, resampled_total)
    expected = float(drawn_eta.mean())
    # A resample adds its own noise to every class mean: the shift it makes is taken out of the interval.
    shift = np.nanmean(resampled) - eta if len(resampled) else 0.0
    interval = setting.interval(eta, resampled - shift, float(drawn_eta.std()))
    bounds = [setting.interval(means[i], resampled_means[:, i], float(null.sd[i])) for i in range(len(words))]
    order = [str(words[i]) for i in np.argsort(-means, kind="stable")]
    return Tested(
        statistic=eta,
        p=empirical_p(eta, drawn_eta, two_sided=False),
        effect=eta - expected,
        interval=(interval[0] - expected, interval[1] - expected),
        neutral=0.0,
        sign=1.0 if reference is None else _pattern_sign(reference, words, means, counts),
        power=_class_power(null.draws, counts, total, drawn_eta, setting.alpha),
        contrast=float(means.max() - means.min()),
        draws=drawn_eta,
        details={
            "classes": {
                str(word): {"n": int(counts[i]), "mean": float(means[i]), "interval": list(bounds[i])}
                for i, word in enumerate(words)
            },
            "order": order,
            "eta_squared_expected_by_null": expected,
        },
    )


def _eta_squared(means: Floats, counts: NDArray, total: NDArray | float) -> Floats:
    return (counts * means**2).sum(axis=1) / np.maximum(total, 1e-300)


def _pattern_sign(reference: dict[str, float], words: NDArray, means: Floats, counts: NDArray) -> float:
    raw = np.array([reference.get(str(word), 0.0) for word in words])
    return float(np.sign((counts * raw * means).sum()))


def _class_power(draws: Floats, counts: NDArray, total: float, drawn_eta: Floats, alpha: float) -> float:
    """Simulated: class means of null draws, with the classes set `REFERENCE_EFFECT` apart in two groups."""
    planted = np.where(np.arange(len(counts))[np.argsort(np.argsort(-counts))] % 2 == 0, 0.5, -0.5) * REFERENCE_EFFECT
    planted = planted - (counts * planted).sum() / counts.sum()
    critical = np.quantile(drawn_eta, 1 - alpha)
    return float((_eta_squared(draws + planted, counts, total) > critical).mean())


@dataclass(frozen=True)
class Studentised:
    """A contrast over its standard error between loci, and the draws of that ratio.

    Attributes
    ----------
    observed : the ratio; the contrast itself where there are too few loci. draws : shape (permutations,).
    sd : SD of the contrast under the null. loci : number of loci that the standard error is of; 0 where it is none.
    """

    observed: float
    draws: Floats
    sd: float
    loci: float

    def power(self, shift: float, alpha: float) -> float:
        """Power at `alpha` for a true contrast of `shift`, of a t test with as many loci where the contrast is one."""
        if not self.loci:
            return power_of(shift, self.sd, alpha)
        if self.sd <= 0:
            return 0.0
        freedom = max(self.loci - 1, 1.0)
        critical = student_t.isf(alpha / 2, freedom)
        return float(nct.sf(critical, freedom, abs(shift) / self.sd))


def studentised_draws(scores: Floats, weights: Floats, setting: Setting) -> Studentised:
    """The null of ``weights @ scores`` over its standard error between loci, found anew in every draw.

    The sum alone has too narrow a null where scores vary more among just the elements that weigh more; the ratio is
    right all the same (Janssen 1997; Chung and Romano 2013). With fewer than `STUDENTISED_LOCI` loci it would be of
    nothing, and the sum is taken.

    Parameters
    ----------
    scores : shape (n,), centred within loci. weights : shape (n,).
    """
    loci = setting.loci
    parts = loci.sums(scores * weights)
    total, squares = np.zeros(setting.null.permutations), np.zeros(setting.null.permutations)
    for _, rows in setting.null.locus_draws(scores, weights[:, None]):
        total += rows[:, 0]
        squares += rows[:, 0] ** 2
    sd = float(np.sqrt(np.mean(total**2)))
    if loci.count < STUDENTISED_LOCI:
        return Studentised(float(parts.sum()), total, sd, 0.0)
    ratios = np.divide(total, np.sqrt(squares), out=np.zeros_like(total), where=squares > 0)
    size = float(np.sqrt((parts**2).sum()))
    sizes = loci.sums(weights**2)
    count = float(sizes.sum() ** 2 / (sizes**2).sum())
    return Studentised(float(parts.sum()) / size if size > 0 else 0.0, ratios, sd, count)


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
    third = scores if contrast_of is None else contrast_of
    loci = setting.loci
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if min(n_positive, n_negative) < MINIMUM_GROUP:
        found = f"there are {n_positive} such elements and {n_negative} others"
        raise NotTestable(f"{found}; {MINIMUM_GROUP} of each are needed")
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
    reference = (norm.cdf(REFERENCE_EFFECT / np.sqrt(2)) - 0.5) * size
    return Tested(
        statistic=drawn.observed,
        p=empirical_p(drawn.observed, drawn.draws),
        effect=auc,
        interval=setting.interval(auc, resampled, drawn.sd / size),
        neutral=0.5,
        sign=float(np.sign(drawn.observed)),
        power=drawn.power(reference, setting.alpha),
        contrast=float((weights * third).sum() / size),
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


def baseline_membership(
    scores: Floats, features: Floats, folds: Folds, top_fraction: float, setting: Setting
) -> Tested:
    """How well the features alone tell the top elements: out-of-fold AUC of a linear discriminant.

    The p-value is of the discriminant's separation (difference of means over SD of its held-out values), with the
    discriminant fitted anew in every draw. Holding it fixed would make the null too narrow by the square root of two,
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
    separations = _separation(fold_grams, drawn, k, loci.n)
    separation, betas = _separation_and_betas(fold_grams, fold_moments[:, None, :], k, loci.n)
    values = np.einsum("ij,ij->i", within, betas[np.searchsorted(groups, folds.codes), 0])
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


def _separation(grams: Floats, moments: Floats, k: int, n: int) -> Floats:
    return _separation_and_betas(grams, moments, k, n)[0]


def _separation_and_betas(grams: Floats, moments: Floats, k: int, n: int) -> tuple[Floats, Floats]:
    """Held-out separation, shape (draws,), and slopes, from sums by fold: grams (f, p, p), moments (f, draws, p)."""
    folds, _, p = moments.shape
    betas = np.empty_like(moments)
    for fold in range(folds):
        alone = folds == 1
        gram = grams[fold] if alone else grams.sum(axis=0) - grams[fold]
        moment = moments[fold] if alone else moments.sum(axis=0) - moments[fold]
        betas[fold] = moment @ np.linalg.pinv(gram + 1e-9 * np.trace(gram) / p * np.eye(p))
    inside = np.einsum("fdp,fdp->d", moments, betas)
    variance = np.einsum("fdp,fdp->d", betas @ grams, betas) / n
    difference = inside * (1.0 / k + 1.0 / (n - k))
    return np.divide(difference, np.sqrt(variance), out=np.zeros_like(difference), where=variance > 0), betas


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


def list_overlap(
    first: Floats, second: Floats, top_fraction: float, setting: Setting, contrast_of: NDArray | None = None
) -> Tested:
    """Overlap of the top lists of two models beyond chance, when one model's list is rotated against the other's.

    Parameters
    ----------
    first, second : shape (n,), the scores of two models on the same elements.
    contrast_of : shape (n,), scores whose mean is compared inside and outside the first list (for a natural unit).
    """
    loci = setting.loci
    n = loci.n
    k = max(1, round(top_fraction * n))
    if k < MINIMUM_GROUP:
        raise NotTestable(f"a top list of {k} elements is too short")
    one, two = top_members(first, k), top_members(second, k)
    null, p = setting.draw(two.astype(float), one.astype(float))
    overlap = round(float(null.observed[0]))
    effect = chance_corrected(overlap, n, k, k)
    shared, in_one, in_two = (setting.resamples @ loci.sums(x) for x in (one & two, one, two))
    size = setting.resamples @ loci.sizes
    expected = in_one * in_two / size
    most = np.minimum(in_one, in_two)
    drawn = np.divide(shared - expected, most - expected, out=np.full(len(most), np.nan), where=most > expected)
    scale = k - k * k / n
    third = second if contrast_of is None else contrast_of
    return Tested(
        statistic=overlap / k,
        p=p,
        effect=effect,
        interval=setting.interval(effect, drawn, float(null.sd[0]) / scale),
        neutral=0.0,
        sign=float(np.sign(overlap - null.mean[0])),
        power=power_of(REFERENCE_OVERLAP * scale, float(null.sd[0]), setting.alpha),
        contrast=float(third[one].mean() - third[~one].mean()),
        draws=null.draws[:, 0] / k,
        details={
            "k": k,
            "overlap": overlap,
            "expected_by_chance": k * k / n,
            "hypergeometric_p": hypergeometric_p(overlap, n, k, k),
            "rank_biased_overlap": rank_biased_overlap(first, second, persistence=1 - 1 / k),
        },
    )


def matched_contrast(
    scores: Floats, matches: Matches, setting: Setting, rng: np.random.Generator, blocks: Ints | None = None
) -> Tested:
    """Chosen elements less their matched controls, in SD.

    Two nulls: matched draws (each chosen element replaced by one of its controls) and the rotation of the same
    contrast. Chosen elements lie side by side more often than their controls do, and only the rotation knows; the
    p-value is the larger of the two, so both must reject. With `blocks` there is a third: the sign of each block's
    difference, flipped at random.

    Parameters
    ----------
    blocks : shape (matched,), codes from 0 of blocks whose elements are not independent (linkage disequilibrium). The
        bootstrap then draws blocks instead of loci.
    """
    loci, chosen = setting.loci, matches.chosen
    if len(chosen) < MINIMUM_GROUP:
        raise NotTestable(f"{len(chosen)} elements could be matched; {MINIMUM_GROUP} are needed")
    weights = matches.weights(loci.n)
    rotation, p_rotation = setting.draw(scores, weights)
    # A pool's members and its chosen element are exchangeable under the null, so the draw is from all of them.
    block = np.column_stack([scores[chosen], scores[matches.pools]])
    n_draws = min(setting.null.permutations, MOST_SET_DRAWS)
    draws = exchanged_contrasts(block, n_draws, rng)
    effect = float(rotation.observed[0])
    nulls = {
        "p_matched_draws": (empirical_p(effect, draws), draws),
        "p_rotation": (p_rotation, rotation.draws[:, 0]),
    }
    gaps = scores[chosen] - scores[matches.pools].mean(axis=1)
    units, n_units, resamples = loci.codes[chosen], loci.count, setting.resamples
    if blocks is not None:
        units, n_units = blocks, int(blocks.max()) + 1
        resamples = resample_loci(n_units, len(setting.resamples), rng)
        flips = _sign_flips(np.bincount(blocks, weights=gaps) / len(gaps), n_draws, rng)
        nulls["p_blocks"] = (empirical_p(effect, flips), flips)
    sums = np.bincount(units, weights=gaps, minlength=n_units)
    counts = np.bincount(units, minlength=n_units).astype(float)
    # Flipped signs keep the effect itself in their spread; power is of the spread about it.
    scatter = float(np.sqrt(((sums - counts * effect) ** 2).sum())) / len(gaps) if blocks is not None else 0.0
    widest = max(float(draws.std()), float(rotation.sd[0]), scatter)
    p, drawn = max(nulls.values(), key=lambda null: null[0])
    # So many blocks allow no smaller p than this, whatever the scores are.
    attainable = blocks is None or 2.0 ** (1 - n_units) <= setting.alpha
    return Tested.of_effect(
        effect,
        p,
        interval=setting.interval(effect, ratio(sums, counts, resamples), widest),
        power=power_of(REFERENCE_EFFECT, widest, setting.alpha) if attainable else 0.0,
        draws=drawn,
        details={**{name: null[0] for name, null in nulls.items()}, "n_matched": len(chosen)},
    )


def _sign_flips(sums: Floats, permutations: int, rng: np.random.Generator) -> Floats:
    """The sum of independent block differences, each with a random sign: shape (permutations,)."""
    draws = np.empty(permutations)
    for start in range(0, permutations, 1000):
        signs = 2.0 * rng.integers(0, 2, (min(1000, permutations - start), len(sums))) - 1.0
        draws[start : start + len(signs)] = signs @ sums
    return draws


def rank_association(scores: Floats, other: NDArray, setting: Setting) -> Tested:
    """Within-locus correlation of the ranks of the scores and of `other` (shape (n,), centred)."""
    return association(rankdata(np.round(scores, 12)), rankdata(np.round(other, 12)), setting)


def association(scores: Floats, other: NDArray, setting: Setting) -> Tested:
    """Within-locus correlation of the scores and `other`, both shape (n,), as they are."""
    loci = setting.loci
    one, two = loci.center(scores), loci.center(np.asarray(other, dtype=float))
    size = float(np.sqrt((one**2).sum() * (two**2).sum()))
    if size == 0:
        raise NotTestable("one of the two does not vary within loci")
    null, p = setting.draw(one, two / size)
    estimate, sd = float(null.observed[0]), float(null.sd[0])
    sums = loci.sums(np.column_stack([one * two, one * one, two * two]))
    both, first, second = (setting.resamples.astype(float) @ sums).T
    below = np.sqrt(first * second)
    drawn = np.divide(both, below, out=np.full(len(both), np.nan), where=below > 0)
    return Tested.of_effect(
        estimate,
        p,
        interval=setting.interval(estimate, drawn, sd),
        power=power_of(REFERENCE_CORRELATION, sd, setting.alpha),
        draws=null.draws[:, 0],
        details={"null_sd": sd},
    )


def rank_correlation_draws(first: NDArray, second: NDArray, setting: Setting) -> Floats:
    """Bootstrap draws over loci of the correlation of ranks; ranks are of the whole set and kept in each resample."""
    one, two = rankdata(first), rankdata(second)
    sums = setting.loci.sums(np.column_stack([np.ones(len(one)), one, two, one * one, two * two, one * two]))
    n, a, b, aa, bb, ab = (setting.resamples.astype(float) @ sums).T
    below = np.sqrt(np.maximum((n * aa - a * a) * (n * bb - b * b), 0.0))
    return np.divide(n * ab - a * b, below, out=np.full(len(n), np.nan), where=below > 0)


def shuffles_beside(
    scores: NDArray, weights: NDArray, nulls: Sequence[tuple[str, Null]], two_sided: bool = True
) -> dict[str, float | None]:
    """p-values of a linear statistic under other nulls, to be shown beside the rotation's (None where degenerate)."""
    beside: dict[str, float | None] = {}
    for name, other in nulls:
        null = other.draw(scores, weights)
        degenerate = float(null.sd[0]) <= 1e-12
        beside[name] = None if degenerate else empirical_p(null.observed[0], null.draws[:, 0], null.mean[0], two_sided)
    return beside
