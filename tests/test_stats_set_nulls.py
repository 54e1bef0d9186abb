"""Matched draws, random networks and element-to-gene maps: their laws, and independent ways to the same answer."""

import networkx as nx
import numpy as np
import pytest
from scipy.stats import chisquare

from darkregulome.stats.matching import (
    matchable,
    matched_draws,
    nearest_pools,
    standardised_mean_differences,
)
from darkregulome.stats.nulls import degree_preserving_draws, permuted_gene_sums, quantile_strata
from darkregulome.stats.nulls.shuffle import shuffle_blocks


@pytest.fixture
def elements():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(1500, 3)) * [1.0, 50.0, 0.01]
    strata = rng.choice(["cCRE", "TE", "other"], 1500)
    likely = np.where(strata == "other", 0.0, np.exp(features[:, 0]))
    chosen = np.sort(rng.choice(1500, 20, replace=False, p=likely / likely.sum()))
    return features, strata, chosen


def test_nearest_pools_are_those_of_a_brute_force_search(elements):
    features, strata, chosen = elements
    scaled = (features - features.mean(0)) / features.std(0)
    pools = nearest_pools(features, strata, chosen, 4)
    for row, index in enumerate(chosen):
        others = [i for i in range(1500) if strata[i] == strata[index] and i not in set(chosen)]
        others.sort(key=lambda i: np.linalg.norm(scaled[i] - scaled[index]))
        assert pools[row].tolist() == others[:4]


def test_matched_draws_keep_the_stratum_take_nothing_twice_and_balance_the_features(elements):
    features, strata, chosen = elements
    drawn = matched_draws(features, strata, chosen, 200, np.random.default_rng(1), pool_size=8)
    assert drawn.shape == (200, len(chosen))
    assert (strata[drawn] == strata[chosen]).all()
    assert not np.isin(drawn, chosen).any()
    assert all(len(set(row)) == len(chosen) for row in drawn)
    others = np.setdiff1d(np.arange(1500), chosen)
    before = standardised_mean_differences(features, chosen, others)
    after = standardised_mean_differences(features, chosen, drawn)
    assert abs(after[0]) < abs(before[0]) / 3


def test_with_a_pool_of_one_and_no_rivals_the_draw_is_the_nearest_neighbour():
    features = np.array([[0.0], [10.0], [1.0], [9.0], [50.0]])
    drawn = matched_draws(features, np.zeros(5), np.array([0, 1]), 3, np.random.default_rng(0), pool_size=1)
    assert drawn.tolist() == [[2, 3]] * 3


def test_a_draw_reaches_every_member_of_a_pool_alike():
    features = np.zeros((6, 1))
    drawn = matched_draws(features, np.zeros(6), np.array([0]), 5000, np.random.default_rng(2), pool_size=5)
    assert chisquare(np.bincount(drawn[:, 0], minlength=6)[1:]).pvalue > 0.001


def test_elements_without_any_control_are_refused_and_can_be_known_before():
    strata = np.array(["a", "a", "b"])
    assert matchable(strata, np.array([0, 2])).tolist() == [True, False]
    with pytest.raises(ValueError, match="1 chosen elements have no control"):
        matched_draws(np.zeros((3, 1)), strata, np.array([0, 2]), 5, np.random.default_rng(0))


def test_standardised_mean_difference_is_cohens_d_of_known_groups():
    values = np.r_[np.array([1.0, 3.0]), np.array([4.0, 8.0])][:, None]
    pooled = np.sqrt((1.0 + 4.0) / 2)
    assert standardised_mean_differences(values, np.array([0, 1]), np.array([2, 3]))[0] == pytest.approx(-4 / pooled)


