"""The elements of both genes of a pair score high.

The gene is the unit: the pair's mean score is held against permuted maps of elements to genes, and against all other
pairs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from darkregulome.claims.claim import Claim, External, Findings, Make, OutsideData, Plant, Sides, Subject, Tables
from darkregulome.claims.gene_levels import NetworkNames, gene_table, levels, locus_by_gene, locus_means, locus_names
from darkregulome.claims.sentences import say_contrast
from darkregulome.claims.string_network import Network, read_network, read_pairs
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Settings
from darkregulome.errors import InputError
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.bootstrap import normal_interval
from darkregulome.stats.loci import Floats
from darkregulome.stats.nulls import empirical_p, permuted_gene_sums, quantile_strata
from darkregulome.stats.randomness import generator
from darkregulome.stats.tested import MOST_SET_DRAWS, NotTestable, Tested
from darkregulome.stats.verdict import REFERENCE_EFFECT, power_of

STRATA = 5
"""Quantile bins of distance, and of length, within which elements change genes."""
MOST_PAIRS = 20
"""Without a list of pairs, this many of the strongest links are tested."""


def gene_pair(at: tuple[int, int], means: Floats, draws: Floats, alpha: float) -> Tested:
    """Do the elements of both genes score high?

    The statistic is the mean of the two genes' mean scores. Two nulls, and the p-value is the larger of the two: the
    element-to-gene map permuted within strata, which knows distance and length; and every other pair of genes, which
    knows that genes differ in level for many reasons.

    Parameters
    ----------
    at : the two genes. means : shape (genes,), in SD of the elements.
    draws : shape (draws, genes), the same under the permuted map.
    """
    first, second = at
    effect = float(means[first] + means[second]) / 2
    permuted = (draws[:, first] + draws[:, second]) / 2
    a, b = np.triu_indices(len(means), 1)
    others = ~((a == min(first, second)) & (b == max(first, second)))
    pairs = ((means[a] + means[b]) / 2)[others]
    if len(pairs) == 0:
        raise NotTestable("there are no other pairs of genes to compare with")
    by_map = empirical_p(effect, permuted, float(permuted.mean()))
    by_pairs = empirical_p(effect, pairs, float(pairs.mean()))
    # The pairs have few draws, and those that share a gene are alike: their SD is taken as it is.
    wider = permuted if permuted.std() >= pairs.std() else pairs
    centre, sd = float(permuted.mean()), float(wider.std())
    attainable = 1 / (1 + len(pairs)) <= alpha
    details: dict[str, Any] = {"p_map": by_map, "p_pairs": by_pairs, "n_other_pairs": len(pairs)}
    return Tested(
        statistic=effect,
        p=max(by_map, by_pairs),
        effect=effect - centre,
        interval=normal_interval(effect - centre, sd),
        neutral=0.0,
        sign=float(np.sign(effect - centre)),
        power=power_of(REFERENCE_EFFECT, sd, alpha) if attainable else 0.0,
        contrast=effect - centre,
        draws=permuted if by_map >= by_pairs else pairs,
        details=details,
    )


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
    """One pair in one model's elements.

    Attributes
    ----------
    names : of the two genes. at : their places among the model's loci.
    means : shape (genes, 2), mean score of each gene, raw and residual. draws : shape (draws, genes, 2), the same under
        permuted maps.
    """

    names: tuple[str, str]
    at: tuple[int, int]
    means: Floats
    draws: Floats


def _subjects(models: Sequence[Prepared], settings: Settings, data: Pairs) -> Iterator[tuple[str, Make]]:
    maps = _map_draws(models, settings)
    for one in models:
        for first, second, *loci in data.pairs:
            yield f"{one.name}|{first}~{second}", partial(_pair, one, (first, second), loci, maps[one.name])


def _pair(one: Prepared, genes: tuple[str, str], loci: Sequence[str], maps: tuple[Floats, Floats]) -> Subject:
    names = locus_names(one)
    if not set(loci) <= set(names):
        raise NotTestable("a gene of the pair has no scored element")
    data = PairOfGenes(genes, (names.index(loci[0]), names.index(loci[1])), *maps)
    return Subject(f"{one.name}|{'~'.join(genes)}", (one,), one.setting, data)


def _map_draws(models: Sequence[Prepared], settings: Settings) -> dict[str, tuple[Floats, Floats]]:
    """By model: mean score of each gene, shape (genes, 2), and under permuted maps, shape (draws, genes, 2).

    The maps depend on the elements alone: models that scored the same elements are held against the same ones.
    """
    alike: dict[tuple[str, ...], list[Prepared]] = {}
    for one in models:
        alike.setdefault(tuple(one.scores.table["element"]), []).append(one)
    draws_of: dict[str, tuple[Floats, Floats]] = {}
    for group in alike.values():
        scores = group[0].scores
        (names, codes), values = scores.genes, np.hstack([levels(one) for one in group])
        lengths = scores.table["length"].to_numpy(dtype=float)
        strata = quantile_strata(np.column_stack([np.log1p(scores.distance), np.log(lengths)]), STRATA)
        n_draws = min(settings.permutations, MOST_SET_DRAWS)
        rng = generator(settings.seed, "maps", *names)
        sums = permuted_gene_sums(values, codes, strata, n_draws, rng) / np.bincount(codes)[:, None]
        means = locus_means(values, codes, len(names))
        for place, one in enumerate(group):
            own = slice(2 * place, 2 * place + 2)
            draws_of[one.name] = means[:, own], sums[:, :, own]
    return draws_of


def _test(subject: Subject, settings: Settings) -> Sides:
    pair: PairOfGenes = subject.data
    raw, residual = (gene_pair(pair.at, pair.means[:, side], pair.draws[:, :, side], settings.alpha) for side in (0, 1))
    return Sides(raw, residual, {"pair": list(pair.names), "maps": len(pair.draws)})


def _tables(findings: Findings) -> Tables:
    rows = [gene_table(one) for one in findings.models]
    return Tables(pd.concat(rows, ignore_index=True) if rows else pd.DataFrame())


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    pair = " and ".join(entry.details["pair"])
    return say_contrast(entry, f"Elements of {pair} score", "those of permuted maps")


def _planted(one: Prepared, rng: np.random.Generator) -> Pairs:
    """A pair of two genes that are nothing to each other."""
    names = locus_names(one)
    first, second = rng.choice(len(names), 2, replace=False)
    pair = (str(first), str(second), names[first], names[second])
    return Pairs(elements=one.scores.table, pairs=(pair,))


CLAIM = Claim(
    name="protein_pair",
    title="Pairs of proteins",
    question="do the elements of both genes of a pair score high?",
    statistic="mean of the two genes' mean scores",
    unit="mean of both genes less permuted map, SD",
    floor=0.1,
    reference=f"{REFERENCE_EFFECT:g} SD",
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
    plant=Plant(data=_planted, plain_p="p_map"),
)
