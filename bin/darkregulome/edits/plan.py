"""What will be run, in what order, and what it costs, settled before any model runs.

A language model reads *windows*, one a strand. By default a window is centred on a *tile*: for `llr` the tile is one
sampled base; for `loglik` it is the element, cut into equal tiles (an odd number of them) where it is longer than half
the window, so that every tile has a quarter of a window or more of context on each side. To be centred exactly, a
window gives up one base where it must: then both strands see the same bases, and the reverse complement of a genome has
the same effects as the genome. With the placement ``end``, which is for causal models that reuse what comes before an
edit, the tile is followed by a sixteenth of the window only, on either strand. For `dependency` a window holds the
element and the target region. Past a contig's end a window holds N.

A window keeps its length under a deletion, by taking more sequence from the right, and under an insertion, by giving up
sequence at the right.

An output model reads one window a locus, placed by the TSS; an element that is not wholly inside gets the status
``outside_context``. What a deletion or an insertion moves is what lies beyond it, as seen from the TSS.
"""

import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import pandas as pd

from darkregulome.edits.perturb import (
    Perturbation,
    block_substitutions,
    blocks,
    clean,
    deletions,
    insertions,
    n_masks,
    named_generator,
    sample_sites,
    shuffles,
    substitutions,
)
from darkregulome.errors import InputError
from darkregulome.genome.alleles import is_bases
from darkregulome.genome.sequence import reverse_complement
from darkregulome.models.protocol import LanguageModel, OutputModel

PERTURBATIONS = ("substitution", "saturation", "shuffle", "deletion", "mask", "insertion")
READOUTS_OF_KIND = {"masked": ("llr", "loglik", "dependency"), "causal": ("loglik", "dependency"), "output": ("track",)}
READOUT_OF_KIND = {kind: readouts[0] for kind, readouts in READOUTS_OF_KIND.items()}
PERTURBATION_OF_KIND = {"masked": "substitution", "causal": "substitution", "output": "shuffle"}
PLACEMENTS = ("centre", "end")
MIN_WINDOW = 8
MASK_STRIDE = 7
"""Pseudo-log-likelihood masks every seventh base at once, as many as in training (15 %), in seven passes."""
EVERY_SITE = 2**31 - 1
END_SHARE = 16
"""With the placement ``end``, a tile is followed by one sixteenth of the window."""


class Genome(Protocol):
    """What is needed of a reference: stretches padded with N, and contig lengths."""

    def fetch(self, chrom: str, start: int, end: int) -> str: ...

    def length(self, chrom: str) -> int: ...


@dataclass(frozen=True)
class Settings:
    """How the elements are to be scored; `resolve` fills what is None from the model.

    Attributes
    ----------
    block : size of the pieces of an element that are edited one by one; None edits it whole (substitutions: one base).
    insert : what an insertion puts in: letters, or a number of bases to draw.
    target : bases upstream and downstream of the TSS that `dependency` reads.
    placement : where a tile lies in the window of a causal model, ``centre`` or ``end``; others have it in the centre.
    """

    readout: str | None = None
    perturbation: str | None = None
    window: int | None = None
    sites: int = 8
    replicates: int = 1
    alternatives: int | None = None
    seed: int = 0
    block: int | None = None
    insert: str | int = 10
    target: tuple[int, int] = (200, 50)
    placement: str = "centre"

    @property
    def by_site(self) -> bool:
        """Whether single bases are edited, or places between them, and not stretches."""
        return self.perturbation == "insertion" or (
            self.perturbation in ("substitution", "saturation") and not self.block
        )


@dataclass(frozen=True)
class Target:
    """An element to score, and whether it can be: `status` is ``"ok"`` or why not, `reason` says it in words."""

    element: str
    chrom: str
    start: int
    end: int
    status: str = "ok"
    reason: str = ""


