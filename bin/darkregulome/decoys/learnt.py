"""Learnt decoys: what a language model of the run would write in an element's place, given the flanks.

Masked models: a star of Gibbs walks (Besag and Clifford 1989, Biometrika 76:633)
    From the real sequence a walk leads to a *hub*, and from the hub independent walks of the same length to the decoys.
    If the model wrote the element, and the walk is reversible, then the real sequence is itself such a walk away from
    the hub: given the hub, the real sequence and the decoys are independent draws of one law, however little the walks
    have mixed. Decoys drawn along one chain that begins at the real sequence are not exchangeable with it.

    A walk redraws blocks of bases, every seventh base (`forwards.MASK_STRIDE`) at once, each base from the model's
    distribution while the block is masked. Redrawing a block given the rest is a projection, self-adjoint in the law
    whose conditionals these are. A product of projections is not, but its adjoint is the product in reversed order. So
    the order of the blocks is drawn, each walk its own: permutations of all blocks one after the other, cut to the
    number wanted, and read backwards with probability 1/2. Each order is as probable as its reverse, the kernel is the
    mean over orders, hence self-adjoint, that is reversible.

    The conditionals of a trained network are not exactly those of one law, and the bases of a block are drawn as if
    they were independent given the rest: both make the star an approximation, which a calibration on sequences that the
    model has written can test, and no proof can.
Causal models: ancestral sampling
    Base after base given what stands before it, on a strand that is drawn for every decoy. The draws are independent,
    and exchangeable with the real sequence if the model wrote it so. The flank behind the element is not seen.

A masked model reads an element in the windows in which `edits/plan.py` reads its predictability (`probed_tiles`):
centred on the element or, where it is longer than three quarters of a window, on each of its tiles.

The log-likelihood of a sequence is the mean over its bases of log p given the flanks (nats), over the strands read: of
a masked model while the base is masked, every seventh at a time; of a causal one given what stands before it.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp

from darkregulome.decoys.place import Place
from darkregulome.edits.batches import Batches
from darkregulome.edits.edit import named_generator
from darkregulome.edits.forwards import as_numbers, codes, log_probs_of_bases, mask_stride
from darkregulome.edits.windows import centred_window, tiles
from darkregulome.genome.bases import base_codes, letters_of_codes
from darkregulome.genome.sequence import reverse_complement
from darkregulome.models.protocol import LanguageModel


@dataclass(frozen=True)
class Drawing:
    """How a language model draws: bases that it sees, sweeps of a walk, temperature, seed, sequences per batch."""

    window: int
    sweeps: float = 2.0
    temperature: float = 1.0
    seed: int = 0
    batch_size: int | None = None


@dataclass
class Walk:
    """A sequence in an element's place, which changes; every walk has random numbers of its own."""

    place: Place
    sequence: NDArray[np.uint8]
    rng: np.random.Generator


@dataclass(frozen=True)
class Row:
    """A window to be read: which walk's, its letters, the masked positions, and those of `sites` that are read there.

    `positions` and `sites` are as the model reads; ``sites[i]`` is the number, among the sites of the walk's block, of
    the base at ``positions[i]``, -1 where the base is masked and not read.
    """

    walk: int
    letters: str
    positions: NDArray[np.int64]
    sites: NDArray[np.int64]
    reverse: bool


