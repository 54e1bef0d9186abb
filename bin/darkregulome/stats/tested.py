"""What a test of a claim takes and gives, whatever the claim is."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkregulome.stats.bootstrap import MINIMUM_LOCI, normal_interval, percentile_interval
from darkregulome.stats.loci import Floats, Ints, Loci
from darkregulome.stats.nulls import Null, NullDraws, empirical_p, sequential_p

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
