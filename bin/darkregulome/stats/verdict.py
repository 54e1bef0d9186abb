"""From p-values, effects, floors and power to one of four words. Never just "significant"."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from darkregulome.io.records import Verdict
from darkregulome.stats.loci import Floats

MINIMUM_POWER = 0.5
REFERENCE_EFFECT = 0.25
"""SD. Power is stated for it where the effect is a difference of means, and calibration plants it."""


def benjamini_hochberg(p_values: NDArray) -> Floats:
    """Adjusted p-values (q) of one family; a missing p stays missing and does not count."""
    p_values = np.asarray(p_values, dtype=float)
    q_values = np.full(len(p_values), np.nan)
    finite = np.flatnonzero(np.isfinite(p_values))
    if len(finite) == 0:
        return q_values
    order = finite[np.argsort(p_values[finite], kind="stable")]
    scaled = p_values[order] * len(order) / np.arange(1, len(order) + 1)
    q_values[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q_values


def power_of(effect: float, null_sd: float, alpha: float) -> float:
    """Power of a two-sided test at `alpha` for a true `effect`, when the estimate is normal with the null's SD."""
    if not np.isfinite(null_sd) or null_sd <= 0:
        return 0.0
    critical = norm.isf(alpha / 2)
    shift = abs(effect) / null_sd
    return float(norm.sf(critical - shift) + norm.cdf(-critical - shift))


@dataclass(frozen=True)
class Evidence:
    """All that a verdict rests on.

    Attributes
    ----------
    raw_q, residual_q : adjusted p of the claim on raw and on residual scores; in the residual's family every claim that
        cannot survive (`counts` is false) has p 1.
    raw_sign, residual_sign : sign of the effect, -1, 0 or 1 (for unsigned effects: 1, or the agreement of patterns).
    magnitude, floor : size of the residual's effect away from none, and the least that counts.
    power : power to see an effect of the stated size in the residual.
    natural, natural_floor : size and floor in the readout's own units, where it has a floor there; else None.
    residual_q_any : adjusted p of the residual where claims of any size and sign keep their p; None: `residual_q`.
    """

    raw_q: float
    residual_q: float
    raw_sign: float
    residual_sign: float
    magnitude: float
    floor: float
    power: float
    natural: float | None = None
    natural_floor: float | None = None
    residual_q_any: float | None = None


def sign_flip(evidence: Evidence) -> bool:
    """True where the residual's effect points the other way than the raw one."""
    return evidence.raw_sign * evidence.residual_sign < 0


def above_floors(evidence: Evidence) -> bool:
    """True where the residual's effect reaches every floor that applies."""
    if not evidence.magnitude >= evidence.floor:
        return False
    if evidence.natural_floor is None or evidence.natural is None:
        return True
    return abs(evidence.natural) >= evidence.natural_floor


def counts(evidence: Evidence) -> bool:
    """True where the residual's effect could survive: not the opposite of the raw effect, and above its floors."""
    return not sign_flip(evidence) and above_floors(evidence)


def counted_p(p_values: NDArray, may_survive: NDArray) -> Floats:
    """p-values of a family in which a claim that cannot survive has p 1; both of shape (n,).

    Floors and signs that are looked at after the family was adjusted do two harms: a claim that they stop is still a
    rejection, and widens the threshold of all others; and the false discovery rate holds for all rejections, not for
    those that are left. A p-value that may only grow stays valid, and then the rejections are what survives.
    """
    return np.where(np.asarray(may_survive, dtype=bool), np.asarray(p_values, dtype=float), 1.0)


def decide(evidence: Evidence, alpha: float) -> Verdict:
    """The verdict on a claim.

    - *survives*: residual q < alpha, the same sign as the raw effect, above the floors. A raw effect that was hidden
      by predictability survives too.
    - *underpowered*: the residual shows nothing (q >= alpha), and power is below one half, or not known: nothing can be
      said.
    - *collapses*: raw q < alpha, and the residual shows nothing, or too little to count, or the opposite.
    - *absent*: neither shows it.
    """
    of_any_size = evidence.residual_q if evidence.residual_q_any is None else evidence.residual_q_any
    if counts(evidence):
        detected = evidence.residual_q < alpha
        if detected:
            return "survives"
    else:
        # It was seen, and it does not count: no lack of power.
        detected = of_any_size < alpha
    if not detected and not evidence.power >= MINIMUM_POWER:
        return "underpowered"
    return "collapses" if evidence.raw_q < alpha else "absent"
