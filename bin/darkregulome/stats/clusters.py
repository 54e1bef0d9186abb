"""Clusters against classes: how far they agree, and which class a cluster is rich in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, hypergeom
from sklearn.metrics import adjusted_rand_score

from darkregulome.stats.loci import Loci
from darkregulome.stats.nulls.rotation import RotationNull


@dataclass(frozen=True)
class Enrichment:
    """One class in one cluster.

    Attributes
    ----------
    size : of the cluster. in_class : of the class among all. both : of the class in the cluster.
    fold : share of the class in the cluster over its share among all.
    odds_ratio : of the two-by-two table, 1/2 added to each cell (Haldane).
    p, q : one-sided for more, by the null of `associate`; Benjamini-Hochberg over all pairs.
    p_hypergeometric : the same if no window resembled its neighbours.
    """

    cluster: int
    label: str
    size: int
    in_class: int
    both: int
    fold: float
    odds_ratio: float
    p: float
    q: float
    p_hypergeometric: float


@dataclass(frozen=True)
class Association:
    """How clusters and classes agree.

    Attributes
    ----------
    rand, p : adjusted Rand index, and (1 + exceedances) / (1 + draws).
    drawn : the index in each draw of the null, shape (draws,).
    log10_distinct : log10 of the number of different draws that there are.
    pairs : every class in every cluster, by cluster and then by p.
    """

    rand: float
    p: float
    drawn: NDArray[np.float64]
    log10_distinct: float
    pairs: list[Enrichment]


def adjusted_rand(clusters: NDArray, labels: NDArray) -> float:
    """Adjusted Rand index (Hubert and Arabie 1985): 1 for one and the same partition, 0 in the mean by chance."""
    return float(adjusted_rand_score(labels, clusters))


def associate(clusters: NDArray, labels: NDArray, loci: Loci, draws: int, rng: np.random.Generator) -> Association:
    """Agreement of clusters and classes, and each class in each cluster, against rotation along the genome.

    Neighbouring windows resemble each other in their states and in their classes, so permuting them freely finds far
    too much. Here the classes of a chromosome are turned along its windows, at random, with reflection. The counts of
    a draw are circular cross-correlations of indicators, as of any statistic that is linear (`RotationNull`); the index
    follows from the counts.

    Parameters
    ----------
    clusters, labels : shape (n,), in order of position within `loci`.
    loci : layout of the windows: a locus is a chromosome, or a stretch of one.
    draws : of the null.
    """
    null = RotationNull(loci, draws, rng)
    numbers, sizes = np.unique(clusters, return_counts=True)
    inside = (np.asarray(clusters)[:, None] == numbers).astype(float)
    pairs_of = np.zeros(draws + 1)
    rows = []
    for label, total in zip(*np.unique(labels, return_counts=True), strict=True):
        drawn_counts = null.draw((labels == label).astype(float), inside)
        # Rounded: they are counts, and the transform leaves noise that would hide equal ones.
        counts = np.rint(np.vstack([drawn_counts.observed, drawn_counts.draws])).astype(np.int64)
        pairs_of += (counts * (counts - 1) // 2).sum(axis=1)
        p = (1 + (counts[1:] >= counts[0]).sum(axis=0)) / (1 + draws)
        rows += [
            (int(number), str(label), int(size), int(total), int(both), float(chance))
            for number, size, both, chance in zip(numbers, sizes, counts[0], p, strict=True)
        ]
    drawn = _rand_of_pairs(pairs_of, sizes, np.unique(labels, return_counts=True)[1])
    p_of_rand = float((1 + (drawn[1:] >= drawn[0]).sum()) / (1 + draws))
    return Association(float(drawn[0]), p_of_rand, drawn[1:], null.log10_distinct, _enrichment(rows, loci.n))


def _rand_of_pairs(both: NDArray, sizes: NDArray, totals: NDArray) -> NDArray[np.float64]:
    """Adjusted Rand index from the number of pairs of windows that share cluster and class."""
    of_clusters, of_classes = (float((counts * (counts - 1) / 2).sum()) for counts in (sizes, totals))
    n = int(sizes.sum())
    expected = of_clusters * of_classes / (n * (n - 1) / 2)
    most = (of_clusters + of_classes) / 2
    # One cluster and one class, or nothing but single windows: the same partition.
    return np.ones_like(both) if most == expected else (both - expected) / (most - expected)


def _enrichment(rows: list[tuple[int, str, int, int, int, float]], n: int) -> list[Enrichment]:
    q = false_discovery_control([row[-1] for row in rows])
    pairs = [
        Enrichment(
            *(cluster, label, size, of, both),
            fold=both * n / (size * of),
            odds_ratio=_odds_ratio(n, size, of, both),
            p=p,
            q=float(adjusted),
            p_hypergeometric=float(hypergeom.sf(both - 1, n, of, size)),
        )
        for (cluster, label, size, of, both, p), adjusted in zip(rows, q, strict=True)
    ]
    return sorted(pairs, key=lambda row: (row.cluster, row.p, row.p_hypergeometric, row.label))


def _odds_ratio(n: int, size: int, of: int, both: int) -> float:
    only_cluster, only_class, neither = size - both, of - both, n - size - of + both
    return (both + 0.5) * (neither + 0.5) / ((only_cluster + 0.5) * (only_class + 0.5))
