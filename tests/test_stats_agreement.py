"""Overlaps and rank-biased overlap against independent implementations."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from darkregulome.stats.agreement import (
    hypergeometric_p,
    kendall_of_rows,
    rank_biased_overlap,
    spearman,
    top_members,
)
from darkregulome.stats.bootstrap import percentile_interval, resample_loci


def test_resamples_draw_as_many_loci_as_there_are():
    assert (resample_loci(7, 50, np.random.default_rng(1)).sum(axis=1) == 7).all()


def test_interval_ignores_what_is_not_finite():
    assert percentile_interval([np.nan, *np.arange(101.0)]) == pytest.approx((2.5, 97.5))
    assert np.isnan(percentile_interval([np.nan])).all()


def direct_rbo(first, second, persistence):
    one, two = (list(np.argsort(-x, kind="stable")) for x in (first, second))
    n = len(one)
    overlap = [len(set(one[:d]) & set(two[:d])) for d in range(1, n + 1)]
    total = sum(overlap[d - 1] / d * persistence**d for d in range(1, n + 1))
    return overlap[-1] / n * persistence**n + (1 - persistence) / persistence * total


def test_rank_biased_overlap_equals_its_definition():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 40))
    assert rank_biased_overlap(first, second, 0.9) == pytest.approx(direct_rbo(first, second, 0.9))
    assert rank_biased_overlap(first, first, 0.9) == pytest.approx(1.0)
    assert rank_biased_overlap(first, second, 0.9) == pytest.approx(rank_biased_overlap(second, first, 0.9))
    assert rank_biased_overlap(first, -first, 0.9) < rank_biased_overlap(first, second, 0.9)


def test_hypergeometric_p_is_the_rate_of_random_lists():
    rng = np.random.default_rng(3)
    drawn = [len(set(rng.permutation(50)[:10]) & set(range(10))) for _ in range(4000)]
    assert hypergeometric_p(4, 50, 10, 10) == pytest.approx(np.mean(np.array(drawn) >= 4), abs=0.02)


def test_top_members_are_the_k_highest():
    assert top_members(np.array([3.0, 1.0, 2.0, 5.0]), 2).tolist() == [True, False, False, True]


def test_spearman_equals_scipy_and_is_missing_without_variation():
    rng = np.random.default_rng(4)
    first, second = rng.normal(size=(2, 30))
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert np.isnan(spearman(first, np.ones(30)))


def test_kendalls_tau_of_rows_is_that_of_each_pair_of_rows():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, (2, 30, 5)).astype(float)
    expected = [kendalltau(one, two).statistic for one, two in zip(first, second, strict=True)]
    np.testing.assert_allclose(kendall_of_rows(first, second), expected)