def test_networks_keep_every_degree_and_stay_simple():
    graph = nx.barabasi_albert_graph(80, 3, seed=1)
    edges = np.array(graph.edges)
    degrees = np.bincount(edges.ravel(), minlength=80)
    draws = list(degree_preserving_draws(edges, 80, 20, np.random.default_rng(3)))
    for drawn in draws:
        assert (np.bincount(drawn.ravel(), minlength=80) == degrees).all()
        ordered = np.sort(drawn, axis=1)
        assert (ordered[:, 0] != ordered[:, 1]).all()
        assert len(np.unique(ordered, axis=0)) == len(edges)
    observed = {tuple(edge) for edge in np.sort(edges, axis=1)}
    kept = np.mean([len(observed & {tuple(edge) for edge in np.sort(drawn, axis=1)}) for drawn in draws])
    assert kept < 0.5 * len(edges)


def test_networks_are_drawn_uniformly_from_all_with_their_degrees():
    """Degrees 2, 2, 2, 2, 1, 1 on labelled nodes: every simple network that has them, counted by brute force."""
    edges = np.array([(0, 1), (1, 2), (2, 3), (3, 0), (4, 5)])
    pairs = [(a, b) for a in range(6) for b in range(a + 1, 6)]
    everything = set()
    for mask in range(2 ** len(pairs)):
        if mask.bit_count() == 5:
            chosen = [pairs[i] for i in range(len(pairs)) if mask >> i & 1]
            if np.array_equal(np.bincount(np.ravel(chosen), minlength=6), [2, 2, 2, 2, 1, 1]):
                everything.add(tuple(chosen))
    counts = dict.fromkeys(everything, 0)
    for drawn in degree_preserving_draws(edges, 6, 6000, np.random.default_rng(4), swaps_per_edge=20):
        counts[tuple(sorted(map(tuple, np.sort(drawn, axis=1).tolist())))] += 1
    assert len(counts) == len(everything)
    assert chisquare(list(counts.values())).pvalue > 0.001


@pytest.mark.parametrize("edges", [[(0, 0)], [(0, 1), (1, 0)], [(0, 9)]])
def test_networks_that_are_not_simple_are_refused(edges):
    with pytest.raises(ValueError, match=r"network|node"):
        next(degree_preserving_draws(np.array(edges), 3, 1, np.random.default_rng(0)))


def test_genes_are_exchanged_within_strata_only():
    """Each draw leaves every gene as many elements of every stratum as it has, and moves the elements."""
    rng = np.random.default_rng(5)
    genes, strata = rng.integers(0, 8, 200), rng.integers(0, 5, 200)
    members = (strata[:, None] == np.arange(5)).astype(float)
    counts = np.array([members[genes == gene].sum(axis=0) for gene in range(8)])
    values = np.column_stack([members, rng.normal(size=200)])
    sums = permuted_gene_sums(values, genes, strata, 30, rng)
    assert (sums[:, :, :5] == counts).all()
    assert len(np.unique(sums[:, 0, 5])) == 30


def test_quantile_strata_have_equal_sizes_and_follow_each_column():
    rng = np.random.default_rng(6)
    columns = rng.normal(size=(1000, 2))
    labels = quantile_strata(columns, 4)
    assert set(np.bincount(labels // 4)) == {250}
    low, high = columns[labels // 4 == 0, 0], columns[labels // 4 == 1, 0]
    assert low.max() <= high.min()


def test_the_same_seed_gives_the_same_draws():
    edges = np.array(nx.gnm_random_graph(20, 40, seed=2).edges)
    one, two = (list(degree_preserving_draws(edges, 20, 3, np.random.default_rng(7))) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_sums_by_gene_are_those_of_the_maps_drawn_one_by_one():
    rng = np.random.default_rng(21)
    genes, strata, values = rng.integers(0, 5, 60), rng.integers(0, 4, 60), rng.normal(size=(60, 2))
    sums = permuted_gene_sums(values, genes, strata, 30, np.random.default_rng(9))
    order, ends = np.argsort(strata, kind="stable"), np.cumsum(np.bincount(strata))
    states = np.random.default_rng(9).integers(2**63, size=30, dtype=np.uint64) | np.uint64(1)
    for state, drawn in zip(states, sums, strict=True):
        shuffled = order.copy()
        shuffle_blocks(shuffled, ends, state)
        expected = [values[order][genes[shuffled] == gene].sum(axis=0) for gene in range(5)]
        np.testing.assert_allclose(drawn, expected, atol=1e-12)
