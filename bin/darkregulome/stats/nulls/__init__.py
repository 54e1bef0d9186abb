"""Nulls: what the scores would be if nothing were there, one module per way of drawing it.

Nulls that users choose by name (rotation, the default; free and stratified shuffles) end in a record: see `kind`.
Others belong to one kind of question: `degree_preserving_draws` (networks), `permuted_gene_sums` (pairs of genes),
`DiagonalNull` (maps of pairs of bases); matched draws are in `stats/matching.py`. All are seeded by the generator they
are handed, and give the same draws for any number of threads.
"""

from darkregulome.stats.nulls.diagonals import DiagonalNull
from darkregulome.stats.nulls.empirical import benjamini_hochberg, empirical_p, equal_tailed_p
from darkregulome.stats.nulls.genes import permuted_gene_sums, quantile_strata
from darkregulome.stats.nulls.kind import Null, NullKind, find_null, null_names
from darkregulome.stats.nulls.network import degree_preserving_draws
from darkregulome.stats.nulls.rotation import NullDraws, RotationNull, rotation_table
from darkregulome.stats.nulls.shuffle import ShuffleNull

__all__ = [
    "DiagonalNull",
    "Null",
    "NullDraws",
    "NullKind",
    "RotationNull",
    "ShuffleNull",
    "benjamini_hochberg",
    "degree_preserving_draws",
    "empirical_p",
    "equal_tailed_p",
    "find_null",
    "null_names",
    "permuted_gene_sums",
    "quantile_strata",
    "rotation_table",
]
