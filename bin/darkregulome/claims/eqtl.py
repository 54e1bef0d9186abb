"""Elements that hold an eQTL of their own gene score apart from others of their class and distance."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bioframe
import numpy as np
import pandas as pd
from pydantic import Field

from darkregulome.claims.claim import Claim, External, Findings, OutsideData, Subject, Tables
from darkregulome.claims.gene_levels import LocusTable
from darkregulome.claims.marked import fold_enrichment, say_enrichment, test_marked
from darkregulome.claims.sentences import say_contrast
from darkregulome.diagnosis.adjust import Ladder
from darkregulome.diagnosis.decision import FLOOR
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Settings
from darkregulome.genome.contigs import bare_contig
from darkregulome.genome.eqtls import read_eqtls
from darkregulome.genome.genes import genes_of_loci
from darkregulome.io.records import ClaimEntry
from darkregulome.io.tables import read_table
from darkregulome.stats.loci import Bools


class Files(LocusTable):
    """What the check asks for."""

    eqtl: Path = Field(
        description="eQTLs: chrom and pos (1-based), or pos0, or variant_id; gene, gene_id or gene_name."
    )
    max_p: float | None = Field(None, description="Take only eQTLs with a p-value of at most this.")


@dataclass(frozen=True, kw_only=True)
class Eqtls(External):
    """Which elements hold an eQTL, by element.

    `gene_matched` is False where genes were not known, so that position alone decided.
    """

    holds: pd.Series
    gene_matched: bool = True
    n_eqtls: int = 0


def hold(
    elements: pd.DataFrame,
    loci: pd.DataFrame,
    eqtls: pd.DataFrame,
    notes: tuple[str, ...] = (),
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
        gene_matched=gene_matched,
        n_eqtls=len(eqtls),
    )


def _read(elements: pd.DataFrame, files: Files) -> Eqtls:
    eqtls, notes = read_eqtls(read_table(files.eqtl), files.eqtl, files.max_p)
    return hold(elements, files.read_loci(), eqtls, tuple(notes))


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


def _marked(one: Prepared, data: Eqtls) -> Bools:
    return one.scores.table["element"].map(data.holds).to_numpy(dtype=bool)


def _test(subject: Subject, settings: Settings) -> Ladder:
    return test_marked(subject.one, _marked(subject.one, subject.data), "eqtl", subject.setting)


def _describe(subject: Subject, ladder: Ladder, settings: Settings) -> Mapping[str, Any]:
    marked = _marked(subject.one, subject.data)
    return {
        "n_with_eqtl": int(marked.sum()),
        "gene_matched": subject.data.gene_matched,
        "enrichment": fold_enrichment(subject.one, marked, settings),
    }


def _summary(findings: Findings) -> dict[str, Any]:
    return {"gene_matched": findings.data.gene_matched, "n_eqtls": findings.data.n_eqtls}


def _tables(findings: Findings) -> Tables:
    columns = ["element", "locus", "chrom", "start", "end", "class", "distance"]
    return Tables(findings.data.elements[columns].assign(eqtl=findings.data.holds.to_numpy(dtype=int)))


def _figure(record: Mapping[str, Any], profiles: pd.DataFrame) -> Any:
    from darkregulome.plots.cross_check import marked_figure

    return marked_figure(record)


def _say(entry: ClaimEntry, settings: Settings) -> str:
    contrast = say_contrast(entry, "Elements that hold an eQTL score", "others of their class and distance")
    return contrast + say_enrichment(entry.details, "hold an eQTL")


CLAIM = Claim(
    name="eqtl",
    title="eQTLs of the same gene",
    question="do elements that hold an eQTL of their own gene score apart from others of their class and distance?",
    statistic="elements with an eQTL of their own gene less others, class and distance held fixed, both sides "
    "partialled out",
    unit="eQTL less other elements, SD of the score",
    floor=FLOOR,
    subject="the eQTL enrichment",
    order=8,
    needs=OutsideData("eqtl", Files, _read, "--loci loci.tsv --eqtl eqtls.tsv.gz", _tables, _figure),
    test=_test,
    say=_say,
    describe=_describe,
    summary=_summary,
    simulated={"demo-enformer": ("survives",)},
)
