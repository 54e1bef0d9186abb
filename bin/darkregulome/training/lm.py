"""Train a small masked (Caduceus, GPN, BERT over bases) or causal (HyenaDNA) language model on any genome.

Masking is BERT's: 15 % of the bases are targets, of which 80 % are masked, 10 % replaced, 10 % kept
(Devlin et al. 2019; Schiff et al. 2024 use the same for Caduceus, Benegas et al. 2023 for GPN, who also give repeats
less weight).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from darkregulome.models.letters import CHARACTERS, Alphabet
from darkregulome.training.build import Language
from darkregulome.training.loop import Losses, Plan, Report, Task, decay_groups, train
from darkregulome.training.markov import ORDERS, markov_losses
from darkregulome.training.schedule import Budget, cosine_rate
from darkregulome.training.settings import LanguageTraining
from darkregulome.training.state import StateFile, fingerprint, start_of
from darkregulome.training.windows import Codes, WindowSampler, cut_windows, evenly_spaced_places

IGNORE = -100
TARGET_FRACTION, MASKED_FRACTION, REPLACED_FRACTION = 0.15, 0.8, 0.1


def codes_to_tokens(codes: np.ndarray, alphabet: Alphabet = CHARACTERS) -> torch.Tensor:
    """Base codes (0 to 3, N 4) to tokens; N becomes PAD, as in the official pre-training of Caduceus, where it can."""
    ids = torch.tensor([*alphabet.bases, alphabet.reading_n_as("pad").n])
    return ids[torch.from_numpy(codes.astype(np.int64))]


def mask_tokens(
    tokens: torch.Tensor,
    generator: torch.Generator,
    masked_fraction: float = MASKED_FRACTION,
    replaced_fraction: float = REPLACED_FRACTION,
    alphabet: Alphabet = CHARACTERS,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Masked inputs and targets (IGNORE where there is none), both of the shape of `tokens`."""
    first = alphabet.bases[0]
    draw = torch.rand(tokens.shape, generator=generator)
    is_target = (draw < TARGET_FRACTION) & (tokens >= first)
    how = torch.rand(tokens.shape, generator=generator)
    other = torch.randint(first, first + 4, tokens.shape, generator=generator)
    inputs = torch.where(is_target & (how < masked_fraction), alphabet.mask, tokens)
    replaced = is_target & (how >= masked_fraction) & (how < masked_fraction + replaced_fraction)
    inputs = torch.where(replaced, other, inputs)
    return inputs, torch.where(is_target, tokens, IGNORE)


def next_tokens(tokens: torch.Tensor, alphabet: Alphabet = CHARACTERS) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets of a causal model: position t predicts token t + 1."""
    targets = torch.full_like(tokens, IGNORE)
    targets[:, :-1] = tokens[:, 1:]
    return tokens, targets.masked_fill(targets < alphabet.bases[0], IGNORE)


def loss_per_base(
    model: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor, alphabet: Alphabet = CHARACTERS
) -> torch.Tensor:
    """Negative log-likelihood (nats) at every target; 0 elsewhere; shape of `targets`.

    Of A, C, G, T only: the other tokens never are targets, and every reader renormalises over the four bases.
    """
    first = alphabet.bases[0]
    logits = model(inputs)[..., first : first + 4].float()
    bases = torch.where(targets == IGNORE, IGNORE, targets - first)
    return cross_entropy(logits.transpose(1, 2), bases, ignore_index=IGNORE, reduction="none")


@dataclass(frozen=True)
class _Examples:
    """Inputs, targets and the weight of each target's base (None: all 1), all (windows, bases)."""

    inputs: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor | None

    @property
    def total(self) -> torch.Tensor:
        """Sum of the weights of all targets."""
        chosen = self.targets != IGNORE
        return chosen.sum() if self.weights is None else (chosen * self.weights).sum()


@dataclass(frozen=True)
class Corpus:
    """Contigs to train on and held-out ones, by name, and where all of them are soft-masked, if that matters."""

    training: Codes
    held_out: Codes
    repeats: Mapping[str, np.ndarray] | None = None


