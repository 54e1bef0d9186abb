"""Ranked lists: correlations, overlaps, ties and chance, against loops and textbooks."""

from math import comb

import numpy as np
import pytest
from scipy.stats import kendalltau, rankdata, spearmanr

from darkregulome.stats.agreement import (
    descending_ranks,
    hypergeometric_p,
    kendall,
    list_overlap,
    rank_biased_overlap,
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


def direct_rbo(first, second, persistence):
    one, two = (list(np.argsort(-x, kind="stable")) for x in (first, second))
    n = len(one)
    overlap = [len(set(one[:d]) & set(two[:d])) for d in range(1, n + 1)]
    total = sum(overlap[d - 1] / d * persistence**d for d in range(1, n + 1))
    return overlap[-1] / n * persistence**n + (1 - persistence) / persistence * total


def test_rank_biased_overlap_equals_its_definition():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 40))
    one, two, reverse = (descending_ranks(scores) for scores in (first, second, -first))
    assert rank_biased_overlap(one, two, 0.9) == pytest.approx(direct_rbo(first, second, 0.9))
    assert rank_biased_overlap(one, one, 0.9) == pytest.approx(1.0)
    assert rank_biased_overlap(one, two, 0.9) == pytest.approx(rank_biased_overlap(two, one, 0.9))
    assert rank_biased_overlap(one, reverse, 0.9) < rank_biased_overlap(one, two, 0.9)


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
