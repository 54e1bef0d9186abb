"""Elements that hold an eQTL of their own gene score apart from matched elements.

Variants in linkage disequilibrium are not independent: the bootstrap draws whole blocks, and in addition to matched
draws and rotation the differences of whole blocks must be more than chance (random signs).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bioframe
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import ndtr

from darkregulome.claims.claim import Claim, External, Findings, OutsideData, Plant, Sides, Subject, Tables, each_model
from darkregulome.claims.gene_levels import LocusTable
from darkregulome.claims.matched import match_elements
from darkregulome.claims.sentences import say_contrast
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Settings
from darkregulome.genome.bed import bed_intervals
from darkregulome.genome.contigs import bare_contig
from darkregulome.genome.eqtls import read_eqtls
from darkregulome.genome.genes import genes_of_loci
from darkregulome.io.records import ClaimEntry
from darkregulome.io.tables import read_table
from darkregulome.stats.loci import Bools, Ints
from darkregulome.stats.matching import Matches, matched_contrast
from darkregulome.stats.noise import RUNS, correlated_noise
from darkregulome.stats.randomness import generator
from darkregulome.stats.verdict import REFERENCE_EFFECT

BLOCK_WIDTH = 20_000
"""Without a list of blocks, elements of one piece of this width are taken to be in linkage disequilibrium. Coarse: less
than the half-length of D' in Europeans (60 kb; Reich 2001, Nature 411:199), so that a locus has several blocks."""


class Files(LocusTable):
    """What the check asks for."""

    eqtl: Path = Field(
        description="eQTLs: chrom and pos (1-based), or pos0, or variant_id; gene, gene_id or gene_name."
    )
    max_p: float | None = Field(None, description="Take only eQTLs with a p-value of at most this.")
    ld_blocks: Path | None = Field(
        None, description="Blocks of linkage disequilibrium (BED); by default pieces of 20 kb."
    )


@dataclass(frozen=True, kw_only=True)
class Eqtls(External):
    """Which elements hold an eQTL, and the block of linkage disequilibrium of each, both by element.

    `gene_matched` is False where genes were not known, so that position alone decided.
    """

    holds: pd.Series
    block_of: pd.Series
    gene_matched: bool = True
    n_eqtls: int = 0
    blocks: str = "given"


def hold(
    elements: pd.DataFrame,
    loci: pd.DataFrame,
    eqtls: pd.DataFrame,
    notes: tuple[str, ...] = (),
    blocks: pd.DataFrame | None = None,
) -> Eqtls:
    """The data of the check, from eQTLs as `genome.eqtls.read_eqtls` gives them."""
    inside, gene_matched = elements_with_eqtl(elements, loci, eqtls)
    if not gene_matched:
        warning = "WARNING: the eQTLs or the loci name no gene; position alone was used: other genes' eQTLs count too."
        notes = (*notes, warning)
    return Eqtls(
        elements=elements,
        notes=notes,
        holds=pd.Series(inside, index=elements["element"]),
        block_of=block_of_elements(elements, blocks),
        gene_matched=gene_matched,
        n_eqtls=len(eqtls),
        blocks="given" if blocks is not None else f"fixed width, {BLOCK_WIDTH} bases",
    )


def _read(elements: pd.DataFrame, files: Files) -> Eqtls:
    eqtls, notes = read_eqtls(read_table(files.eqtl), files.eqtl, files.max_p)
    blocks = None if files.ld_blocks is None else read_blocks(files.ld_blocks)
    return hold(elements, files.read_loci(), eqtls, tuple(notes), blocks)


def elements_with_eqtl(elements: pd.DataFrame, loci: pd.DataFrame, eqtls: pd.DataFrame) -> tuple[Bools, bool]:
    """Whether each element holds an eQTL of its own locus's gene, shape (n,), and whether genes were known.

    Where the eQTLs or the loci name no genes at all, position alone decides, and the second value is False.
    """
    own: dict[str, set[str]] = {}
    for locus, key in genes_of_loci(loci):
        own.setdefault(locus, set()).add(key)
    gene_matched = bool(eqtls["gene"].notna().any()) and bool(own)
    places = elements[["chrom", "start", "end"]].assign(row=np.arange(len(elements)))
    places["chrom"] = places["chrom"].map(bare_contig)
    variants = eqtls.assign(chrom=eqtls["chrom"].map(bare_contig))
    hits = bioframe.overlap(places, variants, how="inner", suffixes=("", "_eqtl"))
    if gene_matched:
        owner = elements["locus"].astype(str).to_numpy()[hits["row"].to_numpy(dtype=int)]
        right = [gene in own.get(locus, ()) for locus, gene in zip(owner, hits["gene_eqtl"], strict=True)]
        hits = hits[np.array(right, dtype=bool)] if len(hits) else hits
    inside = np.zeros(len(elements), dtype=bool)
    inside[hits["row"].to_numpy(dtype=int)] = True
    return inside, gene_matched


