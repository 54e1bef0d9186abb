"""Residuals against statsmodels, and the laws of cross-fitting and of commonality."""

import numpy as np
import pytest
import statsmodels.api as sm

from darkregulome.stats.bootstrap import resample_loci
from darkregulome.stats.features import expand, standardise_features
from darkregulome.stats.loci import Loci
from darkregulome.stats.residual import Folds, commonality, cross_fit, make_folds, propensity, residualize


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    loci = Loci.of(np.repeat(np.arange(6), 50))
    features = rng.normal(size=(300, 4))
    scores = features @ [1.0, -0.5, 0.0, 0.2] + rng.normal(size=300) + np.repeat(rng.normal(0, 3, 6), 50)
    return scores, features, loci


def test_in_sample_fit_is_least_squares_with_locus_effects(data):
    scores, features, loci = data
    dummies = (loci.codes[:, None] == np.arange(6)).astype(float)
    reference = sm.OLS(scores, np.hstack([features, dummies])).fit()
    fit = cross_fit(scores, features, loci, make_folds(loci.codes, loci))
    sd = loci.center(scores).std()
    np.testing.assert_allclose(fit.coefficients * sd, reference.params[:4])
    within = loci.center(scores)
    assert fit.r2_in_sample == pytest.approx(1 - reference.ssr / (within @ within))


def test_one_group_alone_is_fitted_in_sample(data):
    scores, features, _ = data
    loci = Loci.of(np.zeros(300))
    fit = cross_fit(scores, features, loci, make_folds(np.zeros(300), loci))
    assert fit.unit == "none"
    np.testing.assert_allclose(fit.residual, sm.OLS(scores, sm.add_constant(features)).fit().resid, atol=1e-10)


def test_no_element_is_predicted_from_its_own_fold(data):
    scores, features, loci = data
    folds = make_folds(loci.codes, loci)
    changed = scores.copy()
    changed[loci.codes == 2] += np.random.default_rng(1).normal(size=50)
    before, after = (y - cross_fit(y, features, loci, folds).residual for y in (scores, changed))
    np.testing.assert_allclose(before[loci.codes == 2], after[loci.codes == 2])
    assert not np.allclose(before[loci.codes != 2], after[loci.codes != 2])


def test_locus_effects_do_not_bend_the_slopes(data):
    scores, features, loci = data
    shifted = scores + 100.0 * loci.codes
    folds = make_folds(loci.codes, loci)
    one, two = (loci.center(cross_fit(y, features, loci, folds).residual) for y in (scores, shifted))
    np.testing.assert_allclose(one, two, atol=1e-8)


def test_noise_has_no_out_of_fold_r2(data):
    _, features, loci = data
    fit = cross_fit(np.random.default_rng(2).normal(size=300), features, loci, make_folds(loci.codes, loci))
    assert fit.r2 < 0.01 < fit.r2_in_sample + 0.01


def test_scale_follows_the_features_that_widen_the_scores(data):
    _, _, loci = data
    rng = np.random.default_rng(3)
    feature = rng.uniform(-1, 1, size=300)
    scores = rng.normal(size=300) * (2 + 1.8 * feature)
    fit = cross_fit(scores, feature[:, None], loci, make_folds(loci.codes, loci))
    assert np.corrcoef(fit.scale, feature)[0, 1] > 0.95
    assert (fit.scale > 0).all()


@pytest.mark.parametrize(
    ("chromosomes", "n_loci", "unit"), [(5, 10, "chromosome"), (4, 10, "locus"), (1, 2, "locus"), (1, 1, "none")]
)
def test_what_is_held_out_together(chromosomes, n_loci, unit):
    codes = np.repeat(np.arange(n_loci), 6)
    assert make_folds(codes % chromosomes, Loci.of(codes)).unit == unit


def test_collinear_features_are_no_fault(data):
    scores, features, loci = data
    doubled = np.hstack([features, features])
    folds = make_folds(loci.codes, loci)
    one, two = (cross_fit(scores, x, loci, folds).residual for x in (features, doubled))
    np.testing.assert_allclose(one, two, atol=1e-8)


