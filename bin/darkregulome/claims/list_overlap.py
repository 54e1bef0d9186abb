"""A language model and an output model share their top elements."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from darkregulome.claims.claim import Claim, Make, Plant, Sides, Subject
from darkregulome.claims.sentences import say_overlap
from darkregulome.diagnosis.prepared import MINIMUM_ELEMENTS, Prepared, setting_for
from darkregulome.diagnosis.scores import shared_rows
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.agreement import REFERENCE_OVERLAP, list_overlap
from darkregulome.stats.loci import Floats, Loci
from darkregulome.stats.tested import NotTestable


@dataclass(frozen=True)
class Aligned:
    """Scores of a language model and an output model on the elements that both scored, each of shape (n,)."""

    language: Floats
    output: Floats
    language_residual: Floats
    output_residual: Floats
    output_contrast: Floats


def _subjects(models: Sequence[Prepared], settings: Settings, data: Any) -> Iterator[tuple[str, Make]]:
    for language in models:
        for output in models:
            if language.scores.is_language_model and not output.scores.is_language_model:
                yield f"{language.name}|{output.name}", partial(_align, language, output, settings)


def _align(language: Prepared, output: Prepared, settings: Settings) -> Subject:
    """The two models' scores on the elements that both scored, and the pair's own null.

    Raises
    ------
    NotTestable
        There are too few such elements.
    """
    rows_a, rows_b = shared_rows(language.scores, output.scores)
    if len(rows_a) < MINIMUM_ELEMENTS:
        raise NotTestable(f"the two models share {len(rows_a)} elements")
    everything = len(rows_a) == language.scores.loci.n
    loci = language.scores.loci if everything else Loci.of(language.scores.loci.codes[rows_a])
    names = [language.name, output.name]
    setting = setting_for(names, loci, language.scores.classes[rows_a], settings)
    columns = (
        *(language.raw[rows_a], output.raw[rows_b]),
        *(language.studentised[rows_a], output.studentised[rows_b], output.residual[rows_b]),
    )
    return Subject("|".join(names), (output,), setting, Aligned(*map(loci.center, columns)))


def _test(subject: Subject, settings: Settings) -> Sides:
    """Overlap of the two models' top lists, of raw scores and of residuals over their fitted scale."""
    scores: Aligned = subject.data
    top, setting = settings.top_fraction, subject.setting
    raw = list_overlap(scores.language, scores.output, top, setting)
    residual = list_overlap(
        scores.language_residual, scores.output_residual, top, setting, contrast_of=scores.output_contrast
    )
    return Sides(raw, residual)


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
