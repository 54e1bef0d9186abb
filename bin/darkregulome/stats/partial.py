"""The effect of a tested variable on a score given features: both sides partialled out, with a rotation-t test.

Robinson (1988, Econometrica 56:931) and Chernozhukov et al. (2018, Econom J 21:C1): what the features leave of the
score is regressed on what they leave of the tested variable, so that an error of either regression matters only where
the other one makes the same. The statistic is the effect over its standard error between loci, worked out again in
every draw of the null (Janssen 1997; Chung and Romano 2013). With few loci, or few members of a rare class, its null is
skewed, so p and interval are equal-tailed (Hall 1988, Ann Stat 16:927); the interval is made of the same draws, so that
it holds 0 just where p is above the level.
"""

from dataclasses import dataclass, field

import numpy as np

from darkregulome.stats.loci import Floats
from darkregulome.stats.nulls.empirical import equal_tailed_p
from darkregulome.stats.setting import NotTestable, Setting

FEWEST_INFORMATIVE = 2.0
"""With fewer informative loci there is no standard error between them, test and interval are of the effect itself, and
no verdict rests on it. With as few as two the studentised test keeps its level, where that of the effect itself rejects
up to 30 % of true nulls whose noise or effects differ between elements or loci."""
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """An effect by one learner.

    Attributes
    ----------
    learner : out of `learners.LEARNERS`; ``"none"`` where nothing is adjusted for.
    effect : of one unit of the tested variable, in SD of the score. se : its standard error.
    interval : 95 %, from the null's draws. p : two-sided, from the same draws.
    left_over : share of the tested variable's variance within loci that the features leave.
    draws : shape (permutations,), the statistic under the null; statistic : observed.
    without_locus : effects without each locus in turn, smallest and largest; NaN where one locus holds everything.
    informative_loci : effective number of loci, 1 / sum(shares^2) of their shares of the tested variable's variance
        (inverse Simpson index): 1 where one locus holds all of it, the number of loci where they are alike.
    """

    learner: str
    effect: float
    se: float
    interval: tuple[float, float]
    p: float
    left_over: float = 1.0
    statistic: float = 0.0
    draws: Floats = field(default_factory=lambda: np.zeros(0))
    without_locus: tuple[float, float] = (float("nan"), float("nan"))
    informative_loci: float = float("inf")


def partial_effect(
    outcome: Floats, tested: Floats, setting: Setting, learner: str = "none", left_over: float = 1.0
) -> Estimate:
    """The regression of one residual on the other, tested by the setting's null.

    Parameters
    ----------
    outcome, tested : shape (n,), centred within loci.

    Raises
    ------
    NotTestable
        The tested variable does not vary within loci.
    """
    loci = setting.loci
    size = float(tested @ tested)
    if size <= 1e-12 * max(1.0, float(np.abs(tested).max(initial=0.0))):
        raise NotTestable("what is tested does not vary within loci once the features are taken out")
    shares = loci.sums(tested**2) / size
    parts = loci.sums(tested * outcome) / size
    total, squares, crossed = (np.zeros(setting.null.permutations) for _ in range(3))
    for locus, rows in setting.null.locus_draws(outcome, tested[:, None] / size):
        drawn = rows[:, 0]
        total += drawn
        squares += drawn**2
        crossed += drawn * shares[locus]
    effect = float(parts.sum())
    error = float(standard_error(effect, float(parts @ parts), float(parts @ shares), shares))
    informative = 1.0 / float(shares @ shares)
    if informative < FEWEST_INFORMATIVE - 1e-9:
        statistic, draws, scale = effect, total, 1.0
    else:
        errors = standard_error(total, squares, crossed, shares)
        draws = np.divide(total, errors, out=np.zeros_like(total), where=errors > 0)
        statistic, scale = (effect / error if error > 0 else 0.0), error
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(
        learner=learner,
        effect=effect,
        se=error,
        interval=(effect - float(high) * scale, effect - float(low) * scale),
        p=equal_tailed_p(statistic, draws),
        left_over=left_over,
        statistic=statistic,
        draws=draws,
        without_locus=_without_each(parts, shares),
        informative_loci=informative,
    )


def standard_error(effect: Floats | float, squares: Floats | float, crossed: Floats | float, shares: Floats) -> Floats:
    """The cluster-robust standard error, loci as clusters, with the factor G / (G - 1).

    Parameters
    ----------
    effect : sum of the loci's parts. squares : sum of their squares. crossed : sum of part times share.
    shares : shape (n_loci,), of the tested variable's variance.
    """
    many = len(shares) / max(len(shares) - 1, 1)
    variance = squares - 2 * effect * crossed + np.square(effect) * float(shares @ shares)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0) * many), dtype=np.float64)


def _without_each(parts: Floats, shares: Floats) -> tuple[float, float]:
    others = 1.0 - shares
    if len(shares) < 2 or not (others > 1e-9).all():
        return (float("nan"), float("nan"))
    effects = (parts.sum() - parts) / others
    return float(effects.min()), float(effects.max())


def reliability(first: Floats, second: Floats) -> float:
    """Of the mean of two measurements whose errors are independent (Spearman and Brown), in [0, 1].

    Parameters
    ----------
    first, second : shape (n,), centred; what features leave of each half.
    """
    mean = (first + second) / 2
    spread = float(mean @ mean)
    return float(np.clip((first @ second) / spread, 0.0, 1.0)) if spread > 0 else 0.0


def robustness_value(effect: float, outcome: Floats, tested: Floats) -> float:
    """How strongly an unmeasured cause must be tied to both sides (partial R2 with each) to bring the effect to zero.

    Cinelli and Hazlett (2020, J R Stat Soc B 82:39), equation 17 with q = 1.
    """
    whole = float(outcome @ outcome)
    explained = min(effect**2 * float(tested @ tested) / whole, 1 - 1e-12) if whole > 0 else 0.0
    f2 = explained / (1 - explained)
    return 0.5 * (float(np.sqrt(f2**2 + 4 * f2)) - f2)
