"""What is read from one forward: distributions of bases, masked or not, and the measures by which they are compared.

`EPSILON` is that of the published dependency maps (Tomaz da Silva et al. 2025, doi:10.1038/s41588-025-02347-3), whose
notebook adds it to every probability.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from darkregulome.edits.batches import Batches
from darkregulome.genome.bases import N_CODE, base_codes
from darkregulome.models.protocol import LanguageModel, OutputModel

MASK_STRIDE = 7
"""Pseudo-log-likelihood masks every seventh base at once, as many as in training (15 %), in seven passes."""
EPSILON = 1e-10
PSEUDO_COUNT = 1.0
"""Added to predicted tracks before the logarithm: coverage is on the scale of counts, as in the Enformer paper."""

_OTHER_BASES = 1 - np.eye(4)


def codes(letters: str) -> NDArray[np.int64]:
    """0, 1, 2, 3 for A, C, G, T; -1 for anything else."""
    numbers = base_codes(letters).astype(np.int64)
    return np.where(numbers == N_CODE, -1, numbers)


def mask_stride(model: LanguageModel | OutputModel) -> int:
    """Bases from one that is masked to the next, where several are at once; 0 where the model masks none.

    A model over k-mers masks k of them, or one of k bases, with a base: k times as many bases lie between.
    """
    return MASK_STRIDE * getattr(model, "k", 1) if model.kind == "masked" else 0


def masked_tokens(model: LanguageModel, sequences: Sequence[str], sites: Sequence[Sequence[int]] = ()) -> torch.Tensor:
    """Tokens of equally long sequences, (sequences, length), masked at as many `sites` in each."""
    tokens = model.encode(sequences)
    for column in zip(*sites, strict=True):
        tokens = model.mask(tokens, torch.tensor(column, device=tokens.device))
    return tokens


def mask_phases(length: int, stride: int, count: int) -> tuple[int, ...]:
    """First places of the bases that are masked together, `count` of them or one or two fewer, at least one.

    They are alike from both ends of a window of `length` bases, so that both strands read the same bases.
    """
    phases: list[int] = []
    pairs = {tuple(sorted({phase, (length - 1 - phase) % stride})) for phase in range(min(stride, length))}
    for pair in sorted(pairs, key=lambda pair: (len(pair), pair)):
        if not phases or len(phases) + len(pair) <= count:
            phases += pair
    return tuple(sorted(phases))


def pseudo_log_probs(
    model: LanguageModel, tokens: torch.Tensor, length: int, stride: int, phases: Sequence[int] | None = None
) -> torch.Tensor:
    """Log-probabilities of each base while it is masked, (sequences, length, 4): every `stride`-th base at a time.

    Parameters
    ----------
    phases : the first of the bases that are masked together, pass by pass; by default all, so that each base is masked.
    """
    log_probs = None
    for phase in range(min(stride, length)) if phases is None else phases:
        masked = tokens
        for place in range(phase, length, stride):
            masked = model.mask(masked, torch.full((len(tokens),), place, device=tokens.device))
        predicted = model.log_probs(masked)
        log_probs = torch.zeros_like(predicted) if log_probs is None else log_probs
        log_probs[:, phase::stride] = predicted[:, phase::stride]
    return cast(torch.Tensor, log_probs)


@dataclass(frozen=True)
class Forward:
    """One sequence through the model: masked at `sites` (none: unmasked), or at one base after the other, `each`."""

    sequence: str
    sites: tuple[int, ...] = ()
    each: bool = False


def run_forwards(
    model: LanguageModel,
    forwards: Sequence[Forward],
    batches: Batches,
    read: Callable[[np.ndarray, torch.Tensor, torch.Tensor], None],
) -> None:
    """Run forwards, those of one length and number of masks together.

    Parameters
    ----------
    read : called with the numbers of a batch's forwards, their tokens, and their log-probabilities of A, C, G, T,
        (forwards, length, 4).
    """
    by_shape: dict[tuple[int, int, bool], list[int]] = defaultdict(list)
    for number, forward in enumerate(forwards):
        by_shape[len(forward.sequence), len(forward.sites), forward.each].append(number)

    def run(numbers: np.ndarray) -> None:
        batch = [forwards[number] for number in numbers.tolist()]
        tokens = masked_tokens(model, [item.sequence for item in batch], [item.sites for item in batch])
        if batch[0].each:
            read(numbers, tokens, pseudo_log_probs(model, tokens, len(batch[0].sequence), mask_stride(model)))
        else:
            read(numbers, tokens, model.log_probs(tokens))

    for (length, _, _), group in by_shape.items():
        batches.run(np.array(group), length, run)


def log_probs_of_bases(log_probs: torch.Tensor, sequences: Sequence[str]) -> NDArray[np.float32]:
    """Log-probability of each base of the sequences, zero at an N; shape (sequences, positions)."""
    bases = codes("".join(sequences)).reshape(len(sequences), -1)
    index = torch.from_numpy(np.maximum(bases, 0)).to(log_probs.device)
    read = log_probs.gather(2, index[..., None])[..., 0].float().cpu().numpy()
    return np.where(bases >= 0, read, np.float32(0))


def as_numbers(log_probs: torch.Tensor) -> NDArray[np.float64]:
    """A model's log-probabilities as an array."""
    return log_probs.double().cpu().numpy()


def log_odds(log_probs: NDArray[np.float64], epsilon: float = 0.0) -> NDArray[np.float64]:
    """ln(p / (1 - p)) of distributions over the last axis, from ln p.

    The rest is summed from the other three bases: exact where p is nearly 1.

    Parameters
    ----------
    epsilon : added to each probability; all are normalised again.
    """
    p = np.exp(np.asarray(log_probs, dtype=float)) + epsilon
    return np.log(p) - np.log(p @ _OTHER_BASES)


def log2_odds(log_probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """log2(p / (1 - p)) with `EPSILON`, from ln p: what the published maps compare."""
    return log_odds(log_probs, EPSILON) / math.log(2)


def log2_probability(log_probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """log2 p with `EPSILON`, from ln p: its change is the paper's ratio of probabilities."""
    p = np.exp(np.asarray(log_probs, dtype=float)) + EPSILON
    return np.log2(p / p.sum(-1, keepdims=True))


def track_change(edited: np.ndarray, reference: np.ndarray, log_outputs: bool) -> np.ndarray:
    """Change of predicted tracks in log2 units; `log_outputs` where predictions are decimal logarithms already."""
    if log_outputs:
        return (edited - reference) * math.log2(10)
    return np.log2((edited + PSEUDO_COUNT) / (reference + PSEUDO_COUNT))
