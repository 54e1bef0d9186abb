"""Caduceus, all of it: bidirectional Mamba for DNA, as Caduceus-Ph and as the equivariant Caduceus-PS.

Parameter names are those of the official checkpoints. Source: Schiff et al. 2024 (arXiv:2403.03234); golden vectors
computed by the official code are in `tests/golden`.
"""

import math
from typing import Any, Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from darkregulome.models import kernels
from darkregulome.models.architecture import Architecture, Checkpoint, ModelSize
from darkregulome.models.checkpoint import find_weights, load_weights, named, read_config
from darkregulome.models.language import LetterLanguageModel
from darkregulome.models.letters import CHARACTERS, LOWER_CASE, VOCABULARY_SIZE, Alphabet, padded_size
from darkregulome.models.numerics import kept


class SsmConfig(BaseModel):
    """`ssm_cfg` of the official config.json."""

    model_config = ConfigDict(extra="ignore")

    d_state: PositiveInt = 16
    d_conv: PositiveInt = 4
    expand: PositiveInt = 2
    dt_rank: PositiveInt | Literal["auto"] = "auto"
    dt_min: float = 0.001
    dt_max: float = 0.1
    dt_init: Literal["random", "constant"] = "random"
    dt_scale: float = 1.0
    dt_init_floor: float = 1e-4
    conv_bias: bool = True
    bias: bool = False
    use_fast_path: bool = True


class InitializerConfig(BaseModel):
    """`initializer_cfg` of the official config.json."""

    model_config = ConfigDict(extra="ignore")

    initializer_range: float = 0.02
    rescale_prenorm_residual: bool = True
    n_residuals_per_layer: PositiveInt = 1