@dataclass(frozen=True)
class Stretch:
    """A piece of a contig in memory, from `offset` on."""

    offset: int
    sequence: str

    def read(self, start: int, end: int) -> str:
        """The letters of ``[start, end)``."""
        return self.sequence[start - self.offset : end - self.offset]

    def edited(self, edit: Perturbation | None, start: int, end: int, hold_end: bool = False) -> str:
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
    source: Stretch
    reverse: bool
    number: int

    def letters(self, edit: Perturbation | None = None) -> str:
        """As the model reads it."""
        sequence = self.source.edited(edit, self.start, self.end)
        return reverse_complement(sequence) if self.reverse else sequence

    def first_changed(self, edit: Perturbation) -> int:
        """The first position that the edit can change, as the model reads."""
        if not self.reverse:
            return edit.start - self.start
        return 0 if edit.shift else self.end - edit.end

    def origin(self, edit: Perturbation | None) -> np.ndarray:
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

    def span(self, edit: Perturbation) -> tuple[int, int]:
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


class Reading(NamedTuple):
    """An edit in one window: the numbers of the window and of the pass that reads it."""

    window: int
    number: int


class Edit(NamedTuple):
    """A perturbation of a target, and its readings, one a strand (for `llr`, those of the masked reference)."""

    target: int
    perturbation: Perturbation
    readings: tuple[Reading, ...]


class Pass(NamedTuple):
    """One sequence through the model: the window `window`, with `edit` made if there is one.

    Up to `first` it equals its reference.
    """

    window: int
    edit: Perturbation | None
    first: int


@dataclass
class LanguagePlan:
    """Passes of a language model; equal sequences are one pass."""

    targets: list[Target]
    settings: Settings
    masked: bool = False
    mask_stride: int = MASK_STRIDE
    """Bases from one that is masked to the next, where several are at once."""
    windows: list[Window] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)

    @property
    def repeats(self) -> int:
        """Forwards a pass: pseudo-log-likelihood takes several."""
        return self.mask_stride if self.masked and self.settings.readout == "loglik" else 1

    @property
    def forwards(self) -> int:
        """Sequences through the model."""
        extra = (
            self.mask_stride * len(self.references()) if self.masked and self.settings.readout == "dependency" else 0
        )
        return self.repeats * len(self.passes) + extra

    @property
    def tokens(self) -> int:
        """Bases through the model."""
        tokens = self.repeats * sum(self.lengths)
        if self.masked and self.settings.readout == "dependency":
            tokens += self.mask_stride * sum(self.lengths[number] for number in self.references())
        return tokens

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
        """Numbers of passes of one length, a length at a time, shortest first, in the order of the plan."""
        chosen = np.arange(len(self.passes)) if numbers is None else np.asarray(numbers, dtype=int)
        lengths = np.asarray(self.lengths, dtype=int)[chosen]
        for length in np.unique(lengths):
            yield chosen[lengths == length]


@dataclass
class OutputPlan:
    """Edits of the one window that an output model reads at a locus."""

    targets: list[Target]
    settings: Settings
    start: int
    end: int
    tss: int
    source: Stretch
    flipped: bool
    """True where the model reads the reverse complement."""
    edits: list[Edit] = field(default_factory=list)

    @property
    def forwards(self) -> int:
        """Sequences through the model, the reference among them."""
        return len(self.edits) + 1 if self.edits else 0

    @property
    def tokens(self) -> int:
        """Bases through the model."""
        return self.forwards * (self.end - self.start)

    def reference(self) -> str:
        """The window as the model reads it."""
        return self._read(self.source.read(self.start, self.end))

    def edited(self, number: int) -> tuple[str, tuple[int, int]]:
        """The edited window as the model reads it, and the span outside of which it is the reference."""
        edit = self.edits[number].perturbation
        # The TSS keeps its place.
        hold_end = edit.end <= self.tss
        sequence = self.source.edited(edit, self.start, self.end, hold_end)
        first, last = edit.start - self.start, edit.end - self.start
        if edit.shift:
            first, last = (0, last) if hold_end else (first, len(sequence))
        if self.flipped:
            first, last = len(sequence) - last, len(sequence) - first
        return self._read(sequence), (first, last)

    def _read(self, sequence: str) -> str:
        return reverse_complement(sequence) if self.flipped else sequence


Plan = LanguagePlan | OutputPlan


