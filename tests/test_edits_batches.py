"""Batches: what is tried, in which sizes, where memory does not suffice."""

import numpy as np
import pytest

from darkregulome.edits.batches import Batches
from darkregulome.errors import InputError


def run(batches, jobs, lengths, fitting):
    """Sizes that were tried, and what was run, on a device that fits so many sequences."""
    tried, done = [], []

    def call(batch):
        tried.append(len(batch))
        if len(batch) > fitting:
            raise RuntimeError("CUDA out of memory")
        done.extend(batch.tolist())

    batches.run(np.arange(jobs), lengths, call)
    assert done == list(range(jobs))
    return tried


def test_a_budget_is_halved_for_good():
    batches = Batches(160, None, 40)
    assert run(batches, 20, 10, 5) == [16, 8, 4, 4, 4, 4, 4]
    assert run(batches, 20, 10, 5) == [4] * 5


def test_a_given_size_is_halved_for_good():
    batches = Batches(160, 9, 40)
    assert run(batches, 10, 10, 3) == [9, 4, 2, 2, 2, 2, 2]
    assert run(batches, 3, 10, 3) == [2, 1]


def test_a_batch_is_as_long_as_its_longest_sequence():
    assert run(Batches(100, None, 6), 6, [10, 20, 30, 50, 90, 200], 9) == [3, 1, 1, 1]
    assert run(Batches(1, 4, 6), 6, [10, 20, 30, 50, 90, 200], 9) == [4, 2]


def test_the_share_that_is_done_is_told():
    told = []
    run(Batches(30, None, 8, told.append), 8, 10, 2)
    assert told == [0.125 * (1 + number) for number in range(8)]


def test_one_sequence_that_does_not_fit_is_the_users_to_mend():
    with pytest.raises(InputError, match="one window does not fit into memory"):
        run(Batches(30, None, 8), 8, 10, 0)
