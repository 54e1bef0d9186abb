"""Claims about genes: the correlation over links, what degrees alone give, and pairs that are nothing."""

import networkx as nx
import numpy as np
import pytest

from darkregulome.claims.gene_levels import about_null, locus_means
from darkregulome.claims.network import assortativity, network_draws, without_each_gene
from darkregulome.claims.protein_pair import gene_pair
from darkregulome.stats.nulls import degree_preserving_draws, empirical_p, permuted_gene_sums

DRAWS = 199


def random_network(rng, genes=60, links=150, hubs=True):
    """A simple network, some genes with many links."""
    weights = 1 / (1 + np.arange(genes)) if hubs else np.ones(genes)
    ends = np.sort(rng.choice(genes, (links, 2), p=weights / weights.sum()), axis=1)
    return np.unique(ends[ends[:, 0] < ends[:, 1]], axis=0)


def held_against_networks(values, edges, seed=0):
    rng = np.random.default_rng(seed)
    columns = np.asarray(values, dtype=float)[:, None]
    top = columns >= np.quantile(columns, 0.75)
    alike, _ = network_draws(columns, degree_preserving_draws(edges, len(values), DRAWS, rng), top)
    return about_null("none", float(assortativity(columns, edges)[0, 0]), alike[:, 0])


def test_assortativity_is_pearsons_correlation_over_both_directions_of_each_link():
    rng = np.random.default_rng(1)
    edges, values = random_network(rng), rng.normal(size=(60, 3))
    found = assortativity(values, edges)[0]
    both = np.vstack([edges, edges[:, ::-1]])
    assert found == pytest.approx([np.corrcoef(column[both[:, 0]], column[both[:, 1]])[0, 1] for column in values.T])
    graph = nx.Graph(edges.tolist())
    degrees = np.array([graph.degree(node) if node in graph else 0 for node in range(60)], dtype=float)
    assert assortativity(degrees[:, None], edges)[0, 0] == pytest.approx(
        nx.degree_pearson_correlation_coefficient(graph)
    )


def test_a_link_of_weight_two_counts_as_two_links():
    rng = np.random.default_rng(2)
    edges, values = random_network(rng), rng.normal(size=(60, 1))
    weights = rng.integers(0, 4, len(edges))
    repeated = np.repeat(edges, weights, axis=0)
    assert assortativity(values, edges, weights[None].astype(float)) == pytest.approx(assortativity(values, repeated))


def test_scores_that_follow_the_number_of_links_are_no_link_between_scores():
    """Hubs that score high: shuffling the scores over genes finds a network, the degree-preserving null does not."""
    rejected = {"degree": 0, "shuffle": 0}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        edges = random_network(rng)
        values = np.sqrt(np.bincount(edges.ravel(), minlength=60)) + 0.3 * rng.normal(size=60)
        rejected["degree"] += held_against_networks(values, edges, seed).p <= 0.05
        shuffled = np.array([assortativity(rng.permutation(values)[:, None], edges)[0, 0] for _ in range(DRAWS)])
        observed = float(assortativity(values[:, None], edges)[0, 0])
        rejected["shuffle"] += empirical_p(observed, shuffled, float(shuffled.mean())) <= 0.05
    assert rejected["degree"] <= 6  # binomial(40, 0.05) exceeds 6 once in 300
    assert rejected["shuffle"] >= 20


def test_scores_that_spread_over_links_are_found():
    rng = np.random.default_rng(4)
    edges = random_network(rng, hubs=False)
    adjacency = np.zeros((60, 60))
    adjacency[edges[:, 0], edges[:, 1]] = adjacency[edges[:, 1], edges[:, 0]] = 1
    values = np.linalg.solve(
        np.eye(60) * 1.1 - adjacency / (adjacency.sum(axis=1, keepdims=True) + 1), rng.normal(size=60)
    )
    found = held_against_networks(values, edges)
    assert found.p <= 0.01
    assert found.effect > 0.2
    assert found.interval[0] < found.effect < found.interval[1]


def test_links_of_one_gene_are_left_out_in_turn():
    rng = np.random.default_rng(5)
    edges, values = random_network(rng), rng.normal(size=(60, 2))
    alone = [assortativity(values, edges[(edges != gene).all(axis=1)])[0] for gene in np.unique(edges)]
    assert without_each_gene(values, edges) == pytest.approx(np.array([np.min(alone, axis=0), np.max(alone, axis=0)]))


@pytest.mark.parametrize("value", [0.0, 0.2, 0.35, 0.5, 0.9])
def test_an_interval_holds_none_just_where_p_is_above_five_per_cent(value):
    draws = np.random.default_rng(3).normal(0.1, 0.2, 999)
    found = about_null("none", value, draws)
    assert (found.interval[0] <= 0 <= found.interval[1]) == (found.p > 0.05)
    assert found.effect == pytest.approx(value - draws.mean())


def gene_elements(rng, genes=14, per_gene=40, levels=0.0, planted=()):
    codes = np.repeat(np.arange(genes), per_gene)
    values = (
        rng.normal(size=len(codes)) + np.repeat(rng.normal(0, levels, genes), per_gene)
        if levels
        else rng.normal(size=len(codes))
    )
    values = values + np.isin(codes, planted) * 1.0
    values = (values - values.mean()) / values.std()
    strata = rng.integers(0, 4, len(codes))
    draws = permuted_gene_sums(values[:, None], codes, strata, DRAWS, rng)[:, :, 0] / per_gene
    return locus_means(values[:, None], codes, genes)[:, 0], draws


def test_means_of_genes_are_those_of_a_loop():
    rng = np.random.default_rng(6)
    codes, values = rng.integers(0, 5, 100), rng.normal(size=(100, 2))
    found = locus_means(values, codes, 5)
    assert found == pytest.approx(np.array([values[codes == gene].mean(axis=0) for gene in range(5)]))


def test_a_pair_that_both_score_high_is_found_and_one_high_gene_is_not_enough():
    means, draws = gene_elements(np.random.default_rng(7), planted=(2, 9))
    found = gene_pair((2, 9), means, draws)
    assert found.p <= 0.02
    assert found.effect > 0.5
    assert gene_pair((3, 4), means, draws).p > 0.05


def test_genes_that_differ_in_level_make_no_pair():
    """The permuted map alone takes any difference of level for a pair; the other pairs do not."""
    rejected = {"map": 0, "both": 0}
    for seed in range(60):
        means, draws = gene_elements(np.random.default_rng(seed), levels=0.5)
        permuted = draws[:, :2].mean(axis=1)
        rejected["map"] += empirical_p(float(means[:2].mean()), permuted, float(permuted.mean())) <= 0.05
        rejected["both"] += gene_pair((0, 1), means, draws).p <= 0.05
    assert rejected["both"] <= 8  # binomial(60, 0.05) exceeds 8 once in 200
    assert rejected["map"] >= 20


def test_with_few_genes_p_cannot_be_small():
    means, draws = gene_elements(np.random.default_rng(8), genes=4)
    assert gene_pair((0, 1), means + np.array([50, 50, 0, 0]), draws).p >= 1 / 6  # five other pairs
