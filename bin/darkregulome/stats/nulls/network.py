"""Random networks in which every node keeps its number of neighbours."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from darkregulome.stats.compiled import compiled
from darkregulome.stats.loci import Ints


def degree_preserving_draws(
    edges: NDArray, n_nodes: int, n_draws: int, rng: np.random.Generator, swaps_per_edge: int = 10
) -> Iterator[Ints]:
    """Draws of simple undirected networks with the degrees of the observed one, by double edge swaps.

    Every draw walks from one common network, itself a walk away from the observed one. The swap chain is symmetric, so
    observed and drawn networks are exchangeable, and p-values are valid however well the chain mixes (the parallel
    method of Besag and Clifford 1989, Biometrika 76:633).

    Parameters
    ----------
    edges : shape (m, 2), nodes 0 to n_nodes - 1; no loops, no edge twice in either direction.
    n_nodes : number of nodes; takes n_nodes^2 / 8 bytes.
    n_draws : number of networks. rng : source of the draws.
    swaps_per_edge : attempted swaps of a walk, per edge.

    Yields
    ------
    Shape (m, 2), edges of one draw.

    Raises
    ------
    ValueError
        The network is not simple.
    """
    observed = np.ascontiguousarray(edges, dtype=np.int64).reshape(-1, 2)
    if len(observed) and (observed.min() < 0 or observed.max() >= n_nodes):
        raise ValueError(f"an edge names a node outside 0 to {n_nodes - 1}")
    ordered = np.sort(observed, axis=1)
    if (ordered[:, 0] == ordered[:, 1]).any() or len(np.unique(ordered, axis=0)) != len(ordered):
        raise ValueError("the network has loops, or an edge twice")
    attempts = swaps_per_edge * len(observed)
    seeds = rng.integers(2**63, size=n_draws + 1, dtype=np.uint64)
    common = _walk(observed, n_nodes, attempts, seeds[0])
    for seed in seeds[1:]:
        yield _walk(common, n_nodes, attempts, seed)


@compiled
def next_state(state: np.uint64) -> np.uint64:  # pragma: no cover, compiled
    """One step of xorshift64 (Marsaglia 2003): a generator whose stream is the same on every machine."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@compiled
def _walk(edges: Ints, n_nodes: int, attempts: int, seed: np.uint64) -> Ints:  # pragma: no cover, compiled
    words = (n_nodes + 63) // 64
    linked = np.zeros((n_nodes, words), dtype=np.uint64)
    edges = edges.copy()
    m = len(edges)
    one = np.uint64(1)
    for i in range(m):
        a, b = edges[i, 0], edges[i, 1]
        linked[a, b >> 6] |= one << np.uint64(b & 63)
        linked[b, a >> 6] |= one << np.uint64(a & 63)
    state = seed | one
    for _ in range(attempts if m > 1 else 0):
        state = next_state(state)
        i = int((state >> np.uint64(11)) % np.uint64(m))
        state = next_state(state)
        j = int((state >> np.uint64(11)) % np.uint64(m))
        state = next_state(state)
        a, b, c, d = edges[i, 0], edges[i, 1], edges[j, 0], edges[j, 1]
        if (state >> np.uint64(32)) & one:
            c, d = d, c
        # a-b, c-d become a-d, c-b.
        if i == j or a == d or c == b:
            continue
        if (linked[a, d >> 6] >> np.uint64(d & 63)) & one or (linked[c, b >> 6] >> np.uint64(b & 63)) & one:
            continue
        for first, second in ((a, b), (c, d), (a, d), (c, b)):
            linked[first, second >> 6] ^= one << np.uint64(second & 63)
            linked[second, first >> 6] ^= one << np.uint64(first & 63)
        edges[i, 0], edges[i, 1], edges[j, 0], edges[j, 1] = a, d, c, b
    return edges
