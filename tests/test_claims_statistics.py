"""The statistic of each claim with all that it returns: against loops, scikit-learn and its own definition."""

import numpy as np
import pytest
from darkregulome.claims.baseline_membership import ACCEPTABLE_AUC, logistic_auc, membership_from_features
from darkregulome.stats.studentised import studentised_draws
from darkregulome.stats.verdict import REFERENCE_EFFECT, power_of
from scipy.stats import norm, rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from darkregulome.claims.ccre_discrimination import REFERENCE_AUC, discrimination, plain_auc
from darkregulome.claims.class_hierarchy import between_classes
from darkregulome.claims.conservation import REFERENCE_CORRELATION, association, rank_association
from darkregulome.claims.gene_levels import locus_means
from darkregulome.claims.horizon import change_point, distance_grid, near_less_far
from darkregulome.claims.network import REFERENCE_ASSORTATIVITY, assortativity, linked_genes, network_draws
from darkregulome.claims.protein_pair import gene_pair
from darkregulome.stats.agreement import top_members
from darkregulome.stats.bootstrap import normal_interval, resample_loci
from darkregulome.stats.loci import Loci
from darkregulome.stats.nulls import RotationNull, empirical_p
from darkregulome.stats.residual import Folds
from darkregulome.stats.setting import NotTestable, Setting

LOCI = Loci.of(np.repeat(np.arange(9), 20))
FEW = Loci.of(np.repeat(np.arange(2), 90))
N = 180


def setting_for(loci: Loci = LOCI, alpha: float = 0.05, permutations: int = 99) -> Setting:
    rng = np.random.default_rng(0)
    return Setting(loci, RotationNull(loci, permutations, rng), resample_loci(loci.count, 80, rng), alpha)


def taken_in(setting: Setting) -> list[np.ndarray]:
    """The elements of each bootstrap sample, with repeats."""
    return [np.repeat(np.arange(N), counts[setting.loci.codes]) for counts in setting.resamples]


@pytest.fixture
def scores() -> np.ndarray:
    return LOCI.standardise(np.random.default_rng(1).standard_normal(N))[0]


@pytest.fixture
def side() -> np.ndarray:
    return np.random.default_rng(2).random(N) < 0.3


# -- horizon ---------------------------------------------------------------------------------------------------------


def test_every_number_of_the_horizon(scores, side):
    setting = setting_for(alpha=0.1)
    tested = near_less_far(scores, side, setting)
    weights = LOCI.center(side)
    null = setting.null.draw(scores, weights / (weights**2).sum())
    assert tested.effect == pytest.approx((weights @ scores) / (weights**2).sum())
    np.testing.assert_allclose(tested.draws, null.draws[:, 0])
    assert tested.p == empirical_p(null.observed[0], null.draws[:, 0], null.mean[0])
    assert tested.details == {"n_near": side.sum(), "n_far": (~side).sum(), "null_sd": pytest.approx(null.sd[0])}
    assert tested.power == pytest.approx(power_of(REFERENCE_EFFECT, float(null.sd[0]), 0.1))
    drawn = [(weights * scores)[taken].sum() / (weights[taken] ** 2).sum() for taken in taken_in(setting)]
    np.testing.assert_allclose(tested.interval, np.percentile(drawn, [2.5, 97.5]))


@pytest.mark.parametrize(
    ("near", "where"),
    [(np.ones(N), "all lie within it"), (np.zeros(N), "all lie beyond it"), (LOCI.codes < 3, "on both sides of it")],
)
def test_without_two_sides_in_a_locus_the_horizon_says_where_all_lie(scores, near, where):
    with pytest.raises(NotTestable, match=where):
        near_less_far(scores, near.astype(bool), setting_for())


