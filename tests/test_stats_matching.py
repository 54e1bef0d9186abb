"""Matched controls: pools and draws against loops and brute force."""

import numpy as np
import pytest
from scipy.stats import chisquare

from darkregulome.stats.matching import matchable, matched_draws, nearest_pools, standardised_mean_differences


@pytest.fixture
def elements():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(1500, 3)) * [1.0, 50.0, 0.01]
    strata = rng.choice(["cCRE", "TE", "other"], 1500)
    likely = np.where(strata == "other", 0.0, np.exp(features[:, 0]))
    chosen = np.sort(rng.choice(1500, 20, replace=False, p=likely / likely.sum()))
    return features, strata, chosen


def test_nearest_pools_are_those_of_a_brute_force_search(elements):
    features, strata, chosen = elements
    scaled = (features - features.mean(0)) / features.std(0)
    pools = nearest_pools(features, strata, chosen, 4)
    for row, index in enumerate(chosen):
        others = [i for i in range(1500) if strata[i] == strata[index] and i not in set(chosen)]
        others.sort(key=lambda i: np.linalg.norm(scaled[i] - scaled[index]))
        assert pools[row].tolist() == others[:4]


def test_matched_draws_keep_the_stratum_take_nothing_twice_and_balance_the_features(elements):
    features, strata, chosen = elements
    drawn = matched_draws(features, strata, chosen, 200, np.random.default_rng(1), pool_size=8)
    assert drawn.shape == (200, len(chosen))
    assert (strata[drawn] == strata[chosen]).all()
    assert not np.isin(drawn, chosen).any()
    assert all(len(set(row)) == len(chosen) for row in drawn)
    others = np.setdiff1d(np.arange(1500), chosen)
    before = standardised_mean_differences(features, chosen, others)
    after = standardised_mean_differences(features, chosen, drawn)
    assert abs(after[0]) < abs(before[0]) / 3


def test_with_a_pool_of_one_and_no_rivals_the_draw_is_the_nearest_neighbour():
    features = np.array([[0.0], [10.0], [1.0], [9.0], [50.0]])
    drawn = matched_draws(features, np.zeros(5), np.array([0, 1]), 3, np.random.default_rng(0), pool_size=1)
    assert drawn.tolist() == [[2, 3]] * 3


def test_a_draw_reaches_every_member_of_a_pool_alike():
    features = np.zeros((6, 1))
    drawn = matched_draws(features, np.zeros(6), np.array([0]), 5000, np.random.default_rng(2), pool_size=5)
    assert chisquare(np.bincount(drawn[:, 0], minlength=6)[1:]).pvalue > 0.001


def test_elements_without_any_control_are_refused_and_can_be_known_before():
    strata = np.array(["a", "a", "b"])
    assert matchable(strata, np.array([0, 2])).tolist() == [True, False]
    with pytest.raises(ValueError, match="1 chosen elements have no control"):
        matched_draws(np.zeros((3, 1)), strata, np.array([0, 2]), 5, np.random.default_rng(0))


def test_standardised_mean_difference_is_cohens_d_of_known_groups():
    values = np.r_[np.array([1.0, 3.0]), np.array([4.0, 8.0])][:, None]
    pooled = np.sqrt((1.0 + 4.0) / 2)
    assert standardised_mean_differences(values, np.array([0, 1]), np.array([2, 3]))[0] == pytest.approx(-4 / pooled)


def test_an_element_is_matchable_where_its_stratum_holds_one_that_is_not_chosen():
    strata = np.array(["b", "b", "a", "c", "a", "c"])
    assert matchable(strata, np.array([0, 2, 3, 5])).tolist() == [True, True, False, False]
    assert matchable(strata, np.zeros(0, dtype=int)).tolist() == []


def test_pools_are_short_where_the_stratum_is_and_ignore_what_does_not_vary():
    features = np.column_stack([[0.0, 1.0, 3.0, 6.0, 0.0, 1.0], np.full(6, 7.0)])
    strata = np.array([0, 0, 0, 0, 1, 1])
    assert nearest_pools(features, strata, [0, 4], 3).tolist() == [[1, 2, 3], [5, -1, -1]]
    # Units do not count: a column in millionths weighs as much as one in millions.
    rng = np.random.default_rng(3)
    plain = rng.standard_normal((50, 2))
    scaled = 5 + plain * [1e6, 1e-6]
    pools = [nearest_pools(values, np.zeros(50), np.arange(5), 6) for values in (plain / plain.std(axis=0), scaled)]
    np.testing.assert_array_equal(*pools)
    assert nearest_pools(plain[:, 0], np.zeros(50), np.arange(2), 1).shape == (2, 1)


def test_draws_are_from_the_twenty_nearest_unless_it_is_said():
    features = np.arange(60.0)[:, None]
    drawn = matched_draws(features, np.zeros(60), np.array([0]), 2000, np.random.default_rng(4))
    assert sorted(set(drawn[:, 0])) == list(range(1, 21))
    two = matched_draws(features, np.zeros(60), np.array([0]), 2000, np.random.default_rng(4), pool_size=2)
    assert sorted(set(two[:, 0])) == [1, 2]
    assert matched_draws(features, np.zeros(60), np.zeros(0, dtype=int), 3, np.random.default_rng(4)).shape == (3, 0)


def test_a_control_is_taken_twice_only_where_none_is_free():
    features = np.array([[0.0], [0.1], [0.2], [1.0], [1.1]])
    drawn = matched_draws(features, np.zeros(5), np.array([0, 1]), 200, np.random.default_rng(5), pool_size=3)
    assert all(len(set(row)) == 2 for row in drawn)
    crowded = matched_draws(features, np.zeros(5), np.array([0, 1, 2]), 200, np.random.default_rng(5), pool_size=3)
    assert all(len(set(row)) == 2 for row in crowded)


def test_standardised_differences_are_missing_for_no_feature():
    features = np.column_stack([[1.0, 2.0, 3.0, 5.0, 8.0], np.full(5, 4.0)])
    one, two = features[[0, 1], 0], features[[2, 3, 3, 4], 0]
    found = standardised_mean_differences(features, np.array([0, 1]), np.array([[2, 3], [3, 4]]))
    assert found[0] == pytest.approx((one.mean() - two.mean()) / np.sqrt((one.var() + two.var()) / 2))
    assert found[1] == 0.0


def test_of_no_elements_nothing_is_matched():
    assert matchable(np.zeros(0), np.zeros(0, dtype=int)).tolist() == []
