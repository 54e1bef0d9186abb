"""HyenaDNA, all of it: a causal language model of long implicit convolutions.

Parameter names are those of the official checkpoints. Source: Nguyen et al. 2023 (arXiv:2306.15794); golden vectors
computed by the official code are in `tests/golden`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from darkregulome.models.architecture import Architecture, Checkpoint, ModelSize
from darkregulome.models.checkpoint import find_weights, load_weights, named, read_config
from darkregulome.models.language import LetterLanguageModel
from darkregulome.models.letters import CHARACTERS, VOCABULARY_SIZE, padded_size

LENGTHS_KEPT = 4
"""How many lengths of the filters' transforms are kept."""

DECAY_TARGET, DECAY_FAST, DECAY_SLOW, DECAY_SHIFT = 1e-2, 0.3, 1.5, 0.05
"""Modulation of the filters: what a decay reaches, at which fraction of the window, and the floor added to it."""


OFFICIAL_EPSILON = 1e-5


def fast_length(length: int) -> int:
    """The next of 4, 5, 6, 7 times a power of two: lengths that are quick to transform, and few."""
    step = 2 ** max(0, (length - 1).bit_length() - 3)
    return -(-length // step) * step


class HyenaConfig(BaseModel):
    """The official config.json, by its own field names."""

    model_config = ConfigDict(extra="ignore")

    model_type: Literal["hyenadna"] = "hyenadna"
    architectures: list[str] = ["HyenaDNAForCausalLM"]
    d_model: PositiveInt = 256
    n_layer: PositiveInt = 8
    d_inner: PositiveInt | None = None
    vocab_size: PositiveInt = VOCABULARY_SIZE
    pad_vocab_size_multiple: PositiveInt = 8
    max_seq_len: PositiveInt = 1026
    hyena_order: PositiveInt = 2
    filter_order: PositiveInt = 64
    emb_dim: PositiveInt = 5
    short_filter_order: PositiveInt = 3
    num_inner_mlps: int = 2
    activation_freq: float = 1
    train_freq: bool = True
    use_bias: bool = True
    layer_norm_epsilon: float = OFFICIAL_EPSILON
    initializer_range: float = 0.02
    embed_dropout: float = 0.1
    hyena_dropout: float = 0.0
    hyena_filter_dropout: float = 0.0
    tie_word_embeddings: bool = False
    pad_token_id: int | None = 4

    @model_validator(mode="after")
    def _check(self) -> "HyenaConfig":
        self.d_inner = self.d_inner or 4 * self.d_model
        if self.hyena_order < 2:
            raise ValueError("hyena_order must be 2 or more")
        # Fields of the official config.json whose other values its code ignores, or takes for another function.
        if self.short_filter_order != 3:
            raise ValueError("short_filter_order is not 3, the only one with which the official code is causal")
        if not self.use_bias:
            raise ValueError("use_bias is false, which the official code ignores")
        if self.layer_norm_epsilon != OFFICIAL_EPSILON:
            raise ValueError("layer_norm_epsilon is not 1e-5, which the official blocks have in any case")
        if self.emb_dim < 3 or self.emb_dim % 2 == 0:
            raise ValueError("emb_dim must be odd and at least 3")
        return self

    @property
    def padded_vocabulary(self) -> int:
        """Rows of the embedding: the vocabulary rounded up."""
        return padded_size(self.vocab_size, self.pad_vocab_size_multiple)


class PositionalEmbedding(nn.Module):
    """Time and its harmonics, normalised by the model's longest window. `z` may be trained; it is loaded, not made."""

    t: Tensor

    def __init__(self, config: HyenaConfig):
        super().__init__()
        length, bands = config.max_seq_len, (config.emb_dim - 1) // 2
        t = torch.linspace(0, 1, length)[None, :, None]
        angle = 2 * math.pi * torch.linspace(0, length - 1, length)[None, :, None] / length
        angle = torch.linspace(1e-4, bands - 1, bands)[None, None] * angle
        self.z = nn.Parameter(torch.cat((t, angle.cos(), -angle.sin()), dim=-1))
        self.register_buffer("t", t)


class Sin(nn.Module):
    """sin(freq x)."""

    def __init__(self, size: int, freq: float, trained: bool):
        super().__init__()
        self.freq = nn.Parameter(freq * torch.ones(1, size), requires_grad=trained)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.freq * x)


class Modulation(nn.Module):
    """Decay of a filter with time, from slow to fast along the channels."""

    deltas: Tensor

    def __init__(self, channels: int):
        super().__init__()
        slow, fast = math.log(DECAY_TARGET) / DECAY_SLOW, math.log(DECAY_TARGET) / DECAY_FAST
        self.register_buffer("deltas", torch.linspace(slow, fast, channels)[None, None])

    def forward(self, t: Tensor, filters: Tensor) -> Tensor:
        return filters * (torch.exp(-t * self.deltas.abs()) + DECAY_SHIFT)


