"""The selective scan on a GPU, for inference: one Triton kernel, which ships with PyTorch.

A program holds the states of a block of channels of one sequence in registers and walks along the sequence, in either
direction. The parallelism is that of sequences and channels: large batches fill a GPU, one short sequence does not.

Triton needs a C compiler and Python's headers when it starts a kernel. So where there is a GPU the kernel is run once
as this module is imported; where that fails the import does, and another kernel is taken.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from darkregulome.models.kernels.inputs import ScanRows, ScanWeights

BLOCK = 32
"""Channels of a program."""


@triton.jit
def _softplus(x):
    # log(1 + e) loses a small e; the correction is Kahan's, and exact but for rounding.
    e = tl.exp(-tl.abs(x))
    w = 1.0 + e
    log1p = tl.where(w == 1.0, e, tl.log(w) * (e / tl.where(w == 1.0, 1.0, w - 1.0)))
    return tl.where(x > 0.0, x, 0.0) + log1p


@triton.jit
def _scan(
    u, delta, A, B, C, D, z, bias, y, last,
    u_batch, u_row, delta_batch, delta_row, B_batch, B_row, C_batch, C_row, z_batch, z_row, y_batch, y_row,
    length, channels, states,
    SOFTPLUS: tl.constexpr, SKIP: tl.constexpr, GATED: tl.constexpr, BIASED: tl.constexpr, REVERSE: tl.constexpr,
    BLOCK: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    sequence = tl.program_id(0).to(tl.int64)
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    n = tl.arange(0, STATES)
    here, there = channel < channels, n < states
    both = here[:, None] & there[None, :]
    small = channel[:, None] * states + n[None, :]
    decay = tl.load(A + small, mask=both, other=0.0)
    state = tl.zeros((BLOCK, STATES), dtype=tl.float32)
    biases = tl.load(bias + channel, mask=here, other=0.0) if BIASED else 0.0
    skip = tl.load(D + channel, mask=here, other=0.0) if SKIP else 0.0
    for step in range(length):
        t = tl.cast(length - 1 - step if REVERSE else step, tl.int64)
        x = tl.load(u + sequence * u_batch + t * u_row + channel, mask=here, other=0.0).to(tl.float32)
        dt = tl.load(delta + sequence * delta_batch + t * delta_row + channel, mask=here, other=0.0).to(tl.float32)
        dt += biases
        if SOFTPLUS:
            dt = _softplus(dt)
        b = tl.load(B + sequence * B_batch + t * B_row + n, mask=there, other=0.0).to(tl.float32)
        c = tl.load(C + sequence * C_batch + t * C_row + n, mask=there, other=0.0).to(tl.float32)
        state = tl.exp(dt[:, None] * decay) * state + (dt * x)[:, None] * b[None, :]
        total = tl.sum(state * c[None, :], axis=1)
        if SKIP:
            total += skip * x
        if GATED:
            gate = tl.load(z + sequence * z_batch + t * z_row + channel, mask=here, other=0.0).to(tl.float32)
            total = total * gate / (1.0 + tl.exp(-gate))
        tl.store(y + sequence * y_batch + t * y_row + channel, total.to(y.dtype.element_ty), mask=here)
    tl.store(last + sequence * channels * states + small, state, mask=both)


def selective_scan(rows: ScanRows, weights: ScanWeights, reverse: bool = False) -> tuple[Tensor, Tensor]:
    """`pytorch.selective_scan` on a GPU, without gradient. The state is float32 whatever the type of the rows."""
    # Rows of the sequence are read where they lie, in strides; parameters are small, and made dense.
    u, delta, B, C, z = rows.map(lambda x: x if x.stride(-1) == 1 else x.contiguous())
    A, D, bias = (None if x is None else x.float().contiguous() for x in (weights.A, weights.D, weights.delta_bias))
    batch, length, channels = u.shape
    states = weights.A.shape[1]
    y = u.new_empty(batch, length, channels)
    last = torch.empty(batch, channels, states, device=u.device)
    # What is absent is never read; the kernel wants an address all the same.
    tensors = (u, delta, A, B, C, u if D is None else D, u if z is None else z, u if bias is None else bias, y, last)
    strides = [stride for x in (u, delta, B, C, u if z is None else z, y) for stride in x.stride()[:2]]
    # Triton starts kernels on the current GPU, wherever the tensors are.
    with torch.cuda.device_of(u):
        _scan[(batch, triton.cdiv(channels, BLOCK))](
            *tensors,
            *strides,
            length,
            channels,
            states,
            SOFTPLUS=weights.softplus,
            SKIP=D is not None,
            GATED=z is not None,
            BIASED=bias is not None,
            REVERSE=reverse,
            BLOCK=BLOCK,
            STATES=triton.next_power_of_2(states),
            num_warps=1,
        )
    return y, last


def _try(device: str) -> None:
    """Run the kernel once; an `ImportError` where it cannot be made or started."""
    one = torch.ones(1, 1, 1, device=device)
    try:
        selective_scan(ScanRows(one, one, one, one), ScanWeights(-one[0]))
    except Exception as error:
        raise ImportError(f"Triton cannot make kernels here: {error}") from error


if torch.cuda.is_available():
    _try("cuda")
