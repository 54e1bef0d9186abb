"""Protein networks in STRING's own formats, as links between the genes of the loci."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from darkregulome.errors import InputError
from darkregulome.genome.genes import gene_keys
from darkregulome.genome.textfile import open_text
from darkregulome.io.paths import whole_gzip

_ENDS = (("protein1", "protein2"), ("node1", "node2"), ("gene1", "gene2"))
_NAMED = {"preferred_name": "preferred_name", "alias": "alias"}
_ID = ("string_protein_id", "protein_external_id")
CHUNK = 500_000


@dataclass(frozen=True)
class Network:
    """Links between genes of the loci: gene1, gene2 (gene keys, gene1 < gene2), score (0 to 1000); notes."""

    links: pd.DataFrame
    notes: list[str]


def read_network(
    links: Path, genes: set[str], info: Path | None = None, min_score: int = 400, evidence: str = "combined_score"
) -> Network:
    """Links between `genes` of STRING's ``protein.links``, ``protein.links.detailed`` or a network export (TSV).

    Parameters
    ----------
    genes : the genes, as `gene_key` writes them.
    info : ``protein.info`` or ``protein.aliases``: the names of the proteins. Not needed where links name genes.
    min_score : least score, 0 to 1000 (STRING: 150 low, 400 medium, 700 high, 900 highest confidence).
    evidence : column of the score: combined_score, or a channel of the detailed file (experimental, coexpression, ...).

    Raises
    ------
    InputError
        A file is none of these formats, or none of its proteins is a gene of the loci.
    """
    names = read_names(info, genes) if info is not None else None
    parts: list[pd.DataFrame] = []
    notes: list[str] = []
    seen, genes_read = 0, set[str]()
    for chunk in _chunks(links, "links"):
        first, second, score = _columns(chunk, evidence, links)
        seen += len(chunk)
        scores = pd.to_numeric(chunk[score], errors="coerce")
        table = pd.DataFrame(
            {"gene1": _keys(chunk[first], names), "gene2": _keys(chunk[second], names), "score": scores}
        )
        of_loci = table["gene1"].isin(genes), table["gene2"].isin(genes)
        genes_read |= set(table.loc[of_loci[0], "gene1"]) | set(table.loc[of_loci[1], "gene2"])
        parts.append(table[of_loci[0] & of_loci[1]])
    if not genes_read:
        remedy = (
            "give protein.info or protein.aliases by --network-info"
            if names is None
            else "check that both are of one species"
        )
        raise InputError.at(links, f"names none of the {len(genes)} genes of the loci ({seen} links read)", remedy)
    table = pd.concat(parts, ignore_index=True).dropna()
    if table["score"].max() <= 1.0:
        table["score"] *= 1000
    ordered = np.sort(table[["gene1", "gene2"]].to_numpy(dtype=str), axis=1)
    table = table.assign(gene1=ordered[:, 0], gene2=ordered[:, 1])
    table = table[table["gene1"] != table["gene2"]].groupby(["gene1", "gene2"])[["score"]].max().reset_index()
    strong = table[table["score"] >= min_score].reset_index(drop=True)
    notes.append(
        f"{len(strong)} links of {evidence} {min_score} or more between {len(genes_read)} genes of the loci "
        f"({len(table)} of any score)."
    )
    return Network(strong, notes)


def read_names(info: Path, genes: set[str]) -> dict[str, str]:
    """Protein id to gene key, for the proteins of `genes`: by preferred name, or by any alias."""
    gene_of_protein: dict[str, str] = {}
    for chunk in _chunks(info, "names"):
        id_column = next((name for name in _ID if name in chunk.columns), None)
        name_column = next((name for name in _NAMED if name in chunk.columns), None)
        if id_column is None or name_column is None:
            raise InputError.at(
                info,
                f"has the columns {', '.join(chunk.columns[:6])}",
                "give STRING's protein.info or protein.aliases (string_protein_id, preferred_name or alias)",
            )
        keys = gene_keys(chunk[name_column])
        rows = keys.isin(genes)
        for protein, key in zip(chunk.loc[rows, id_column], keys[rows], strict=True):
            gene_of_protein.setdefault(str(protein), str(key))
    return gene_of_protein


def read_pairs(path: Path) -> pd.DataFrame:
    """Pairs of genes: gene1, gene2 (gene keys) from two named columns, or from the first two.

    Raises
    ------
    InputError
        The file has fewer than two columns, or no pair.
    """
    parts = list(_chunks(path, "pairs"))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if table.shape[1] < 2:
        raise InputError.at(path, "has fewer than two columns", "give gene1 and gene2")
    ends = next((pair for pair in _ENDS if set(pair) <= set(table.columns)), tuple(table.columns[:2]))
    pairs = pd.DataFrame({name: gene_keys(table[end]) for name, end in zip(("gene1", "gene2"), ends, strict=True)})
    pairs = pairs.dropna()
    pairs = pairs[pairs["gene1"] != pairs["gene2"]].drop_duplicates(ignore_index=True)
    if pairs.empty:
        raise InputError.at(path, "has no pair of two genes", "give a header and at least one pair")
    return pairs


def _columns(chunk: pd.DataFrame, evidence: str, path: Path) -> tuple[str, str, str]:
    ends = next((pair for pair in _ENDS if set(pair) <= set(chunk.columns)), None)
    if ends is None:
        raise InputError.at(
            path,
            f"has the columns {', '.join(chunk.columns[:6])}",
            "give protein1 protein2 combined_score, as STRING does",
        )
    if evidence not in chunk.columns:
        raise InputError.at(path, f"has no column {evidence!r}", f"use one of {', '.join(chunk.columns[2:])}")
    return (*ends, evidence)


def _keys(proteins: pd.Series, names: dict[str, str] | None) -> pd.Series:
    """Gene keys of proteins, by their ids; without names, the proteins are taken as genes."""
    if names is not None:
        mapped = proteins.astype(str).map(names)
        # A network export names genes in addition to ids: these need no map.
        return mapped if mapped.notna().any() else gene_keys(proteins)
    return gene_keys(proteins)


def _chunks(path: Path, what: str) -> Iterator[pd.DataFrame]:
    """Pieces of a table separated by tabs, commas or single blanks, whose header may begin with ``#``."""
    try:
        with whole_gzip(path), open_text(path) as handle:
            header = handle.readline().rstrip("\r\n")
            if not header:
                raise InputError.at(path, "is empty", f"give the {what} with their header")
            separator = next((one for one in ("\t", ",", " ") if one in header), "\t")
            names = [name.strip().lstrip("#") for name in header.split(separator)]
            if len(set(names)) < len(names):
                raise InputError.at(path, "has no header of different names", f"give the {what} with their header")
            reader = pd.read_csv(
                handle,
                sep=separator,
                names=names,
                header=None,
                chunksize=CHUNK,
                dtype=str,
                keep_default_na=False,
                quoting=3,
            )
            yield from reader
    except UnicodeDecodeError as error:
        raise InputError.at(path, "is not UTF-8 text", "give a text file, plain or gzipped") from error
    except pd.errors.ParserError as error:
        raise InputError.at(
            path, f"cannot be read ({str(error).splitlines()[0]})", f"give {what} as STRING has them"
        ) from error
