"""The mask of Seq2Exp: a Beta distribution for every position, and what is made of it.

The generator gives one Beta by sequence, the signals give another; the mask's own is their product. All distributions
are `torch.distributions.Beta`. Source: Su et al. 2025 (arXiv:2502.13991); ``combination="published"`` and the losses
agree with golden vectors of the published implementation (`tests/golden/seq2exp_mask`).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator
from torch import Tensor
from torch.distributions import Beta, kl_divergence
from torch.nn import functional as F

TINY = 1e-8
"""Added to parameters that could be zero."""


class MaskSettings(BaseModel):
    """How the mask is made. The defaults are the paper's soft mask.

    Attributes
    ----------
    combination : ``"product"``, the product of the two densities; ``"published"``, the sum of the parameters, as the
        published implementation has it; ``"sequence"``, the generator's Beta alone, held near the signals' by the KL.
    kind : soft values; hard ones (0 or 1) with a straight-through gradient; or 1 at the highest `top` of positions and
        0 elsewhere, without a gradient.
    floor : added to the sequence's parameters and to the signals.
    signal_scale : factor of the signals' parameters: how much a signal weighs against the sequence.
    signal_weights : relative weight of each signal; equal if empty.
    signal_betas : second parameter of each signal's Beta, less the floor and before the scale: the value at which the
        signal gives a mask of one half. 1 if empty.
    prior : parameters of the Beta to which the mask is drawn.
    top : share of positions that a mask of kind ``"top"`` keeps.
    threshold : at and above it a hard mask is 1.
    centre : bases in the middle of the window that are always kept: the promoter.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    combination: Literal["product", "published", "sequence"] = "product"
    kind: Literal["soft", "hard", "top"] = "soft"
    floor: NonNegativeFloat = 1.0
    signal_scale: PositiveFloat = 10.0
    signal_weights: tuple[PositiveFloat, ...] = ()
    signal_betas: tuple[NonNegativeFloat, ...] = ()
    prior: tuple[PositiveFloat, PositiveFloat] = (10.0, 90.0)
    threshold: float = Field(default=0.5, gt=0, lt=1)
    top: float = Field(default=0.1, gt=0, le=1)
    centre: NonNegativeInt = 2000

    @model_validator(mode="after")
    def _product_is_a_density(self) -> "MaskSettings":
        if self.combination == "product" and self.floor * (1 + self.signal_scale) < 1:
            raise ValueError("the product of the densities needs floor * (1 + signal_scale) of at least 1")
        return self


def sequence_beta(logits: Tensor, floor: float) -> Beta:
    """The generator's Beta: logits (..., 2), the second for alpha and the first for beta, through softplus."""
    raised = F.softplus(logits) + floor + TINY
    return _beta(raised[..., 1], raised[..., 0])


def signal_beta(signals: Tensor, betas: Sequence[float], floor: float, scale: float) -> Beta:
    """The Beta of every signal: `signals` (..., signals), not negative; `betas` one a signal."""
    alpha = (signals + floor) * scale + TINY
    beta = (signals.new_tensor(betas) + floor) * scale
    return _beta(alpha, beta.expand_as(alpha))


def pool(distribution: Beta, weights: Sequence[float]) -> Beta:
    """The logarithmic opinion pool over the last axis: the product of the densities, each to the power of its weight.

    Weights are scaled to a sum of 1, so that the parameters of the pool are the weighted means.
    """
    shares = distribution.concentration1.new_tensor(weights)
    shares = shares / shares.sum()
    return _beta((distribution.concentration1 * shares).sum(-1), (distribution.concentration0 * shares).sum(-1))


def product(first: Beta, second: Beta) -> Beta:
    """The product of two densities, scaled to 1: Beta(a1 + a2 - 1, b1 + b2 - 1)."""
    return _beta(first.concentration1 + second.concentration1 - 1.0, first.concentration0 + second.concentration0 - 1.0)


def published_sum(first: Beta, second: Beta) -> Beta:
    """What the published implementation takes for the product: Beta(a1 + a2, b1 + b2)."""
    return _beta(first.concentration1 + second.concentration1, first.concentration0 + second.concentration0)


def mask_beta(logits: Tensor, signals: Tensor, settings: MaskSettings) -> Beta:
    """The mask's distribution from generator logits (..., 2) and signals (..., signals; may be none)."""
    sequence = sequence_beta(logits, settings.floor)
    if settings.combination == "sequence" or signals.shape[-1] == 0:
        return sequence
    pooled = pool(_each_signal(signals, settings), _weights(signals, settings))
    return (product if settings.combination == "product" else published_sum)(sequence, pooled)


def kl_loss(distribution: Beta, signals: Tensor, settings: MaskSettings) -> Tensor:
    """Mean KL divergence from the prior; for ``"sequence"`` the weighted mean of those from the signals' Betas."""
    if settings.combination != "sequence" or signals.shape[-1] == 0:
        alpha, beta = (distribution.concentration1.new_tensor(value) for value in settings.prior)
        return kl_divergence(distribution, _beta(alpha, beta)).mean()
    repeated = Beta(
        distribution.concentration1.unsqueeze(-1), distribution.concentration0.unsqueeze(-1), validate_args=False
    )
    weights = signals.new_tensor(_weights(signals, settings))
    divergence = kl_divergence(repeated, _each_signal(signals, settings))
    return (divergence * weights / weights.sum()).sum(-1).mean()


def hard_mask(mask: Tensor, threshold: float) -> Tensor:
    """1 at and above `threshold`, else 0; the gradient is that of `mask` itself (straight-through).

    Without it no prediction loss could reach whatever made the mask.
    """
    chosen = (mask >= threshold).to(mask.dtype)
    return chosen + (mask - mask.detach())


def top_mask(mask: Tensor, fraction: float) -> Tensor:
    """1 at the `fraction` of positions with the highest values, along the last axis; ties at the edge are all kept."""
    count = max(1, int(fraction * mask.shape[-1]))
    edge = mask.topk(count, dim=-1).values[..., -1:]
    return (mask >= edge).to(mask.dtype)


def keep_centre(mask: Tensor, length: int) -> Tensor:
    """The mask with its `length` middle positions set to 1."""
    first = mask.shape[-1] // 2 - length // 2
    position = torch.arange(mask.shape[-1], device=mask.device)
    return torch.where((position >= first) & (position < first + length), torch.ones_like(mask), mask)


def continuity(mask: Tensor) -> Tensor:
    """Mean absolute step between neighbours along the last axis, the mask's ends being continued past its edges."""
    return mask.diff(dim=-1).abs().sum(-1).mean() / (mask.shape[-1] + 1)


def total_loss(
    predicted: Tensor, target: Tensor, kl: Tensor, steps: Tensor, kl_weight: float, continuity_weight: float
) -> tuple[Tensor, Tensor]:
    """The loss that training lowers, and the prediction's part of it (smooth L1)."""
    prediction = F.smooth_l1_loss(predicted, target)
    return prediction + kl_weight * kl + continuity_weight * steps, prediction


def _each_signal(signals: Tensor, settings: MaskSettings) -> Beta:
    betas = settings.signal_betas or (1.0,) * signals.shape[-1]
    return signal_beta(signals, betas, settings.floor, settings.signal_scale)


def _weights(signals: Tensor, settings: MaskSettings) -> Sequence[float]:
    return settings.signal_weights or (1.0,) * signals.shape[-1]


def _beta(alpha: Tensor, beta: Tensor) -> Beta:
    # Checking the values of every base in every step costs more than the distribution itself.
    return Beta(alpha, beta, validate_args=False)
