"""A language model and an output model share their top elements."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from darkregulome.claims.claim import Claim, Make, Subject
from darkregulome.claims.sentences import say_overlap
from darkregulome.claims.top_lists import OVERLAP_FLOOR, OVERLAP_MARGIN, list_length, test_lists
from darkregulome.diagnosis.adjust import Ladder
from darkregulome.diagnosis.prepared import Prepared, on_shared
from darkregulome.diagnosis.scores import ModelScores
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.agreement import top_members
from darkregulome.stats.loci import Floats


def _subjects(models: Sequence[Prepared], settings: Settings, data: Any) -> Iterator[tuple[str, Make]]:
    for language in models:
        for output in models:
            if language.scores.is_language_model and not output.scores.is_language_model:
                yield f"{language.name}|{output.name}", partial(_pair, language, output, settings)


def _pair(language: Prepared, output: Prepared, settings: Settings) -> Subject:
    both = on_shared([language, output], settings)
    return Subject(f"{language.name}|{output.name}", both[1], both[1].setting, both)


def _test(subject: Subject, settings: Settings) -> Ladder:
    language, output = subject.data
    names = (language.name, output.name)
    return test_lists(output, language.raw, output.raw, names, subject.setting, settings)


def _say(entry: ClaimEntry, settings: Settings) -> str:
    first, second = entry.model.split("|")
    return say_overlap(entry, f"{first} and {second}")


def _signal(scores: ModelScores, settings: Settings) -> Floats:
    return top_members(scores.raw, list_length(len(scores.raw), settings)).astype(float)


CLAIM = Claim(
    name="list_overlap",
    title="Overlap of top lists",
    question="do a language model and an output model share their top elements?",
    statistic="membership of one top list on membership of the other, both sides partialled out",
    unit="share of a list beyond chance",
    floor=OVERLAP_FLOOR,
    margin=OVERLAP_MARGIN,
    subject="the overlap",
    order=5,
    subjects=_subjects,
    test=_test,
    say=_say,
    in_readout_units=False,
    needs="two kinds of models",
    signal=_signal,
)
