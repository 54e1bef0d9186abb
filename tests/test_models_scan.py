"""The selective scan against its own recurrence, written out, and its gradient against finite differences."""

import gc
import importlib
import os
import subprocess
import sys
import types

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from scipy.special import expit

from darkregulome.errors import InputError
from darkregulome.models import reading_llvm, scan, scan_llvm, vector_code
from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM
from darkregulome.models.scan import (
    add_and_norm,
    convolve_rows,
    read_rows,
    selective_scan,
    selective_scan_rows,
)
from places import BIN


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


@pytest.fixture(params=["torch", "llvm"])
def kernel(request, monkeypatch):
    """Each kernel that runs on a CPU."""
    monkeypatch.setenv(scan.VARIABLE, request.param)
    return request.param


@pytest.mark.parametrize("length", [1, 63, 64, 65, 300])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_scan_is_the_recurrence(kernel, length, scale):
    arrays = drawn(length, scale)
    wanted, state = written_out(
        *(arrays[name][0] for name in ("u", "delta")), arrays["A"], *(arrays[n][0] for n in "BC")
    )
    y, last = selective_scan(**as_float32(arrays), return_last_state=True)
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
    y, last = selective_scan_rows(**given, delta_softplus=True)
    wanted, state = full_written_out(given, True)
    assert_near(y, wanted)
    assert_near(last, state)


def test_step_sizes_that_no_softplus_made_may_be_negative(kernel):
    given = full(40, 2, 16, 4)
    given["delta"] = given["delta"].clamp(-0.5, 50)
    given["delta_bias"] = None
    assert_near(selective_scan_rows(**given)[0], full_written_out(given, False)[0])


def test_a_long_sequence(kernel):
    given = full(3000, 1, 4, 16)
    y, last = selective_scan_rows(**given, delta_softplus=True)
    wanted, state = full_written_out(given, True)
    assert_near(y, wanted)
    assert_near(last, state)


def test_reading_from_the_end_is_reading_the_flipped_sequence(kernel):
    given = full(50, 2, 16, 8)
    rows = ("u", "delta", "B", "C", "z")
    flipped = given | {name: given[name].flip(1) for name in rows}
    backwards, last = selective_scan_rows(**given, delta_softplus=True, reverse=True)
    wanted, state = selective_scan_rows(**flipped, delta_softplus=True)
    torch.testing.assert_close(backwards, wanted.flip(1), rtol=0, atol=0)
    torch.testing.assert_close(last, state, rtol=0, atol=0)


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
def test_what_the_scan_is_added_to_shares_its_gate(kernel, gated, reverse):
    given = full(45, 2, 32, 8)
    other, gate = full(45, 2, 32, 8, seed=1)["u"], given["z"].double()
    alone, state = selective_scan_rows(**given | {"z": None}, delta_softplus=True, reverse=reverse)
    given = given if gated else given | {"z": None}
    y, last = selective_scan_rows(**given, delta_softplus=True, reverse=reverse, onto=other)
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
    found = selective_scan_rows(**given, delta_softplus=True, reverse=reverse, delta_weight=weight)
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
    found = (selective_scan_rows(**x, delta_softplus=True)[0] for x in (given, sliced))
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
    found = convolve_rows(x, weight, bias if biased else None, reverse)
    assert_near(found, wanted[:, ::-1] if reverse else wanted)


@pytest.mark.parametrize("length", [1, 5, 6, 125])
@pytest.mark.parametrize(("channels", "outputs"), [(48, 40), (16, 3), (16, 48)])
@pytest.mark.parametrize("past_cache", [0, 2**24])
@pytest.mark.parametrize("directions", [(False,), (True,), (False, True)])
def test_what_is_read_at_once_is_the_convolution_and_its_projection(
    monkeypatch, length, channels, outputs, past_cache, directions
):
    skip_without_lanes(16)
    monkeypatch.setattr(reading_llvm, "PAST_CACHE", past_cache)
    torch.manual_seed(0)
    x = torch.randn(2, length, 2 * channels)[..., channels:]
    ways = [drawn_way(channels, outputs, reverse, biased=not reverse) for reverse in directions]
    for way, (u, projected) in zip(ways, read_rows(x, ways), strict=True):
        bias = None if way.bias is None else way.bias.double()
        wanted = convolve_rows(x.double(), way.weight.double(), bias, way.reverse)
        assert_near(u, wanted.numpy())
        assert_near(projected, (wanted @ way.projection.double().t()).numpy())


