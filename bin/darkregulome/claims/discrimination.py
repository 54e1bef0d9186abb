"""One class of elements against all others, by the ranks of their scores."""

from collections.abc import Callable

import numpy as np
from scipy.stats import norm

from darkregulome.claims.claim import Subject
from darkregulome.diagnosis.adjust import Ladder, Pair, make_ladder, ranks_of
from darkregulome.diagnosis.scores import ModelScores
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.loci import Floats
from darkregulome.stats.setting import MINIMUM_GROUP, NotTestable


def superiority(effect: float) -> float:
    """Chance that one of the class scores above another, of normal scores this many SD apart; never outside [0, 1]."""
    return float(norm.cdf(effect / np.sqrt(2)))


def test_class(word: str) -> Callable[[Subject, Settings], Ladder]:
    """The test of a class: normal scores of ranks within loci, so that no monotone change of the scores matters."""

    def test(subject: Subject, settings: Settings) -> Ladder:
        one = subject.one
        member = one.scores.classes == word
        counts = int(member.sum()), int((~member).sum())
        if min(counts) < MINIMUM_GROUP:
            raise NotTestable(f"there are {counts[0]} such elements and {counts[1]} others; {MINIMUM_GROUP} are needed")
        pair = Pair(ranks_of(one), member.astype(float), f"class {word}", "ranks")
        return make_ladder(one, pair, subject.setting)

    return test


def say_class(words: str) -> Callable[[ClaimEntry, Settings], str]:
    """What the raw scores show of a class."""

    def say(entry: ClaimEntry, settings: Settings) -> str:
        return f"{words} score above another element with probability {superiority(entry.raw.effect or 0.0):.2f}"

    return say


def signal_of(word: str) -> Callable[[ModelScores, Settings], Floats]:
    """The unit effect that calibration plants: on the elements of the class."""
    return lambda scores, settings: (scores.classes == word).astype(float)
