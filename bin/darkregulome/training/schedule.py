"""How long a training runs, and its learning rate: by steps (exactly repeatable) or by minutes (whatever fits)."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

WARM_UP = 0.05
"""Fraction of the training over which the learning rate rises."""

FINAL_RATE = 0.05
"""Learning rate at the end, as a fraction of its peak (cosine)."""


@dataclass
class Budget:
    """Steps, or minutes where `steps` is None."""

    steps: int | None
    minutes: float | None = None
    _began: float = field(default_factory=time.monotonic)

    def progress(self, step: int) -> float:
        """Fraction of the budget that is spent, 0 to 1."""
        if self.steps is not None:
            return min(step / self.steps, 1.0)
        assert self.minutes is not None, "a budget needs steps or minutes"
        return min((time.monotonic() - self._began) / (60 * self.minutes), 1.0)

    def __iter__(self) -> Iterator[int]:
        step = 0
        while self.progress(step) < 1:
            yield step
            step += 1


def set_learning_rate(optimizer: torch.optim.Optimizer, peak: float, progress: float) -> None:
    """Linear warm-up, then cosine."""
    if progress < WARM_UP:
        rate = peak * (progress + 1e-3) / WARM_UP
    else:
        phase = (progress - WARM_UP) / (1 - WARM_UP)
        rate = peak * (FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * phase)))
    for group in optimizer.param_groups:
        group["lr"] = rate
