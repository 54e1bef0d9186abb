"""Clusters against classes: counts, indices and p-values against loops over drawn tables."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control, hypergeom
from sklearn.metrics import adjusted_rand_score

from darkregulome.stats.clusters import adjusted_rand, associate
from darkregulome.stats.loci import Loci
from darkregulome.stats.nulls import RotationNull

LOCI = Loci.of(np.repeat(np.arange(4), 30))
DRAWS = 40


@pytest.fixture(scope="module")
def tables() -> tuple[np.ndarray, np.ndarray]:
    """Clusters and classes that agree in part; one cluster holds nothing of one class."""
    rng = np.random.default_rng(0)
    labels = rng.choice(["TE", "cCRE", "other"], LOCI.n, p=[0.5, 0.3, 0.2])
    clusters = np.where(rng.random(LOCI.n) < 0.5, rng.integers(0, 3, LOCI.n), (labels == "TE").astype(int))
    clusters[(clusters == 2) & (labels == "other")] = 1
    return clusters, labels


@pytest.fixture(scope="module")
def association(tables):
    return associate(*tables, LOCI, DRAWS, np.random.default_rng(1))


@pytest.fixture(scope="module")
def drawn_labels(tables) -> list[np.ndarray]:
    """The classes of each draw, laid out in full."""
    null = RotationNull(LOCI, DRAWS, np.random.default_rng(1))
    words, codes = np.unique(tables[1], return_inverse=True)
    return [words[null.rotate(codes.astype(float), draw).astype(int)] for draw in range(DRAWS)]


def test_the_index_is_that_of_the_textbook(tables, association):
    clusters, labels = tables
    assert adjusted_rand(clusters, labels) == adjusted_rand_score(labels, clusters)
    assert association.rand == pytest.approx(adjusted_rand_score(labels, clusters))


def test_every_draw_is_the_index_of_the_rotated_classes(tables, association, drawn_labels):
    expected = [adjusted_rand_score(labels, tables[0]) for labels in drawn_labels]
    np.testing.assert_allclose(association.drawn, expected, atol=1e-12)
    more = sum(value >= association.rand - 1e-12 for value in expected)
    assert association.p == pytest.approx((1 + more) / (1 + DRAWS))
    assert association.log10_distinct == pytest.approx(4 * np.log10(60))


def test_every_pair_has_its_counts_its_fold_its_odds_and_its_p(tables, association, drawn_labels):
    clusters, labels = tables
    assert len(association.pairs) == 9
    for pair in association.pairs:
        inside, of = clusters == pair.cluster, labels == pair.label
        a, b, c, d = ((x & y).sum() + 0.5 for x in (inside, ~inside) for y in (of, ~of))
        assert (pair.size, pair.in_class, pair.both) == (inside.sum(), of.sum(), (inside & of).sum())
        assert pair.fold == pytest.approx(of[inside].mean() / of.mean())
        assert pair.odds_ratio == pytest.approx(a * d / (b * c))
        more = sum(((drawn == pair.label) & inside).sum() >= pair.both for drawn in drawn_labels)
        assert pair.p == pytest.approx((1 + more) / (1 + DRAWS))
        at_least = hypergeom.pmf(range(pair.both, LOCI.n + 1), LOCI.n, of.sum(), inside.sum()).sum()
        assert pair.p_hypergeometric == pytest.approx(at_least)


def test_q_is_over_all_pairs_and_pairs_come_by_cluster_and_then_by_p(association):
    pairs = association.pairs
    np.testing.assert_allclose([pair.q for pair in pairs], false_discovery_control([pair.p for pair in pairs]))
    keys = [(pair.cluster, pair.p, pair.p_hypergeometric, pair.label) for pair in pairs]
    assert keys == sorted(keys)


def test_one_cluster_of_one_class_is_the_same_partition_in_every_draw():
    found = associate(np.zeros(LOCI.n, dtype=int), np.full(LOCI.n, "TE"), LOCI, 9, np.random.default_rng(2))
    assert (found.rand, found.p) == (1.0, 1.0)
    assert (found.drawn == 1.0).all()
    assert [(pair.fold, pair.p, pair.q) for pair in found.pairs] == [(1.0, 1.0, 1.0)]
