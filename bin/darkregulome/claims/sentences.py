"""Clauses that the sentences of several claims are made of."""

from darkregulome.io.records import ClaimEntry


def say_contrast(entry: ClaimEntry, these: str, those: str) -> str:
    """A difference in SD: ``<these> 0.30 SD higher than <those>``."""
    effect = entry.raw.effect or 0.0
    return f"{these} {abs(effect):.2f} SD {'higher' if effect >= 0 else 'lower'} than {those}"


def say_overlap(entry: ClaimEntry, whose: str) -> str:
    """What two top lists share."""
    lists = entry.details["lists"]
    chance = f"{lists['expected_by_chance']:.0f} by chance"
    return f"The top {lists['k']} elements of {whose} share {lists['overlap']} ({chance})"
