"""What all tests on one set of elements share."""

from dataclasses import dataclass

from numpy.typing import NDArray

from darkregulome.stats.loci import Ints, Loci
from darkregulome.stats.nulls import Null, NullDraws, empirical_p

MINIMUM_GROUP = 5
"""A class, or a side of a threshold, with fewer elements is left out."""
MOST_SET_DRAWS = 10_000
"""Most draws of a null that is no rotation (matched controls, networks, maps): every one is laid out in full."""


class NotTestable(ValueError):
    """The claim cannot be asked of these elements; the message says why, as a clause."""


@dataclass(frozen=True)
class Setting:
    """What all claims on one set of elements share.

    Attributes
    ----------
    loci : layout of the elements.
    null : the null to draw from.
    resamples : bootstrap over loci, shape (b, n_loci).
    """

    loci: Loci
    null: Null
    resamples: Ints

    def draw(self, scores: NDArray, weights: NDArray) -> tuple[NullDraws, float]:
        """The null of one statistic ``weights @ scores`` and its two-sided p-value."""
        null = self.null.draw(scores, weights)
        return null, empirical_p(float(null.observed[0]), null.draws[:, 0], float(null.mean[0]))
