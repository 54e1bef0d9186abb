"""The functions of `scan.cpp`: compiled by the C++ compiler of the machine, loaded, and called without Python's lock.

`python -m darkregulome.models.kernels.compiled` compiles them for every kind of CPU into the environment, for images
and installations. Otherwise they are compiled when first used, into the user's cache. Importing this module raises an
ImportError with the reason where neither is possible.
"""

import ctypes
import hashlib
import math
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from darkregulome.errors import InputError
from darkregulome.io.atomic import atomic_path
from darkregulome.models.kernels.inputs import ScanRows, ScanWeights
from darkregulome.models.numerics import kept

SOURCE = Path(__file__).with_name("scan.cpp")
COMPILERS = ("c++", "g++", "clang++")
FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
CPU_FLAGS = {
    "AVX512": (*(f"-mavx512{part}" for part in ("f", "bw", "dq", "vl")), "-mfma", "-mprefer-vector-width=512"),
    "AVX2": ("-mavx2", "-mfma"),
    "DEFAULT": (),
}
"""By the names that PyTorch has for the instructions of a CPU. All others get the compiler's default."""
INSTALLED = Path(sys.prefix) / "lib" / "darkregulome"
"""Where an installation has compiled files."""
COMPILE_SECONDS = 120
PADDED = 16
"""Tables of weights are padded with zeros to a multiple of this number of channels: the largest vector of a CPU."""
GROUP = 8
"""States are padded to a multiple of this number, GROUP of `scan.cpp`."""
LOG2_E = 1 / math.log(2)
WORTH_THREADS = 2**16
"""Numbers in an input below which a second thread costs more than it saves."""


def compiled_file() -> Path:
    """The compiled file for this CPU and this source; it is made where it is missing."""
    capability = torch.backends.cpu.get_cpu_capability()
    installed = INSTALLED / _name(capability)
    if installed.is_file():
        return installed
    compiler = find_compiler()
    stat = Path(compiler).resolve().stat()
    cached = cache_folder() / _name(capability, f"{Path(compiler).resolve()} {stat.st_size} {stat.st_mtime_ns}")
    if not cached.is_file():
        compile_source(compiler, capability, cached)
    return cached


def _name(capability: str, compiler: str = "") -> str:
    content = SOURCE.read_bytes() + repr((FLAGS, CPU_FLAGS.get(capability), compiler)).encode()
    return f"scan-{capability.lower().replace(' ', '-')}-{hashlib.sha256(content).hexdigest()[:16]}.so"


