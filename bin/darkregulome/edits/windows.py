"""Where a model reads, and what an edit does to what it reads.

A window of a language model has one strand; the edit's positions are given as the model reads them. A window keeps its
length under a deletion, by taking more sequence from the right, and under an insertion, by giving up sequence at the
right. The window of an output model keeps its anchor (the TSS) in place: what a deletion lets in, or an insertion
pushes out, is at the window's end on the edit's side. Past a contig's end a window holds N.
"""

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from darkregulome.edits.edit import Edit, clean
from darkregulome.genome.sequence import n_fraction, reverse_complement
from darkregulome.models.protocol import OutputModel


class Genome(Protocol):
    """What is needed of a reference: sequence padded with N, and contig lengths."""

    def fetch(self, chrom: str, start: int, end: int) -> str: ...

    def length(self, chrom: str) -> int: ...


@dataclass(frozen=True)
class PaddedSequence:
    """A piece of a contig in memory, from `offset` on: A, C, G, T and N, which also stands past the contig's ends."""

    offset: int
    sequence: str

    @classmethod
    def fetch(cls, genome: Genome, chrom: str, start: int, end: int) -> "PaddedSequence":
        """``[start, end)`` of a contig."""
        return cls(start, clean(genome.fetch(chrom, start, end)))

    def read(self, start: int, end: int) -> str:
        """The letters of ``[start, end)``."""
        return self.sequence[start - self.offset : end - self.offset]

    def edited(self, edit: Edit | None, start: int, end: int, hold_end: bool = False) -> str:
        """``[start, end)`` with the edit made; its length is kept at the right, or at the left if `hold_end`."""
        if edit is None:
            return self.read(start, end)
        if hold_end:
            letters = self.read(min(start + edit.shift, edit.start), edit.start) + edit.alt + self.read(edit.end, end)
            return letters[len(letters) - (end - start) :]
        letters = self.read(start, edit.start) + edit.alt + self.read(edit.end, max(edit.end, end - edit.shift))
        return letters[: end - start]


class Window(NamedTuple):
    """What a language model reads on one strand: ``[start, end)`` around a tile of a target.

    `number` is the pass of its reference, `tile` and `region` (what `dependency` reads) are intervals of the contig.
    """

    target: int
    start: int
    end: int
    tile: tuple[int, int]
    region: tuple[int, int]
    source: PaddedSequence
    reverse: bool
    number: int

    def letters(self, edit: Edit | None = None) -> str:
        """As the model reads it."""
        sequence = self.source.edited(edit, self.start, self.end)
        return reverse_complement(sequence) if self.reverse else sequence

    def first_changed(self, edit: Edit) -> int:
        """The first position that the edit can change, as the model reads."""
        if not self.reverse:
            return edit.start - self.start
        return 0 if edit.shift else self.end - edit.end

    def origin(self, edit: Edit | None) -> np.ndarray:
        """Where each position of the edited window comes from in the reference, as the model reads; -1: from neither.

        Bases that an edit of the same length puts in count as coming from those they replace.
        """
        length = self.end - self.start
        origin = np.arange(length)
        if edit is not None and edit.shift:
            after = edit.start - self.start + len(edit.alt)
            origin[after:] -= edit.shift
            origin[edit.start - self.start : after] = -1
            origin[origin >= length] = -1
        if not self.reverse:
            return origin
        return np.where(origin < 0, -1, length - 1 - origin)[::-1]

    def span(self, edit: Edit) -> tuple[int, int]:
        """The reference's positions that an edit replaces, as the model reads."""
        if self.reverse:
            return self.end - edit.end, self.end - edit.start
        return edit.start - self.start, edit.end - self.start

    def position(self, interval: tuple[int, int]) -> tuple[int, int]:
        """An interval of the contig as positions in the window, as the model reads, cut at its ends."""
        first, last = max(interval[0], self.start), min(interval[1], self.end)
        if first >= last:
            return 0, 0
        return (self.end - last, self.end - first) if self.reverse else (first - self.start, last - self.start)


