"""Features, what they explain of a score, and what is left: against numpy, scikit-learn and statsmodels."""

from statistics import NormalDist

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.interpolate import BSpline
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from darkregulome.stats.features import expand, standardise_features
from darkregulome.stats.loci import Loci
from darkregulome.stats.residual import (
    SHARES,
    Folds,
    commonality,
    cross_fit,
    cross_products,
    make_folds,
    normal_scores,
    normal_scores_by_locus,
    propensity,
    r_squared,
    residualize,
    slopes,
)

LOCI = Loci.of(np.repeat(np.arange(8), 25))
FOLDS = Folds(LOCI.codes // 2, "chromosome")
ALONE = Folds(np.zeros(200, dtype=int), "none")


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((200, 3)) + 0.5 * LOCI.codes[:, None]
    scores = 3 + features @ [1.0, -0.5, 0.2] + np.abs(features[:, 0]) + rng.standard_normal(200) + LOCI.codes
    return scores, features


# -- features --------------------------------------------------------------------------------------------------------


def test_features_are_standardised_in_their_order_and_every_gap_is_counted():
    wide = np.array([1.0, 5.0, 9.0, 13.0, 2.0])
    gaps = np.array([1.0, np.nan, np.inf, 4.0, 10.0])
    found = standardise_features({"one": wide, "two": gaps, "three": wide.astype(int)[::-1]})
    assert found.names == ("one", "two", "three")
    filled = np.array([1.0, 4.0, 4.0, 4.0, 10.0])
    for column, values in zip(found.values.T, (wide, filled, wide[::-1]), strict=True):
        np.testing.assert_allclose(column, (values - values.mean()) / values.std())
    assert (found.imputed, found.dropped) == ({"two": 2}, {})


@pytest.mark.parametrize(
    ("level", "size", "varies"),
    [(0.0, 1e-6, True), (0.0, 5e-12, True), (0.0, 5e-13, False), (1e6, 5e-6, True), (1e6, 2e-7, False)],
)
def test_a_feature_below_its_own_precision_is_constant(level, size, varies):
    values = level + size * np.tile([-1.0, 1.0], 8)
    found = standardise_features({"a": values, "b": np.arange(16.0)})
    assert found.names == (("a", "b") if varies else ("b",))
    assert found.dropped == ({} if varies else {"a": "constant"})


def test_without_any_feature_there_are_as_many_rows_as_elements():
    assert standardise_features({"a": np.ones(7), "b": None}).values.shape == (7, 0)
    assert standardise_features({"a": None}).values.shape == (0, 0)
    assert standardise_features({"a": None}).dropped == {"a": "no values"}


def test_bases_are_the_features_their_squares_and_their_splines(data):
    _, features = data
    assert expand(features, "linear") is features
    np.testing.assert_allclose(expand(features, "quadratic"), np.hstack([features, features * features - 1]))
    np.testing.assert_array_equal(expand(features, "splines"), expand(features, "boosting"))
    assert expand(features[:, :0], "splines").shape == (200, 0)
    with pytest.raises(ValueError, match="basis"):
        expand(features, "cubic")


def test_splines_are_cubic_with_knots_at_the_quartiles(data):
    """Knots at the quartiles and three more on either side, at the spacing of the outer two; the last is left out."""
    column = data[1][:, 0]
    knots = np.quantile(column, [0, 0.25, 0.5, 0.75, 1])
    low, high = knots[1] - knots[0], knots[4] - knots[3]
    padded = np.r_[knots[0] - low * np.arange(3, 0, -1), knots, knots[-1] + high * np.arange(1, 4)]
    basis = BSpline.design_matrix(column, padded, 3).toarray()
    np.testing.assert_allclose(expand(column[:, None], "splines"), basis[:, :-1], atol=1e-9)


@pytest.mark.parametrize(("values", "bent"), [(2, False), (3, False), (4, True)])
def test_a_feature_of_fewer_than_four_quantiles_stays_as_it_is(values, bent):
    column = np.repeat(np.arange(values, dtype=float), 12 // values)
    columns = expand(column[:, None], "splines")
    if bent:
        assert columns.shape[1] > 1
    else:
        np.testing.assert_array_equal(columns, column[:, None])


# -- folds and fits --------------------------------------------------------------------------------------------------


def test_five_chromosomes_are_held_out_as_chromosomes_and_four_are_not():
    names = np.array(["chrB", "chrA", "chrC", "chrD", "chrE", "chrA", "chrB", "chrC"])[LOCI.codes]
    by_chromosome = make_folds(names, LOCI)
    assert by_chromosome.unit == "chromosome"
    assert by_chromosome.codes.tolist() == np.unique(names, return_inverse=True)[1].tolist()
    four = np.where(names == "chrE", "chrD", names)
    assert (make_folds(four, LOCI).unit, make_folds(four, LOCI).codes.tolist()) == ("locus", LOCI.codes.tolist())
    assert make_folds(four, LOCI, minimum=4).unit == "chromosome"
    alone = make_folds(np.zeros(4), Loci.of(np.zeros(4)))
    assert (alone.unit, alone.codes.tolist()) == ("none", [0, 0, 0, 0])
    assert make_folds(np.zeros(4), Loci.of(np.array([0, 0, 1, 1]))).unit == "locus"


def naive_prediction(scores: np.ndarray, features: np.ndarray, folds: Folds) -> np.ndarray:
    """Slopes of values centred by locus in the training folds; the constant from their means."""
    design, within = LOCI.center(features), LOCI.center(scores)
    predicted = np.empty(len(scores))
    for fold in np.unique(folds.codes):
        test = folds.codes == fold
        train = ~test if folds.unit != "none" else test
        beta = np.linalg.lstsq(design[train], within[train], rcond=None)[0]
        predicted[test] = scores[train].mean() + (features[test] - features[train].mean(axis=0)) @ beta
    return predicted


@pytest.mark.parametrize("folds", [FOLDS, ALONE])
def test_every_number_of_a_cross_fit_is_that_of_a_loop(data, folds):
    scores, features = data
    fit = cross_fit(scores, features, LOCI, folds)
    predicted = naive_prediction(scores, features, folds)
    residual = scores - predicted
    np.testing.assert_allclose(fit.residual, residual)
    spread = np.abs(LOCI.center(residual))
    np.testing.assert_allclose(fit.scale, np.maximum(naive_prediction(spread, features, folds), 0.1 * spread.mean()))
    within, centred = LOCI.center(scores), scores - scores.mean()
    held_out = ((within - LOCI.center(predicted)) ** 2).sum()
    assert fit.r2 == pytest.approx(1 - held_out / (within**2).sum())
    assert fit.r2_total == pytest.approx(1 - (residual**2).sum() / (centred**2).sum())
    reference = sm.OLS(within, LOCI.center(features)).fit()
    assert fit.r2_in_sample == pytest.approx(reference.rsquared)
    np.testing.assert_allclose(fit.coefficients, reference.params / within.std())
    assert fit.unit == folds.unit


def test_a_fitted_scale_is_never_below_a_tenth_of_the_mean_residual():
    """Residuals that shrink to nothing along a feature: their line would go below zero at its end."""
    rng = np.random.default_rng(1)
    feature = rng.uniform(0, 1, 200) ** 3
    scores = rng.standard_normal(200) * np.where(feature < 0.1, 1.0, 0.001)
    fit = cross_fit(scores, feature[:, None], LOCI, FOLDS)
    spread = np.abs(LOCI.center(fit.residual))
    assert fit.scale.min() == pytest.approx(0.1 * spread.mean())


def test_scores_that_are_nothing_leave_nothing_and_divide_by_nothing(data):
    fit = cross_fit(np.zeros(200), data[1], LOCI, FOLDS)
    assert not fit.residual.any()
    assert (fit.scale > 0).all()
    assert (fit.r2, fit.r2_in_sample, fit.r2_total) == (0.0, 0.0, 0.0)
    assert fit.coefficients.tolist() == [0.0, 0.0, 0.0]


def test_cross_products_by_fold_add_up_to_those_of_all(data):
    scores, features = data
    grams, moments = cross_products(features, scores, LOCI, FOLDS)
    design, within = LOCI.center(features), LOCI.center(scores)
    for fold in range(4):
        rows = FOLDS.codes == fold
        np.testing.assert_allclose(grams[fold], design[rows].T @ design[rows])
        np.testing.assert_allclose(moments[fold], design[rows].T @ within[rows])
    assert (grams.shape, moments.shape) == ((4, 3, 3), (4, 3))


def test_slopes_of_collinear_features_are_the_shortest():
    design = np.random.default_rng(2).standard_normal((30, 2))
    target = design @ [1.0, 2.0]
    doubled = np.hstack([design, design])
    np.testing.assert_allclose(slopes(doubled.T @ doubled, doubled.T @ target), [0.5, 1.0, 0.5, 1.0])
    # A small feature is still a feature: its square is a hundred millionth of the other's.
    small = design * [1.0, 1e-4]
    np.testing.assert_allclose(slopes(small.T @ small, small.T @ target), [1.0, 2e4])
    assert slopes(np.zeros((0, 0)), np.zeros(0)).shape == (0,)


def test_the_share_explained_is_one_less_what_is_left():
    scores = np.array([-1.0, 0.0, 1.0])
    assert r_squared(scores, scores) == 1.0
    assert r_squared(scores, np.array([-1.0, 0.0, 0.0])) == pytest.approx(0.5)
    assert r_squared(scores, -scores) == -3.0
    assert r_squared(np.zeros(3), scores) == 0.0


@pytest.mark.parametrize("how", ["quadratic", "splines"])
def test_other_bases_are_fits_of_their_columns_with_the_coefficients_of_the_line(data, how):
    scores, features = data
    fit, columns = (
        residualize(scores, features, LOCI, FOLDS, how),
        cross_fit(scores, expand(features, how), LOCI, FOLDS),
    )
    line = cross_fit(scores, features, LOCI, FOLDS)
    np.testing.assert_array_equal(fit.residual, columns.residual)
    np.testing.assert_array_equal(fit.coefficients, line.coefficients)
    assert (fit.r2, fit.r2_in_sample) == (columns.r2, columns.r2_in_sample)
    np.testing.assert_array_equal(residualize(scores, features, LOCI, FOLDS).residual, line.residual)
    none = residualize(scores, features[:, :0], LOCI, FOLDS, how)
    np.testing.assert_array_equal(none.residual, cross_fit(scores, features[:, :0], LOCI, FOLDS).residual)


@pytest.fixture
def one_thread():
    """Threads that wait for each other on a busy machine take far longer than one."""
    with threadpool_limits(1):
        yield


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("folds", [Folds(LOCI.codes, "locus"), ALONE])
def test_boosting_is_that_of_scikit_learn_in_five_folds(data, folds):
    scores, features = data
    fit = residualize(scores, features, LOCI, folds, "boosting")
    within, merged = LOCI.center(scores), folds.codes % 5

    def boosted(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        model = HistGradientBoostingRegressor(max_iter=100, early_stopping=False, random_state=0)
        return model.fit(features[train], within[train]).predict(features[test])

    predicted = np.empty(200)
    for fold in np.unique(merged):
        test = merged == fold
        predicted[test] = boosted(test if folds.unit == "none" else ~test, test)
    everything = np.ones(200, dtype=bool)
    in_sample = boosted(everything, everything)
    residual = scores - predicted
    np.testing.assert_allclose(fit.residual, residual)
    spread = np.abs(LOCI.center(residual))
    np.testing.assert_allclose(fit.scale, np.maximum(naive_prediction(spread, features, folds), 0.1 * spread.mean()))
    total = (within**2).sum()
    assert fit.r2 == pytest.approx(1 - ((within - LOCI.center(predicted)) ** 2).sum() / total)
    assert fit.r2_in_sample == pytest.approx(1 - ((within - LOCI.center(in_sample)) ** 2).sum() / total)
    centred = scores - scores.mean()
    assert fit.r2_total == pytest.approx(1 - ((centred - predicted) ** 2).sum() / (centred**2).sum())
    assert fit.unit == folds.unit
    line = cross_fit(scores, features, LOCI, folds)
    np.testing.assert_array_equal(fit.coefficients, line.coefficients)


@pytest.mark.usefixtures("one_thread")
def test_boosted_scores_that_are_nothing_leave_nothing(data):
    fit = residualize(np.zeros(200), data[1], LOCI, FOLDS, "boosting")
    assert not fit.residual.any()
    assert (fit.scale > 0).all()


def test_normal_scores_are_bloms():
    values = np.array([3.0, -1.0, 8.0, 3.0])
    expected = [NormalDist().inv_cdf((rank - 3 / 8) / (4 + 1 / 4)) for rank in (2.5, 1, 4, 2.5)]
    np.testing.assert_allclose(normal_scores(values), expected)
    loci = Loci.of(np.array([0, 0, 0, 0, 1, 1]))
    both = normal_scores_by_locus(np.r_[values, 9.0, 7.0], loci)
    np.testing.assert_allclose(both, np.r_[normal_scores(values), normal_scores(np.array([2.0, 1.0]))])


@pytest.mark.parametrize("folds", [Folds(LOCI.codes, "locus"), ALONE])
def test_the_propensity_is_a_logistic_regression_on_features_and_their_squares(data, folds):
    _, features = data
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    member = np.random.default_rng(3).random(200) < 1 / (1 + np.exp(-(features[:, 0] ** 2) + 1))
    columns, merged = np.hstack([features, features**2]), folds.codes % 5
    chance = np.empty(200)
    for fold in np.unique(merged):
        test = merged == fold
        train = test if folds.unit == "none" else ~test
        # A weak penalty, that the constant of the squares does not touch.
        model = LogisticRegression(C=100.0, solver="newton-cholesky", max_iter=1000).fit(columns[train], member[train])
        chance[test] = model.predict_proba(columns[test])[:, 1]
    np.testing.assert_allclose(propensity(member, features, folds), chance, atol=1e-4)


def test_where_nothing_can_be_fitted_the_propensity_is_the_share_of_members(data):
    _, features = data
    member = LOCI.codes == 0  # of fold 0 alone: its training set has none
    folds = Folds(LOCI.codes, "locus")
    found = propensity(member, features, folds)
    first = LOCI.codes % 5 == 0
    assert (found[first] == 0.0).all()
    assert (found[~first] > 0).any()
    others = propensity(~member, features, folds)
    assert (others[first] == 1.0).all()
    without = propensity(member, features[:, :0], folds)
    for fold in range(5):
        assert without[LOCI.codes % 5 == fold] == pytest.approx(member[LOCI.codes % 5 != fold].mean())
    # One member in the training set is enough for a fit, which follows the features.
    one = np.arange(200) == 30
    assert propensity(one, features, folds)[first].std() > 0
    # One fold that is called a chromosome leaves nothing to train on.
    whole = propensity(LOCI.codes < 2, features, Folds(np.zeros(200, dtype=int), "chromosome"))
    assert whole == pytest.approx(0.25)


# -- commonality -----------------------------------------------------------------------------------------------------


def naive_shares(scores: np.ndarray, features: np.ndarray, annotation: np.ndarray, rows: np.ndarray) -> list[float]:
    within = LOCI.center(scores)[rows]

    def r2(*blocks: np.ndarray) -> float:
        design = LOCI.center(np.hstack(blocks))[rows]
        fitted = design @ np.linalg.lstsq(design, within, rcond=None)[0]
        return float((fitted @ within) / (within @ within))

    one, two, both = r2(features), r2(annotation), r2(features, annotation)
    return [both - two, both - one, one + two - both, 1 - both]


def test_shares_and_their_intervals_are_those_of_nested_regressions_in_every_resample(data):
    scores, features = data
    annotation = np.column_stack([features[:, 0] + np.random.default_rng(4).standard_normal(200), np.arange(200) % 3])
    resamples = np.random.default_rng(5).multinomial(8, np.full(8, 1 / 8), size=50)
    found = commonality(scores, features, annotation, LOCI, resamples)
    everything = np.arange(200)
    assert SHARES == ("predictability", "annotation", "shared", "unexplained")
    assert list(found.shares.values()) == pytest.approx(naive_shares(scores, features, annotation, everything))
    drawn = [
        naive_shares(scores, features, annotation, np.repeat(everything, counts[LOCI.codes])) for counts in resamples
    ]
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    for at, name in enumerate(SHARES):
        assert found.intervals[name] == pytest.approx((low[at], high[at]))
    assert list(found.shares) == list(found.intervals) == list(SHARES)


def test_without_resamples_there_are_shares_and_no_intervals(data):
    scores, features = data
    found = commonality(scores, features, features[:, :0], LOCI, None)
    assert found.intervals == {}
    assert found.shares["annotation"] == pytest.approx(0.0)
    assert found.shares["shared"] == pytest.approx(0.0)
    nothing = commonality(np.zeros(200), features, features[:, :1], LOCI, None)
    assert list(nothing.shares.values()) == [0.0, 0.0, 0.0, 1.0]


def test_what_is_explained_twice_is_shared_and_collinear_columns_are_no_fault(data):
    scores, features = data
    found = commonality(scores, features, np.hstack([features, features]), LOCI, np.full((2, 8), 1))
    explained = cross_fit(scores, features, LOCI, FOLDS).r2_in_sample
    assert found.shares["shared"] == pytest.approx(explained, abs=1e-6)
    assert found.shares["predictability"] == pytest.approx(0.0, abs=1e-6)
    # A column that is absent from every drawn locus.
    absent = (LOCI.codes == 7).astype(float)[:, None] * np.random.default_rng(6).standard_normal((200, 1))
    resample = np.array([[2, 1, 1, 1, 1, 1, 1, 0]])
    drawn = commonality(scores, features, absent, LOCI, resample)
    assert drawn.intervals["annotation"] == pytest.approx((0.0, 0.0), abs=1e-6)
    # Everything explained: the share is one and no more, whatever the rounding.
    all_of_it = commonality(features[:, 0], features, features, LOCI, None)
    assert all_of_it.shares["unexplained"] == pytest.approx(0.0, abs=1e-6)
    assert all_of_it.shares["unexplained"] >= 0.0
