"""What will be run, in what order, and what it costs, settled before any model runs.

A language model reads *windows*, one per strand. By default a window is centred on a *tile*: for `llr` the tile is one
sampled base; for `loglik` it is the element, cut into equal tiles (an odd number of them) where it is longer than half
the window, so that every tile has a quarter of a window or more of context on each side. To be centred exactly, a
window gives up one base where it must: then both strands see the same bases, and the reverse complement of a genome has
the same effects as the genome. With the placement ``end``, which is for causal models that reuse what comes before an
edit, the tile is followed by a sixteenth of the window only, on either strand. For `dependency` a window holds the
element and the target region.

An output model reads one window per locus, placed by the TSS; an element that is not wholly inside gets the status
``outside_context``.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, cast

import numpy as np
import pandas as pd

from darkregulome.edits.edit import (
    Edit,
    block_substitutions,
    blocks,
    deletions,
    insertions,
    n_masks,
    named_generator,
    sample_sites,
    shuffles,
    substitutions,
)
from darkregulome.edits.forwards import MASK_STRIDE, mask_phases, mask_stride
from darkregulome.edits.settings import Settled
from darkregulome.edits.windows import (
    Genome,
    OutputWindow,
    PaddedSequence,
    Window,
    centred_window,
    output_place,
    tiles,
)
from darkregulome.errors import InputError
from darkregulome.models.protocol import LanguageModel, OutputModel

END_SHARE = 16
"""With the placement ``end``, a tile is followed by one sixteenth of the window."""


class Decoy(NamedTuple):
    """A sequence that is to stand in an element's place: the set that it is of, its number there, its letters."""

    decoys: str
    number: int
    sequence: str


@dataclass(frozen=True)
class Target:
    """An element to score, and whether it can be: `status` is ``"ok"`` or why not, `reason` says it in words."""

    element: str
    chrom: str
    start: int
    end: int
    status: str = "ok"
    reason: str = ""
    decoys: tuple[Decoy, ...] = ()

    def decoy_edits(self, real: str) -> list[Edit]:
        """The decoys of the element, which reads `real`, as edits."""
        return [Edit(self.start, self.end, real, one.sequence, one.number, one.decoys) for one in self.decoys]


class Reading(NamedTuple):
    """An edit in one window: the numbers of the window and of the pass that reads it."""

    window: int
    number: int


class PlannedEdit(NamedTuple):
    """An edit of a target, and its readings, one per strand (for `llr`, those of the masked reference)."""

    target: int
    edit: Edit
    readings: tuple[Reading, ...]


class Pass(NamedTuple):
    """One sequence through the model: the window `window`, with `edit` made if there is one.

    Up to `first` it equals its reference.
    """

    window: int
    edit: Edit | None
    first: int


class Probe(NamedTuple):
    """Windows of the reference that read alike, for predictability: one forward per phase (`mask_phases`)."""

    windows: list[Window]
    phases: tuple[int, ...]

    @property
    def length(self) -> int:
        """Bases that the model reads."""
        return self.windows[0].end - self.windows[0].start