class OutputPlace(NamedTuple):
    """Where an output model reads: ``[start, end)``, the base `anchor` of the contig keeping its place under an edit.

    `flipped` where the model reads the reverse complement.
    """

    start: int
    end: int
    anchor: int
    flipped: bool


@dataclass(frozen=True)
class OutputWindow:
    """The window that an output model reads, and what surrounds it as far as edits need it."""

    place: OutputPlace
    source: PaddedSequence

    @classmethod
    def fetch(cls, genome: Genome, chrom: str, place: OutputPlace, margin: int) -> "OutputWindow":
        """The window with `margin` bases on each side: those of the longest deletion."""
        return cls(place, PaddedSequence.fetch(genome, chrom, place.start - margin, place.end + margin))

    @property
    def length(self) -> int:
        """Bases that the model reads."""
        return self.place.end - self.place.start

    def reference(self) -> str:
        """The window as the model reads it."""
        return self._oriented(self.source.read(self.place.start, self.place.end))

    def edited(self, edit: Edit) -> tuple[str, tuple[int, int]]:
        """The edited window as the model reads it, and the span outside of which it is the reference."""
        start, end, anchor, flipped = self.place
        hold_end = edit.end <= anchor
        sequence = self.source.edited(edit, start, end, hold_end)
        first, last = edit.start - start, edit.end - start
        if edit.shift:
            first, last = (0, last) if hold_end else (first, len(sequence))
        if flipped:
            first, last = len(sequence) - last, len(sequence) - first
        return self._oriented(sequence), (first, last)

    def _oriented(self, sequence: str) -> str:
        return reverse_complement(sequence) if self.place.flipped else sequence


def output_place(tss: int, strand: str, model: OutputModel) -> OutputPlace:
    """Where an output model reads at a TSS."""
    if model.stranded and strand == "-":
        end = tss + 1 + model.tss_offset
        return OutputPlace(end - model.context, end, tss, True)
    start = tss - model.tss_offset
    return OutputPlace(start, start + model.context, tss, False)


def tiles(length: int, window: int) -> list[tuple[int, int]]:
    """Cut ``[0, length)`` into an odd number of near-equal tiles of at most half a window, alike from both ends."""
    count = max(1, math.ceil(2 * length / window))
    count += 1 - count % 2
    left = [index * length // count for index in range(count // 2 + 1)]
    edges = left + [length - edge for edge in reversed(left)]
    return [(first, last) for first, last in itertools.pairwise(edges) if last > first]


def centred_window(tile_start: int, tile_end: int, window: int) -> tuple[int, int]:
    """The interval of `window` bases, or one fewer, whose middle is the tile's middle."""
    flank = (window - (tile_end - tile_start)) // 2
    return tile_start - flank, tile_end + flank


def variant_window(edit: Edit, window: int) -> tuple[int, int]:
    """The interval in which a language model compares both alleles: the longer one has `window` bases there.

    No base comes in to make up for a deletion, and none is pushed out by an insertion. The window of an SNV begins
    ``window // 2`` bases before it, as in the official GPN scripts; of longer alleles the middle of the longest takes
    its place, so that REF and ALT exchanged have the same flanks.
    """
    longest = max(1, len(edit.ref), len(edit.alt))
    start = edit.start - (window // 2 - (longest - 1) // 2)
    return start, start + window - longest + len(edit.ref)


def shift_inside(start: int, size: int, length: int) -> int:
    """The start of a window moved inside of a contig of `length` bases, where the contig can hold it."""
    return start if length < size else min(max(start, 0), length - size)


def too_many_n(sequence: str, most: float) -> str:
    """Why a window cannot be read: more than a fraction `most` of it is N; empty where it can."""
    fraction = n_fraction(sequence)
    return f"{fraction:.0%} of the window is N" if fraction > most else ""
