"""Common variants, eQTLs whose gene is known, conservation and a protein network of a simulated genome."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from darkregulome.genome.bases import BASES
from darkregulome.simulate import biology
from darkregulome.simulate.biology import WORD_LENGTH
from darkregulome.simulate.genome import Element, Locus, SimulatedGenome, each_element, each_locus, find_words, stream

N_PROTEINS = 60
LINKS_PER_PROTEIN = 4
TAXON = 9999


def eqtls(genome: SimulatedGenome) -> pd.DataFrame:
    """eQTLs in the terms of GTEx's tables.

    Planted: `EQTL_CAUSAL_SHARE` of a gene's eQTLs change a base of an intact activator word in one of its near
    active cCREs, drawn by the square of the cCRE's effect; the others lie in far elements, or in near ones of
    another gene.
    Nothing planted: all lie in elements drawn at random.

    Returns
    -------
    One row an eQTL, sorted by place: variant_id (``chrom_pos_ref_alt_b38``), chrom, pos (1-based), ref, alt, gene_id,
    gene_name, slope, pval_nominal, causal (whether it changes an activator word of its own gene).
    """
    rows = [row for locus in each_locus(genome.loci) for row in _eqtls_of_gene(genome, locus)]
    table = pd.DataFrame(rows).drop_duplicates(["chrom", "pos", "gene_id"])
    # One alternative allele a site: where two genes share a site, the later one takes the first one's allele.
    table["alt"] = table.groupby(["chrom", "pos"])["alt"].transform("first")
    table.insert(
        0,
        "variant_id",
        table["chrom"] + "_" + table["pos"].astype(str) + "_" + table["ref"] + "_" + table["alt"] + "_b38",
    )
    return _sorted_by_contig(table, genome)


def _eqtls_of_gene(genome: SimulatedGenome, locus: Locus) -> list[dict[str, Any]]:
    rng = stream(genome.seed, genome.null, locus.locus, "eqtls")
    here = genome.elements[genome.elements["locus"] == locus.locus]
    drivers = here[here["effect"] < 0]
    n_causal = min(round(biology.EQTLS_PER_GENE * biology.EQTL_CAUSAL_SHARE), len(drivers))
    rows = []
    for element in _draw(drivers, n_causal, rng, weights=drivers["effect"].to_numpy() ** 2):
        place = _base_of_a_word(genome, element, rng)
        # Losing one of its intact words takes an equal share of the cCRE's effect.
        rows.append(_eqtl(genome, locus, place, element.effect / element.intact, True, rng))
    n_others = biology.EQTLS_PER_GENE - n_causal
    pools = [here, here] if genome.null else [here[~here["near"]], _near_another_gene(genome, locus)]
    for pool, n in zip(pools, (n_others - n_others // 2, n_others // 2), strict=True):
        for element in _draw(pool, n, rng):
            place = int(rng.integers(element.start, element.end))
            rows.append(_eqtl(genome, locus, place, float(rng.normal(0, 0.05)), False, rng))
    return rows


def _near_another_gene(genome: SimulatedGenome, locus: Locus) -> pd.DataFrame:
    """Near elements of the contig's other genes."""
    elements = genome.elements
    return elements[(elements["chrom"] == locus.chrom) & (elements["locus"] != locus.locus) & elements["near"]]


def _draw(pool: pd.DataFrame, n: int, rng: np.random.Generator, weights: np.ndarray | None = None) -> Iterator[Element]:
    """Draw `n` different elements (fewer where the pool is smaller), by weight if weights are given."""
    if len(pool) == 0:
        return iter(())
    chance = None if weights is None else weights / weights.sum()
    return each_element(pool.iloc[rng.choice(len(pool), min(n, len(pool)), replace=False, p=chance)])


def _base_of_a_word(genome: SimulatedGenome, element: Element, rng: np.random.Generator) -> int:
    """A place at which one of the element's words allows some bases only."""
    inside = slice(element.start, element.end)
    starts = find_words(genome.contigs[element.chrom][inside], biology.words_of(True))
    constrained = genome.templates[element.chrom][inside] != biology.ANY_BASE
    # A word may stand by chance where none was written.
    places = [np.flatnonzero(constrained[start : start + WORD_LENGTH]) for start in starts]
    written = [start + place for start, place in zip(starts, places, strict=True) if len(place) >= WORD_LENGTH / 2]
    return int(element.start + rng.choice(written[rng.integers(len(written))]))


def _eqtl(
    genome: SimulatedGenome, locus: Locus, place: int, slope: float, causal: bool, rng: np.random.Generator
) -> dict[str, Any]:
    ref = int(genome.contigs[locus.chrom][place])
    allowed = int(genome.templates[locus.chrom][place]) if causal else 0
    others = [base for base in range(4) if base != ref and not allowed >> base & 1]
    z = (9 if causal else 6) + rng.normal()
    return {
        "chrom": locus.chrom,
        "pos": place + 1,
        "ref": BASES[ref],
        "alt": BASES[others[rng.integers(len(others))]],
        "gene_id": locus.gene_id,
        "gene_name": locus.gene,
        "slope": round(slope + rng.normal(0, 0.002), 5),
        "pval_nominal": float(f"{2 * stats.norm.sf(abs(z)):.6g}"),
        "causal": causal,
    }


