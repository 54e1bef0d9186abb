"""The kernels against the recurrence, written out; the gradient against finite differences; how kernels are chosen."""

import ctypes
import importlib
import logging
import os
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from scipy.special import expit

from darkregulome.errors import InputError
from darkregulome.models import kernels
from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM
from darkregulome.models.kernels import add_and_norm, convolve, pytorch
from places import BIN
from scans import scanned, selective_scan, split

ROWS = ("u", "delta", "B", "C", "z")
needs_compiler = pytest.mark.skipif(kernels._missing("compiled") is not None, reason="no C++ compiler")


def written_out(u, delta, A, B, C):
    """The recurrence in float64, one number at a time: y (channels, length) of one sequence."""
    channels, length = u.shape
    y, state = np.zeros((channels, length)), np.zeros(A.shape)
    for t in range(length):
        for d in range(channels):
            state[d] = np.exp(delta[d, t] * A[d]) * state[d] + delta[d, t] * B[:, t] * u[d, t]
            y[d, t] = state[d] @ C[:, t]
    return y, state


def drawn(length, scale=1.0, batch=1, channels=3, states=4, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "u": rng.normal(size=(batch, channels, length)),
        "delta": scale * rng.random((batch, channels, length)),
        "A": -4 * rng.random((channels, states)),
        "B": rng.normal(size=(batch, states, length)),
        "C": rng.normal(size=(batch, states, length)),
    }


def as_float32(arrays):
    return {name: torch.from_numpy(array).float() for name, array in arrays.items()}


@pytest.fixture(params=["torch", pytest.param("compiled", marks=needs_compiler)])
def kernel(request, monkeypatch):
    """Each kernel that runs on a CPU."""
    monkeypatch.setenv(kernels.VARIABLE, request.param)
    return request.param


