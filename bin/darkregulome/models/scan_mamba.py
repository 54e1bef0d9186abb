"""The selective scan by mamba-ssm, where a user has installed it: CUDA, with its gradient."""

from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
from torch import Tensor


def scan_rows(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """`scan.selective_scan_rows` by ``selective_scan_fn``, which wants the length last and one type of all rows."""
    rows = (None if x is None else x.flip(1) if reverse else x for x in (u, delta, B, C, z))
    u, delta, B, C, z = (None if x is None else x.to(u.dtype).transpose(1, 2).contiguous() for x in rows)  # type: ignore[assignment]
    A, D, delta_bias = (None if x is None else x.float().contiguous() for x in (A, D, delta_bias))  # type: ignore[assignment]
    y, last = selective_scan_fn(
        u, delta, A, B, C, D, z=z, delta_bias=delta_bias, delta_softplus=delta_softplus, return_last_state=True
    )
    y = y.transpose(1, 2)
    return y.flip(1) if reverse else y, last
