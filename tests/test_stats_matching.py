"""Matched controls and the contrasts with them: pools, weights, nulls and intervals against loops."""

import numpy as np
import pytest
from darkregulome.stats.verdict import REFERENCE_EFFECT, power_of
from scipy.stats import ks_2samp

from darkregulome.stats import matching
from darkregulome.stats.bootstrap import normal_interval, resample_loci
from darkregulome.stats.loci import Loci
from darkregulome.stats.matching import (
    Matches,
    exchanged_contrasts,
    match_controls,
    matchable,
    matched_contrast,
    matched_draws,
    nearest_pools,
    standardised_mean_differences,
)
from darkregulome.stats.nulls import RotationNull, empirical_p
from darkregulome.stats.setting import MINIMUM_GROUP, NotTestable, Setting

LOCI = Loci.of(np.repeat(np.arange(10), 20))


def setting_for(loci: Loci = LOCI, permutations: int = 199, alpha: float = 0.05) -> Setting:
    rng = np.random.default_rng(0)
    return Setting(loci, RotationNull(loci, permutations, rng), resample_loci(loci.count, 100, rng), alpha)


@pytest.fixture
def matched() -> tuple[np.ndarray, Matches]:
    rng = np.random.default_rng(1)
    chosen = rng.random(200) < 0.15
    matches = match_controls(chosen, np.full(200, "TE"), LOCI.codes, rng.standard_normal((200, 2)))
    return LOCI.center(rng.standard_normal(200) + 0.3 * chosen), matches


def test_weights_are_those_of_chosen_less_the_mean_of_their_controls(matched):
    scores, matches = matched
    gaps = [scores[i] - scores[pool].mean() for i, pool in zip(matches.chosen, matches.pools, strict=True)]
    assert matches.weights(200) @ scores == pytest.approx(np.mean(gaps))
    assert matches.weights(200).shape == (200,)


def test_pools_have_the_size_asked_for_and_five_unless_it_is_said():
    rng = np.random.default_rng(2)
    chosen, covariates = np.arange(40) < 4, rng.standard_normal((40, 1))
    classes, loci = np.full(40, "a"), np.zeros(40)
    assert match_controls(chosen, classes, loci, covariates).pools.shape == (4, 5)
    pools = match_controls(chosen, classes, loci, covariates, pool_size=2).pools
    for row, pool in zip(range(4), pools, strict=True):
        assert pool.tolist() == sorted(range(4, 40), key=lambda at: abs(covariates[at, 0] - covariates[row, 0]))[:2]


def test_a_control_of_another_locus_must_be_nearer_by_half_an_sd():
    """Of squared distance 0.25 to 0.36 in the own locus and 0.01 to 0.09 in the other."""
    covariates = np.array([0.0, 0.5, 0.52, 0.6, 0.1, 0.3])[:, None]
    chosen = np.array([True] + [False] * 5)
    loci = np.array(["a", "a", "a", "a", "b", "b"])
    matches = match_controls(chosen, np.full(6, "TE"), loci, covariates, pool_size=5)
    # 0.5 ** 2 = 0.25, then 0.26 of the other locus, 0.52 ** 2 = 0.27, then 0.34, then 0.36.
    assert matches.pools.tolist() == [[1, 4, 2, 5, 3]]


def test_elements_whose_controls_are_all_of_their_locus_are_counted():
    covariates = np.array([0.0, 0.1, 0.2, 5.0, 5.1, 5.2, 9.0, 9.1, 9.9])[:, None]
    loci = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3])
    chosen = np.isin(np.arange(9), [0, 3, 6])
    matches = match_controls(chosen, np.full(9, "a"), loci, covariates, pool_size=2)
    assert matches.pools.tolist() == [[1, 2], [4, 5], [7, 8]]
    assert (matches.same_locus, matches.unmatched) == (2, 0)


def test_nothing_chosen_has_no_controls():
    matches = match_controls(np.zeros(9, dtype=bool), np.full(9, "a"), np.zeros(9), np.zeros((9, 1)))
    assert (len(matches.chosen), matches.same_locus, matches.unmatched) == (0, 0, 0)


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


def naive_contrast(scores: np.ndarray, matches: Matches) -> np.ndarray:
    return np.array([scores[i] - scores[pool].mean() for i, pool in zip(matches.chosen, matches.pools, strict=True)])


