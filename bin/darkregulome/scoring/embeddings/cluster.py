"""A map of embeddings (UMAP) and their clusters (Leiden), from one graph of nearest neighbours.

The neighbours are exact and found among the leading principal components; the graph is UMAP's fuzzy one, on which the
Leiden algorithm runs too, as in single-cell analysis. Everything is seeded and runs in one thread, so that equal input
gives equal output. McInnes et al. 2018 (arXiv:1802.03426), Traag et al. 2019 (doi:10.1038/s41598-019-41695-z).
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darkregulome.errors import InputError

COMPONENTS = 50
"""Principal components that neighbours are sought among, at most."""
FEWEST = 5
"""Fewest points of which a map is made."""


@dataclass(frozen=True)
class Map:
    """Where each point lies, shape (n, 2), and the number of its cluster, shape (n,); the largest is 0."""

    places: NDArray[np.float64]
    clusters: NDArray[np.int64]


def standardised(points: NDArray) -> NDArray[np.float64]:
    """Channels with mean 0 and SD 1; a constant one stays 0."""
    points = np.asarray(points, dtype=float)
    centred = points - points.mean(axis=0)
    spread = centred.std(axis=0)
    return centred / np.where(spread > 0, spread, 1.0)


def principal_components(points: NDArray, count: int = COMPONENTS) -> NDArray[np.float64]:
    """Coordinates on the leading principal components; the sign of each is fixed by its largest coordinate."""
    left, values, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    scores = (left * values)[:, :count]
    largest = scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])]
    return scores * np.where(largest < 0, -1.0, 1.0)


def make_map(
    points: NDArray,
    *,
    neighbours: int = 15,
    min_distance: float = 0.1,
    resolution: float = 1.0,
    seed: int = 0,
    draw: bool = True,
) -> Map:
    """Map and clusters of points, shape (n, channels).

    Parameters
    ----------
    neighbours : of each point, itself among them; fewer where there are fewer points.
    resolution : of the Leiden algorithm; higher gives more clusters.
    draw : False leaves the map out (places are NaN): clusters alone are much quicker.

    Raises
    ------
    InputError : there are fewer than `FEWEST` points.
    """
    if len(points) < FEWEST:
        raise InputError.at("the windows", f"{len(points)} are too few for a map", f"give {FEWEST} or more")
    from sklearn.neighbors import NearestNeighbors
    from umap.umap_ import fuzzy_simplicial_set

    reduced = principal_components(standardised(points)).astype(np.float32)
    neighbours = min(neighbours, len(points) - 1)
    distances, indices = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(reduced).kneighbors(reduced)
    random = np.random.RandomState(seed)
    graph, _, _ = fuzzy_simplicial_set(
        reduced, neighbours, random, "euclidean", knn_indices=indices, knn_dists=distances.astype(np.float32)
    )
    places = _places(reduced, neighbours, min_distance, indices, distances, seed) if draw else None
    return Map(
        np.full((len(points), 2), np.nan) if places is None else places, _leiden(graph.tocoo(), resolution, seed)
    )


def _places(
    reduced: NDArray, neighbours: int, min_distance: float, indices: NDArray, distances: NDArray, seed: int
) -> NDArray[np.float64]:
    import umap

    mapper = umap.UMAP(
        n_neighbors=neighbours,
        min_dist=min_distance,
        # The spectral start fails on graphs of hardly more points than dimensions.
        init="spectral" if len(reduced) > 20 else "random",
        random_state=seed,
        n_jobs=1,
        precomputed_knn=(indices, distances.astype(np.float32), None),
    )
    with warnings.catch_warnings():
        # On one thread, and neighbours given for fewer points than the approximate search is made for: both as meant.
        warnings.simplefilter("ignore")
        return mapper.fit_transform(reduced).astype(float)


def _leiden(graph, resolution: float, seed: int) -> NDArray[np.int64]:
    import igraph
    import leidenalg

    above = graph.row < graph.col
    edges = list(zip(graph.row[above].tolist(), graph.col[above].tolist(), strict=True))
    network = igraph.Graph(n=graph.shape[0], edges=edges, directed=False)
    partition = leidenalg.find_partition(
        network,
        leidenalg.RBConfigurationVertexPartition,
        weights=graph.data[above].tolist(),
        resolution_parameter=resolution,
        seed=seed,
        n_iterations=-1,
    )
    return _by_size(np.array(partition.membership, dtype=np.int64))


def _by_size(clusters: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers from 0, the largest cluster first; of equal ones that of the earliest point."""
    numbers, first, counts = np.unique(clusters, return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    rank = np.empty(len(numbers), dtype=np.int64)
    rank[order] = np.arange(len(numbers))
    return rank[np.searchsorted(numbers, clusters)]
