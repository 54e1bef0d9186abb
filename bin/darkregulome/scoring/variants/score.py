"""Records in, scores out, in order: what one model says of every allele of a stream of records."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

import numpy as np
import pandas as pd

from darkregulome.edits.edit import Edit
from darkregulome.edits.readout import Runner
from darkregulome.edits.windows import (
    OutputPlace,
    OutputWindow,
    PaddedSequence,
    output_place,
    shift_inside,
    too_many_n,
    variant_window,
)
from darkregulome.errors import InputError
from darkregulome.genome.alleles import CheckedAllele
from darkregulome.genome.reference import Reference
from darkregulome.genome.vcf import Record
from darkregulome.models.protocol import LanguageModel, OutputModel
from darkregulome.scoring.variants.records import AlleleChecker
from darkregulome.scoring.variants.scores import AllelePair, score_pairs
from darkregulome.scoring.variants.settings import Settled

CHUNK_BASES = 2**22
CHUNK_RECORDS = 4096
"""Records held at once: at most this many, and no more than `CHUNK_BASES` over the window."""


@dataclass(frozen=True)
class Scored:
    """Alleles of some records, in order, and their scores: NaN where the status is not ``"ok"``."""

    records: list[Record]
    alleles: list[list[CheckedAllele]]
    scores: dict[str, np.ndarray]


class Scorer(Protocol):
    """Scores alleles with one model."""

    names: tuple[str, ...]
    """Of the scores, in the order of the columns."""

    def __call__(self, alleles: Sequence[CheckedAllele]) -> tuple[list[CheckedAllele], dict[str, np.ndarray]]:
        """The alleles, with another status where one cannot be scored, and the scores of each."""
        ...


def edit_of(allele: CheckedAllele) -> Edit:
    """What an allele changes."""
    return Edit(allele.start, allele.start + len(allele.ref_bases), allele.ref_bases, allele.alt_bases)


def records_at_a_time(window: int) -> int:
    """Records that are held at once."""
    return max(1, min(CHUNK_RECORDS, CHUNK_BASES // window))


def score_records(
    records: Iterable[Record],
    scorer: Scorer,
    checker: AlleleChecker,
    window: int,
    skip: int = 0,
    stop: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Scored]:
    """Score a stream of records, a chunk at a time; nothing more of it is held.

    Parameters
    ----------
    skip, stop : only the records from `skip` to `stop` are scored. Those before are judged all the same, so that a
        variant is a duplicate in a part of the file where it is one in the whole.
    progress : called with the number of records done.
    """
    size = records_at_a_time(window)
    stream = iter(records)
    for record in itertools.islice(stream, skip):
        checker.alleles(record)
    if stop is not None:
        stream = itertools.islice(stream, stop - skip)
    done = 0
    while chunk := list(itertools.islice(stream, size)):
        per_record = [checker.alleles(record) for record in chunk]
        flat, scores = scorer([allele for alleles in per_record for allele in alleles])
        judged = iter(flat)
        yield Scored(chunk, [list(itertools.islice(judged, len(alleles))) for alleles in per_record], scores)
        done += len(chunk)
        if progress is not None:
            progress(done)


class LanguageScorer:
    """Scores alleles with a masked or causal language model."""

    def __init__(self, model: LanguageModel, reference: Reference, settings: Settled):
        self.model, self.reference, self.settings = model, reference, settings
        self.names = settings.scores

    def __call__(self, alleles: Sequence[CheckedAllele]) -> tuple[list[CheckedAllele], dict[str, np.ndarray]]:
        settings = self.settings
        judged = list(alleles)
        rows: list[int] = []
        pairs: list[AllelePair] = []
        scores = {name: np.full(len(judged), np.nan) for name in self.names}
        for row, allele in enumerate(judged):
            if allele.status != "ok":
                continue
            pair = self._pair(allele)
            if reason := too_many_n(pair.ref, settings.max_n):
                judged[row] = allele._replace(status="n_in_window", reason=reason)
            elif not allele.ref_bases and not allele.alt_bases:
                _set_all(scores, row, 0.0)
            else:
                rows.append(row)
                pairs.append(pair)
        values = score_pairs(
            self.model, pairs, self.names, both_strands=settings.both_strands, batch_size=settings.batch_size
        )
        for name, column in scores.items():
            column[rows] = values[name]
        return judged, scores

    def _pair(self, allele: CheckedAllele) -> AllelePair:
        start, end = variant_window(edit_of(allele), self.settings.window)
        size = end - start
        if self.settings.edge == "shift":
            start = shift_inside(start, size, self.reference.length(allele.chrom))
        source = PaddedSequence.fetch(self.reference, allele.chrom, start, start + size)
        return AllelePair.of(edit_of(allele), source.sequence, start)


class _Locus(NamedTuple):
    """A window of an output model on its contig."""

    chrom: str
    place: OutputPlace


class OutputScorer:
    """Scores alleles with an output model.

    Its window is placed by the TSS of the nearest locus of `loci` whose window holds the variant, or, without
    loci, with the variant in the TSS's place. ``track`` is the mean over the tracks; with more than one of them each
    has a column of its own as well, ``track_<name>``.

    Raises
    ------
    InputError : a model that reads the gene's strand is given no loci, or a track is unknown.
    """

    def __init__(self, model: OutputModel, reference: Reference, settings: Settled, loci: pd.DataFrame | None = None):
        if loci is None and model.stranded:
            raise InputError.at("--loci", f"{model.name} reads the strand of a gene", "give --loci")
        self.model, self.reference, self.settings = model, reference, settings
        self.runner = Runner(model, settings.batch_size, settings.tracks)
        names = settings.tracks or model.tracks
        self.names = ("track", *(f"track_{name}" for name in names)) if len(names) > 1 else ("track",)
        self._loci: dict[str, list[tuple[int, str]]] = {}
        for locus in [] if loci is None else loci.to_dict("records"):
            chrom = reference.contigs.resolve(str(locus["chrom"])) or str(locus["chrom"])
            self._loci.setdefault(chrom, []).append((int(locus["tss"]), str(locus["strand"])))
        self._placed_by_tss = loci is not None

    def __call__(self, alleles: Sequence[CheckedAllele]) -> tuple[list[CheckedAllele], dict[str, np.ndarray]]:
        judged = list(alleles)
        scores = {name: np.full(len(judged), np.nan) for name in self.names}
        rows_of: dict[_Locus, list[int]] = {}
        for row, allele in enumerate(judged):
            if allele.status != "ok":
                continue
            if (place := self._place(allele)) is None:
                judged[row] = allele._replace(status="outside_window", reason="in no window around a locus's TSS")
            else:
                rows_of.setdefault(_Locus(allele.chrom, place), []).append(row)
        for locus, rows in rows_of.items():
            longest = max(len(judged[row].ref_bases) for row in rows)
            window = OutputWindow.fetch(self.reference, *locus, longest)
            reference = window.reference()
            if reason := too_many_n(reference, self.settings.max_n):
                for row in rows:
                    judged[row] = judged[row]._replace(status="n_in_window", reason=reason)
                continue
            changed = [row for row in rows if window.edited(edit_of(judged[row]))[0] != reference]
            changes = self.runner.track_changes(window, [edit_of(judged[row]) for row in changed])
            for row in rows:
                _set_all(scores, row, 0.0)
            scores["track"][changed] = changes.mean(axis=1)
            for at, name in enumerate(self.names[1:]):
                scores[name][changed] = changes[:, at]
        return judged, scores

    def _place(self, allele: CheckedAllele) -> OutputPlace | None:
        """The window of an allele; None where no locus has one that holds it."""
        model, last = self.model, allele.start + len(allele.ref_bases)
        if self._placed_by_tss:
            loci = self._loci.get(allele.chrom, [])
            for tss, strand in sorted(loci, key=lambda locus: abs(locus[0] - allele.start)):
                place = output_place(tss, strand, model)
                if place.start <= allele.start and last <= place.end:
                    return place
            return None
        start = allele.start - model.tss_offset
        if self.settings.edge == "shift":
            start = shift_inside(start, model.context, self.reference.length(allele.chrom))
        return OutputPlace(start, start + model.context, allele.start, False)


def make_scorer(
    model: LanguageModel | OutputModel, reference: Reference, settings: Settled, loci: pd.DataFrame | None = None
) -> Scorer:
    """The scorer for a model's kind."""
    if model.kind == "output":
        return OutputScorer(cast(OutputModel, model), reference, settings, loci)
    return LanguageScorer(cast(LanguageModel, model), reference, settings)


def _set_all(scores: dict[str, np.ndarray], row: int, value: float) -> None:
    for column in scores.values():
        column[row] = value
