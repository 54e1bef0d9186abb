"""The elements of both genes of a pair score high.

The gene is the unit: the pair's mean score is held against permuted maps of elements to genes, and against all other
pairs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
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
from darkregulome.claims.sentences import say_contrast
from darkregulome.claims.string_network import Network, read_network, read_pairs
from darkregulome.diagnosis.adjust import Ladder
from darkregulome.diagnosis.decision import FLOOR
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Settings
from darkregulome.errors import InputError
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.loci import Floats
from darkregulome.stats.nulls import empirical_p, permuted_gene_sums, quantile_strata
from darkregulome.stats.partial import Estimate
from darkregulome.stats.randomness import generator
from darkregulome.stats.setting import MOST_SET_DRAWS, NotTestable

STRATA = 5
"""Quantile bins of distance, and of length, within which elements change genes."""
MOST_PAIRS = 20
"""Without a list of pairs, this many of the strongest links are tested."""


def gene_pair(at: tuple[int, int], means: Floats, draws: Floats, learner: str = "none") -> Estimate:
    """Do the elements of both genes score high?

    The statistic is the mean of the two genes' mean scores. Two nulls, and the p-value is the larger of the two: the
    element-to-gene map permuted within strata, which knows distance and length; and every other pair of genes, which
    knows that genes differ in level for many reasons. The interval is that of the null whose p counts.

    Parameters
    ----------
    at : the two genes. means : shape (genes,), in SD of the elements.
    draws : shape (draws, genes), the same under the permuted map.
    """
    first, second = at
    value = float(means[first] + means[second]) / 2
    permuted = (draws[:, first] + draws[:, second]) / 2
    a, b = np.triu_indices(len(means), 1)
    others = ~((a == min(first, second)) & (b == max(first, second)))
    pairs = ((means[a] + means[b]) / 2)[others]
    if len(pairs) == 0:
        raise NotTestable("there are no other pairs of genes to compare with")
    nulls = [(empirical_p(value, one, float(one.mean())), one) for one in (permuted, pairs)]
    p, null = max(nulls, key=lambda pair: pair[0])
    return about_null(learner, value, null, p)


class Files(NetworkNames):
    """What the check asks for."""

    pairs: Path | None = Field(None, description="Pairs of genes: two columns with a header.")
    network: Path | None = Field(
        None, description="Without --pairs: the strongest links of this network of STRING are tested."
    )
    min_score: int = Field(900, ge=0, le=1000, description="Least score of a link that is a pair.")


@dataclass(frozen=True, kw_only=True)
class Pairs(External):
    """Pairs of loci: names of the two genes, and the two loci."""

    pairs: tuple[tuple[str, str, str, str], ...]


def hold(elements: pd.DataFrame, loci: pd.DataFrame, pairs: pd.DataFrame, notes: tuple[str, ...] = ()) -> Pairs:
    """The data of the check, from pairs of gene keys (gene1, gene2)."""
    locus_of = locus_by_gene(loci)
    both = [(a, b, locus_of.get(a), locus_of.get(b)) for a, b in pairs.itertuples(index=False)]
    of_two_loci = tuple((a, b, one, two) for a, b, one, two in both if one and two and one != two)
    if left_out := len(both) - len(of_two_loci):
        notes += (f"{left_out} of {len(both)} pairs are not of two loci of this run and were left out.",)
    return Pairs(elements=elements, notes=notes, pairs=of_two_loci)


def pairs_of_network(network: Network) -> pd.DataFrame:
    """The strongest links as pairs to test: gene1, gene2."""
    strongest = network.links.sort_values(["score", "gene1", "gene2"], ascending=[False, True, True])
    return strongest.head(MOST_PAIRS)[["gene1", "gene2"]].reset_index(drop=True)


def _read(elements: pd.DataFrame, files: Files) -> Pairs:
    loci = files.read_loci()
    if files.pairs is not None:
        return hold(elements, loci, read_pairs(files.pairs))
    if files.network is None:
        raise InputError.at("--pairs", "is not given, and no --network either", "give one of them")
    links = read_network(files.network, set(locus_by_gene(loci)), files.network_info, files.min_score)
    notes = (*links.notes, "The pairs are the strongest links of the network.")
    return hold(elements, loci, pairs_of_network(links), notes)


@dataclass(frozen=True)
class PairOfGenes:
    """Names of the two genes, and their places among the model's loci."""

    names: tuple[str, str]
    at: tuple[int, int]


def _subjects(models: Sequence[Prepared], settings: Settings, data: Pairs) -> Iterator[tuple[str, Make]]:
    for one in models:
        for first, second, *loci in data.pairs:
            yield f"{one.name}|{first}~{second}", partial(_pair, one, (first, second), loci)


def _pair(one: Prepared, genes: tuple[str, str], loci: Sequence[str]) -> Subject:
    names = one.scores.genes[0]
    if not set(loci) <= set(names):
        raise NotTestable("a gene of the pair has no scored element")
    at = (names.index(loci[0]), names.index(loci[1]))
    return Subject(f"{one.name}|{'~'.join(genes)}", one, one.setting, PairOfGenes(genes, at))


def permuted_means(one: Prepared, values: Floats, settings: Settings) -> Floats:
    """Mean of each gene under random maps of elements to genes: `values` of shape (n, k) to (draws, genes, k).

    The maps depend on the elements alone: models that scored the same elements are held against the same ones.
    """
    names, codes = one.scores.genes
    lengths = one.scores.table["length"].to_numpy(dtype=float)
    strata = quantile_strata(np.column_stack([np.log1p(one.scores.distance), np.log(lengths)]), STRATA)
    n_draws = min(settings.permutations, MOST_SET_DRAWS)
    sums = permuted_gene_sums(values, codes, strata, n_draws, generator(settings.seed, "maps", *names))
    return sums / np.bincount(codes)[:, None]


def _test(subject: Subject, settings: Settings) -> Ladder:
    one, pair = subject.one, subject.data
    names, codes = one.scores.genes
    labels, columns = score_columns(one)
    means = locus_means(columns, codes, len(names))
    draws = one.remember(("maps", "all", "all"), partial(permuted_means, one, columns, settings))
    estimates = {label: gene_pair(pair.at, means[:, at], draws[:, :, at], label[1]) for at, label in enumerate(labels)}
    return gene_ladder(one, estimates, FLOOR, {"pair": list(pair.names), "maps": len(draws)})


def _tables(findings: Findings) -> Tables:
    rows = [gene_table(one) for one in findings.models]
    return Tables(pd.concat(rows, ignore_index=True) if rows else pd.DataFrame())


def _say(entry: ClaimEntry, settings: Settings) -> str:
    pair = " and ".join(entry.details["pair"])
    return say_contrast(entry, f"Elements of {pair} score", "those of other genes")


CLAIM = Claim(
    name="protein_pair",
    title="Pairs of proteins",
    question="do the elements of both genes of a pair score high?",
    statistic="mean of the two genes' mean scores",
    unit="mean of both genes less that of others, SD",
    floor=FLOOR,
    subject="the pair",
    order=11,
    needs=OutsideData(
        "pairs",
        Files,
        _read,
        "--loci loci.tsv --pairs pairs.tsv",
        _tables,
        null="permuted element-to-gene map, and other pairs",
    ),
    subjects=_subjects,
    test=_test,
    say=_say,
    in_readout_units=False,
)