def settings_of(
    entry: Any,
    context: int,
    *,
    readout: str = "auto",
    perturbation: str = "auto",
    window: int | None = None,
    sites: int | None = None,
    target: str = "200,50",
    **given: Any,
) -> Settings:
    """Settings from a script's options, what is left to the model taken from its entry in the registry.

    Parameters
    ----------
    context : longest window of the model.
    readout, perturbation : ``auto`` is the model's own; an own readout that cannot read the edits gives way.
    target : two numbers, as in ``200,50``.
    given : other fields of `Settings`.
    """
    edit = entry.perturbation if perturbation == "auto" else perturbation
    single = edit in (None, "substitution", "saturation") and given.get("block") is None
    own = None if entry.readout == "llr" and not single else entry.readout
    parts = target.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise InputError.at("--target", f"{target!r} is no region", "give two numbers, such as 200,50")
    return Settings(
        readout=own if readout == "auto" else readout,
        perturbation=edit,
        window=window or min(entry.window or context, context),
        sites=sites or entry.sites,
        target=(int(parts[0]), int(parts[1])),
        **given,
    )


def resolve(settings: Settings, model: LanguageModel | OutputModel) -> Settings:
    """`settings` with what was left open filled in for `model`, and checked against what it can do.

    Raises
    ------
    InputError
        A readout or perturbation that the kind of model does not have, or numbers out of range.
    """
    kind = model.kind
    perturbation = settings.perturbation or PERTURBATION_OF_KIND[kind]
    if perturbation not in PERTURBATIONS:
        raise InputError.at("--perturbation", f"{perturbation!r} is none", f"use {', '.join(PERTURBATIONS)}")
    settled = replace(settings, perturbation=perturbation)
    readout = _resolve_readout(settled, kind)
    window = _resolve_window(settings, model)
    for option, value, least in (
        ("--window", window, MIN_WINDOW),
        ("--sites", settings.sites, 1),
        ("--replicates", settings.replicates, 1),
        ("--block", 1 if settings.block is None else settings.block, 1),
    ):
        if value < least:
            raise InputError.at(option, f"{value} is too small", f"give {least} or more")
    if min(settings.target) < 0 or sum(settings.target) < 1:
        raise InputError.at("--target", f"{settings.target} is no region", "give two numbers, such as 200,50")
    alternatives = settings.alternatives or (3 if readout == "llr" else 1)
    if alternatives not in (1, 3):
        raise InputError.at("--alternatives", f"{alternatives} is neither 1 nor 3", "give 1 or 3")
    if settings.placement not in PLACEMENTS:
        raise InputError.at("--placement", f"{settings.placement!r} is none", f"use {', '.join(PLACEMENTS)}")
    # For the others nothing is gained by it.
    placement = settings.placement if kind == "causal" else "centre"
    insert = _insert(settings.insert)
    length = insert if isinstance(insert, int) else len(insert)
    if perturbation == "insertion" and not 1 <= length <= window // 4:
        raise InputError.at("--insert", f"{length} bases do not fit", f"give 1 to {window // 4} bases")
    sites = settings.sites
    if perturbation == "saturation":
        sites, alternatives = EVERY_SITE, 3
    return replace(
        settled,
        readout=readout,
        window=window,
        sites=sites,
        alternatives=alternatives,
        insert=insert,
        placement=placement,
    )


def _resolve_readout(settings: Settings, kind: str) -> str:
    """The readout of settings whose perturbation is settled."""
    # What edits single bases, where llr can compare them.
    single = settings.by_site and settings.perturbation != "insertion"
    readout = settings.readout or ("loglik" if kind == "masked" and not single else READOUT_OF_KIND[kind])
    if readout not in READOUTS_OF_KIND[kind]:
        allowed = ", ".join(READOUTS_OF_KIND[kind])
        raise InputError.at("--readout", f"{readout!r} is not a readout of {kind} models", f"use {allowed} or auto")
    if readout == "llr" and not single:
        raise InputError.at(
            "--perturbation",
            f"{settings.perturbation!r} cannot be read as llr, which compares bases at one masked site",
            "use substitution or saturation without --block, or --readout loglik",
        )
    return readout