@dataclass(frozen=True)
class HeldOut:
    """Windows of contigs that are not trained on: base codes, and where they are soft-masked; (windows, bases)."""

    windows: np.ndarray
    repeats: np.ndarray | None = None

    @classmethod
    def of(cls, codes: Codes, settings: LanguageTraining, repeats: Mapping[str, np.ndarray] | None = None) -> "HeldOut":
        """Windows spread evenly over the contigs."""
        places = evenly_spaced_places(codes, settings.window, settings.heldout_windows)
        marks = None if repeats is None else cut_windows(repeats, places, settings.window)
        return cls(cut_windows(codes, places, settings.window), marks)


class LanguageTask(Task):
    """A language model, and windows drawn at random from the contigs of training, on either strand."""

    def __init__(
        self,
        model: torch.nn.Module,
        language: Language,
        training: Codes,
        held_out: HeldOut,
        settings: LanguageTraining,
        repeats: Mapping[str, np.ndarray] | None = None,
    ):
        self.model, self.language, self.settings, self._held_out = model, language, settings, held_out
        masks, windows = torch.Generator().manual_seed(settings.seed), np.random.default_rng(settings.seed)
        self.generators = {"masks": masks, "windows": windows}
        self._masks, self._weighted = masks, repeats is not None and settings.repeat_weight != 1
        marks = repeats if self._weighted else None
        self._sampler = WindowSampler(training, settings.window, windows, marks, settings.strands == "both")
        groups = decay_groups(model, settings.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98))

    def draw(self) -> _Examples:
        """Windows of one step, masked."""
        codes, repeats = self._sampler.draw_marked(self.settings.batch)
        alphabet = self.language.alphabet
        tokens, marks = codes_to_tokens(codes, alphabet), torch.from_numpy(repeats)
        if self.language.causal:
            inputs, targets = next_tokens(tokens, alphabet)
            marks = torch.roll(marks, -1, dims=1)  # the target at position t is base t + 1
        else:
            inputs, targets = mask_tokens(tokens, self._masks, alphabet=alphabet)
        weights = torch.where(marks, self.settings.repeat_weight, 1.0) if self._weighted else None
        return _Examples(inputs, targets, weights)

    def split(self, batch: _Examples, parts: int) -> list[tuple[_Examples, float]]:
        """Some windows each; a part's share is that of its targets."""
        if parts == 1:
            return [(batch, 1.0)]
        rows = [part for part in torch.arange(len(batch.inputs)).tensor_split(parts) if len(part)]
        cut = [
            _Examples(batch.inputs[r], batch.targets[r], None if batch.weights is None else batch.weights[r])
            for r in rows
        ]
        whole = float(batch.total)
        return [(part, float(part.total) / whole) for part in cut if part.total > 0]

    def losses(self, batch: _Examples, step: int, device: torch.device) -> Losses:
        """Mean loss of the targets, in nats per base."""
        losses = loss_per_base(self.model, batch.inputs.to(device), batch.targets.to(device), self.language.alphabet)
        weighed = losses if batch.weights is None else losses * batch.weights.to(device)
        loss = weighed.sum() / batch.total.clamp(min=1).to(device)
        return loss, {"loss": float(loss.detach())}

    def evaluate(self) -> dict[str, float]:
        """Loss on the held-out windows."""
        return {"heldout_loss": held_out_loss(self.model, self.language, self._held_out.windows, self.settings)}


