"""A contrast over its standard error between loci."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import nct
from scipy.stats import t as student_t

from darkregulome.stats.loci import Floats
from darkregulome.stats.tested import Setting
from darkregulome.stats.verdict import power_of

STUDENTISED_LOCI = 8
"""Least number of loci that a standard error between them is taken of."""


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
        """Power at `alpha` for a true contrast of `shift`: of a t test with as many loci where it is studentised."""
        if not self.loci:
            return power_of(shift, self.sd, alpha)
        if self.sd <= 0:
            return 0.0
        freedom = max(self.loci - 1, 1.0)
        critical = student_t.isf(alpha / 2, freedom)
        return float(nct.sf(critical, freedom, abs(shift) / self.sd))


def studentised_draws(scores: Floats, weights: Floats, setting: Setting) -> Studentised:
    """The null of ``weights @ scores`` over its standard error between loci, worked out again in every draw.

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