def cache_folder() -> Path:
    """The user's folder for compiled files."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "darkregulome"


def find_compiler() -> str:
    """Path of a C++ compiler; an ImportError where there is none."""
    for name in COMPILERS:
        if path := shutil.which(name):
            return path
    raise ImportError("no C++ compiler found")


def compile_source(compiler: str, capability: str, target: Path) -> None:
    """Compile SOURCE for a kind of CPU; `target` appears whole or not at all.

    Raises
    ------
    ImportError : the compiler fails, or `target` cannot be written.
    """
    words = [compiler, *FLAGS, *CPU_FLAGS.get(capability, ()), str(SOURCE), "-o"]
    try:
        with atomic_path(target) as partial:
            # Not every compiler has OpenMP.
            for threads in ("-fopenmp", "-pthread"):
                done = subprocess.run(
                    [*words, str(partial), threads], capture_output=True, text=True, timeout=COMPILE_SECONDS
                )
                if done.returncode == 0:
                    return
            first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
            raise ImportError(f"{compiler} cannot compile {SOURCE.name} ({first[:200]})")
    except (OSError, InputError, subprocess.TimeoutExpired) as error:
        raise ImportError(f"{target} cannot be made ({error})") from error


class _Rows(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("batch", ctypes.c_int64), ("row", ctypes.c_int64))


def _structure(name: str, numbers: str, rows: str, addresses: str) -> type[ctypes.Structure]:
    kinds = {ctypes.c_int64: numbers, _Rows: rows, ctypes.c_void_p: addresses}
    fields = [(field, kind) for kind, names in kinds.items() for field in names.split()]
    return type(name, (ctypes.Structure,), {"_fields_": fields})


# As in scan.cpp, under the same names.
_Scan = _structure(
    "_Scan",
    "threads batch length channels width states rank softplus",
    "u delta B C z onto y",
    "A bias skip delta_weight last",
)
_Convolution = _structure("_Convolution", "threads batch length channels width taps", "x y", "weight bias")
_Norm = _structure("_Norm", "threads rows channels", "", "x residual weight eps total normed")


def _load_library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(compiled_file()))
    for function in (library.selective_scan, library.convolve, library.add_and_norm):
        function.argtypes, function.restype = [ctypes.c_void_p], None
    return library


_LIBRARY = _load_library() if __name__ != "__main__" else None


def _call(name: str, structure: type[ctypes.Structure], reverse: bool, values: Mapping[str, Any]) -> None:
    """Call a function of the library with its one argument, whose fields hold numbers, and addresses of tensors."""
    fields: dict[str, Any] = {}
    dense = []  # copies live until the call is over
    for field, kind, *_ in structure._fields_:
        value = values[field]
        if isinstance(value, Tensor):
            value = value if kind is _Rows and value.stride(-1) == 1 else value.contiguous()
            dense.append(value)
            fields[field] = _rows(value, reverse) if kind is _Rows else value.data_ptr()
        elif value is not None:
            fields[field] = value
    getattr(_LIBRARY, name)(ctypes.byref(structure(**fields)))


def _rows(x: Tensor, reverse: bool) -> _Rows:
    step = x.stride(1)
    start = x.data_ptr() + (x.element_size() * step * (x.shape[1] - 1) if reverse else 0)
    return _Rows(start, x.stride(0), -step if reverse else step)


def _threads(x: Tensor) -> int:
    return torch.get_num_threads() if x.numel() >= WORTH_THREADS else 1


def _up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _table(name: str, weight: Tensor, factor: float = 1.0) -> Tensor:
    """A weight (channels, ...) as a table (k, width), k and channels padded with zeros. Kept as long as `weight`."""

    def make() -> Tensor:
        rows = weight.flatten(1).t() if weight.dim() > 1 else weight[None]
        k, channels = rows.shape
        return F.pad(rows * factor, (0, _up(channels, PADDED) - channels, 0, _up(k, GROUP) - k)).contiguous()

    return kept(name, make, weight)


def _column(weight: Tensor | None, channels: int) -> Tensor:
    """A weight (channels,) padded with zeros; only zeros where there is none."""
    return torch.zeros(_up(channels, PADDED)) if weight is None else _table("column", weight)


def selective_scan(
    rows: ScanRows, weights: ScanWeights, reverse: bool = False, onto: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`kernels.selective_scan` of float32 tensors on a CPU, without gradient."""
    batch, length, channels = rows.u.shape
    states, low = weights.A.shape[1], weights.delta_weight
    y = rows.u.new_empty(batch, length, channels)
    A = _table("decay", weights.A, LOG2_E)
    last = y.new_empty(batch, *A.shape)
    values = {
        **rows._asdict(), "onto": onto, "y": y, "A": A, "last": last,
        "bias": _column(weights.delta_bias, channels), "skip": _column(weights.D, channels),
        "delta_weight": None if low is None else _table("delta", low),
        "threads": _threads(y), "batch": batch, "length": length, "channels": channels, "width": A.shape[1],
        "states": states, "rank": 0 if low is None else low.shape[1], "softplus": weights.softplus,
    }  # fmt: skip
    _call("selective_scan", _Scan, reverse, values)
    return y, last.transpose(1, 2)[:, :channels, :states]


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, reverse: bool = False) -> Tensor:
    """`kernels.convolve` of float32 tensors on a CPU, without gradient."""
    batch, length, channels = x.shape
    y, table, first = x.new_empty(batch, length, channels), _table("taps", weight), _column(bias, channels)
    sizes = {"batch": batch, "length": length, "channels": channels, "width": table.shape[1], "taps": weight.shape[-1]}
    values = {"x": x, "y": y, "weight": table, "bias": first, "threads": _threads(x), **sizes}
    _call("convolve", _Convolution, reverse, values)
    return y


def add_and_norm(x: Tensor, residual: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """`kernels.add_and_norm` of float32 tensors on a CPU, without gradient."""
    channels = x.shape[-1]
    total, normed = (torch.empty(x.shape) for _ in range(2))
    values = {
        "x": x, "residual": residual, "weight": weight, "eps": torch.tensor(eps),
        "total": total, "normed": normed, "threads": _threads(x), "rows": x.numel() // channels, "channels": channels,
    }  # fmt: skip
    _call("add_and_norm", _Norm, False, values)
    return normed, total


def compile_all(folder: Path = INSTALLED) -> None:
    """Compile into `folder` for every kind of CPU that this machine's files may run on."""
    compiler = find_compiler()
    for capability in CPU_FLAGS if platform.machine() == "x86_64" else [torch.backends.cpu.get_cpu_capability()]:
        compile_source(compiler, capability, folder / _name(capability))


if __name__ == "__main__":
    try:
        compile_all(*map(Path, sys.argv[1:2]))
    except ImportError as reason:
        sys.exit(f"The scan of Caduceus was not compiled, and will run about 7 times slower: {reason}.")
