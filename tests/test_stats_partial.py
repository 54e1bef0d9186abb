"""The partial effect: against loops and textbook models, its interval against its p, its level and coverage."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import binom

from darkregulome.stats.learners import LEARNERS, residuals
from darkregulome.stats.loci import Loci
from darkregulome.stats.noise import correlated_noise, geometric
from darkregulome.stats.nulls import RotationNull
from darkregulome.stats.nulls.rotation import _kept_matches, matches_of, rotation_table, shifted_table
from darkregulome.stats.partial import partial_effect, reliability, robustness_value
from darkregulome.stats.residual import Folds, make_folds
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


@pytest.fixture
def features(loci) -> np.ndarray:
    return np.random.default_rng(6).standard_normal((loci.n, 3))


@pytest.mark.parametrize("learner", LEARNERS)
def test_no_element_is_seen_by_its_own_fit_and_two_targets_are_fitted_as_one(loci, features, learner):
    folds = Folds(loci.codes, "locus")
    targets = np.random.default_rng(7).standard_normal((loci.n, 2))
    both = residuals(targets, features, loci, folds, learner)
    alone = residuals(targets[:, 1], features, loci, folds, learner)
    assert np.allclose(both[:, [1]], alone)
    changed = targets.copy()
    held = loci.codes == 2
    changed[held] += loci.center(np.random.default_rng(8).standard_normal((loci.n, 2)))[held]
    moved = residuals(changed, features, loci, folds, learner)
    # Only the loci of other folds see the change of locus 2; its own prediction does not.
    gap = loci.center(changed - targets) - (moved - both)
    assert np.allclose(gap[held], 0)


@pytest.mark.parametrize(
    ("learner", "bend", "left"),
    [
        ("linear", "curve", True),
        ("splines", "curve", False),
        ("splines", "product", True),
        ("boosting", "product", False),
    ],
)
def test_each_learner_takes_out_what_it_can(learner, bend, left):
    loci = Loci.of(np.repeat(np.arange(20), 100))
    x = np.random.default_rng(9).standard_normal((loci.n, 2))
    truth = x[:, 0] ** 2 if bend == "curve" else x[:, 0] * x[:, 1]
    rest = residuals(truth, x, loci, make_folds(np.array([f"chr{c % 7}" for c in loci.codes]), loci), learner)[:, 0]
    share = (rest**2).sum() / (loci.center(truth) ** 2).sum()
    assert share > 0.9 if left else share < 0.3


def test_levels_of_loci_are_kept_where_they_are_asked_for(loci, features):
    folds = Folds(loci.codes, "locus")
    targets = np.random.default_rng(10).standard_normal(loci.n) + 5.0 * loci.codes
    with_levels = residuals(targets, features, loci, folds, "linear", levels=True)[:, 0]
    without = residuals(targets, features, loci, folds, "linear")[:, 0]
    assert np.allclose(loci.center(with_levels), without)
    assert with_levels[loci.codes == 11].mean() - with_levels[loci.codes == 0].mean() > 40
    nothing = np.zeros((loci.n, 0))
    assert np.allclose(residuals(targets, nothing, loci, folds, "linear", levels=True)[:, 0], targets)
    assert np.allclose(residuals(targets, nothing, loci, folds, "boosting")[:, 0], loci.center(targets))


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
