"""Records in, scores out, in order: what one model says of every allele of a stream of records."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

import numpy as np
import pandas as pd

from darkregulome.edits.plan import output_window
from darkregulome.errors import InputError
from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import reverse_complement
from darkregulome.models.protocol import LanguageModel, OutputModel
from darkregulome.scoring.variants.place import (
    Allele,
    Edit,
    Judge,
    place_language,
    place_output,
    shift,
    too_many_n,
)
from darkregulome.scoring.variants.records import Record
from darkregulome.scoring.variants.scores import score_edits, track_changes

CHUNK_BASES = 2**22
CHUNK_RECORDS = 4096
"""Records held at once: at most this many, and no more than `CHUNK_BASES` over the window."""


@dataclass(frozen=True)
class Settings:
    """How variants are to be scored.

    Attributes
    ----------
    scores : names out of `scores.SCORES_OF_KIND`.
    window : bases that a model sees.
    edge : at a contig's end, ``"pad"`` with N or ``"shift"`` the window inside.
    both_strands : average a language model over both strands, unless it is equivariant.
    max_length : longest allele scored.
    max_n : largest fraction of the window that may be N. At a contig's end half of it is.
    batch_size : sequences a batch; None finds it.
    tracks : tracks of an output model; empty for all.
    """

    scores: tuple[str, ...]
    window: int
    edge: str = "pad"
    both_strands: bool = True
    max_length: int = 0
    max_n: float = 0.5
    batch_size: int | None = None
    tracks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        half = self.window // 2
        if self.max_length > half:
            raise InputError.at(
                "--max-allele", f"{self.max_length} is more than half the window", f"use at most {half}"
            )


@dataclass(frozen=True)
class Scored:
    """Alleles of some records, in order, and their scores: NaN where the status is not ``"ok"``."""

    records: list[Record]
    alleles: list[list[Allele]]
    scores: dict[str, np.ndarray]


class Scorer(Protocol):
    """Scores alleles with one model."""

    names: tuple[str, ...]
    """Of the scores, in the order of the columns."""

    def __call__(self, alleles: Sequence[Allele]) -> tuple[list[Allele], dict[str, np.ndarray]]:
        """The alleles, with another status where one cannot be scored, and the scores of each."""
        ...


def score_records(
    records: Iterable[Record],
    scorer: Scorer,
    judge: Judge,
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
    size = max(1, min(CHUNK_RECORDS, CHUNK_BASES // window))
    stream = iter(records)
    for record in itertools.islice(stream, skip):
        list(judge.alleles(record))
    if stop is not None:
        stream = itertools.islice(stream, stop - skip)
    done = 0
    while chunk := list(itertools.islice(stream, size)):
        per_record = [list(judge.alleles(record)) for record in chunk]
        flat, scores = scorer([allele for alleles in per_record for allele in alleles])
        judged = iter(flat)
        yield Scored(chunk, [list(itertools.islice(judged, len(alleles))) for alleles in per_record], scores)
        done += len(chunk)
        if progress is not None:
            progress(done)


class LanguageScorer:
    """Scores alleles with a masked or causal language model."""

    def __init__(self, model: LanguageModel, reference: Reference, settings: Settings):
        self.model, self.reference, self.settings = model, reference, settings
        self.names = settings.scores

    def __call__(self, alleles: Sequence[Allele]) -> tuple[list[Allele], dict[str, np.ndarray]]:
        settings = self.settings
        judged = list(alleles)
        rows: list[int] = []
        edits: list[Edit] = []
        found = {name: np.full(len(judged), np.nan) for name in self.names}
        for row, allele in enumerate(judged):
            if allele.status != "ok":
                continue
            edit = place_language(allele, self.reference, settings.window, settings.edge)
            if reason := too_many_n(edit.ref, settings.max_n):
                judged[row] = replace(allele, status="n_in_window", reason=reason)
            elif allele.identity:
                _set_all(found, row, 0.0)
            else:
                rows.append(row)
                edits.append(edit)
        values = score_edits(
            self.model, edits, self.names, both_strands=settings.both_strands, batch_size=settings.batch_size
        )
        for name, column in found.items():
            column[rows] = values[name]
        return judged, found


@dataclass(frozen=True)
class _Window:
    """Where an output model reads: ``[start, start + context)``, flipped where it reads the reverse complement."""

    start: int
    anchor: int
    flipped: bool


class OutputScorer:
    """Scores alleles with an output model.

    Its window is placed by the TSS of the nearest locus of `loci` whose window holds the variant, or, without
    loci, with the variant in the TSS's place. ``track`` is the mean over the tracks; with more than one of them each
    has a column of its own as well, ``track_<name>``.

    Raises
    ------
    InputError : a model that reads the gene's strand is given no loci, or a track is unknown.
    """

    def __init__(self, model: OutputModel, reference: Reference, settings: Settings, loci: pd.DataFrame | None = None):
        if loci is None and model.stranded:
            raise InputError.at("--loci", f"{model.name} reads the strand of a gene", "give --loci")
        self.model, self.reference, self.settings = model, reference, settings
        names = settings.tracks or model.tracks
        if unknown := [name for name in names if name not in model.tracks]:
            raise InputError.at(
                "--tracks", f"{model.name} has no track {unknown[0]!r}", f"use {', '.join(model.tracks)}"
            )
        self.tracks = [model.tracks.index(name) for name in names]
        self.names = ("track", *(f"track_{name}" for name in names)) if len(names) > 1 else ("track",)
        self._loci: dict[str, list[tuple[int, str]]] = {}
        for locus in [] if loci is None else loci.to_dict("records"):
            chrom = reference.contigs.resolve(str(locus["chrom"])) or str(locus["chrom"])
            self._loci.setdefault(chrom, []).append((int(locus["tss"]), str(locus["strand"])))
        self._placed_by_tss = loci is not None

    def __call__(self, alleles: Sequence[Allele]) -> tuple[list[Allele], dict[str, np.ndarray]]:
        judged = list(alleles)
        found = {name: np.full(len(judged), np.nan) for name in self.names}
        by_window: dict[tuple[str, bool], list[tuple[int, str, tuple[int, int]]]] = {}
        for row, allele in enumerate(judged):
            if allele.status != "ok":
                continue
            window = self._window(allele)
            if window is None:
                judged[row] = replace(allele, status="outside_window", reason="in no window around a locus's TSS")
                continue
            ref, alt, span = self._place(allele, window)
            if reason := too_many_n(ref, self.settings.max_n):
                judged[row] = replace(allele, status="n_in_window", reason=reason)
            elif ref == alt:
                _set_all(found, row, 0.0)
            else:
                by_window.setdefault((ref, window.flipped), []).append((row, alt, span))
        for (ref, _), edits in by_window.items():
            changes = track_changes(
                self.model,
                ref,
                [alt for _, alt, _ in edits],
                [span for *_, span in edits],
                self.tracks,
                self.settings.batch_size,
            )
            rows = [row for row, *_ in edits]
            found["track"][rows] = changes.mean(axis=1)
            for at, name in enumerate(self.names[1:]):
                found[name][rows] = changes[:, at]
        return judged, found

    def _window(self, allele: Allele) -> _Window | None:
        model, last = self.model, allele.start + len(allele.ref_bases)
        if self._placed_by_tss:
            loci = self._loci.get(allele.chrom, [])
            for tss, strand in sorted(loci, key=lambda locus: abs(locus[0] - allele.start)):
                start, end, flipped = output_window(tss, strand, model)
                if start <= allele.start and last <= end:
                    return _Window(start, tss - start, flipped)
            return None
        start = allele.start - model.tss_offset
        if self.settings.edge == "shift":
            start = shift(start, model.context, self.reference.length(allele.chrom))
        return _Window(start, allele.start - start, False)

    def _place(self, allele: Allele, window: _Window) -> tuple[str, str, tuple[int, int]]:
        size = self.model.context
        ref, alt, (first, last) = place_output(allele, self.reference, window.start, size, window.anchor)
        if window.flipped:
            return reverse_complement(ref), reverse_complement(alt), (size - last, size - first)
        return ref, alt, (first, last)


def make_scorer(
    model: LanguageModel | OutputModel, reference: Reference, settings: Settings, loci: pd.DataFrame | None = None
) -> Scorer:
    """The scorer for a model's kind."""
    if model.kind == "output":
        return OutputScorer(cast(OutputModel, model), reference, settings, loci)
    return LanguageScorer(cast(LanguageModel, model), reference, settings)


def _set_all(found: dict[str, np.ndarray], row: int, value: float) -> None:
    for column in found.values():
        column[row] = value