@pytest.mark.parametrize("length", [1, 63, 64, 65, 300])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_scan_is_the_recurrence(kernel, length, scale):
    arrays = drawn(length, scale)
    wanted, state = written_out(
        *(arrays[name][0] for name in ("u", "delta")), arrays["A"], *(arrays[n][0] for n in "BC")
    )
    y, last = selective_scan(**as_float32(arrays))
    assert np.abs(y[0].numpy() - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert np.abs(last[0].numpy() - state).max() <= 1e-5 * np.abs(state).max()


def full(length, batch, channels, states, seed=0):
    """Rows (batch, length, ...) for a scan with everything in it; step sizes from 1e-4 to 50 and gates to +-200."""
    rng = np.random.default_rng(seed)
    shape = (batch, length, channels)
    arrays = {
        "u": rng.normal(size=shape),
        "delta": rng.choice([-9.0, -2.0, 0.5, 4.0, 50.0], size=shape) + rng.normal(size=shape),
        "A": -np.exp(rng.normal(size=(channels, states))),
        "B": rng.normal(size=(batch, length, states)),
        "C": rng.normal(size=(batch, length, states)),
        "D": rng.normal(size=channels),
        "z": rng.normal(size=shape) * rng.choice([1.0, 200.0], size=shape),
        "delta_bias": rng.normal(size=channels),
    }
    return as_float32(arrays)


def full_written_out(given, delta_softplus):
    """The recurrence with all that goes around it, in float64: y (batch, length, channels) and the last state."""
    given = {name: None if x is None else x.double().numpy() for name, x in given.items()}
    delta = given["delta"] + (0 if given["delta_bias"] is None else given["delta_bias"])
    delta = np.logaddexp(0, delta) if delta_softplus else delta
    results, states = [], []
    for u, dt, B, C in zip(given["u"], delta, given["B"], given["C"], strict=True):
        y, state = written_out(u.T, dt.T, given["A"], B.T, C.T)
        results.append(y.T)
        states.append(state)
    y = np.stack(results)
    y = y if given["D"] is None else y + given["D"] * given["u"]
    return (y if given["z"] is None else y * given["z"] * expit(given["z"])), np.stack(states)


def assert_near(found, wanted):
    assert np.abs(found.numpy() - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("absent", "shape"),
    [
        ((), (2, 16, 8)),
        ((), (1, 32, 16)),
        (("D",), (2, 20, 8)),
        (("z",), (1, 5, 3)),
        (("delta_bias",), (3, 8, 1)),
        (("D", "z", "delta_bias"), (1, 48, 4)),
    ],
)
def test_everything_around_the_recurrence(kernel, absent, shape):
    given = full(70, *shape) | dict.fromkeys(absent)
    y, last = scanned(**given, softplus=True)
    wanted, state = full_written_out(given, True)
    assert_near(y, wanted)
    assert_near(last, state)


def test_step_sizes_that_no_softplus_made_may_be_negative(kernel):
    given = full(40, 2, 16, 4)
    given["delta"] = given["delta"].clamp(-0.5, 50)
    given["delta_bias"] = None
    assert_near(scanned(**given)[0], full_written_out(given, False)[0])


def test_a_long_sequence(kernel):
    given = full(3000, 1, 4, 16)
    y, last = scanned(**given, softplus=True)
    wanted, state = full_written_out(given, True)
    assert_near(y, wanted)
    assert_near(last, state)


def test_reading_from_the_end_is_reading_the_flipped_sequence(kernel):
    given = full(50, 2, 16, 8)
    flipped = given | {name: given[name].flip(1) for name in ROWS}
    backwards, last = scanned(**given, softplus=True, reverse=True)
    wanted, state = scanned(**flipped, softplus=True)
    torch.testing.assert_close(backwards, wanted.flip(1), rtol=0, atol=0)
    torch.testing.assert_close(last, state, rtol=0, atol=0)


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
def test_what_the_scan_is_added_to_shares_its_gate(kernel, gated, reverse):
    given = full(45, 2, 32, 8)
    other, gate = full(45, 2, 32, 8, seed=1)["u"], given["z"].double()
    alone, state = scanned(**given | {"z": None}, softplus=True, reverse=reverse)
    given = given if gated else given | {"z": None}
    y, last = scanned(**given, softplus=True, reverse=reverse, onto=other)
    wanted = alone.double() + other
    assert_near(y, (wanted * gate.sigmoid() * gate if gated else wanted).numpy())
    assert torch.equal(last, state)


@pytest.mark.parametrize("length", [1, 2, 3, 70])
@pytest.mark.parametrize("rank", [1, 5])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_step_size_is_made_of_fewer_numbers(kernel, length, rank, reverse):
    given = full(length, 2, 32, 8)
    torch.manual_seed(0)
    low, weight = torch.randn(2, length, 2 * rank)[..., rank:], torch.randn(32, rank)
    given["delta"] = low
    found = scanned(**given, softplus=True, reverse=reverse, delta_weight=weight)
    given["delta"] = low.double() @ weight.double().t()
    turned = {name: x.flip(1) if reverse and name in ("u", "delta", "B", "C", "z") else x for name, x in given.items()}
    y, state = full_written_out(turned, True)
    assert_near(found[0].flip(1) if reverse else found[0], y)
    assert_near(found[1], state)


def test_columns_of_a_wider_tensor_are_read_in_place(kernel):
    given = full(30, 3, 16, 8)
    both = torch.cat((given["u"], given["z"]), dim=-1)
    sliced = given | {
        "u": both[..., :16],
        "z": both[..., 16:],
        "B": given["B"].transpose(0, 1).contiguous().transpose(0, 1),
    }
    found = (scanned(**x, softplus=True)[0] for x in (given, sliced))
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("channels", "taps", "biased"), [(32, 4, True), (7, 2, False), (16, 1, True)])
@pytest.mark.parametrize("reverse", [False, True])
def test_convolution_is_that_of_scipy(kernel, channels, taps, biased, reverse):
    rng = np.random.default_rng(0)
    x, weight, bias = rng.normal(size=(2, 30, channels)), rng.normal(size=(channels, taps)), rng.normal(size=channels)
    bias = bias * biased
    seen = x[:, ::-1] if reverse else x
    filtered = np.stack([lfilter(w[::-1], 1, seen[..., c], axis=1) for c, w in enumerate(weight)], axis=-1) + bias
    wanted = filtered * expit(filtered)
    x, weight, bias = (torch.from_numpy(array).float() for array in (x, weight[:, None], bias))
    found = convolve(x, weight, bias if biased else None, reverse)
    assert_near(found, wanted[:, ::-1] if reverse else wanted)


@pytest.mark.parametrize("channels", [3, 24, 256])
def test_the_norm_of_a_sum_is_its_definition(kernel, channels):
    rng = np.random.default_rng(0)
    x, residual = (rng.normal(size=(2, 7, channels)) for _ in range(2))
    weight = rng.normal(size=channels)
    normed, total = add_and_norm(*(torch.from_numpy(a).float() for a in (x, residual, weight)), eps=1e-2)
    assert_near(total, x + residual)
    assert_near(normed, (x + residual) / np.sqrt(((x + residual) ** 2).mean(-1, keepdims=True) + 1e-2) * weight)