def block_of_elements(elements: pd.DataFrame, blocks: pd.DataFrame | None) -> pd.Series:
    """The block of linkage disequilibrium of each element, by element.

    Parameters
    ----------
    blocks : chrom, start, end; an element belongs to the block that holds its middle, and to one of its own where no
        block does. None: blocks of `BLOCK_WIDTH` bases.
    """
    middle = (elements["start"].to_numpy() + elements["end"].to_numpy()) // 2
    chrom = elements["chrom"].map(bare_contig).to_numpy(dtype=object)
    if blocks is None:
        names = [f"{name}:{place // BLOCK_WIDTH}" for name, place in zip(chrom, middle, strict=True)]
        return pd.Series(names, index=elements["element"].to_numpy())
    names = [f"outside:{at}" for at in range(len(elements))]
    for name, rows in blocks.assign(chrom=blocks["chrom"].map(bare_contig)).groupby("chrom"):
        rows = rows.sort_values("start")
        here = np.flatnonzero(chrom == name)
        at = np.searchsorted(rows["start"].to_numpy(), middle[here], side="right") - 1
        inside = (at >= 0) & (middle[here] < rows["end"].to_numpy()[np.maximum(at, 0)])
        for row, block in zip(here[inside], at[inside], strict=True):
            names[row] = f"{name}:{rows['start'].iloc[block]}"
    return pd.Series(names, index=elements["element"].to_numpy())


def read_blocks(path: Path) -> pd.DataFrame:
    """Blocks of linkage disequilibrium: chrom, start, end of a BED (a header line is skipped)."""
    return pd.DataFrame([row[1:4] for row in bed_intervals(path, header=True)], columns=["chrom", "start", "end"])


@dataclass(frozen=True)
class Matched:
    """Elements with an eQTL and their controls, of one model.

    Attributes
    ----------
    n_with_eqtl : elements with an eQTL that the model scored. balance : of the matching.
    blocks : shape (matched,), codes of the blocks of linkage disequilibrium of the matched elements.
    """

    matches: Matches
    n_with_eqtl: int
    balance: list[dict[str, Any]]
    blocks: Ints
    gene_matched: bool


def _match(one: Prepared, settings: Settings, data: Eqtls) -> Matched:
    names = one.scores.table["element"]
    with_eqtl = names.map(data.holds).to_numpy(dtype=bool)
    matches, balance = match_elements(one, with_eqtl)
    blocks: NDArray = names.map(data.block_of).to_numpy()[matches.chosen]
    codes = np.unique(blocks, return_inverse=True)[1]
    return Matched(matches, int(with_eqtl.sum()), balance, codes, data.gene_matched)


def _test(subject: Subject, settings: Settings) -> Sides:
    """Elements with an eQTL less matched controls."""
    one, data = subject.one, subject.data
    raw, residual = (
        matched_contrast(
            values, data.matches, subject.setting, generator(settings.seed, "matched", one.name), data.blocks
        )
        for _, values in one.both()
    )
    details = {
        "n_with_eqtl": data.n_with_eqtl,
        "n_unmatched": data.matches.unmatched,
        "n_matched_in_own_locus": data.matches.same_locus,
        "n_blocks": int(data.blocks.max(initial=-1) + 1),
        "gene_matched": data.gene_matched,
    }
    return Sides(raw, residual, details)


def _summary(findings: Findings) -> dict[str, Any]:
    data = findings.data
    balance = {result.model: result.subject.data.balance for result in findings.results if result.subject is not None}
    return {"gene_matched": data.gene_matched, "balance": balance, "n_eqtls": data.n_eqtls, "blocks": data.blocks}


def _tables(findings: Findings) -> Tables:
    columns = ["element", "locus", "chrom", "start", "end", "class", "distance"]
    return Tables(findings.data.elements[columns].assign(eqtl=findings.data.holds.to_numpy(dtype=int)))


def _figure(record: Mapping[str, Any], profiles: pd.DataFrame) -> Any:
    from darkregulome.plots.cross_check import eqtl_figure

    return eqtl_figure(record)


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    return say_contrast(entry, "Elements that hold an eQTL score", "matched elements")


def _planted(one: Prepared, rng: np.random.Generator) -> Eqtls:
    """eQTLs that lie in runs, more of them near a TSS, and follow nothing else."""
    table, loci = one.scores.table, one.scores.loci
    chance = 0.02 + 0.25 * np.exp(-one.scores.distance / 20_000)
    inside = ndtr(correlated_noise(RUNS, loci, rng)) < chance
    blocks = table["locus"].astype(str).to_numpy() + "|" + block_of_elements(table, None).to_numpy(dtype=str)
    return Eqtls(
        elements=table,
        holds=pd.Series(inside, index=table["element"]),
        block_of=pd.Series(blocks, index=table["element"]),
    )


CLAIM = Claim(
    name="eqtl",
    title="eQTLs of the same gene",
    question="do elements that hold an eQTL of their own gene score higher than matched ones?",
    statistic="elements with an eQTL of their own gene less matched controls",
    unit="eQTL less matched elements, SD",
    floor=0.1,
    reference=f"{REFERENCE_EFFECT:g} SD",
    subject="the eQTL enrichment",
    order=8,
    needs=OutsideData(
        "eqtl",
        Files,
        _read,
        "--loci loci.tsv --eqtl eqtls.tsv.gz",
        _tables,
        _figure,
        null="matched draws, rotation, and signs of blocks of linkage disequilibrium",
    ),
    subjects=each_model(_match),
    test=_test,
    say=_say,
    summary=_summary,
    simulated={"demo-enformer": "survives"},
    plant=Plant(data=_planted, plain_p="p_matched_draws"),
)
