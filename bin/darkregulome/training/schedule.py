"""How long a training runs, and its learning rate: by steps (exactly repeatable) or by minutes (whatever fits)."""

import math
import time
from dataclasses import dataclass, field

WARM_UP = 0.05
"""Fraction of the training over which the learning rate rises."""

FINAL_RATE = 0.05
"""Learning rate at the end, as a fraction of its peak (cosine)."""


@dataclass
class Budget:
    """Steps, or minutes where `steps` is None. `spent` are the seconds that the process before a restart had used."""

    steps: int | None
    minutes: float | None = None
    spent: float = 0.0
    _began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds used so far, those before a restart included."""
        return self.spent + time.monotonic() - self._began

    def progress(self, step: int) -> float:
        """Fraction of the budget that is spent, 0 to 1."""
        if self.steps is not None:
            return min(step / self.steps, 1.0) if self.steps else 1.0
        assert self.minutes is not None, "a budget needs steps or minutes"
        return min(self.seconds / (60 * self.minutes), 1.0) if self.minutes else 1.0


def cosine_rate(peak: float, progress: float) -> float:
    """Learning rate at a fraction of the training: linear warm-up, then cosine."""
    if progress < WARM_UP:
        return peak * (progress + 1e-3) / WARM_UP
    phase = (progress - WARM_UP) / (1 - WARM_UP)
    return peak * (FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * phase)))