class HyenaFilter(nn.Module):
    """The implicit long convolution: a small network of position makes the filter."""

    def __init__(self, config: HyenaConfig):
        super().__init__()
        self.d_model, channels, width = config.d_model, config.d_model * (config.hyena_order - 1), config.filter_order
        self.bias = nn.Parameter(torch.randn(channels))
        self.pos_emb = PositionalEmbedding(config)
        activation = Sin(width, config.activation_freq, config.train_freq)  # one, shared, as in the checkpoints
        layers: list[nn.Module] = [nn.Linear(config.emb_dim, width), activation]
        for _ in range(config.num_inner_mlps):
            layers += [nn.Linear(width, width), activation]
        self.implicit_filter = nn.Sequential(*layers, nn.Linear(width, channels, bias=False))
        self.modulation = Modulation(channels)
        self._spectra: dict[int, Tensor] = {}

    def spectrum(self, half: int) -> Tensor:
        """Fourier transform of the filters at 2 `half` points: complex64, (order - 1, d_model, half + 1).

        The latest few are kept while the model is only evaluated.
        """
        if self.training or torch.is_grad_enabled():
            return self._transform(half)
        found = self._spectra.pop(half, None)
        self._spectra[half] = self._transform(half) if found is None else found
        while len(self._spectra) > LENGTHS_KEPT:
            del self._spectra[next(iter(self._spectra))]
        return self._spectra[half]

    def _transform(self, half: int) -> Tensor:
        with torch.autocast(self.bias.device.type, enabled=False):
            # Past the longest window there are no taps, and nothing for them to meet.
            filters = self.implicit_filter(self.pos_emb.z[:, :half])
            filters = self.modulation(self.pos_emb.t[:, :half], filters)[0]
            filters = filters.t().unflatten(0, (-1, self.d_model))
            return torch.fft.rfft(filters if filters.dtype == torch.float64 else filters.float(), n=2 * half)

    def convolve(self, number: int, v: Tensor) -> Tensor:
        """Causal convolution of v (batch, length, d_model) with filter `number`, and its skip; FFT in float32."""
        batch, length, channels = v.shape
        half = fast_length(length)
        wide = v if v.dtype == torch.float64 else v.float()
        y = wide.reshape(-1, channels).t().reshape(channels, batch, length)
        y = torch.fft.irfft(torch.fft.rfft(y, n=2 * half) * self.spectrum(half)[number][:, None], n=2 * half)
        y = y[..., :length].reshape(channels, -1).t().reshape(batch, length, channels)
        return torch.addcmul(y, wide, self.bias.unflatten(0, (-1, self.d_model))[number]).to(v.dtype)

    def train(self, mode: bool = True) -> "HyenaFilter":
        self._spectra.clear()
        return super().train(mode)

    def _apply(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        self._spectra.clear()
        return super()._apply(*args, **kwargs)

    def _load_from_state_dict(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        self._spectra.clear()
        return super()._load_from_state_dict(*args, **kwargs)


@dataclass(frozen=True)
class Passage:
    """Input and output of a long convolution, from some position on: (windows, positions, d_model)."""

    v: Tensor
    y: Tensor

    def cut(self, rows: Tensor, skip: int) -> "Passage":
        return Passage(take(self.v, rows, skip), take(self.y, rows, skip))


@dataclass(frozen=True)
class BlockMemory:
    """Of one block and reference windows: its input and what passed through its convolutions.

    The input begins earlier, by what the short convolution looks back.
    """

    x: Tensor
    passages: list[Passage]


@dataclass(frozen=True)
class HyenaMemory:
    """What the edits of reference windows can reuse: windows of `length` positions, edited at `first` or later."""

    first: int
    length: int
    blocks: list[BlockMemory]


def take(x: Tensor, rows: Tensor, start: int, stop: int | None = None) -> Tensor:
    """``x[rows, start:stop]``; without a copy where there is one window."""
    cut = x[:, start:stop]
    return cut.expand(len(rows), -1, -1) if len(x) == 1 else cut[rows]


class HyenaOperator(nn.Module):
    """Gates and long convolutions in the place of attention."""

    def __init__(self, config: HyenaConfig):
        super().__init__()
        self.order, width = config.hyena_order, config.d_model * (config.hyena_order + 1)
        self.d_model, self.taps = config.d_model, config.short_filter_order
        self.dropout = nn.Dropout(config.hyena_dropout)
        self.in_proj = nn.Linear(config.d_model, width)
        self.out_proj = nn.Linear(config.d_model, config.d_model)
        self.short_filter = nn.Conv1d(width, width, self.taps, groups=width, padding=self.taps - 1)
        self.filter_fn = HyenaFilter(config)

    def forward(self, x: Tensor) -> Tensor:
        return self._mix(x, 0, self.filter_fn.convolve)

    def remember(self, x: Tensor, first: int) -> tuple[Tensor, list[Passage]]:
        """`forward`, and what passed through each long convolution from position `first` on."""
        passages: list[Passage] = []

        def convolve(number: int, v: Tensor) -> Tensor:
            y = self.filter_fn.convolve(number, v)
            passages.append(Passage(v[:, first:].clone(), y[:, first:].clone()))
            return y

        return self._mix(x, 0, convolve), passages

    def edited(self, x: Tensor, before: int, passages: Sequence[Passage]) -> Tensor:
        """`forward` of the end of an edited window, given what passed through the convolutions there before the edit.

        Convolution is linear: only the change is convolved. x has `before` positions more, which are unchanged.
        """
        return self._mix(
            x, before, lambda number, v: passages[number].y + self.filter_fn.convolve(number, v - passages[number].v)
        )

    def _mix(self, x: Tensor, before: int, convolve: Callable[[int, Tensor], Tensor]) -> Tensor:
        mixed = self._short(self.in_proj(x))[:, before:]
        gate, *gates, v = mixed.split(self.d_model, dim=-1)
        for number, factor in enumerate(reversed(gates)):
            v = convolve(number, self.dropout(v * factor))
        return self.out_proj(v * gate)

    def _short(self, u: Tensor) -> Tensor:
        """The short causal convolution of each channel of u (batch, length, channels), as a sum of shifted copies."""
        weight = self.short_filter.weight[:, 0].to(u.dtype).t()
        bias = cast(Tensor, self.short_filter.bias).to(u.dtype)
        total = torch.addcmul(bias, u, weight[-1])
        for shift in range(1, len(weight)):
            total[:, shift:].addcmul_(u[:, :-shift], weight[-1 - shift])
        return total


class Mlp(nn.Module):
    """Two layers with a tanh GELU between."""

    def __init__(self, config: HyenaConfig):
        super().__init__()
        inner = cast(int, config.d_inner)
        self.fc1 = nn.Linear(config.d_model, inner)
        self.fc2 = nn.Linear(inner, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class HyenaBlock(nn.Module):
    """Norm, Hyena, add; norm, MLP, add."""

    def __init__(self, config: HyenaConfig):
        super().__init__()
        self.mixer = HyenaOperator(config)
        self.norm1 = nn.LayerNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.mlp = Mlp(config)
        self.norm2 = nn.LayerNorm(config.d_model, eps=config.layer_norm_epsilon)

    def forward(self, x: Tensor) -> Tensor:
        return self._add(x, self.mixer(self.norm1(x)))

    def remember(self, x: Tensor, first: int) -> tuple[Tensor, BlockMemory]:
        """`forward`, and what an edit at or after position `first` needs of it."""
        mixed, passages = self.mixer.remember(self.norm1(x), first)
        return self._add(x, mixed), BlockMemory(x[:, max(0, first - self.mixer.taps + 1) :].clone(), passages)

    def edited(self, x: Tensor, memory: BlockMemory) -> Tensor:
        """`forward` of the edited end of a window; `memory` is that of the reference, cut to fit."""
        before = memory.x.shape[1]
        normed = self.norm1(torch.cat((memory.x, x), dim=1) if before else x)
        return self._add(x, self.mixer.edited(normed, before, memory.passages))

    def _add(self, x: Tensor, mixed: Tensor) -> Tensor:
        x = x + mixed
        return x + self.mlp(self.norm2(x))


class HyenaBackbone(nn.Module):
    """Embedding, blocks, final norm."""

    def __init__(self, config: HyenaConfig):
        super().__init__()
        embedding = nn.Embedding(config.padded_vocabulary, config.d_model, padding_idx=config.pad_token_id)
        self.embeddings: Any = named(word_embeddings=embedding)
        self.dropout = nn.Dropout(config.embed_dropout)
        self.layers = nn.ModuleList(HyenaBlock(config) for _ in range(config.n_layer))
        self.history = config.short_filter_order - 1
        """Positions before an edit that its short convolutions see."""
        self.ln_f = nn.LayerNorm(config.d_model, eps=config.layer_norm_epsilon)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.dropout(self.embeddings(tokens))
        for layer in self.layers:
            x = layer(x)
        return self.ln_f(x)

    def remember(self, tokens: Tensor, first: int) -> tuple[Tensor, HyenaMemory]:
        """`forward`, and what the edits at or after position `first` can reuse of it."""
        x, blocks = self.embeddings(tokens), []
        for layer in self.layers:
            x, block = cast(HyenaBlock, layer).remember(x, first)
            blocks.append(block)
        return self.ln_f(x), HyenaMemory(first, tokens.shape[1], blocks)

    def edited(self, memory: HyenaMemory, rows: Tensor, tokens: Tensor) -> Tensor:
        """`forward` of the ends `tokens` (edits, positions) of edited windows, of the references `rows`."""
        start = memory.length - tokens.shape[1]
        if start < memory.first:
            raise ValueError(f"an edit at {start} comes before what is remembered, {memory.first}")
        skip, x = start - memory.first, self.embeddings(tokens)
        for layer, block in zip(self.layers, memory.blocks, strict=True):
            lead = min(self.history, start)
            # The input is remembered from earlier on than the passages.
            end = block.x.shape[1] - tokens.shape[1]
            before = take(block.x, rows, end - lead, end)
            cut = BlockMemory(before, [passage.cut(rows, skip) for passage in block.passages])
            x = cast(HyenaBlock, layer).edited(x, cut)
        return self.ln_f(x)


class HyenaDNAForCausalLM(nn.Module):
    """HyenaDNA with its language-model head.

    ``model(tokens)`` takes int64 ids (batch, length) and gives logits (batch, length, vocabulary), those at position
    t predicting token t + 1; ``model.hidden(tokens)`` gives the last normed hidden state (batch, length, d_model).
    """

    def __init__(self, config: HyenaConfig):
        super().__init__()
        self.config = config
        backbone = HyenaBackbone(config)
        self.hyena: Any = named(backbone=backbone)
        self.lm_head = nn.Linear(config.d_model, config.padded_vocabulary, bias=False)
        self.initialise()
        if config.tie_word_embeddings:
            self.lm_head.weight = backbone.embeddings.word_embeddings.weight

    @torch.no_grad()
    def initialise(self) -> None:
        """The official start: normal weights, zero biases, outputs of the two residual branches scaled by depth."""
        spread = self.config.initializer_range
        for name, module in self.named_modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=spread)
            if isinstance(module, nn.Linear):
                residual = name.endswith(("mixer.out_proj", "mlp.fc2"))
                nn.init.normal_(module.weight, std=spread / (math.sqrt(2 * self.config.n_layer) if residual else 1))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def aliases(self) -> dict[str, str]:
        """Names that the official files omit, each with the name of the tensor it repeats."""
        found = {}
        for name in self.state_dict():
            stem, _, rest = name.rpartition(".implicit_filter.")
            if stem and rest.endswith(".freq") and rest != "1.freq":
                found[name] = f"{stem}.implicit_filter.1.freq"
        if self.config.tie_word_embeddings:
            found["lm_head.weight"] = "hyena.backbone.embeddings.word_embeddings.weight"
        return found

    def hidden(self, tokens: Tensor) -> Tensor:
        """The last hidden state, normed: (batch, length, d_model)."""
        return self.hyena(tokens)

    def forward(self, tokens: Tensor) -> Tensor:
        return self._logits(self.hidden(tokens))

    def remember(self, tokens: Tensor, first: int = 0) -> tuple[Tensor, HyenaMemory]:
        """Logits of reference windows (windows, length), and what edits at or after position `first` can reuse.

        Nothing before an edit depends on it, and every layer but its convolutions works position by position; a
        convolution is linear. So an edit costs as much as the stretch from it to the window's end.
        """
        hidden, memory = self.hyena.backbone.remember(tokens, first)
        return self._logits(hidden), memory

    def edited(self, memory: HyenaMemory, rows: Tensor, tokens: Tensor) -> Tensor:
        """Logits (edits, positions, vocabulary) of the ends `tokens` of edited windows; all before them is unchanged.

        ``rows[i]`` is the reference window of the i-th edit. Equals `forward` of the whole windows to float32 noise.
        """
        return self._logits(self.hyena.backbone.edited(memory, rows, tokens))

    def _logits(self, hidden: Tensor) -> Tensor:
        logits = self.lm_head(hidden)
        return logits if logits.dtype == torch.float64 else logits.float()


def _build(checkpoint: Checkpoint) -> LetterLanguageModel:
    config, entry = HyenaConfig.model_validate(read_config(checkpoint.folder)), checkpoint.entry
    network = HyenaDNAForCausalLM(config)
    load_weights(network, find_weights(checkpoint.folder))
    return LetterLanguageModel(
        checkpoint.name,
        network,
        kind=entry.kind,
        context=min(entry.context or config.max_seq_len, config.max_seq_len),
        alphabet=CHARACTERS.reading_n_as(entry.n_reads_as),
        **checkpoint.settings,
    )


ARCHITECTURE = Architecture("causal", _build, ModelSize(256, 8, 6_600_000), model_types=("hyenadna",), n_reads_as="n")
