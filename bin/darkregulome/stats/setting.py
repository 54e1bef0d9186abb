"""What all tests on one set of elements share."""

from dataclasses import dataclass

from darkregulome.stats.loci import Ints, Loci
from darkregulome.stats.nulls import Null

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
