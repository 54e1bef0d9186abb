"""Train a small masked (Caduceus) or causal (HyenaDNA) language model on any genome.

Masking is BERT's: 15 % of the bases are targets, of which 80 % are masked, 10 % replaced, 10 % kept
(Devlin et al. 2019; Schiff et al. 2024 use the same for Caduceus).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from darkregulome.models.letters import MASK, PAD, A, N
from darkregulome.training.markov import markov_losses
from darkregulome.training.schedule import Budget, set_learning_rate
from darkregulome.training.windows import Codes, WindowSampler, evenly_spaced_windows

IGNORE = -100
TARGET_FRACTION, MASKED_FRACTION, REPLACED_FRACTION = 0.15, 0.8, 0.1


@dataclass(frozen=True)
class LanguageTraining:
    """Settings of one training."""

    window: int = 256
    batch: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    seed: int = 0
    evaluate_every: int = 200
    heldout_windows: int = 256


Report = Callable[[Mapping[str, Any]], None]


def codes_to_tokens(codes: np.ndarray) -> torch.Tensor:
    """Base codes (0 to 3, N 4) to tokens; N becomes PAD, as in the official pre-training of Caduceus."""
    tokens = torch.from_numpy(codes.astype(np.int64)) + A
    return tokens.masked_fill(tokens == N, PAD)


def mask_tokens(
    tokens: torch.Tensor,
    generator: torch.Generator,
    masked_fraction: float = MASKED_FRACTION,
    replaced_fraction: float = REPLACED_FRACTION,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Masked inputs and targets (IGNORE where there is none), both of the shape of `tokens`."""
    draw = torch.rand(tokens.shape, generator=generator)
    is_target = (draw < TARGET_FRACTION) & (tokens >= A)
    how = torch.rand(tokens.shape, generator=generator)
    other = torch.randint(A, A + 4, tokens.shape, generator=generator)
    inputs = torch.where(is_target & (how < masked_fraction), MASK, tokens)
    replaced = is_target & (how >= masked_fraction) & (how < masked_fraction + replaced_fraction)
    inputs = torch.where(replaced, other, inputs)
    return inputs, torch.where(is_target, tokens, IGNORE)


def next_tokens(tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets of a causal model: position t predicts token t + 1."""
    targets = torch.full_like(tokens, IGNORE)
    targets[:, :-1] = tokens[:, 1:]
    return tokens, targets.masked_fill(targets < A, IGNORE)


def loss_per_base(model: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor, causal: bool) -> torch.Tensor:
    """Negative log-likelihood (nats) at every target; 0 elsewhere; shape of `targets`.

    Of A, C, G, T only: the other tokens never are targets, and every reader renormalises over the four bases.
    """
    logits = model(inputs)[..., A : A + 4].float()
    bases = torch.where(targets == IGNORE, IGNORE, targets - A)
    return cross_entropy(logits.transpose(1, 2), bases, ignore_index=IGNORE, reduction="none")


def train_language_model(
    model: torch.nn.Module,
    causal: bool,
    training: Codes,
    held_out: Codes,
    budget: Budget,
    settings: LanguageTraining,
    report: Report = lambda _row: None,
) -> dict[str, Any]:
    """Train `model` in place; return its card: losses (nats per base) on held-out windows, beside Markov models'."""
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    sampler = WindowSampler(training, settings.window, np.random.default_rng(settings.seed))
    windows = evenly_spaced_windows(held_out, settings.window, settings.heldout_windows)
    optimizer = torch.optim.AdamW(
        _decay_groups(model, settings.weight_decay), lr=settings.learning_rate, betas=(0.9, 0.98)
    )
    first_loss, running, step = float("nan"), float("nan"), -1
    model.train()
    for step in budget:
        progress = budget.progress(step)
        set_learning_rate(optimizer, settings.learning_rate, progress)
        tokens = codes_to_tokens(sampler.draw(settings.batch))
        inputs, targets = next_tokens(tokens) if causal else mask_tokens(tokens, generator)
        losses = loss_per_base(model, inputs, targets, causal)
        loss = losses.sum() / (targets != IGNORE).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        value = float(loss.detach())
        first_loss = value if step == 0 else first_loss
        running = value if step == 0 else 0.98 * running + 0.02 * value
        if settings.evaluate_every and (step + 1) % settings.evaluate_every == 0:
            heldout = held_out_loss(model, causal, windows, settings)
            report({"step": step + 1, "progress": progress, "loss": running, "heldout_loss": heldout})
    return {
        "steps": step + 1,
        "first_loss": first_loss,
        "training_loss": running,
        "heldout_loss": held_out_loss(model, causal, windows, settings),
        "markov_loss": markov_losses(training, windows),
        "heldout_bases": int(windows.size),
    }


def held_out_loss(model: torch.nn.Module, causal: bool, windows: np.ndarray, settings: LanguageTraining) -> float:
    """Mean loss (nats per base) over targets of fixed windows; the same masks at every call."""
    losses, count = 0.0, 0
    for inputs, targets in _held_out_batches(causal, windows, settings):
        with torch.inference_mode():
            loss = loss_per_base(model.eval(), inputs, targets, causal)
        losses, count = losses + float(loss.sum()), count + int((targets != IGNORE).sum())
    model.train()
    return losses / count


def probe_loss(
    model: torch.nn.Module, causal: bool, windows: np.ndarray, inside: np.ndarray, settings: LanguageTraining
) -> float:
    """Mean loss (nats per base) over the targets inside marked positions (bool, shape of `windows`).

    A motif that the model has learnt is predicted far better than its surroundings: this is how a model card
    shows that its model knows the grammar of a simulated genome.
    """
    losses, count, row = 0.0, 0, 0
    for inputs, targets in _held_out_batches(causal, windows, settings):
        marked = torch.from_numpy(inside[row : row + len(inputs)])
        # A causal model's target at position t is base t + 1.
        marked = torch.roll(marked, -1, dims=1) if causal else marked
        with torch.inference_mode():
            loss = loss_per_base(model.eval(), inputs, targets, causal)
        chosen = marked & (targets != IGNORE)
        losses, count, row = losses + float(loss[chosen].sum()), count + int(chosen.sum()), row + len(inputs)
    model.train()
    return losses / max(count, 1)


def _held_out_batches(causal: bool, windows: np.ndarray, settings: LanguageTraining):
    generator = torch.Generator().manual_seed(settings.seed + 1)
    for start in range(0, len(windows), settings.batch):
        tokens = codes_to_tokens(windows[start : start + settings.batch])
        # Every target is masked here: a base that is shown, or shown wrong, says nothing of what the model predicts.
        yield next_tokens(tokens) if causal else mask_tokens(tokens, generator, 1.0, 0.0)


def _decay_groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices only; never on what a model marks (A_log, D, biases, filters' frequencies)."""
    decayed: list[torch.nn.Parameter] = []
    free: list[torch.nn.Parameter] = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            marked = getattr(parameter, "_no_weight_decay", False) or parameter.ndim < 2
            (free if marked else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
