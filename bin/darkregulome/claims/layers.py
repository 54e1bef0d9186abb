"""Language models and output models share a layer of elements beyond predictability.

Raw, the top lists of the two kinds' consensus, and residual, those of what the features leave; both against the
rotation of one against the other. What both kinds share raw and no more in the residual is the predictability layer;
likelihoods alone cannot tell, so with one kind of model there is no claim.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from darkregulome.claims.claim import Claim, Make, Sides, Subject
from darkregulome.claims.sentences import say_overlap
from darkregulome.diagnosis.prepared import MINIMUM_ELEMENTS, Prepared, setting_for
from darkregulome.diagnosis.scores import is_in, positions_in
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.agreement import REFERENCE_OVERLAP, list_overlap
from darkregulome.stats.loci import Floats, Loci
from darkregulome.stats.tested import NotTestable


def _subjects(models: Sequence[Prepared], settings: Settings, data: Any) -> Iterator[tuple[str, Make]]:
    yield "all", partial(_two_kinds, models, settings)


def _two_kinds(models: Sequence[Prepared], settings: Settings) -> Subject:
    """Both kinds of models on the elements that all of them scored.

    Raises
    ------
    NotTestable
        There is one kind of model only, or the models share too few elements.
    """
    language, output = ([one for one in models if one.scores.is_language_model is kind] for kind in (True, False))
    if not (language and output):
        raise NotTestable("there is no output model" if language else "there is no language model")
    tables = [one.scores.table for one in models]
    names = tables[0]["element"]
    for table in tables[1:]:
        names = names[is_in(names, table["element"])]
    if len(names) < MINIMUM_ELEMENTS:
        raise NotTestable(f"the models share {len(names)} elements")
    shared = names.to_numpy()
    rows = positions_in(models[0].scores, shared)
    loci = Loci.of(tables[0]["cluster"].to_numpy()[rows])
    setting = setting_for(["layers", *(one.name for one in models)], loci, models[0].scores.classes[rows], settings)

    def consensus(kind: Sequence[Prepared], side: str) -> Floats:
        parts = [loci.center(getattr(one, side)[positions_in(one.scores, shared)]) for one in kind]
        return np.asarray(np.mean(parts, axis=0), dtype=np.float64)

    scores = {side: (consensus(language, side), consensus(output, side)) for side in ("raw", "studentised", "residual")}
    name = "|".join("+".join(one.name for one in kind) for kind in (language, output))
    return Subject(name, tuple(output), setting, scores)


def _test(subject: Subject, settings: Settings) -> Sides:
    scores, top, setting = subject.data, settings.top_fraction, subject.setting
    (language, output), (language_left, output_left) = scores["raw"], scores["studentised"]
    raw = list_overlap(language, output, top, setting)
    return Sides(raw, list_overlap(language_left, output_left, top, setting, contrast_of=scores["residual"][1]))


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    return say_overlap(entry, "the language models and those of the output models")


CLAIM = Claim(
    name="layers",
    title="Layer shared by language and output models",
    question="do the language models and the output models of a run share their top elements?",
    statistic="elements common to the top lists of the language models' and the output models' mean scores",
    unit="overlap of the two kinds' lists beyond chance",
    floor=0.05,
    reference=f"an overlap of {REFERENCE_OVERLAP:g} beyond chance",
    subject="the shared layer",
    order=6,
    needs="all models",
    subjects=_subjects,
    test=_test,
    say=_say,
)
