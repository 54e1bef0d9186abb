"""The selective scan in plain PyTorch, with its gradient: of any precision, on any device, state in float32 or better.

    h[t] = exp(delta[t] A) h[t-1] + delta[t] B[t] u[t],    y[t] = C[t] h[t] + D u[t]

It is a loop over time whose every step is vectorised over (batch, state, channel). Short windows in large batches fill
a step by themselves. A long sequence in a small batch is cut into chunks that run side by side as a batch: once from a
zero state, to learn what each chunk hands on, and once more from the right state. Every factor is an exponential of
something not positive, so that nothing overflows, and a factor that underflows to zero is exact.

Source of the recurrence: Gu and Dao 2023 (arXiv:2312.00752); tested against `selective_scan_ref` of mamba-ssm.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from darkregulome.models.kernels.inputs import ScanRows, ScanWeights

CHUNK = 64
"""Steps per chunk of a long sequence; measured best between 32 and 64 on CPUs."""

STEP_OVERHEAD = {"cpu": 2**14, "cuda": 2**21}
"""What it costs to start the operations of a step at all, in state elements that could be computed meanwhile."""

SAVED_EVERY = 16
"""Steps between the states that are saved for the gradient."""

STEP_ELEMENTS = {"cpu": 2**18, "cuda": 2**23}
"""State elements to compute in one step: those of a CPU fit its cache, those of a GPU fill its cores."""


def selective_scan(rows: ScanRows, weights: ScanWeights, reverse: bool = False) -> tuple[Tensor, Tensor]:
    """`kernels.selective_scan` without `onto` and `delta_weight`."""
    if reverse:
        y, last = selective_scan(rows.map(lambda x: x.flip(1)), weights)
        return y.flip(1), last
    u, delta, B, C, z = rows
    dtype = torch.float64 if u.dtype == torch.float64 else torch.float32
    u, delta = u.to(dtype), delta.to(dtype)
    if weights.delta_bias is not None:
        delta = delta + weights.delta_bias.to(dtype)
    if weights.softplus:
        delta = F.softplus(delta)
    time_first = (x.to(dtype).transpose(0, 1).contiguous() for x in (delta, u, B, C))
    delta, u_first, B, C = time_first
    y, last = _scan(delta, u_first, weights.A.to(dtype).t().contiguous(), B, C)
    y = y.transpose(0, 1)
    if weights.D is not None:
        y = torch.addcmul(y, u, weights.D.to(dtype))
    if z is not None:
        y = y * F.silu(z.to(dtype))
    return y.to(rows.u.dtype), last.transpose(1, 2)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, reverse: bool = False) -> Tensor:
    """`kernels.convolve` as a few shifted sums: faster on a CPU than a grouped convolution, which wants length last."""
    if reverse:
        return convolve(x.flip(1), weight, bias).flip(1)
    taps = weight.shape[-1]
    padded, length = F.pad(x, (0, 0, taps - 1, 0)), x.shape[1]
    first = padded[:, :length]
    y = first * weight[:, 0, 0] if bias is None else torch.addcmul(bias, first, weight[:, 0, 0])
    for k in range(1, taps):
        y = torch.addcmul(y, padded[:, k : k + length], weight[:, 0, k])
    return F.silu(y)


def add_and_norm(x: Tensor, residual: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """`kernels.add_and_norm`."""
    total = x + residual
    return rms_norm(total, weight, eps), total


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """``x / rms(x) * weight`` over the last axis, computed in float32 or better, of the type of `weight`."""
    wide = x if x.dtype == torch.float64 else x.float()
    wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return (wide * weight).to(weight.dtype)


def _scan(delta: Tensor, u: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    """Time-major scan: delta and u (length, batch, channels), A (state, channels), B and C (length, batch, state).

    Returns y (length, batch, channels) and the last state (batch, state, channels).
    """
    length, batch, channels = u.shape
    start = u.new_zeros(batch, A.shape[0], channels)
    chunks = _chunks_at_once(length, start)
    if chunks == 0:
        return cast(tuple[Tensor, Tensor], _TimeLoop.apply(delta, u, A, B, C, start))
    block = chunks * CHUNK
    parts = []
    for first in range(0, length, block):
        piece = slice(first, first + block)
        y, start = _chunked(delta[piece], u[piece], A, B[piece], C[piece], start)
        parts.append(y)
    return torch.cat(parts), start


def _chunks_at_once(length: int, start: Tensor) -> int:
    """How many chunks to run side by side; 0 where the plain loop is cheaper, which does half the work."""
    device, size = start.device.type, start.numel()
    overhead = STEP_OVERHEAD.get(device, STEP_OVERHEAD["cpu"])
    chunks = min(-(-length // CHUNK), STEP_ELEMENTS.get(device, STEP_ELEMENTS["cpu"]) // size)
    if chunks < 2:
        return 0
    blocks = -(-length // (chunks * CHUNK))
    loop, chunked = length * (overhead + size), 2 * CHUNK * blocks * (overhead + size * chunks)
    return chunks if chunked < loop else 0


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
    """The recurrence, step by step, over a batch; shapes as in `_scan`. Without C only the last state is computed.

    Every SAVED_EVERY-th state is kept for the gradient, which recomputes those between: they then still lie in the
    cache when they are used.
    """

    @staticmethod
    def forward(ctx: Any, delta: Tensor, u: Tensor, A: Tensor, B: Tensor, C: Tensor | None, start: Tensor) -> Any:
        length, batch, channels = u.shape
        saved = [start]
        state, decay = start.clone(), torch.empty_like(start)
        du = delta * u
        y = u.new_empty((length, batch, channels) if C is not None else (0,))
        for t in range(length):
            torch.mul(delta[t].unsqueeze(1), A, out=decay)
            state.mul_(decay.exp_()).addcmul_(B[t].unsqueeze(2), du[t].unsqueeze(1))
            if C is not None:
                torch.bmm(C[t].unsqueeze(1), state, out=y[t].unsqueeze(1))
            if any(ctx.needs_input_grad) and (t + 1) % SAVED_EVERY == 0:
                saved.append(state.clone())
        ctx.save_for_backward(delta, u, A, B, C, *saved)
        return y, state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_last: Tensor) -> Any:
        delta, u, A, B, C, *saved = ctx.saved_tensors
        du, grad_y, g = delta * u, grad_y.contiguous(), grad_last.clone()
        grad_du, grad_delta, grad_B = torch.empty_like(du), torch.empty_like(delta), torch.empty_like(B)
        grad_C = torch.empty_like(B) if C is not None else None
        grad_A, work = torch.zeros_like(g), torch.empty_like(g)
        decays, states = g.new_empty(SAVED_EVERY, *g.shape), g.new_empty(SAVED_EVERY + 1, *g.shape)
        for first in reversed(range(0, len(u), SAVED_EVERY)):
            steps = range(min(SAVED_EVERY, len(u) - first))
            states[0] = saved[first // SAVED_EVERY]
            for i in steps:
                t = first + i
                torch.mul(delta[t].unsqueeze(1), A, out=decays[i])
                torch.mul(decays[i].exp_(), states[i], out=states[i + 1])
                states[i + 1].addcmul_(B[t].unsqueeze(2), du[t].unsqueeze(1))
            for i in reversed(steps):
                t = first + i
                if C is not None and grad_C is not None:
                    g.addcmul_(C[t].unsqueeze(2), grad_y[t].unsqueeze(1))
                    torch.sum(torch.mul(states[i + 1], grad_y[t].unsqueeze(1), out=work), 2, out=grad_C[t])
                torch.sum(torch.mul(g, du[t].unsqueeze(1), out=work), 2, out=grad_B[t])
                torch.bmm(B[t].unsqueeze(1), g, out=grad_du[t].unsqueeze(1))
                torch.mul(g.mul_(decays[i]), states[i], out=work)
                grad_A.addcmul_(work, delta[t].unsqueeze(1))
                torch.sum(work.mul_(A), 1, out=grad_delta[t])
        grad_delta.addcmul_(grad_du, u)
        return grad_delta, grad_du.mul_(delta), grad_A.sum(0), grad_B, grad_C, g
