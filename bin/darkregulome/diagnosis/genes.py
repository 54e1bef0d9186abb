"""Cross-checks whose unit is the gene: the protein network, and pairs of proteins."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from darkregulome.diagnosis.cross_check import CrossCheck, prepared_models, run_check
from darkregulome.diagnosis.diagnose import Prepared, Sides
from darkregulome.diagnosis.settings import Settings
from darkregulome.diagnosis.string_network import Network
from darkregulome.errors import InputError
from darkregulome.genome.genes import genes_of_loci
from darkregulome.io.records import rounded
from darkregulome.stats.bootstrap import resample_loci
from darkregulome.stats.claims import MOST_SET_DRAWS, NotTestable, Tested
from darkregulome.stats.gene_claims import MINIMUM_LINKS, gene_pair, linked_genes, locus_means, network_draws
from darkregulome.stats.loci import Floats, Ints
from darkregulome.stats.nulls import degree_preserving_draws, permuted_gene_sums, quantile_strata
from darkregulome.stats.randomness import generator

TOP_GENES = 0.25
"""Share of genes that count as high-scoring where links among them are counted."""
STRATA = 5
"""Quantile bins of distance, and of length, within which elements change genes."""
MOST_PAIRS = 20
"""Without a list of pairs, so many of the strongest links are tested."""


def genes_of(loci: pd.DataFrame) -> dict[str, str]:
    """Gene key to locus; every name of a locus's gene counts (gene, gene_id, gene_name), the first locus wins."""
    found: dict[str, str] = {}
    for locus, key in genes_of_loci(loci):
        found.setdefault(key, locus)
    if not found:
        raise InputError.at("the loci", "name no gene", "give loci with a column gene")
    return found


