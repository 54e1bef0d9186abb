"""Ranked lists: ties, chance, and every number that a test of two lists returns, against loops and textbooks."""

from math import comb

import numpy as np
import pytest
from darkregulome.stats.verdict import power_of
from scipy.stats import kendalltau, rankdata

from darkregulome.stats.agreement import (
    REFERENCE_OVERLAP,
    chance_corrected,
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
from darkregulome.stats.bootstrap import normal_interval, resample_loci
from darkregulome.stats.loci import Loci
from darkregulome.stats.nulls import RotationNull, empirical_p
from darkregulome.stats.setting import MINIMUM_GROUP, NotTestable, Setting

LOCI = Loci.of(np.repeat(np.arange(6), 20))


def setting_for(loci: Loci = LOCI, alpha: float = 0.05) -> Setting:
    rng = np.random.default_rng(0)
    return Setting(loci, RotationNull(loci, 199, rng), resample_loci(loci.count, 60, rng), alpha)


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


def test_overlap_beyond_chance_of_lists_of_different_lengths():
    assert chance_corrected(10, 100, 10, 40) == 1.0
    assert chance_corrected(4, 100, 10, 40) == 0.0
    assert chance_corrected(7, 100, 40, 10) == pytest.approx(0.5)
    # A list of everything holds whatever the other holds: chance leaves nothing.
    assert np.isnan(chance_corrected(10, 100, 10, 100))


def test_rank_biased_overlap_is_that_of_the_ranks():
    first, second = two_lists()
    ranks = descending_ranks(first), descending_ranks(second)
    assert rank_biased_overlap_of_ranks(*ranks, 0.8) == rank_biased_overlap(first, second, 0.8)


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.3])
def test_every_number_of_an_overlap_is_that_of_a_loop(fraction):
    first, second = two_lists()
    setting = setting_for(alpha=0.1)
    tested = list_overlap(first, second, fraction, setting)
    k, n = round(fraction * 120), 120
    one, two = (set(np.argsort(-scores)[:k].tolist()) for scores in (first, second))
    shared = len(one & two)
    assert tested.details == {
        "k": k,
        "overlap": shared,
        "expected_by_chance": pytest.approx(k * k / n),
        "hypergeometric_p": pytest.approx(
            sum(comb(k, i) * comb(n - k, k - i) for i in range(shared, k + 1)) / comb(n, k)
        ),
        "rank_biased_overlap": pytest.approx(rank_biased_overlap(first, second, 1 - 1 / k)),
    }
    member = np.isin(np.arange(n), list(two)).astype(float)
    inside = np.isin(np.arange(n), list(one))
    drawn = np.array([setting.null.rotate(member, draw)[inside].sum() for draw in range(199)])
    null = setting.null.draw(member, inside.astype(float))
    assert tested.statistic == pytest.approx(shared / k)
    np.testing.assert_allclose(tested.draws, drawn / k, atol=1e-12)
    assert tested.p == empirical_p(shared, drawn, null.mean[0])
    assert tested.effect == pytest.approx((shared - k * k / n) / (k - k * k / n))
    assert (tested.neutral, tested.sign) == (0.0, float(np.sign(shared - null.mean[0])))
    assert tested.power == power_of(REFERENCE_OVERLAP * (k - k * k / n), float(null.sd[0]), 0.1)
    assert tested.contrast == pytest.approx(second[inside].mean() - second[~inside].mean())


def test_the_interval_of_an_overlap_is_that_of_resampled_loci():
    first, second = two_lists()
    setting = setting_for()
    tested = list_overlap(first, second, 0.2, setting)
    one, two = top_members(first, 24), top_members(second, 24)
    values = []
    for counts in setting.resamples:
        taken = np.repeat(np.arange(120), counts[LOCI.codes])
        values.append(chance_corrected((one & two)[taken].sum(), len(taken), one[taken].sum(), two[taken].sum()))
    np.testing.assert_allclose(tested.interval, np.nanpercentile(values, [2.5, 97.5]))
    few = Loci.of(np.repeat([0, 1], 60))
    setting = setting_for(few)
    tested = list_overlap(first, second, 0.2, setting)
    null = setting.null.draw(two.astype(float), one.astype(float))
    expected = normal_interval(tested.effect, float(null.sd[0]) / (24 - 24 * 24 / 120))
    np.testing.assert_allclose(tested.interval, expected)


def test_an_overlap_that_is_less_than_chance_has_a_negative_sign():
    first, _ = two_lists()
    assert list_overlap(first, -first, 0.2, setting_for()).sign == -1
    assert list_overlap(first, first, 0.2, setting_for()).sign == 1


def test_the_contrast_of_an_overlap_is_of_the_scores_asked_for():
    first, second = two_lists()
    other = np.arange(120.0)
    inside = top_members(first, 12)
    tested = list_overlap(first, second, 0.1, setting_for(), contrast_of=other)
    assert tested.contrast == pytest.approx(other[inside].mean() - other[~inside].mean())


def test_five_elements_are_the_shortest_list():
    first, second = two_lists()
    assert list_overlap(first, second, MINIMUM_GROUP / 120, setting_for()).details["k"] == 5
    with pytest.raises(NotTestable, match="of 4 elements"):
        list_overlap(first, second, 4 / 120, setting_for())
    with pytest.raises(NotTestable, match="of 1 elements"):
        list_overlap(first, second, 0.0, setting_for())


def test_draws_of_a_rank_correlation_weigh_the_ranks_of_the_whole_set():
    first, second = np.round(two_lists(), 1)
    setting = setting_for()
    ranks = np.array([rankdata(first), rankdata(second)])
    for counts, value in zip(setting.resamples, rank_correlation_draws(first, second, setting), strict=True):
        taken = np.repeat(np.arange(120), counts[LOCI.codes])
        assert value == pytest.approx(np.corrcoef(ranks[:, taken])[0, 1])


def test_a_resample_in_which_one_ranking_does_not_vary_has_no_correlation():
    loci = Loci.of(np.repeat([0, 1], 10))
    setting = Setting(loci, RotationNull(loci, 9, np.random.default_rng(0)), np.array([[2, 0], [1, 1]]), 0.05)
    drawn = rank_correlation_draws(np.r_[np.zeros(10), np.arange(10.0)], np.arange(20.0), setting)
    assert np.isnan(drawn).tolist() == [True, False]
