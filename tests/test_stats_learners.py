"""The three learners: what each takes out, that no element is seen by its own fit, and textbook models."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from darkregulome.stats.features import expand
from darkregulome.stats.learners import LEARNERS, residuals, top_auc
from darkregulome.stats.loci import Loci
from darkregulome.stats.residual import Folds, make_folds
from small_regression import LOCI, scores_and_features

FOLDS = Folds(LOCI.codes // 2, "chromosome")
ALONE = Folds(np.zeros(200, dtype=int), "none")


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    return scores_and_features()


def least_squares(within: np.ndarray, design: np.ndarray, folds: Folds) -> np.ndarray:
    """What slopes of the training folds predict of values centred by locus; a penalty of one per column."""
    predicted = np.empty(len(within))
    for fold in np.unique(folds.codes):
        test = folds.codes == fold
        train = ~test if folds.unit != "none" else test
        gram = design[train].T @ design[train] + np.eye(design.shape[1])
        predicted[test] = design[test] @ np.linalg.solve(gram, design[train].T @ within[train])
    return predicted


@pytest.mark.parametrize("folds", [FOLDS, ALONE])
def test_the_linear_residual_is_that_of_a_loop_over_folds(data, folds):
    scores, features = data
    within = LOCI.center(scores)
    expected = LOCI.center(within - least_squares(within, LOCI.center(features), folds))
    np.testing.assert_allclose(residuals(scores, features, LOCI, folds, "linear")[:, 0], expected)


def test_in_sample_it_is_least_squares_with_locus_effects(data):
    scores, features = data
    dummies = (LOCI.codes[:, None] == np.arange(8)).astype(float)
    reference = sm.OLS(scores, np.hstack([features, dummies])).fit()
    found = residuals(scores, features, LOCI, ALONE, "linear")[:, 0]
    # The penalty is that of one element in two hundred.
    assert np.abs(found - reference.resid).max() < 0.05 * reference.resid.std()


@pytest.mark.parametrize("learner", ["linear", "splines", "boosting"])
def test_levels_of_loci_do_not_bend_the_slopes(data, learner):
    scores, features = data
    one, two = (residuals(y, features, LOCI, FOLDS, learner) for y in (scores, scores + 100.0 * LOCI.codes))
    np.testing.assert_allclose(one, two, atol=1e-8)


def test_collinear_features_are_no_fault(data):
    scores, features = data
    one, two = (residuals(scores, x, LOCI, FOLDS, "linear") for x in (features, np.hstack([features, features])))
    np.testing.assert_allclose(one, two, atol=0.02)


def test_chances_are_those_of_a_logistic_regression(data):
    _, features = data
    member = np.random.default_rng(3).random(200) < 1 / (1 + np.exp(1 - features[:, 0]))
    columns, chance = LOCI.center(features), np.empty(200)
    for fold in range(4):
        test = FOLDS.codes == fold
        model = LogisticRegression(C=1.0, max_iter=1000).fit(columns[~test], member[~test])
        chance[test] = model.predict_proba(columns[test])[:, 1]
    found = residuals(member.astype(float), features, LOCI, FOLDS, "linear", chances=True)[:, 0]
    np.testing.assert_allclose(found, LOCI.center(member - chance), atol=1e-6)


def test_where_a_training_set_has_no_member_the_chance_is_none(data):
    _, features = data
    member = (FOLDS.codes == 0).astype(float)
    found = residuals(member, features, LOCI, FOLDS, "linear", levels=True, chances=True)[:, 0]
    np.testing.assert_array_equal(found[FOLDS.codes == 0], 1.0)


def test_features_tell_the_top_tenth_that_they_make_and_not_that_of_noise():
    rng = np.random.default_rng(4)
    features = rng.standard_normal((2000, 3))
    folds = Folds(np.arange(2000) % 5, "locus")
    assert top_auc(features[:, 0] + 0.01 * rng.standard_normal(2000), features, folds) > 0.99
    # What is held out is told a little worse than by chance, since the others lean the other way.
    assert 0.4 < top_auc(rng.standard_normal(2000), features, folds) < 0.55
    assert np.isnan(top_auc(rng.standard_normal(2000), features[:, :0], folds))
    # All of the top in one fold: the others learn nothing of it.
    assert np.isnan(top_auc((np.arange(2000) % 5 == 0) + 0.01 * features[:, 0], features, folds, share=0.2))


@pytest.fixture
def loci() -> Loci:
    return Loci.of(np.repeat(np.arange(12), 25))


@pytest.fixture
def features(loci) -> np.ndarray:
    return np.random.default_rng(6).standard_normal((loci.n, 3))


@pytest.mark.parametrize("learner", LEARNERS)
def test_no_element_is_seen_by_its_own_fit_and_two_targets_are_fitted_as_one(loci, features, learner):
    folds = Folds(loci.codes, "locus")
    targets = np.random.default_rng(7).standard_normal((loci.n, 2))
    both = residuals(targets, features, loci, folds, learner)
    alone = residuals(targets[:, 1], features, loci, folds, learner)
    assert np.allclose(both[:, [1]], alone)
    changed = targets.copy()
    held = loci.codes == 2
    changed[held] += loci.center(np.random.default_rng(8).standard_normal((loci.n, 2)))[held]
    moved = residuals(changed, features, loci, folds, learner)
    # Only the loci of other folds see the change of locus 2; its own prediction does not.
    gap = loci.center(changed - targets) - (moved - both)
    assert np.allclose(gap[held], 0)


@pytest.mark.parametrize(
    ("learner", "bend", "left"),
    [
        ("linear", "curve", True),
        ("splines", "curve", False),
        ("splines", "product", True),
        ("boosting", "product", False),
    ],
)
def test_each_learner_takes_out_what_it_can(learner, bend, left):
    loci = Loci.of(np.repeat(np.arange(20), 100))
    x = np.random.default_rng(9).standard_normal((loci.n, 2))
    truth = x[:, 0] ** 2 if bend == "curve" else x[:, 0] * x[:, 1]
    rest = residuals(truth, x, loci, make_folds(np.array([f"chr{c % 7}" for c in loci.codes]), loci), learner)[:, 0]
    share = (rest**2).sum() / (loci.center(truth) ** 2).sum()
    assert share > 0.9 if left else share < 0.3


def test_levels_of_loci_are_kept_where_they_are_asked_for(loci, features):
    folds = Folds(loci.codes, "locus")
    targets = np.random.default_rng(10).standard_normal(loci.n) + 5.0 * loci.codes
    with_levels = residuals(targets, features, loci, folds, "linear", levels=True)[:, 0]
    without = residuals(targets, features, loci, folds, "linear")[:, 0]
    assert np.allclose(loci.center(with_levels), without)
    assert with_levels[loci.codes == 11].mean() - with_levels[loci.codes == 0].mean() > 40
    nothing = np.zeros((loci.n, 0))
    assert np.allclose(residuals(targets, nothing, loci, folds, "linear", levels=True)[:, 0], targets)
    assert np.allclose(residuals(targets, nothing, loci, folds, "boosting")[:, 0], loci.center(targets))


def test_boosting_is_that_of_scikit_learn_on_what_the_splines_leave_in_its_training_set(data):
    scores, features = data
    within, columns = LOCI.center(scores), LOCI.center(expand(features, "splines"))
    predicted = np.empty(200)
    with threadpool_limits(1):
        for fold in range(4):
            test = FOLDS.codes == fold
            smooth = Ridge(alpha=1.0, fit_intercept=False).fit(columns[~test], within[~test])
            boosted = HistGradientBoostingRegressor(
                max_iter=40, learning_rate=0.15, max_leaf_nodes=8, early_stopping=False, random_state=0
            ).fit(features[~test], within[~test] - smooth.predict(columns[~test]))
            predicted[test] = smooth.predict(columns[test]) + boosted.predict(features[test])
        own = residuals(scores, features, LOCI, FOLDS, "boosting")[:, 0]
    np.testing.assert_allclose(own, LOCI.center(within - predicted), atol=1e-9)


@pytest.mark.parametrize("learner", ["linear", "splines"])
def test_residuals_are_linear_in_the_target_and_know_no_order_of_features(data, learner):
    scores, features = data
    other = np.random.default_rng(5).standard_normal(200)
    one, two, both = (residuals(y, features, LOCI, FOLDS, learner) for y in (scores, other, 3 * scores - 2 * other))
    np.testing.assert_allclose(both, 3 * one - 2 * two, atol=1e-9)
    np.testing.assert_allclose(residuals(scores, features[:, ::-1], LOCI, FOLDS, learner), one, atol=1e-9)


@pytest.mark.parametrize("learner", LEARNERS)
def test_at_most_five_fits_are_made_and_folds_that_share_one_are_held_out_together(data, learner):
    """Folds 1 and 6 are held out by the same fit, so a change in one moves the residuals of neither."""
    scores, features = data
    folds = Folds(LOCI.codes, "locus")
    changed = scores + np.where(LOCI.codes == 6, np.random.default_rng(6).standard_normal(200), 0.0)
    before, after = (residuals(y, features, LOCI, folds, learner)[:, 0] for y in (scores, changed))
    np.testing.assert_array_equal(before[LOCI.codes == 1], after[LOCI.codes == 1])
    assert (before[LOCI.codes == 0] != after[LOCI.codes == 0]).any()


def test_the_auc_of_the_top_scores_asks_for_their_order_alone():
    rng = np.random.default_rng(7)
    features = rng.standard_normal((500, 2))
    scores = features[:, 0] + rng.standard_normal(500)
    folds = Folds(np.arange(500) % 5, "locus")
    auc = top_auc(scores, features, folds)
    assert 0.6 < auc < 0.99
    assert top_auc(np.exp(3 * scores), features, folds) == auc
    # One fold is fitted in-sample; a share of nothing is still one element.
    assert top_auc(scores, features, Folds(np.zeros(500, dtype=int), "none")) > 0.6
    alone = np.zeros((500, 1))
    alone[scores.argmax()] = 1.0
    assert top_auc(scores, alone, Folds(np.zeros(500, dtype=int), "none"), share=0.0) == 1.0


@pytest.mark.parametrize("learner", LEARNERS)
def test_features_of_noise_explain_nothing_of_what_is_held_out_but_something_of_their_own_training_set(learner):
    loci = Loci.of(np.repeat(np.arange(10), 80))
    rng = np.random.default_rng(8)
    noise, features = loci.center(rng.standard_normal(800)), rng.standard_normal((800, 2))
    held_out, in_sample = (
        (residuals(noise, features, loci, folds, learner) ** 2).sum() / (noise**2).sum()
        for folds in (Folds(loci.codes, "locus"), Folds(np.zeros(800, dtype=int), "none"))
    )
    assert in_sample < 1 < held_out + 0.02
