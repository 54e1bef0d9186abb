"""Statistics of labels and measurements: a draw with multiplicities is the textbook value of the repeated rows."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from darkregulome.stats import evaluation
from darkregulome.stats.evaluation import (
    LABEL_STATISTICS,
    MEASURE_STATISTICS,
    auprc,
    auroc,
    estimate,
    frequency_bins,
    interval,
    multiplicities,
    pearson,
    spearman,
)

N = 60
TEXTBOOK = {
    auroc: lambda scores, truth: roc_auc_score(truth, scores),
    auprc: lambda scores, truth: average_precision_score(truth, scores),
    pearson: lambda scores, truth: pearsonr(scores, truth).statistic,
    spearman: lambda scores, truth: spearmanr(scores, truth).statistic,
}


def tables(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores and measurements with ties, labels, and how often each of eight draws holds each item."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.standard_normal(N), 1)
    measured = np.round(scores + rng.standard_normal(N), 1)
    labels = (measured > 0.3).astype(float)
    return scores, measured, labels, rng.integers(0, 4, (8, N)).astype(float)


@pytest.mark.parametrize("statistic", TEXTBOOK)
@pytest.mark.parametrize("seed", range(3))
def test_a_draw_is_the_textbook_value_of_the_repeated_rows(statistic, seed):
    scores, measured, labels, counts = tables(seed)
    truth = labels if statistic in (auroc, auprc) else measured
    drawn = statistic(scores, truth, counts)
    assert drawn.shape == (8,)
    for row, value in zip(counts, drawn, strict=True):
        taken = np.repeat(np.arange(N), row.astype(int))
        assert value == pytest.approx(TEXTBOOK[statistic](scores[taken], truth[taken]))


def test_the_statistics_have_the_names_of_the_files():
    assert {"auroc": auroc, "auprc": auprc} == LABEL_STATISTICS
    assert {"spearman": spearman, "pearson": pearson} == MEASURE_STATISTICS


def test_a_draw_without_both_labels_or_without_spread_has_no_value():
    scores, _, labels, counts = tables(0)
    counts[0] *= labels  # positives alone
    counts[1] *= 1 - labels
    counts[2] = np.eye(N)[3]
    assert np.isnan(auroc(scores, labels, counts)).tolist() == [True, True, True] + [False] * 5
    assert np.isnan(auprc(scores, labels, counts)).tolist()[:2] == [False, True]
    assert auprc(scores, labels, counts)[0] == 1.0
    for correlation in (pearson, spearman):
        assert np.isnan(correlation(scores, scores, counts)).tolist() == [False, False, True] + [False] * 5


def test_items_that_the_top_scores_of_a_draw_do_not_hold_take_nothing_from_its_precision():
    """The highest score is not in the draw at all: precision there is of nothing, and counts for nothing."""
    scores, labels = np.array([3.0, 2.0, 1.0]), np.array([1.0, 1.0, 0.0])
    assert auprc(scores, labels, np.array([[0.0, 1.0, 1.0]])) == pytest.approx([1.0])


def test_a_stratified_bootstrap_draws_each_stratum_to_its_size_and_every_member_alike():
    strata = np.array(["b"] * 3 + ["a"] * 7 + ["b"] * 2)
    counts = multiplicities(strata, 4000, np.random.default_rng(1))
    assert counts.shape == (4000, 12)
    assert (counts[:, strata == "a"].sum(axis=1) == 7).all()
    assert (counts[:, strata == "b"].sum(axis=1) == 5).all()
    # Each count is binomial of mean 1: its mean over 4,000 draws is within five standard errors.
    assert np.abs(counts.mean(axis=0) - 1).max() < 5 / np.sqrt(4000)


def test_an_estimate_is_the_statistic_of_all_and_as_many_draws_as_asked_for(monkeypatch):
    scores, measured, _, _ = tables(2)
    strata = np.arange(N) % 3
    whole, drawn = estimate(spearman, scores.tolist(), measured.tolist(), strata, 25, np.random.default_rng(3))
    assert whole == pytest.approx(spearmanr(scores, measured).statistic)
    rng = np.random.default_rng(3)
    np.testing.assert_allclose(drawn, spearman(scores, measured, multiplicities(strata, 25, rng)))
    # In parts of ten draws: ten, ten and five.
    monkeypatch.setattr(evaluation, "DRAWS_AT_ONCE", 10 * N)
    rng = np.random.default_rng(3)
    expected = [spearman(scores, measured, multiplicities(strata, size, rng)) for size in (10, 10, 5)]
    parts = estimate(spearman, scores, measured, strata, 25, np.random.default_rng(3))[1]
    np.testing.assert_allclose(parts, np.concatenate(expected))
    # Fewer than one draw fits: one at a time.
    monkeypatch.setattr(evaluation, "DRAWS_AT_ONCE", 1)
    rng = np.random.default_rng(3)
    expected = [spearman(scores, measured, multiplicities(strata, 1, rng)) for _ in range(3)]
    one_by_one = estimate(spearman, scores, measured, strata, 3, np.random.default_rng(3))[1]
    np.testing.assert_allclose(one_by_one, np.concatenate(expected))
    assert estimate(spearman, scores, measured, strata, 0, rng)[1].shape == (0,)


def test_the_interval_holds_the_middle_95_per_cent_of_the_draws():
    assert interval(np.arange(101.0)) == pytest.approx([2.5, 97.5])
    assert np.isnan(interval(np.zeros(0))).all()


def test_a_frequency_lies_in_the_bin_that_begins_at_it_and_the_last_edge_is_inside():
    edges = np.array([0.0, 0.1, 0.5, 1.0])
    assert frequency_bins(np.array([0.0, 0.09, 0.1, 0.3, 0.5, 0.99, 1.0, -0.1]), edges).tolist() == [
        *(0, 0, 1, 1, 2, 2, 2, 0)
    ]