def test_the_answer_does_not_depend_on_the_number_of_threads(kernel, monkeypatch):
    given = full(200, 3, 128, 8)
    weight = torch.randn(128, 1, 4)
    alone = *scanned(**given, softplus=True), convolve(given["u"], weight, None)
    alone += add_and_norm(given["u"], given["z"], given["D"], 1e-5)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    again = *scanned(**given, softplus=True), convolve(given["u"], weight, None)
    again += add_and_norm(given["u"], given["z"], given["D"], 1e-5)
    assert all(map(torch.equal, alone, again))


def test_nan_stays_nan(kernel):
    given = full(20, 1, 16, 4)
    given["delta"][0, 5, 3] = torch.nan
    y = scanned(**given, softplus=True)[0]
    assert y[0, 5:, 3].isnan().all()
    assert not y[0, :5].isnan().any()
    assert not y[0, :, :3].isnan().any()


@pytest.mark.parametrize("tied", [True, False])
def test_a_whole_model_is_the_same_with_either_kernel(monkeypatch, tied):
    torch.manual_seed(0)
    config = CaduceusConfig(d_model=16, n_layer=3, bidirectional_weight_tie=tied, ssm_cfg={"d_state": 8})
    model, tokens = CaduceusForMaskedLM(config).eval(), torch.randint(7, 11, (4, 65))
    with torch.inference_mode():
        compiled = model(tokens)
        monkeypatch.setenv(kernels.VARIABLE, "torch")
        torch.testing.assert_close(model(tokens), compiled, rtol=1e-5, atol=1e-5)


def test_a_decay_that_changes_is_read_anew():
    mixer = CaduceusForMaskedLM(CaduceusConfig(d_model=16, n_layer=1)).caduceus.backbone.layers[0].mixer.mamba_fwd
    for factor in (1.0, 0.5):
        with torch.no_grad():
            mixer.A_log.mul_(factor)
        with torch.inference_mode():
            assert torch.equal(mixer.decay(), -mixer.A_log.exp())
    assert mixer.decay().requires_grad


def test_an_unknown_kernel_is_refused(monkeypatch):
    monkeypatch.setenv(kernels.VARIABLE, "fortran")
    with pytest.raises(InputError, match="torch"):
        selective_scan(**as_float32(drawn(3)))


def test_a_kernel_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mamba_ssm", None)
    monkeypatch.setenv(kernels.VARIABLE, "mamba")
    kernels._missing.cache_clear()
    with pytest.raises(InputError, match="mamba_ssm"):
        selective_scan(**as_float32(drawn(3)))
    kernels._missing.cache_clear()


SCANNING = """
import logging, sys, torch

# What `make setup` has compiled lies below this folder, and would be found before any compiler.
sys.prefix = sys.argv[1]
from darkregulome.models import kernels

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
torch.manual_seed(0)
u, delta, z, B, C = (torch.randn(2, 40, size) for size in (20, 20, 20, 5, 5))
with torch.inference_mode():
    for _ in range(2):
        weights = kernels.ScanWeights(-torch.rand(20, 5), softplus=True)
        y = kernels.selective_scan(kernels.ScanRows(u, delta, B, C, z), weights)[0]
        y = kernels.convolve(y, torch.randn(20, 1, 4), None)
        y = kernels.add_and_norm(y, u, torch.ones(20), 1e-5)[0]
print(*y.flatten().tolist())
"""


def scan_in_a_new_process(cache, **environment):
    """What is logged, and numbers of every kernel."""
    environment = os.environ | {"PYTHONPATH": str(BIN), "XDG_CACHE_HOME": str(cache), **environment}
    words = [sys.executable, "-c", SCANNING, str(cache / "nothing_installed")]
    *log, numbers = subprocess.run(
        words, check=True, env=environment, capture_output=True, text=True
    ).stdout.splitlines()
    return log, np.array(numbers.split(), dtype=float)


@needs_compiler
@pytest.mark.parametrize("instructions", ["avx512", "avx2", "default"])
def test_every_kind_of_cpu_has_the_same_answers(tmp_path, instructions):
    wanted = scan_in_a_new_process(tmp_path, DARKREGULOME_SCAN="torch")[1]
    log, numbers = scan_in_a_new_process(tmp_path, ATEN_CPU_CAPABILITY=instructions)
    assert log == ["scan: compiled"]
    np.testing.assert_allclose(numbers, wanted, rtol=0, atol=1e-5)


