"""A language model and an output model share their top elements."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from darkregulome.claims.claim import Claim, Make, Plant, Sides, Subject
from darkregulome.claims.sentences import say_overlap
from darkregulome.diagnosis.prepared import Aligned, Prepared, align
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.agreement import REFERENCE_OVERLAP, list_overlap


def _subjects(models: Sequence[Prepared], settings: Settings, data: Any) -> Iterator[tuple[str, Make]]:
    for language in models:
        for output in models:
            if language.scores.is_language_model and not output.scores.is_language_model:
                yield f"{language.name}|{output.name}", partial(_pair, language, output, settings)


def _pair(language: Prepared, output: Prepared, settings: Settings) -> Subject:
    aligned = align(language, output, settings)
    return Subject(f"{language.name}|{output.name}", (output,), aligned.setting, aligned)


def _test(subject: Subject, settings: Settings) -> Sides:
    """Overlap of the two models' top lists, of raw scores and of residuals over their fitted scale."""
    scores: Aligned = subject.data
    top, setting = settings.top_fraction, subject.setting
    raw = list_overlap(*scores.raw, top, setting)
    return Sides(raw, list_overlap(*scores.studentised, top, setting, contrast_of=scores.residual[1]))


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    first, second = entry.model.split("|")
    return say_overlap(entry, f"{first} and {second}")


CLAIM = Claim(
    name="list_overlap",
    title="Overlap of top lists",
    question="do a language model and an output model share their top elements?",
    statistic="elements common to two top lists",
    unit="overlap beyond chance",
    floor=0.05,
    reference=f"an overlap of {REFERENCE_OVERLAP:g} beyond chance",
    subject="the overlap",
    order=5,
    needs="two kinds of models",
    subjects=_subjects,
    test=_test,
    say=_say,
    plant=Plant(),
)
