"""Language models and output models share a layer of elements beyond predictability.

The top lists of the two kinds' consensus, one held against the other. Likelihoods alone cannot tell regulation from
predictability, so with one kind of model there is no claim.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from darkregulome.claims.claim import Claim, Make, Subject
from darkregulome.claims.sentences import say_overlap
from darkregulome.claims.top_lists import OVERLAP_FLOOR, OVERLAP_MARGIN, test_lists
from darkregulome.diagnosis.adjust import Ladder
from darkregulome.diagnosis.prepared import Prepared, on_shared
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.setting import NotTestable


def _subjects(models: Sequence[Prepared], settings: Settings, data: Any) -> Iterator[tuple[str, Make]]:
    kinds = [[one for one in models if one.scores.is_language_model is kind] for kind in (True, False)]
    name = "|".join("+".join(one.name for one in kind) for kind in kinds) if all(kinds) else "all"
    yield name, partial(_two_kinds, name, kinds, settings)


def _two_kinds(name: str, kinds: Sequence[Sequence[Prepared]], settings: Settings) -> Subject:
    """Both kinds of models on the elements that all of them scored.

    Raises
    ------
    NotTestable
        There is one kind of model only, or the models share too few elements.
    """
    language, output = kinds
    if not (language and output):
        raise NotTestable("there is no output model" if language else "there is no language model")
    shared = on_shared([*language, *output], settings)
    means = [np.mean([one.raw for one in kind], axis=0) for kind in (shared[: len(language)], shared[len(language) :])]
    return Subject(name, shared[-1], shared[-1].setting, means)


def _test(subject: Subject, settings: Settings) -> Ladder:
    language, output = subject.data
    names = ("the language models", "the output models")
    return test_lists(subject.one, language, output, names, subject.setting, settings)


def _say(entry: ClaimEntry, settings: Settings) -> str:
    return say_overlap(entry, "the language models and those of the output models")


CLAIM = Claim(
    name="layers",
    title="Layer shared by language and output models",
    question="do the language models and the output models of a run share their top elements?",
    statistic="membership of one kind's top list on membership of the other's, both sides partialled out",
    unit="share of a list beyond chance",
    floor=OVERLAP_FLOOR,
    margin=OVERLAP_MARGIN,
    subject="the shared layer",
    order=6,
    needs="all models",
    subjects=_subjects,
    test=_test,
    say=_say,
    in_readout_units=False,
)
