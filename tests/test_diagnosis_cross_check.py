"""Cross-checks of elements: the right gene, the right coordinates, and what is planted."""

import numpy as np
import pandas as pd
import pyBigWig
import pytest

from cross_checks import check_conservation, check_eqtl
from darkregulome.claims import intervals
from darkregulome.claims.eqtl import elements_with_eqtl
from darkregulome.claims.intervals import covered_shares
from darkregulome.claims.marked import fold_enrichment
from darkregulome.diagnosis.prepared import prepare_models
from darkregulome.diagnosis.run import cross_check
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


def near_ccres(elements: pd.DataFrame) -> pd.DataFrame:
    """Every second cCRE near a TSS: the others are like it in class and distance."""
    return elements[(elements["distance"].abs() <= 10_000) & (elements["class"] == "cCRE")].iloc[::2]


@pytest.fixture(scope="module")
def acting(elements) -> pd.DataFrame:
    """Scores in which every second near cCRE acts, and none of the others."""
    ris = make_ris(elements, 1, Truth(), rho=0.3)
    return ris.assign(ris=ris["ris"] + 2.0 * ris["element"].isin(near_ccres(elements)["element"]))


def test_eqtls_of_the_own_gene_are_found_and_those_of_others_are_not(elements, acting, loci):
    near = near_ccres(elements)
    right = variants_in(near, "GENE" + near["locus"].str[-2:])
    found = check_eqtl(elements, acting, loci, read_eqtls(right, "x")[0], SETTINGS).record
    assert found["gene_matched"]
    assert {claim["model"]: claim["verdict"] for claim in found["claims"]} == {"lm": "survives", "output": "survives"}
    for claim in found["claims"]:
        assert "eQTL" in claim["sentence"]
        lists = claim["details"]["enrichment"]
        assert lists["raw"]["rotated"]["fold"] > 2
        assert lists["full"]["matched"]["p"] < 0.05
    wrong = check_eqtl(elements, acting, loci, read_eqtls(variants_in(near, "OTHER"), "x")[0], SETTINGS).record
    assert wrong["claims"] == []
    assert all("there are 0 such elements" in row["reason"] for row in wrong["not_tested"])


def test_eqtls_in_half_of_the_elements_that_act_are_nothing(elements, ris, loci):
    """All near cCREs act alike, with an eQTL or without: class and distance are all that there is."""
    near = near_ccres(elements)
    eqtls = read_eqtls(variants_in(near, "GENE" + near["locus"].str[-2:]), "x")[0]
    record = check_eqtl(elements, ris, loci, eqtls, SETTINGS).record
    assert {claim["verdict"] for claim in record["claims"]} <= {"collapses", "undecided", "absent"}


def test_fold_enrichment_is_that_of_a_count_by_hand():
    elements = make_elements(1, rho=0.3)
    rng = np.random.default_rng(7)
    score = rng.normal(size=len(elements))
    top = np.argsort(-score)[:40]
    marked = np.zeros(len(elements), dtype=bool)
    marked[top[:30]] = True
    marked[rng.choice(len(elements), 60, replace=False)] = True
    table = pd.DataFrame({"element": elements["element"], "model": "m", "kind": "output", "ris": score})
    settings = Settings(permutations=299, list_length=40, bootstrap=0)
    models, _ = prepare_models(elements, table, settings)
    own = models[0].scores.table["element"].map(pd.Series(marked, index=elements["element"])).to_numpy(dtype=bool)
    raw = fold_enrichment(models[0], own, settings)["raw"]
    in_list = set(models[0].scores.table["element"][np.argsort(-models[0].raw)[:40]])
    assert raw["k"] == 40
    assert raw["marked"] == len(in_list & set(elements["element"][marked]))
    assert raw["rotated"]["expected"] == pytest.approx(40 * marked.mean(), rel=0.4)
    for null in ("rotated", "matched"):
        assert raw[null]["fold"] == pytest.approx(raw["marked"] / raw[null]["expected"])
        assert raw[null]["p"] <= 2 / 300


