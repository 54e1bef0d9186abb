"""Cross-checks of networks, pairs and families: STRING's formats, what is planted, and what cannot be told."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from cross_checks import check_families, check_network, check_pairs
from darkregulome.claims.gene_levels import locus_by_gene
from darkregulome.claims.protein_pair import pairs_of_network
from darkregulome.claims.string_network import Network, read_network, read_pairs
from darkregulome.diagnosis.settings import Settings
from darkregulome.errors import InputError
from places import SHARED
from script_runner import run_script
from simulated_tables import Truth, make_elements, make_ris, with_halves

SETTINGS = Settings(permutations=299, bootstrap=200, seed=3)
GENES = {"APP", "APOE", "ACHE"}


def write(path, text):
    path.write_bytes(gzip.compress(text.encode())) if path.suffix == ".gz" else path.write_text(text)
    return path


LINKS = """protein1 protein2 combined_score
9606.P1 9606.P2 950
9606.P2 9606.P1 950
9606.P1 9606.P3 300
9606.P9 9606.P1 999
"""
CHANNELS = "neighborhood fusion cooccurence coexpression experimental database textmining combined_score"
DETAILED = f"""protein1 protein2 {CHANNELS}
9606.P1 9606.P2 0 0 0 0 500 0 900 950
9606.P1 9606.P3 0 0 0 0 0 0 300 300
"""
INFO = "#string_protein_id\tpreferred_name\tprotein_size\tannotation\n" + "".join(
    f'9606.P{at}\t{name}\t10\tsays "so\n' for at, name in enumerate(("APP", "APOE", "ACHE"), start=1)
)
ALIASES = """#string_protein_id\talias\tsource
9606.P1\tother\tx
9606.P1\tENSG01\tEnsembl
9606.P1\tAPP\tEnsembl
9606.P2\tAPOE\tEnsembl
9606.P3\tACHE\tEnsembl
"""


def test_strings_files_give_each_link_once_between_genes_of_the_loci(tmp_path):
    links = write(tmp_path / "links.txt.gz", LINKS)
    info = write(tmp_path / "info.txt.gz", INFO)
    found = read_network(links, GENES, info, min_score=0).links
    assert found.to_numpy().tolist() == [["ACHE", "APP", 300], ["APOE", "APP", 950]]
    assert len(read_network(links, GENES, info).links) == 1  # medium confidence
    aliases = write(tmp_path / "aliases.txt", ALIASES)
    assert read_network(links, GENES, aliases, min_score=0).links.equals(found)
    detailed = write(tmp_path / "detailed.txt", DETAILED)
    assert read_network(detailed, GENES, info, min_score=0).links.equals(found)
    by_experiment = read_network(detailed, GENES, info, min_score=1, evidence="experimental").links
    assert by_experiment.to_numpy().tolist() == [["APOE", "APP", 500]]


@pytest.mark.parametrize(
    ("links", "info", "message"),
    [
        (LINKS, None, "names none of the 3 genes of the loci"),
        ("a b c\n1 2 3\n", None, "has the columns a, b, c"),
        ("", None, "is empty"),
        (LINKS, "#id\tname\n1\t2\n", "has the columns id, name"),
        (LINKS.replace("combined_score", "other"), INFO, "has no column 'combined_score'"),
    ],
)
def test_other_files_are_refused(tmp_path, links, info, message):
    path = write(tmp_path / "links.txt", links)
    names = write(tmp_path / "info.txt", info) if info else None
    with pytest.raises(InputError, match=message):
        read_network(path, GENES, names)


def test_a_real_export_of_string_is_read():
    path = SHARED / "data" / "bench" / "network" / "string_alzheimer.tsv"
    if not path.is_file():
        pytest.skip(f"no shared data at {path}")
    rows = [line.split("\t") for line in path.read_text().splitlines()[1:]]
    expected = {tuple(sorted(row[:2])): round(1000 * float(row[12])) for row in rows if set(row[:2]) <= GENES}
    found = read_network(path, GENES, min_score=0).links
    assert {(a, b): round(score) for a, b, score in found.itertuples(index=False)} == expected
    assert expected


def test_pairs_are_read_with_or_without_named_columns(tmp_path):
    expected = [["APP", "APOE"]]
    for text in ("gene1,gene2\nApp,apoe\n", "name\tgene1\tgene2\nx\tAPP\tAPOE\n", "a\tb\nAPP\tAPOE\nAPP\tAPP\n"):
        assert read_pairs(write(tmp_path / "p.tsv", text)).to_numpy().tolist() == expected
    with pytest.raises(InputError, match="no pair of two genes"):
        read_pairs(write(tmp_path / "p.tsv", "a\tb\nAPP\tAPP\n"))


# -- what is planted -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def elements():
    table = make_elements(1, loci=24, per_locus=40, rho=0.3)
    rng = np.random.default_rng(0)
    is_te = table["class"] == "TE"
    return table.assign(family=np.where(is_te, rng.choice(["SINE/Alu", "LINE/L1", "LTR/ERV1"], len(table)), "."))


@pytest.fixture(scope="module")
def ris(elements):
    return with_halves(make_ris(elements, 1, Truth(), rho=0.3))


@pytest.fixture(scope="module")
def loci(elements):
    names = elements["locus"].drop_duplicates()
    return pd.DataFrame({"locus": names, "gene": "Gene" + names.str[-2:], "gene_name": "."})


def raised(ris, elements, chosen, by):
    """Scores of chosen elements raised by so many units of the noise."""
    up = elements.set_index("element").index[chosen.to_numpy()]
    return ris.assign(ris=ris["ris"] + by * ris["element"].isin(up))


def network_of(groups):
    """Links inside groups of loci: cliques."""
    pairs = [(f"GENE{a:02d}", f"GENE{b:02d}") for group in groups for a in group for b in group if a < b]
    return Network(pd.DataFrame(pairs, columns=["gene1", "gene2"]).assign(score=900), ["made for this test"])


def test_linked_genes_that_score_alike_survive_and_unlinked_ones_do_not(elements, ris, loci):
    planted = network_of([range(0, 6), range(6, 12), range(12, 18), range(18, 24)])
    high = elements["locus"].isin([f"locus{at:02d}" for at in range(12)])
    scores = raised(ris, elements, high, 1.5)
    record = check_network(elements, scores, loci, planted, SETTINGS).record
    assert {claim["model"]: claim["verdict"] for claim in record["claims"]} == {"lm": "survives", "output": "survives"}
    across = network_of([range(at, 24, 4) for at in range(4)])
    record = check_network(elements, scores, loci, across, SETTINGS).record
    assert all(claim["verdict"] != "survives" for claim in record["claims"])
    few = check_network(elements, scores, loci, network_of([range(3)]), SETTINGS).record
    assert few["claims"] == []
    assert "3 links join genes with scores" in few["not_tested"][0]["reason"]


def test_a_planted_pair_survives_and_a_pair_that_is_nothing_dies(elements, ris, loci):
    high = elements["locus"].isin(["locus03", "locus07"])
    scores = raised(ris, elements, high, 3.0)
    pairs = pd.DataFrame({"gene1": ["GENE03", "GENE00", "GENE01"], "gene2": ["GENE07", "GENE23", "NOWHERE"]})
    record = check_pairs(elements, scores, loci, pairs, SETTINGS).record
    verdicts = {claim["model"]: claim["verdict"] for claim in record["claims"]}
    assert verdicts["output|GENE03~GENE07"] == "survives"
    assert verdicts["output|GENE00~GENE23"] != "survives"
    assert verdicts["lm|GENE00~GENE23"] != "survives"
    assert set(verdicts) == {
        f"{model}|{pair}" for model in ("lm", "output") for pair in ("GENE03~GENE07", "GENE00~GENE23")
    }
    assert any("1 of 3 pairs" in note for note in record["notes"])
    assert check_pairs(elements, ris, loci, pairs.iloc[2:], SETTINGS).record["claims"] == []


def test_the_strongest_links_are_the_pairs():
    links = pd.DataFrame({"gene1": list("abc"), "gene2": list("xyz"), "score": [500.0, 999.0, 700.0]})
    assert pairs_of_network(Network(links, []))["gene1"].tolist() == ["b", "c", "a"]


def test_loci_without_genes_are_told(loci):
    assert locus_by_gene(loci)["GENE07"] == "locus07"
    with pytest.raises(InputError, match="name no gene"):
        locus_by_gene(loci.assign(gene="."))


def test_a_family_that_carries_scores_survives_and_the_others_do_not(elements, ris):
    scores = raised(ris, elements, elements["family"] == "LINE/L1", 1.5)
    record = check_families(elements, scores, SETTINGS).record
    verdicts = {claim["model"]: claim["verdict"] for claim in record["claims"]}
    assert verdicts["output|LINE/L1"] == "survives"
    assert verdicts["lm|LINE/L1"] == "survives"
    effects = {claim["model"]: claim["full"]["effect"] for claim in record["claims"]}
    assert effects["output|LINE/L1"] > 0.5
    nothing = check_families(elements, ris, SETTINGS).record
    assert all(claim["verdict"] != "survives" for claim in nothing["claims"])
    assert len(nothing["claims"]) == 6


def test_q_values_are_over_all_families_and_models_of_the_least_sure_learner(elements, ris):
    from statsmodels.stats.multitest import multipletests

    claims = check_families(elements, ris, SETTINGS).record["claims"]
    for rung in ("raw", "trivial", "full"):
        p_values = [max(one["p"] for one in claim[rung]["learners"].values()) for claim in claims]
        expected = multipletests(p_values, method="fdr_bh")[1]
        assert [claim[rung]["q"] for claim in claims] == pytest.approx(expected.tolist(), rel=1e-4)


def test_a_family_like_no_other_is_not_identifiable(elements, ris):
    apart = elements.assign(gc=np.where(elements["family"] == "SINE/Alu", 0.75, elements["gc"]))
    claims = {claim["model"]: claim for claim in check_families(apart, ris, SETTINGS).record["claims"]}
    own = claims["output|SINE/Alu"]
    assert (own["verdict"], own["reason"]) == ("undecided", "not identifiable")
    assert claims["output|LINE/L1"]["reason"] != "not identifiable"


def test_small_families_and_tables_without_families_are_said(elements, ris):
    counts = elements.loc[elements["class"] == "TE", "family"].value_counts()
    record = check_families(elements, ris, SETTINGS, min_members=int(counts.iloc[0])).record
    assert {claim["details"]["family"] for claim in record["claims"]} <= {counts.index[0]}
    none = check_families(elements.assign(family="."), ris, SETTINGS).record
    assert none["claims"] == []
    assert check_families(elements.drop(columns="family"), ris, SETTINGS).record["claims"] == []


def test_the_script_writes_json_table_and_figure_of_each_check(elements, ris, loci, tmp_path):
    elements.to_parquet(tmp_path / "e.parquet")
    ris.to_parquet(tmp_path / "r.parquet")
    places = elements.groupby("locus").agg(chrom=("chrom", "first"), start=("start", "min"), end=("end", "max"))
    loci.merge(places.reset_index(), on="locus").assign(tss=500_000, strand="+").to_csv(tmp_path / "loci.tsv", sep="\t")
    links = network_of([range(0, 8), range(8, 16)]).links
    links.rename(columns={"gene1": "node1", "gene2": "node2", "score": "combined_score"}).to_csv(
        tmp_path / "net.tsv", sep="\t", index=False
    )
    tables = ("--elements", tmp_path / "e.parquet", "--ris", tmp_path / "r.parquet")
    more = ("--outdir", tmp_path / "out", "--permutations", 99, "--no-progress")
    genes = ("--loci", tmp_path / "loci.tsv", "--network", tmp_path / "net.tsv")
    for check, options in (("network", genes), ("pairs", genes), ("families", ())):
        ran = run_script("cross_check", check, *tables, *options, *more)
        assert ran.code == 0, ran.err
        record = json.loads((tmp_path / "out" / f"cross_check_{check}.json").read_text())
        assert record["check"] == check
        assert len(record["claims"]) >= 2
        table = pd.read_csv(tmp_path / "out" / f"cross_check_{check}.tsv", sep="\t")
        assert table["model"].tolist() == [claim["model"] for claim in record["claims"]]
        assert (tmp_path / "out" / "figures" / f"cross_check_{check}.png").is_file()
