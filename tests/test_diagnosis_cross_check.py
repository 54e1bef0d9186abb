"""Cross-checks: the right gene, the right coordinates, matched controls, and what is planted."""

import numpy as np
import pandas as pd
import pyBigWig
import pytest
from darkregulome.claims.eqtl import elements_with_eqtl

from cross_checks import check_conservation, check_eqtl
from darkregulome.diagnosis.settings import Settings
from darkregulome.errors import InputError
from darkregulome.genome.bigwig import bigwig_means
from darkregulome.genome.eqtls import read_eqtls
from darkregulome.genome.genes import gene_key
from simulated_tables import Truth, make_elements, make_ris

SETTINGS = Settings(permutations=299, bootstrap=200, seed=3)


@pytest.fixture(scope="module")
def elements() -> pd.DataFrame:
    return make_elements(1, rho=0.3)


@pytest.fixture(scope="module")
def ris(elements) -> pd.DataFrame:
    return make_ris(elements, 1, Truth(regulation=2.0), rho=0.3)


@pytest.fixture(scope="module")
def loci(elements) -> pd.DataFrame:
    names = elements["locus"].drop_duplicates()
    return pd.DataFrame({"locus": names, "gene": "Gene" + names.str[-2:]})


def variants_in(rows: pd.DataFrame, gene: pd.Series | str) -> pd.DataFrame:
    return pd.DataFrame({"chrom": rows["chrom"], "pos": rows["start"] + 5, "gene": gene})


def test_positions_are_one_based_in_and_half_open_at_the_ends():
    elements = pd.DataFrame({"chrom": ["chr1"], "start": [100], "end": [110], "locus": ["a"]})
    loci = pd.DataFrame({"locus": ["a"], "gene": ["G"]})
    for position, inside in ((100, False), (101, True), (110, True), (111, False)):
        eqtls, _ = read_eqtls(pd.DataFrame({"chrom": ["1"], "pos": [position], "gene": ["g"]}), "x")
        assert elements_with_eqtl(elements, loci, eqtls)[0].tolist() == [inside], position


@pytest.mark.parametrize(
    "columns",
    [
        {"chrom": "chr1", "pos": 101, "gene": "G"},
        {"chr": "1", "pos0": 100, "gene_name": "g"},
        {"variant_id": "chr1_101_A_G_b38", "gene_id": "ENSG01.7"},
        {"variant_id": "1:101:A:G", "gene_id": "ENSG01"},
    ],
)
def test_every_layout_of_columns_gives_the_same_place(columns):
    eqtls, _ = read_eqtls(pd.DataFrame({name: [value] for name, value in columns.items()}), "x")
    assert eqtls["start"].tolist() == [100]
    elements = pd.DataFrame({"chrom": ["chr1"], "start": [100], "end": [101], "locus": ["a"]})
    loci = pd.DataFrame({"locus": ["a"], "gene": ["G"], "gene_id": ["ENSG01.2"]})
    assert elements_with_eqtl(elements, loci, eqtls)[0].all()


def test_a_table_without_positions_is_refused():
    with pytest.raises(InputError, match="has no positions"):
        read_eqtls(pd.DataFrame({"rsid": ["rs1"], "gene": ["g"]}), "eqtl.tsv")


def test_p_values_filter_and_are_warned_of():
    table = pd.DataFrame({"chrom": "1", "pos": [1, 2], "gene": "g", "pvalue": [0.5, 1e-9]})
    everything, notes = read_eqtls(table, "x")
    assert len(everything) == 2
    assert any("above 0.05" in note for note in notes)
    assert len(read_eqtls(table, "x", max_p=1e-4)[0]) == 1


def test_gene_names_compare_without_case_or_ensembl_version():
    assert gene_key("ensg0001.12") == "ENSG0001"
    assert gene_key("Hla.1") == "HLA.1"
    assert pd.isna(gene_key(np.nan))


def test_eqtls_of_the_own_gene_are_found_and_those_of_others_are_not(elements, ris, loci):
    near = elements[(elements["distance"].abs() <= 10_000) & (elements["class"] == "cCRE")].iloc[::2]
    right = variants_in(near, "GENE" + near["locus"].str[-2:])
    found = check_eqtl(elements, ris, loci, read_eqtls(right, "x")[0], SETTINGS).record
    assert found["gene_matched"]
    assert {claim["model"]: claim["verdict"] for claim in found["claims"]} == {"lm": "survives", "output": "survives"}
    wrong = check_eqtl(elements, ris, loci, read_eqtls(variants_in(near, "OTHER"), "x")[0], SETTINGS).record
    assert wrong["claims"] == []
    assert all("could be matched" in row["reason"] for row in wrong["not_tested"])