@pytest.mark.parametrize("unknown", [[], ["gc"], ["gc", "distance"], ["gc", "distance", "length"]])
def test_lists_are_matched_on_what_is_known_and_a_list_without_marks_has_no_fold(elements, unknown):
    same = {"gc": np.nan, "distance": np.nan, "length": 200}
    table = elements.assign(**{name: same[name] for name in unknown})
    marked = np.random.default_rng(2).random(len(table)) < 0.1
    score = pd.DataFrame(
        {"element": table["element"], "model": "m", "kind": "output", "ris": np.arange(len(table)) % 97}
    )
    settings = Settings(permutations=199, list_length=40, bootstrap=0)
    one = prepare_models(table, score, settings)[0][0]
    raw = fold_enrichment(one, marked, settings)["raw"]
    assert raw["matched"]["n"] == 40
    assert raw["matched"]["expected"] == pytest.approx(40 * marked.mean(), abs=3)
    nothing = fold_enrichment(one, np.zeros(len(table), dtype=bool), settings)["raw"]
    assert nothing["marked"] == 0
    for null in ("rotated", "matched"):
        assert (nothing[null]["expected"], nothing[null]["fold"], nothing[null]["p"]) == (0.0, None, 1.0)


def test_lists_that_follow_nothing_are_not_enriched(elements):
    """Of 40 lists 2 are expected at 5 %; more than 6 have a chance of 0.01."""
    rng = np.random.default_rng(11)
    settings = Settings(permutations=99, list_length=60, bootstrap=0)
    score = pd.DataFrame({"element": elements["element"], "model": "m", "kind": "output"})
    lists = []
    for _ in range(40):
        one = prepare_models(elements, score.assign(ris=rng.normal(size=len(elements))), settings)[0][0]
        lists.append(fold_enrichment(one, rng.random(len(elements)) < 0.2, settings)["raw"])
    for null in ("rotated", "matched"):
        assert sum(raw[null]["p"] <= 0.05 for raw in lists) <= 6
        assert np.mean([raw[null]["fold"] for raw in lists]) == pytest.approx(1.0, abs=0.1)


def test_intervals_cover_elements_by_their_share_whatever_the_contigs_are_called():
    elements = pd.DataFrame({"chrom": "chr1", "start": [0, 100, 200, 300], "end": [10, 110, 210, 310]})
    intervals = pd.DataFrame({"chrom": "1", "start": [5, 100, 104, 310], "end": [10, 106, 110, 400]})
    np.testing.assert_allclose(covered_shares(elements, intervals), [0.5, 1.0, 0.0, 0.0])


def test_intervals_over_planted_elements_survive(elements, acting):
    regulated = near_ccres(elements)
    data = intervals.hold(elements, regulated[["chrom", "start", "end"]], 0.5)
    record = cross_check(intervals.CLAIM, data, acting, SETTINGS).record
    assert {claim["verdict"] for claim in record["claims"]} == {"survives"}
    assert record["n_intervals"] == len(regulated)


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
    """Scores of an output model: most are next to nothing, and the regression misses how the features bend them."""
    rng = np.random.default_rng(9)
    bent = 2.0 * elements["gc"].rank(pct=True) + elements["repeat_fraction"] + rng.normal(size=len(elements))
    scores = pd.DataFrame({"element": elements["element"], "model": "tool", "kind": "output", "ris": np.exp(2 * bent)})
    scores["predictability"] = rng.normal(size=len(scores))
    quick = Settings(permutations=99, bootstrap=100, seed=3)
    found = np.zeros(3)
    for _ in range(12):
        conservation = rng.normal(0, 0.06, len(elements)) + 1.5 * (rng.random(len(elements)) < 0.25)
        claim = check_conservation(elements, scores, conservation, quick).record["claims"][0]
        assert claim["verdict"] in ("absent", "undecided")
        found += [one["p"] <= 0.05 for one in claim["full"]["learners"].values()]
    assert found.max() <= 3  # of 12 at 5 %: more than 3 has a chance of 0.002


def test_elements_without_conservation_are_left_out_and_counted(elements, ris):
    values = np.random.default_rng(5).normal(size=len(elements))
    values[:50] = np.nan
    record = check_conservation(elements, ris, values, SETTINGS).record
    assert record["n_without_value"] == 50
    assert {claim["n"] for claim in record["claims"]} == {len(elements) - 50}
