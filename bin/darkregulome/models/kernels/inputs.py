"""What a selective scan reads."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class ScanRows(NamedTuple):
    """Tensors with one row per position, (batch, length, ...), which may be columns of a wider tensor."""

    u: Tensor
    """Input: (batch, length, channels)."""
    delta: Tensor
    """Step size before its bias: (batch, length, channels), or (batch, length, rank) where a weight makes it."""
    B: Tensor
    """Input projection: (batch, length, states)."""
    C: Tensor
    """Output projection: (batch, length, states)."""
    z: Tensor | None = None
    """Gate, (batch, length, channels): the result is multiplied by SiLU(z)."""

    def map(self, function: Callable[[Tensor], Tensor]) -> "ScanRows":
        """The same with `function` applied to each tensor."""
        return ScanRows(*(None if x is None else function(x) for x in self))  # type: ignore[arg-type]


class ScanWeights(NamedTuple):
    """Parameters of a selective scan."""

    A: Tensor
    """Decay, not positive: (channels, states)."""
    D: Tensor | None = None
    """Skip: (channels,)."""
    delta_bias: Tensor | None = None
    """Added to the step size: (channels,)."""
    delta_weight: Tensor | None = None
    """Makes the step size of `rank` numbers: (channels, rank)."""
    softplus: bool = False
    """Whether the step size passes through softplus."""

    @property
    def tensors(self) -> tuple[Tensor | None, ...]:
        """All but the flag."""
        return self.A, self.D, self.delta_bias, self.delta_weight