@pytest.mark.parametrize(("channels", "outputs", "others"), [(5, 4, 4), (16, 49, 49), (2**12 + 16, 4, 4), (16, 4, 5)])
def test_sizes_that_are_not_read_at_once_are_left_to_others(channels, outputs, others):
    ways = [drawn_way(channels, n, reverse) for n, reverse in ((outputs, False), (others, True))]
    assert read_rows(torch.randn(1, 3, channels), ways) is None


def drawn_way(channels, outputs, reverse, biased=True):
    bias = torch.randn(channels) if biased else None
    return scan.Way(torch.randn(channels, 1, 4), bias, torch.randn(outputs, channels), reverse)


def skip_without_lanes(count):
    if vector_code.lanes() < count:
        pytest.skip(f"this CPU has {vector_code.lanes()} lanes of float32, and {count} are wanted")


@pytest.mark.parametrize("channels", [3, 24, 256])
def test_the_norm_of_a_sum_is_its_definition(kernel, channels):
    rng = np.random.default_rng(0)
    x, residual = (rng.normal(size=(2, 7, channels)) for _ in range(2))
    weight = rng.normal(size=channels)
    normed, total = add_and_norm(*(torch.from_numpy(a).float() for a in (x, residual, weight)), eps=1e-2)
    assert_near(total, x + residual)
    assert_near(normed, (x + residual) / np.sqrt(((x + residual) ** 2).mean(-1, keepdims=True) + 1e-2) * weight)


@pytest.mark.parametrize("own_threads", [False, True])
def test_the_answer_does_not_depend_on_the_number_of_threads(kernel, own_threads, monkeypatch):
    given = full(200, 3, 128, 8)
    alone = selective_scan_rows(**given, delta_softplus=True)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    if own_threads:
        monkeypatch.setattr(vector_code, "openmp", lambda: None)
    assert all(map(torch.equal, alone, selective_scan_rows(**given, delta_softplus=True)))


def test_a_forked_process_does_not_ask_for_the_threads_of_its_parent(monkeypatch):
    monkeypatch.setenv(scan.VARIABLE, "llvm")
    alone = scanned_on_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    # A real fork would hang in PyTorch's own operations, which do ask.
    runtime = vector_code.OpenMP(types.SimpleNamespace(GOMP_parallel=pytest.fail), os.getpid() + 1)
    monkeypatch.setattr(vector_code, "openmp", lambda: runtime)
    np.testing.assert_array_equal(scanned_on_threads(), alone)


def test_a_kernel_that_is_let_go_takes_nothing_with_it(monkeypatch):
    monkeypatch.setenv(scan.VARIABLE, "llvm")
    first = scanned_on_threads()
    importlib.import_module("darkregulome.models.scan_llvm")._scan_kernel.cache_clear()
    gc.collect()
    np.testing.assert_array_equal(scanned_on_threads(), first)


def scanned_on_threads():
    return selective_scan_rows(**full(200, 3, 128, 8), delta_softplus=True)[0].numpy()


def test_nan_stays_nan(kernel):
    given = full(20, 1, 16, 4)
    given["delta"][0, 5, 3] = torch.nan
    y = selective_scan_rows(**given, delta_softplus=True)[0]
    assert y[0, 5:, 3].isnan().all()
    assert not y[0, :5].isnan().any()
    assert not y[0, :, :3].isnan().any()


@pytest.mark.parametrize("without", [("avx512",), ("avx512", "avx", "fma", "f16c")])
def test_a_cpu_with_fewer_operations_has_the_same_answers(monkeypatch, without):
    given = full(40, 2, 32, 16)
    wanted = selective_scan_rows(**given, delta_softplus=True)
    here = vector_code.llvm.get_host_cpu_features()
    fewer = type(here)({name: there and not name.startswith(without) for name, there in here.items()})
    kept = (vector_code.lanes, vector_code._splits_exponents, vector_code._named_registers, scan_llvm._scan_kernel)
    monkeypatch.setattr(vector_code.llvm, "get_host_cpu_name", lambda: "x86-64" if len(without) > 1 else "haswell")
    monkeypatch.setattr(vector_code.llvm, "get_host_cpu_features", lambda: fewer)
    for function in kept:
        function.cache_clear()
    try:
        assert vector_code.lanes() == 8
        for found, expected in zip(selective_scan_rows(**given, delta_softplus=True), wanted, strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * expected.abs().max().item())
    finally:
        for function in kept:
            function.cache_clear()


@pytest.mark.parametrize("tied", [True, False])
def test_a_whole_model_is_the_same_with_either_kernel(monkeypatch, tied):
    torch.manual_seed(0)
    config = CaduceusConfig(d_model=16, n_layer=3, bidirectional_weight_tie=tied, ssm_cfg={"d_state": 8})
    model, tokens = CaduceusForMaskedLM(config).eval(), torch.randint(7, 11, (4, 65))
    with torch.inference_mode():
        compiled = model(tokens)
        monkeypatch.setenv(scan.VARIABLE, "torch")
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
    monkeypatch.setenv(scan.VARIABLE, "fortran")
    with pytest.raises(InputError, match="torch"):
        selective_scan(**as_float32(drawn(3)))


