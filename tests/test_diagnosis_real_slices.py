"""eQTL and conservation checks on slices of real data."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cross_checks import check_conservation, check_eqtl
from darkregulome.claims.eqtl import elements_with_eqtl
from darkregulome.diagnosis.settings import Settings
from darkregulome.genome.bigwig import bigwig_means
from darkregulome.genome.eqtls import eqtl_format, read_eqtls
from darkregulome.io.tables import read_table
from places import SHARED
from simulated_tables import Truth, make_elements, make_ris

SETTINGS = Settings(permutations=199, bootstrap=100, seed=1)


def shared(*parts: str) -> Path:
    path = SHARED.joinpath("data", "bench", *parts)
    if not path.is_file():
        pytest.skip(f"no shared data at {path}")
    return path


def along(chrom: str, start: int, end: int, step: int = 400) -> pd.DataFrame:
    """Elements of 300 bases along a region, in the columns of the element table."""
    starts = np.arange(start, end - 300, step)
    frame = make_elements(5, loci=1, per_locus=len(starts))
    middle = (start + end) // 2
    return frame.assign(chrom=chrom, start=starts, end=starts + 300, distance=starts - middle, locus="here", length=300)


SLICES = [
    ("eqtl_catalogue_LRRK2_Alasoo_2018.macrophage_naive.tsv.gz", "LRRK2"),
    ("eqtl_catalogue_MEX3C_Alasoo_2018.macrophage_IFNg.tsv.gz", "MEX3C"),
]


@pytest.mark.parametrize(("name", "gene"), SLICES)
def test_a_real_slice_of_the_eqtl_catalogue_is_matched_by_gene(name, gene):
    path = shared("eqtl", name)
    with gzip.open(path, "rt") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    strong = [row for row in rows if float(row["pvalue"]) <= 1e-3]
    eqtls, notes = read_eqtls(read_table(path), path, max_p=1e-3)
    assert any("of grch38" in note for note in notes)
    places = sorted({int(row["pos_GRCh38"]) for row in strong if row["gene"] == gene})
    chrom = rows[0]["chr"]
    elements = along(f"chr{chrom}", min(places) - 20_000, max(places) + 20_000)
    loci = pd.DataFrame({"locus": ["here"], "gene": [gene]})
    found, gene_matched = elements_with_eqtl(elements, loci, eqtls)
    # One-based positions of the gene's own variants, counted one by one.
    naive = [any(start < place <= end for place in places) for start, end in elements[["start", "end"]].to_numpy()]
    assert gene_matched
    assert found.tolist() == naive
    assert 0 < sum(naive) < len(elements)
    record = check_eqtl(elements, make_ris(elements, 1, Truth(), models=("lm",)), loci, eqtls, SETTINGS, notes).record
    assert len(record["claims"]) + len(record["not_tested"]) == 1


def test_the_positions_of_a_real_gtex_slice_are_said_to_be_of_hg19():
    path = shared("eqtl", "gtex_v8_chr11_eqtplot.tsv.gz")
    table = read_table(path)
    eqtls, notes = read_eqtls(table, path, max_p=1e-5)
    placed = table[table["pos_hg19"].notna() & (table["pvalue"] <= 1e-5)]
    assert len(eqtls) == len(placed[["chr", "pos_hg19", "gene"]].drop_duplicates())
    assert set(eqtls["gene"]) <= {"ACTN3", "CTSF", "DPP3", "ZDHHC24"}
    assert any("of hg19" in note for note in notes)
    assert any("without a position were left out" in note for note in notes)


@pytest.mark.parametrize(
    ("columns", "form"),
    [
        ("variant_id gene_id tss_distance ma_samples ma_count maf pval_nominal slope slope_se", "GTEx"),
        ("molecular_trait_id chromosome position ref alt variant maf pvalue beta se gene_id", "the eQTL Catalogue"),
        ("chrom pos gene", "a plain table"),
    ],
)
def test_the_form_of_an_eqtl_table_is_told_by_its_header(columns, form):
    assert eqtl_format(columns.split()) == form


def test_a_real_phastcons_slice_gives_the_means_that_its_text_gives():
    track = shared("conservation", "phastCons_hg18_lifted_GRCh38_chr1.bw")
    text = shared("conservation", "phastCons_hg18_lifted_GRCh38_chr1.bedGraph.gz")
    values = np.full(300_000, np.nan)
    with gzip.open(text, "rt") as handle:
        for line in handle:
            _, start, end, value = line.split()
            values[int(start) : int(end)] = float(value)
    elements = along("1", 15_000, 250_000, step=900)
    means, counts, notes = bigwig_means(elements, track)
    windows = [values[start:end] for start, end in elements[["start", "end"]].to_numpy()]
    assert counts.tolist() == [int(np.isfinite(window).sum()) for window in windows]
    known = counts > 0
    assert known.sum() > 100
    assert means[known] == pytest.approx(
        [np.nanmean(window) for window in windows if np.isfinite(window).any()], abs=1e-5
    )
    record = check_conservation(elements, make_ris(elements, 1, Truth()), means, SETTINGS, notes).record
    assert {claim["model"] for claim in record["claims"]} == {"lm", "output"}
    assert record["n_without_value"] == int((~known).sum())