def _resolve_window(settings: Settings, model: LanguageModel | OutputModel) -> int:
    output = model.kind == "output"
    window = model.context if output else min(settings.window or model.context, model.context)
    if settings.window is not None and settings.window != window:
        raise InputError.at(
            "--window",
            f"{settings.window} bases do not fit {model.name}, which reads {model.context}",
            f"give {'exactly' if output else 'at most'} {model.context}",
        )
    return window


def _insert(given: str | int) -> str | int:
    text = str(given).upper()
    if text.isdecimal():
        return int(text)
    if not is_bases(text):
        raise InputError.at("--insert", f"{given!r} is neither a number nor DNA", "give a number of bases, or letters")
    return text


def make_plan(
    model: LanguageModel | OutputModel,
    elements: pd.DataFrame,
    genome: Genome,
    settings: Settings,
    locus: pd.Series | None = None,
) -> Plan:
    """The plan of elements of one locus.

    Parameters
    ----------
    elements : table of the locus's elements (schema ELEMENTS).
    locus : row of the loci table (chrom, tss, strand); output models and the readout `dependency` need it.
    """
    settings = resolve(settings, model)
    if locus is None and needs_locus(model, settings):
        raise InputError.at("--loci", f"{model.name} is placed by the TSS, which is not known", "give --loci")
    if model.kind == "output":
        return _plan_output(cast(OutputModel, model), elements, genome, settings, cast(pd.Series, locus))
    return _plan_language(cast(LanguageModel, model), elements, genome, settings, locus)


def needs_locus(model: LanguageModel | OutputModel, settings: Settings) -> bool:
    """Whether the TSS has to be known."""
    return model.kind == "output" or settings.readout == "dependency"


class _Unusable(Exception):
    """The element itself cannot be scored: status and reason."""

    def __init__(self, status: str, reason: str):
        super().__init__(reason)
        self.status = status


def _plan_language(
    model: LanguageModel, elements: pd.DataFrame, genome: Genome, settings: Settings, locus: pd.Series | None
) -> LanguagePlan:
    # A model over k-mers masks k of them, or one of k bases, with a base: so many more bases lie between.
    stride = MASK_STRIDE * getattr(model, "k", 1)
    plan = LanguagePlan([], settings, model.kind == "masked", stride)
    region = _target_region(locus, genome, settings) if settings.readout == "dependency" else ("", 0, 0)
    builder = _Builder(plan, strands=(False,) if model.equivariant else (False, True), causal=model.kind == "causal")
    for target in targets_of(elements):
        rng = named_generator(settings.seed, model.name, target.element)
        try:
            added = builder.add(target, genome, region, rng)
        except _Unusable as unusable:
            plan.targets.append(reject(target, unusable.status, str(unusable)))
        else:
            plan.targets.append(target if added else reject(target, "no_effects", "every edit equals the reference"))
    return plan


