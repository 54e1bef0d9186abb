"""The Triton kernel without a GPU: compiled for one, started where its tensors are, left where Triton fails."""

import importlib
import os
import subprocess
import sys

import pytest
import torch

from darkregulome.models import kernels
from places import BIN

pytest.importorskip("triton", reason="Triton is for Linux")


COMPILED = """
import sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from darkregulome.models.kernels.scan_triton import BLOCK, _scan

dtype, capability, given, one = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "all", sys.argv[4] == "one"
rows, parameters = ("u", "delta", "B", "C", "z", "y"), ("A", "D", "bias", "last")
pointers = dict.fromkeys(rows, f"*{dtype}") | dict.fromkeys(parameters, "*fp32")
constants = dict.fromkeys(("SOFTPLUS", "SKIP", "GATED", "BIASED", "REVERSE"), given) | {"BLOCK": BLOCK, "STATES": 16}
constants |= {"length": 1} if one else {}  # as Triton does with an argument of 1
types = {name: "constexpr" if name in constants else pointers.get(name, "i32") for name in _scan.arg_names}
source = ASTSource(_scan, types, {(_scan.arg_names.index(name),): value for name, value in constants.items()})
made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 1})
assert len(made.asm["cubin"]) > 1000
# An approximate logarithm would spoil small step sizes.
assert "lg2.approx" not in made.asm["ptx"]
"""


@pytest.mark.parametrize(
    ("dtype", "capability", "given", "length"), [("fp32", 90, "all", "any"), ("bf16", 80, "none", "one")]
)
def test_the_kernel_compiles_for_a_gpu_that_is_not_here(tmp_path, dtype, capability, given, length):
    environment = os.environ | {"PYTHONPATH": str(BIN), "TRITON_CACHE_DIR": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("TRITON_INTERPRET", None)
    words = [sys.executable, "-c", COMPILED, dtype, str(capability), given, length]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def kernel(monkeypatch):
    """The module, and what the place of its kernel was told: by a stand-in that runs nothing."""
    module = importlib.import_module("darkregulome.models.kernels.scan_triton")
    told = []

    class Launched:
        def __getitem__(self, grid):
            return lambda *given, **constants: told.append(("launched", grid))

    class Device:
        def __init__(self, tensor):
            self.tensor = tensor

        def __enter__(self):
            told.append(("device of", self.tensor.shape))

        def __exit__(self, *error):
            told.append("back")

    monkeypatch.setattr(module, "_scan", Launched())
    monkeypatch.setattr(torch.cuda, "device_of", Device)
    return module, told


def test_it_is_started_on_the_gpu_of_its_tensors(kernel):
    module, told = kernel
    u, B = torch.ones(2, 5, 40), torch.ones(2, 5, 4)
    module.selective_scan(kernels.ScanRows(u, u, B, B), kernels.ScanWeights(-torch.ones(40, 4)))
    assert told == [("device of", u.shape), ("launched", (2, 2)), "back"]


def test_without_a_c_compiler_another_kernel_is_taken(kernel, monkeypatch):
    module, _ = kernel

    def no_compiler(*given):
        raise subprocess.CalledProcessError(1, ["gcc"])

    monkeypatch.setattr(module, "selective_scan", no_compiler)
    with pytest.raises(ImportError, match=r"cannot make kernels here.*gcc"):
        module._try("cpu")

    def fails_to_import(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", fails_to_import)
    kernels._missing.cache_clear()
    assert kernels._missing("triton") == "darkregulome.models.kernels.scan_triton"
    kernels._missing.cache_clear()
