"""Clusters against classes: how far they agree, and which class a cluster is rich in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, hypergeom
from sklearn.metrics import adjusted_rand_score


@dataclass(frozen=True)
class Enrichment:
    """One class in one cluster.

    Attributes
    ----------
    size : of the cluster. in_class : of the class among all. both : of the class in the cluster.
    fold : share of the class in the cluster over its share among all.
    odds_ratio : of the two-by-two table, 1/2 added to each cell (Haldane).
    p, q : hypergeometric, one-sided for more; Benjamini-Hochberg over all pairs.
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


def adjusted_rand(clusters: NDArray, labels: NDArray) -> float:
    """Adjusted Rand index (Hubert and Arabie 1985): 1 for one and the same partition, 0 in the mean by chance."""
    return float(adjusted_rand_score(labels, clusters))


def permuted_rand(
    clusters: NDArray, labels: NDArray, draws: int, rng: np.random.Generator
) -> tuple[float, NDArray[np.float64]]:
    """Empirical p of the adjusted Rand index, (1 + exceedances) / (1 + draws), and what permuted labels gave.

    Windows are permuted freely: neighbours that resemble each other make this p too small.
    """
    observed = adjusted_rand(clusters, labels)
    drawn = np.array([adjusted_rand(clusters, rng.permutation(labels)) for _ in range(draws)])
    return float((1 + (drawn >= observed).sum()) / (1 + draws)), drawn


def enrichment(clusters: NDArray, labels: NDArray) -> list[Enrichment]:
    """Every class in every cluster, by cluster and then by p."""
    n = len(clusters)
    found: list[tuple[int, str, int, int, int]] = []
    for cluster in np.unique(clusters):
        inside = clusters == cluster
        for label in np.unique(labels):
            of = labels == label
            found.append((int(cluster), str(label), int(inside.sum()), int(of.sum()), int((inside & of).sum())))
    p = np.array([hypergeom.sf(both - 1, n, of, size) for _, _, size, of, both in found])
    q = false_discovery_control(p) if len(p) else p
    rows = [
        Enrichment(
            *row, fold=row[4] * n / (row[2] * row[3]), odds_ratio=_odds_ratio(n, *row[2:]), p=float(a), q=float(b)
        )
        for row, a, b in zip(found, p, q, strict=True)
    ]
    return sorted(rows, key=lambda row: (row.cluster, row.p, row.label))


def _odds_ratio(n: int, size: int, of: int, both: int) -> float:
    only_cluster, only_class, neither = size - both, of - both, n - size - of + both
    return (both + 0.5) * (neither + 0.5) / ((only_cluster + 0.5) * (only_class + 0.5))