class _Builder:
    """Adds elements to a plan; a sequence that is there already is not run again."""

    def __init__(self, plan: LanguagePlan, strands: tuple[bool, ...], causal: bool):
        self.plan, self.strands, self.causal = plan, strands, causal
        self._references: dict[bytes, int] = {}
        self._edited: dict[bytes, int] = {}

    def add(self, target: Target, genome: Genome, region: tuple[str, int, int], rng: np.random.Generator) -> int:
        """Add the windows and edits of an element; returns the number of edits."""
        settings = self.plan.settings
        source = _surroundings(genome, target, settings.window or 0)
        whole = source.read(target.start, target.end)
        if not whole.strip("N"):
            raise _Unusable("n_masked", "holds no A, C, G or T")
        if settings.readout == "dependency":
            return self._add_dependency(target, whole, genome, region, rng)
        sites = sample_sites(whole, settings.sites, rng) if settings.by_site else np.empty(0, int)
        if settings.readout == "llr":
            return sum(self._add_site(target, source, whole, site, rng) for site in sites)
        added = 0
        for first, last in tiles(target.end - target.start, settings.window or 0):
            tile = target.start + first, target.start + last
            windows = [self._window(source, tile, self._place(*tile, strand), strand) for strand in self.strands]
            inside = sites[(sites >= first) & (sites < last)] - first
            for edit in _edits(whole[first:last], tile[0], inside, settings, rng):
                added += self._edit(windows, edit)
        return added

    def _add_site(self, target: Target, source: Stretch, whole: str, site: np.integer, rng: np.random.Generator) -> int:
        """One window a strand, whose pass serves every alternative."""
        settings, at = self.plan.settings, target.start + int(site)
        place = centred_window(at, at + 1, settings.window or 0)
        windows = [self._window(source, (at, at + 1), place, strand) for strand in self.strands]
        readings = tuple(Reading(window, self.plan.windows[window].number) for window in windows)
        site_alone = np.array([site])
        edits = list(substitutions(whole, target.start, site_alone, settings.alternatives or 3, rng))
        self.plan.edits += [Edit(len(self.plan.targets), edit, readings) for edit in edits]
        return len(edits)

    def _add_dependency(
        self, target: Target, whole: str, genome: Genome, region: tuple[str, int, int], rng: np.random.Generator
    ) -> int:
        """One window a strand that holds the element and the target region.

        A causal model reads on the strand on which the region comes after the edit, and nothing after the region.
        """
        settings, (chrom, first, last) = self.plan.settings, region
        start, end, size = min(target.start, first), max(target.end, last), self.plan.settings.window or 0
        if chrom != target.chrom or end - start > size:
            raise _Unusable("outside_context", f"no window of {size} bases holds it and {chrom}:{first}-{last}")
        windows = []
        for strand in self.strands:
            place = centred_window(start, end, size)
            if self.causal:
                if target.end <= first if strand else target.start >= last:
                    continue
                place = (start, start + size) if strand else (end - size, end)
            source = Stretch(place[0] - size, clean(genome.fetch(chrom, place[0] - size, place[1] + size)))
            windows.append(self._window(source, (target.start, target.end), place, strand, (first, last)))
        sites = sample_sites(whole, settings.sites, rng) if settings.by_site else np.empty(0, int)
        edits = _edits(whole, target.start, sites, settings, rng)
        # An edit of the whole region leaves nothing to read.
        return sum(self._edit(windows, edit) for edit in edits if not edit.start <= first < last <= edit.end)

    def _place(self, start: int, end: int, reverse: bool) -> tuple[int, int]:
        size = self.plan.settings.window or 0
        centred = centred_window(start, end, size)
        if self.plan.settings.placement == "centre":
            return centred
        after = min(size // END_SHARE, centred[1] - end)
        return (start - after, start - after + size) if reverse else (end + after - size, end + after)

    def _window(
        self,
        source: Stretch,
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

    def _edit(self, windows: Sequence[int], edit: Perturbation) -> bool:
        """Add an edit, unless it changes nothing."""
        if edit.shift and all(self.plan.windows[w].letters(edit) == self.plan.windows[w].letters() for w in windows):
            return False
        readings = tuple(Reading(window, self._pass(window, edit)) for window in windows)
        self.plan.edits.append(Edit(len(self.plan.targets), edit, readings))
        return True

    def _pass(self, number: int, edit: Perturbation | None) -> int:
        window = self.plan.windows[number]
        letters = window.letters(edit)
        key = hashlib.blake2b(letters.encode("ascii"), digest_size=16)
        # What is compared with what depends on more than the letters where bases move or only a region is read.
        apart = edit is not None and edit.shift != 0
        if apart or window.region != (0, 0):
            key.update(f"{window.letters()} {window.position(window.region)} {edit and window.span(edit)}".encode())
        digest = key.digest()
        known = self._references.get(digest)
        if known is None and edit is not None:
            known = self._edited.get(digest)
        if known is None:
            known = len(self.plan.passes)
            (self._references if edit is None else self._edited)[digest] = known
            self.plan.passes.append(Pass(number, edit, len(letters) if edit is None else window.first_changed(edit)))
            self.plan.lengths.append(len(letters))
        return known


def _edits(
    sequence: str, offset: int, sites: np.ndarray, settings: Settings, rng: np.random.Generator
) -> Iterator[Perturbation]:
    """The edits of `sequence`, which begins at `offset` of the contig."""
    if settings.perturbation == "insertion":
        yield from insertions(offset, sites, settings.insert, settings.replicates, rng)
        return
    if settings.by_site:
        yield from substitutions(sequence, offset, sites, settings.alternatives or 1, rng)
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


def output_window(tss: int, strand: str, model: OutputModel) -> tuple[int, int, bool]:
    """Start and end of the window of an output model at a TSS, and whether it reads the reverse complement."""
    if model.stranded and strand == "-":
        end = tss + 1 + model.tss_offset
        return end - model.context, end, True
    start = tss - model.tss_offset
    return start, start + model.context, False


def _plan_output(
    model: OutputModel, elements: pd.DataFrame, genome: Genome, settings: Settings, locus: pd.Series
) -> OutputPlan:
    chrom, tss, strand = str(locus["chrom"]), int(locus["tss"]), str(locus["strand"])
    start, end, flipped = output_window(tss, strand, model)
    # A deletion lets in what lies beyond the window.
    margin = int((elements["end"] - elements["start"]).max()) if settings.perturbation == "deletion" else 0
    source = Stretch(start - margin, clean(genome.fetch(chrom, start - margin, end + margin)))
    plan = OutputPlan([], settings, start, end, tss, source, flipped)
    length = genome.length(chrom)
    for target in targets_of(elements):
        if target.chrom != chrom or target.start < start or target.end > end:
            plan.targets.append(reject(target, "outside_context", f"not inside {chrom}:{start}-{end}"))
            continue
        if target.end > length:
            plan.targets.append(reject(target, "failed", f"ends past the end of {chrom} ({length})"))
            continue
        inside = source.read(target.start, target.end)
        if not inside.strip("N"):
            plan.targets.append(reject(target, "n_masked", "holds no A, C, G or T"))
            continue
        rng = named_generator(settings.seed, model.name, target.element)
        sites = sample_sites(inside, settings.sites, rng)
        edits = [Edit(len(plan.targets), edit, ()) for edit in _edits(inside, target.start, sites, settings, rng)]
        plan.edits += edits
        plan.targets.append(target if edits else reject(target, "no_effects", "every edit equals the reference"))
    return plan


def _target_region(locus: pd.Series | None, genome: Genome, settings: Settings) -> tuple[str, int, int]:
    """Contig, start and end of what `dependency` reads: around the TSS, on the gene's strand."""
    locus = cast(pd.Series, locus)
    chrom, tss, (upstream, downstream) = str(locus["chrom"]), int(locus["tss"]), settings.target
    start, end = (tss - upstream, tss + downstream)
    if str(locus["strand"]) == "-":
        start, end = tss + 1 - downstream, tss + 1 + upstream
    return chrom, max(0, start), min(genome.length(chrom), end)


def _surroundings(genome: Genome, target: Target, window: int) -> Stretch:
    """An element with a window more on each side, fetched once."""
    try:
        length = genome.length(target.chrom)
    except (KeyError, InputError) as error:
        raise _Unusable("failed", f"contig {target.chrom!r} is not in the FASTA") from error
    if not 0 <= target.start < target.end <= length:
        raise _Unusable("failed", f"{target.start}-{target.end} is not inside {target.chrom} (0-{length})")
    offset = target.start - window
    return Stretch(offset, clean(genome.fetch(target.chrom, offset, target.end + window)))


def targets_of(elements: pd.DataFrame) -> Iterator[Target]:
    """The elements of a table as targets, all of them ``"ok"``."""
    columns: Sequence[pd.Series] = [elements[name] for name in ("element", "chrom", "start", "end")]
    for element, chrom, start, end in zip(*columns, strict=True):
        yield Target(str(element), str(chrom), int(start), int(end))


def reject(target: Target, status: str, reason: str) -> Target:
    """`target` with why it cannot be scored."""
    return replace(target, status=status, reason=reason)
