"""Loci, their bootstrap, noise along them, and what every test returns: exact values and exact limits."""

import zlib

import numpy as np
import pytest
from darkregulome.stats.studentised import Studentised, studentised_draws
from scipy.stats import norm

from darkregulome.stats.bootstrap import auc_draws, normal_interval, percentile_interval, ratio, resample_loci
from darkregulome.stats.loci import Loci
from darkregulome.stats.noise import RUNS, correlated_noise, geometric
from darkregulome.stats.nulls import RotationNull, benjamini_hochberg, empirical_p, power_of, sequential_p
from darkregulome.stats.randomness import generator
from darkregulome.stats.setting import Setting, Tested


def test_a_layout_has_one_run_per_locus():
    loci = Loci.of(np.array(["b", "b", "b", "a", "c", "c"]))
    assert loci.codes.tolist() == [0, 0, 0, 1, 2, 2]
    assert loci.starts.tolist() == [0, 3, 4]
    assert loci.sizes.tolist() == [3, 1, 2]
    assert (loci.n, loci.count) == (6, 3)
    assert loci.slices() == [slice(0, 3), slice(3, 4), slice(4, 6)]
    with pytest.raises(ValueError, match="no elements"):
        Loci.of(np.zeros(0))


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


def test_percentile_and_normal_intervals_have_their_textbook_ends():
    assert percentile_interval(np.arange(101.0), level=0.8) == pytest.approx((10, 90))
    assert normal_interval(3.0, 2.0) == pytest.approx((3 - 2 * norm.ppf(0.975), 3 + 2 * norm.ppf(0.975)))


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


def test_an_auc_without_draws_or_without_both_kinds_is_missing():
    loci = Loci.of(np.array([0, 0, 1, 1]))
    scores, positive = np.array([1.0, 2.0, 0.0, 3.0]), np.array([False, False, True, False])
    assert auc_draws(scores, positive, loci, np.zeros((0, 2), dtype=int)).shape == (0,)
    drawn = auc_draws(scores, positive, loci, np.array([[2, 0], [0, 2], [1, 1]]))
    assert np.isnan(drawn[0])
    assert drawn[1:].tolist() == [0.0, 0.0]


def test_geometric_autocorrelation_ends_where_it_is_nothing():
    values = geometric(0.5)
    assert values == pytest.approx([0.5**lag for lag in range(20)])
    assert geometric(0.999, lags=7) == pytest.approx([0.999**lag for lag in range(7)])
    assert len(geometric(0.999)) == 400
    assert geometric(0.6) == RUNS


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


def plain_setting(sizes: list[int], permutations: int = 199, **more) -> Setting:
    loci = Loci.of(np.repeat(np.arange(len(sizes)), sizes))
    rng = np.random.default_rng(3)
    return Setting(loci, RotationNull(loci, permutations, rng), resample_loci(len(sizes), 50, rng), 0.05, **more)


def test_an_effect_that_is_its_own_statistic_fills_every_field():
    tested = Tested.of_effect(-0.3, 0.02, interval=(-0.5, -0.1), power=0.9, draws=np.arange(3.0), details={"n": 4})
    assert (tested.statistic, tested.effect, tested.contrast) == (-0.3, -0.3, -0.3)
    assert (tested.p, tested.interval, tested.neutral, tested.sign) == (0.02, (-0.5, -0.1), 0.0, -1.0)
    assert (tested.power, tested.draws.tolist(), tested.details) == (0.9, [0, 1, 2], {"n": 4})
    assert tested.magnitude == 0.3
    auc = Tested(0.0, 1.0, 0.4, (0.3, 0.5), 0.5, -1.0, 0.1, 0.0, np.zeros(0))
    assert auc.magnitude == pytest.approx(0.1)
    assert auc.details == {}


def test_p_values_of_a_setting_are_about_the_mean_of_the_null():
    setting = plain_setting([9, 7, 8])
    rng = np.random.default_rng(4)
    # Weights that do not sum to zero within loci: the null's mean is far from zero.
    scores, weights = 1 + rng.random(24), rng.random(24)
    null, p = setting.draw(scores, weights)
    assert abs(null.mean[0]) > 5 * null.sd[0]
    assert p == empirical_p(null.observed[0], null.draws[:, 0], null.mean[0])
    assert 0.01 < p < 1
    stopped = plain_setting([9, 7, 8], sequential=5)
    null, p = stopped.draw(scores, weights)
    assert p == sequential_p(null.observed[0], null.draws[:, 0], 5, null.mean[0])[0]


@pytest.mark.parametrize(("loci", "bootstrapped"), [(2, False), (3, True)])
def test_three_loci_are_enough_for_a_bootstrap(loci, bootstrapped):
    setting = plain_setting([5] * loci)
    expected = (2.5, 97.5) if bootstrapped else normal_interval(7.0, 0.5)
    assert setting.interval(7.0, np.arange(101.0), 0.5) == pytest.approx(expected)


@pytest.mark.parametrize(("loci", "studentised"), [(7, False), (8, True)])
def test_eight_loci_are_enough_for_a_standard_error_between_them(loci, studentised):
    setting = plain_setting([6] * loci)
    scores = setting.loci.center(np.random.default_rng(5).standard_normal(6 * loci))
    weights = setting.loci.center(np.tile([1.0, 1, 0, 0, 0, 0], loci))
    drawn = studentised_draws(scores, weights, setting)
    parts = setting.loci.sums(scores * weights)
    assert drawn.loci == pytest.approx(loci if studentised else 0)
    assert drawn.observed == pytest.approx(parts.sum() / (np.sqrt((parts**2).sum()) if studentised else 1))


def test_scores_that_are_nothing_have_the_ratio_nothing():
    setting = plain_setting([6] * 8)
    drawn = studentised_draws(np.zeros(48), setting.loci.center(np.tile([1.0, 1, 0, 0, 0, 0], 8)), setting)
    assert drawn.observed == 0.0
    assert (drawn.draws == 0).all()
    assert drawn.power(1.0, 0.05) == 0.0


def test_without_studentising_power_is_that_of_a_normal_estimate():
    assert Studentised(0.0, np.zeros(0), 0.5, 0.0).power(1.0, 0.05) == power_of(1.0, 0.5, 0.05)
    # One effective locus has the one degree of freedom that there is least; and power is of the size of a shift.
    one = Studentised(0.0, np.zeros(0), 0.5, 1.0)
    assert one.power(1.0, 0.05) == Studentised(0.0, np.zeros(0), 0.5, 2.0).power(-1.0, 0.05)
    assert Studentised(0.0, np.zeros(0), 0.5, 9.0).power(1.0, 0.05) > one.power(1.0, 0.05)


def test_power_knows_no_direction_and_is_none_without_a_null():
    assert power_of(-0.3, 0.1, 0.05) == power_of(0.3, 0.1, 0.05)
    assert power_of(0.3, 0.1, 0.05) == pytest.approx(norm.sf(norm.ppf(0.975) - 3) + norm.cdf(-norm.ppf(0.975) - 3))
    assert power_of(0.3, float("nan"), 0.05) == 0.0
    assert power_of(0.3, -1.0, 0.05) == 0.0
    assert power_of(0.3, 0.5, 0.05) > 0.05


def test_a_family_of_missing_p_values_has_no_q():
    assert np.isnan(benjamini_hochberg(np.array([np.nan, np.nan]))).all()
    assert benjamini_hochberg(np.array([0.9, 0.95])).max() <= 1.0
