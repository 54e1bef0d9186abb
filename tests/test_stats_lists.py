"""Ranked lists: ties, chance, and every number that a test of two lists returns, against loops and textbooks."""

from math import comb

import numpy as np
import pytest
from scipy.stats import kendalltau, rankdata

from darkregulome.stats.agreement import (
    descending_ranks,
    hypergeometric_p,
    kendall,
    list_overlap,
    rank_biased_overlap,
    rank_biased_overlap_of_ranks,
    rank_correlation_draws,
    spearman,
    top_members,
)
from darkregulome.stats.bootstrap import resample_loci
from darkregulome.stats.loci import Loci
from darkregulome.stats.nulls import RotationNull, empirical_p
from darkregulome.stats.setting import Setting

LOCI = Loci.of(np.repeat(np.arange(6), 20))


def setting_for(loci: Loci = LOCI) -> Setting:
    rng = np.random.default_rng(0)
    return Setting(loci, RotationNull(loci, 199, rng), resample_loci(loci.count, 60, rng))


def two_lists(loci: Loci = LOCI) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    first = rng.standard_normal(loci.n)
    return first, 0.6 * first + 0.8 * rng.standard_normal(loci.n)


def test_ties_are_broken_by_order():
    scores = np.random.default_rng(2).integers(0, 4, 300)
    order = sorted(range(300), key=lambda at: (-scores[at], at))
    for k in (1, 17, 160):
        assert np.flatnonzero(top_members(scores, k)).tolist() == sorted(order[:k])
    assert np.argsort(descending_ranks(scores)).tolist() == order
    assert top_members(scores, 0).sum() == 0


def test_rank_correlations_of_what_does_not_vary_are_missing_whichever_of_the_two_it_is():
    values = np.arange(9.0)
    assert np.isnan(spearman(np.ones(9), values))
    assert np.isnan(spearman(values, np.ones(9)))
    tied = np.array([1.0, 1, 2, 3, 3, 4, 5, 6, 6])
    assert kendall(tied, values[::-1]) == kendalltau(tied, values[::-1]).statistic


@pytest.mark.parametrize("overlap", [0, 1, 4, 8])
def test_the_hypergeometric_p_is_a_sum_of_binomial_coefficients(overlap):
    ways = sum(comb(12, k) * comb(30 - 12, 8 - k) for k in range(overlap, 9))
    assert hypergeometric_p(overlap, 30, 12, 8) == pytest.approx(ways / comb(30, 8))


def test_rank_biased_overlap_is_that_of_the_ranks():
    first, second = two_lists()
    ranks = descending_ranks(first), descending_ranks(second)
    assert rank_biased_overlap_of_ranks(*ranks, 0.8) == rank_biased_overlap(first, second, 0.8)


def test_draws_of_a_rank_correlation_weigh_the_ranks_of_the_whole_set():
    first, second = np.round(two_lists(), 1)
    setting = setting_for()
    ranks = np.array([rankdata(first), rankdata(second)])
    for counts, value in zip(setting.resamples, rank_correlation_draws(first, second, setting), strict=True):
        taken = np.repeat(np.arange(120), counts[LOCI.codes])
        assert value == pytest.approx(np.corrcoef(ranks[:, taken])[0, 1])


def test_a_resample_in_which_one_ranking_does_not_vary_has_no_correlation():
    loci = Loci.of(np.repeat([0, 1], 10))
    setting = Setting(loci, RotationNull(loci, 9, np.random.default_rng(0)), np.array([[2, 0], [1, 1]]))
    drawn = rank_correlation_draws(np.r_[np.zeros(10), np.arange(10.0)], np.arange(20.0), setting)
    assert np.isnan(drawn).tolist() == [True, False]


def test_every_number_of_an_overlap_is_that_of_a_loop():
    one, two = (top_members(values, 24) for values in two_lists())
    setting = setting_for()
    found = list_overlap(one, two, setting)
    shared = int((one & two).sum())
    drawn = np.array([(setting.null.rotate(two.astype(float), draw) * one).sum() for draw in range(199)])
    null = setting.null.draw(two.astype(float), one.astype(float))
    assert (found["k"], found["overlap"]) == (24, shared)
    assert found["expected_by_chance"] == pytest.approx(float(null.mean[0]))
    assert found["null_95"] == pytest.approx(np.quantile(drawn, 0.95))
    assert found["p_more"] == empirical_p(shared, drawn, two_sided=False)
    assert found["p_fewer"] == empirical_p(-shared, -drawn, two_sided=False)
    assert found["hypergeometric_p"] == hypergeometric_p(shared, 120, 24, 24)


def test_two_lists_that_shun_each_other_have_a_small_p_on_the_lower_tail():
    first, _ = two_lists()
    found = list_overlap(top_members(first, 30), top_members(-first, 30), setting_for())
    assert found["overlap"] == 0
    assert found["p_fewer"] <= 0.05 < found["p_more"]