def test_matching_balances_what_it_matches_on(elements, ris, loci):
    rng = np.random.default_rng(2)
    chance = np.exp(-elements["distance"].abs() / 10_000) * 0.15
    drawn = elements[rng.random(len(elements)) < chance]
    eqtls = read_eqtls(variants_in(drawn, "GENE" + drawn["locus"].str[-2:]), "x")[0]
    record = check_eqtl(elements, ris, loci, eqtls, SETTINGS).record
    for rows in record["balance"].values():
        distance = next(row for row in rows if row["covariate"] == "log_distance")
        assert abs(distance["after"]) < 0.6 * abs(distance["before"])
        assert {row["covariate"] for row in rows} == {"log_length", "gc", "log_distance", "predictability"}


def test_without_genes_position_decides_and_it_is_said_loudly(elements, ris, loci):
    near = elements[elements["distance"].abs() <= 10_000].iloc[::3]
    table = variants_in(near, "x").drop(columns="gene")
    record = check_eqtl(elements, ris, loci, read_eqtls(table, "x")[0], SETTINGS).record
    assert record["gene_matched"] is False
    assert any(note.startswith("WARNING") for note in record["notes"])
    assert record["claims"]


def write_bigwig(path, sizes: dict[str, int], values: dict[str, list[tuple[int, int, float]]]) -> None:
    track = pyBigWig.open(str(path), "w")
    track.addHeader(list(sizes.items()))
    for chrom, spans in values.items():
        starts, ends, numbers = zip(*spans, strict=True)
        track.addEntries([chrom] * len(spans), list(starts), ends=list(ends), values=list(numbers))
    track.close()


def test_means_are_exact_contigs_are_matched_and_gaps_are_missing(tmp_path):
    write_bigwig(tmp_path / "c.bw", {"1": 1000}, {"1": [(0, 10, 1.0), (10, 20, 3.0)]})
    places = pd.DataFrame({"chrom": ["chr1", "chr1", "chr1", "chr9"], "start": [5, 0, 500, 0], "end": [15, 5, 600, 10]})
    means, _, notes = bigwig_means(places, tmp_path / "c.bw")
    np.testing.assert_allclose(means[:2], [2.0, 1.0])
    assert np.isnan(means[2:]).all()
    assert notes == ["The bigWig lacks chr9: 1 elements without a value."]


def test_a_file_that_is_no_bigwig_or_of_other_contigs_is_refused(tmp_path):
    (tmp_path / "text.bw").write_text("no")
    places = pd.DataFrame({"chrom": ["chr1"], "start": [0], "end": [10]})
    with pytest.raises(InputError, match="bigWig"):
        bigwig_means(places, tmp_path / "text.bw")
    write_bigwig(tmp_path / "c.bw", {"X": 1000}, {"X": [(0, 10, 1.0)]})
    with pytest.raises(InputError, match="none of the contigs of the elements"):
        bigwig_means(places, tmp_path / "c.bw")


def test_conservation_linked_to_regulation_survives_and_linked_to_gc_alone_does_not(elements, ris):
    rng = np.random.default_rng(4)
    lm = ris[ris["model"] == "lm"].reset_index(drop=True)
    by_gc = -(elements["gc"] + elements["repeat_fraction"]).to_numpy() + 0.3 * rng.normal(size=len(elements))
    regulated = ((elements["distance"].abs() <= 10_000) & (elements["class"] == "cCRE")).to_numpy() * 1.0
    found = {
        name: check_conservation(elements, lm, values, SETTINGS).record["claims"][0]
        for name, values in (("gc", by_gc), ("regulation", regulated + 0.3 * rng.normal(size=len(elements))))
    }
    assert found["gc"]["raw"]["q"] < 0.05
    assert found["gc"]["verdict"] != "survives"
    assert found["regulation"]["verdict"] == "survives"


def test_conservation_that_follows_nothing_is_not_found_in_skewed_scores(elements):
    """Scores of an output model: most are next to nothing, and the regression misses how the features bend them.

    Conservation as simulated has narrow clusters, within which the noise of its own slopes is all there is.
    """
    rng = np.random.default_rng(9)
    bent = 2.0 * elements["gc"].rank(pct=True) + elements["repeat_fraction"] + rng.normal(size=len(elements))
    scores = pd.DataFrame({"element": elements["element"], "model": "tool", "kind": "output", "ris": np.exp(2 * bent)})
    scores["predictability"] = rng.normal(size=len(scores))
    quick = Settings(permutations=99, bootstrap=100, seed=3)
    found = 0
    for _ in range(40):
        conservation = rng.normal(0, 0.06, len(elements)) + 1.5 * (rng.random(len(elements)) < 0.25)
        found += check_conservation(elements, scores, conservation, quick).record["claims"][0]["residual"]["p"] <= 0.05
    assert found <= 6  # of 40 at 5 %: more than 6 has a chance of 0.01


def test_elements_without_conservation_are_left_out_and_counted(elements, ris):
    values = np.random.default_rng(5).normal(size=len(elements))
    values[:50] = np.nan
    record = check_conservation(elements, ris, values, SETTINGS).record
    assert record["n_without_value"] == 50
    assert {claim["n"] for claim in record["claims"]} == {len(elements) - 50}
