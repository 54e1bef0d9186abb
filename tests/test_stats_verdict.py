"""Verdicts as a table, q against statsmodels, power against simulation."""

import numpy as np
import pytest
from darkregulome.stats.verdict import Evidence, benjamini_hochberg, counted_p, decide, power_of, sign_flip
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.stats.multitest import multipletests

BASE = {
    "raw_q": 0.01,
    "residual_q": 0.01,
    "raw_sign": 1.0,
    "residual_sign": 1.0,
    "magnitude": 0.5,
    "floor": 0.1,
    "power": 0.9,
}


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "survives"),
        ({"raw_q": 0.5}, "survives"),  # hidden by predictability until it was taken out
        ({"residual_q": 0.5}, "collapses"),
        ({"residual_q": 0.5, "power": 0.4}, "underpowered"),
        ({"residual_q": 0.05}, "collapses"),  # below alpha, strictly
        ({"raw_q": 0.5, "residual_q": 0.5}, "absent"),
        ({"raw_q": 0.5, "residual_q": 0.5, "power": 0.4}, "underpowered"),
        ({"residual_sign": -1.0}, "collapses"),
        ({"residual_sign": -1.0, "raw_q": 0.5}, "absent"),
        ({"magnitude": 0.05}, "collapses"),
        ({"magnitude": 0.05, "power": 0.1}, "collapses"),  # it was seen, and it is small
        ({"magnitude": 0.05, "raw_q": 0.5}, "absent"),
        ({"magnitude": float("nan")}, "collapses"),
        # Stopped by its floor or sign, its q in the family is 1, and that it was seen is still known.
        ({"magnitude": 0.05, "power": 0.1, "residual_q": 1.0, "residual_q_any": 0.01}, "collapses"),
        ({"magnitude": 0.05, "power": 0.1, "residual_q": 1.0, "residual_q_any": 0.5}, "underpowered"),
        ({"residual_q": 0.06, "residual_q_any": 0.01}, "collapses"),
        ({"residual_q": 0.06, "residual_q_any": 0.01, "power": 0.1}, "underpowered"),
        ({"natural": 0.02, "natural_floor": 0.01}, "survives"),
        ({"natural": -0.02, "natural_floor": 0.01}, "survives"),
        ({"natural": 0.002, "natural_floor": 0.01}, "collapses"),
        ({"natural": 0.002, "natural_floor": None}, "survives"),
    ],
)
def test_verdict(changes, verdict):
    assert decide(Evidence(**{**BASE, **changes}), alpha=0.05) == verdict


def test_sign_flip_needs_two_signs():
    assert sign_flip(Evidence(**{**BASE, "residual_sign": -1.0}))
    assert not sign_flip(Evidence(**{**BASE, "residual_sign": 0.0}))


@given(st.lists(st.floats(0.0001, 1), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_q_equals_statsmodels(p_values):
    expected = multipletests(p_values, method="fdr_bh")[1]
    np.testing.assert_allclose(benjamini_hochberg(np.array(p_values)), expected)


def test_a_missing_p_is_no_member_of_the_family():
    found = benjamini_hochberg(np.array([0.01, np.nan, 0.04]))
    np.testing.assert_allclose(found[[0, 2]], [0.02, 0.04])
    assert np.isnan(found[1])


def test_power_is_the_rate_at_which_the_test_rejects():
    draws = np.random.default_rng(0).normal(0.25, 0.1, 20_000)
    assert power_of(0.25, 0.1, 0.05) == pytest.approx(np.mean(np.abs(draws) > 1.959964 * 0.1), abs=0.01)
    assert power_of(0.0, 0.1, 0.05) == pytest.approx(0.05)
    assert power_of(1.0, 0.0, 0.05) == 0.0


def test_claims_that_a_floor_stops_do_not_widen_the_threshold_of_the_others():
    """Seed 11 of the null genomes: three claims of tiny p below their floors let a fourth of p 0.005 in."""
    p_values = np.array([1e-4, 1e-4, 1e-4, 0.005, *np.linspace(0.2, 0.9, 9)])
    may_survive = np.array([False] * 3 + [True] * 10)
    assert benjamini_hochberg(p_values)[3] < 0.05
    np.testing.assert_allclose(benjamini_hochberg(counted_p(p_values, may_survive))[3], 0.005 * 13)


def test_survivors_are_false_at_the_nominal_rate_only_where_floors_act_before_the_family_is_adjusted():
    """4,000 families: six true and large effects of which each is stopped by a floor, twelve that are nothing.

    Whatever survives is false, so the false discovery rate is the rate of families with a survivor.
    """
    rng, alpha, families = np.random.default_rng(3), 0.05, 4000
    found = {"before": 0, "after": 0}
    for _ in range(families):
        p_values = np.r_[np.full(6, 1e-5), rng.random(12)]
        may_survive = np.r_[np.zeros(6), np.ones(12)].astype(bool)
        found["before"] += bool((benjamini_hochberg(counted_p(p_values, may_survive)) < alpha).any())
        found["after"] += bool((benjamini_hochberg(p_values)[may_survive] < alpha).any())
    assert found["before"] <= binom.ppf(0.999, families, alpha)
    assert found["after"] > 2 * alpha * families
