"""Enformer through enformer-pytorch, with the exact splice that makes edits cheap.

An edit changes only the few bins of the convolution tower within its reach; the rest is taken from the reference.
Of the last transformer block and the head, only the bins of the TSS and the wanted tracks are computed. Both are
exact. Source: Avsec et al. 2021 (doi:10.1038/s41592-021-01252-x); golden vectors in `tests/golden`.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from enformer_pytorch.config_enformer import EnformerConfig
from enformer_pytorch.modeling_enformer import Attention, Enformer, get_positional_embed
from torch import Tensor, nn
from torch.nn import functional as F

from darkregulome.errors import InputError
from darkregulome.models.architecture import Architecture, Checkpoint, ModelSize
from darkregulome.models.checkpoint import find_weights, load_weights, read_card, read_config
from darkregulome.models.letters import one_hot
from darkregulome.models.lookalikes import build_network
from darkregulome.models.numerics import linear, numerics
from darkregulome.models.output import check_tracks

ALIASES = ("_trunk.",)
"""enformer-pytorch registers its trunk twice; the files keep the names without this prefix."""

POSITION_BASES = 6
"""Kinds of bases of the relative positions, which the width of a head is shared among."""

QUERIES_AT_ONCE = 256
"""Bins whose attention is computed at once on a CPU: 256 x 1,536 weights stay in its second cache."""

OFFICIAL_HUMAN_TRACKS = 5313
"""Tracks of the official human head, by which the official weights are known where config.json lacks a flag."""


def build_enformer(config: Mapping[str, Any], use_tf_gamma: bool | None = None) -> Enformer:
    """A network from an official config.json.

    The official weights were converted from TensorFlow and need its table of gamma bases, but their config.json does
    not say so: without the flag they get it, unless `use_tf_gamma` decides.
    """
    settings = EnformerConfig(**config)
    if use_tf_gamma is None:
        official = settings.output_heads.get("human") == OFFICIAL_HUMAN_TRACKS
        use_tf_gamma = config.get("use_tf_gamma", official)
    settings.use_tf_gamma = bool(use_tf_gamma)
    if settings.dim // settings.heads % POSITION_BASES:
        raise ValueError(f"dim / heads is {settings.dim // settings.heads}, no multiple of {POSITION_BASES}")
    return Enformer(settings)


@dataclass(frozen=True)
class EnformerState:
    """A reference window: its sequence, and the tower's output (1, bins, dim)."""

    sequence: str
    tower: Tensor