def train_language_model(
    model: torch.nn.Module,
    language: Language,
    corpus: Corpus,
    budget: Budget,
    settings: LanguageTraining,
    report: Report = lambda _row: None,
    state: StateFile | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Train `model` in place; return its card and its curve (one row per evaluation).

    The card has its losses (nats per base) on held-out windows, and those of Markov models. `state` keeps what a
    restart needs.
    """
    torch.manual_seed(settings.seed)
    held_out = HeldOut.of(corpus.held_out, settings, corpus.repeats)
    plan = Plan(
        budget,
        rate=lambda _step, progress: cosine_rate(settings.learning_rate, progress),
        evaluate_every=settings.evaluate_every,
        watch=None if settings.patience is None else "heldout_loss",
        patience=settings.patience,
        parts=settings.parts,
        device=torch.device(settings.device),
        precision=settings.precision,
    )
    done = train(
        LanguageTask(model, language, corpus.training, held_out, settings, corpus.repeats), plan, report, state
    )
    loss = held_out_loss(model, language, held_out.windows, settings)
    markov = markov_losses(corpus.training, held_out.windows)
    card = {
        **done.card(),
        "heldout_loss": loss,
        "markov_loss": markov,
        "heldout_bases": int(held_out.windows.size),
        "verdict": verdict(loss, markov),
    }
    if settings.patience is not None:
        card["best_step"] = done.best_step
    if held_out.repeats is not None and not held_out.repeats.all():
        unique = ~held_out.repeats
        card["outside_repeats"] = {
            "heldout_loss": probe_loss(model, language, held_out.windows, unique, settings),
            "markov_loss": markov_losses(corpus.training, held_out.windows, chosen=unique),
        }
    return card, done.curve


def verdict(loss: float, markov: Mapping[str, float]) -> str:
    """Whether a model has learnt more than counting would have: a sentence for its card."""
    order = str(ORDERS[-1])
    gain = markov[order] - loss
    if gain > 0:
        return f"beats the Markov model of order {order} by {gain:.4f} nats a base"
    return f"does not beat the Markov model of order {order} ({-gain:.4f} nats a base worse): of no use"


def is_useless(loss: float, markov: Mapping[str, float]) -> bool:
    """Whether the Markov model of the highest order is as good."""
    return not loss < markov[str(ORDERS[-1])]


def identity(model: torch.nn.Module, corpus: Corpus, budget: Budget, settings: LanguageTraining) -> dict[str, Any]:
    """What a training is made of, for its `StateFile`; `model` is the one that it starts from."""
    return {
        "training": fingerprint(corpus.training),
        "held_out": fingerprint(corpus.held_out),
        **start_of(model, budget, settings),
    }


def held_out_loss(model: torch.nn.Module, language: Language, windows: np.ndarray, settings: LanguageTraining) -> float:
    """Mean loss (nats per base) over targets of fixed windows; the same masks at every call."""
    return probe_loss(model, language, windows, np.ones(windows.shape, dtype=bool), settings)


def probe_loss(
    model: torch.nn.Module,
    language: Language,
    windows: np.ndarray,
    inside: np.ndarray,
    settings: LanguageTraining,
) -> float:
    """Mean loss (nats per base) over the targets inside marked positions (bool, shape of `windows`).

    A motif that the model has learnt is predicted far better than its surroundings: this is how a model card
    shows that its model knows the grammar of a simulated genome.
    """
    losses, count, row = 0.0, 0, 0
    device = next(model.parameters()).device
    model.eval()
    for inputs, targets in _held_out_batches(language, windows, settings):
        marked = torch.from_numpy(inside[row : row + len(inputs)])
        # A causal model's target at position t is base t + 1.
        marked = torch.roll(marked, -1, dims=1) if language.causal else marked
        with torch.inference_mode():
            loss = loss_per_base(model, inputs.to(device), targets.to(device), language.alphabet).cpu()
        chosen = marked & (targets != IGNORE)
        losses, count, row = losses + float(loss[chosen].sum()), count + int(chosen.sum()), row + len(inputs)
    model.train()
    return losses / max(count, 1)


def _held_out_batches(language: Language, windows: np.ndarray, settings: LanguageTraining):
    generator = torch.Generator().manual_seed(settings.seed + 1)
    alphabet = language.alphabet
    for start in range(0, len(windows), settings.batch):
        tokens = codes_to_tokens(windows[start : start + settings.batch], alphabet)
        # Every target is masked here: a base that is shown, or shown wrong, says nothing of what the model predicts.
        yield next_tokens(tokens, alphabet) if language.causal else mask_tokens(tokens, generator, 1.0, 0.0, alphabet)