def block_order(updates: int, blocks: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Blocks in the order in which a walk redraws them: an order and its reverse are equally probable."""
    rounds = [rng.permutation(blocks) for _ in range(math.ceil(updates / blocks))]
    order = np.concatenate(rounds)[:updates]
    return order[::-1] if rng.random() < 0.5 else order


def pick(log_p: NDArray[np.float64], temperature: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """A base of each row of log-probabilities, (bases, 4), at a temperature."""
    cold = log_p / temperature
    share = np.cumsum(np.exp(cold - logsumexp(cold, axis=1, keepdims=True)), axis=1)
    return (rng.random(len(log_p))[:, None] >= share[:, :3]).sum(axis=1)


class MaskedWriter:
    """Draws stars of Gibbs walks by a masked model."""

    def __init__(self, model: LanguageModel, drawing: Drawing):
        self.model, self.drawing, self.name = model, drawing, model.name
        self.strands = (False,) if model.equivariant else (False, True)
        self.stride = mask_stride(model)

    def write(self, places: Sequence[Place], numbers: Sequence[int]) -> list[list[str]]:
        """Decoys of each place, by number."""
        hubs = [self._begin(place, base_codes(place.sequence), "hub") for place in places]
        self.walk(hubs)
        walks = [self._begin(hub.place, hub.sequence.copy(), str(number)) for hub in hubs for number in numbers]
        self.walk(walks)
        decoys = [letters_of_codes(walk.sequence) for walk in walks]
        return [decoys[at : at + len(numbers)] for at in range(0, len(decoys), len(numbers))]

    def walk(self, walks: Sequence[Walk]) -> None:
        """Take every walk as many steps as the settings say."""
        orders = []
        for walk in walks:
            blocks = self._blocks(walk.place)
            updates = max(1, round(self.drawing.sweeps * blocks))
            orders.append(block_order(updates, blocks, walk.rng))
        for step in range(max(map(len, orders), default=0)):
            moving = [(walk, int(order[step])) for walk, order in zip(walks, orders, strict=True) if step < len(order)]
            for (walk, block), log_p in zip(moving, self.log_probs(moving), strict=True):
                walk.sequence[self._sites(walk.place, block)] = pick(log_p, self.drawing.temperature, walk.rng)

    def log_likelihood(self, sequences: Sequence[tuple[Place, str]]) -> NDArray[np.float64]:
        """Mean log p of the bases of each sequence in its place, nats."""
        walks = [self._begin(place, base_codes(sequence), "") for place, sequence in sequences]
        asked = [(number, block) for number, walk in enumerate(walks) for block in range(self._blocks(walk.place))]
        sums, counts = np.zeros(len(walks)), np.zeros(len(walks))
        read = self.log_probs([(walks[number], block) for number, block in asked])
        for (number, block), log_p in zip(asked, read, strict=True):
            sites = self._sites(walks[number].place, block)
            sums[number] += log_p[np.arange(len(sites)), walks[number].sequence[sites]].sum()
            counts[number] += len(sites)
        return sums / counts

    def log_probs(self, walks: Sequence[tuple[Walk, int]]) -> list[NDArray[np.float64]]:
        """log p of A, C, G, T at the sites of a block of each walk while it is masked, (sites, 4)."""
        log_p = [np.zeros((len(self._sites(walk.place, block)), 4)) for walk, block in walks]
        rows = [row for number, (walk, block) in enumerate(walks) for row in self._rows(number, walk, block)]

        def run(numbers: NDArray[np.int64]) -> None:
            batch = [rows[number] for number in numbers.tolist()]
            # A base that is masked twice is masked once.
            width = max(len(row.positions) for row in batch)
            positions = torch.from_numpy(np.stack([np.resize(row.positions, width) for row in batch]))
            tokens = self.model.encode([row.letters for row in batch])
            positions = positions.to(tokens.device)
            for column in positions.T:
                tokens = self.model.mask(tokens, column)
            predicted = self.model.log_probs(tokens)
            at_sites = as_numbers(predicted[torch.arange(len(batch), device=predicted.device)[:, None], positions])
            for row, values in zip(batch, at_sites, strict=True):
                own = row.sites >= 0
                # Reversing A, C, G, T complements it.
                here = values[: len(own)][own][:, :: -1 if row.reverse else 1]
                log_p[row.walk][row.sites[own]] += here / len(self.strands)

        _run_by_length(self.model, self.drawing.batch_size, [len(row.letters) for row in rows], run)
        return [values - logsumexp(values, axis=1, keepdims=True) for values in log_p]

    def _begin(self, place: Place, sequence: NDArray[np.uint8], name: str) -> Walk:
        return Walk(place, sequence, named_generator(self.drawing.seed, "learnt", self.name, place.element, name))

    def _blocks(self, place: Place) -> int:
        return min(self.stride, place.length)

    def _sites(self, place: Place, block: int) -> NDArray[np.int64]:
        bases = place.bases
        return bases[bases % self._blocks(place) == block]

    def _rows(self, number: int, walk: Walk, block: int) -> Iterator[Row]:
        """One window per tile and strand; the block is masked in the tiles around too."""
        sequence = letters_of_codes(walk.sequence)
        for start, end, positions, read in self._layout(walk.place, block):
            letters = walk.place.window(sequence, start, end)
            for reverse in self.strands:
                if reverse:
                    yield Row(number, reverse_complement(letters), end - start - 1 - positions, read, True)
                else:
                    yield Row(number, letters, positions, read, False)

    def _layout(self, place: Place, block: int) -> list[tuple[int, int, NDArray[np.int64], NDArray[np.int64]]]:
        """Windows of a block: start and end, the masked positions, and which sites of the block are read there."""
        if (key := (self, block)) not in place.layouts:
            sites, layout = self._sites(place, block), []
            for first, last in tiles(place.length, self.drawing.window * 3 // 2):
                own = (sites >= first) & (sites < last)
                if not own.any():
                    continue
                start, end = centred_window(place.start + first, place.start + last, self.drawing.window)
                positions = place.start + sites - start
                inside = (positions >= 0) & (positions < end - start)
                layout.append((start, end, positions[inside], np.where(own, np.arange(len(sites)), -1)[inside]))
            place.layouts[key] = layout
        return place.layouts[key]


class CausalWriter:
    """Draws base after base by a causal model, on a strand that is drawn for every decoy."""

    def __init__(self, model: LanguageModel, drawing: Drawing):
        self.model, self.drawing, self.name = model, drawing, model.name

    def write(self, places: Sequence[Place], numbers: Sequence[int]) -> list[list[str]]:
        """Decoys of each place, by number."""
        rngs = [
            named_generator(self.drawing.seed, "learnt", self.name, place.element, str(number))
            for place in places
            for number in numbers
        ]
        owners = [place for place in places for _ in numbers]
        reverse = [bool(rng.integers(2)) for rng in rngs]
        before = [self._before(place, flipped) for place, flipped in zip(owners, reverse, strict=True)]
        real = [_read(place.sequence, flipped) for place, flipped in zip(owners, reverse, strict=True)]
        for step in range(max((len(letters) for letters in real), default=0)):
            growing = [at for at, letters in enumerate(real) if step < len(letters)]
            predicted = self._next([before[at] for at in growing])
            for at, log_p in zip(growing, predicted, strict=True):
                letter = real[at][step]
                drawn = pick(log_p[None], self.drawing.temperature, rngs[at])
                before[at] += letter if letter == "N" else letters_of_codes(drawn)
        decoys = [
            _read(text[-place.length :], flipped) for text, place, flipped in zip(before, owners, reverse, strict=True)
        ]
        return [decoys[at : at + len(numbers)] for at in range(0, len(decoys), len(numbers))]

    def log_likelihood(self, sequences: Sequence[tuple[Place, str]]) -> NDArray[np.float64]:
        """Mean log p of the bases of each sequence in its place, nats, over both strands."""
        half, size = max(1, self.drawing.window // 2), self.drawing.window
        windows: list[tuple[int, str, int]] = []
        for number, (place, sequence) in enumerate(sequences):
            for flipped in (False, True):
                text = self._before(place, flipped) + _read(sequence, flipped)
                for end in range(len(text), len(text) - place.length, -half):
                    tail = min(half, end - (len(text) - place.length))
                    windows.append((number, text[max(0, end - size) : end], tail))
        sums, counts = np.zeros(len(sequences)), np.zeros(len(sequences))

        def run(numbers: NDArray[np.int64]) -> None:
            batch = [windows[number] for number in numbers.tolist()]
            letters = [text for _, text, _ in batch]
            log_p = log_probs_of_bases(self.model.log_probs(self.model.encode(letters)), letters)
            for (number, text, tail), row in zip(batch, log_p, strict=True):
                sums[number] += row[-tail:].sum(dtype=float)
                counts[number] += (codes(text[-tail:]) >= 0).sum()

        _run_by_length(self.model, self.drawing.batch_size, [len(text) for _, text, _ in windows], run)
        return sums / counts

    def _before(self, place: Place, flipped: bool) -> str:
        """What stands before the element, as the model reads it."""
        size = self.drawing.window
        if flipped:
            return reverse_complement(place.source.read(place.end, place.end + size))
        return place.source.read(place.start - size, place.start)

    def _next(self, before: Sequence[str]) -> NDArray[np.float64]:
        """log p of the base that follows each text, (texts, 4)."""
        # A causal model's last position is predicted from what stands before it, whatever letter it holds.
        texts = [text[1 - self.drawing.window :] + "N" for text in before]
        log_p = np.zeros((len(texts), 4))

        def run(numbers: NDArray[np.int64]) -> None:
            tokens = self.model.encode([texts[number] for number in numbers.tolist()])
            log_p[numbers] = as_numbers(self.model.log_probs(tokens)[:, -1])

        _run_by_length(self.model, self.drawing.batch_size, [len(text) for text in texts], run)
        return log_p


def language_writer(model: LanguageModel, drawing: Drawing) -> MaskedWriter | CausalWriter:
    """What draws decoys by a language model, and measures how predictable sequences are to it."""
    return MaskedWriter(model, drawing) if model.kind == "masked" else CausalWriter(model, drawing)


def _read(sequence: str, flipped: bool) -> str:
    return reverse_complement(sequence) if flipped else sequence


def _run_by_length(
    model: LanguageModel, batch_size: int | None, lengths: Iterable[int], run: Callable[[NDArray[np.int64]], None]
) -> None:
    """Run numbered windows in batches of one length."""
    groups: dict[int, list[int]] = defaultdict(list)
    for number, length in enumerate(lengths):
        groups[length].append(number)
    batches = Batches.of(model, batch_size, sum(map(len, groups.values())))
    for length, numbers in groups.items():
        batches.run(np.array(numbers), length, run)