class EnformerModel:
    """An Enformer behind `protocol.OutputModel`.

    The window is read on the forward strand with the TSS at its centre; the tracks of the TSS are the mean over the
    bins that touch the boundary before its base: two bins where the centre is a bin's edge, as in the official window.
    """

    kind = "output"
    stranded = False
    log_outputs = False

    def __init__(
        self,
        name: str,
        network: Enformer,
        *,
        context: int,
        tracks: Mapping[str, int],
        head: str = "human",
        device: torch.device = torch.device("cpu"),
        precision: str = "fp32",
        revision: str | None = None,
    ):
        config = network.config
        self.name, self.context, self.tss_offset = name, context, context // 2
        self.device, self.precision, self.revision = device, precision, revision
        self.network = network.to(device).eval().requires_grad_(False)
        self.bin = 2**config.num_downsamples
        self.bins = context // self.bin
        self._check(config, head, tracks)
        self.tracks = tuple(tracks)
        self.reach = 7 + sum(2 * 2**i for i in range(1, config.num_downsamples))
        """Bases by which the tower looks beyond a bin on either side: the stem's 7, then 2 at every resolution."""
        self.tss_bins = sorted({(self.tss_offset - 1) // self.bin, self.tss_offset // self.bin})
        last = network._heads[head][0]
        wanted = torch.tensor(list(tracks.values()), device=device)
        self._head_weight, self._head_bias = last.weight[wanted], last.bias[wanted]
        self._positions: dict[tuple[int, str], Tensor] = {}

    def _check(self, config: EnformerConfig, head: str, tracks: Mapping[str, int]) -> None:
        where = f"model {self.name}"
        if self.context % self.bin or self.bins < max(config.target_length, 2):
            raise InputError.at(
                where,
                f"a context of {self.context} bases is not a whole number of {self.bin}-base bins, at least "
                f"{config.target_length} of them",
                "correct `context` in the registry",
            )
        if config.use_tf_gamma and self.bins != 1536:
            raise InputError.at(
                where,
                f"the TensorFlow gamma table fits 1536 bins, not {self.bins}",
                "correct `context` in the registry",
            )
        if head not in config.output_heads:
            raise InputError.at(where, f"has no head {head!r}", f"use {', '.join(config.output_heads)}")
        check_tracks(where, tracks, config.output_heads[head], f" in head {head!r}")

    def reference_state(self, sequence: str) -> EnformerState:
        """The tower's output of a reference window."""
        self._check_length([sequence])
        with numerics(self.device, self.precision):
            return EnformerState(sequence, self._tower([sequence]))

    def tss_tracks(self, sequence: str, state: object | None = None) -> Tensor:
        """Predicted tracks in the bins of the TSS, natural scale, shape (tracks,): mean over those bins."""
        if not (isinstance(state, EnformerState) and state.sequence == sequence):
            state = self.reference_state(sequence)
        with numerics(self.device, self.precision):
            return self._after_tower(state.tower)[0]

    def edited_tss_tracks(self, state: object, sequences: Sequence[str], spans: Sequence[tuple[int, int]]) -> Tensor:
        """Tracks of edited windows, shape (edits, tracks): the tower is computed only where the edits reach."""
        if not isinstance(state, EnformerState):
            raise TypeError("state must come from reference_state")
        self._check_length(sequences)
        with numerics(self.device, self.precision):
            return self._after_tower(self._splice(state.tower, sequences, spans))

    def conv_tower(self, sequences: Sequence[str]) -> Tensor:
        """The convolution tower's output, shape (batch, bins, dim)."""
        with numerics(self.device, self.precision):
            return self._tower(sequences)

    def trunk(self, sequences: Sequence[str]) -> Tensor:
        """What the head reads: float32, shape (batch, bins, channels), a row for `bin` bases."""
        self._check_length(sequences)
        with numerics(self.device, self.precision):
            return self._hidden(self._tower(sequences), None).float()

    def _check_length(self, sequences: Sequence[str]) -> None:
        for sequence in sequences:
            if len(sequence) != self.context:
                raise ValueError(f"{self.name} reads {self.context} bases, not {len(sequence)}")

    def _tower(self, sequences: Sequence[str]) -> Tensor:
        x = one_hot(sequences).to(self._head_weight).transpose(1, 2)
        return self.network.conv_tower(self.network.stem(x)).transpose(1, 2)

    def changed_bins(self, span: tuple[int, int]) -> tuple[int, int]:
        """The half-open range of the tower's bins that an edit of the bases `span` can change."""
        return (
            max(0, (span[0] - self.reach) // self.bin),
            min(self.bins, -((-span[1] - self.reach) // self.bin)),
        )

    def _splice(self, tower: Tensor, sequences: Sequence[str], spans: Sequence[tuple[int, int]]) -> Tensor:
        """The tower's output of every edited window, from the reference's and a slice around each edit.

        The slices are cut at bins' edges, so that pooling falls alike, and stand out beyond the changed bins by no less
        than the tower's reach, so that their own ends, which are padded with zeros, spoil nothing that is kept.
        """
        margin = math.ceil(self.reach / self.bin)
        changed = [self.changed_bins(span) for span in spans]
        width = min(self.bins, max(high - low for low, high in changed) + 2 * margin)
        starts = [min(max(0, low - margin), self.bins - width) for low, _ in changed]
        slices = self._tower(
            [
                sequence[start * self.bin : (start + width) * self.bin]
                for sequence, start in zip(sequences, starts, strict=True)
            ]
        )
        spliced = tower.repeat(len(sequences), 1, 1)
        for row, (start, (low, high)) in enumerate(zip(starts, changed, strict=True)):
            spliced[row, low:high] = slices[row, low - start : high - start]
        return spliced

    def _after_tower(self, x: Tensor) -> Tensor:
        """From the tower's output (batch, bins, dim) to the tracks at the TSS (batch, tracks)."""
        hidden = self._hidden(x, torch.tensor(self.tss_bins, device=x.device))
        return F.softplus(F.linear(hidden, self._head_weight, self._head_bias)).float().mean(1)

    def _hidden(self, x: Tensor, rows: Tensor | None) -> Tensor:
        """From the tower's output to what the head reads, of the bins `rows`, or of all: (batch, rows, channels)."""
        blocks = list(self.network.transformer)
        for number, (attention, feed_forward) in enumerate(blocks):
            # Only the last block may leave out bins: those before attend to all of them.
            last = rows is not None and number == len(blocks) - 1
            norm, attend, _ = attention.fn
            attended = self._attend(number, attend, norm(x), rows if last else None)
            x = (x[:, rows] if last else x) + attended
            norm, widen, _, _, narrow, _ = feed_forward.fn
            x = x + _apply(narrow, F.relu(_apply(widen, norm(x))))
        if not blocks and rows is not None:
            x = x[:, rows]
        return self.network.final_pointwise(x)

    def _attend(self, number: int, attention: Attention, x: Tensor, rows: Tensor | None) -> Tensor:
        """The block's attention for all bins, or only for the bins `rows`: (batch, rows, dim)."""
        heads = attention.heads
        query = _apply(attention.to_q, x if rows is None else x[:, rows]) * attention.scale
        query, key, value = (
            t.unflatten(-1, (heads, -1)).transpose(1, 2)
            for t in (query, _apply(attention.to_k, x), _apply(attention.to_v, x))
        )
        content, position = query + attention.rel_content_bias, query + attention.rel_pos_bias
        relative = self._relative_keys(number, attention, x)
        if rows is None:
            attended = _attend_all(content, position, key, value, relative)
        else:
            # The query in bin i meets the key in bin j at the distance j - i, which stands in row j - i + bins - 1.
            index = torch.arange(self.bins, device=x.device) - rows[:, None] + self.bins - 1
            by_position = torch.einsum("bhid,hijd->bhij", position, relative[:, index])
            attended = (content @ key.transpose(2, 3) + by_position).softmax(-1) @ value
        return _apply(attention.to_out, attended.transpose(1, 2).flatten(2))

    def _relative_keys(self, number: int, attention: Attention, x: Tensor) -> Tensor:
        """Keys of the relative positions, (heads, 2 bins - 1, key): the same for every window, so computed once."""
        # In another precision they are other numbers.
        key = number, self.precision
        if key not in self._positions:
            basis = get_positional_embed(
                self.bins,
                attention.num_rel_pos_features,
                x.device,
                use_tf_gamma=attention.use_tf_gamma,
                dtype=attention.to_rel_k.weight.dtype,
            )
            heads = attention.to_rel_k(basis).unflatten(-1, (attention.heads, -1))
            self._positions[key] = heads.transpose(0, 1).contiguous()
        return self._positions[key]


def _apply(layer: nn.Linear, x: Tensor) -> Tensor:
    return linear(x, layer.weight, layer.bias)


def _attend_all(content: Tensor, position: Tensor, key: Tensor, value: Tensor, relative: Tensor) -> Tensor:
    """Attention of every bin: queries and keys (batch, heads, bins, key), `relative` (heads, 2 bins - 1, key).

    On a CPU head by head and in blocks of queries, so that their weights stay in the cache. Of the relative keys a
    block needs little more than half.
    """
    bins = key.shape[2]
    if key.device.type != "cpu":
        return _attend_block(content, position, key, value.transpose(2, 3), relative, 0)
    key, relative, attended = key.contiguous(), relative.contiguous(), torch.empty_like(value)
    for sequence, head in itertools.product(range(key.shape[0]), range(key.shape[1])):
        at = sequence, head
        columns = value[at].t().contiguous()
        for first in range(0, bins, QUERIES_AT_ONCE):
            block = slice(first, min(first + QUERIES_AT_ONCE, bins))
            attended[at][block] = _attend_block(
                content[at][block], position[at][block], key[at], columns, relative[head], first
            )
    return attended


def _attend_block(
    content: Tensor, position: Tensor, key: Tensor, value: Tensor, relative: Tensor, first: int
) -> Tensor:
    """Attention of the queries from bin `first` on; `value` stands as columns (..., value, bins)."""
    queries, bins = content.shape[-2], key.shape[-2]
    near = relative[..., bins - first - queries : 2 * bins - 1 - first, :]
    by_distance = _product(position, near)
    # Query i of the block meets the key in bin j at the distance that stands in column j - i + queries - 1.
    *strides, width, _ = by_distance.stride()
    by_position = by_distance.as_strided(
        (*by_distance.shape[:-1], bins), (*strides, width - 1, 1), by_distance.storage_offset() + queries - 1
    )
    return _product((_product(content, key) + by_position).softmax(-1), value)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b.T``, of stacks of matrices too."""
    return linear(a, b) if a.dim() == 2 else a @ b.transpose(-1, -2)


def _build(checkpoint: Checkpoint) -> EnformerModel:
    config, entry, folder = read_config(checkpoint.folder), checkpoint.entry, checkpoint.folder
    network = build_network(lambda: build_enformer(config, entry.use_tf_gamma), folder)
    load_weights(network, find_weights(folder), ignore=ALIASES)
    settled = network.config
    tracks = checkpoint.tracks or entry.tracks or _tracks_of_card(folder, settled.output_heads.get(entry.head, 0))
    context = entry.context or int(config.get("context") or settled.target_length * 2**settled.num_downsamples)
    return EnformerModel(
        checkpoint.name, network, context=context, tracks=tracks, head=entry.head, **checkpoint.settings
    )


def _tracks_of_card(folder: Path, size: int) -> dict[str, int]:
    """Names of the tracks by the model card, where it names every one of them; else numbers."""
    named = read_card(folder).get("tracks")
    if not isinstance(named, list) or len(named) != size:
        named = [f"track_{index}" for index in range(size)]
    return {Path(str(track)).stem: index for index, track in enumerate(named)}


PUBLISHED = ModelSize(1536, 11, 251_000_000)
PUBLISHED_CONTEXT = 196_608
FORWARD_FLOPS, EDIT_FLOPS = 3.28e12, 0.78e12
"""A forward of the published model, and an edit spliced into it."""


def _flops(size: ModelSize, window: int, references: int, edits: int) -> float:
    scale = (size.channels / PUBLISHED.channels) ** 2 * window / PUBLISHED_CONTEXT
    return scale * (FORWARD_FLOPS * references + EDIT_FLOPS * edits)


ARCHITECTURE = Architecture("output", _build, PUBLISHED, model_types=("enformer",), flops=_flops)
