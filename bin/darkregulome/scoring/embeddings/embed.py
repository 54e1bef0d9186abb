"""Embeddings of windows: a model's last hidden states, averaged over the bases of the window.

A window stands in the middle of what the model sees, so that its bases have their surroundings; those are not averaged
over. A window longer than the model's context is read in tiles of equal size. Language models are read on both strands
and the mean is taken: the embedding does not depend on the strand. Of an output model with a trunk (Enformer) the bins
that the window touches are averaged, each by the bases that it shares with the window.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from darkregulome.edits.batches import Batches
from darkregulome.edits.edit import blocks, clean
from darkregulome.errors import InputError
from darkregulome.genome.bases import BASES, N_CODE, base_codes
from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import reverse_complement
from darkregulome.models.protocol import LanguageModel, OutputModel
from darkregulome.scoring.embeddings.windows import LabelledWindow

CHUNK = 256
"""Windows held at once."""


@runtime_checkable
class Trunk(Protocol):
    """What an output model may offer besides: hidden states of bins."""

    context: int
    bin: int
    """Bases a bin."""

    def trunk(self, sequences: Sequence[str]) -> torch.Tensor:
        """Hidden states before the head: float32, shape (batch, bins, channels)."""
        ...


@dataclass(frozen=True)
class Tile:
    """A part ``[start, end)`` of window number `window`, seen in ``[seen, seen + size)`` of its contig."""

    window: int
    start: int
    end: int
    seen: int


def tiles_of(number: int, window: LabelledWindow, size: int, part: int) -> list[Tile]:
    """A window in parts of at most `part` bases, each in the middle of `size` bases."""
    parts = blocks(window.end - window.start, part)
    places = [(window.start + first, window.start + last) for first, last in parts]
    return [Tile(number, start, end, (start + end) // 2 - size // 2) for start, end in places]


def embed_windows(
    model: LanguageModel | OutputModel,
    windows: Sequence[LabelledWindow],
    reference: Reference,
    *,
    size: int,
    both_strands: bool = True,
    batch_size: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> tuple[list[LabelledWindow], NDArray[np.float32]]:
    """Embeddings of the windows whose status is ok.

    Parameters
    ----------
    size : bases that the model sees.
    both_strands : average a language model over both strands.
    batch_size : sequences per batch; None finds it.
    progress : called with the share that is done.

    Returns
    -------
    The windows, with another status where one has no base to average over; and their embeddings, shape (windows,
    channels), NaN where the status is not ok.

    Raises
    ------
    InputError : the model has no hidden states to offer, or no window can be embedded.
    """
    read = _reader(model, both_strands)
    usable = [number for number, window in enumerate(windows) if window.status == "ok"]
    if not usable:
        reason = windows[0].reason if windows else "there is none"
        raise InputError.at("the windows", f"none can be embedded ({reason})", "give windows of the FASTA")
    # An output model's bins at the edges of its context have seen one side only.
    part = size if model.kind != "output" else max(1, size // 2)
    means: NDArray[np.float32] | None = None
    judged = list(windows)
    batches = Batches.of(model, batch_size, len(usable))
    for first in range(0, len(usable), CHUNK):
        numbers = usable[first : first + CHUNK]
        tiles = [tile for number in numbers for tile in tiles_of(number, windows[number], size, part)]
        for number, (total, weight) in _sums(read, tiles, windows, reference, size, batches).items():
            if means is None:
                means = np.full((len(windows), len(total)), np.nan, dtype=np.float32)
            if weight:
                means[number] = total / weight
            else:
                judged[number] = replace(windows[number], status="n_masked", reason="it has no A, C, G or T")
        if progress is not None:
            progress((first + len(numbers)) / len(usable))
    assert means is not None
    return judged, means


_Read = Callable[[list[str], list[NDArray[np.float64]]], NDArray[np.float64]]
"""(sequences, weight of each base) to weighted sums of the hidden states, (sequences, channels)."""


def _sums(
    read: _Read,
    tiles: list[Tile],
    windows: Sequence[LabelledWindow],
    reference: Reference,
    size: int,
    batches: Batches,
) -> dict[int, tuple[NDArray[np.float64], float]]:
    """Weighted sums over the tiles of each window, and the bases that they are over."""
    sums: dict[int, tuple[NDArray[np.float64], float]] = {}

    def run(numbers: NDArray[np.int64]) -> None:
        some = [tiles[number] for number in numbers.tolist()]
        chroms = [windows[tile.window].chrom for tile in some]
        sequences = [clean(reference.fetch(c, t.seen, t.seen + size)) for c, t in zip(chroms, some, strict=True)]
        weights = [_weights(sequence, tile) for sequence, tile in zip(sequences, some, strict=True)]
        # All are read before any is added: a batch that does not fit is run again.
        for tile, weight, total in zip(some, weights, read(sequences, weights), strict=True):
            before, count = sums.get(tile.window, (np.zeros(len(total)), 0.0))
            sums[tile.window] = before + total, count + weight.sum()

    batches.run(np.arange(len(tiles)), size, run)
    return sums


def _weights(sequence: str, tile: Tile) -> NDArray[np.float64]:
    """1 at the bases of the tile that are A, C, G or T; 0 elsewhere."""
    weights = (base_codes(sequence) != N_CODE).astype(float)
    weights[: tile.start - tile.seen] = 0
    weights[tile.end - tile.seen :] = 0
    return weights


def _reader(model: LanguageModel | OutputModel, both_strands: bool) -> _Read:
    if model.kind != "output":
        return lambda sequences, weights: _read_language(cast(LanguageModel, model), sequences, weights, both_strands)
    if not isinstance(model, Trunk):
        raise InputError.at("--model", f"{model.name} has no trunk to embed with", "use a language model or Enformer")
    return lambda sequences, weights: _read_trunk(model, sequences, weights)


def _read_language(
    model: LanguageModel, sequences: list[str], weights: list[NDArray[np.float64]], both: bool
) -> NDArray[np.float64]:
    def pooled(letters: list[str], weight: NDArray[np.float64]) -> torch.Tensor:
        states = model.hidden(model.encode(letters))
        return torch.einsum("blc,bl->bc", states, torch.from_numpy(weight).to(states)).double()

    stacked = np.stack(weights)
    total = pooled(sequences, stacked)
    if both:
        flipped = pooled([reverse_complement(sequence) for sequence in sequences], stacked[:, ::-1].copy())
        total = (total + flipped) / 2
    return total.cpu().numpy()


def _read_trunk(model: Trunk, sequences: list[str], weights: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    states = model.trunk(sequences)
    # How many of its bases each bin shares with the window.
    shared = torch.from_numpy(np.stack(weights).reshape(len(sequences), -1, model.bin).sum(axis=2))
    return torch.einsum("blc,bl->bc", states.double().cpu(), shared).numpy()


def composition(windows: Sequence[LabelledWindow], reference: Reference, k: int = 3) -> Iterator[NDArray[np.float64]]:
    """Frequencies of the k-mers of each window, either strand alike: what a map shows that knows composition alone."""
    kmers = ["".join(letters) for letters in itertools.product(BASES, repeat=k)]
    classes = {kmer: min(kmer, reverse_complement(kmer)) for kmer in kmers}
    column = {kmer: at for at, kmer in enumerate(dict.fromkeys(classes.values()))}
    index = np.array([column[classes[kmer]] for kmer in kmers])
    powers = 4 ** np.arange(k)[::-1]
    for window in windows:
        counts = np.zeros(len(column))
        if window.status == "ok":
            letters = base_codes(reference.fetch(window.chrom, window.start, window.end)).astype(np.int64)
            if len(letters) >= k:
                runs = np.lib.stride_tricks.sliding_window_view(letters, k)
                runs = runs[(runs != N_CODE).all(axis=1)]
                np.add.at(counts, index[runs @ powers], 1)
        yield counts / max(1.0, counts.sum())
