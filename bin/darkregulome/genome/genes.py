"""The one place where names of genes are compared: symbols, ids with and without their version."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

import pandas as pd

GENE_COLUMNS = ("gene", "gene_name", "gene_id")
"""Columns of a table of loci that name a locus's gene, the preferred name first; '.' where it has none."""
# ENSG00000141510.18, and GENCODE's ids lifted to GRCh37, ENSG00000141510.11_2. What follows (_PAR_Y) is part of the id.
_VERSION = re.compile(r"^(ENS[A-Z]*\d+)\.\d+(?:_\d+)?", re.IGNORECASE)


def without_version(gene_id: str) -> str:
    """An Ensembl id without its version; any other name as it is (``RP11-34P13.7`` and ``MSTRG.1`` are whole names)."""
    return _VERSION.sub(r"\1", gene_id)


def gene_key(name: Any) -> Any:
    """A gene's name for comparison: upper case, Ensembl version dropped; `pandas.NA` where there is none."""
    if name is None or pd.isna(name) or str(name).strip() == "":
        return pd.NA
    return without_version(str(name).strip()).upper()


def gene_keys(names: pd.Series) -> pd.Series:
    """`gene_key` of every name."""
    return names.map({name: gene_key(name) for name in names.unique()})


def genes_of_loci(loci: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Yield (locus, gene key) for every name of every locus's gene, the preferred names of all loci first."""
    for column in GENE_COLUMNS:
        if column in loci.columns:
            for locus, key in zip(loci["locus"].astype(str), gene_keys(loci[column]), strict=True):
                if not pd.isna(key) and key != ".":
                    yield locus, key


class GeneIndex:
    """Finds genes of an annotation by name, then by id, versions of ids left out of account.

    Parameters
    ----------
    genes : gene_id and gene_name, as of `annotation.read_gtf`.
    """

    def __init__(self, genes: pd.DataFrame):
        self.genes = genes
        self._by_name = genes.groupby("gene_name", sort=False).indices
        self._by_id = genes.groupby(genes["gene_id"].map(without_version), sort=False).indices

    def find(self, gene: str) -> pd.DataFrame:
        """Every gene of that name, or else of that id."""
        return self.genes.iloc[self._by_name.get(gene, self._by_id.get(without_version(gene), []))]

    def close_names(self, gene: str) -> list[str]:
        """Names and ids that may have been meant."""
        names = [str(name) for name in (*self._by_name, *self._by_id)]
        close = get_close_matches(gene, names, cutoff=0.7)
        # Case is the usual slip: mouse symbols for human ones.
        return close + [name for name in names if name.upper() == gene.upper() and name not in close]