def test_a_kernel_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mamba_ssm", None)
    monkeypatch.setenv(scan.VARIABLE, "mamba")
    scan._module.cache_clear()
    with pytest.raises(InputError, match="mamba-ssm"):
        selective_scan(**as_float32(drawn(3)))
    scan._module.cache_clear()


def test_without_llvmlite_pytorch_does_it(monkeypatch):
    compiled = selective_scan(**as_float32(drawn(30)))
    monkeypatch.setattr(scan, "_module", lambda name: None)
    torch.testing.assert_close(selective_scan(**as_float32(drawn(30))), compiled, rtol=1e-5, atol=1e-5)
    monkeypatch.setenv(scan.VARIABLE, "llvm")
    with pytest.raises(InputError, match="llvmlite"):
        selective_scan(**as_float32(drawn(30)))


INTERPRETED = """
import sys, numpy as np, torch
from darkregulome.models.scan_triton import scan_rows

for path in sys.argv[1:]:
    given = {name: torch.from_numpy(array) for name, array in np.load(path).items()}
    reverse = bool(given.pop("reverse"))
    given = dict.fromkeys(("D", "z", "delta_bias")) | given
    y, last = scan_rows(**given, delta_softplus=True, reverse=reverse)
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
    from darkregulome.models import scan_triton

    given = full(300, 3, 80, 16)
    wanted, state = selective_scan_rows(**given, delta_softplus=True, reverse=reverse)
    on_gpu = {name: x.cuda() for name, x in given.items()}
    y, last = scan_triton.scan_rows(**on_gpu, delta_softplus=True, reverse=reverse)
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
        return selective_scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state)

    interface = types.ModuleType("mamba_ssm.ops.selective_scan_interface")
    interface.selective_scan_fn = selective_scan_fn
    for name in ("mamba_ssm", "mamba_ssm.ops"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    monkeypatch.delitem(sys.modules, "darkregulome.models.scan_mamba", raising=False)
    scan_mamba = importlib.import_module("darkregulome.models.scan_mamba")
    monkeypatch.delitem(sys.modules, "darkregulome.models.scan_mamba")
    found = scan_mamba.scan_rows(**given, delta_softplus=True, reverse=reverse)
    wanted = selective_scan_rows(**given, delta_softplus=True, reverse=reverse)
    assert_near(found[0], wanted[0].numpy())
    assert_near(found[1], wanted[1].numpy())


def test_chunks_side_by_side_equal_the_loop(monkeypatch):
    monkeypatch.setenv(scan.VARIABLE, "torch")
    tensors = as_float32(drawn(777, batch=2))
    assert scan._chunks_at_once(777, torch.empty(2, 4, 3)) > 1
    in_chunks = selective_scan(**tensors)
    monkeypatch.setattr(scan, "STEP_ELEMENTS", {"cpu": 1})
    looped = selective_scan(**tensors)
    torch.testing.assert_close(in_chunks, looped, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("chunk", [64, 3])
def test_gradient_of_every_input_is_right(monkeypatch, chunk):
    monkeypatch.setattr(scan, "CHUNK", chunk)
    monkeypatch.setattr(scan, "SAVED_EVERY", 4)
    assert (scan._chunks_at_once(7, torch.empty(2, 2, 3)) > 1) == (chunk == 3)
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
    assert torch.autograd.gradcheck(lambda *inputs: selective_scan(*inputs, True, True), given)


def test_state_carries_over_a_cut():
    """y after a cut depends on the past only through the last state: with a decay that forgets, not at all."""
    tensors = as_float32(drawn(200))
    tensors["delta"][..., 100] = 1e6
    whole = selective_scan(**tensors)
    second = selective_scan(**{n: x if n == "A" else x[..., 100:] for n, x in tensors.items()})
    torch.testing.assert_close(whole[..., 100:], second, rtol=1e-5, atol=1e-3)


def test_low_precision_input_keeps_a_float32_state():
    tensors = as_float32(drawn(300))
    exact = selective_scan(**tensors)
    rounded = {name: tensor.bfloat16() for name, tensor in tensors.items()}
    y, last = selective_scan(**rounded, return_last_state=True)
    assert y.dtype == torch.bfloat16
    assert last.dtype == torch.float32
    assert (y.float() - exact).abs().max() < 0.05 * exact.abs().max()
