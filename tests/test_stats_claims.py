"""Each claim's statistic against a textbook model, and its behaviour on planted truths."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from darkregulome.claims.baseline_membership import membership_from_features
from darkregulome.stats.verdict import REFERENCE_EFFECT, power_of
from scipy.stats import binom, norm
from sklearn.metrics import roc_auc_score
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from darkregulome.claims.ccre_discrimination import discrimination
from darkregulome.claims.class_hierarchy import between_classes
from darkregulome.claims.conservation import rank_association
from darkregulome.claims.horizon import change_point, near_less_far
from darkregulome.stats.agreement import list_overlap, top_members
from darkregulome.stats.bootstrap import resample_loci
from darkregulome.stats.loci import Loci
from darkregulome.stats.matching import match_controls, matched_contrast, standardised_mean_differences
from darkregulome.stats.nulls import RotationNull
from darkregulome.stats.randomness import generator
from darkregulome.stats.residual import make_folds
from darkregulome.stats.setting import NotTestable, Setting
from simulated_tables import by_locus

SIZES = [40] * 10


def setting_for(loci: Loci, seed: int = 0, permutations: int = 399) -> Setting:
    rng = np.random.default_rng([seed, 5])
    return Setting(loci, RotationNull(loci, permutations, rng), resample_loci(loci.count, 200, rng), 0.05)


@pytest.fixture
def loci() -> Loci:
    return Loci.of(np.repeat(np.arange(10), 40))


@pytest.fixture
def distance() -> np.ndarray:
    return np.tile(np.abs(np.arange(40) - 19.5) * 1000, 10)


def noise(seed: int, rho: float = 0.8) -> np.ndarray:
    return by_locus(SIZES, rho, np.random.default_rng([seed, 6]))


def test_horizon_is_the_slope_of_a_regression_with_locus_effects(loci):
    rng = np.random.default_rng(0)
    near = rng.random(400) < 0.3
    scores = loci.standardise(noise(0) + 0.5 * near)[0]
    dummies = (loci.codes[:, None] == np.arange(10)).astype(float)
    reference = sm.OLS(scores, np.column_stack([near, dummies])).fit().params[0]
    assert near_less_far(scores, near, setting_for(loci)).effect == pytest.approx(reference)


def test_horizon_finds_what_is_planted_with_the_power_it_states(loci, distance):
    near = distance <= 10_000
    found, stated = 0, []
    for seed in range(40):
        scores = loci.standardise(noise(seed))[0]
        planted = REFERENCE_EFFECT * 2
        tested = near_less_far(scores + loci.center(planted * near), near, setting_for(loci, seed, 199))
        null_sd = tested.details["null_sd"]
        stated.append(power_of(planted, null_sd, 0.05))
        found += tested.p <= 0.05
    low, high = binom.ppf([0.002, 0.998], 40, np.clip(np.mean(stated), 0.02, 0.98))
    assert low - 2 <= found <= high + 2


def test_horizon_changes_sign_with_the_scores_and_not_with_locus_levels(loci, distance):
    near = distance <= 10_000
    scores = loci.standardise(noise(1))[0]
    one, two, three = (
        near_less_far(y, near, setting_for(loci))
        for y in (scores, -scores, loci.standardise(scores + 5.0 * loci.codes)[0])
    )
    assert two.effect == pytest.approx(-one.effect)
    assert two.p == one.p
    assert three.effect == pytest.approx(one.effect)
    assert three.p == one.p


def test_horizon_cannot_be_tested_without_both_sides(loci):
    with pytest.raises(NotTestable, match="both sides"):
        near_less_far(noise(1), np.ones(400, dtype=bool), setting_for(loci))


def test_change_point_is_where_it_was_planted(loci, distance):
    scores = loci.standardise(noise(2, rho=0.3) + 1.5 * (distance <= 10_000))[0]
    found = change_point(scores, distance, setting_for(loci))
    assert 9_000 <= found["position"] <= 11_500
    assert found["interval"][0] <= found["position"] <= found["interval"][1]
    assert found["p"] < 0.01


def test_eta_squared_equals_anova(loci):
    rng = np.random.default_rng(3)
    classes = np.array(["cCRE", "TE", "other"])[rng.integers(0, 3, 400)]
    scores = loci.standardise(noise(3) + 0.3 * (classes == "TE"))[0]
    tested = between_classes(scores, classes, setting_for(loci))
    table = anova_lm(ols("y ~ C(c)", pd.DataFrame({"y": scores, "c": classes})).fit())
    assert tested.statistic == pytest.approx(table["sum_sq"].iloc[0] / table["sum_sq"].sum())
    assert tested.details["order"][0] == "TE"
    assert tested.interval[0] <= tested.effect <= tested.interval[1]


def test_reversed_hierarchy_has_the_opposite_sign(loci):
    classes = np.tile(["cCRE", "TE"], 200)
    scores = loci.standardise(noise(4) + (classes == "TE"))[0]
    reference = {"cCRE": 0.5, "TE": -0.5}
    assert between_classes(scores, classes, setting_for(loci), reference).sign == -1
    assert between_classes(-scores, classes, setting_for(loci), reference).sign == 1


def test_small_classes_are_left_out(loci):
    classes = np.full(400, "other", dtype="<U8")
    classes[:3] = "TE"
    with pytest.raises(NotTestable, match="fewer than two classes"):
        between_classes(noise(5), classes, setting_for(loci))


def test_discrimination_is_the_auc(loci):
    rng = np.random.default_rng(6)
    positive = rng.random(400) < 0.2
    scores = loci.standardise(noise(6) + 0.8 * positive)[0]
    tested = discrimination(scores, positive, setting_for(loci))
    assert tested.effect == pytest.approx(roc_auc_score(positive, scores))
    assert tested.p < 0.01
    assert tested.interval[0] < tested.effect < tested.interval[1]


def test_baseline_null_is_that_of_a_discriminant_fitted_anew_to_each_rotation(loci):
    rng = np.random.default_rng(7)
    features = rng.normal(size=(400, 3))
    scores = loci.standardise(noise(7) + features[:, 0])[0]
    folds = make_folds(loci.codes % 5, loci)
    setting = setting_for(loci, permutations=20)
    tested = membership_from_features(scores, features, folds, 0.1, setting)
    top = top_members(scores, 40).astype(float)
    within = loci.center(features)
    for draw in range(20):
        member = setting.null.rotate(top, draw)
        values = np.empty(400)
        for fold in range(5):
            train = folds.codes != fold
            slopes = np.linalg.lstsq(within[train], member[train] - 0.0, rcond=None)[0]
            values[~train] = within[~train] @ slopes
        separation = (values[member > 0].mean() - values[member == 0].mean()) / values.std()
        assert tested.draws[draw] == pytest.approx(norm.cdf(separation / np.sqrt(2)), abs=1e-6)


def test_baseline_null_holds_its_level():
    """The discriminant is fitted anew in each draw: held fixed, the null would be too narrow."""
    loci, rejected, seeds = Loci.of(np.repeat(np.arange(10), 30)), 0, 120
    folds = make_folds(loci.codes, loci)
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 8])
        features = np.column_stack([by_locus([30] * 10, 0.8, rng) for _ in range(4)])
        scores = loci.standardise(by_locus([30] * 10, 0.8, rng))[0]
        rejected += membership_from_features(scores, features, folds, 0.1, setting_for(loci, seed, 199)).p <= 0.05
    assert rejected <= binom.ppf(0.99, seeds, 0.05)


def test_list_overlap_of_independent_and_of_equal_lists(loci):
    first, second = loci.standardise(noise(9))[0], loci.standardise(noise(10))[0]
    equal = list_overlap(first, first, 0.1, setting_for(loci))
    assert equal.effect == 1.0
    assert equal.p < 0.01
    assert equal.details["rank_biased_overlap"] == pytest.approx(1.0)
    assert abs(list_overlap(first, second, 0.1, setting_for(loci)).effect) < 0.25


def test_few_loci_get_the_interval_of_the_null():
    loci = Loci.of(np.repeat([0, 1], 60))
    near = np.tile(np.arange(60) < 20, 2)
    tested = near_less_far(loci.standardise(np.random.default_rng(11).normal(size=120))[0], near, setting_for(loci))
    low, high = tested.interval
    assert high - low == pytest.approx(2 * 1.959964 * tested.details["null_sd"])


def test_rank_association_sees_a_monotone_link_only_within_loci(loci):
    scores = loci.standardise(noise(12))[0]
    linked = rank_association(scores, loci.center(np.exp(scores)), setting_for(loci))
    assert linked.effect > 0.9
    assert linked.p < 0.01
    between = loci.standardise(noise(13))[0]
    level = rank_association(scores, between, setting_for(loci))
    assert abs(level.effect) < 0.3


def test_controls_share_the_class_prefer_the_locus_and_are_near():
    rng = np.random.default_rng(14)
    loci = np.repeat([0, 1], 100)
    classes = np.where(rng.random(200) < 0.5, "a", "b")
    covariates = rng.normal(size=(200, 2))
    chosen = covariates[:, 0] + rng.normal(size=200) > 1.2
    matches = match_controls(chosen, classes, loci, covariates)
    assert not chosen[matches.pools].any()
    assert (classes[matches.pools] == classes[matches.chosen][:, None]).all()
    assert (loci[matches.pools] == loci[matches.chosen][:, None]).mean() > 0.6
    before = standardised_mean_differences(covariates, np.flatnonzero(chosen), np.flatnonzero(~chosen))
    after = standardised_mean_differences(covariates, matches.chosen, matches.pools)
    assert abs(after[0]) < 0.6 * abs(before[0])
    assert matches.weights(200).sum() == pytest.approx(0.0)


@pytest.mark.parametrize("seed", range(4))
def test_controls_are_those_of_a_brute_force_search(seed):
    """Of every candidate of the class, the five of least squared distance, a quarter added in another locus."""
    rng = np.random.default_rng([seed, 31])
    n = 300
    loci, classes = rng.integers(0, 12, n), rng.choice(["a", "b", "c"], n, p=[0.6, 0.37, 0.03])
    covariates, chosen = rng.normal(size=(n, 3)), rng.random(n) < 0.3
    matches = match_controls(chosen, classes, loci, covariates)
    expected = {}
    for index in np.flatnonzero(chosen):
        candidates = np.flatnonzero(~chosen & (classes == classes[index]))
        gap = ((covariates[candidates] - covariates[index]) ** 2).sum(axis=1) + 0.25 * (loci[candidates] != loci[index])
        if len(candidates) >= 5:
            expected[index] = candidates[np.argsort(gap)[:5]].tolist()
    assert dict(zip(matches.chosen.tolist(), matches.pools.tolist(), strict=True)) == expected
    assert matches.unmatched == chosen.sum() - len(expected)


def test_a_chosen_element_without_controls_of_its_class_is_left_out_and_counted():
    classes = np.array(["a"] * 10 + ["b"])
    chosen = np.array([True] + [False] * 9 + [True])
    matches = match_controls(chosen, classes, np.zeros(11), np.zeros((11, 1)))
    assert matches.chosen.tolist() == [0]
    assert matches.unmatched == 1


def test_matched_contrast_sees_a_planted_difference_and_no_other(loci):
    rng = np.random.default_rng(15)
    classes = np.full(400, "a")
    covariates = noise(16)[:, None]
    chosen = rng.random(400) < 0.1
    matches = match_controls(chosen, classes, loci.codes, covariates)
    plain = loci.standardise(noise(17))[0]
    planted = loci.standardise(noise(17) + 1.5 * chosen)[0]
    draws = [generator(0, "draws") for _ in range(2)]
    assert matched_contrast(planted, matches, setting_for(loci), draws[0]).p < 0.01
    assert matched_contrast(plain, matches, setting_for(loci), draws[1]).p > 0.05


def test_an_item_draws_the_same_whatever_ran_before_it():
    assert (
        generator(1, "a", "b").integers(1000, size=5).tolist() == generator(1, "a", "b").integers(1000, size=5).tolist()
    )
    assert generator(1, "a").random() != generator(1, "b").random() != generator(2, "b").random()
