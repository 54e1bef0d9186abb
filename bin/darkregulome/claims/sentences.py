"""Clauses that the sentences of several claims are made of."""

import numpy as np

from darkregulome.io.records import ClaimEntry, Outcome


def effect_with_interval(outcome: Outcome, digits: int = 2) -> str:
    """``0.30 (0.10 to 0.50)``, or the effect alone where it has no interval."""
    low, high = outcome.interval or (None, None)
    if low is None or high is None or not (np.isfinite(low) and np.isfinite(high)):
        return f"{outcome.effect:.{digits}f}"
    return f"{outcome.effect:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def say_contrast(entry: ClaimEntry, these: str, those: str) -> tuple[str, str]:
    """A difference in SD: ``<these> 0.30 SD higher than <those>``, and what remains of it."""
    effect = entry.raw.effect or 0.0
    direction = "higher" if effect >= 0 else "lower"
    remains = f"{effect_with_interval(entry.residual)} SD remains"
    return f"{these} {abs(effect):.2f} SD {direction} than {those}", remains


def say_overlap(entry: ClaimEntry, whose: str) -> tuple[str, str]:
    """What two top lists share, and what the lists of their residuals share."""
    raw = entry.details["raw"]
    return (
        f"The top {raw['k']} elements of {whose} share {raw['overlap']} ({raw['expected_by_chance']:.0f} by chance)",
        f"{entry.details['residual']['overlap']} are shared",
    )
