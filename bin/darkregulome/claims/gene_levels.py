"""Levels of genes: what the claims about genes compare, and the claims within loci leave out."""

from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field

from darkregulome.diagnosis.settings import Asked
from darkregulome.errors import InputError
from darkregulome.genome.genes import genes_of_loci
from darkregulome.io.schemas import LOCI
from darkregulome.io.tables import read_rows
from darkregulome.stats.loci import Floats, Ints


class LocusTable(Asked):
    """What every check by gene asks for."""

    loci: Path = Field(description="Locus table: whose gene an element belongs to.")

    def read_loci(self) -> pd.DataFrame:
        """The table of loci."""
        return read_rows(self.loci, LOCI)


class NetworkNames(LocusTable):
    """What a check that reads a network of STRING asks for too."""

    network_info: Path | None = Field(
        None, description="Names of the proteins: STRING's protein.info or protein.aliases."
    )


def locus_by_gene(loci: pd.DataFrame) -> dict[str, str]:
    """Gene key to locus; every name of a locus's gene counts, the first locus wins.

    Raises
    ------
    InputError
        The table names no gene.
    """
    locus_of: dict[str, str] = {}
    for locus, key in genes_of_loci(loci):
        locus_of.setdefault(key, locus)
    if not locus_of:
        raise InputError.at("the loci", "name no gene", "give loci with a column gene")
    return locus_of


def locus_means(values: Floats, codes: Ints, count: int) -> Floats:
    """Mean of each column of `values` (shape (n, k)) over the elements of each gene: shape (count, k)."""
    sizes = np.maximum(np.bincount(codes, minlength=count), 1)
    sums = np.column_stack([np.bincount(codes, weights=column, minlength=count) for column in values.T])
    return sums / sizes[:, None]