def test_without_a_compiler_pytorch_runs_the_scan_and_says_so(tmp_path):
    wanted = scan_in_a_new_process(tmp_path / "a")[1]
    log, numbers = scan_in_a_new_process(tmp_path / "b", PATH=str(tmp_path))
    assert log == ["scan: PyTorch, about 7 times slower: no C++ compiler found"]
    np.testing.assert_allclose(numbers, wanted, rtol=0, atol=1e-5)


def test_a_compiler_that_fails_is_quoted(tmp_path):
    (tmp_path / "c++").write_text("#!/bin/sh\necho 'scan.cpp:1: error: what is this' >&2; exit 1\n")
    (tmp_path / "c++").chmod(0o755)
    (log,), _ = scan_in_a_new_process(tmp_path, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert log.startswith("scan: PyTorch")
    assert "error: what is this" in log


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    (log,), _ = scan_in_a_new_process(tmp_path / "file")
    assert log.startswith("scan: PyTorch")
    assert str(tmp_path / "file" / "darkregulome") in log


def test_a_scan_with_a_gradient_is_pytorchs(monkeypatch, caplog):
    given = full(5, 1, 4, 2)
    given["u"].requires_grad_()
    kernels._report.cache_clear()
    with caplog.at_level(logging.INFO):
        assert scanned(**given, softplus=True)[0].requires_grad
    assert caplog.messages == ["scan: PyTorch, which has a gradient"]


@needs_compiler
def test_what_was_compiled_is_compiled_once(tmp_path, monkeypatch):
    from darkregulome.models.kernels import compiled

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiled, "INSTALLED", tmp_path / "none")
    made = compiled.compiled_file()
    assert made.parent == tmp_path / "darkregulome"
    monkeypatch.setattr(compiled, "compile_source", pytest.fail)
    assert compiled.compiled_file() == made


@needs_compiler
def test_several_may_compile_at_the_same_time(tmp_path, monkeypatch):
    from darkregulome.models.kernels import compiled

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiled, "INSTALLED", tmp_path / "none")
    with ThreadPoolExecutor(3) as threads:
        (made,) = {job.result() for job in [threads.submit(compiled.compiled_file) for _ in range(3)]}
    assert [*made.parent.iterdir()] == [made]
    assert ctypes.CDLL(str(made)).selective_scan


@needs_compiler
def test_what_an_installation_has_compiled_needs_no_compiler(tmp_path, monkeypatch):
    from darkregulome.models.kernels import compiled

    monkeypatch.setattr(compiled, "INSTALLED", tmp_path)
    compiled.compile_all(tmp_path)
    monkeypatch.setenv("PATH", "")
    assert compiled.compiled_file().parent == tmp_path


INTERPRETED = """
import sys, numpy as np, torch
from darkregulome.models import kernels
from darkregulome.models.kernels.scan_triton import selective_scan

for path in sys.argv[1:]:
    given = {name: torch.from_numpy(array) for name, array in np.load(path).items()}
    reverse = bool(given.pop("reverse"))
    rows = {name: given.pop(name) for name in kernels.ScanRows._fields if name in given}
    y, last = selective_scan(kernels.ScanRows(**rows), kernels.ScanWeights(**given, softplus=True), reverse)
    np.savez(path, y=y, last=last)
"""


def test_triton_kernel_is_the_recurrence(tmp_path):
    """On a CPU, by Triton's interpreter, which has to be asked for before Triton is imported."""
    pytest.importorskip("triton", reason="Triton is for Linux")
    wanted = {}
    cases = [((), (2, 40, 8)), (("D", "delta_bias"), (1, 5, 3)), (("z",), (1, 32, 16))]
    for number, (absent, shape) in enumerate(cases):
        for reverse in (False, True):
            given = {name: x for name, x in full(12, *shape).items() if name not in absent}
            path = tmp_path / f"{number}-{reverse}.npz"
            np.savez(path, reverse=reverse, **given)
            seen = {n: x.flip(1) if reverse and n in ("u", "delta", "B", "C", "z") else x for n, x in given.items()}
            y, state = full_written_out(dict.fromkeys(absent) | seen, True)
            wanted[path] = y[:, ::-1] if reverse else y, state
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(BIN)}
    subprocess.run([sys.executable, "-c", INTERPRETED, *wanted], check=True, env=environment)
    for path, (y, state) in wanted.items():
        found = np.load(path)
        assert np.abs(found["y"] - y).max() <= 1e-5 * np.abs(y).max()
        assert np.abs(found["last"] - state).max() <= 1e-5 * np.abs(state).max()