def test_thresholds_leave_enough_elements_on_both_sides():
    distance = np.random.default_rng(3).permutation(np.arange(1, 1001)) * np.where(np.arange(1000) % 2, 1, -1)
    grid = distance_grid(distance)
    # 2 % of 1,000 are 20: the lowest threshold has 20 at or below it, the highest 20 above it.
    assert (grid[0], grid[-1], len(grid)) == (20, 980, 60)
    np.testing.assert_allclose(grid, np.round(np.linspace(20, 980, 60)))
    assert distance_grid(distance, points=5).tolist() == [20, 260, 500, 740, 980]
    # Ten at least: of 100 elements 2 % would be two.
    assert distance_grid(np.arange(1, 101), points=2).tolist() == [10, 90]
    assert distance_grid(np.arange(1, 21), points=9).tolist() == []  # the tenth is the tenth from above
    assert distance_grid(np.arange(1, 22), points=9).tolist() == [10, 11]
    assert distance_grid(np.arange(1, 20)).tolist() == []
    assert distance_grid(np.full(100, 7)).tolist() == []
    assert distance_grid(np.array([*range(600), *range(600)]), points=2).tolist() == [11, 587]


def test_every_number_of_the_change_point(scores):
    setting = setting_for()
    distance = np.random.default_rng(4).integers(-30_000, 30_000, N)
    planted = LOCI.center(scores + 0.5 * (np.abs(distance) <= 8000))
    found = change_point(planted, distance, setting)
    grid = distance_grid(distance)
    sides = LOCI.center(np.abs(distance)[:, None] <= grid)
    spread = np.sqrt((sides**2).sum(axis=0))
    contrasts = sides.T @ planted / spread
    best = np.argmax(np.abs(contrasts))
    drawn = np.array([np.abs(sides.T @ setting.null.rotate(planted, at) / spread).max() for at in range(99)])
    more = (drawn >= np.abs(contrasts).max() - 1e-9).sum()
    assert found["position"] == grid[best]
    assert found["contrast"] == pytest.approx(contrasts[best] / spread[best])
    assert found["p"] == pytest.approx((1 + more) / 100)
    assert found["scanned"] == [grid[0], grid[-1]]
    assert set(found) == {"position", "interval", "contrast", "p", "scanned"}


def test_the_scan_takes_the_largest_contrast_of_either_sign(scores):
    distance = np.random.default_rng(4).integers(0, 30_000, N)
    raised = LOCI.center(scores + 1.5 * (distance <= 8000))
    one, two = (change_point(sign * raised, distance, setting_for()) for sign in (1, -1))
    assert one["position"] == two["position"]
    assert one["contrast"] == -two["contrast"] > 0
    assert one["p"] == two["p"] < 0.05


def test_thresholds_that_divide_no_locus_are_left_out(scores):
    """Whole loci lie near or far: only the distances of the last locus divide it."""
    distance = np.where(LOCI.codes < 5, 1000, 50_000)
    assert change_point(scores, distance, setting_for()) == {}
    distance[-20:] = 2000 + 2000 * np.arange(20)
    found = change_point(scores, distance, setting_for())
    assert found["scanned"][0] > 1000
    assert found["scanned"][1] < 50_000
    assert change_point(scores, np.full(N, 3), setting_for()) == {}