@dataclass
class LanguagePlan:
    """Passes of a language model; equal sequences are one pass."""

    targets: list[Target]
    settings: Settled
    mask_stride: int = 0
    """Bases from one that is masked to the next, where several are at once; 0 where none is masked."""
    windows: list[Window] = field(default_factory=list)
    edits: list[PlannedEdit] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    """Of the readout `llr`, whose passes read edited bases alone."""

    @property
    def repeats(self) -> np.ndarray:
        """Forwards of each pass: a pseudo-log-likelihood takes several."""
        repeats = np.ones(len(self.passes), dtype=int)
        if self.mask_stride and self.settings.readout == "loglik":
            repeats[:] = self.mask_stride
        elif self.mask_stride and self.settings.readout == "dependency":
            repeats[self.references()] += self.mask_stride
        return repeats

    @property
    def forwards(self) -> int:
        """Sequences through the model."""
        return int(self.repeats.sum()) + sum(len(probe.phases) for probe in self.probes)

    @property
    def tokens(self) -> int:
        """Bases through the model."""
        of_probes = sum(len(probe.phases) * probe.length for probe in self.probes)
        return int(self.repeats @ np.asarray(self.lengths, dtype=int)) + of_probes

    @property
    def tokens_reused(self) -> int:
        """Of these, the bases that a model which reuses what comes before an edit need not run."""
        return sum(job.first for job in self.passes if job.edit is not None)

    def references(self) -> list[int]:
        """Numbers of the passes without an edit, in order."""
        return sorted({window.number for window in self.windows})

    def sequence(self, number: int) -> str:
        """The letters of a pass."""
        job = self.passes[number]
        return self.windows[job.window].letters(job.edit)

    def groups(self, numbers: Sequence[int] | np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Numbers of passes of one length, length by length, shortest first, in the order of the plan."""
        wanted = np.arange(len(self.passes)) if numbers is None else np.asarray(numbers, dtype=int)
        lengths = np.asarray(self.lengths, dtype=int)[wanted]
        for length in np.unique(lengths):
            yield wanted[lengths == length]


@dataclass
class OutputPlan:
    """Edits of the one window that an output model reads at a locus."""

    targets: list[Target]
    settings: Settled
    window: OutputWindow
    edits: list[PlannedEdit] = field(default_factory=list)

    @property
    def forwards(self) -> int:
        """Sequences through the model, the reference among them."""
        return len(self.edits) + 1 if self.edits else 0

    @property
    def tokens(self) -> int:
        """Bases through the model."""
        return self.forwards * self.window.length


Plan = LanguagePlan | OutputPlan


def make_plan(
    model: LanguageModel | OutputModel,
    elements: pd.DataFrame,
    genome: Genome,
    settings: Settled,
    locus: pd.Series | None = None,
) -> Plan:
    """The plan of elements of one locus.

    Parameters
    ----------
    elements : table of the locus's elements (schema ELEMENTS).
    locus : row of the loci table (chrom, tss, strand); output models and the readout `dependency` need it.
    """
    if locus is None and needs_locus(model, settings):
        raise InputError.at("--loci", f"{model.name} is placed by the TSS, which is not known", "give --loci")
    if model.kind == "output":
        return _plan_output(cast(OutputModel, model), elements, genome, settings, cast(pd.Series, locus))
    return _plan_language(cast(LanguageModel, model), elements, genome, settings, locus)


def needs_locus(model: LanguageModel | OutputModel, settings: Settled) -> bool:
    """Whether the TSS has to be known."""
    return model.kind == "output" or settings.readout == "dependency"


class Unusable(Exception):
    """The element itself cannot be scored: status and reason."""

    def __init__(self, status: str, reason: str):
        super().__init__(reason)
        self.status = status


def _plan_language(
    model: LanguageModel, elements: pd.DataFrame, genome: Genome, settings: Settled, locus: pd.Series | None
) -> LanguagePlan:
    plan = LanguagePlan([], settings, mask_stride(model))
    region = _target_region(locus, genome, settings) if settings.readout == "dependency" else ("", 0, 0)
    builder = _Builder(plan, strands=(False,) if model.equivariant else (False, True), causal=model.kind == "causal")
    _add_targets(plan, model.name, elements, lambda target, rng: builder.add(target, genome, region, rng))
    return plan


def _add_targets(
    plan: Plan, model: str, elements: pd.DataFrame, add: Callable[[Target, np.random.Generator], int]
) -> None:
    """Add every element to a plan, or why it cannot be scored; `add` returns the number of its edits."""
    for target in targets_of(elements):
        try:
            added = add(target, named_generator(plan.settings.seed, model, target.element))
        except Unusable as unusable:
            plan.targets.append(reject(target, unusable.status, str(unusable)))
        else:
            plan.targets.append(target if added else reject(target, "no_effects", "every edit equals the reference"))


class _Builder:
    """Adds elements to a plan; a sequence that is there already is not run again."""

    def __init__(self, plan: LanguagePlan, strands: tuple[bool, ...], causal: bool):
        self.plan, self.strands, self.causal = plan, strands, causal
        self._references: dict[bytes, int] = {}
        self._edited: dict[bytes, int] = {}
        self._probes: dict[tuple[bytes, tuple[int, ...]], Probe] = {}

    def add(self, target: Target, genome: Genome, region: tuple[str, int, int], rng: np.random.Generator) -> int:
        """Add the windows and edits of an element; returns the number of edits."""
        settings = self.plan.settings
        source = surroundings(genome, target, settings.window)
        whole = whole_sequence(source, target)
        if settings.readout == "dependency":
            return self._add_dependency(target, whole, genome, region, rng)
        if settings.perturbation == "decoy":
            return self._add_decoys(target, source, whole, rng)
        sites = sample_sites(whole, settings.sites, rng) if settings.by_site else np.empty(0, int)
        if settings.readout == "llr":
            self._add_probes(target, source)
            return sum(self._add_site(target, source, whole, site, rng) for site in sites)
        added = 0
        for first, last in tiles(target.end - target.start, settings.window):
            tile = target.start + first, target.start + last
            windows = [self._window(source, tile, self._place(*tile, strand), strand) for strand in self.strands]
            inside = sites[(sites >= first) & (sites < last)] - first
            for edit in _edits(whole[first:last], tile[0], inside, settings, rng):
                added += self._edit(windows, edit)
        return added

    def _add_site(
        self, target: Target, source: PaddedSequence, whole: str, site: np.integer, rng: np.random.Generator
    ) -> int:
        """One window per strand, whose pass serves every alternative."""
        settings, at = self.plan.settings, target.start + int(site)
        place = centred_window(at, at + 1, settings.window)
        windows = [self._window(source, (at, at + 1), place, strand) for strand in self.strands]
        readings = tuple(Reading(window, self.plan.windows[window].number) for window in windows)
        site_alone = np.array([site])
        edits = list(substitutions(whole, target.start, site_alone, settings.alternatives, rng))
        self.plan.edits += [PlannedEdit(len(self.plan.targets), edit, readings) for edit in edits]
        return len(edits)

    def _add_decoys(self, target: Target, source: PaddedSequence, whole: str, rng: np.random.Generator) -> int:
        """Windows of the real sequence, centred on sampled bases (llr) or on tiles, and of every decoy in its place.

        A decoy fills a window as far as the element does: real sequence and decoys are treated alike.
        """
        settings, edits = self.plan.settings, target.decoy_edits(whole)
        by_base = settings.readout == "llr"
        if by_base:
            spans = [(site, site + 1) for site in sample_sites(whole, settings.sites, rng).tolist()]
        else:
            spans = tiles(target.end - target.start, settings.window)
        windows = []
        for first, last in spans:
            tile = target.start + first, target.start + last
            place = centred_window(*tile, settings.window)
            windows.append([self._window(source, tile, place, strand) for strand in self.strands])
        for edit in edits:
            read = [
                [Reading(at, self._pass(at, edit.within(*self.plan.windows[at][1:3]))) for at in group]
                for group in windows
            ]
            # The readout llr pools the bases, as RIS does; of tiles each is an edit.
            for group in [list(itertools.chain(*read))] if by_base else read:
                window = self.plan.windows[group[0].window]
                part = edit if by_base else edit.within(window.start, window.end)
                self.plan.edits.append(PlannedEdit(len(self.plan.targets), part, tuple(group)))
        return len(edits)

    def _add_probes(self, target: Target, source: PaddedSequence) -> None:
        size = self.plan.settings.window
        for first, last, phases in probed_tiles(target.end - target.start, self.plan.settings, self.plan.mask_stride):
            tile = target.start + first, target.start + last
            place = centred_window(*tile, size)
            for strand in self.strands:
                window = Window(len(self.plan.targets), *place, tile, (0, 0), source, strand, -1)
                probe = self._probes.setdefault((_digest(window.letters()), phases), Probe([], phases))
                if not probe.windows:
                    self.plan.probes.append(probe)
                probe.windows.append(window)

    def _add_dependency(
        self, target: Target, whole: str, genome: Genome, region: tuple[str, int, int], rng: np.random.Generator
    ) -> int:
        """One window per strand that holds the element and the target region.

        A causal model reads on the strand on which the region comes after the edit, and nothing after the region.
        """
        settings, (chrom, first, last) = self.plan.settings, region
        start, end, size = min(target.start, first), max(target.end, last), self.plan.settings.window
        if chrom != target.chrom or end - start > size:
            raise Unusable("outside_context", f"no window of {size} bases holds it and {chrom}:{first}-{last}")
        windows = []
        for strand in self.strands:
            place = centred_window(start, end, size)
            if self.causal:
                if target.end <= first if strand else target.start >= last:
                    continue
                place = (start, start + size) if strand else (end - size, end)
            source = PaddedSequence.fetch(genome, chrom, place[0] - size, place[1] + size)
            windows.append(self._window(source, (target.start, target.end), place, strand, (first, last)))
        sites = sample_sites(whole, settings.sites, rng) if settings.by_site else np.empty(0, int)
        decoys = settings.perturbation == "decoy"
        edits = target.decoy_edits(whole) if decoys else _edits(whole, target.start, sites, settings, rng)
        # An edit of the whole region leaves nothing to read.
        return sum(self._edit(windows, edit) for edit in edits if not edit.start <= first < last <= edit.end)

    def _place(self, start: int, end: int, reverse: bool) -> tuple[int, int]:
        size = self.plan.settings.window
        centred = centred_window(start, end, size)
        if self.plan.settings.placement == "centre":
            return centred
        after = min(size // END_SHARE, centred[1] - end)
        return (start - after, start - after + size) if reverse else (end + after - size, end + after)

    def _window(
        self,
        source: PaddedSequence,
        tile: tuple[int, int],
        place: tuple[int, int],
        reverse: bool,
        region: tuple[int, int] = (0, 0),
    ) -> int:
        number = len(self.plan.windows)
        window = Window(len(self.plan.targets), *place, tile, region, source, reverse, -1)
        self.plan.windows.append(window)
        self.plan.windows[number] = window._replace(number=self._pass(number, None))
        return number

    def _edit(self, windows: Sequence[int], edit: Edit) -> bool:
        """Add an edit, unless it changes nothing."""
        if edit.shift and all(self.plan.windows[w].letters(edit) == self.plan.windows[w].letters() for w in windows):
            return False
        readings = tuple(Reading(window, self._pass(window, edit)) for window in windows)
        self.plan.edits.append(PlannedEdit(len(self.plan.targets), edit, readings))
        return True

    def _pass(self, number: int, edit: Edit | None) -> int:
        window = self.plan.windows[number]
        letters = window.letters(edit)
        key = letters
        # What is compared with what depends on more than the letters where bases move or only a region is read.
        apart = edit is not None and edit.shift != 0
        if apart or window.region != (0, 0):
            key += f"{window.letters()} {window.position(window.region)} {edit and window.span(edit)}"
        digest = _digest(key)
        earlier = self._references.get(digest)
        if earlier is None and edit is not None:
            earlier = self._edited.get(digest)
        if earlier is None:
            earlier = len(self.plan.passes)
            (self._references if edit is None else self._edited)[digest] = earlier
            self.plan.passes.append(Pass(number, edit, len(letters) if edit is None else window.first_changed(edit)))
            self.plan.lengths.append(len(letters))
        return earlier


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).digest()


def probed_tiles(length: int, settings: Settled, stride: int) -> list[tuple[int, int, tuple[int, ...]]]:
    """Tiles of an element of `length` bases in which a masked model reads its predictability, and the phases of each.

    By default a single tile is masked in all phases, so that each base is read. Of several, each is masked in its share
    of them: an element takes about as many forwards however long it is, and what is read is spread evenly over it. A
    tile has an eighth of a window on each side at least, half of what an edit has: no effect is read here.
    """
    parts = tiles(length, settings.window * 3 // 2)
    spans = [(first, last, *centred_window(first, last, settings.window)) for first, last in parts]
    count = -(-stride * settings.predictability_passes // (MASK_STRIDE * len(parts)))
    return [(first, last, mask_phases(end - start, stride, count)) for first, last, start, end in spans]


def _edits(
    sequence: str, offset: int, sites: np.ndarray, settings: Settled, rng: np.random.Generator
) -> Iterator[Edit]:
    """The edits of `sequence`, which begins at `offset` of the contig."""
    if settings.perturbation == "insertion":
        yield from insertions(offset, sites, settings.insert, settings.replicates, rng)
        return
    if settings.by_site:
        yield from substitutions(sequence, offset, sites, settings.alternatives, rng)
        return
    for first, last in blocks(len(sequence), settings.block):
        piece, at = sequence[first:last], offset + first
        if settings.perturbation == "shuffle":
            yield from shuffles(piece, at, settings.replicates, rng)
        elif settings.perturbation == "deletion":
            yield from deletions(piece, at)
        elif settings.perturbation == "mask":
            yield from n_masks(piece, at)
        else:
            yield from block_substitutions(piece, at, settings.replicates, rng)


def _plan_output(
    model: OutputModel, elements: pd.DataFrame, genome: Genome, settings: Settled, locus: pd.Series
) -> OutputPlan:
    chrom = str(locus["chrom"])
    place = output_place(int(locus["tss"]), str(locus["strand"]), model)
    # A deletion lets in what lies beyond the window.
    margin = int((elements["end"] - elements["start"]).max()) if settings.perturbation == "deletion" else 0
    plan = OutputPlan([], settings, OutputWindow.fetch(genome, chrom, place, margin))
    length = genome.length(chrom)

    def add(target: Target, rng: np.random.Generator) -> int:
        if target.chrom != chrom or target.start < place.start or target.end > place.end:
            raise Unusable("outside_context", f"not inside {chrom}:{place.start}-{place.end}")
        if target.end > length:
            raise Unusable("failed", f"ends past the end of {chrom} ({length})")
        whole = whole_sequence(plan.window.source, target)
        if settings.perturbation == "decoy":
            edits = target.decoy_edits(whole)
        else:
            sites = sample_sites(whole, settings.sites, rng)
            edits = list(_edits(whole, target.start, sites, settings, rng))
        plan.edits += [PlannedEdit(len(plan.targets), edit, ()) for edit in edits]
        return len(edits)

    _add_targets(plan, model.name, elements, add)
    return plan


def whole_sequence(source: PaddedSequence, target: Target) -> str:
    """The sequence of an element."""
    sequence = source.read(target.start, target.end)
    if not sequence.strip("N"):
        raise Unusable("n_masked", "holds no A, C, G or T")
    return sequence


def _target_region(locus: pd.Series | None, genome: Genome, settings: Settled) -> tuple[str, int, int]:
    """Contig, start and end of what `dependency` reads: around the TSS, on the gene's strand."""
    locus = cast(pd.Series, locus)
    chrom, tss, (upstream, downstream) = str(locus["chrom"]), int(locus["tss"]), settings.target
    start, end = (tss - upstream, tss + downstream)
    if str(locus["strand"]) == "-":
        start, end = tss + 1 - downstream, tss + 1 + upstream
    return chrom, max(0, start), min(genome.length(chrom), end)


def surroundings(genome: Genome, target: Target, window: int) -> PaddedSequence:
    """An element with a window more on each side, fetched once."""
    try:
        length = genome.length(target.chrom)
    except (KeyError, InputError) as error:
        raise Unusable("failed", f"contig {target.chrom!r} is not in the FASTA") from error
    if not 0 <= target.start < target.end <= length:
        raise Unusable("failed", f"{target.start}-{target.end} is not inside {target.chrom} (0-{length})")
    return PaddedSequence.fetch(genome, target.chrom, target.start - window, target.end + window)


def targets_of(elements: pd.DataFrame) -> Iterator[Target]:
    """The elements of a table as targets, all of them ``"ok"``."""
    columns: Sequence[pd.Series] = [elements[name] for name in ("element", "chrom", "start", "end")]
    decoys = elements["decoys"] if "decoys" in elements else [()] * len(elements)
    for element, chrom, start, end, own in zip(*columns, decoys, strict=True):
        yield Target(str(element), str(chrom), int(start), int(end), decoys=tuple(own))


def reject(target: Target, status: str, reason: str) -> Target:
    """`target` with why it cannot be scored."""
    return replace(target, status=status, reason=reason)