@pytest.mark.heavy
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("reverse", [False, True])
def test_triton_kernel_on_a_gpu(reverse):
    from darkregulome.models.kernels import scan_triton

    given = full(300, 3, 80, 16)
    wanted, state = scanned(**given, softplus=True, reverse=reverse)
    on_gpu = {name: x.cuda() for name, x in given.items()}
    y, last = scan_triton.selective_scan(*split(**on_gpu, softplus=True), reverse)
    assert_near(y.cpu(), wanted.numpy())
    assert_near(last.cpu(), state.numpy())


@pytest.mark.parametrize("reverse", [False, True])
def test_mamba_ssm_is_handed_what_it_documents(monkeypatch, reverse):
    """A stand-in with the signature of mamba-ssm's selective_scan_fn that checks shapes and computes with PyTorch."""
    given = full(20, 2, 16, 4)

    def selective_scan_fn(
        u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=False
    ):
        assert u.shape == delta.shape == z.shape == (2, 16, 20)
        assert B.shape == C.shape == (2, 4, 20)
        assert A.shape == (16, 4)
        assert D.shape == delta_bias.shape == (16,)
        assert all(x.is_contiguous() for x in (u, delta, A, B, C, D, z, delta_bias))
        assert u.dtype == delta.dtype == B.dtype == C.dtype == z.dtype
        y, last = selective_scan(u, delta, A, B, C, D=D, z=z, delta_bias=delta_bias, softplus=delta_softplus)
        return y, last if return_last_state else y

    interface = types.ModuleType("mamba_ssm.ops.selective_scan_interface")
    interface.selective_scan_fn = selective_scan_fn
    for name in ("mamba_ssm", "mamba_ssm.ops"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    monkeypatch.delitem(sys.modules, "darkregulome.models.kernels.scan_mamba", raising=False)
    scan_mamba = importlib.import_module("darkregulome.models.kernels.scan_mamba")
    monkeypatch.delitem(sys.modules, "darkregulome.models.kernels.scan_mamba")
    found = scan_mamba.selective_scan(*split(**given, softplus=True), reverse)
    wanted = scanned(**given, softplus=True, reverse=reverse)
    assert_near(found[0], wanted[0].numpy())
    assert_near(found[1], wanted[1].numpy())


def test_chunks_side_by_side_equal_the_loop(monkeypatch):
    monkeypatch.setenv(kernels.VARIABLE, "torch")
    tensors = as_float32(drawn(777, batch=2))
    assert pytorch._chunks_at_once(777, torch.empty(2, 4, 3)) > 1
    in_chunks, _ = selective_scan(**tensors)
    monkeypatch.setattr(pytorch, "STEP_ELEMENTS", {"cpu": 1})
    looped, _ = selective_scan(**tensors)
    torch.testing.assert_close(in_chunks, looped, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("chunk", [64, 3])
def test_gradient_of_every_input_is_right(monkeypatch, chunk):
    monkeypatch.setattr(pytorch, "CHUNK", chunk)
    monkeypatch.setattr(pytorch, "SAVED_EVERY", 4)
    assert (pytorch._chunks_at_once(7, torch.empty(2, 2, 3)) > 1) == (chunk == 3)
    torch.manual_seed(0)
    batch, channels, states, length = 2, 3, 2, 7

    def normal(*shape):
        return torch.randn(*shape, dtype=torch.float64, requires_grad=True)

    decay = (-torch.rand(channels, states, dtype=torch.float64)).requires_grad_()
    given = (
        normal(batch, channels, length),
        normal(batch, channels, length),
        decay,
        normal(batch, states, length),
        normal(batch, states, length),
        normal(channels),
        normal(batch, channels, length),
        normal(channels),
    )
    names = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")

    def scan(*inputs):
        return selective_scan(**dict(zip(names, inputs, strict=True)), softplus=True)

    assert torch.autograd.gradcheck(scan, given)


def test_state_carries_over_a_cut():
    """y after a cut depends on the past only through the last state: with a decay that forgets, not at all."""
    tensors = as_float32(drawn(200))
    tensors["delta"][..., 100] = 1e6
    whole, _ = selective_scan(**tensors)
    second, _ = selective_scan(**{n: x if n == "A" else x[..., 100:] for n, x in tensors.items()})
    torch.testing.assert_close(whole[..., 100:], second, rtol=1e-5, atol=1e-3)


def test_low_precision_input_keeps_a_float32_state():
    tensors = as_float32(drawn(300))
    exact, _ = selective_scan(**tensors)
    rounded = {name: tensor.bfloat16() for name, tensor in tensors.items()}
    y, last = selective_scan(**rounded)
    assert y.dtype == torch.bfloat16
    assert last.dtype == torch.float32
    assert (y.float() - exact).abs().max() < 0.05 * exact.abs().max()
