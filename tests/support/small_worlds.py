"""Worlds on 40 loci of 100 elements, and what is said of them with few draws."""

from functools import lru_cache

import numpy as np

from darkregulome.claims.claim import ClaimResult
from darkregulome.diagnosis.calibrate import Asked, one_table, plantable
from darkregulome.diagnosis.calibration_input import on_elements
from darkregulome.diagnosis.entries import entries
from darkregulome.diagnosis.example import example_elements
from darkregulome.diagnosis.prepared import prepare
from darkregulome.diagnosis.scores import ModelScores
from darkregulome.diagnosis.settings import Settings
from darkregulome.diagnosis.worlds import Design, all_worlds, draw_world
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.noise import geometric

FEW = Settings(permutations=199)


@lru_cache
def small_design() -> Design:
    """40 loci of 100 elements, whose noise has an autocorrelation of 0.5."""
    return Design(on_elements(example_elements(40, 100, 1)), geometric(0.5), label="autocorrelation 0.5")


def near_the_tss(scores: ModelScores) -> np.ndarray:
    """What the horizon tests."""
    return (scores.distance <= 10_000).astype(float)


def nowhere(scores: ModelScores) -> np.ndarray:
    """Nothing is planted."""
    return np.zeros(scores.loci.n)


def drawn(design: Design, world: str, effect: float, seed: int) -> ModelScores:
    """One table of a world, the effect planted near the TSS (nowhere, if it is 0)."""
    tested = near_the_tss if effect else nowhere
    return draw_world(design, all_worlds()[world], tested, effect, np.random.default_rng(seed))


def said(design: Design, world: str, tables: int = 3, effect: float = 0.4, claim: str = "horizon") -> list[ClaimEntry]:
    """The entries of some tables of a world."""
    question = Asked(all_worlds()[world], plantable()[claim], design)
    return [one_table(question, index, effect, FEW) for index in range(tables)]


def result_of(scores: ModelScores, claim: str) -> ClaimResult:
    """A claim tested on scores."""
    own = plantable()[claim]
    subject = next(make for _, make in own.subjects([prepare(scores, FEW)], FEW, None))()
    return ClaimResult(own, "m", own.test(subject, FEW), scores.loci.n, scores.loci.count, "rotation")


def entry_of(scores: ModelScores, claim: str) -> ClaimEntry:
    """The entry of a claim that is a family of its own."""
    return entries([result_of(scores, claim)], FEW)[0]
