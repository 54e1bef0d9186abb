"""Loci, their bootstrap, noise along them, and seeds: exact values and exact limits."""

import zlib

import numpy as np
import pytest

from darkregulome.stats.bootstrap import percentile_interval, ratio, resample_loci
from darkregulome.stats.loci import Loci
from darkregulome.stats.noise import correlated_noise, geometric
from darkregulome.stats.randomness import generator


def test_a_layout_has_one_run_per_locus():
    loci = Loci.of(np.array(["b", "b", "b", "a", "c", "c"]))
    assert loci.codes.tolist() == [0, 0, 0, 1, 2, 2]
    assert loci.starts.tolist() == [0, 3, 4]
    assert loci.sizes.tolist() == [3, 1, 2]
    assert (loci.n, loci.count) == (6, 3)
    assert loci.slices() == [slice(0, 3), slice(3, 4), slice(4, 6)]
    with pytest.raises(ValueError, match="no elements"):
        Loci.of(np.zeros(0))


def test_loci_must_be_contiguous():
    with pytest.raises(ValueError, match="contiguous"):
        Loci.of(np.array([0, 1, 0]))


def test_sums_and_centres_are_those_of_a_loop_over_loci():
    loci = Loci.of(np.array([0, 0, 0, 1, 2, 2]))
    values = np.random.default_rng(0).normal(size=(6, 2))
    sums = [values[part].sum(axis=0) for part in loci.slices()]
    np.testing.assert_allclose(loci.sums(values), sums)
    centred = np.concatenate([values[part] - values[part].mean(axis=0) for part in loci.slices()])
    np.testing.assert_allclose(loci.center(values), centred)
    np.testing.assert_allclose(loci.center(values[:, 0]), centred[:, 0])
    assert loci.center([True, False, False, True, True, True])[:3] == pytest.approx([2 / 3, -1 / 3, -1 / 3])


def test_the_sd_within_loci_has_a_degree_of_freedom_less_per_locus():
    loci = Loci.of(np.array([0, 0, 0, 1, 1, 1]))
    values = np.array([1.0, 2.0, 3.0, 11.0, 13.0, 15.0])
    scaled, sd = loci.standardise(values)
    assert sd == pytest.approx(np.sqrt((2 + 8) / 4))
    np.testing.assert_allclose(scaled * sd, [-1, 0, 1, -2, 0, 2])


@pytest.mark.parametrize(
    ("level", "size", "varies"),
    [(0.0, 1e-6, True), (0.0, 5e-12, True), (0.0, 5e-13, False), (1e6, 5e-6, True), (1e6, 2e-7, False)],
)
def test_spread_below_the_precision_of_the_values_is_none(level, size, varies):
    loci = Loci.of(np.repeat([0, 1], 8))
    scaled, sd = loci.standardise(level + size * np.tile([-1.0, 1.0], 8))
    assert (sd > 0) == varies
    assert (np.abs(scaled) > 0).all() == varies
    assert scaled.shape == (16,)


def test_loci_of_one_element_each_have_no_spread():
    scaled, sd = Loci.of(np.arange(4)).standardise(np.arange(4.0))
    assert sd == 0.0
    assert scaled.tolist() == [0.0] * 4


def test_each_locus_is_drawn_as_often_as_any_other():
    counts = resample_loci(5, 4000, np.random.default_rng(1))
    assert counts.shape == (4000, 5)
    assert np.abs(counts.mean(axis=0) - 1).max() < 5 / np.sqrt(4000)


def test_resamples_draw_as_many_loci_as_there_are():
    assert (resample_loci(7, 50, np.random.default_rng(1)).sum(axis=1) == 7).all()


def test_interval_ignores_what_is_not_finite():
    assert percentile_interval([np.nan, *np.arange(101.0)]) == pytest.approx((2.5, 97.5))
    assert np.isnan(percentile_interval([np.nan])).all()


def test_a_percentile_interval_leaves_half_of_the_rest_on_either_side():
    assert percentile_interval(np.arange(101.0), level=0.8) == pytest.approx((10, 90))


def test_a_ratio_is_that_of_the_resampled_sums_and_missing_over_nothing():
    rng = np.random.default_rng(2)
    above, below = rng.normal(size=(4, 2)), rng.random((4, 2))
    below[0] = 0.0
    resamples = np.array([[1, 1, 1, 1], [4, 0, 0, 0], [0, 2, 1, 1]])
    drawn = ratio(above, below, resamples)
    assert np.isnan(drawn[1]).all()
    for row in (0, 2):
        taken = np.repeat(np.arange(4), resamples[row])
        np.testing.assert_allclose(drawn[row], above[taken].sum(axis=0) / below[taken].sum(axis=0))


def test_geometric_autocorrelation_ends_where_it_is_nothing():
    values = geometric(0.5)
    assert values == pytest.approx([0.5**lag for lag in range(20)])
    assert geometric(0.999, lags=7) == pytest.approx([0.999**lag for lag in range(7)])
    assert len(geometric(0.999)) == 400


def test_noise_has_the_autocorrelation_asked_for_and_nothing_across_loci():
    loci = Loci.of(np.repeat(np.arange(3), [40, 50, 30]))
    wanted = geometric(0.7)
    drawn = np.array([correlated_noise(wanted, loci, np.random.default_rng(seed)) for seed in range(3000)])
    assert drawn.shape == (3000, 120)
    covariance = drawn.T @ drawn / 3000
    lags = np.abs(np.arange(120)[:, None] - np.arange(120))
    same = loci.codes[:, None] == loci.codes
    expected = np.where(same, 0.7**lags, 0.0)
    # Five standard errors of a mean of 3,000 products.
    assert np.abs(covariance - expected).max() < 5.5 * np.sqrt(2 / 3000)


def test_noise_without_autocorrelation_is_white():
    loci = Loci.of(np.repeat(np.arange(2), 30))
    drawn = np.array([correlated_noise((1.0,), loci, np.random.default_rng(seed)) for seed in range(2000)])
    covariance = drawn.T @ drawn / 2000
    assert np.abs(covariance - np.eye(60)).max() < 5.5 * np.sqrt(2 / 2000)


def test_a_generator_is_seeded_by_the_seed_and_the_checksums_of_its_names():
    expected = np.random.default_rng(np.random.SeedSequence([7, zlib.crc32(b"one"), zlib.crc32(b"two")]))
    assert generator(7, "one", "two").integers(10**9) == expected.integers(10**9)
