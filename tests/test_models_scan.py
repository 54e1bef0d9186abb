"""The selective scan against its own recurrence, written out, and its gradient against finite differences."""

import numpy as np
import pytest
import torch

from darkregulome.models import scan
from darkregulome.models.scan import selective_scan


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


@pytest.mark.parametrize("length", [1, 63, 64, 65, 300])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_scan_is_the_recurrence(length, scale):
    arrays = drawn(length, scale)
    wanted, state = written_out(
        *(arrays[name][0] for name in ("u", "delta")), arrays["A"], *(arrays[n][0] for n in "BC")
    )
    y, last = selective_scan(**as_float32(arrays), return_last_state=True)
    assert np.abs(y[0].numpy() - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert np.abs(last[0].numpy() - state).max() <= 1e-5 * np.abs(state).max()


def test_chunks_side_by_side_equal_the_loop(monkeypatch):
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
