"""Outside data that follow nothing, for the calibration of the cross-checks.

Everything here is drawn without a look at the scores' noise, yet as awkward as real data are: conservation follows the
features that explain scores, eQTLs and families lie in runs, and more eQTLs lie near a TSS; genes of the network differ
in their numbers of links.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from darkregulome.diagnosis.cross_check import block_of_elements, conservation_sides, eqtl_sides
from darkregulome.diagnosis.diagnose import Prepared, Sides
from darkregulome.diagnosis.families import family_sides
from darkregulome.diagnosis.genes import gene_scores, map_draws, network_sides, networks_like, pair_sides
from darkregulome.diagnosis.planted import correlated_noise, geometric
from darkregulome.diagnosis.settings import Settings
from darkregulome.stats.claims import NotTestable
from darkregulome.stats.gene_claims import MINIMUM_LINKS
from darkregulome.stats.loci import Bools, Floats, Ints
from darkregulome.stats.nulls import Null

OUTSIDE_CLAIMS = ("conservation", "eqtl", "te_family", "network", "protein_pair")
_RUNS = geometric(0.6)
"""Autocorrelation of what lies in runs along the elements of a locus."""
_LINKS_PER_GENE = 2


@dataclass(frozen=True)
class Outside:
    """What a cross-check holds the scores against, of n elements in g loci.

    Attributes
    ----------
    conservation : shape (n,). with_eqtl, members : shape (n,), elements with an eQTL, and those of a family.
    blocks : shape (n,), blocks of linkage disequilibrium.
    edges : shape (m, 2), links between loci. pair : two loci.
    """

    conservation: Floats
    with_eqtl: Bools
    members: Bools
    blocks: NDArray
    edges: Ints
    pair: tuple[int, int]


def plant_outside(one: Prepared, rng: np.random.Generator) -> Outside:
    """Draw outside data that follow features and places of the elements, and nothing else of the scores."""
    scores, loci = one.scores, one.scores.loci
    features = scores.features.values
    explained = loci.standardise(features @ rng.standard_normal(features.shape[1]))[0]
    conservation = expit(explained + correlated_noise(_RUNS, loci, rng))
    chance = 0.02 + 0.25 * np.exp(-scores.distance / 20_000)
    with_eqtl = ndtr(correlated_noise(_RUNS, loci, rng)) < chance
    members = (scores.classes == "TE") & (ndtr(correlated_noise(_RUNS, loci, rng)) < 0.3)
    of_block = block_of_elements(scores.table, None).to_numpy(dtype=str)
    blocks = np.char.add(np.char.add(scores.table["locus"].to_numpy(dtype=str), "|"), of_block)
    first, second = np.triu_indices(loci.count, 1)
    weight = rng.pareto(2.0, loci.count) + 0.1
    chances = weight[first] * weight[second]
    links = min(_LINKS_PER_GENE * loci.count, len(first))
    drawn = rng.choice(len(first), links, replace=False, p=chances / chances.sum())
    pair = rng.choice(loci.count, 2, replace=False)
    edges = np.column_stack([first[drawn], second[drawn]])
    return Outside(conservation, with_eqtl, members, blocks, edges, (int(pair[0]), int(pair[1])))


def outside_sides(
    claim: str, one: Prepared, outside: Outside, settings: Settings, shuffle: Null
) -> tuple[Sides, tuple[float, float], dict[str, Any]]:
    """One of `OUTSIDE_CLAIMS`: raw and residual; their p under a plainer null; and details that its sentence needs.

    The plainer null is the shuffle within the locus for conservation, matched draws alone for eQTLs and families, and
    the permuted map alone for a pair; a network has none (NaN).
    """
    if claim == "conservation":
        sides = conservation_sides(one, outside.conservation, settings)
        plain = conservation_sides(
            replace(one, setting=replace(one.setting, null=shuffle)), outside.conservation, settings
        )
        return sides, (plain.raw.p, plain.residual.p), {}
    if claim == "eqtl":
        sides = eqtl_sides(one, outside.with_eqtl, outside.blocks, settings)[0]
        return sides, _detail(sides, "p_matched_draws"), {}
    if claim == "te_family":
        sides = family_sides(one, outside.members, "planted", settings)[0]
        return sides, _detail(sides, "p_matched_draws"), {"family": "planted"}
    names = [str(locus) for locus in range(one.scores.loci.count)]
    if claim == "network":
        if len(outside.edges) < MINIMUM_LINKS:
            raise NotTestable(f"{len(outside.edges)} links join genes with scores; {MINIMUM_LINKS} are needed")
        networks = networks_like(outside.edges, names, settings)
        return network_sides(gene_scores(one), outside.edges, networks, names, settings), (np.nan, np.nan), {}
    maps = map_draws([one], settings)[one.scores.name]
    sides = pair_sides(*outside.pair, *maps, settings)
    return sides, _detail(sides, "p_map"), {"pair": [names[gene] for gene in outside.pair]}


def _detail(sides: Sides, name: str) -> tuple[float, float]:
    return float(sides.raw.details[name]), float(sides.residual.details[name])