def test_without_features_the_residual_is_the_score_less_a_constant(data):
    scores, _, loci = data
    fit = cross_fit(scores, np.zeros((300, 0)), loci, Folds(np.zeros(300, dtype=int), "none"))
    np.testing.assert_allclose(loci.center(fit.residual), loci.center(scores))


def test_commonality_shares_sum_to_one_and_match_nested_regressions(data):
    scores, features, loci = data
    annotation = features[:, :1] + np.random.default_rng(4).normal(size=(300, 2))
    parts = commonality(scores, features, annotation, loci, resample_loci(6, 200, np.random.default_rng(5)))
    assert sum(parts.shares.values()) == pytest.approx(1.0)
    within = loci.center(scores)

    def r2(*blocks):
        return sm.OLS(within, loci.center(np.hstack(blocks))).fit().rsquared

    both, alone, other = r2(features, annotation), r2(features), r2(annotation)
    assert parts.shares["predictability"] == pytest.approx(both - other)
    assert parts.shares["annotation"] == pytest.approx(both - alone)
    assert parts.shares["shared"] == pytest.approx(alone + other - both)
    for name, (low, high) in parts.intervals.items():
        assert low <= high, name


def test_missing_features_take_the_median_and_constant_ones_are_dropped():
    found = standardise_features(
        {
            "gc": np.array([0.2, np.nan, 0.4, 0.9]),
            "repeat_fraction": np.full(4, 0.5),
            "predictability": np.full(4, np.nan),
            "complexity": None,
        }
    )
    assert found.names == ("gc",)
    assert found.imputed == {"gc": 1}
    assert found.dropped == {"repeat_fraction": "constant", "predictability": "no values", "complexity": "no values"}
    filled = np.array([0.2, 0.4, 0.4, 0.9])
    np.testing.assert_allclose(found.values[:, 0], (filled - filled.mean()) / filled.std())


def test_quadratic_basis_takes_out_a_curve_that_the_linear_leaves(data):
    _, features, loci = data
    scores = features[:, 0] ** 2
    folds = make_folds(loci.codes, loci)
    assert cross_fit(scores, expand(features, "linear"), loci, folds).r2 < 0.2
    assert cross_fit(scores, expand(features, "quadratic"), loci, folds).r2 > 0.99


@pytest.mark.parametrize("how", ["splines", "boosting"])
def test_flexible_residuals_take_out_a_bend_and_are_held_out(how):
    rng = np.random.default_rng(8)
    loci = Loci.of(np.repeat(np.arange(10), 80))
    features = rng.normal(size=(800, 2))
    scores = np.abs(features[:, 0]) + 0.3 * rng.normal(size=800) + np.repeat(rng.normal(0, 3, 10), 80)
    folds = make_folds(loci.codes, loci)
    linear, bent = (residualize(scores, features, loci, folds, name) for name in ("linear", how))
    assert linear.r2 < 0.1
    assert bent.r2 > 0.6
    assert bent.r2 <= bent.r2_in_sample
    np.testing.assert_allclose(bent.coefficients, linear.coefficients)
    noise = residualize(rng.normal(size=800), features, loci, folds, how)
    assert noise.r2 < 0.02 < noise.r2_in_sample


def test_propensity_is_the_chance_of_membership_and_held_out():
    rng = np.random.default_rng(9)
    loci = Loci.of(np.repeat(np.arange(20), 200))
    features = rng.normal(size=(4000, 2))
    chance = 1 / (1 + np.exp(-(features[:, 0] - 1)))
    member = rng.random(4000) < chance
    folds = make_folds(loci.codes, loci)
    found = propensity(member, features, folds)
    assert np.abs(found - chance).mean() < 0.02
    changed = member.copy()
    changed[loci.codes % 5 == 0] = ~member[loci.codes % 5 == 0]
    again = propensity(changed, features, folds)
    np.testing.assert_allclose(found[loci.codes % 5 == 0], again[loci.codes % 5 == 0])
