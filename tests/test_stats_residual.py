"""Features, folds, normal scores and commonality: against numpy, SciPy and statsmodels."""

from statistics import NormalDist

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.interpolate import BSpline

from darkregulome.stats.features import expand, standardise_features
from darkregulome.stats.loci import Loci
from darkregulome.stats.residual import (
    SHARES,
    commonality,
    make_folds,
    normal_scores,
    normal_scores_by_locus,
    r_squared,
)
from small_regression import LOCI, scores_and_features


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    return scores_and_features()


# -- features ---------------------------------------------------------------------------------------------------------


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


def test_bases_are_the_features_and_their_splines(data):
    _, features = data
    assert expand(features, "linear") is features
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


# -- folds and scores -------------------------------------------------------------------------------------------------


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


def test_the_share_explained_is_one_less_what_is_left():
    scores = np.array([-1.0, 0.0, 1.0])
    assert r_squared(scores, scores) == 1.0
    assert r_squared(scores, np.array([-1.0, 0.0, 0.0])) == pytest.approx(0.5)
    assert r_squared(scores, -scores) == -3.0
    assert r_squared(np.zeros(3), scores) == 0.0


def test_normal_scores_are_bloms():
    values = np.array([3.0, -1.0, 8.0, 3.0])
    expected = [NormalDist().inv_cdf((rank - 3 / 8) / (4 + 1 / 4)) for rank in (2.5, 1, 4, 2.5)]
    np.testing.assert_allclose(normal_scores(values), expected)
    loci = Loci.of(np.array([0, 0, 0, 0, 1, 1]))
    both = normal_scores_by_locus(np.r_[values, 9.0, 7.0], loci)
    np.testing.assert_allclose(both, np.r_[normal_scores(values), normal_scores(np.array([2.0, 1.0]))])


# -- commonality ------------------------------------------------------------------------------------------------------


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
    explained = sm.OLS(LOCI.center(scores), LOCI.center(features)).fit().rsquared
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


def test_shares_sum_to_one_and_what_one_set_hides_of_the_other_is_a_negative_share():
    """Features of signal plus noise explain half, the annotation holds the noise: together they explain all."""
    loci = Loci.of(np.zeros(4))
    signal, noise = np.array([1.0, -1, 1, -1]), np.array([1.0, 1, -1, -1])
    parts = commonality(signal, (signal + noise)[:, None], noise[:, None], loci, None)
    assert list(parts.shares.values()) == pytest.approx([1.0, 0.5, -0.5, 0.0], abs=1e-6)
    assert sum(parts.shares.values()) == pytest.approx(1.0)


def test_shares_know_no_units_no_levels_of_loci_and_no_order_of_columns(data):
    scores, features = data
    annotation = np.random.default_rng(7).standard_normal((200, 2)) + features[:, :2]
    own = commonality(scores, features, annotation, LOCI, None).shares
    moved = commonality(
        50 - 9 * scores + 100 * LOCI.codes, 3 * features[:, ::-1] + LOCI.codes[:, None], -annotation, LOCI, None
    ).shares
    assert moved == pytest.approx(own, abs=1e-6)
    assert sum(own.values()) == pytest.approx(1.0)


def test_a_standardised_feature_knows_no_units():
    values = np.random.default_rng(8).standard_normal(50)
    one, two, three = (standardise_features({"a": x}).values for x in (values, 1e5 + 1e3 * values, -values))
    np.testing.assert_allclose(two, one)
    np.testing.assert_allclose(three, -one)


def test_normal_scores_know_only_the_order_and_are_symmetric():
    values = np.random.default_rng(9).standard_normal(31)
    np.testing.assert_array_equal(normal_scores(np.exp(values)), normal_scores(values))
    np.testing.assert_allclose(normal_scores(-values), -normal_scores(values), atol=1e-12)
    assert normal_scores(values)[np.argsort(values)[15]] == 0.0
    assert normal_scores(np.full(7, 3.0)).tolist() == [0.0] * 7
