"""The rotation null against direct rotation, exhaustive enumeration, and its promise under autocorrelation."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, kstest

from darkregulome.stats.loci import Loci
from darkregulome.stats.nulls import RotationNull, ShuffleNull, empirical_p, rotation_table
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


def test_stratified_shuffle_exchanges_only_within_locus_and_stratum():
    rng = np.random.default_rng(4)
    loci = layout(10, 10)
    strata = np.tile([0, 1], 10)
    scores = loci.codes * 10.0 + strata
    null = ShuffleNull(loci, strata, 20, rng).draw(scores, rng.normal(size=20))
    np.testing.assert_allclose(null.draws[:, 0], null.observed[0])


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


def test_loci_must_be_contiguous():
    with pytest.raises(ValueError, match="contiguous"):
        Loci.of(np.array([0, 1, 0]))


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
