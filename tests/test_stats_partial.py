"""The partial effect: against loops and textbook models, its interval against its p, its level and coverage."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import binom

from darkregulome.stats.loci import Loci
from darkregulome.stats.noise import correlated_noise, geometric
from darkregulome.stats.nulls import RotationNull
from darkregulome.stats.partial import partial_effect, reliability, robustness_value, standard_error
from darkregulome.stats.setting import NotTestable, Setting


def setting_of(loci: Loci, draws: int = 199, seed: int = 0) -> Setting:
    null = RotationNull(loci, draws, np.random.default_rng(seed))
    return Setting(loci, null, np.zeros((0, loci.count), dtype=int))


@pytest.fixture
def loci() -> Loci:
    return Loci.of(np.repeat(np.arange(12), 25))


@pytest.fixture
def near(loci) -> np.ndarray:
    place = np.arange(loci.n) - loci.starts[loci.codes]
    return loci.center((np.abs(place - 12) <= 4).astype(float))


def test_effect_and_error_are_those_of_a_clustered_regression(loci, near):
    rng = np.random.default_rng(1)
    scores = loci.center(0.3 * near + rng.standard_normal(loci.n))
    fit = sm.OLS(scores, near).fit(cov_type="cluster", cov_kwds={"groups": loci.codes, "use_correction": False})
    own = partial_effect(scores, near, setting_of(loci))
    assert own.effect == pytest.approx(fit.params[0])
    assert own.se == pytest.approx(fit.bse[0] * np.sqrt(12 / 11))


def test_every_draw_is_the_ratio_of_rotated_scores(loci, near):
    scores = loci.center(np.random.default_rng(2).standard_normal(loci.n))
    setting = setting_of(loci, 40)
    own = partial_effect(scores, near, setting)
    size = near @ near
    for draw in range(40):
        rotated = setting.null.rotate(scores, draw)
        effect = near @ rotated / size
        parts = np.array([near[part] @ (rotated[part] - effect * near[part]) for part in loci.slices()]) / size
        error = np.sqrt((parts**2).sum() * 12 / 11)
        assert own.draws[draw] == pytest.approx(effect / error, abs=1e-9)


@pytest.mark.parametrize("count", [3, 4, 5, 12])
def test_the_interval_holds_none_just_where_p_is_above_the_level(count):
    loci = Loci.of(np.repeat(np.arange(count), 20))
    side = loci.center((np.arange(loci.n) % 20 < 5).astype(float))
    agree = 0
    for seed in range(60):
        scores = loci.center(0.25 * side + np.random.default_rng(seed).standard_normal(loci.n))
        own = partial_effect(scores, side, setting_of(loci, 399, seed))
        agree += (own.p <= 0.05) == (not own.interval[0] <= 0 <= own.interval[1])
    # The quantile and the count of draws may part by one draw.
    assert agree >= 58


def test_effects_without_each_locus_are_those_of_a_loop(loci, near):
    scores = loci.center(np.random.default_rng(3).standard_normal(loci.n))
    without = []
    for locus in range(loci.count):
        rest = loci.codes != locus
        without.append((near[rest] @ scores[rest]) / (near[rest] @ near[rest]))
    assert partial_effect(scores, near, setting_of(loci)).without_locus == pytest.approx((min(without), max(without)))


def test_what_does_not_vary_within_loci_cannot_be_tested(loci):
    with pytest.raises(NotTestable, match="does not vary"):
        partial_effect(np.ones(loci.n), np.zeros(loci.n), setting_of(loci))


@pytest.mark.parametrize("world", ["plain", "noisier where tested", "effects of mean zero that differ"])
def test_true_nulls_are_rejected_at_the_level_and_the_interval_covers(world):
    """Findings 8 and 13: the sum alone rejects 39 % where noise is three times as large, 14 % where effects vary."""
    loci = Loci.of(np.repeat(np.arange(20), 40))
    place = np.arange(loci.n) % 40
    near = loci.center((np.abs(place - 20) <= 5).astype(float))
    rejected = 0
    tables = 300
    for seed in range(tables):
        rng = np.random.default_rng(seed)
        scores = correlated_noise(geometric(0.5), loci, rng)
        if world == "noisier where tested":
            scores = scores * (1 + 2 * (near > 0))
        if world == "effects of mean zero that differ":
            scores = scores + 0.7 * rng.standard_normal(20)[loci.codes] * near
        rejected += partial_effect(loci.center(scores), near, setting_of(loci, 199, seed)).p <= 0.05
    assert binom.sf(rejected - 1, tables, 0.05) > 0.001
    assert rejected >= 3


@pytest.mark.parametrize("count", [5, 8, 30])
def test_the_interval_covers_a_true_effect(count):
    loci = Loci.of(np.repeat(np.arange(count), 30))
    side = loci.center((np.arange(loci.n) % 30 < 8).astype(float))
    held, tables = 0, 300
    for seed in range(tables):
        rng = np.random.default_rng(seed)
        scores = loci.center(0.5 * side + correlated_noise(geometric(0.5), loci, rng))
        low, high = partial_effect(scores, side, setting_of(loci, 199, seed)).interval
        held += low <= 0.5 <= high
    assert 0.91 <= held / tables <= 0.985


@pytest.mark.parametrize("true", [0.5, 0.8, 0.95])
def test_reliability_of_the_mean_of_two_halves(true):
    rng = np.random.default_rng(11)
    value = rng.standard_normal(200_000)
    error = np.sqrt(2 * (1 / true - 1))
    halves = value[:, None] + error * rng.standard_normal((200_000, 2))
    assert reliability(*(halves - halves.mean(axis=0)).T) == pytest.approx(true, abs=0.01)
    assert reliability(np.zeros(3), np.zeros(3)) == 0.0


def test_a_cause_as_strong_as_the_robustness_value_brings_the_effect_to_zero():
    """Cinelli and Hazlett: a confounder with partial R2 of RV with both sides just takes the effect away."""
    rng = np.random.default_rng(12)
    n = 400_000
    cause, tested_noise, noise = rng.standard_normal((3, n))
    for strength in (0.1, 0.3):
        tested = np.sqrt(strength) * cause + np.sqrt(1 - strength) * tested_noise
        # No true effect: the score follows the cause alone, whose partial R2 given the tested variable is the same.
        score = np.sqrt(strength) / (1 - strength) * cause + noise
        effect = tested @ score / (tested @ tested)
        assert robustness_value(effect, score, tested) == pytest.approx(strength, abs=0.01)
    assert robustness_value(0.0, score, tested) == 0.0


@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.5, 1.0])
def test_reliability_is_that_of_spearman_and_brown(correlation):
    first, other = np.array([1.0, -1.0, 1.0, -1.0]), np.array([1.0, 1.0, -1.0, -1.0])
    second = correlation * first + np.sqrt(1 - correlation**2) * other
    assert reliability(first, second) == pytest.approx(2 * correlation / (1 + correlation))
    assert reliability(second, first) == pytest.approx(reliability(7 * first, 7 * second))
    assert reliability(first, -0.5 * first) == 0.0


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9])
def test_the_robustness_value_solves_its_equation(share):
    """RV^2 / (1 - RV) = f^2 = R^2 / (1 - R^2), with R^2 the share of the score that the tested variable explains."""
    tested, rest = np.array([2.0, -2.0, 2.0, -2.0]), np.array([1.0, 1.0, -1.0, -1.0])
    effect = np.sqrt(share) / 2
    value = robustness_value(effect, effect * tested + np.sqrt(1 - share) * rest, tested)
    assert value**2 / (1 - value) == pytest.approx(share / (1 - share))
    assert robustness_value(-effect, -effect * tested + np.sqrt(1 - share) * rest, tested) == pytest.approx(value)
    if share == 0.5:
        assert value == pytest.approx((np.sqrt(5) - 1) / 2)


def test_robustness_ends_at_one_where_all_is_explained_and_at_none_where_nothing_varies():
    tested = np.array([1.0, -1.0, 2.0, -2.0])
    assert robustness_value(3.0, 3 * tested, tested) == pytest.approx(1.0, abs=1e-5)
    assert robustness_value(0.0, np.zeros(4), tested) == 0.0


def test_units_of_either_side_change_the_effect_and_nothing_else(loci, near):
    scores = loci.center(0.2 * near + np.random.default_rng(13).standard_normal(loci.n))
    setting = setting_of(loci)
    own = partial_effect(scores, near, setting)
    for times_score, times_tested in ((5.0, 1.0), (1.0, 4.0), (-1.0, 1.0), (1.0, -2.0)):
        other = partial_effect(times_score * scores, times_tested * near, setting)
        factor = times_score / times_tested
        assert other.effect == pytest.approx(factor * own.effect)
        assert other.se == pytest.approx(abs(factor) * own.se)
        assert sorted(other.interval) == pytest.approx(sorted(factor * end for end in own.interval))
        assert other.p == pytest.approx(own.p)
        assert other.informative_loci == pytest.approx(own.informative_loci)


def test_informative_loci_are_all_that_are_alike_and_one_that_holds_everything():
    loci = Loci.of(np.repeat(np.arange(5), 4))
    scores = loci.center(np.random.default_rng(14).standard_normal(20))
    alike = partial_effect(scores, np.tile([1.0, -1, 1, -1], 5), setting_of(loci))
    assert alike.informative_loci == pytest.approx(5)
    alone = np.r_[1.0, -1, 1, -1, np.zeros(16)]
    one = partial_effect(scores, alone, setting_of(loci))
    assert one.informative_loci == pytest.approx(1)
    # There is no error between loci, so the statistic is the effect itself, and no locus can be left out.
    assert one.statistic == one.effect == pytest.approx(alone @ scores / 4)
    assert np.isnan(one.without_locus).all()
    # Shares of 1/2, 1/4 and 1/4: 1 / (1/4 + 1/16 + 1/16).
    uneven = np.r_[np.sqrt(2) * np.array([1.0, -1, 1, -1]), np.tile([1.0, -1, 1, -1], 2), np.zeros(8)]
    assert partial_effect(scores, uneven, setting_of(loci)).informative_loci == pytest.approx(8 / 3)


def test_the_standard_error_is_that_of_what_each_locus_adds_to_the_effect():
    parts, shares = np.array([0.5, 0.1, 0.3]), np.array([0.5, 0.25, 0.25])
    effect = parts.sum()
    error = standard_error(effect, parts @ parts, parts @ shares, shares)
    assert error == pytest.approx(np.sqrt(((parts - effect * shares) ** 2).sum() * 3 / 2))
    # Loci that agree on the effect leave no error.
    assert standard_error(2.0, 4 * shares @ shares, 2 * shares @ shares, shares) == 0.0
