"""Nulls: what the scores would be if nothing were there, one module a way of drawing it.

`RotationNull` (spatial claims, the default), `ShuffleNull` (free or stratified, shown beside), `matched_draws` (claims
about sets), `degree_preserving_draws` (networks), `permute_elements_to_genes` (pairs), `DiagonalNull` (maps of
pairs of bases). All are seeded by the generator they are handed, and give the same draws for any number of threads.
"""

from darkregulome.stats.nulls.diagonals import DiagonalNull
from darkregulome.stats.nulls.empirical import empirical_p, exceedances, sequential_p
from darkregulome.stats.nulls.genes import permute_elements_to_genes, permuted_gene_sums, quantile_strata
from darkregulome.stats.nulls.matched import (
    exchanged_contrasts,
    matchable,
    matched_draws,
    nearest_pools,
    standardised_mean_differences,
)
from darkregulome.stats.nulls.network import degree_preserving_draws
from darkregulome.stats.nulls.rotation import NullDraws, RotationNull, rotation_table
from darkregulome.stats.nulls.shuffle import ShuffleNull

Null = RotationNull | ShuffleNull

__all__ = [
    "DiagonalNull",
    "Null",
    "NullDraws",
    "RotationNull",
    "ShuffleNull",
    "degree_preserving_draws",
    "empirical_p",
    "exceedances",
    "exchanged_contrasts",
    "matchable",
    "matched_draws",
    "nearest_pools",
    "permute_elements_to_genes",
    "permuted_gene_sums",
    "quantile_strata",
    "rotation_table",
    "sequential_p",
    "standardised_mean_differences",
]
