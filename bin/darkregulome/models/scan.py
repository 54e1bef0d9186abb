"""The selective scan of Mamba, exact, with its gradient, state always in float32 or better.

    h[t] = exp(delta[t] A) h[t-1] + delta[t] B[t] u[t],    y[t] = C[t] h[t] + D u[t]

Four implementations. Where no gradient is wanted, float32 on a CPU runs compiled (`scan_llvm`), on a GPU by Triton
(`scan_triton`). Where mamba-ssm is installed, it does all that is on a GPU. The rest runs in plain PyTorch, the code
below. The environment variable DARKREGULOME_SCAN asks for one of them; where that cannot take the input, PyTorch does.

In PyTorch it is a loop over time whose every step is vectorised over (batch, state, channel). Short windows in large
batches fill a step by themselves. A long sequence in a small batch is cut into chunks that run side by side as a
batch: once from a zero state, to learn what each chunk hands on, and once more from the right state. Every factor is
an exponential of something not positive, so that nothing overflows, and a factor that underflows to zero is exact.

Source of the recurrence: Gu and Dao 2023 (arXiv:2312.00752); tested against `selective_scan_ref` of mamba-ssm.
"""

import importlib
import os
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from darkregulome.errors import InputError
from darkregulome.models.numerics import linear

VARIABLE = "DARKREGULOME_SCAN"
"""Environment variable that picks the kernel."""
NEEDED = {"llvm": "llvmlite", "triton": "triton", "mamba": "mamba-ssm"}
"""Kernels beside PyTorch's own, and the package that each needs."""
ON_DEVICE = {"cpu": ("llvm",), "cuda": ("mamba", "triton")}
"""Which are tried, in this order, where none is asked for."""

CHUNK = 64
"""Steps a chunk of a long sequence has; measured best between 32 and 64 on CPUs."""

STEP_OVERHEAD = {"cpu": 2**14, "cuda": 2**21}
"""What it costs to start a step's operations at all, in state elements that could be worked on meanwhile."""

SAVED_EVERY = 16
"""Steps between the states that are kept for the gradient."""

STEP_ELEMENTS = {"cpu": 2**18, "cuda": 2**23}
"""State elements to work on in one step: a CPU's fit its cache, a GPU's fill its cores."""


Convolution: TypeAlias = tuple[Tensor, Tensor | None]
"""Weight (channels, 1, taps) and bias (channels,) of a depthwise convolution."""


class Way(NamedTuple):
    """How one direction of a Mamba reads a sequence before its scan, by its weights."""

    weight: Tensor
    """Of the depthwise convolution: (channels, 1, taps)."""
    bias: Tensor | None
    """Of the depthwise convolution: (channels,)."""
    projection: Tensor
    """Of what is convolved: (outputs, channels)."""
    reverse: bool
    """Whether the sequence is read from its end."""


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
    rows = (None if x is None else x.transpose(1, 2) for x in (u, delta, B, C, z))
    u, delta, B, C, z = rows  # type: ignore[assignment]
    y, last = selective_scan_rows(u, delta, A, B, C, D, z, delta_bias, delta_softplus)
    return (y.transpose(1, 2), last) if return_last_state else y.transpose(1, 2)


