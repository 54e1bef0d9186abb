"""Random maps from elements to genes: for claims about pairs of genes."""

import numpy as np
from numpy.typing import NDArray

from darkregulome.stats.compiled import compiled
from darkregulome.stats.loci import Floats, Ints
from darkregulome.stats.nulls.shuffle import shuffle_blocks


def permuted_gene_sums(
    values: NDArray, gene_of_element: Ints, strata: NDArray, n_draws: int, rng: np.random.Generator
) -> Floats:
    """Sums of `values` by gene under random element-to-gene maps, exchanged only between elements of one stratum.

    Every gene keeps its number of elements in each stratum (bins of distance and length, say; see `quantile_strata`).

    Parameters
    ----------
    values : shape (n, k). gene_of_element : shape (n,), codes from 0. strata : shape (n,), labels.

    Returns
    -------
    Shape (n_draws, genes, k).
    """
    codes = np.unique(np.asarray(strata), return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes)) if len(codes) else np.zeros(0, dtype=np.int64)
    states = rng.integers(2**63, size=n_draws, dtype=np.uint64) | np.uint64(1)
    genes = np.asarray(gene_of_element, dtype=np.int64)
    count = int(genes.max(initial=-1)) + 1
    return _sums_by_gene(np.ascontiguousarray(values, dtype=np.float64), genes, count, order, ends, states)


@compiled
def _sums_by_gene(
    values: Floats, genes: Ints, count: int, order: Ints, ends: Ints, states: NDArray[np.uint64]
) -> Floats:  # pragma: no cover, compiled
    n, columns = values.shape
    sums = np.zeros((len(states), count, columns))
    # In order of stratum, so that an exchange is between neighbours in memory.
    own, of = genes[order], values[order]
    start_order = np.arange(n)
    for draw in range(len(states)):
        shuffled = start_order.copy()
        shuffle_blocks(shuffled, ends, states[draw])
        for i in range(n):
            gene = own[shuffled[i]]
            for column in range(columns):
                sums[draw, gene, column] += of[i, column]
    return sums


def quantile_strata(columns: NDArray, bins: int) -> NDArray:
    """One label an element: which of `bins` quantile bins it lies in, for every column of `columns` (shape (n, q))."""
    columns = np.asarray(columns, dtype=float)
    columns = columns.reshape(len(columns), -1)
    labels = np.zeros(len(columns), dtype=np.int64)
    for values in columns.T:
        edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
        labels = labels * bins + np.searchsorted(edges, values, side="right")
    return labels
