"""The selective scan by mamba-ssm, where a user has installed it: CUDA, with its gradient."""

from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
from torch import Tensor

from darkregulome.models.kernels.inputs import ScanRows, ScanWeights


def selective_scan(rows: ScanRows, weights: ScanWeights, reverse: bool = False) -> tuple[Tensor, Tensor]:
    """`pytorch.selective_scan` by ``selective_scan_fn``, which wants the length last and one type of all rows."""
    rows = rows.map(lambda x: x.flip(1)) if reverse else rows
    u, delta, B, C, z = rows.map(lambda x: x.to(rows.u.dtype).transpose(1, 2).contiguous())
    A, D, bias = (None if x is None else x.float().contiguous() for x in (weights.A, weights.D, weights.delta_bias))
    y, last = selective_scan_fn(
        u, delta, A, B, C, D, z=z, delta_bias=bias, delta_softplus=weights.softplus, return_last_state=True
    )
    y = y.transpose(1, 2)
    return y.flip(1) if reverse else y, last