def test_every_number_of_a_matched_contrast_is_that_of_a_loop(matched):
    scores, matches = matched
    setting = setting_for()
    tested = matched_contrast(scores, matches, setting, np.random.default_rng(6))
    gaps = naive_contrast(scores, matches)
    assert tested.effect == tested.contrast == tested.statistic == pytest.approx(gaps.mean())
    null = setting.null.draw(scores, matches.weights(200))
    by_rotation = empirical_p(gaps.mean(), null.draws[:, 0], null.mean[0])
    block = np.column_stack([scores[matches.chosen], scores[matches.pools]])
    exchanged = exchanged_contrasts(block, 199, np.random.default_rng(6))
    by_draws = empirical_p(gaps.mean(), exchanged)
    assert tested.details == {
        "p_matched_draws": by_draws,
        "p_rotation": by_rotation,
        "n_matched": len(matches.chosen),
    }
    assert tested.p == max(by_rotation, by_draws)
    np.testing.assert_array_equal(tested.draws, exchanged if by_draws >= by_rotation else null.draws[:, 0])
    assert tested.power == power_of(REFERENCE_EFFECT, max(exchanged.std(), float(null.sd[0])), 0.05)
    units = LOCI.codes[matches.chosen]
    drawn = []
    for counts in setting.resamples:
        taken = np.repeat(gaps, counts[units])
        drawn.append(taken.mean() if len(taken) else np.nan)
    np.testing.assert_allclose(tested.interval, np.nanpercentile(drawn, [2.5, 97.5]))


def test_the_p_of_a_matched_contrast_is_the_larger_whichever_it_is(matched):
    """Scores that vary within pools alone, and scores that vary between places alone."""
    _, matches = matched
    largest = set()
    for seed in range(12):
        scores = LOCI.center(np.random.default_rng([seed, 7]).standard_normal(200))
        tested = matched_contrast(scores, matches, setting_for(), np.random.default_rng(8))
        p_values = {name: value for name, value in tested.details.items() if name.startswith("p_")}
        assert tested.p == max(p_values.values())
        largest.add(max(p_values, key=p_values.__getitem__))
        null = tested.draws
        assert tested.p == pytest.approx(empirical_p(tested.effect, null, 0.0), abs=0.02)
    assert largest == {"p_matched_draws", "p_rotation"}


def test_blocks_add_a_null_of_signs_and_are_what_is_resampled(matched):
    scores, matches = matched
    setting = setting_for()
    gaps = naive_contrast(scores, matches)
    blocks = np.arange(len(gaps)) % 7
    tested = matched_contrast(scores, matches, setting, np.random.default_rng(9), blocks)
    assert set(tested.details) == {"p_matched_draws", "p_rotation", "p_blocks", "n_matched"}
    assert tested.p == max(tested.details[name] for name in ("p_matched_draws", "p_rotation", "p_blocks"))
    sums = np.array([gaps[blocks == block].sum() for block in range(7)])
    every = np.array([signs @ sums for signs in np.array(np.meshgrid(*[[-1, 1]] * 7)).reshape(7, -1).T]) / len(gaps)
    exact = np.mean(np.abs(every) >= abs(gaps.mean()) - 1e-12)
    assert tested.details["p_blocks"] == pytest.approx(exact, abs=0.12)
    # The bootstrap over seven blocks: drawn after the exchanges, of the same generator.
    rng = np.random.default_rng(9)
    exchanged = exchanged_contrasts(np.column_stack([scores[matches.chosen], scores[matches.pools]]), 199, rng)
    drawn = []
    for counts in resample_loci(7, 100, rng):
        drawn.append(np.repeat(gaps, counts[blocks]).mean())
    np.testing.assert_allclose(tested.interval, np.percentile(drawn, [2.5, 97.5]))
    null = setting.null.draw(scores, matches.weights(200))
    counts = np.bincount(blocks)
    scatter = np.sqrt(((sums - counts * gaps.mean()) ** 2).sum()) / len(gaps)
    widest = max(exchanged.std(), float(null.sd[0]), scatter)
    assert tested.power == pytest.approx(power_of(REFERENCE_EFFECT, widest, 0.05))


