"""Order-k Markov models: the baseline that a language model must beat."""

import numpy as np

from darkregulome.genome.bases import N_CODE, reverse_complement_codes
from darkregulome.training.windows import Codes

PSEUDO_COUNT = 1.0

ORDERS = (0, 1, 2, 3, 4, 5)
"""A language model that does not beat the last of them has learnt nothing that counting would not."""


def _contexts(codes: np.ndarray, order: int, chosen: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Index of the preceding `order` bases and the base itself, at every (chosen) position where all are known."""
    codes = codes.astype(np.int64)
    length = codes.shape[-1]
    context = np.zeros(codes[..., order:].shape, dtype=np.int64)
    known = codes[..., order:] != N_CODE
    for step in range(order):
        before = codes[..., step : length - order + step]
        context = context * 4 + np.minimum(before, 3)
        known &= before != N_CODE
    if chosen is not None:
        known &= chosen[..., order:]
    return context[known], codes[..., order:][known]


def fit_markov(codes: Codes, order: int) -> np.ndarray:
    """Log-probabilities (nats) of the next base given `order` bases, both strands counted; shape (4**order, 4)."""
    counts = np.full((4**order, 4), PSEUDO_COUNT)
    for array in codes.values():
        for strand in (array, reverse_complement_codes(array)):
            context, base = _contexts(strand, order)
            counts += np.bincount(context * 4 + base, minlength=4 ** (order + 1)).reshape(-1, 4)
    return np.log(counts / counts.sum(axis=1, keepdims=True))


def markov_loss(log_probabilities: np.ndarray, windows: np.ndarray, chosen: np.ndarray | None = None) -> float:
    """Mean negative log-likelihood per base (nats) of `windows` (codes, (count, length)), at all bases or some."""
    order = round(np.log2(len(log_probabilities)) / 2)
    context, base = _contexts(windows, order, chosen)
    return float(-log_probabilities[context, base].mean())


def markov_losses(
    training: Codes, windows: np.ndarray, orders: tuple[int, ...] = ORDERS, chosen: np.ndarray | None = None
) -> dict[str, float]:
    """Held-out loss (nats per base) by order, at all bases or at the chosen ones (bool, shape of `windows`)."""
    return {str(order): markov_loss(fit_markov(training, order), windows, chosen) for order in orders}
