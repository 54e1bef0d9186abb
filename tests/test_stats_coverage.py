"""Intervals cover the planted truth as often as they say, and tests find it with the power they state.

Every law here is checked on tables whose truth is planted, or against a naive loop, so that a wrong sign, level, unit
or number of degrees of freedom in an interval or a power cannot pass.
"""

from dataclasses import replace

import numpy as np
import pytest
from darkregulome.stats.studentised import Studentised, studentised_draws
from darkregulome.stats.verdict import REFERENCE_EFFECT, Evidence, decide
from scipy.stats import binom, multivariate_normal, norm, ttest_1samp

from darkregulome.claims.ccre_discrimination import discrimination
from darkregulome.claims.class_hierarchy import between_classes
from darkregulome.claims.conservation import REFERENCE_CORRELATION, association
from darkregulome.claims.horizon import change_point, distance_grid, near_less_far
from darkregulome.claims.network import linked_genes
from darkregulome.stats.agreement import REFERENCE_OVERLAP, list_overlap
from darkregulome.stats.bootstrap import resample_loci
from darkregulome.stats.loci import Loci
from darkregulome.stats.matching import match_controls, matched_contrast
from darkregulome.stats.nulls import RotationNull
from darkregulome.stats.setting import Setting
from simulated_tables import by_locus

LOCI, PER_LOCUS, TABLES = 40, 30, 200
LAYOUT = Loci.of(np.repeat(np.arange(LOCI), PER_LOCUS))


def setting_for(seed: int, loci: Loci = LAYOUT, permutations: int = 199, resamples: int = 200) -> Setting:
    rng = np.random.default_rng([seed, 11])
    null = RotationNull(loci, permutations, rng)
    return Setting(loci, null, resample_loci(loci.count, resamples, rng), 0.05)


def noise(rng: np.random.Generator, rho: float = 0.3) -> np.ndarray:
    """Scores of unit variance whose neighbours resemble each other: shape (n,)."""
    return by_locus([PER_LOCUS] * LOCI, rho, rng)


def membership(rng: np.random.Generator, share: float = 0.3) -> np.ndarray:
    return rng.random(LAYOUT.n) < share


def horizon(rng, setting, effect):
    near = membership(rng)
    return near_less_far(noise(rng) + effect * near, near, setting), effect


def ccre(rng, setting, effect):
    positive = membership(rng)
    tested = discrimination(noise(rng) + effect * positive, positive, setting)
    return tested, float(norm.cdf(effect / np.sqrt(2)))


def classes(rng, setting, effect):
    words = rng.choice(["a", "b"], LAYOUT.n)
    tested = between_classes(noise(rng) + effect * (words == "a"), words, setting)
    between = effect**2 / 4
    return tested, between / (1 + between)


def overlap(rng, setting, effect):
    first = noise(rng)
    second = effect * first + np.sqrt(1 - effect**2) * noise(rng)
    top = norm.isf(0.2)
    both = multivariate_normal([0, 0], [[1, effect], [effect, 1]]).cdf([-top, -top])
    return list_overlap(first, second, 0.2, setting), (both / 0.2 - 0.2) / 0.8


def correlation(rng, setting, effect):
    first = noise(rng)
    return association(first, effect * first + np.sqrt(1 - effect**2) * noise(rng), setting), effect


def matched(rng, setting, effect):
    chosen = membership(rng, 0.1)
    covariate = rng.standard_normal((LAYOUT.n, 1))
    matches = match_controls(chosen, np.full(LAYOUT.n, "TE"), LAYOUT.codes, covariate)
    return matched_contrast(noise(rng) + effect * chosen, matches, setting, rng), effect


CLAIMS = [horizon, ccre, classes, overlap, correlation, matched]
EFFECTS = {horizon: 0.5, ccre: 0.5, classes: 0.6, overlap: 0.5, correlation: 0.3, matched: 0.5}


@pytest.mark.parametrize("plant", CLAIMS)
def test_the_interval_covers_the_planted_effect(plant):
    """A percentile bootstrap of 40 loci covers a little less than it says: 93 % are asked for, less chance."""
    covered, low_misses = 0, 0
    for seed in range(TABLES):
        tested, truth = plant(np.random.default_rng([seed, 12]), setting_for(seed), EFFECTS[plant])
        low, high = tested.interval
        covered += low <= truth <= high
        low_misses += truth < low
    assert binom.cdf(covered, TABLES, 0.93) > 1e-3
    assert binom.sf(covered - 1, TABLES, 0.97) > 1e-3
    # What is missed is missed on both sides: an interval that is shifted by its bias misses on one.
    missed = TABLES - covered
    assert binom.cdf(min(low_misses, missed - low_misses), max(missed, 1), 0.5) > 1e-3


POWERED = {
    horizon: REFERENCE_EFFECT,
    ccre: REFERENCE_EFFECT,
    classes: REFERENCE_EFFECT,
    correlation: REFERENCE_CORRELATION,
    matched: REFERENCE_EFFECT,
}


