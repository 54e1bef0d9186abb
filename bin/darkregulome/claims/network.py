"""Genes linked in a protein network score alike.

The gene is the unit: what is compared are levels of whole loci, against networks in which every gene keeps its number
of links.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from darkregulome.claims.claim import Claim, External, Findings, Make, OutsideData, Plant, Sides, Subject, Tables
from darkregulome.claims.gene_levels import NetworkNames, gene_scores, gene_table, locus_by_gene, locus_names
from darkregulome.claims.sentences import effect_with_interval
from darkregulome.claims.string_network import Network, read_network
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.bootstrap import percentile_interval, resample_loci
from darkregulome.stats.loci import Floats, Ints
from darkregulome.stats.nulls import degree_preserving_draws, empirical_p
from darkregulome.stats.randomness import generator
from darkregulome.stats.tested import MOST_SET_DRAWS, NotTestable, Tested
from darkregulome.stats.verdict import power_of

MINIMUM_LINKS = 5
"""With fewer links between the genes there is no network to speak of."""
REFERENCE_ASSORTATIVITY = 0.3
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


def linked_genes(
    values: Floats, edges: Ints, draws: Floats, among: Floats, top: NDArray, resamples: Ints, alpha: float
) -> Tested:
    """Do linked genes score alike, beyond what networks of the same degrees give?

    Parameters
    ----------
    values : shape (n,), one score per gene. edges : shape (m, 2).
    draws, among : shape (draws,), of `network_draws`. top : shape (n,), the highest-scoring genes.
    resamples : shape (b, n), bootstrap over genes: a link counts as often as both its genes do.
    """
    estimate = float(assortativity(values[:, None], edges)[0, 0])
    if not np.isfinite(estimate):
        raise NotTestable("the linked genes' scores do not vary")
    weights = (resamples[:, edges[:, 0]] * resamples[:, edges[:, 1]]).astype(float)
    drawn = assortativity(values[:, None], edges, weights)[:, 0]
    sd, centre = float(draws.std()), float(draws.mean())
    links = float((top[edges[:, 0]] & top[edges[:, 1]]).sum())
    return Tested(
        statistic=estimate,
        p=empirical_p(estimate, draws, centre),
        # Degrees alone make ends of links alike or unlike: the effect is what is beyond that.
        effect=estimate - centre,
        interval=percentile_interval(drawn - centre),
        neutral=0.0,
        sign=float(np.sign(estimate - centre)),
        power=power_of(REFERENCE_ASSORTATIVITY, sd, alpha) if 2 / (1 + len(draws)) <= alpha else 0.0,
        contrast=estimate - centre,
        draws=draws,
        details={
            "assortativity": estimate,
            "expected_by_degree": centre,
            "n_links": len(edges),
            "links_among_top": links,
            "links_among_top_expected": float(among.mean()),
            "links_among_top_p": empirical_p(links, among, two_sided=False),
        },
    )


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
    planted : shape (m, 2), links as numbers of loci, where they are of no network.
    """

    network: Network | None = None
    ends: pd.DataFrame = field(default_factory=pd.DataFrame)
    planted: Ints | None = None

    def of(self, one: Prepared) -> tuple[list[str], Ints]:
        """Names of a model's genes, and the links between them as numbers of them: shape (m, 2)."""
        if self.planted is not None:
            return [str(number) for number in range(len(locus_names(one)))], self.planted
        names = locus_names(one)
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
    """One model's genes: names, links (shape (m, 2)), scores (shape (genes, 2)), and networks of the same degrees."""

    names: list[str]
    edges: Ints
    scores: Floats
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
    return Subject(one.name, (one,), one.setting, LinkedGenes(names, edges, gene_scores(one), drawn[key]))


def _edges(ends: pd.DataFrame, names: Sequence[str]) -> Ints:
    """Links as indices of `names`, each once: shape (m, 2)."""
    index = {name: at for at, name in enumerate(names)}
    pairs = {
        (min(a, b), max(a, b))
        for a, b in zip(ends["gene1"].map(index.get), ends["gene2"].map(index.get), strict=True)
        if not (pd.isna(a) or pd.isna(b) or a == b)
    }
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def _test(subject: Subject, settings: Settings) -> Sides:
    genes, values = subject.data, subject.data.scores
    top = values >= np.quantile(values, 1 - TOP_GENES, axis=0)
    alike, among = network_draws(values, genes.networks, top)
    resamples = resample_loci(len(genes.names), settings.bootstrap, generator(settings.seed, "genes", *genes.names))
    raw, residual = (
        linked_genes(
            values[:, side], genes.edges, alike[:, side], among[:, side], top[:, side], resamples, settings.alpha
        )
        for side in (0, 1)
    )
    return Sides(raw, residual, {"n_genes": len(genes.names), "n_linked_genes": len(np.unique(genes.edges))})


def _tables(findings: Findings) -> Tables:
    data = findings.data
    tested = {result.model for result in findings.results}
    rows = [gene_table(one) for one in findings.models if one.name in tested]
    places = data.elements[["locus"]].drop_duplicates().assign(model="", raw=np.nan, residual=np.nan)
    links = data.network.links.assign(locus1=data.ends["gene1"], locus2=data.ends["gene2"])
    return Tables(pd.concat(rows, ignore_index=True) if rows else places, links)


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    details = entry.details["raw"]
    return (
        f"Scores of linked genes have a correlation of {details['assortativity']:.2f} "
        f"({details['expected_by_degree']:.2f} in networks of the same degrees)",
        f"{effect_with_interval(entry.residual)} beyond degree remains",
    )


def _planted(one: Prepared, rng: np.random.Generator, links_per_gene: int = 2) -> Links:
    """Links that follow nothing, between genes that differ in their numbers of links."""
    count = len(locus_names(one))
    first, second = np.triu_indices(count, 1)
    weight = rng.pareto(2.0, count) + 0.1
    chances = weight[first] * weight[second]
    n_links = min(links_per_gene * count, len(first))
    drawn = rng.choice(len(first), n_links, replace=False, p=chances / chances.sum())
    return Links(elements=one.scores.table, planted=np.column_stack([first[drawn], second[drawn]]))


CLAIM = Claim(
    name="network",
    title="Protein network",
    question="do genes linked in a protein network score alike, beyond their numbers of links?",
    statistic="correlation of the scores of linked genes",
    unit="correlation of linked genes' scores beyond degree",
    floor=0.1,
    reference=f"a correlation of {REFERENCE_ASSORTATIVITY:g}",
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
    plant=Plant(data=_planted, plain_p="none"),
)
