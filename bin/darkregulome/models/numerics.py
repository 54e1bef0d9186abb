"""Where and how exactly a model computes: devices and precisions."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.weak import WeakTensorKeyDictionary

from darkregulome.errors import InputError

PRECISIONS = ("fp32", "tf32", "bf16")

MOST_ORDERED = 2**20
"""Numbers in a weight that is kept twice, for speed."""

MALLOC_THRESHOLDS = {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"}
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""


def resolve_device(name: str) -> torch.device:
    """The device that ``auto``, ``cpu``, ``cuda`` or ``cuda:INDEX`` means here.

    Raises
    ------
    InputError : the name is none of these, or asks for a GPU that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not (kind == "cuda" and index.isdigit())):
        raise InputError.at("--device", f"{name!r} is no device", "give auto, cpu, cuda or cuda:INDEX")
    if kind == "cuda":
        present = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(index or 0) >= present:
            raise InputError.at(
                "--device",
                f"{name!r} was asked for, but {present} CUDA device{'s' * (present != 1)} can be used here",
                "give --device cpu or auto, or run where there is a GPU",
            )
    return torch.device(name)


def keep_freed_memory() -> None:
    """Let this process keep the memory of tensors that it has done with, for the next ones.

    glibc gives that of each large one back to the kernel, which clears it again, page by page: up to half of the time
    of a model on a CPU. Where the environment sets a threshold of its own, or there is no glibc, nothing happens.
    """
    if MALLOC_THRESHOLDS & os.environ.keys():
        return
    # Musl and macOS have no mallopt.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        for threshold in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
            mallopt(threshold, 2**31 - 1)


def check_precision(precision: str) -> str:
    """`precision`, if it is one of PRECISIONS; else an `InputError`."""
    if precision not in PRECISIONS:
        raise InputError.at("--precision", f"{precision!r} is no precision", f"give {', '.join(PRECISIONS)}")
    return precision


@contextmanager
def numerics(device: torch.device, precision: str) -> Iterator[None]:
    """Inference at a precision. The process's own settings are put back afterwards."""
    bf16 = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
    with tf32(precision == "tf32"), torch.inference_mode(), bf16:
        yield


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Whether a GPU may use TF32, until the context ends.

    Convolutions use it by default, which would make "fp32" a lie.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.linear`; on a CPU, in float32 and without gradient, by oneDNN.

    MKL, which PyTorch calls otherwise, uses half of the registers of an AMD CPU: oneDNN is twice as fast there.
    The operator is the one that torch.compile calls; where a PyTorch does not have it, `F.linear` is called.
    """
    if not _multiplies(x, weight, bias):
        return F.linear(x, weight, bias)
    # Of a weight whose rows do not lie side by side it makes a thousand times the work.
    return torch.ops.mkldnn._linear_pointwise(x, weight.contiguous(), bias, "none", [], "")


def _multiplies(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether oneDNN is to multiply these."""
    # Asked for another precision, PyTorch is to choose it.
    if torch.is_autocast_enabled("cpu") or not _by_onednn() or x.numel() == 0:
        return False
    given = [tensor for tensor in (x, weight, bias) if tensor is not None]
    if any(tensor.device.type != "cpu" or tensor.dtype != torch.float32 for tensor in given):
        return False
    return not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given))


class Dense(nn.Linear):
    """`nn.Linear` by `linear`.

    Where oneDNN multiplies, a small weight is kept in oneDNN's own order as well, which it would bring it into each
    time.
    """

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight, self.bias
        if weight.numel() > MOST_ORDERED or not _multiplies(x, weight, bias):
            return linear(x, weight, bias)
        rows = x.numel() // x.shape[-1]
        ordered = kept("ordered", lambda: torch.ops.mkldnn._reorder_linear_weight(weight.detach(), rows), weight)
        return torch.ops.mkldnn._linear_pointwise(x, ordered, bias, "none", [], "")


def kept(name: str, make: Callable[[], Tensor], *tensors: Tensor | None) -> Tensor:
    """What `make` makes of some tensors, of which the first lives as long as it is wanted: made once for each `name`.

    It is made again when one of them has changed; changes through ``tensor.data`` are not seen. No gradient goes
    through it.
    """
    given = [tensor for tensor in tensors if tensor is not None]
    # These count no changes.
    if any(tensor.is_inference() for tensor in given):
        return make()
    states = [(tensor.data_ptr(), tensor._version) for tensor in given]
    found = _KEPT.setdefault(given[0], {})
    if name not in found or found[name][0] != states:
        with torch.inference_mode(False), torch.no_grad():
            found[name] = states, make()
    return found[name][1]


_KEPT: Any = WeakTensorKeyDictionary()
"""For a tensor what was made of it, by names: the state that it was in, and what was made."""


def for_inference(network: nn.Module, device: torch.device) -> Any:
    """The network itself on a device, without gradients; each of its `nn.Linear` a `Dense` of the same parameters."""
    made: dict[nn.Module, Dense] = {}
    for parent in list(network.modules()):
        # Subclasses have a forward of their own.
        for name, layer in [(name, child) for name, child in parent._modules.items() if type(child) is nn.Linear]:
            if layer not in made:
                made[layer] = Dense(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
                made[layer].weight, made[layer].bias = layer.weight, layer.bias
            setattr(parent, name, made[layer])
    return network.to(device).eval().requires_grad_(False)


@cache
def _by_onednn() -> bool:
    """Whether this PyTorch has oneDNN and the operator; it is tried once."""
    if not torch.backends.mkldnn.is_available():
        return False
    try:
        one = torch.ones(1, 1)
        return bool(torch.ops.mkldnn._linear_pointwise(one, one, None, "none", [], "") == 1)
    except (AttributeError, RuntimeError):
        return False
