"""Claims about genes: the correlation over links, what degrees alone give, and pairs that are nothing."""

import networkx as nx
import numpy as np
import pytest

from darkregulome.claims.gene_levels import locus_means
from darkregulome.claims.network import assortativity, linked_genes, network_draws
from darkregulome.claims.protein_pair import gene_pair
from darkregulome.stats.bootstrap import resample_loci
from darkregulome.stats.nulls import degree_preserving_draws, empirical_p, permuted_gene_sums
from darkregulome.stats.setting import NotTestable

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
    alike, among = network_draws(columns, degree_preserving_draws(edges, len(values), DRAWS, rng), top)
    resamples = resample_loci(len(values), 200, rng)
    return linked_genes(columns[:, 0], edges, alike[:, 0], among[:, 0], top[:, 0], resamples, 0.05)


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


def test_scores_that_do_not_vary_are_not_tested():
    edges = random_network(np.random.default_rng(5))
    with pytest.raises(NotTestable):
        held_against_networks(np.ones(60), edges)


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
    found = gene_pair((2, 9), means, draws, 0.05)
    assert found.p <= 0.02
    assert found.effect == pytest.approx((means[2] + means[9]) / 2 - draws[:, [2, 9]].mean())
    assert gene_pair((3, 4), means, draws, 0.05).p > 0.05


def test_genes_that_differ_in_level_make_no_pair():
    """The permuted map alone takes any difference of level for a pair; the other pairs do not."""
    rejected = {"p_map": 0, "p": 0}
    for seed in range(60):
        means, draws = gene_elements(np.random.default_rng(seed), levels=0.5)
        found = gene_pair((0, 1), means, draws, 0.05)
        rejected["p_map"] += found.details["p_map"] <= 0.05
        rejected["p"] += found.p <= 0.05
    assert rejected["p"] <= 8  # binomial(60, 0.05) exceeds 8 once in 200
    assert rejected["p_map"] >= 20


def test_with_few_genes_a_pair_cannot_be_judged():
    means, draws = gene_elements(np.random.default_rng(8), genes=4)
    assert gene_pair((0, 1), means, draws, 0.05).power == 0.0  # five other pairs: p is never below 1/6
