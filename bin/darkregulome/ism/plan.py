"""What will be run, in what order, and what it costs, settled before any model runs.

A language model reads *windows*. A window is centred on a *tile*: for a masked model the tile is one sampled base;
for a causal model it is the element, cut into equal tiles (an odd number of them) where it is longer than half the
window, so that every tile has a quarter of a window or more of context on each side. To be centred exactly, a
window gives up one base where it must: then both strands see the same bases, and the reverse complement of a genome
has the same effects as the genome. Past a contig's end a window holds N.

An output model reads one window a locus, placed by the TSS; an element that is not wholly inside gets the status
``outside_context``.
"""

import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, cast

import numpy as np
import pandas as pd

from darkregulome.errors import InputError
from darkregulome.genome.sequence import reverse_complement
from darkregulome.ism.perturb import (
    Perturbation,
    clean,
    n_masks,
    named_generator,
    sample_sites,
    shuffles,
    substitutions,
)
from darkregulome.models.protocol import LanguageModel, OutputModel

PERTURBATIONS = ("substitution", "shuffle", "mask")
READOUT_OF_KIND = {"masked": "llr", "causal": "loglik", "output": "track"}
PERTURBATION_OF_KIND = {"masked": "substitution", "causal": "substitution", "output": "shuffle"}
MIN_WINDOW = 8


class Genome(Protocol):
    """What is needed of a reference: stretches padded with N, and contig lengths."""

    def fetch(self, chrom: str, start: int, end: int) -> str: ...

    def length(self, chrom: str) -> int: ...


@dataclass(frozen=True)
class Settings:
    """How the elements are to be scored; `resolve` fills what is None from the model."""

    readout: str | None = None
    perturbation: str | None = None
    window: int | None = None
    sites: int = 8
    replicates: int = 1
    alternatives: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Target:
    """An element to score, and whether it can be: `status` is ``"ok"`` or why not, `reason` says it in words."""

    element: str
    chrom: str
    start: int
    end: int
    status: str = "ok"
    reason: str = ""


class Window(NamedTuple):
    """A stretch that a language model reads, the tile it is centred on, and the passes of its reference."""

    target: int
    start: int
    tile_start: int
    tile_end: int
    sequence: str
    forward: int
    reverse: int
    """-1 where one strand is enough."""


class Edit(NamedTuple):
    """A perturbation in a window, and its passes (those of the window for a masked model)."""

    window: int
    perturbation: Perturbation
    forward: int
    reverse: int


class Pass(NamedTuple):
    """One sequence through the model: the window `window`, with `edit` made if there is one, on one strand."""

    window: int
    edit: Perturbation | None
    reverse: bool


@dataclass
class LanguagePlan:
    """Passes of a language model; equal sequences are one pass."""

    targets: list[Target]
    settings: Settings
    windows: list[Window] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)

    @property
    def forwards(self) -> int:
        """Sequences through the model."""
        return len(self.passes)

    @property
    def tokens(self) -> int:
        """Bases through the model."""
        return sum(self.lengths)

    def sequence(self, number: int) -> str:
        """The letters of a pass."""
        job = self.passes[number]
        return _letters(self.windows[job.window], job.edit, job.reverse)

    def groups(self) -> Iterator[np.ndarray]:
        """Numbers of the passes of one length, a length at a time, shortest first, in the order of the plan."""
        lengths = np.asarray(self.lengths, dtype=int)
        for length in np.unique(lengths):
            yield np.flatnonzero(lengths == length)


@dataclass
class OutputPlan:
    """Edits of the one window that an output model reads at a locus."""

    targets: list[Target]
    settings: Settings
    start: int
    sequence: str
    """The window on the forward strand."""
    flipped: bool
    """True where the model reads the reverse complement."""
    edits: list[tuple[int, Perturbation]] = field(default_factory=list)

    @property
    def forwards(self) -> int:
        """Sequences through the model, the reference among them."""
        return len(self.edits) + 1 if self.edits else 0

    @property
    def tokens(self) -> int:
        """Bases through the model."""
        return self.forwards * len(self.sequence)

    def reference(self) -> str:
        """The window as the model reads it."""
        return reverse_complement(self.sequence) if self.flipped else self.sequence

    def edited(self, number: int) -> tuple[str, tuple[int, int]]:
        """The edited window as the model reads it, and the span of the edit in it."""
        edit = self.edits[number][1]
        sequence = edit.apply(self.sequence, self.start)
        first, last = edit.start - self.start, edit.end - self.start
        if not self.flipped:
            return sequence, (first, last)
        return reverse_complement(sequence), (len(sequence) - last, len(sequence) - first)


Plan = LanguagePlan | OutputPlan


