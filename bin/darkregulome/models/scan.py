"""The selective scan of Mamba in plain PyTorch: exact, with its gradient, state always in float32 or better.

    h[t] = exp(delta[t] A) h[t-1] + delta[t] B[t] u[t],    y[t] = C[t] h[t] + D u[t]

One kernel, a loop over time whose every step is vectorised over (batch, state, channel). Short windows in large
batches fill a step by themselves. A long sequence in a small batch is cut into chunks that run side by side as a
batch: once from a zero state, to learn what each chunk hands on, and once more from the right state. Every factor is
an exponential of something not positive, so that nothing overflows, and a factor that underflows to zero is exact.

Source of the recurrence: Gu and Dao 2023 (arXiv:2312.00752); tested against `selective_scan_ref` of mamba-ssm.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

CHUNK = 64
"""Steps a chunk of a long sequence has; measured best between 32 and 64 on CPUs."""

STEP_ELEMENTS = {"cpu": 2**18, "cuda": 2**23}
"""State elements to work on in one step: a CPU's fit its cache, a GPU's fill its cores."""


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
) -> Any:
    """Run the selective scan of real Mamba.

    Parameters
    ----------
    u, delta : input and step size, (batch, channels, length).
    A : decay, not positive, (channels, state).
    B, C : input and output projections, (batch, state, length).
    D : skip, (channels,).
    z : gate, (batch, channels, length); the result is multiplied by SiLU(z).
    delta_bias : added to `delta`, (channels,).
    delta_softplus : pass `delta` (with its bias) through softplus.
    return_last_state : also return the state after the last position.

    Returns
    -------
    y (batch, channels, length) in the dtype of `u`, and the last state (batch, channels, state) if asked.
    """
    dtype = torch.float64 if u.dtype == torch.float64 else torch.float32
    given, u, delta = u.dtype, u.to(dtype), delta.to(dtype)
    if delta_bias is not None:
        delta = delta + delta_bias.to(dtype)[:, None]
    if delta_softplus:
        delta = F.softplus(delta)
    y, last = _scan(
        delta.permute(2, 0, 1).contiguous(),
        u.permute(2, 0, 1).contiguous(),
        A.to(dtype).t().contiguous(),
        B.to(dtype).permute(2, 0, 1).contiguous(),
        C.to(dtype).permute(2, 0, 1).contiguous(),
    )
    y = y.permute(1, 2, 0)
    if D is not None:
        y = y + u * D.to(dtype)[:, None]
    if z is not None:
        y = y * F.silu(z.to(dtype))
    y = y.to(given)
    return (y, last.transpose(1, 2)) if return_last_state else y


def _scan(delta: Tensor, u: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    """Time-major scan: delta and u (length, batch, channels), A (state, channels), B and C (length, batch, state).

    Returns y (length, batch, channels) and the last state (batch, state, channels).
    """
    length, batch, channels = u.shape
    start = u.new_zeros(batch, A.shape[0], channels)
    side_by_side = STEP_ELEMENTS.get(u.device.type, 2**18) // start.numel()
    if length <= CHUNK or side_by_side < 4:
        return cast(tuple[Tensor, Tensor], _TimeLoop.apply(delta, u, A, B, C, start))
    block = side_by_side * CHUNK
    parts = []
    for first in range(0, length, block):
        piece = slice(first, first + block)
        y, start = _chunked(delta[piece], u[piece], A, B[piece], C[piece], start)
        parts.append(y)
    return torch.cat(parts), start


def _chunked(delta: Tensor, u: Tensor, A: Tensor, B: Tensor, C: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """The scan of one block from the state `start`, its chunks run side by side as if they were a batch."""
    length, batch, channels = u.shape
    # A step with delta 0 changes no state, so padding the block's end is exact.
    chunks = -(-length // CHUNK)
    if chunks == 1:
        return cast(tuple[Tensor, Tensor], _TimeLoop.apply(delta, u, A, B, C, start))
    delta, u, B, C = (_stack_chunks(x, chunks) for x in (delta, u, B, C))
    decay = torch.exp(delta.sum(0).unflatten(0, (chunks, batch)).unsqueeze(2) * A)
    zero = u.new_zeros(chunks * batch, A.shape[0], channels)
    gained = _TimeLoop.apply(delta, u, A, B, None, zero)[1].unflatten(0, (chunks, batch))
    starts = [start]
    for k in range(chunks):
        starts.append(decay[k] * starts[-1] + gained[k])
    y, _ = _TimeLoop.apply(delta, u, A, B, C, torch.cat(starts[:-1]))
    y = y.unflatten(1, (chunks, batch)).transpose(0, 1).flatten(0, 1)[:length]
    return y, starts[-1]


def _stack_chunks(x: Tensor, chunks: int) -> Tensor:
    """(length, batch, k) to (CHUNK, chunks * batch, k), the end padded with zeros."""
    x = F.pad(x, (0, 0, 0, 0, 0, chunks * CHUNK - x.shape[0]))
    return x.unflatten(0, (chunks, CHUNK)).transpose(0, 1).flatten(1, 2).contiguous()


class _TimeLoop(torch.autograd.Function):
    """The recurrence, step by step, over a batch; shapes as in `_scan`. Without C only the last state is computed."""

    @staticmethod
    def forward(ctx: Any, delta: Tensor, u: Tensor, A: Tensor, B: Tensor, C: Tensor | None, start: Tensor) -> Any:
        length, batch, channels = u.shape
        keep = any(ctx.needs_input_grad)
        states = u.new_empty(length + 1, *start.shape) if keep else None
        state = start.clone()
        if states is not None:
            states[0] = start
        du = delta * u
        y = u.new_empty((length, batch, 1, channels) if C is not None else (0,))
        for t in range(length):
            decay = (delta[t].unsqueeze(1) * A).exp_().mul_(state)
            out = state if states is None else states[t + 1]
            state = torch.addcmul(decay, B[t].unsqueeze(2), du[t].unsqueeze(1), out=out)
            if C is not None:
                torch.bmm(C[t].unsqueeze(1), state, out=y[t])
        ctx.save_for_backward(delta, u, A, B, C, states)
        return (y.squeeze(2) if C is not None else y), state.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_last: Tensor) -> Any:
        delta, u, A, B, C, states = ctx.saved_tensors
        du = delta * u
        grad_y = grad_y.contiguous() if C is not None else grad_y
        state_grad = grad_last.clone()
        grad_du, grad_delta, grad_B = torch.empty_like(du), torch.empty_like(delta), torch.empty_like(B)
        grad_C = torch.empty_like(C) if C is not None else None
        grad_A = torch.zeros_like(state_grad)
        for t in range(len(u) - 1, -1, -1):
            if C is not None:
                state_grad.addcmul_(C[t].unsqueeze(2), grad_y[t].unsqueeze(1))
                torch.bmm(states[t + 1], grad_y[t].unsqueeze(2), out=grad_C[t].unsqueeze(2))
            torch.bmm(state_grad, du[t].unsqueeze(2), out=grad_B[t].unsqueeze(2))
            torch.bmm(B[t].unsqueeze(1), state_grad, out=grad_du[t].unsqueeze(1))
            step = delta[t].unsqueeze(1)
            state_grad.mul_((step * A).exp_())
            exponent_grad = state_grad * states[t]
            grad_A.addcmul_(exponent_grad, step)
            torch.sum(exponent_grad.mul_(A), 1, out=grad_delta[t])
        grad_delta.addcmul_(grad_du, u)
        return grad_delta, grad_du.mul_(delta), grad_A.sum(0), grad_B, grad_C, state_grad
