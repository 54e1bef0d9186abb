"""What a Mamba computes besides matrix products: the selective scan, the convolution before it, the norm of a sum.

Where no gradient is wanted, float32 on a CPU runs compiled C++ (`compiled`, of `scan.cpp`) and a GPU runs Triton
(`scan_triton`); where mamba-ssm is installed, it runs every scan on a GPU (`scan_mamba`); the rest is plain PyTorch
(`pytorch`). The environment variable DARKREGULOME_SCAN asks for one of them; what that cannot take, PyTorch does. What
runs the scan is logged once.
"""

import importlib
import logging
import os
from functools import cache
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional as F

from darkregulome.errors import InputError
from darkregulome.models.kernels import pytorch
from darkregulome.models.kernels.inputs import ScanRows, ScanWeights
from darkregulome.models.kernels.pytorch import rms_norm
from darkregulome.models.numerics import linear

__all__ = ["ScanRows", "ScanWeights", "add_and_norm", "check_choice", "convolve", "rms_norm", "selective_scan"]

VARIABLE = "DARKREGULOME_SCAN"
"""Environment variable that chooses the kernel."""
MODULES = {"compiled": "compiled", "triton": "scan_triton", "mamba": "scan_mamba"}
"""Kernels besides PyTorch's own, and the module of each."""
ON_DEVICE = {"cpu": ("compiled",), "cuda": ("mamba", "triton")}
"""Which are tried, in this order, unless the environment asks for one."""

logger = logging.getLogger(__name__)


def selective_scan(
    rows: ScanRows, weights: ScanWeights, reverse: bool = False, onto: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run the selective scan of real Mamba.

    With `reverse` the sequence is read from its end: the result is that of the flipped input, flipped back.
    `onto` (batch, length, channels) is added before the gate: two directions can share one.

    Returns
    -------
    y (batch, length, channels) in the dtype of `u`, and the state after the last position (batch, channels, states).
    """
    name = _choose(*rows, *weights.tensors, onto)
    _report(*_describe(name, rows.u))
    kernel = _module(name)
    if name == "compiled":
        return kernel.selective_scan(rows, weights, reverse, onto)
    if weights.delta_weight is not None:
        rows = rows._replace(delta=linear(rows.delta, weights.delta_weight))
        weights = weights._replace(delta_weight=None)
    if onto is None:
        return kernel.selective_scan(rows, weights, reverse)
    y, last = kernel.selective_scan(rows._replace(z=None), weights, reverse)
    y = y + onto
    return (y if rows.z is None else y * F.silu(rows.z)), last


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, reverse: bool = False) -> Tensor:
    """SiLU of the depthwise causal convolution of x (batch, length, channels) with `weight` (channels, 1, taps).

    With `reverse` the sequence is read from its end.
    """
    kernel = _module(_choose(x, weight, bias))
    return getattr(kernel, "convolve", pytorch.convolve)(x, weight, bias, reverse)


def add_and_norm(x: Tensor, residual: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """``x + residual`` over its root mean square, times `weight`, all (..., channels); and ``x + residual`` itself."""
    kernel = _module(_choose(x, residual, weight))
    return getattr(kernel, "add_and_norm", pytorch.add_and_norm)(x, residual, weight, eps)


def check_choice() -> str:
    """The kernel that the environment variable DARKREGULOME_SCAN asks for.

    Raises
    ------
    InputError : it is no kernel, or it cannot be loaded.
    """
    choice = os.environ.get(VARIABLE, "auto")
    if choice not in (names := ("auto", "torch", *MODULES)):
        raise InputError.at(VARIABLE, f"{choice!r} is no kernel", f"set it to {', '.join(names)}, or unset it")
    if reason := _missing(choice) if choice in MODULES else None:
        raise InputError.at(VARIABLE, f"kernel {choice!r} cannot be loaded: {reason}", "use auto")
    return choice


def _choose(*tensors: Tensor | None) -> str:
    """The name of the kernel that takes these tensors: "torch", or one of MODULES."""
    choice = check_choice()
    present = [x for x in tensors if x is not None]
    device, gradient = present[0].device.type, torch.is_grad_enabled() and any(x.requires_grad for x in present)
    for name in ON_DEVICE.get(device, ()):
        types = (torch.float32,) if name == "compiled" else (torch.float32, torch.bfloat16)
        fits = all(x.device.type == device and x.dtype in types and x.numel() > 0 for x in present)
        wanted = choice in ("auto", name) and fits and (name == "mamba" or not gradient)
        if wanted and _missing(name) is None:
            return name
    return "torch"


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{MODULES.get(name, 'pytorch')}")


@cache
def _missing(name: str) -> str | None:
    """Why a kernel cannot be loaded here: what it needs is missing, or does not know this machine; None if it can."""
    try:
        _module(name)
    except (ImportError, OSError, RuntimeError) as error:
        return str(error)
    return None


def _describe(name: str, u: Tensor) -> tuple[int, str]:
    """Level and text of the message that says what runs the scan."""
    if name != "torch":
        return logging.INFO, f"scan: {name}"
    if torch.is_grad_enabled():
        return logging.INFO, "scan: PyTorch, which has a gradient"
    if os.environ.get(VARIABLE) == "torch":
        reason = f"{VARIABLE} asks for it"
    elif u.device.type == "cpu" and u.dtype != torch.float32:
        reason = f"the compiled scan is for float32, not {u.dtype}"
    else:
        reasons = (_missing(kernel) for kernel in ON_DEVICE.get(u.device.type, ()))
        reason = "; ".join(filter(None, reasons)) or f"no kernel takes these tensors on {u.device.type}"
    return logging.WARNING, f"scan: PyTorch, about 7 times slower: {reason}"


@cache
def _report(level: int, message: str) -> None:
    """Log a message, once per process."""
    logger.log(level, message)
