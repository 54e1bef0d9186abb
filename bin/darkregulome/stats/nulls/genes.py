"""Random maps from elements to genes: for claims about pairs of genes that their elements' scores should tell."""

from collections.abc import Iterator

import numba
import numpy as np
from numpy.typing import NDArray

from darkregulome.stats.loci import Floats, Ints
from darkregulome.stats.nulls.shuffle import shuffle_blocks


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
    order, ends, states = _blocks(strata, n_draws, rng)
    for state in states:
        drawn = np.empty_like(genes)
        drawn[order] = genes[_shuffled(order, ends, state)]
        yield drawn


def permuted_gene_sums(
    values: NDArray, gene_of_element: Ints, strata: NDArray, n_draws: int, rng: np.random.Generator
) -> Floats:
    """Sums of `values` by gene under the maps that `permute_elements_to_genes` draws from the same generator.

    Parameters
    ----------
    values : shape (n, k). gene_of_element : shape (n,), codes from 0. strata : shape (n,), labels.

    Returns
    -------
    Shape (n_draws, genes, k).
    """
    order, ends, states = _blocks(strata, n_draws, rng)
    genes = np.asarray(gene_of_element, dtype=np.int64)
    count = int(genes.max(initial=-1)) + 1
    return _sums_by_gene(np.ascontiguousarray(values, dtype=np.float64), genes, count, order, ends, states)


def _blocks(strata: NDArray, n_draws: int, rng: np.random.Generator) -> tuple[Ints, Ints, NDArray[np.uint64]]:
    """Elements in order of stratum, where each stratum ends, and a random state a draw."""
    codes = np.unique(np.asarray(strata), return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes)) if len(codes) else np.zeros(0, dtype=np.int64)
    return order, ends, rng.integers(2**63, size=n_draws, dtype=np.uint64) | np.uint64(1)


@numba.njit(nogil=True)
def _shuffled(order: Ints, ends: Ints, state: np.uint64) -> Ints:  # pragma: no cover, compiled
    """`order` with each block up to an end shuffled by itself."""
    shuffled = order.copy()
    shuffle_blocks(shuffled, ends, state)
    return shuffled


@numba.njit(nogil=True)
def _sums_by_gene(
    values: Floats, genes: Ints, count: int, order: Ints, ends: Ints, states: NDArray[np.uint64]
) -> Floats:  # pragma: no cover, compiled
    n, columns = values.shape
    sums = np.zeros((len(states), count, columns))
    # In order of stratum, so that an exchange is between neighbours in memory.
    own, of = genes[order], values[order]
    start_order = np.arange(n)
    for draw in range(len(states)):
        shuffled = _shuffled(start_order, ends, states[draw])
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