def selective_scan_rows(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    reverse: bool = False,
    onto: Tensor | None = None,
    delta_weight: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`selective_scan` for inputs with one row a position, (batch, length, channels or state): no transposition.

    With `reverse` the sequence is read from its end: the result is that of the flipped input, flipped back.
    What stands in `onto` (batch, length, channels) is added before the gate: two directions can share one.
    With `delta_weight` (channels, rank) the step size is its product with `delta` (batch, length, rank).
    Returns y (batch, length, channels) and the state after the last position read (batch, channels, state).
    """
    kernel = _kernel(u, delta, A, B, C, D, z, delta_bias, onto, delta_weight)
    if delta_weight is not None and not getattr(kernel, "MULTIPLIES", False):
        delta, delta_weight = linear(delta, delta_weight), None
    if onto is not None and not getattr(kernel, "ADDS_ONTO", False):
        y, last = selective_scan_rows(u, delta, A, B, C, D, None, delta_bias, delta_softplus, reverse)
        y = y + onto
        return (y if z is None else y * F.silu(z)), last
    if kernel is not None:
        more = {"onto": onto, "delta_weight": delta_weight}
        more = {name: tensor for name, tensor in more.items() if tensor is not None}
        return kernel.scan_rows(u, delta, A, B, C, D, z, delta_bias, delta_softplus, reverse, **more)
    if reverse:
        u, delta, B, C, z = (None if x is None else x.flip(1) for x in (u, delta, B, C, z))  # type: ignore[assignment]
        y, last = selective_scan_rows(u, delta, A, B, C, D, z, delta_bias, delta_softplus)
        return y.flip(1), last
    dtype = torch.float64 if u.dtype == torch.float64 else torch.float32
    given, u, delta = u.dtype, u.to(dtype), delta.to(dtype)
    if delta_bias is not None:
        delta = delta + delta_bias.to(dtype)
    if delta_softplus:
        delta = F.softplus(delta)
    delta, rows, B, C = (x.to(dtype).transpose(0, 1).contiguous() for x in (delta, u, B, C))
    y, last = _scan(delta, rows, A.to(dtype).t().contiguous(), B, C)
    y = y.transpose(0, 1)
    if D is not None:
        y = torch.addcmul(y, u, D.to(dtype))
    if z is not None:
        y = y * F.silu(z.to(dtype))
    return y.to(given), last.transpose(1, 2)


def convolve_rows(x: Tensor, weight: Tensor, bias: Tensor | None, reverse: bool = False) -> Tensor:
    """SiLU of the depthwise causal convolution of x (batch, length, channels) with `weight` (channels, 1, taps).

    With `reverse` the sequence is read from its end. In PyTorch it is a few shifted sums: on a CPU much faster than a
    grouped convolution, which wants the length last.
    """
    kernel = _kernel(x, weight, bias)
    if hasattr(kernel, "convolve_rows"):
        return kernel.convolve_rows(x, weight, bias, reverse)
    if reverse:
        return convolve_rows(x.flip(1), weight, bias).flip(1)
    taps = weight.shape[-1]
    padded, length = F.pad(x, (0, 0, taps - 1, 0)), x.shape[1]
    first = padded[:, :length]
    y = first * weight[:, 0, 0] if bias is None else torch.addcmul(bias, first, weight[:, 0, 0])
    for k in range(1, taps):
        y = torch.addcmul(y, padded[:, k : k + length], weight[:, 0, k])
    return F.silu(y)


def read_rows(x: Tensor, ways: Sequence[Way]) -> list[tuple[Tensor, Tensor]] | None:
    """`convolve_rows` of x (batch, length, channels) in each way, and the projection of that: (batch, length, outputs).

    None where no kernel does all of it at once.
    """
    kernel = _kernel(x, *(tensor for way in ways for tensor in way[:-1]))
    return kernel.read_rows(x, ways) if hasattr(kernel, "read_rows") else None


def add_and_norm(x: Tensor, residual: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """``x + residual`` over its root mean square, times `weight`, all (..., channels); and ``x + residual`` itself."""
    kernel = _kernel(x, residual, weight)
    if hasattr(kernel, "add_and_norm"):
        return kernel.add_and_norm(x, residual, weight, eps)
    residual = x + residual
    return rms_norm(residual, weight, eps), residual


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """``x / rms(x) * weight`` over the last axis, computed in float32 or better, of the type of `weight`."""
    wide = x if x.dtype == torch.float64 else x.float()
    wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return (wide * weight).to(weight.dtype)


def asked_kernel() -> str:
    """The kernel that the environment variable DARKREGULOME_SCAN asks for.

    Raises
    ------
    InputError : it is no kernel, or what it needs cannot be loaded.
    """
    asked = os.environ.get(VARIABLE, "auto")
    known = ("auto", "torch", *NEEDED)
    if asked not in known:
        raise InputError.at(VARIABLE, f"{asked!r} is no kernel", f"set it to {', '.join(known)}, or unset it")
    if asked in NEEDED and _module(asked) is None:
        missing = f"{NEEDED[asked]}, which kernel {asked!r} needs, cannot be loaded"
        raise InputError.at(VARIABLE, missing, "install it, or use auto")
    return asked


def _kernel(*tensors: Tensor | None) -> Any:
    """The module whose kernels take these tensors; None for PyTorch."""
    asked = asked_kernel()
    given = [x for x in tensors if x is not None]
    wanted = ON_DEVICE.get(given[0].device.type, ()) if asked == "auto" else (asked,)
    gradient = torch.is_grad_enabled() and any(x.requires_grad for x in given)
    for name in wanted:
        if name in NEEDED and _takes(name, given, gradient):
            module = _module(name)
            if module is not None:
                return module
    return None


def _takes(name: str, given: list[Tensor], gradient: bool) -> bool:
    device = "cpu" if name == "llvm" else "cuda"
    types = (torch.float32,) if name == "llvm" else (torch.float32, torch.bfloat16)
    if gradient and name != "mamba":
        return False
    return all(x.device.type == device and x.dtype in types and x.numel() > 0 for x in given)


@cache
def _module(name: str) -> Any:
    """The kernels of one kind; None where what they need is not installed or does not know this machine."""
    try:
        return importlib.import_module(f"darkregulome.models.scan_{name}")
    except (ImportError, OSError, RuntimeError):
        return None


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