def test_blocks_that_differ_are_what_power_is_stated_for():
    """Two hundred elements in eight blocks of one level each: only the scatter of blocks knows that they are eight."""
    rng = np.random.default_rng(10)
    chosen = np.arange(200) % 5 == 0
    matches = match_controls(chosen, np.full(200, "a"), LOCI.codes, rng.standard_normal((200, 1)))
    scores, blocks = np.zeros(200), np.arange(40) // 5
    scores[matches.chosen] = rng.standard_normal(8)[blocks]
    tested = matched_contrast(scores, matches, setting_for(), np.random.default_rng(11), blocks)
    gaps = naive_contrast(scores, matches)
    sums = np.array([gaps[blocks == block].sum() for block in range(8)])
    scatter = np.sqrt(((sums - 5 * gaps.mean()) ** 2).sum()) / 40
    assert tested.power == pytest.approx(power_of(REFERENCE_EFFECT, scatter, 0.05))


def test_the_least_p_that_blocks_allow_may_be_alpha_itself(matched):
    scores, matches = matched
    blocks = np.arange(len(matches.chosen)) % 5
    at, below = (
        matched_contrast(scores, matches, setting_for(alpha=alpha), np.random.default_rng(12), blocks).power
        for alpha in (2.0**-4, 2.0**-4 - 1e-9)
    )
    assert at > 0
    assert below == 0.0


def test_few_loci_give_a_matched_contrast_the_interval_of_its_widest_null(matched):
    scores, matches = matched
    loci = Loci.of(np.repeat([0, 1], 100))
    setting = setting_for(loci)
    tested = matched_contrast(scores, matches, setting, np.random.default_rng(13))
    block = np.column_stack([scores[matches.chosen], scores[matches.pools]])
    exchanged = exchanged_contrasts(block, 199, np.random.default_rng(13))
    widest = max(exchanged.std(), float(setting.null.draw(scores, matches.weights(200)).sd[0]))
    assert tested.interval == pytest.approx(normal_interval(tested.effect, widest))


def test_five_matched_elements_are_enough(matched):
    scores, matches = matched
    few = [Matches(matches.chosen[:size], matches.pools[:size], 0, 0) for size in (MINIMUM_GROUP, MINIMUM_GROUP - 1)]
    assert matched_contrast(scores, few[0], setting_for(), np.random.default_rng(14)).details["n_matched"] == 5
    with pytest.raises(NotTestable, match=r"^4 elements"):
        matched_contrast(scores, few[1], setting_for(), np.random.default_rng(14))


def test_no_more_sets_are_drawn_than_can_be_laid_out(matched, monkeypatch):
    monkeypatch.setattr(matching, "MOST_SET_DRAWS", 50)
    scores, matches = matched
    tested = matched_contrast(scores, matches, setting_for(), np.random.default_rng(15))
    assert tested.details["p_matched_draws"] * 51 == pytest.approx(round(tested.details["p_matched_draws"] * 51))
    assert tested.details["p_rotation"] * 200 == pytest.approx(round(tested.details["p_rotation"] * 200))


@pytest.mark.parametrize("permutations", [7, 1000, 2500])
def test_signs_of_blocks_are_fair_coins_in_every_draw(permutations):
    sums = np.array([1.0, 2.0, 4.0, 8.0])
    drawn = matching._sign_flips(sums, permutations, np.random.default_rng(16))
    assert drawn.shape == (permutations,)
    values = {float(value) for value in range(-15, 16, 2)}
    assert set(drawn) <= values
    if permutations > 500:
        assert set(drawn) == values
        for part in (drawn[:1000], drawn[-500:]):
            assert abs(part.mean()) < 5 * np.sqrt(85 / len(part))
    assert len(set(drawn[-5:])) > 1


def test_exchanges_of_pairs_are_flips_of_their_sign():
    block = np.random.default_rng(17).standard_normal((30, 2))
    drawn = exchanged_contrasts(block, 3000, np.random.default_rng(18))
    signs = np.random.default_rng(19).choice([-1, 1], (3000, 30))
    assert ks_2samp(drawn, signs @ (block[:, 0] - block[:, 1]) / 30).pvalue > 0.001


def test_of_no_elements_nothing_is_matched():
    none = np.zeros(0, dtype=int)
    assert matchable(np.zeros(0), none).tolist() == []
    matches = match_controls(none.astype(bool), np.zeros(0, dtype=str), none, np.zeros((0, 1)))
    assert (len(matches.chosen), matches.unmatched) == (0, 0)