@pytest.mark.parametrize(("loci", "bootstrapped"), [(2, False), (3, True)])
def test_a_change_point_of_few_loci_has_no_interval(loci, bootstrapped):
    layout = Loci.of(np.repeat(np.arange(loci), N // loci))
    scores = layout.center(np.random.default_rng(5).standard_normal(layout.n))
    found = change_point(scores, np.random.default_rng(6).integers(0, 9999, layout.n), setting_for(layout))
    assert np.isfinite(found["interval"]).all() == bootstrapped
    assert len(found["interval"]) == 2


# -- classes ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def words() -> np.ndarray:
    """Four classes, one of them of five elements, and a fifth of four."""
    drawn = np.random.default_rng(7).choice(["TE", "cCRE", "other"], N, p=[0.5, 0.3, 0.2]).astype("<U8")
    drawn[[3, 40, 80, 120, 160]] = "lncRNA"
    drawn[[4, 41, 81, 121]] = "rare"
    return drawn


def eta_squared(scores: np.ndarray, words: np.ndarray, names: list[str], total: np.ndarray | None = None) -> float:
    parts = [scores[words == name] for name in names]
    within = ((scores if total is None else total) ** 2).sum()
    return sum(len(part) * part.mean() ** 2 for part in parts if len(part)) / within


def test_every_number_of_a_class_hierarchy(scores, words):
    setting = setting_for()
    planted = LOCI.center(scores + 0.6 * (words == "cCRE"))
    tested = between_classes(planted, words, setting)
    names = ["TE", "cCRE", "lncRNA", "other"]
    drawn = [eta_squared(setting.null.rotate(planted, at), words, names, planted) for at in range(99)]
    eta = eta_squared(planted, words, names)
    np.testing.assert_allclose(tested.draws, drawn)
    assert tested.statistic == pytest.approx(eta)
    assert tested.effect == pytest.approx(eta - np.mean(drawn))
    assert tested.p == pytest.approx((1 + (np.array(drawn) >= eta).sum()) / 100)
    resampled = np.array([eta_squared(planted[taken], words[taken], names) for taken in taken_in(setting)])
    low_and_high = np.percentile(resampled - (resampled.mean() - eta), [2.5, 97.5]) - np.mean(drawn)
    np.testing.assert_allclose(tested.interval, low_and_high)
    means = {name: planted[words == name].mean() for name in names}
    assert tested.contrast == pytest.approx(max(means.values()) - min(means.values()))
    assert (tested.neutral, tested.sign) == (0.0, 1.0)
    assert tested.details["order"] == sorted(names, key=lambda name: -means[name])
    assert tested.details["eta_squared_expected_by_null"] == pytest.approx(np.mean(drawn))
    assert list(tested.details["classes"]) == names
    assert set(tested.details) == {"classes", "order", "eta_squared_expected_by_null"}
    for name, numbers in tested.details["classes"].items():
        resampled = [planted[taken][words[taken] == name] for taken in taken_in(setting)]
        drawn_means = [part.mean() for part in resampled if len(part)]
        assert numbers == {
            "n": (words == name).sum(),
            "mean": pytest.approx(means[name]),
            "interval": pytest.approx(list(np.percentile(drawn_means, [2.5, 97.5]))),
        }


def test_the_power_of_a_class_hierarchy_is_that_of_rotations_with_every_other_class_raised(scores, words):
    setting = setting_for(alpha=0.2)
    tested = between_classes(scores, words, setting)
    names = sorted(["TE", "cCRE", "lncRNA", "other"], key=lambda name: -(words == name).sum())
    raised = np.isin(words, names[::2]) * REFERENCE_EFFECT
    compared = words != "rare"
    raised = np.where(compared, raised - raised[compared].mean(), 0)
    critical = np.quantile(tested.draws, 0.8)
    etas = [eta_squared(setting.null.rotate(scores, at) + raised, words, names, scores) for at in range(99)]
    assert tested.power == pytest.approx(np.mean(np.array(etas) > critical))


@pytest.mark.parametrize("loci", [FEW])
def test_a_class_hierarchy_of_few_loci_has_the_interval_of_its_null(loci, words):
    setting = setting_for(loci)
    scores = loci.center(np.random.default_rng(8).standard_normal(N))
    tested = between_classes(scores, words, setting)
    low, high = normal_interval(tested.statistic, tested.draws.std())
    expected = tested.details["eta_squared_expected_by_null"]
    assert tested.interval == pytest.approx((low - expected, high - expected))
    member = (words == "TE") / (words == "TE").sum()
    numbers = tested.details["classes"]["TE"]
    sd = float(setting.null.draw(scores, member).sd[0])
    assert numbers["interval"] == pytest.approx(list(normal_interval(numbers["mean"], sd)))


def test_without_resamples_a_class_hierarchy_has_no_interval(scores, words):
    setting = Setting(LOCI, setting_for().null, np.zeros((0, 9), dtype=int), 0.05)
    assert np.isnan(between_classes(scores, words, setting).interval).all()


def test_the_sign_of_a_hierarchy_weighs_classes_by_their_size(scores, words):
    planted = LOCI.center(scores * 0.1 + 1.0 * (words == "TE") - 0.5 * (words == "lncRNA"))
    many, few = {"TE": 0.2, "lncRNA": 0.5}, {"TE": -0.01, "lncRNA": -3.0, "rare": 5.0}
    assert between_classes(planted, words, setting_for(), many).sign == 1
    assert between_classes(planted, words, setting_for(), {"TE": -0.2, "lncRNA": -0.5}).sign == -1
    assert between_classes(planted, words, setting_for(), few).sign == 1
    assert between_classes(planted, words, setting_for(), {"none": 1.0}).sign == 0


def test_a_class_of_five_elements_is_compared_and_one_of_four_is_not(scores, words):
    two = np.where(words == "lncRNA", "lncRNA", "TE")
    assert list(between_classes(scores, two, setting_for()).details["classes"]) == ["TE", "lncRNA"]
    with pytest.raises(NotTestable, match="fewer than two"):
        between_classes(scores, np.where(words == "rare", "rare", "TE"), setting_for())


def test_classes_of_equal_means_stand_in_the_order_of_their_names():
    words = np.tile([f"c{at:02d}" for at in range(20)], 9)
    tested = between_classes(np.zeros(N), words, setting_for())
    assert tested.details["order"] == sorted(set(words))
    assert tested.p == 1.0


# -- cCREs -----------------------------------------------------------------------------------------------------------


def test_every_number_of_a_discrimination(scores, side):
    setting = setting_for(alpha=0.1)
    tested = discrimination(scores, side, setting)
    ranks = rankdata(scores) / N
    weights = side - side.mean()
    drawn = studentised_draws(LOCI.center(ranks), weights, setting)
    size = (weights * side).sum()
    assert tested.effect == pytest.approx(roc_auc_score(side, scores))
    assert tested.statistic == drawn.observed
    assert tested.p == empirical_p(drawn.observed, drawn.draws)
    assert tested.sign == np.sign(drawn.observed)
    assert tested.neutral == 0.5
    np.testing.assert_array_equal(tested.draws, drawn.draws)
    assert tested.power == drawn.power((REFERENCE_AUC - 0.5) * size, 0.1)
    assert tested.contrast == pytest.approx(scores[side].mean() - scores[~side].mean())
    assert tested.details == {
        "n_positive": side.sum(),
        "n_negative": (~side).sum(),
        "auc_plain": pytest.approx(roc_auc_score(side, scores)),
        "comparable": pytest.approx(1.0),
    }
    aucs = [roc_auc_score(side[taken], scores[taken]) for taken in taken_in(setting)]
    np.testing.assert_allclose(tested.interval, np.percentile(aucs, [2.5, 97.5]))


def test_with_an_expectation_elements_weigh_by_how_far_they_are_from_it(scores, side):
    setting = setting_for()
    expected = np.random.default_rng(9).uniform(0.05, 0.6, N)
    other = np.arange(N, dtype=float)
    tested = discrimination(scores, side, setting, expected, contrast_of=other)
    ranks, weights = rankdata(scores) / N, LOCI.center(side - expected)
    size = (weights * side).sum()
    assert tested.effect == pytest.approx(0.5 + (weights * ranks).sum() / size)
    assert tested.contrast == pytest.approx((weights * other).sum() / size)
    assert tested.details["comparable"] == pytest.approx(size / (side.sum() * (1 - side.mean())))
    assert tested.details["auc_plain"] == pytest.approx(roc_auc_score(side, scores))
    drawn = [0.5 + (weights * ranks)[taken].sum() / (weights * side)[taken].sum() for taken in taken_in(setting)]
    np.testing.assert_allclose(tested.interval, np.percentile(drawn, [2.5, 97.5]))
    with pytest.raises(NotTestable, match="features tell"):
        discrimination(scores, side, setting, side.astype(float))


def test_scores_that_differ_by_rounding_alone_are_tied(scores, side):
    noisy = np.round(scores, 1) + 1e-15 * np.arange(N)
    one, two = (discrimination(values, side, setting_for()) for values in (np.round(scores, 1), noisy))
    assert one.effect == two.effect == pytest.approx(roc_auc_score(side, np.round(scores, 1)))
    assert one.interval == two.interval
    finer = discrimination(np.where(side, 2e-11, 0) + 0.0, side, setting_for())
    assert finer.effect == pytest.approx(1.0)
    assert plain_auc(rankdata(scores) / N, side) == pytest.approx(roc_auc_score(side, scores))


@pytest.mark.parametrize("sides", [(5, True), (4, False), (N - 5, True), (N - 4, False)])
def test_five_elements_on_either_side_can_be_told_apart(scores, sides):
    positive = np.random.default_rng(10).permutation(N) < sides[0]
    if sides[1]:
        assert discrimination(scores, positive, setting_for()).details["n_positive"] == sides[0]
    else:
        with pytest.raises(NotTestable, match="of each are needed"):
            discrimination(scores, positive, setting_for())


# -- features alone --------------------------------------------------------------------------------------------------


def naive_discriminant(member: np.ndarray, within: np.ndarray, folds: Folds) -> tuple[float, np.ndarray]:
    """Held-out values of a linear discriminant within loci, and their separation over their SD."""
    values = np.empty(N)
    for fold in np.unique(folds.codes):
        test = folds.codes == fold
        train = ~test if len(np.unique(folds.codes)) > 1 else test
        values[test] = within[test] @ np.linalg.lstsq(within[train], member[train], rcond=None)[0]
    gap = (values * member).sum() * (1 / member.sum() + 1 / (N - member.sum()))
    return gap / np.sqrt((values**2).sum() / N), values


@pytest.mark.parametrize("folds", [Folds(LOCI.codes * 2, "locus"), Folds(np.zeros(N, dtype=int), "none")])
def test_every_number_of_membership_by_features(scores, folds):
    setting = setting_for(alpha=0.1)
    features = np.random.default_rng(11).standard_normal((N, 3))
    planted = LOCI.standardise(scores + features[:, 0])[0]
    tested = membership_from_features(planted, features, folds, 0.1, setting)
    top, within = top_members(planted, 18), LOCI.center(features)
    separation, values = naive_discriminant(top.astype(float), within, folds)
    drawn = np.array(
        [naive_discriminant(setting.null.rotate(top.astype(float), at), within, folds)[0] for at in range(99)]
    )
    auc = roc_auc_score(top, values)
    assert tested.effect == tested.statistic == pytest.approx(auc)
    assert tested.details == {"separation": pytest.approx(separation), "n_top": 18}
    np.testing.assert_allclose(tested.draws, norm.cdf(drawn / np.sqrt(2)), rtol=1e-6)
    assert tested.p == pytest.approx((1 + (drawn >= separation).sum()) / 100)
    assert (tested.neutral, tested.sign) == (0.5, np.sign(auc - 0.5))
    reference = np.sqrt(2) * norm.ppf(ACCEPTABLE_AUC)
    assert tested.power == pytest.approx(power_of(reference, drawn.std(), 0.1), rel=1e-5)
    predicted = top_members(values, 18)
    assert tested.contrast == pytest.approx(planted[predicted].mean() - planted[~predicted].mean())
    aucs = [roc_auc_score(top[taken], values[taken]) for taken in taken_in(setting)]
    np.testing.assert_allclose(tested.interval, np.percentile(aucs, [2.5, 97.5]))


def test_membership_of_few_loci_has_the_interval_of_its_null():
    setting = setting_for(FEW)
    rng = np.random.default_rng(12)
    scores, features = FEW.center(rng.standard_normal(N)), rng.standard_normal((N, 2))
    tested = membership_from_features(scores, features, Folds(FEW.codes, "locus"), 0.1, setting)
    assert tested.interval == pytest.approx(normal_interval(tested.effect, tested.draws.std()))


def test_features_that_vary_between_loci_alone_tell_nothing(scores):
    tested = membership_from_features(scores, LOCI.codes[:, None] * 1.0, Folds(LOCI.codes, "locus"), 0.1, setting_for())
    assert (tested.effect, tested.p, tested.sign) == (0.5, 1.0, 0.0)
    assert tested.details["separation"] == 0.0


def test_membership_needs_five_elements_and_a_feature(scores):
    features, folds = np.random.default_rng(13).standard_normal((N, 2)), Folds(LOCI.codes, "locus")
    assert membership_from_features(scores, features, folds, 5 / N, setting_for()).details["n_top"] == 5
    for fraction, columns in ((4 / N, features), (0.0, features), (0.1, features[:, :0])):
        with pytest.raises(NotTestable, match="the top list has"):
            membership_from_features(scores, columns, folds, fraction, setting_for())


@pytest.mark.parametrize("folds", [Folds(LOCI.codes // 3, "locus"), Folds(np.zeros(N, dtype=int), "none")])
def test_the_logistic_auc_is_that_of_scikit_learn(scores, folds):
    features = np.random.default_rng(14).standard_normal((N, 2))
    planted = scores + features[:, 0]
    top, values = top_members(planted, 18), np.empty(N)
    for fold in np.unique(folds.codes):
        test = folds.codes == fold
        train = test if folds.unit == "none" else ~test
        values[test] = (
            LogisticRegression(max_iter=1000).fit(features[train], top[train]).decision_function(features[test])
        )
    assert logistic_auc(planted, features, folds, 0.1) == pytest.approx(roc_auc_score(top, values))
    assert np.isnan(logistic_auc(planted, features[:, :0], folds, 0.1))
    assert np.isnan(logistic_auc(planted, features, folds, 1.0))


def test_the_logistic_auc_is_missing_where_a_training_set_has_no_member():
    scores = np.where(LOCI.codes == 0, 10.0, 0.0) + np.arange(N) / N
    folds = Folds(LOCI.codes, "locus")
    assert np.isnan(logistic_auc(scores, np.arange(N)[:, None] * 1.0, folds, 20 / N))
    assert np.isfinite(logistic_auc(-scores, np.arange(N)[:, None] * 1.0, Folds(LOCI.codes // 5, "locus"), 0.5))


# -- conservation ----------------------------------------------------------------------------------------------------


def test_every_number_of_an_association(scores):
    setting = setting_for(alpha=0.1)
    other = 5 + 0.3 * scores + np.random.default_rng(15).standard_normal(N)
    tested = association(scores + LOCI.codes, other, setting)
    one, two = LOCI.center(scores), LOCI.center(other)
    assert tested.effect == pytest.approx(np.corrcoef(one, two)[0, 1])
    null = setting.null.draw(one, two / np.sqrt((one**2).sum() * (two**2).sum()))
    np.testing.assert_allclose(tested.draws, null.draws[:, 0], atol=1e-12)
    assert tested.p == empirical_p(null.observed[0], null.draws[:, 0], null.mean[0])
    assert tested.details == {"null_sd": pytest.approx(null.sd[0])}
    assert tested.power == pytest.approx(power_of(REFERENCE_CORRELATION, float(null.sd[0]), 0.1))
    drawn = [
        (one * two)[taken].sum() / np.sqrt((one[taken] ** 2).sum() * (two[taken] ** 2).sum())
        for taken in taken_in(setting)
    ]
    np.testing.assert_allclose(tested.interval, np.percentile(drawn, [2.5, 97.5]))
    with pytest.raises(NotTestable, match="does not vary"):
        association(scores, LOCI.codes * 3.0, setting)


def test_few_loci_give_an_association_the_interval_of_its_null():
    one, two = np.random.default_rng(16).standard_normal((2, N))
    tested = association(one, two, setting_for(FEW))
    assert tested.interval == pytest.approx(normal_interval(tested.effect, tested.details["null_sd"]))


def test_a_resample_in_which_nothing_varies_is_left_out_of_the_interval(scores):
    quiet = np.where(LOCI.codes == 0, 0.0, scores)
    resamples = np.array([[9] + [0] * 8, [1] * 9])
    setting = Setting(LOCI, setting_for().null, resamples, 0.05)
    tested = association(quiet, quiet + scores, setting)
    assert tested.interval == pytest.approx((tested.effect, tested.effect))


def test_rank_associations_are_of_ranks_that_rounding_does_not_break(scores):
    other = np.round(np.random.default_rng(17).standard_normal(N), 1)
    noise = 1e-15 * np.arange(N)
    tested = rank_association(np.round(scores, 1) + noise, other - noise, setting_for())
    plain = association(rankdata(np.round(scores, 1)), rankdata(other), setting_for())
    assert (tested.effect, tested.p, tested.interval) == (plain.effect, plain.p, plain.interval)
    finer = rank_association(scores * 1e-10, scores * 1e-10, setting_for())
    assert finer.effect == pytest.approx(1.0)


# -- genes -----------------------------------------------------------------------------------------------------------


def small_network(seed: int = 18, genes: int = 40, links: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    pairs = np.array([(a, b) for a in range(genes) for b in range(a + 1, genes)])
    return rng.standard_normal(genes), pairs[np.sort(rng.choice(len(pairs), links, replace=False))]


def test_every_number_of_a_network():
    values, edges = small_network()
    top = values > np.quantile(values, 0.6)
    rng = np.random.default_rng(19)
    draws, among = 0.1 + 0.1 * rng.standard_normal(99), rng.integers(2, 12, 99).astype(float)
    resamples = resample_loci(40, 50, rng)
    tested = linked_genes(values, edges, draws, among, top, resamples, 0.05)
    ends = np.vstack([edges, edges[:, ::-1]])
    observed = np.corrcoef(values[ends[:, 0]], values[ends[:, 1]])[0, 1]
    links = sum(top[a] and top[b] for a, b in edges)
    assert 0 < links < len(edges)
    assert tested.statistic == pytest.approx(observed)
    assert tested.effect == tested.contrast == pytest.approx(observed - draws.mean())
    assert (tested.neutral, tested.sign) == (0.0, np.sign(observed - draws.mean()))
    assert tested.p == empirical_p(tested.statistic, draws, draws.mean())
    assert tested.power == pytest.approx(power_of(REFERENCE_ASSORTATIVITY, draws.std(), 0.05))
    assert tested.details == {
        "assortativity": pytest.approx(observed),
        "expected_by_degree": pytest.approx(draws.mean()),
        "n_links": 60,
        "links_among_top": links,
        "links_among_top_expected": pytest.approx(among.mean()),
        "links_among_top_p": pytest.approx((1 + (among >= links).sum()) / 100),
    }
    drawn = []
    for counts in resamples:
        repeated = np.repeat(ends, np.tile(counts[edges[:, 0]] * counts[edges[:, 1]], 2), axis=0)
        drawn.append(np.corrcoef(values[repeated[:, 0]], values[repeated[:, 1]])[0, 1] - draws.mean())
    np.testing.assert_allclose(tested.interval, np.percentile(drawn, [2.5, 97.5]))


@pytest.mark.parametrize(("draws", "attainable"), [(39, True), (38, False)])
def test_a_two_sided_p_takes_two_draws_that_are_as_extreme(draws, attainable):
    values, edges = small_network()
    drawn = 0.01 * np.random.default_rng(20).standard_normal(draws)
    tested = linked_genes(values, edges, drawn, drawn, values > 0, resample_loci(40, 9, np.random.default_rng(0)), 0.05)
    assert (tested.power > 0) == attainable


def test_links_that_do_not_vary_have_no_correlation_and_no_warning():
    edges = np.array([(0, 1), (2, 3)])
    values = np.column_stack([[1.0, 1, 1, 1], [1.0, 1 + 1e-9, 1, 1], [0.0, 1, 0, 1]])
    found = assortativity(values, edges)
    assert np.isnan(found[0]).tolist() == [True, True, False]
    assert found[0, 2] == pytest.approx(-1.0)
    with np.errstate(all="raise"):
        assert np.isnan(assortativity(values, edges, np.zeros((1, 2)))).all()


def test_drawn_networks_have_their_own_correlations_and_links_among_the_top():
    values, edges = small_network()
    columns = np.column_stack([values, values**2])
    top = columns > np.quantile(columns, 0.7, axis=0)
    networks = [edges, small_network(21)[1]]
    alike, among = network_draws(columns, networks, top)
    assert alike.shape == among.shape == (2, 2)
    for at, network in enumerate(networks):
        np.testing.assert_allclose(alike[at], assortativity(columns, network)[0])
        for side in (0, 1):
            assert among[at, side] == sum(top[a, side] and top[b, side] for a, b in network)


@pytest.mark.parametrize("at", [(1, 4), (4, 1)])
@pytest.mark.parametrize("spread", [0.05, 5.0])
def test_every_number_of_a_pair_of_genes(at, spread):
    rng = np.random.default_rng(22)
    means, draws = rng.standard_normal(8), 0.2 + spread * rng.standard_normal((99, 8))
    tested = gene_pair(at, means, draws, 0.05)
    observed = (means[1] + means[4]) / 2
    permuted = (draws[:, 1] + draws[:, 4]) / 2
    pairs = np.array([(means[a] + means[b]) / 2 for a in range(8) for b in range(a + 1, 8) if (a, b) != (1, 4)])
    by_map, by_pairs = empirical_p(observed, permuted, permuted.mean()), empirical_p(observed, pairs, pairs.mean())
    assert tested.details == {"p_map": by_map, "p_pairs": by_pairs, "n_other_pairs": 27}
    assert tested.p == max(by_map, by_pairs)
    assert tested.statistic == pytest.approx(observed)
    assert tested.effect == tested.contrast == pytest.approx(observed - permuted.mean())
    assert (tested.neutral, tested.sign) == (0.0, np.sign(tested.effect))
    sd = max(permuted.std(), pairs.std())
    assert tested.interval == pytest.approx(normal_interval(tested.effect, sd))
    assert tested.power == pytest.approx(power_of(REFERENCE_EFFECT, sd, 0.05))
    np.testing.assert_allclose(tested.draws, permuted if by_map >= by_pairs else pairs)


def test_a_pair_is_held_against_one_other_pair_at_least():
    rng = np.random.default_rng(23)
    with pytest.raises(NotTestable, match="no other pairs"):
        gene_pair((0, 1), rng.standard_normal(2), rng.standard_normal((9, 2)), 0.05)
    three = gene_pair((0, 1), rng.standard_normal(3), rng.standard_normal((9, 3)), 1 / 3)
    assert three.details["n_other_pairs"] == 2
    # Two others: p of a third is the least, and it may be alpha itself.
    assert three.power > 0
    assert gene_pair((0, 1), rng.standard_normal(3), rng.standard_normal((9, 3)), 1 / 3 - 1e-9).power == 0.0


def test_a_gene_without_elements_has_the_mean_nothing():
    found = locus_means(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, 2]), 4)
    assert found.tolist() == [[2.0], [0.0], [5.0], [0.0]]