def resolve(settings: Settings, model: LanguageModel | OutputModel) -> Settings:
    """`settings` with what was left open filled in for `model`, and checked against what it can do.

    Raises
    ------
    InputError
        A readout or perturbation that the kind of model does not have, or numbers out of range.
    """
    kind = model.kind
    readout = settings.readout or READOUT_OF_KIND[kind]
    if readout != READOUT_OF_KIND[kind]:
        raise InputError.at(
            "--readout", f"{readout!r} is not a readout of {kind} models", f"use {READOUT_OF_KIND[kind]!r} or auto"
        )
    perturbation = settings.perturbation or PERTURBATION_OF_KIND[kind]
    allowed = ("substitution",) if kind == "masked" else PERTURBATIONS
    if perturbation not in allowed:
        raise InputError.at(
            "--perturbation", f"{perturbation!r} cannot be read from a {kind} model", f"use {', '.join(allowed)}"
        )
    window = model.context if kind == "output" else min(settings.window or model.context, model.context)
    if settings.window is not None and settings.window != window:
        raise InputError.at(
            "--window",
            f"{settings.window} bases do not fit {model.name}, which reads {model.context}",
            f"give {'exactly' if kind == 'output' else 'at most'} {model.context}",
        )
    for option, value, least in (
        ("--window", window, MIN_WINDOW),
        ("--sites", settings.sites, 1),
        ("--replicates", settings.replicates, 1),
    ):
        if value < least:
            raise InputError.at(option, f"{value} is too small", f"give {least} or more")
    alternatives = settings.alternatives or (3 if kind == "masked" else 1)
    if alternatives not in (1, 3):
        raise InputError.at("--alternatives", f"{alternatives} is neither 1 nor 3", "give 1 or 3")
    return Settings(readout, perturbation, window, settings.sites, settings.replicates, alternatives, settings.seed)


def make_plan(
    model: LanguageModel | OutputModel,
    elements: pd.DataFrame,
    genome: Genome,
    settings: Settings,
    locus: pd.Series | None = None,
) -> Plan:
    """The plan of one locus.

    Parameters
    ----------
    elements : table of the locus's elements (schema ELEMENTS).
    locus : row of the loci table (chrom, tss, strand); output models need it.
    """
    settings = resolve(settings, model)
    if model.kind != "output":
        return _plan_language(cast(LanguageModel, model), elements, genome, settings)
    if locus is None:
        raise InputError.at("--loci", f"{model.name} is placed by the TSS, which is not known", "give --loci")
    return _plan_output(cast(OutputModel, model), elements, genome, settings, locus)


def _plan_language(model: LanguageModel, elements: pd.DataFrame, genome: Genome, settings: Settings) -> LanguagePlan:
    plan = LanguagePlan([], settings)
    builder = _Passes(plan, both_strands=not model.equivariant)
    for target in targets_of(elements):
        try:
            reference = _Stretch(genome, target, settings.window or 0)
        except _Unusable as unusable:
            plan.targets.append(reject(target, "failed", str(unusable)))
            continue
        sequence = reference.read(target.start, target.end)
        number = len(plan.targets)
        rng = named_generator(settings.seed, model.name, target.element)
        if not sequence.strip("N"):
            plan.targets.append(reject(target, "n_masked", "holds no A, C, G or T"))
            continue
        if model.kind == "masked":
            added = _add_masked(builder, number, target, reference, settings, rng)
        else:
            added = _add_causal(builder, number, target, reference, settings, rng)
        plan.targets.append(target if added else reject(target, "no_effects", "every edit equals the reference"))
    return plan


def _add_masked(
    builder: "_Passes", number: int, target: Target, reference: "_Stretch", settings: Settings, rng: np.random.Generator
) -> int:
    """One window a sampled site; its pass serves every alternative."""
    sequence = reference.read(target.start, target.end)
    added = 0
    for site in sample_sites(sequence, settings.sites, rng):
        window = builder.window(number, target.start + int(site), target.start + int(site) + 1, reference, settings)
        passes = builder.plan.windows[window]
        for edit in substitutions(sequence, target.start, site[None], settings.alternatives or 3, rng):
            builder.plan.edits.append(Edit(window, edit, passes.forward, passes.reverse))
            added += 1
    return added


def _add_causal(
    builder: "_Passes", number: int, target: Target, reference: "_Stretch", settings: Settings, rng: np.random.Generator
) -> int:
    """One window a tile, its reference, and a pass a strand for each edit in the tile."""
    whole = reference.read(target.start, target.end)
    sites = sample_sites(whole, settings.sites, rng) if settings.perturbation == "substitution" else np.empty(0, int)
    added = 0
    for first, last in tiles(target.end - target.start, settings.window or 0):
        window = builder.window(number, target.start + first, target.start + last, reference, settings)
        inside = sites[(sites >= first) & (sites < last)] - first
        for edit in _edits(whole[first:last], target.start + first, inside, settings, rng):
            builder.edit(window, edit)
            added += 1
    return added


