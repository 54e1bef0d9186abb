"""Dense layers in inference: the same numbers from oneDNN and from PyTorch's own, with or without it."""

import gc
import json
import os
import subprocess
import sys
import time
import timeit
import weakref

import numpy as np
import pytest
import torch

from darkregulome.models import numerics
from darkregulome.models.numerics import for_inference, kept, linear
from places import BIN


@pytest.fixture(params=[True, False], ids=["onednn", "without"])
def onednn(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(numerics, "_by_onednn", lambda: False)
    return request.param


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("shape", [(7,), (3, 5, 7), (1, 1, 7), (0, 7)])
def test_it_is_the_product_in_float64(onednn, biased, shape):
    rng = np.random.default_rng(0)
    x, weight, bias = rng.normal(size=shape), rng.normal(size=(4, 7)), biased * rng.normal(size=4)
    given = [torch.from_numpy(array).float() for array in (x, weight, bias)]
    with torch.inference_mode():
        found = linear(given[0], given[1], given[2] if biased else None)
    np.testing.assert_allclose(found.numpy(), x @ weight.T + bias, atol=1e-5)


def test_columns_of_a_wider_tensor_are_read_right(onednn):
    wide, weight = torch.randn(2, 5, 9), torch.randn(3, 4)
    with torch.inference_mode():
        torch.testing.assert_close(linear(wide[..., 2:6], weight), wide[..., 2:6].contiguous() @ weight.T)


def test_a_weight_of_columns_takes_no_longer_than_one_of_its_own(onednn):
    """oneDNN's operator took 600 ms for the former and 0.4 ms for the latter."""
    x, wide = torch.randn(64, 64), torch.randn(1024, 512)
    with torch.inference_mode():
        torch.testing.assert_close(linear(x, wide[:, 64:128]), x @ wide[:, 64:128].T, rtol=1e-4, atol=1e-4)
        columns, own = (
            min(timeit.repeat(lambda w=w: linear(x, w), number=1, repeat=5, timer=time.process_time))
            for w in (wide[:, 64:128], wide[:, 64:128].contiguous())
        )
    assert columns < 20 * own + 0.01


def test_a_gradient_goes_through(onednn):
    x, weight = torch.randn(6, 4, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: linear(x, w), weight)
    narrow = weight.detach().float().requires_grad_()
    linear(x.float(), narrow).sum().backward()
    torch.testing.assert_close(narrow.grad, x.float().sum(0).expand(3, 4))


def test_low_precision_stays_as_it_is(onednn):
    with torch.inference_mode():
        assert (
            linear(torch.ones(2, 4, dtype=torch.bfloat16), torch.ones(3, 4, dtype=torch.bfloat16)).dtype
            == torch.bfloat16
        )


def test_a_network_for_inference_is_the_same_function_of_the_same_parameters(onednn):
    shared = torch.nn.Linear(5, 5)
    network = torch.nn.Sequential(
        torch.nn.Linear(3, 5, bias=False), shared, torch.nn.Sequential(torch.nn.ReLU(), shared)
    )
    x, before = torch.randn(2, 3), network.state_dict()
    expected = network(x).detach()
    found = for_inference(network, torch.device("cpu"))
    assert found is network
    assert found[1] is found[2][1]
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(after[name].data_ptr() == tensor.data_ptr() for name, tensor in before.items())
    with torch.inference_mode():
        torch.testing.assert_close(found(x), expected)
    assert all(type(layer) is not torch.nn.Linear for layer in network.modules())


@pytest.mark.parametrize("frozen", [False, True])
def test_a_weight_that_changes_is_read_anew(onednn, frozen):
    with torch.inference_mode(frozen):
        layer = for_inference(torch.nn.Sequential(torch.nn.Linear(4, 3)), torch.device("cpu"))[0]
    x = torch.randn(5, 4)
    for rows in (5, 2):
        with torch.inference_mode():
            wanted = x[:rows].double() @ layer.weight.double().t() + layer.bias.double()
            torch.testing.assert_close(layer(x[:rows]).double(), wanted, rtol=1e-5, atol=1e-6)
        if not frozen:
            with torch.no_grad():
                layer.weight.mul_(3)


COUNTING = """
import json, resource, torch
from darkregulome.models.numerics import keep_freed_memory

def faults(rounds=20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        torch.zeros(2**22)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
keep_freed_memory()
faults()
print(json.dumps([given_back, faults()]))
"""


def test_what_is_made_of_tensors_is_made_once_until_one_of_them_changes():
    weight, bias, made = torch.ones(2), torch.ones(2), []

    def total():
        return kept("total", lambda: made.append(1) or weight + bias, weight, bias, None)

    assert total() is total()
    assert total().tolist() == [2, 2]
    assert len(made) == 1
    bias.add_(1)
    assert total().tolist() == [3, 3]
    with torch.inference_mode():
        weight.mul_(2)
        assert total().tolist() == [4, 4]
        assert not total().is_inference()
    assert kept("product", lambda: weight * bias, weight, bias).tolist() == [4, 4]
    assert len(made) == 3


def test_what_is_made_of_a_tensor_that_counts_no_changes_is_not_kept():
    with torch.inference_mode():
        weight = torch.ones(2)
        assert kept("twice", lambda: 2 * weight, weight).tolist() == [2, 2]
        weight.add_(1)
        assert kept("twice", lambda: 2 * weight, weight).tolist() == [4, 4]


def test_what_is_made_of_a_tensor_ends_with_it():
    owner = [torch.ones(2)]
    made = weakref.ref(kept("twice", lambda: 2 * owner[0], owner[0]))
    assert made() is not None
    owner.clear()
    gc.collect()
    assert made() is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is told to keep memory")
@pytest.mark.parametrize("told", [False, True], ids=["as it comes", "with settings of the user"])
def test_memory_that_was_freed_is_not_faulted_in_again(told):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    environment |= {"PYTHONPATH": str(BIN)}
    environment |= {"MALLOC_TRIM_THRESHOLD_": "131072", "MALLOC_MMAP_THRESHOLD_": "131072"} if told else {}
    done = subprocess.run([sys.executable, "-c", COUNTING], env=environment, capture_output=True, text=True, check=True)
    before, after = json.loads(done.stdout)
    assert before > 100
    assert (after > before / 2) if told else (after < before / 10)
