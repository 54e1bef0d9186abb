"""Genes linked in a protein network score alike.

The gene is the unit: what is compared are levels of whole loci, against networks in which every gene keeps its number
of links.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from darkregulome.claims.claim import Claim, External, Findings, Make, OutsideData, Subject, Tables
from darkregulome.claims.gene_levels import (
    NetworkNames,
    about_null,
    gene_ladder,
    gene_table,
    locus_by_gene,
    locus_means,
    score_columns,
)
from darkregulome.claims.string_network import Network, read_network
from darkregulome.diagnosis.adjust import Ladder
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.loci import Floats, Ints
from darkregulome.stats.nulls import degree_preserving_draws
from darkregulome.stats.randomness import generator
from darkregulome.stats.setting import MOST_SET_DRAWS, NotTestable

MINIMUM_LINKS = 5
"""With fewer links between the genes there is no network to speak of."""
FLOOR, MARGIN = 0.1, 0.3
"""Of the correlation of linked genes beyond degree."""
TOP_GENES = 0.25
"""Share of genes that count as high-scoring where links among them are counted."""


def assortativity(values: NDArray, edges: NDArray, weights: NDArray | None = None) -> Floats:
    """Correlation of the values at the two ends of a link (Newman 2003, Phys Rev E 67:026126, eq. 21).

    Parameters
    ----------
    values : shape (n, k), one column per set of values. edges : shape (m, 2).
    weights : shape (b, m), weights of the links in b resamples; None for one set of ones.

    Returns
    -------
    Shape (b, k); NaN where the values at the ends of links do not vary.
    """
    values, weights = np.asarray(values, dtype=float), np.ones((1, len(edges))) if weights is None else weights
    one, two = values[edges[:, 0]], values[edges[:, 1]]
    total = weights.sum(axis=1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        product, mean = weights @ (one * two) / total, weights @ (one + two) / (2 * total)
        variance = weights @ (one**2 + two**2) / (2 * total) - mean**2
        return np.where(variance > 1e-12, (product - mean**2) / variance, np.nan)


def network_draws(values: NDArray, networks: Iterable[Ints], top: NDArray) -> tuple[Floats, Floats]:
    """Assortativity, and links among the top genes, in each drawn network: both of shape (draws, k).

    Parameters
    ----------
    values : shape (n, k). networks : edges of shape (m, 2) each, degrees as in the observed one. top : shape (n, k).
    """
    alike, among = [], []
    for edges in networks:
        alike.append(assortativity(values, edges)[0])
        among.append((top[edges[:, 0]] & top[edges[:, 1]]).sum(axis=0))
    return np.array(alike), np.array(among, dtype=float)


class Files(NetworkNames):
    """What the check asks for."""

    network: Path = Field(description="STRING: protein.links, protein.links.detailed, or an exported network.")
    min_score: int = Field(400, ge=0, le=1000, description="Least score of a link.")
    evidence: str = Field(
        "combined_score", description="Column of the score: combined_score, experimental, coexpression, ..."
    )


@dataclass(frozen=True, kw_only=True)
class Links(External):
    """Links between loci.

    Attributes
    ----------
    network : that they are of. ends : gene1, gene2 of its links as names of loci.
    """

    network: Network
    ends: pd.DataFrame

    def of(self, one: Prepared) -> tuple[list[str], Ints]:
        """Names of a model's genes, and the links between them as numbers of them: shape (m, 2)."""
        names = one.scores.genes[0]
        return names, _edges(self.ends, names)


def hold(elements: pd.DataFrame, loci: pd.DataFrame, network: Network) -> Links:
    """The data of the check."""
    locus_of = locus_by_gene(loci)
    ends = network.links[["gene1", "gene2"]].map(locus_of.get)
    return Links(elements=elements, notes=tuple(network.notes), ends=ends, network=network)


def _read(elements: pd.DataFrame, files: Files) -> Links:
    loci = files.read_loci()
    genes = set(locus_by_gene(loci))
    return hold(elements, loci, read_network(files.network, genes, files.network_info, files.min_score, files.evidence))


@dataclass(frozen=True)
class LinkedGenes:
    """Of one model: number of genes, links (shape (m, 2)), and networks of the same degrees."""

    count: int
    edges: Ints
    networks: Sequence[Ints]


def _subjects(models: Sequence[Prepared], settings: Settings, data: Links) -> Iterator[tuple[str, Make]]:
    # The networks depend on the genes alone: every model of the same genes is held against the same ones.
    drawn: dict[tuple[str, ...], list[Ints]] = {}
    for one in models:
        yield one.name, partial(_link, one, settings, data, drawn)


