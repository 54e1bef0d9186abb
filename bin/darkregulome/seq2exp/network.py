"""The two networks of Seq2Exp: a generator of masks and a predictor of expression, each a bidirectional Mamba."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveInt, ValidationError, model_validator
from torch import Tensor, nn
from torch.distributions import Beta
from torch.nn import functional as F

from darkregulome.errors import InputError
from darkregulome.models.caduceus import CaduceusBlock, CaduceusConfig, RMSNorm, SsmConfig
from darkregulome.models.checkpoint import CONFIG, find_weights, load_weights, read_config
from darkregulome.models.hyenadna import HyenaBlock, HyenaConfig
from darkregulome.seq2exp.mask import MaskSettings, hard_mask, keep_centre, kl_loss, mask_beta, top_mask

BASES = 4
NORM_EPSILON = 1e-5
ATTENTION_HEADS = 4


class Seq2ExpConfig(BaseModel):
    """The config.json of a checkpoint. The defaults are the paper's.

    Attributes
    ----------
    signals : names of the signals, in the order of the input's channels.
    log10_signals : those of them that are read as log10(x + 1).
    window : bases around the TSS.
    resolution : bases that one position of the Mambas, and of the mask, stands for. The paper's is 1; more makes
        training cheaper in proportion.
    stem_width : bases that one channel of the input layer sees. The paper's is 1; where a position stands for many
        bases it should hold a motif.
    source : where the mask comes from: learnt; ``"frozen"``, learnt before, with another predictor; ``"open"``, nothing
        masked (the predictor alone); ``"given"``, a mask that comes with the data (peaks).
    encoder : what reads the positions: a bidirectional Mamba; the forward one alone; Hyena; or attention between the
        promoter and the positions that are open, after EPInformer (Lin et al. 2024, doi:10.1101/2024.08.01.606099).
    open_start : logits of alpha at the start, and of beta with the opposite sign: a mask that starts open lets the
        predictor learn before the mask closes.
    """

    model_config = ConfigDict(extra="forbid")

    model_type: Literal["seq2exp"] = "seq2exp"
    signals: tuple[str, ...] = ("h3k27ac", "dnase", "contact")
    log10_signals: tuple[str, ...] = ("contact",)
    window: PositiveInt = 200_000
    d_model: PositiveInt = 128
    n_layer: PositiveInt = 4
    ssm_cfg: SsmConfig = SsmConfig()
    resolution: PositiveInt = 1
    stem_width: PositiveInt = 1
    source: Literal["learnt", "frozen", "open", "given"] = "learnt"
    encoder: Literal["caduceus", "mamba", "hyena", "attention"] = "caduceus"
    open_start: NonNegativeFloat = 0.0
    mask: MaskSettings = MaskSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> "Seq2ExpConfig":
        if self.window % self.resolution or self.mask.centre % self.resolution:
            raise ValueError("window and mask.centre must be multiples of resolution")
        if self.encoder == "attention" and self.d_model % (2 * ATTENTION_HEADS):
            raise ValueError(f"d_model must be a multiple of {2 * ATTENTION_HEADS} for attention")
        if not set(self.log10_signals) <= set(self.signals) and "log10_signals" in self.model_fields_set:
            raise ValueError("log10_signals must be among signals")
        for name, values in (("weights", self.mask.signal_weights), ("betas", self.mask.signal_betas)):
            if values and len(values) != len(self.signals):
                raise ValueError(f"mask.signal_{name} must have one value for each of the {len(self.signals)} signals")
        return self


def parse_config(settings: dict[str, Any], where: object) -> Seq2ExpConfig:
    """A configuration from its fields; what does not fit is told as the user's fault, all of it at once."""
    with validation_error(where):
        return Seq2ExpConfig.model_validate(settings)


@contextmanager
def validation_error(where: object) -> Iterator[None]:
    """Turns what pydantic finds wrong into one `InputError` that names every field."""
    try:
        yield
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in error.errors())
        raise InputError.at(where, f"does not fit ({'; '.join(faults)})", "see docs/seq2exp.md") from error


@dataclass(frozen=True)
class Masked:
    """What the networks make of a batch.

    Attributes
    ----------
    prediction : (batch,), log10(CAGE + 1).
    mask : (batch, positions), as the predictor saw it.
    soft : (batch, positions), the mask before thresholding and without the kept centre.
    distribution : the mask's, or None where it is not learnt.
    kl : its KL divergence, 0 where it is not learnt.
    """

    prediction: Tensor
    mask: Tensor
    soft: Tensor
    distribution: Beta | None
    kl: Tensor