class CaduceusConfig(BaseModel):
    """The official config.json, by its own field names."""

    model_config = ConfigDict(extra="ignore")

    model_type: Literal["caduceus"] = "caduceus"
    architectures: list[str] = ["CaduceusForMaskedLM"]
    d_model: PositiveInt = 256
    n_layer: PositiveInt = 16
    vocab_size: PositiveInt = VOCABULARY_SIZE
    pad_vocab_size_multiple: PositiveInt = 8
    ssm_cfg: SsmConfig = Field(default_factory=SsmConfig)
    rms_norm: bool = True
    norm_epsilon: float = 1e-5
    residual_in_fp32: bool = False
    fused_add_norm: bool = True
    initializer_cfg: InitializerConfig = Field(default_factory=InitializerConfig)
    bidirectional: bool = True
    bidirectional_strategy: Literal["add", "ew_multiply"] | None = "add"
    bidirectional_weight_tie: bool = True
    rcps: bool = False
    complement_map: dict[int, int] = Field(default_factory=dict)

    @field_validator("ssm_cfg", "initializer_cfg", "complement_map", mode="before")
    @classmethod
    def _null_is_default(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _pad_vocabulary(self) -> "CaduceusConfig":
        self.vocab_size = padded_size(self.vocab_size, self.pad_vocab_size_multiple)
        known = self.complement_map or alphabet_of(self).complement
        self.complement_map = {i: known.get(i, i) for i in range(self.vocab_size)}
        return self

    @property
    def d_inner(self) -> int:
        """Channels inside a Mamba."""
        return self.ssm_cfg.expand * self.d_model

    @property
    def dt_rank(self) -> int:
        """Rank of the projection that makes the step size."""
        rank = self.ssm_cfg.dt_rank
        return math.ceil(self.d_model / 16) if rank == "auto" else rank


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last axis, computed in float32."""

    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return kernels.rms_norm(x, self.weight, self.eps)


class Mamba(nn.Module):
    """One direction of a Mamba mixer; `mix` is what lies between the two projections."""

    def __init__(self, config: CaduceusConfig):
        super().__init__()
        ssm, inner, self.dt_rank = config.ssm_cfg, config.d_inner, config.dt_rank
        self.d_state = ssm.d_state
        self.in_proj = nn.Linear(config.d_model, 2 * inner, bias=ssm.bias)
        self.conv1d = nn.Conv1d(inner, inner, ssm.d_conv, groups=inner, padding=ssm.d_conv - 1, bias=ssm.conv_bias)
        self.x_proj = nn.Linear(inner, self.dt_rank + 2 * ssm.d_state, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, inner)
        self.A_log = nn.Parameter(torch.empty(inner, ssm.d_state))
        self.D = nn.Parameter(torch.empty(inner))
        self.out_proj = nn.Linear(inner, config.d_model, bias=ssm.bias)
        self.initialise(ssm)

    @torch.no_grad()
    def initialise(self, ssm: SsmConfig) -> None:
        """Mamba's own start: A = -(1..N), D = 1, step sizes log-uniform between `dt_min` and `dt_max`."""
        self.A_log.copy_(torch.arange(1, ssm.d_state + 1).log().expand_as(self.A_log))
        nn.init.ones_(self.D)
        spread = self.dt_rank**-0.5 * ssm.dt_scale
        if ssm.dt_init == "constant":
            nn.init.constant_(self.dt_proj.weight, spread)
        else:
            nn.init.uniform_(self.dt_proj.weight, -spread, spread)
        low, high = math.log(ssm.dt_min), math.log(ssm.dt_max)
        step = torch.exp(torch.rand_like(self.D) * (high - low) + low).clamp(min=ssm.dt_init_floor)
        self.dt_proj.bias.copy_(step + torch.log(-torch.expm1(-step)))  # inverse of softplus
        for parameter in (self.A_log, self.D, self.dt_proj.bias):
            parameter._no_weight_decay = True  # type: ignore[attr-defined]

    def decay(self) -> Tensor:
        """A of the scan: (inner, state), float32 or better. Kept where no gradient is wanted."""
        # A gradient may have to go through it, or through what it is multiplied with.
        return self._make_decay() if torch.is_grad_enabled() else kept("decay", self._make_decay, self.A_log)

    def _make_decay(self) -> Tensor:
        return -torch.exp(self.A_log.float() if self.A_log.dtype == torch.bfloat16 else self.A_log)

    def mix(self, xz: Tensor, reverse: bool = False) -> Tensor:
        """From the projected input (batch, length, 2 inner) to the gated scan (batch, length, inner)."""
        x, z = xz.chunk(2, dim=-1)
        return self.scan(x, z, reverse)

    def scan(self, x: Tensor, z: Tensor | None, reverse: bool = False, onto: Tensor | None = None) -> Tensor:
        """Convolution and scan of x (batch, length, inner), `onto` added, gated by `z`."""
        u = kernels.convolve(x, self.conv1d.weight, self.conv1d.bias, reverse)
        step, B, C = self.x_proj(u).split((self.dt_rank, self.d_state, self.d_state), dim=-1)
        dt = self.dt_proj
        weights = kernels.ScanWeights(self.decay(), self.D, dt.bias, dt.weight, softplus=True)
        return kernels.selective_scan(kernels.ScanRows(u, step, B, C, z), weights, reverse, onto)[0]


class BiMamba(nn.Module):
    """Two Mambas, one of which reads the sequence backwards.

    Where the projections are tied the input is projected once for both, and, the strategy being "add", the sum is
    gated and projected once: exact, and nearly half of the work.
    """

    def __init__(self, config: CaduceusConfig):
        super().__init__()
        self.mamba_fwd = Mamba(config)
        self.mamba_rev = Mamba(config) if config.bidirectional else None
        self.tied = config.bidirectional and config.bidirectional_weight_tie
        self.multiply = config.bidirectional_strategy == "ew_multiply"
        if self.tied and self.mamba_rev is not None:
            self.mamba_rev.in_proj = self.mamba_fwd.in_proj
            self.mamba_rev.out_proj = self.mamba_fwd.out_proj

    def forward(self, x: Tensor) -> Tensor:
        fwd, rev = self.mamba_fwd, self.mamba_rev
        xz = fwd.in_proj(x)
        if rev is not None and self.tied and not self.multiply and fwd.out_proj.bias is None:
            first, z = xz.chunk(2, dim=-1)
            return fwd.out_proj(rev.scan(first, z, reverse=True, onto=fwd.scan(first, None)))
        y = fwd.out_proj(fwd.mix(xz))
        if rev is None:
            return y
        reverse = rev.out_proj(rev.mix(xz if self.tied else rev.in_proj(x), reverse=True))
        return y * reverse if self.multiply else y + reverse


def reverse_complement_channels(x: Tensor) -> Tensor:
    """The reverse complement of a hidden state: length and channels flipped."""
    return x.flip((-2, -1))


class RcpsMixer(nn.Module):
    """A mixer shared by the two channel halves; the second half is read as the reverse complement."""

    def __init__(self, submodule: nn.Module):
        super().__init__()
        self.submodule = submodule

    def forward(self, x: Tensor) -> Tensor:
        fwd, rc = x.chunk(2, dim=-1)
        fwd, rc = self.submodule(torch.cat((fwd, reverse_complement_channels(rc)))).chunk(2)
        return torch.cat((fwd, reverse_complement_channels(rc)), dim=-1)


def _norm_halves(norm: nn.Module, x: Tensor) -> Tensor:
    """`norm` on each channel half, the second one's channels flipped before and after."""
    fwd, rc = x.chunk(2, dim=-1)
    return torch.cat((norm(fwd), norm(rc.flip(-1)).flip(-1)), dim=-1)


class CaduceusBlock(nn.Module):
    """Add, norm, mixer. In Caduceus-PS with `fused_add_norm` the channel halves change places first.

    The official fused branch hands the second half to the "forward" norm and the first to the other, in the hidden
    state and in the residual; weights trained with it expect the exchange. The unfused branch has none.
    """

    def __init__(self, config: CaduceusConfig):
        super().__init__()
        mixer = BiMamba(config)
        self.mixer = RcpsMixer(mixer) if config.rcps else mixer
        self.norm = _make_norm(config)
        self.rcps, self.exchange = config.rcps, config.rcps and config.fused_add_norm
        self.residual_in_fp32 = config.residual_in_fp32

    def forward(self, hidden: Tensor, residual: Tensor | None) -> tuple[Tensor, Tensor]:
        """The mixer's output, and what is to be added to it."""
        if self.exchange:
            residual = hidden if residual is None else hidden + residual
            residual = residual.roll(residual.shape[-1] // 2, dims=-1)
            hidden = _apply_norm(self.norm, residual, self.rcps)
        else:
            hidden, residual = _add_and_norm(self.norm, hidden, residual, self.rcps)
        if self.residual_in_fp32 and residual.dtype == torch.bfloat16:
            residual = residual.float()
        return self.mixer(hidden), residual


def _make_norm(config: CaduceusConfig) -> nn.Module:
    eps = config.norm_epsilon
    norm = RMSNorm(config.d_model, eps) if config.rms_norm else nn.LayerNorm(config.d_model, eps=eps)
    return named(submodule=norm) if config.rcps and not config.fused_add_norm else norm


def _apply_norm(norm: nn.Module, x: Tensor, rcps: bool) -> Tensor:
    return _norm_halves(norm, x) if rcps else norm(x)


def _add_and_norm(norm: nn.Module, x: Tensor, residual: Tensor | None, rcps: bool) -> tuple[Tensor, Tensor]:
    """The norm of the sum, and the sum."""
    if residual is not None and isinstance(norm, RMSNorm) and not rcps:
        return kernels.add_and_norm(x, residual, norm.weight, norm.eps)
    residual = x if residual is None else x + residual
    return _apply_norm(norm, residual, rcps), residual


class RcpsEmbedding(nn.Module):
    """Embedding of the sequence in the first half of the channels, of its reverse complement in the second."""

    complement_map: Tensor

    def __init__(self, config: CaduceusConfig):
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.register_buffer("complement_map", complement_tensor(config))

    def forward(self, tokens: Tensor) -> Tensor:
        reverse = self.embedding(self.complement_map[tokens.flip(-1)])
        return torch.cat((self.embedding(tokens), reverse_complement_channels(reverse)), dim=-1)


class RcpsHead(nn.Module):
    """Logits summed over both halves, the second read through the complement."""

    complement_map: Tensor

    def __init__(self, config: CaduceusConfig):
        super().__init__()
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.register_buffer("complement_map", complement_tensor(config))

    def forward(self, x: Tensor) -> Tensor:
        fwd, rc = x.chunk(2, dim=-1)
        weight = self.lm_head.weight
        return F.linear(fwd, weight) + F.linear(rc.flip(-1), weight[self.complement_map])


def complement_tensor(config: CaduceusConfig) -> Tensor:
    """Complement of every token id: int64, shape (vocabulary,)."""
    return torch.tensor([config.complement_map[i] for i in range(config.vocab_size)])


class CaduceusBackbone(nn.Module):
    """Embedding, blocks, final norm."""

    def __init__(self, config: CaduceusConfig):
        super().__init__()
        embedding = RcpsEmbedding(config) if config.rcps else nn.Embedding(config.vocab_size, config.d_model)
        self.embeddings = named(word_embeddings=embedding)
        self.layers = nn.ModuleList(CaduceusBlock(config) for _ in range(config.n_layer))
        self.norm_f = _make_norm(config)
        self.rcps = config.rcps

    def forward(self, tokens: Tensor) -> Tensor:
        hidden, residual = self.embeddings(tokens), None
        for layer in self.layers:
            hidden, residual = layer(hidden, residual)
        return _add_and_norm(self.norm_f, hidden, residual, self.rcps)[0]


class CaduceusForMaskedLM(nn.Module):
    """Caduceus with its tied language-model head.

    ``model(tokens)`` takes int64 ids (batch, length) and gives logits (batch, length, vocabulary);
    ``model.hidden(tokens)`` gives the last normed hidden state (batch, length, d_model; twice that for PS).
    """

    def __init__(self, config: CaduceusConfig):
        super().__init__()
        self.config = config
        self.caduceus: Any = named(backbone=CaduceusBackbone(config))
        self.lm_head = RcpsHead(config) if config.rcps else nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.initialise()
        self._tie()

    def _tie(self) -> None:
        embedding, head = self.caduceus.backbone.embeddings.word_embeddings, self.lm_head
        weight = (embedding.embedding if isinstance(embedding, RcpsEmbedding) else embedding).weight
        (head.lm_head if isinstance(head, RcpsHead) else head).weight = weight

    @torch.no_grad()
    def initialise(self) -> None:
        """The official start of what is not Mamba's own: embeddings, projections, depth-scaled outputs."""
        start = self.config.initializer_cfg
        depth = math.sqrt(start.n_residuals_per_layer * self.config.n_layer)
        for name, module in self.named_modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=start.initializer_range)
            if isinstance(module, nn.Linear) and module.bias is not None and not name.endswith("dt_proj"):
                nn.init.zeros_(module.bias)
            if name.endswith("out_proj") and start.rescale_prenorm_residual:
                nn.init.kaiming_uniform_(cast(nn.Linear, module).weight, a=math.sqrt(5))
                cast(nn.Linear, module).weight.div_(depth)

    def aliases(self) -> dict[str, str]:
        """Names that the official files omit, each with the name of the tensor it repeats."""
        inner, head = ("embedding.", "lm_head.lm_head.") if self.config.rcps else ("", "lm_head.")
        found = {f"{head}weight": f"caduceus.backbone.embeddings.word_embeddings.{inner}weight"}
        if self.config.bidirectional and self.config.bidirectional_weight_tie:
            for name in self.state_dict():
                if ".mamba_rev.in_proj." in name or ".mamba_rev.out_proj." in name:
                    found[name] = name.replace("mamba_rev", "mamba_fwd")
        return found

    def hidden(self, tokens: Tensor) -> Tensor:
        """The last hidden state, normed: (batch, length, d_model), or twice the channels for PS."""
        return self.caduceus(tokens)

    def forward(self, tokens: Tensor) -> Tensor:
        logits = self.lm_head(self.hidden(tokens))
        return logits if logits.dtype == torch.float64 else logits.float()


CONTEXT = 131_072
"""Longest window of the published checkpoints; the architecture itself has no limit."""


def alphabet_of(config: CaduceusConfig) -> Alphabet:
    """The vocabulary of a checkpoint, which its size tells: PlantCaduceus has 7 tokens, padded to 8."""
    return LOWER_CASE if config.vocab_size <= 8 else CHARACTERS


def _build(checkpoint: Checkpoint) -> LetterLanguageModel:
    config, entry = CaduceusConfig.model_validate(read_config(checkpoint.folder)), checkpoint.entry
    network = CaduceusForMaskedLM(config)
    load_weights(network, find_weights(checkpoint.folder), base="caduceus.")
    return LetterLanguageModel(
        checkpoint.name,
        network,
        kind=entry.kind,
        context=entry.context or entry.window or CONTEXT,
        equivariant=config.rcps,
        alphabet=alphabet_of(config).reading_n_as(entry.n_reads_as),
        **checkpoint.settings,
    )


ARCHITECTURE = Architecture("masked", _build, ModelSize(256, 16, 7_700_000), model_types=("caduceus",))
