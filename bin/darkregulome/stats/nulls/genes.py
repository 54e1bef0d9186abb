"""Random maps from elements to genes: for claims about pairs of genes that their elements' scores should tell."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def permute_elements_to_genes(
    gene_of_element: NDArray, strata: NDArray, n_draws: int, rng: np.random.Generator
) -> Iterator[NDArray]:
    """Draws of the element-to-gene map, exchanged only between elements of the same stratum.

    Every gene keeps its number of elements in each stratum (bins of distance and length, say; see `quantile_strata`).

    Parameters
    ----------
    gene_of_element : shape (n,), any type. strata : shape (n,), labels. n_draws : number of maps. rng : source.

    Yields
    ------
    Shape (n,), the gene of each element in one draw.
    """
    genes = np.asarray(gene_of_element)
    codes = np.unique(np.asarray(strata), return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    blocks = np.split(order, np.cumsum(np.bincount(codes))[:-1]) if len(codes) else []
    seeds = rng.integers(2**63, size=n_draws)
    for seed in seeds:
        own = np.random.default_rng(seed)
        drawn = np.empty_like(genes)
        for block in blocks:
            drawn[block] = genes[own.permutation(block)]
        yield drawn


def quantile_strata(columns: NDArray, bins: int) -> NDArray:
    """One label an element: which of `bins` quantile bins it lies in, for every column of `columns` (shape (n, q))."""
    columns = np.asarray(columns, dtype=float)
    columns = columns.reshape(len(columns), -1)
    labels = np.zeros(len(columns), dtype=np.int64)
    for values in columns.T:
        edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
        labels = labels * bins + np.searchsorted(edges, values, side="right")
    return labels