def _link(one: Prepared, settings: Settings, data: Links, drawn: dict[tuple[str, ...], list[Ints]]) -> Subject:
    names, edges = data.of(one)
    if len(edges) < MINIMUM_LINKS:
        raise NotTestable(f"{len(edges)} links join genes with scores; {MINIMUM_LINKS} are needed")
    key = tuple(names)
    if key not in drawn:
        n_draws, rng = min(settings.permutations, MOST_SET_DRAWS), generator(settings.seed, "network", *names)
        drawn[key] = list(degree_preserving_draws(edges, len(names), n_draws, rng))
    return Subject(one.name, one, one.setting, LinkedGenes(len(names), edges, drawn[key]))


def _edges(ends: pd.DataFrame, names: Sequence[str]) -> Ints:
    """Links as indices of `names`, each once: shape (m, 2)."""
    index = {name: at for at, name in enumerate(names)}
    pairs = {
        (min(a, b), max(a, b))
        for a, b in zip(ends["gene1"].map(index.get), ends["gene2"].map(index.get), strict=True)
        if not (pd.isna(a) or pd.isna(b) or a == b)
    }
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def _test(subject: Subject, settings: Settings) -> Ladder:
    genes: LinkedGenes = subject.data
    labels, columns = score_columns(subject.one)
    values = locus_means(columns, subject.one.scores.genes[1], genes.count)
    observed = assortativity(values, genes.edges)[0]
    if not np.isfinite(observed).all():
        raise NotTestable("the linked genes' scores do not vary")
    top = values >= np.quantile(values, 1 - TOP_GENES, axis=0)
    draws, among = network_draws(values, genes.networks, top)
    without = without_each_gene(values, genes.edges)
    estimates = {
        label: about_null(label[1], float(observed[at]), draws[:, at], without=(without[0, at], without[1, at]))
        for at, label in enumerate(labels)
    }
    details: dict[str, Any] = {
        "n_genes": genes.count,
        "n_linked_genes": len(np.unique(genes.edges)),
        "n_links": len(genes.edges),
        "assortativity": float(observed[0]),
        "expected_by_degree": float(draws[:, 0].mean()),
        "links_among_top": int((top[genes.edges[:, 0], 0] & top[genes.edges[:, 1], 0]).sum()),
        "expected_among_top": float(among[:, 0].mean()),
    }
    return gene_ladder(subject.one, estimates, FLOOR, details)


def without_each_gene(values: Floats, edges: Ints) -> Floats:
    """Smallest and largest assortativity when the links of one gene are left out: shape (2, k)."""
    genes = np.unique(edges)
    kept_links = (edges[None] != genes[:, None, None]).all(axis=2).astype(float)
    alone = assortativity(values, edges, kept_links[kept_links.any(axis=1)])
    return np.array([np.nanmin(alone, axis=0), np.nanmax(alone, axis=0)])


def _tables(findings: Findings) -> Tables:
    data = findings.data
    tested = {result.model for result in findings.results}
    rows = [gene_table(one) for one in findings.models if one.name in tested]
    places = data.elements[["locus"]].drop_duplicates().assign(model="", raw=np.nan)
    links = data.network.links.assign(locus1=data.ends["gene1"], locus2=data.ends["gene2"])
    return Tables(pd.concat(rows, ignore_index=True) if rows else places, links)


def _say(entry: ClaimEntry, settings: Settings) -> str:
    details = entry.details
    return (
        f"Scores of linked genes have a correlation of {details['assortativity']:.2f} "
        f"({details['expected_by_degree']:.2f} in networks of the same degrees)"
    )


CLAIM = Claim(
    name="network",
    title="Protein network",
    question="do genes linked in a protein network score alike, beyond their numbers of links?",
    statistic="correlation of the scores of linked genes",
    unit="correlation of linked genes' scores beyond degree",
    floor=FLOOR,
    margin=MARGIN,
    subject="the link to the network",
    order=10,
    needs=OutsideData(
        "network",
        Files,
        _read,
        "--loci loci.tsv --network 9606.protein.links.v12.0.txt.gz --network-info 9606.protein.info.v12.0.txt.gz",
        _tables,
        null="degree-preserving draws",
    ),
    subjects=_subjects,
    test=_test,
    say=_say,
    in_readout_units=False,
)
