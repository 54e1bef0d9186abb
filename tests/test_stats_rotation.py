"""The rotation null against direct rotation, exhaustive enumeration, and its promise under autocorrelation."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, kstest

from darkregulome.stats.loci import Loci
from darkregulome.stats.nulls import RotationNull, ShuffleNull, empirical_p, rotation_table
from darkregulome.stats.nulls.rotation import _kept_matches, matches_of, shifted_table
from simulated_tables import by_locus


def layout(*sizes: int) -> Loci:
    return Loci.of(np.repeat(np.arange(len(sizes)), sizes))


@given(size=st.integers(1, 12), seed=st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_rotation_table_equals_rolling_each_way(size, seed):
    rng = np.random.default_rng(seed)
    scores, weights = rng.normal(size=size), rng.normal(size=(size, 3))
    direct = [weights.T @ np.roll(arm, -shift) for arm in (scores, scores[::-1]) for shift in range(size)]
    np.testing.assert_allclose(rotation_table(scores, weights), direct, atol=1e-12)


def test_exact_mean_and_sd_equal_those_of_every_combination_of_rotations():
    rng = np.random.default_rng(1)
    loci = layout(3, 4, 2)
    scores, weights = rng.normal(size=9), rng.normal(size=9)
    tables = [rotation_table(scores[part], weights[part, None])[:, 0] for part in loci.slices()]
    everything = np.array([sum(combination) for combination in itertools.product(*tables)])
    null = RotationNull(loci, 20_000, rng).draw(scores, weights)
    assert null.mean[0] == pytest.approx(everything.mean())
    assert null.sd[0] == pytest.approx(everything.std())
    assert null.observed[0] == pytest.approx(weights @ scores)
    exact = np.mean(np.abs(everything - everything.mean()) >= abs(null.observed[0] - everything.mean()) - 1e-12)
    assert empirical_p(null.observed[0], null.draws[:, 0], null.mean[0]) == pytest.approx(exact, abs=0.02)


def test_every_draw_equals_the_statistic_of_the_rotated_scores():
    rng = np.random.default_rng(2)
    loci = layout(5, 8, 1, 6)
    scores, weights = rng.normal(size=20), rng.normal(size=(20, 2))
    null = RotationNull(loci, 50, rng)
    drawn = null.draw(scores, weights).draws
    np.testing.assert_allclose(drawn, [weights.T @ null.rotate(scores, i) for i in range(50)], atol=1e-12)
    np.testing.assert_allclose(drawn, sum(part for _, part in null.locus_draws(scores, weights)), atol=1e-12)


def test_rotation_keeps_each_locus_and_its_circular_neighbours():
    rng = np.random.default_rng(3)
    loci = layout(7, 9)
    scores = rng.normal(size=16)
    rotated = RotationNull(loci, 1, rng).rotate(scores, 0)
    for part in loci.slices():
        assert sorted(rotated[part]) == sorted(scores[part])
        lag = [np.sum(x[part] * np.roll(x[part], 1)) for x in (scores, rotated)]
        assert lag[0] == pytest.approx(lag[1])


def test_the_identity_counts_as_an_exceedance_and_p_is_never_zero():
    loci = layout(2)
    null = RotationNull(loci, 99, np.random.default_rng(5)).draw(np.array([0.1, 0.3]), np.array([1.0, -1.0]))
    # Two elements have two distinct contrasts of equal size: nothing can be significant.
    assert empirical_p(null.observed[0], null.draws[:, 0], null.mean[0]) == 1.0
    assert empirical_p(5.0, np.zeros(99)) == pytest.approx(0.01)


def test_rotation_null_holds_its_level_under_autocorrelation_where_the_shuffle_does_not():
    """20 loci of 40 elements, autocorrelation 0.8, 200 seeds: near/far contrasts of scores that know no distance."""
    sizes, seeds, permutations, alpha = [40] * 20, 200, 399, 0.05
    loci = layout(*sizes)
    near = np.tile(np.abs(np.arange(40) - 20) < 5, 20)
    weights = loci.center(near)
    rejected = {"rotation": 0, "free": 0}
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 77])
        scores = by_locus(sizes, 0.8, rng) + np.repeat(rng.normal(size=20), sizes)
        nulls = {"rotation": RotationNull(loci, permutations, rng), "free": ShuffleNull(loci, None, permutations, rng)}
        for name, null in nulls.items():
            drawn = null.draw(scores, weights)
            rejected[name] += empirical_p(drawn.observed[0], drawn.draws[:, 0], drawn.mean[0]) <= alpha
    limit = binom.ppf(0.99, seeds, alpha)
    assert rejected["rotation"] <= limit
    assert rejected["free"] > 3 * limit


def test_p_values_of_the_rotation_null_are_uniform_where_nothing_is_there():
    """500 seeds of scores that know no distance, autocorrelation 0.5: Kolmogorov-Smirnov against the uniform."""
    sizes = [30] * 12
    loci = layout(*sizes)
    weights = loci.center(np.tile(np.abs(np.arange(30) - 15) < 4, 12))
    p_values = []
    for seed in range(500):
        rng = np.random.default_rng([seed, 5])
        null = RotationNull(loci, 999, rng).draw(by_locus(sizes, 0.5, rng), weights)
        p_values.append(empirical_p(null.observed[0], null.draws[:, 0], null.mean[0]))
    assert kstest(p_values, "uniform").pvalue > 0.01


# -- along the bases --------------------------------------------------------------------------------------------------


def naive_shifts(scores, weights, places):
    """Every element takes the score of the element nearest to where it comes to lie on the ring."""
    size = len(places)
    ring = (places[-1] - places[0]) * size / (size - 1)
    rows = []
    for values, field in ((scores, places), (scores[::-1], (places[-1] + places[0] - places)[::-1])):
        for shift in range(size):
            row = np.zeros(weights.shape[1])
            for i in range(size):
                gap = np.abs((field - (field[shift] + places[i] - places[0]) + ring / 2) % ring - ring / 2)
                row += weights[i] * values[np.argmin(gap)]
            rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("seed", range(4))
def test_rotation_along_bases_is_that_of_a_loop(seed):
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(10_000, 17, replace=False)).astype(float)
    scores, weights = rng.standard_normal(17), rng.standard_normal((17, 2))
    assert np.allclose(shifted_table(scores, weights, places), naive_shifts(scores, weights, places))


@pytest.mark.parametrize("size", [2, 3, 40, 333])
def test_matches_that_were_kept_and_blocks_of_shifts_give_the_very_same_table(size, monkeypatch):
    rng = np.random.default_rng(size)
    places = np.sort(rng.integers(0, 50 * size, size)).astype(float)
    scores, weights = rng.standard_normal(size), rng.standard_normal((size, 2))
    whole, kept = (shifted_table(scores, weights, places, one) for one in (None, matches_of(places)))
    monkeypatch.setattr("darkregulome.stats.nulls.rotation._BATCH", 7 * size)
    in_blocks = shifted_table(scores, weights, places)
    assert np.array_equal(whole, kept)
    assert np.array_equal(whole, in_blocks)


def test_loci_too_large_to_keep_their_matches_have_the_same_draws(monkeypatch):
    rng = np.random.default_rng(0)
    loci = Loci.of(np.repeat(np.arange(6), 30), np.sort(rng.integers(0, 9000, (6, 30)), axis=1).ravel())
    scores, weights = rng.standard_normal(loci.n), rng.standard_normal(loci.n)
    draws = []
    for most in (10**6, 2 * 2 * 30**2, 0):
        monkeypatch.setattr("darkregulome.stats.nulls.rotation._MOST_KEPT", most)
        _kept_matches.cache_clear()
        draws.append(RotationNull(loci, 50, np.random.default_rng(1)).draw(scores, weights).draws)
    _kept_matches.cache_clear()
    assert np.array_equal(draws[0], draws[1])
    assert np.array_equal(draws[0], draws[2])


def test_elements_that_begin_together_keep_their_scores_where_nothing_is_turned():
    rng = np.random.default_rng(4)
    places = np.array([0.0, 100, 100, 200, 300, 300, 300, 400])
    scores, weights = rng.standard_normal(8), rng.standard_normal((8, 2))
    assert np.allclose(shifted_table(scores, weights, places)[0], weights.T @ scores)


def test_evenly_spaced_elements_are_rotated_by_index():
    rng = np.random.default_rng(5)
    scores, weights = rng.standard_normal(20), rng.standard_normal((20, 1))
    expected = rotation_table(scores, weights)
    assert np.allclose(shifted_table(scores, weights, np.arange(20) * 500.0), expected)
    assert np.allclose(shifted_table(scores, weights, np.full(20, 7.0)), expected)


def test_rotation_along_bases_holds_its_level_where_elements_cluster_and_rotation_by_index_does_not():
    """Finding 13: scores alike over 3 kb, elements dense near the TSS, so that near ones are alike as a block."""
    rng = np.random.default_rng(0)
    dense, sparse = np.arange(12) * 300.0 + 50_000, np.r_[np.arange(9) * 5_000.0, np.arange(9) * 5_000.0 + 58_000]
    places = np.sort(np.r_[dense, sparse])
    size = len(places)
    whole = np.tile(places, 30)
    codes = np.repeat(np.arange(30), size)
    near = np.tile(np.isin(places, dense).astype(float), 30)
    keep = np.exp(-np.diff(places) / 3_000)
    rejected = {"bases": 0, "index": 0}
    for seed in range(200):
        noise = rng.standard_normal((30, size))
        values = noise.copy()
        for at in range(1, size):
            values[:, at] = keep[at - 1] * values[:, at - 1] + np.sqrt(1 - keep[at - 1] ** 2) * noise[:, at]
        for name, loci in (("bases", Loci.of(codes, whole)), ("index", Loci.of(codes))):
            draws = RotationNull(loci, 199, np.random.default_rng(seed)).draw(values.ravel(), loci.center(near))
            # Unstudentised: the two nulls themselves.
            rejected[name] += np.mean(np.abs(draws.draws[:, 0]) >= abs(draws.observed[0])) <= 0.05
    assert rejected["bases"] < rejected["index"]
    assert rejected["index"] > 20