def _edits(
    sequence: str, offset: int, sites: np.ndarray, settings: Settings, rng: np.random.Generator
) -> Iterator[Perturbation]:
    if settings.perturbation == "substitution":
        return substitutions(sequence, offset, sites, settings.alternatives or 1, rng)
    if settings.perturbation == "shuffle":
        return shuffles(sequence, offset, settings.replicates, rng)
    return n_masks(sequence, offset)


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
    sequence = clean(genome.fetch(chrom, start, end))
    plan = OutputPlan([], settings, start, sequence, flipped)
    length = genome.length(chrom)
    for target in targets_of(elements):
        if target.chrom != chrom or target.start < start or target.end > end:
            plan.targets.append(reject(target, "outside_context", f"not inside {chrom}:{start}-{end}"))
            continue
        if target.end > length:
            plan.targets.append(reject(target, "failed", f"ends past the end of {chrom} ({length})"))
            continue
        inside = sequence[target.start - start : target.end - start]
        if not inside.strip("N"):
            plan.targets.append(reject(target, "n_masked", "holds no A, C, G or T"))
            continue
        rng = named_generator(settings.seed, model.name, target.element)
        sites = sample_sites(inside, settings.sites, rng)
        edits = list(_edits(inside, target.start, sites, settings, rng))
        plan.edits += [(len(plan.targets), edit) for edit in edits]
        plan.targets.append(target if edits else reject(target, "no_effects", "every edit equals the reference"))
    return plan


class _Unusable(Exception):
    """The element itself is at fault."""


class _Stretch:
    """An element's surroundings, fetched once: half a window more than the element on each side."""

    def __init__(self, genome: Genome, target: Target, window: int):
        try:
            length = genome.length(target.chrom)
        except (KeyError, InputError) as error:
            raise _Unusable(f"contig {target.chrom!r} is not in the FASTA") from error
        if not 0 <= target.start < target.end <= length:
            raise _Unusable(f"{target.start}-{target.end} is not inside {target.chrom} (0-{length})")
        self.offset = target.start - window
        self.sequence = clean(genome.fetch(target.chrom, self.offset, target.end + window))

    def read(self, start: int, end: int) -> str:
        return self.sequence[start - self.offset : end - self.offset]


class _Passes:
    """Adds windows and edits to a plan; a sequence that is there already is not run again."""

    def __init__(self, plan: LanguagePlan, both_strands: bool):
        self.plan = plan
        self.both_strands = both_strands
        self._known: dict[bytes, int] = {}

    def window(self, target: int, tile_start: int, tile_end: int, reference: _Stretch, settings: Settings) -> int:
        start, end = centred_window(tile_start, tile_end, settings.window or 0)
        number = len(self.plan.windows)
        window = Window(target, start, tile_start, tile_end, reference.read(start, end), -1, -1)
        self.plan.windows.append(window)
        forward, reverse = self._strands(number, None)
        self.plan.windows[number] = window._replace(forward=forward, reverse=reverse)
        return number

    def edit(self, window: int, perturbation: Perturbation) -> None:
        self.plan.edits.append(Edit(window, perturbation, *self._strands(window, perturbation)))

    def _strands(self, window: int, edit: Perturbation | None) -> tuple[int, int]:
        forward = self._add(Pass(window, edit, False))
        return forward, self._add(Pass(window, edit, True)) if self.both_strands else -1

    def _add(self, job: Pass) -> int:
        window = self.plan.windows[job.window]
        letters = _letters(window, job.edit, job.reverse)
        key = hashlib.blake2b(letters.encode("ascii"), digest_size=16).digest()
        number = self._known.setdefault(key, len(self.plan.passes))
        if number == len(self.plan.passes):
            self.plan.passes.append(job)
            self.plan.lengths.append(len(letters))
        return number


def _letters(window: Window, edit: Perturbation | None, reverse: bool) -> str:
    sequence = window.sequence if edit is None else edit.apply(window.sequence, window.start)
    return reverse_complement(sequence) if reverse else sequence


def targets_of(elements: pd.DataFrame) -> Iterator[Target]:
    """The elements of a table as targets, all of them ``"ok"``."""
    columns: Sequence[pd.Series] = [elements[name] for name in ("element", "chrom", "start", "end")]
    for element, chrom, start, end in zip(*columns, strict=True):
        yield Target(str(element), str(chrom), int(start), int(end))


def reject(target: Target, status: str, reason: str) -> Target:
    """`target` with why it cannot be scored."""
    return Target(target.element, target.chrom, target.start, target.end, status, reason)