def common_variants(genome: SimulatedGenome, required: pd.DataFrame) -> pd.DataFrame:
    """Common SNPs, those of `required` (chrom, pos, ref, alt) among them: chrom, pos (1-based), id, ref, alt, af."""
    parts = [required[["chrom", "pos", "ref", "alt"]]]
    for chrom, sequence in genome.contigs.items():
        rng = stream(genome.seed, genome.null, chrom, "variants")
        n = len(sequence) // biology.SNP_SPACING
        places = np.sort(rng.choice(len(sequence), n, replace=False))
        ref = sequence[places]
        alt = (ref + rng.integers(1, 4, n)) % 4
        letters = np.array(list(BASES))
        parts.append(pd.DataFrame({"chrom": chrom, "pos": places + 1, "ref": letters[ref], "alt": letters[alt]}))
    table = _sorted_by_contig(pd.concat(parts).drop_duplicates(["chrom", "pos"]), genome)
    frequency = stream(genome.seed, genome.null, "frequencies").beta(0.8, 1.6, len(table))
    table["af"] = np.round(0.02 + 0.96 * frequency, 4)
    table["id"] = [f"sim{number + 1}" for number in range(len(table))]
    return table


def phylop(genome: SimulatedGenome) -> dict[str, np.ndarray]:
    """Conservation like phyloP's at every base (float32): high in strict cCREs and conserved elements.

    Where nothing is planted, high in as large a share of elements, drawn whatever their class.
    """
    tracks = {}
    for chrom, sequence in genome.contigs.items():
        rng = stream(genome.seed, genome.null, chrom, "phylop")
        here = genome.elements[genome.elements["chrom"] == chrom]
        if genome.null:
            is_high = (rng.random(len(here)) < 0.25).tolist()
        else:
            is_high = ((here["strict"] & (here["class"] == "cCRE")) | (here["class"] == "conserved")).tolist()
        values = rng.normal(0, biology.PHYLOP_SD, len(sequence))
        for start, end, high in zip(here["start"], here["end"], is_high, strict=True):
            if high:
                values[start:end] += biology.PHYLOP_CONSERVED
        tracks[chrom] = np.round(values, 2).astype(np.float32)
    return tracks


def proteins(genome: SimulatedGenome) -> pd.DataFrame:
    """Proteins of the network: those of the genes, then others. Columns: protein, name, size, annotation."""
    genes = genome.loci["gene"].tolist()
    others = [f"SIMX{number + 1}" for number in range(max(N_PROTEINS - len(genes), 10))]
    names = genes + others
    rng = stream(genome.seed, genome.null, "proteins")
    return pd.DataFrame(
        {
            "protein": [f"{TAXON}.SIMP{number + 1:08d}" for number in range(len(names))],
            "name": names,
            "size": rng.integers(100, 1500, len(names)),
            "annotation": "Simulated protein; its links follow nothing in the sequence.",
        }
    )


def links(genome: SimulatedGenome, members: pd.DataFrame) -> pd.DataFrame:
    """Scored links, each once: protein1, protein2, combined_score (150 to 999). They follow nothing in the sequence.

    The first and last gene are always linked, with the highest score: the pair that looks like something and is
    nothing.
    """
    rng = stream(genome.seed, genome.null, "links")
    n = len(members)
    # A few hubs and many leaves, as in a real network: draw the ends by weights that fall with rank.
    weights = 1 / np.sqrt(1 + rng.permutation(n))
    ends = np.sort(rng.choice(n, (n * LINKS_PER_PROTEIN, 2), p=weights / weights.sum()), axis=1)
    ends = np.unique(ends[ends[:, 0] < ends[:, 1]], axis=0)
    scores = rng.integers(150, 1000, len(ends))
    table = pd.DataFrame({"a": ends[:, 0], "b": ends[:, 1], "combined_score": scores})
    last_gene = len(genome.loci) - 1
    if last_gene:
        table = table[~((table["a"] == 0) & (table["b"] == last_gene))]
        pair = pd.DataFrame({"a": [0], "b": [last_gene], "combined_score": [999]})
        table = pd.concat([pair, table], ignore_index=True).sort_values(["a", "b"])
    names = members["protein"].to_numpy()
    return pd.DataFrame(
        {
            "protein1": names[table["a"]],
            "protein2": names[table["b"]],
            "combined_score": table["combined_score"].to_numpy(),
        }
    )


def _sorted_by_contig(table: pd.DataFrame, genome: SimulatedGenome) -> pd.DataFrame:
    order = {chrom: number for number, chrom in enumerate(genome.contigs)}
    return (
        table.assign(order=table["chrom"].map(order))
        .sort_values(["order", "pos"], kind="stable")
        .drop(columns="order")
        .reset_index(drop=True)
    )
