"""Dependency maps of models whose dependencies are known exactly."""

import math

import numpy as np
import pytest

from darkregulome.edits.forwards import log2_odds, log_odds
from darkregulome.scoring.maps.dependency import dependency_map, substitution_changes
from fake_models import MarkovCausal, MarkovMasked
from known_structures import variant_influence

SEQUENCE = "".join(np.random.default_rng(4).choice(list("ACGT"), 24))


@pytest.fixture
def model():
    return MarkovMasked(context=64)


def odds(p):
    return math.log2(p / (1 - p))


def test_bases_of_a_markov_chain_depend_on_their_neighbours_alone(model):
    found = dependency_map(model, SEQUENCE)
    distance = np.abs(np.subtract.outer(np.arange(24), np.arange(24)))
    assert (found[distance == 1] > 0.05).all()
    assert np.abs(found[distance > 1]).max() < 1e-5
    assert (np.diag(found) == 0).all()


def test_causal_bases_depend_on_earlier_ones_alone():
    found = dependency_map(MarkovCausal(order=2), SEQUENCE)
    i, j = np.indices(found.shape)
    assert (found[((j - i == 1) | (j - i == 2)) & (j > 1)] > 0).all()  # the first two have no whole context
    assert np.abs(found[(j <= i) | (j - i > 2)]).max() < 1e-5


def test_map_equals_a_naive_loop(model):
    found, oracle = dependency_map(model, SEQUENCE), MarkovMasked(context=64)
    for i, j in ((3, 4), (10, 9), (23, 22), (0, 1)):
        reference = oracle.distribution(SEQUENCE, j)
        changes = []
        for base in set("ACGT") - {SEQUENCE[i]}:
            mutant = oracle.distribution(SEQUENCE[:i] + base + SEQUENCE[i + 1 :], j)
            changes += [abs(odds(a) - odds(b)) for a, b in zip(mutant, reference, strict=True)]
        assert found[i, j] == pytest.approx(max(changes), abs=1e-4)


def test_influence_is_the_mean_of_the_largest_changes(model):
    found = variant_influence(model, SEQUENCE)
    for changes in substitution_changes(model, SEQUENCE):
        for base, change in zip(changes.alternatives, changes.change, strict=True):
            wanted = change.max(axis=1).sum() / (len(SEQUENCE) - 1)
            assert found[changes.position, "ACGT".index(base)] == pytest.approx(wanted, rel=1e-5)
    rows = np.arange(len(SEQUENCE))
    assert (found[rows, ["ACGT".index(base) for base in SEQUENCE]] == 0).all()


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_map_does_not_depend_on_the_batches(model, size):
    np.testing.assert_array_equal(dependency_map(model, SEQUENCE, batch_size=size), dependency_map(model, SEQUENCE))
    assert max(model.batch_sizes) <= max(size, 8192 // 24)


def test_part_of_a_map_is_a_part_of_the_whole(model):
    part = dependency_map(model, SEQUENCE, positions=range(5, 12), targets=range(8, 20))
    np.testing.assert_array_equal(part, dependency_map(model, SEQUENCE)[5:12, 8:20])


def test_three_passes_a_base_and_one_for_the_reference(model):
    assert dependency_map(model, SEQUENCE).shape == (24, 24)
    assert len(model.sequences_run) == 3 * 24 + 1


def test_unknown_base_has_no_row(model):
    letters = SEQUENCE[:7] + "N" + SEQUENCE[8:]
    found = dependency_map(model, letters)
    assert np.isnan(found[7]).all()
    assert np.isfinite(np.delete(found, 7, axis=0)).all()
    assert np.isnan(variant_influence(model, letters)[7]).all()


def test_rows_come_one_by_one(model):
    first = next(substitution_changes(model, SEQUENCE, batch_size=3))
    assert (first.position, len(first.alternatives), first.change.shape) == (0, 3, (3, 24, 4))
    assert len(model.sequences_run) == 4


def test_measures_of_known_distributions():
    p = np.array([[0.5, 0.25, 0.125, 0.125], [1.0, 0.0, 0.0, 0.0]])
    with np.errstate(divide="ignore"):
        log_p = np.log(p)
    assert log2_odds(log_p)[0] == pytest.approx([0, odds(0.25), odds(0.125), odds(0.125)], abs=1e-8)
    assert log2_odds(log_p)[1] == pytest.approx([math.log2(1 / 3e-10), *[math.log2(1e-10)] * 3], rel=1e-6)
    assert log_odds(log_p[0]) == pytest.approx([0, *(math.log(q / (1 - q)) for q in (0.25, 0.125, 0.125))])


def test_batch_that_does_not_fit_is_halved(model, monkeypatch):
    whole, read = dependency_map(model, SEQUENCE), model.log_probs

    def limited(tokens):
        if len(tokens) > 5:
            raise MemoryError
        return read(tokens)

    monkeypatch.setattr(model, "log_probs", limited)
    np.testing.assert_array_equal(dependency_map(model, SEQUENCE), whole)


def test_lower_case_is_upper_case(model):
    np.testing.assert_array_equal(dependency_map(model, SEQUENCE.lower()), dependency_map(model, SEQUENCE))