def _levels(one: Prepared) -> Floats:
    """Raw and residual scores in SD over all elements, levels of loci kept: shape (n, 2)."""
    columns = np.column_stack([one.scores.raw, one.fit.residual])
    spread = columns.std(axis=0)
    return (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _locus_names(one: Prepared) -> list[str]:
    return one.scores.table["locus"].astype(str).iloc[one.scores.loci.starts].tolist()


# -- the network -----------------------------------------------------------------------------------------------------


def check_network(
    elements: pd.DataFrame, ris: pd.DataFrame, loci: pd.DataFrame, network: Network, settings: Settings
) -> CrossCheck:
    """Do genes that are linked score alike, against networks in which every gene keeps its number of links?

    A gene's score is the mean over the elements of its locus.
    """
    prepared, skipped = prepared_models(elements, ris, settings)
    locus_of = genes_of(loci)
    ends = network.links[["gene1", "gene2"]].map(locus_of.get)
    places = pd.DataFrame({"locus": sorted({name for one in prepared for name in _locus_names(one)})})
    rows: list[pd.DataFrame] = []
    drawn: dict[tuple[str, ...], list[Ints]] = {}

    def test(one: Prepared) -> tuple[Tested, Tested, dict[str, Any]]:
        names = _locus_names(one)
        edges = _edges(ends, names)
        if len(edges) < MINIMUM_LINKS:
            raise NotTestable(f"{len(edges)} links join genes with scores; {MINIMUM_LINKS} are needed")
        values = gene_scores(one)
        rows.append(
            pd.DataFrame({"locus": names, "model": one.scores.name, "raw": values[:, 0], "residual": values[:, 1]})
        )
        key = tuple(names)
        if key not in drawn:
            # The networks depend on the genes alone: every model of the same genes is held against the same ones.
            drawn[key] = networks_like(edges, names, settings)
        sides = network_sides(values, edges, drawn[key], names, settings)
        return *sides, {"n_genes": len(names), "n_linked_genes": len(np.unique(edges))}

    record = run_check("network", "degree-preserving draws", prepared, skipped, settings, test)
    record["notes"] = list(network.notes)
    links = network.links.assign(locus1=ends["gene1"], locus2=ends["gene2"])
    profile = pd.concat(rows, ignore_index=True) if rows else places.assign(model="", raw=np.nan, residual=np.nan)
    return CrossCheck(rounded(record), profile, links)


def gene_scores(one: Prepared) -> Floats:
    """Mean raw and residual score of each gene's elements, in SD over all elements: shape (genes, 2)."""
    return locus_means(_levels(one), one.scores.loci.codes, one.scores.loci.count)


def networks_like(edges: Ints, names: Sequence[str], settings: Settings) -> list[Ints]:
    """Networks with the degrees of `edges` (shape (m, 2), indices of `names`), `MOST_SET_DRAWS` at most."""
    rng = generator(settings.seed, "network", *names)
    n_draws = min(settings.permutations, MOST_SET_DRAWS)
    return list(degree_preserving_draws(edges, len(names), n_draws, rng))


def network_sides(
    values: Floats, edges: Ints, networks: Sequence[Ints], names: Sequence[str], settings: Settings
) -> Sides:
    """Do linked genes score alike: raw and residual, from `gene_scores` and the `networks_like` the observed one."""
    top = values >= np.quantile(values, 1 - TOP_GENES, axis=0)
    alike, among = network_draws(values, networks, top)
    resamples = resample_loci(len(names), settings.bootstrap, generator(settings.seed, "genes", *names))
    raw, residual = (
        linked_genes(values[:, side], edges, alike[:, side], among[:, side], top[:, side], resamples, settings.alpha)
        for side in (0, 1)
    )
    return Sides(raw, residual)


def _edges(ends: pd.DataFrame, names: Sequence[str]) -> Ints:
    """Links as indices of `names`, each once: shape (m, 2)."""
    index = {name: at for at, name in enumerate(names)}
    pairs = {
        (min(a, b), max(a, b))
        for a, b in zip(ends["gene1"].map(index.get), ends["gene2"].map(index.get), strict=True)
        if not (pd.isna(a) or pd.isna(b) or a == b)
    }
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


# -- pairs -----------------------------------------------------------------------------------------------------------


def pairs_of_network(network: Network) -> pd.DataFrame:
    """The strongest links as pairs to test: gene1, gene2."""
    strongest = network.links.sort_values(["score", "gene1", "gene2"], ascending=[False, True, True])
    return strongest.head(MOST_PAIRS)[["gene1", "gene2"]].reset_index(drop=True)


def check_pairs(
    elements: pd.DataFrame,
    ris: pd.DataFrame,
    loci: pd.DataFrame,
    pairs: pd.DataFrame,
    settings: Settings,
    notes: Sequence[str] = (),
) -> CrossCheck:
    """Do the elements of both genes of a pair score high, against permuted element-to-gene maps and other pairs?

    One claim a pair and model; the family of tests is all of them.
    """
    prepared, skipped = prepared_models(elements, ris, settings)
    locus_of = genes_of(loci)
    chosen = [(f"{a}~{b}", locus_of.get(a), locus_of.get(b)) for a, b in pairs.itertuples(index=False)]
    said = list(notes)
    if unknown := [name for name, a, b in chosen if a is None or b is None or a == b]:
        said.append(f"{len(unknown)} of {len(chosen)} pairs are not of two loci of this run and were left out.")
    chosen = [entry for entry in chosen if entry[0] not in unknown]
    maps = map_draws(prepared, settings)
    rows: list[pd.DataFrame] = []

    def test_of(pair: str, first: str, second: str):
        def test(one: Prepared) -> tuple[Tested, Tested, dict[str, Any]]:
            names = _locus_names(one)
            if first not in names or second not in names:
                raise NotTestable("a gene of the pair has no scored element")
            means, draws = maps[one.scores.name]
            sides = pair_sides(names.index(first), names.index(second), means, draws, settings)
            return *sides, {"pair": pair.split("~"), "maps": len(draws)}

        return test

    for one in prepared:
        means = maps[one.scores.name][0]
        names = _locus_names(one)
        rows.append(
            pd.DataFrame({"locus": names, "model": one.scores.name, "raw": means[:, 0], "residual": means[:, 1]})
        )
    tests = [(name, test_of(name, str(a), str(b))) for name, a, b in chosen]
    null = "permuted element-to-gene map, and other pairs"
    record = run_check("pairs", null, prepared, skipped, settings, dict(tests), claim="protein_pair")
    record["notes"] = said
    return CrossCheck(rounded(record), pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(), pd.DataFrame())


def pair_sides(first: int, second: int, means: Floats, draws: Floats, settings: Settings) -> Sides:
    """Do the elements of both genes score high: raw and residual, from what `map_draws` gives."""
    raw, residual = (gene_pair(first, second, means[:, side], draws[:, :, side], settings.alpha) for side in (0, 1))
    return Sides(raw, residual)


def map_draws(prepared: Sequence[Prepared], settings: Settings) -> dict[str, tuple[Floats, Floats]]:
    """By model: mean score of each gene, shape (genes, 2), and under permuted maps, shape (draws, genes, 2).

    The maps depend on the elements alone: models that scored the same elements are held against the same ones.
    """
    alike: dict[tuple[str, ...], list[Prepared]] = {}
    for one in prepared:
        alike.setdefault(tuple(one.scores.table["element"]), []).append(one)
    found: dict[str, tuple[Floats, Floats]] = {}
    for models in alike.values():
        scores = models[0].scores
        loci, values = scores.loci, np.hstack([_levels(one) for one in models])
        lengths = scores.table["length"].to_numpy(dtype=float)
        strata = quantile_strata(np.column_stack([np.log1p(scores.distance), np.log(lengths)]), STRATA)
        n_draws = min(settings.permutations, MOST_SET_DRAWS)
        rng = generator(settings.seed, "maps", *_locus_names(models[0]))
        sums = permuted_gene_sums(values, loci.codes, strata, n_draws, rng) / loci.sizes[:, None]
        means = locus_means(values, loci.codes, loci.count)
        for place, one in enumerate(models):
            own = slice(2 * place, 2 * place + 2)
            found[one.scores.name] = means[:, own], sums[:, :, own]
    return found