@pytest.mark.parametrize("plant", POWERED)
def test_the_stated_power_is_the_measured_one(plant):
    """Over planted tables of the reference effect, the share of p <= alpha is the mean of the stated powers."""
    found, stated = 0, []
    for seed in range(TABLES):
        tested, _ = plant(np.random.default_rng([seed, 13]), setting_for(seed), POWERED[plant])
        found += tested.p <= 0.05
        stated.append(tested.power)
    assert np.mean(stated) == pytest.approx(found / TABLES, abs=0.12)


def test_the_stated_power_of_lists_is_the_measured_one():
    # The reference is an overlap beyond chance; this correlation gives it.
    effects = np.linspace(0, 0.6, 61)
    rng, setting = np.random.default_rng(0), setting_for(0)
    truths = [overlap(rng, setting, effect)[1] for effect in effects]
    effect = float(np.interp(REFERENCE_OVERLAP, truths, effects))
    found, stated = 0, []
    for seed in range(TABLES):
        tested, _ = overlap(np.random.default_rng([seed, 14]), setting_for(seed), effect)
        found += tested.p <= 0.05
        stated.append(tested.power)
    assert np.mean(stated) == pytest.approx(found / TABLES, abs=0.12)


SMALL = Loci.of(np.repeat(np.arange(12), 20))


def test_the_stated_power_of_classes_is_the_measured_one_where_it_is_small():
    """Four classes of few elements, every other class a reference effect above the rest."""
    found, stated = 0, []
    for seed in range(TABLES):
        rng = np.random.default_rng([seed, 22])
        # Sizes that differ, so that classes in the order of size are classes in the order of their letters.
        words = rng.choice(list("abcd"), SMALL.n, p=[0.4, 0.3, 0.2, 0.1])
        planted = REFERENCE_EFFECT * np.isin(words, ["a", "c"])
        tested = between_classes(SMALL.center(rng.standard_normal(SMALL.n) + planted), words, setting_for(seed, SMALL))
        found += tested.p <= 0.05
        stated.append(tested.power)
    assert 0.1 < found / TABLES < 0.7
    assert np.mean(stated) == pytest.approx(found / TABLES, abs=0.12)


def test_the_interval_of_a_class_hierarchy_is_the_naive_bootstrap_less_its_own_bias():
    """A resample's class means carry noise of their own, which raises eta squared: that much is taken out again."""
    rng = np.random.default_rng(23)
    words = rng.choice(list("abcdef"), SMALL.n)
    scores = SMALL.center(rng.standard_normal(SMALL.n) + 0.5 * (words == "a"))
    setting = setting_for(23, SMALL)

    def eta(rows: np.ndarray) -> float:
        groups = [scores[rows][words[rows] == word] for word in "abcdef"]
        return sum(len(group) * group.mean() ** 2 for group in groups if len(group)) / (scores[rows] ** 2).sum()

    rows_of = [np.arange(SMALL.n)[part] for part in SMALL.slices()]
    drawn = [
        eta(np.concatenate([np.tile(rows, n) for rows, n in zip(rows_of, counts, strict=True)]))
        for counts in setting.resamples
    ]
    observed = eta(np.arange(SMALL.n))
    tested = between_classes(scores, words, setting)
    expected = observed - tested.effect
    bias = np.mean(drawn) - observed
    assert bias > 0
    np.testing.assert_allclose(tested.interval, np.percentile(drawn, [2.5, 97.5]) - bias - expected)


@pytest.mark.parametrize("level", [0.2, 0.05, 0.01])
@pytest.mark.parametrize("loci", [9, 25])
def test_the_power_of_a_studentised_contrast_is_that_of_a_t_test(loci, level):
    """Sums of `loci` loci, each of the same weight: the ratio to their standard error is Student's t."""
    rng = np.random.default_rng([loci, 15])
    shift, sd = 1.2, 0.6
    parts = rng.normal(shift / loci, sd / np.sqrt(loci), (20_000, loci))
    found = ttest_1samp(parts, 0.0, axis=1).pvalue <= level
    assert Studentised(0.0, np.zeros(0), sd, float(loci)).power(shift, level) == pytest.approx(found.mean(), abs=0.015)


def test_studentised_draws_are_the_naive_ratios():
    """A draw rotates every locus, and divides the sum of the loci's parts by the root of the sum of their squares."""
    loci = Loci.of(np.repeat(np.arange(10), 12))
    rng = np.random.default_rng(16)
    scores, weights = loci.center(rng.standard_normal(loci.n)), loci.center(rng.random(loci.n))
    setting = setting_for(16, loci, permutations=99)
    drawn = studentised_draws(scores, weights, setting)
    parts = np.zeros((99, loci.count))
    for locus, rows in setting.null.locus_draws(scores, weights[:, None]):
        parts[:, locus] = rows[:, 0]
    np.testing.assert_allclose(drawn.draws, parts.sum(axis=1) / np.sqrt((parts**2).sum(axis=1)))
    assert drawn.sd == pytest.approx(np.sqrt((parts.sum(axis=1) ** 2).mean()))
    observed = np.array([(scores * weights)[part].sum() for part in loci.slices()])
    assert drawn.observed == pytest.approx(observed.sum() / np.sqrt((observed**2).sum()))
    sizes = np.array([(weights[part] ** 2).sum() for part in loci.slices()])
    assert drawn.loci == pytest.approx(sizes.sum() ** 2 / (sizes**2).sum())