class Encoder(nn.Module):
    """An input layer and a stack of blocks: (batch, bases, channels) to (batch, positions, d)."""

    def __init__(self, channels: int, config: Seq2ExpConfig):
        super().__init__()
        self.width, self.resolution, self.kind = config.stem_width, config.resolution, config.encoder
        self.stem = nn.Conv1d(channels, config.d_model, config.stem_width)
        # One base in four is 1 and the rest are 0, so PyTorch's own start, which counts every input, is too timid.
        nn.init.normal_(self.stem.weight[:, :BASES], std=math.sqrt(2 / config.stem_width))
        self.layers = nn.ModuleList(_block(config) for _ in range(config.n_layer))
        self.norm = RMSNorm(config.d_model, NORM_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return self.between(x, self.positions(x))

    def positions(self, x: Tensor) -> Tensor:
        """The input layer: what every position holds by itself, (batch, positions, d)."""
        left = (self.width - 1) // 2
        hidden = self.stem(F.pad(x.transpose(1, 2), (left, self.width - 1 - left)))
        hidden = F.max_pool1d(hidden, self.resolution)
        return (F.gelu(hidden) if self.width > 1 else hidden).transpose(1, 2)

    def between(self, x: Tensor, hidden: Tensor) -> Tensor:
        """The blocks over what `positions` made of x."""
        if self.kind in ("caduceus", "mamba"):
            residual = None
            for layer in self.layers:
                hidden, residual = layer(hidden, residual)
            return self.norm(hidden if residual is None else hidden + residual)
        if self.kind == "attention":
            hidden = hidden + distance_code(hidden)
            closed = _closed(x, self.resolution)
            for layer in self.layers:
                hidden = layer(hidden, src_key_padding_mask=closed)
            return self.norm(hidden)
        for layer in self.layers:
            hidden = layer(hidden)
        return self.norm(hidden)

    def read(self, x: Tensor, hidden: Tensor) -> Tensor:
        """What is known of the gene, (batch, d): the mean over positions; with attention, the promoter's position."""
        hidden = self.between(x, hidden)
        return hidden[:, hidden.shape[1] // 2] if self.kind == "attention" else hidden.mean(1)


def _block(config: Seq2ExpConfig) -> nn.Module:
    width = config.d_model
    if config.encoder == "hyena":
        positions = config.window // config.resolution
        return HyenaBlock(HyenaConfig(d_model=width, d_inner=2 * width, max_seq_len=positions, filter_order=width))
    if config.encoder == "attention":
        return nn.TransformerEncoderLayer(
            width, ATTENTION_HEADS, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
    return CaduceusBlock(
        CaduceusConfig(
            d_model=width,
            n_layer=config.n_layer,
            ssm_cfg=config.ssm_cfg,
            norm_epsilon=NORM_EPSILON,
            bidirectional=config.encoder == "caduceus",
        )
    )


def distance_code(hidden: Tensor) -> Tensor:
    """Sines and cosines of the distance from the middle, (positions, d), for hidden (batch, positions, d)."""
    positions, width = hidden.shape[1:]
    distance = torch.arange(positions, device=hidden.device, dtype=torch.float32) - positions // 2
    rates = torch.exp(torch.arange(0, width, 2, device=hidden.device) * (-math.log(10_000.0) / width))
    angles = distance[:, None] * rates
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)[:, :width]


def _closed(x: Tensor, resolution: int) -> Tensor:
    """Positions of which nothing is seen, (batch, positions), bool; the middle one never is."""
    closed = (x == 0).all(-1).unflatten(1, (-1, resolution)).all(-1)
    closed[:, closed.shape[1] // 2] = False
    return closed


class Seq2Exp(nn.Module):
    """Generator and predictor.

    ``model(bases, signals)`` takes one-hot bases (batch, window, 4) and signals (batch, window, signals), not
    negative; see `Masked` for what it gives. In training the mask is drawn where `draws` is set; else it is the mean.
    """

    def __init__(self, config: Seq2ExpConfig):
        super().__init__()
        self.config = config
        self.draws = config.source == "learnt"
        channels, width = BASES + len(config.signals), config.d_model
        self.predictor = Encoder(channels, config)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
        self.generator: Encoder | None = None
        if config.source in ("learnt", "frozen"):
            self.generator = Encoder(channels, config)
            self.logits = nn.Linear(width, 2)
            nn.init.normal_(self.logits.weight, std=0.02)
            with torch.no_grad():
                self.logits.bias.copy_(torch.tensor([-config.open_start, config.open_start]))
        if config.source == "frozen":
            for module in (self.generator, self.logits):
                module.requires_grad_(False)  # type: ignore[union-attr]

    @torch.no_grad()
    def start_at(self, level: float) -> None:
        """Let the untrained predictor predict `level`, the mean of the training genes."""
        nn.init.constant_(self.head[-1].bias, level)  # type: ignore[arg-type]

    def forward(self, bases: Tensor, signals: Tensor, given: Tensor | None = None) -> Masked:
        x = self.inputs(bases, signals)
        distribution, kl = None, x.new_zeros(())
        if self.generator is not None:
            pooled = _mean_of_bins(signals, self.config.resolution)
            distribution = mask_beta(self.logits(self.generator(x)).float(), pooled, self.config.mask)
            soft = distribution.rsample() if self.training and self.draws else distribution.mean
            kl = kl_loss(distribution, pooled, self.config.mask)
        elif self.config.source == "given":
            if given is None:
                raise ValueError("a model of given masks needs one")
            soft = _mean_of_bins(given.unsqueeze(-1), self.config.resolution).squeeze(-1)
        else:
            soft = x.new_ones(len(x), x.shape[1] // self.config.resolution)
        mask = self.apply_kind(soft)
        return Masked(self.predict(x, mask), mask, soft, distribution, kl)

    @staticmethod
    def inputs(bases: Tensor, signals: Tensor) -> Tensor:
        """What both networks read, (batch, window, 4 + signals). The mask's Betas read the signals as they are."""
        return torch.cat((bases, torch.log1p(signals)), dim=-1)  # counts have a long tail

    def apply_kind(self, soft: Tensor) -> Tensor:
        """The mask that the predictor sees: hard or soft, with the centre kept."""
        settings = self.config.mask
        if settings.kind == "hard":
            soft = hard_mask(soft, settings.threshold)
        elif settings.kind == "top":
            soft = top_mask(soft, settings.top)
        return self.keep_promoter(soft)

    def keep_promoter(self, mask: Tensor) -> Tensor:
        """A mask (batch, positions) with the centre kept."""
        return keep_centre(mask, self.config.mask.centre // self.config.resolution)

    def predict(self, x: Tensor, mask: Tensor) -> Tensor:
        """Expression (batch,) from the network's input (batch, window, channels) under a mask (batch, positions).

        A hard mask's gradient is that of the step between closed and open: what the input layer makes of the whole
        position, less what it makes of nothing. The gradient by the input itself says little of a closed position,
        where all bases are alike to the pooling. With one base a position the two are the same.
        """
        steps = self.config.mask.kind == "hard" and mask.requires_grad
        weight = (mask.detach() if steps else mask).repeat_interleave(self.config.resolution, dim=1).unsqueeze(-1)
        seen = x * weight
        hidden = self.predictor.positions(seen)
        if steps:
            with torch.no_grad():
                step = self.predictor.positions(x) - self.predictor.positions(torch.zeros_like(x[:1]))
            hidden = hidden + (mask - mask.detach()).unsqueeze(-1) * step
        return self.head(self.predictor.read(seen, hidden)).squeeze(-1)

    def aliases(self) -> dict[str, str]:
        """Names of tied tensors, each with the name of the tensor that it repeats."""
        return {
            name: name.replace("mamba_rev", "mamba_fwd")
            for name in self.state_dict()
            if ".mamba_rev.in_proj." in name or ".mamba_rev.out_proj." in name
        }


def _mean_of_bins(values: Tensor, size: int) -> Tensor:
    """Means of `size` bases: (batch, bases, channels) to (batch, positions, channels)."""
    return values if size == 1 else values.unflatten(1, (-1, size)).mean(2)


def load_seq2exp(folder: str | Path) -> Seq2Exp:
    """A trained model from its checkpoint folder, in evaluation mode.

    Raises
    ------
    InputError : the folder, its config.json or its weights do not fit.
    """
    config = parse_config(read_config(folder), Path(folder) / CONFIG)
    model = Seq2Exp(config)
    load_weights(model, find_weights(folder))
    return model.eval()