def test_the_auc_interval_of_few_loci_is_in_units_of_the_auc():
    """Two loci are no bootstrap: the interval is 1.96 SD of the AUC over rotations, found one by one here."""
    loci = Loci.of(np.repeat(np.arange(2), 60))
    rng = np.random.default_rng(17)
    scores, positive = loci.center(rng.standard_normal(loci.n)), rng.random(loci.n) < 0.3
    tested = discrimination(scores, positive, setting_for(17, loci, permutations=999))
    aucs = []
    for _ in range(999):
        rotated = np.concatenate([np.roll(scores[part], rng.integers(60)) for part in loci.slices()])
        wins = rotated[positive][:, None] - rotated[~positive][None, :]
        aucs.append(((wins > 0) + 0.5 * (wins == 0)).mean())
    low, high = tested.interval
    assert (high - low) / 2 == pytest.approx(1.96 * np.std(aucs), rel=0.1)
    assert (high + low) / 2 == pytest.approx(tested.effect)


def test_the_interval_of_the_change_point_is_the_naive_bootstrap():
    """In each resample the best threshold is that of the largest contrast over the root of its own spread."""
    loci = Loci.of(np.repeat(np.arange(6), 40))
    rng = np.random.default_rng(18)
    distance = rng.integers(0, 40_000, loci.n)
    scores = loci.center(rng.standard_normal(loci.n) + 0.8 * (distance <= 10_000))
    setting = setting_for(18, loci)
    grid = distance_grid(distance)
    best = []
    for counts in setting.resamples:
        sizes = []
        for threshold in grid:
            side = loci.center(distance <= threshold)
            total = sum(count * (side * scores)[part].sum() for count, part in zip(counts, loci.slices(), strict=True))
            spread = sum(count * (side[part] ** 2).sum() for count, part in zip(counts, loci.slices(), strict=True))
            sizes.append(abs(total) / np.sqrt(max(spread, 1e-300)))
        best.append(grid[int(np.argmax(sizes))])
    assert change_point(scores, distance, setting)["interval"] == pytest.approx(list(np.percentile(best, [2.5, 97.5])))


@pytest.mark.parametrize(("blocks", "attainable"), [(5, False), (6, True)])
def test_blocks_that_allow_no_small_p_have_no_power(blocks, attainable):
    """Signs of n blocks give p of at least 2 ** (1 - n): five blocks cannot reach 5 %, six can."""
    rng = np.random.default_rng(19)
    chosen = np.zeros(LAYOUT.n, dtype=bool)
    chosen[rng.choice(LAYOUT.n, 30, replace=False)] = True
    matches = match_controls(chosen, np.full(LAYOUT.n, "TE"), LAYOUT.codes, rng.standard_normal((LAYOUT.n, 1)))
    codes = np.arange(len(matches.chosen)) % blocks
    tested = matched_contrast(noise(rng), matches, setting_for(19), rng, codes)
    assert (tested.power > 0) == attainable


def planted_links(rng: np.random.Generator, r: float, genes: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Scores of genes linked two by two, whose correlation over links is r; and the links."""
    values = rng.standard_normal(genes)
    values[1::2] = r * values[::2] + np.sqrt(1 - r**2) * values[1::2]
    return values, np.arange(genes).reshape(-1, 2)


def test_the_interval_of_the_network_covers_the_planted_correlation():
    covered = 0
    for seed in range(TABLES):
        rng = np.random.default_rng([seed, 20])
        values, edges = planted_links(rng, 0.4)
        draws = 0.05 * rng.standard_normal(199)
        top = values > np.quantile(values, 0.9)
        tested = linked_genes(values, edges, draws, np.zeros(199), top, resample_loci(300, 200, rng), 0.05)
        covered += tested.interval[0] <= 0.4 - draws.mean() <= tested.interval[1]
    assert binom.cdf(covered, TABLES, 0.93) > 1e-3


def test_what_degrees_alone_give_shifts_effect_and_interval_of_the_network_alike():
    rng = np.random.default_rng(21)
    values, edges = planted_links(rng, 0.4)
    draws, top, resamples = 0.05 * rng.standard_normal(199), values > 1.3, resample_loci(300, 200, rng)
    plain = linked_genes(values, edges, draws, np.zeros(199), top, resamples, 0.05)
    shifted = linked_genes(values, edges, draws + 0.2, np.zeros(199), top, resamples, 0.05)
    assert shifted.effect == pytest.approx(plain.effect - 0.2)
    np.testing.assert_allclose(shifted.interval, np.array(plain.interval) - 0.2)
    assert plain.interval[0] < plain.effect < plain.interval[1]


def test_power_of_exactly_one_half_is_enough():
    evidence = Evidence(raw_q=0.5, residual_q=0.5, raw_sign=1, residual_sign=1, magnitude=0.2, floor=0.1, power=0.5)
    assert decide(evidence, alpha=0.05) == "absent"
    assert decide(replace(evidence, power=0.4999), alpha=0.05) == "underpowered"
