"""What claims read, hold and say: outside data in their own formats, and sentences."""

import numpy as np
import pandas as pd
import pyBigWig
import pytest

from darkregulome.claims import conservation, eqtl, intervals, network, protein_pair, te_family
from darkregulome.claims.claim import all_claims, claim_names, cross_checks, find_claim
from darkregulome.claims.document import claims_markdown
from darkregulome.claims.gene_levels import gene_table, locus_by_gene, locus_means, score_columns
from darkregulome.claims.horizon import distance_grid
from darkregulome.claims.marked import fold_enrichment
from darkregulome.claims.network import assortativity, network_draws
from darkregulome.claims.string_network import Network, read_names, read_network, read_pairs
from darkregulome.diagnosis.prepared import Prepared, prepare_models
from darkregulome.diagnosis.settings import Settings
from darkregulome.errors import InputError
from darkregulome.io.records import ClaimEntry, Outcome
from darkregulome.stats.learners import LEARNERS
from darkregulome.stats.setting import NotTestable
from simulated_tables import Truth, make_elements, make_ris

SETTINGS = Settings(permutations=99, bootstrap=100, seed=3)


@pytest.fixture(scope="module")
def elements() -> pd.DataFrame:
    table = make_elements(5, loci=12, per_locus=30, rho=0.3, chromosomes=6)
    is_te = table["class"] == "TE"
    families = np.random.default_rng(0).choice(["SINE/Alu", "LINE/L1", "LTR"], len(table), p=[0.6, 0.35, 0.05])
    return table.assign(family=np.where(is_te, families, "none"))


@pytest.fixture(scope="module")
def models(elements) -> list[Prepared]:
    ris = make_ris(elements, 5, Truth(horizon=1.0), rho=0.3, models=("lm1", "lm2", "output1", "output2"))
    return prepare_models(elements, ris, SETTINGS)[0]


def entry(details=None, raw=0.25, model="m") -> ClaimEntry:
    return ClaimEntry(claim="c", model=model, raw=Outcome(effect=raw), details=details or {})


def test_claims_are_found_in_their_order_and_by_their_names():
    names = [claim.name for claim in all_claims()]
    assert sorted(names) == list(claim_names())
    assert names[:2] == ["horizon", "class_hierarchy"]
    assert {claim.name: needs.check for claim, needs in cross_checks()} == {
        "conservation": "conservation",
        "eqtl": "eqtl",
        "intervals": "intervals",
        "te_family": "families",
        "network": "network",
        "protein_pair": "pairs",
    }
    assert {find_claim(name).family for name in names[:5]} == {"diagnosis"}
    assert find_claim("layers").family == "decomposition"
    assert find_claim("network").family == "network"
    for name in ("sentences", "none"):
        with pytest.raises(KeyError, match=name):
            find_claim(name)


@pytest.mark.parametrize("claim", ["list_overlap", "layers"])
def test_two_models_must_share_twenty_elements(models, claim):
    order = np.random.default_rng(0).permutation(len(models[3].raw))
    for count, enough in ((20, True), (19, False)):
        few = models[3].scores.take(np.flatnonzero(order < count))
        # `prepare` would refuse a model of 19 elements before: what two models share is asked here.
        pair = [models[0], Prepared(few, few.raw, 1.0, models[3].setting)]
        make = next(make for _, make in find_claim(claim).subjects(pair, SETTINGS, None))
        if enough:
            assert make().setting.loci.n == 20
        else:
            with pytest.raises(NotTestable, match="share 19 elements"):
                make()


def test_families_are_those_of_transposable_elements_with_enough_members(elements):
    counts = elements.loc[elements["class"] == "TE", "family"].value_counts()
    bound = int(counts["LINE/L1"])
    held = te_family.hold(elements, te_family.Families(min_members=bound))
    assert held.names == ("LINE/L1", "SINE/Alu")
    assert te_family.hold(elements, te_family.Families(min_members=bound + 1)).names == ("SINE/Alu",)
    assert held.notes == (f"2 of 3 families have {bound} elements or more and are tested.",)
    assert held.family_of.index.tolist() == elements["element"].tolist()
    assert held.family_of.dropna().value_counts().to_dict() == counts.to_dict()
    marked = elements.assign(family=np.where(elements["class"] == "TE", ".", "cCRE/x"))
    assert te_family.hold(marked, te_family.Families()).names == ()
    by_subclass = te_family.hold(elements, te_family.Families(level="subclass"))
    assert by_subclass.names == ("AluY",)
    assert te_family.hold(elements.drop(columns="family"), te_family.Families()).names == ()
    assert te_family.Families().min_members == 20
    assert te_family.Families().level == "family"


def of_places(places: list[tuple[str, int, int]]) -> pd.DataFrame:
    table = pd.DataFrame(places, columns=["chrom", "start", "end"])
    names = [f"e{at}" for at in range(len(table))]
    return table.assign(element=names, locus="L", **{"class": "TE", "distance": 0})


def test_elements_hold_the_eqtls_of_their_own_gene():
    elements = of_places([("chr1", 10, 20), ("chr1", 30, 40), ("chr2", 10, 20)])
    elements["locus"] = ["A", "B", "A"]
    loci = pd.DataFrame({"locus": ["A", "B"], "gene": ["APP", "APOE"]})
    places = {"chrom": ["1", "chr1", "chr2", "1"], "start": [10, 39, 19, 20], "end": [11, 40, 20, 21]}
    eqtls = pd.DataFrame({**places, "gene": ["APP", "APP", "APP", "APP"]})
    inside, by_gene = eqtl.elements_with_eqtl(elements, loci, eqtls)
    assert (inside.tolist(), by_gene) == ([True, False, True], True)
    inside, by_gene = eqtl.elements_with_eqtl(elements, loci, eqtls.assign(gene=None))
    assert (inside.tolist(), by_gene) == ([True, True, True], False)
    inside, by_gene = eqtl.elements_with_eqtl(elements, loci.assign(gene=None), eqtls)
    assert (inside.tolist(), by_gene) == ([True, True, True], False)
    nowhere = eqtls.assign(chrom="chr9")
    assert eqtl.elements_with_eqtl(elements, loci, nowhere)[0].tolist() == [False] * 3
    held = eqtl.hold(elements, loci, eqtls.assign(gene=None), ("first",))
    assert held.notes[0] == "first"
    assert "position alone" in held.notes[1]
    assert (held.gene_matched, held.n_eqtls) == (False, 4)
    assert held.holds.to_dict() == {"e0": True, "e1": True, "e2": True}
    held = eqtl.hold(elements, loci, eqtls, ("first",))
    assert (held.gene_matched, held.notes) == (True, ("first",))


def test_scores_of_genes_keep_their_levels_on_every_rung_by_every_learner(models):
    one = models[0]
    labels, columns = score_columns(one)
    assert labels == [("raw", "none"), *((rung, name) for rung in ("trivial", "full") for name in LEARNERS)]
    raw = (one.scores.raw - one.scores.raw.mean()) / one.scores.raw.std()
    np.testing.assert_allclose(columns[:, 0], raw)
    loci = one.scores.loci
    # What is left within loci is what the claims within loci use; levels are on top of it.
    left = one.left("trivial") * one.raw_sd / one.scores.raw.std()
    np.testing.assert_allclose(loci.center(columns[:, 2]), left, atol=1e-9)
    assert np.ptp(loci.sums(columns[:, 2]) / loci.sizes) > 0.1
    table = gene_table(one)
    assert list(table) == ["locus", "model", "raw", "trivial", "full"]
    np.testing.assert_allclose(table["raw"], [raw[part].mean() for part in loci.slices()])


def test_the_first_locus_that_names_a_gene_has_it():
    loci = pd.DataFrame({"locus": ["A", "B", "C"], "gene": ["APP", "App", "APOE"]})
    assert locus_by_gene(loci) == {"APP": "A", "APOE": "C"}
    with pytest.raises(InputError, match="name no gene"):
        locus_by_gene(loci.assign(gene=None))


@pytest.fixture(scope="module")
def links(elements) -> network.Links:
    names = sorted(set(elements["locus"]))
    loci = pd.DataFrame({"locus": names, "gene": [f"G{at}" for at in range(len(names))]})
    pairs = [(a, b) for a in range(12) for b in range(a) if (a * b + a) % 3 == 0]
    table = pd.DataFrame([(f"G{a}", f"G{b}", 900) for a, b in pairs], columns=["gene1", "gene2", "score"])
    return network.hold(elements, loci, Network(table, ["a note"]))


def test_links_join_the_loci_of_their_genes_each_once(links, models):
    assert links.notes == ("a note",)
    names, edges = links.of(models[0])
    assert names == models[0].scores.genes[0]
    assert edges.tolist() == sorted([min(a, b), max(a, b)] for a in range(12) for b in range(a) if (a * b + a) % 3 == 0)
    ends = pd.DataFrame({"gene1": ["b", "a", "a", "c", None, "x"], "gene2": ["a", "b", "a", "b", "a", "a"]})
    assert network._edges(ends, ["a", "b", "c"]).tolist() == [[0, 1], [1, 2]]
    assert network._edges(ends, ["q"]).shape == (0, 2)


def test_linked_genes_are_held_against_networks_that_models_share(links, models):
    claim = find_claim("network")
    first, second = (make() for _, make in list(claim.subjects(models[:2], SETTINGS, links)))
    assert second.data.networks is first.data.networks
    assert len(first.data.networks) == 99
    ladder = claim.test(first, SETTINGS)
    labels, columns = score_columns(models[0])
    values = locus_means(columns, models[0].scores.genes[1], 12)
    alike, _ = network_draws(values, first.data.networks, values > 0)
    edges = first.data.edges
    for at, own in enumerate((ladder.raw, *ladder.trivial, *ladder.full)):
        assert own.learner == labels[at][1]
        np.testing.assert_allclose(own.draws, alike[:, at])
        assert own.effect == pytest.approx(assortativity(values, edges)[0, at] - alike[:, at].mean())
    assert ladder.details["n_linked_genes"] == len(np.unique(edges))


def test_five_links_are_a_network_and_four_are_none(models, links):
    names = models[0].scores.genes[0]
    for count, enough in ((5, True), (4, False)):
        ends = pd.DataFrame({"gene1": names[0], "gene2": names[1 : count + 1]})
        held = network.Links(elements=links.elements, network=links.network, ends=ends)
        make = next(find_claim("network").subjects(models, SETTINGS, held))[1]
        if enough:
            assert len(make().data.edges) == 5
        else:
            with pytest.raises(NotTestable, match="4 links"):
                make()


def test_pairs_are_of_two_loci_of_the_run(elements):
    loci = pd.DataFrame({"locus": ["A", "A", "B"], "gene": ["G1", "G2", "G3"]})
    pairs = pd.DataFrame({"gene1": ["G1", "G1", "G9", "G3"], "gene2": ["G3", "G2", "G1", "G9"]})
    held = protein_pair.hold(elements, loci, pairs, ("first",))
    assert held.pairs == (("G1", "G3", "A", "B"),)
    assert held.notes == ("first", "3 of 4 pairs are not of two loci of this run and were left out.")
    assert protein_pair.hold(elements, loci, pairs.head(1)).notes == ()


def test_the_twenty_strongest_links_are_pairs_ties_by_name():
    table = pd.DataFrame({"gene1": [f"G{at:02d}" for at in range(30)], "gene2": "Z", "score": [900] * 15 + [950] * 15})
    found = protein_pair.pairs_of_network(Network(table[::-1], []))
    assert found["gene1"].tolist() == [f"G{at:02d}" for at in [*range(15, 30), *range(5)]]
    assert list(found) == ["gene1", "gene2"]


def test_a_pair_is_held_against_permuted_maps_on_every_rung(models, elements):
    names = models[0].scores.genes[0]
    held = protein_pair.Pairs(elements=elements, pairs=(("P", "Q", names[4], names[1]), ("P", "R", names[4], "none")))
    claim = find_claim("protein_pair")
    subjects = list(claim.subjects(models, SETTINGS, held))
    assert [name for name, _ in subjects][:3] == ["lm1|P~Q", "lm1|P~R", "lm2|P~Q"]
    with pytest.raises(NotTestable, match="no scored element"):
        subjects[1][1]()
    first = subjects[0][1]()
    assert (first.data.names, first.data.at) == (("P", "Q"), (4, 1))
    ladder = claim.test(first, SETTINGS)
    labels, columns = score_columns(models[0])
    means = locus_means(columns, models[0].scores.genes[1], len(names))
    draws = protein_pair.permuted_means(models[0], columns, SETTINGS)
    # Maps exchange elements: the mean over all of them stays.
    sizes = models[0].scores.loci.sizes
    np.testing.assert_allclose((draws * sizes[:, None]).sum(axis=1)[:, 0], 0.0, atol=1e-9)
    for at, own in enumerate((ladder.raw, *ladder.trivial, *ladder.full)):
        expected = protein_pair.gene_pair((4, 1), means[:, at], draws[:, :, at], labels[at][1])
        assert (own.effect, own.p, own.interval) == (expected.effect, expected.p, expected.interval)


GENES = {"APP", "APOE", "ACHE"}


def written(folder, text: str, name: str = "links.txt"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("separator", [" ", "\t", ","])
def test_links_between_genes_of_the_loci_count_once_with_their_best_score(tmp_path, separator):
    rows = ["protein1 protein2 combined_score", "APP APOE 400", "APOE APP 700", "APP ACHE 399", "APP APP 999"]
    rows += ["APP OTHER 999", "OTHER1 OTHER2 999", "ACHE APOE 401"]
    path = written(tmp_path, "\n".join(row.replace(" ", separator) for row in rows) + "\n")
    found = read_network(path, GENES)
    assert found.links.to_numpy().tolist() == [["ACHE", "APOE", 401], ["APOE", "APP", 700]]
    assert found.links.index.tolist() == [0, 1]
    assert found.notes == ["2 links of combined_score 400 or more between 3 genes of the loci (3 of any score)."]
    assert read_network(path, GENES, min_score=401).links["score"].tolist() == [401, 700]
    assert read_network(path, GENES, min_score=402).links["score"].tolist() == [700]


def test_scores_up_to_one_are_thousandths(tmp_path):
    path = written(tmp_path, "#node1\tnode2\tcombined_score\nAPP\tAPOE\t1.0\nAPP\tACHE\t0.4\n")
    assert read_network(path, GENES).links["score"].tolist() == [400, 1000]
    path = written(tmp_path, "protein1 protein2 combined_score\nAPP APOE 2\nAPP ACHE 1\n")
    assert read_network(path, GENES, min_score=0).links["score"].tolist() == [1, 2]


def test_a_protein_has_the_first_of_its_names_that_is_a_gene(tmp_path):
    rows = [
        "#string_protein_id alias source",
        "P1 none x",
        "P1 app x",
        "P1 APOE x",
        "P2 ENSG00000000001.3 x",
        "P3 ACHE x",
    ]
    text = "\n".join(row.replace(" ", "\t") for row in rows) + "\n"
    assert read_names(written(tmp_path, text), GENES | {"ENSG00000000001"}) == {
        "P1": "APP",
        "P2": "ENSG00000000001",
        "P3": "ACHE",
    }


def test_pairs_are_two_different_genes_each_once(tmp_path):
    text = "x\tprotein1\tprotein2\n1\tapp\tAPOE\n2\tAPP\tAPOE\n3\tAPP\tAPP\n4\t\tAPP\n5\tAPOE\tAPP\n"
    found = read_pairs(written(tmp_path, text))
    assert found.to_numpy().tolist() == [["APP", "APOE"], ["APOE", "APP"]]
    assert list(found) == ["gene1", "gene2"]
    with pytest.raises(InputError, match="fewer than two columns"):
        read_pairs(written(tmp_path, "one\nAPP\n"))
    with pytest.raises(InputError, match="no pair of two"):
        read_pairs(written(tmp_path, "one\ttwo\n"))


def test_every_claim_says_its_effect():
    said = {name: find_claim(name).say for name in claim_names()}
    assert said["horizon"](entry(), SETTINGS).startswith("Scores within 10 kb of the TSS are 0.25 SD higher than")
    assert "0.25 SD lower" in said["horizon"](entry(raw=-0.25), SETTINGS)
    assert "0.00 SD higher" in said["horizon"](entry(raw=None), SETTINGS)
    assert "correlation of 0.25" in said["conservation"](entry(), SETTINGS)
    alike = said["network"](entry({"assortativity": 0.31, "expected_by_degree": 0.05}), SETTINGS)
    assert "0.31 (0.05 in" in alike
    assert said["protein_pair"](entry({"pair": ["A", "B"]}), SETTINGS).startswith("Elements of A and B score 0.25")
    assert said["te_family"](entry({"family": "Alu"}), SETTINGS).startswith("Elements of Alu score 0.25 SD higher")
    lists = {"raw": {"k": 100, "marked": 12, "matched": {"fold": 3.3, "p": 0.004}}}
    for name, mark in (("eqtl", "hold an eQTL"), ("intervals", "overlap the intervals")):
        assert f"12 of the top 100 elements {mark}, 3.3 times as many" in said[name](
            entry({"enrichment": lists}), SETTINGS
        )
        lists["raw"]["matched"]["fold"] = None
        assert "top" not in said[name](entry({"enrichment": lists}), SETTINGS)
        lists["raw"]["matched"]["fold"] = 3.3
    shared = {"lists": {"k": 36, "overlap": 9, "expected_by_chance": 3.6}}
    both = said["list_overlap"](entry(shared, model="a|b"), SETTINGS)
    assert both == "The top 36 elements of a and b share 9 (4 by chance)"
    assert "language models and those of the output models share 9" in said["layers"](entry(shared), SETTINGS)


LOCUS_TABLE = (
    "locus\tgene\tchrom\ttss\tstrand\tstart\tend\nL1\tAPP\tchr1\t50\t+\t0\t100\nL2\tAPOE\tchr1\t250\t+\t200\t300\n"
)


def test_each_check_reads_its_files_as_it_was_asked_to(tmp_path):
    places = of_places([("chr1", 10, 20), ("chr1", 210, 220)]).assign(locus=["L1", "L2"])
    loci = written(tmp_path, LOCUS_TABLE, "loci.tsv")
    table = "chrom\tpos\tgene\tpvalue\n1\t11\tAPP\t0.01\n1\t211\tAPOE\t0.5\n"
    eqtls = written(tmp_path, table, "eqtls.tsv")
    check = find_claim("eqtl").needs
    held = check.read(places, eqtl.Files(loci=loci, eqtl=eqtls))
    assert (held.holds.tolist(), held.n_eqtls) == ([True, True], 2)
    assert any("p above" in note for note in held.notes)
    held = check.read(places, eqtl.Files(loci=loci, eqtl=eqtls, max_p=0.05))
    assert (held.holds.tolist(), held.n_eqtls) == ([True, False], 1)

    header = "protein1 protein2 combined_score experimental\n"
    links = written(tmp_path, header + "P1 P2 950 410\nP2 P1 300 100\n", "links.txt")
    info = written(tmp_path, "#string_protein_id\tpreferred_name\nP1\tAPP\nP2\tAPOE\n", "info.txt")
    asked = network.Files(loci=loci, network=links, network_info=info)
    held = find_claim("network").needs.read(places, asked)
    assert held.ends.to_numpy().tolist() == [["L2", "L1"]]
    assert held.network.links["score"].tolist() == [950]
    other = asked.model_copy(update={"evidence": "experimental", "min_score": 410})
    assert find_claim("network").needs.read(places, other).network.links["score"].tolist() == [410]
    assert len(find_claim("network").needs.read(places, other.model_copy(update={"min_score": 411})).ends) == 0

    pairs = written(tmp_path, "gene1\tgene2\nAPP\tAPOE\n", "pairs.tsv")
    check = find_claim("protein_pair").needs
    held = check.read(places, protein_pair.Files(loci=loci, pairs=pairs))
    assert (held.pairs, held.notes) == ((("APP", "APOE", "L1", "L2"),), ())
    held = check.read(places, protein_pair.Files(loci=loci, network=links, network_info=info))
    assert held.pairs == (("APOE", "APP", "L2", "L1"),)
    assert held.notes[-1] == "The pairs are the strongest links of the network."
    assert len(held.notes) > 1
    few = protein_pair.Files(loci=loci, network=links, network_info=info, min_score=951)
    assert check.read(places, few).pairs == ()
    with pytest.raises(InputError, match="--pairs"):
        check.read(places, protein_pair.Files(loci=loci))


def test_a_bed_counts_by_the_share_that_it_covers_and_one_of_another_place_is_refused(tmp_path):
    places = of_places([("chr1", 10, 20), ("chr1", 210, 220)])
    check = find_claim("intervals").needs
    bed = written(tmp_path, "1\t0\t14\n1\t210\t220\n", "peaks.bed")
    assert check.read(places, intervals.Files(bed=bed)).overlaps.tolist() == [True, True]
    assert check.read(places, intervals.Files(bed=bed, least_covered=0.5)).overlaps.tolist() == [False, True]
    with pytest.raises(InputError, match="overlaps no element"):
        check.read(places, intervals.Files(bed=written(tmp_path, "chr9\t0\t14\n", "other.bed")))


def test_conservation_is_read_from_a_bigwig(tmp_path):
    path = tmp_path / "c.bw"
    with pyBigWig.open(str(path), "w") as handle:
        handle.addHeader([("chr1", 1000)])
        handle.addEntries(["chr1"], [0], ends=[15], values=[2.0])
    places = of_places([("chr1", 10, 20), ("chr1", 210, 220), ("chr2", 1, 5)])
    held = find_claim("conservation").needs.read(places, conservation.Files(bigwig=path))
    assert held.means.iloc[0] == 2.0
    assert held.means.isna().tolist() == [False, True, True]
    assert held.elements["element"].tolist() == ["e0"]
    assert held.notes == ("The bigWig lacks chr2: 1 elements without a value.",)


def test_the_document_of_claims_is_one_table_with_a_row_per_claim():
    blocks = claims_markdown().split("\n\n")
    assert blocks[0] == "# Claims"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in blocks[-1].splitlines()]
    for row, claim in zip(rows[2:], all_claims(), strict=True):
        assert row[:4] == [f"`{claim.name}`", claim.question, claim.statistic, claim.unit]
        assert row[4:6] == [f"{claim.floor:g}", f"{claim.margin:g}"]
    nulls = {row[0].strip("`"): row[6] for row in rows[2:]}
    assert nulls["horizon"] == nulls["conservation"] == "of the run (`rotation`)"
    assert nulls["network"] == "degree-preserving draws"


def test_thresholds_leave_enough_elements_on_both_sides():
    distance = np.random.default_rng(3).permutation(np.arange(1, 1001)) * np.where(np.arange(1000) % 2, 1, -1)
    grid = distance_grid(distance)
    # 2 % of 1,000 are 20: the lowest threshold has 20 at or below it, the highest 20 above it.
    assert (grid[0], grid[-1], len(grid)) == (20, 980, 60)
    np.testing.assert_allclose(grid, np.round(np.linspace(20, 980, 60)))
    assert distance_grid(distance, points=5).tolist() == [20, 260, 500, 740, 980]
    # Ten at least: of 100 elements 2 % would be two.
    assert distance_grid(np.arange(1, 101), points=2).tolist() == [10, 90]
    assert distance_grid(np.arange(1, 21), points=9).tolist() == []  # the tenth is the tenth from above
    assert distance_grid(np.arange(1, 22), points=9).tolist() == [10, 11]
    assert distance_grid(np.arange(1, 20)).tolist() == []
    assert distance_grid(np.full(100, 7)).tolist() == []
    assert distance_grid(np.array([*range(600), *range(600)]), points=2).tolist() == [11, 587]


def test_links_that_do_not_vary_have_no_correlation_and_no_warning():
    edges = np.array([(0, 1), (2, 3)])
    values = np.column_stack([[1.0, 1, 1, 1], [1.0, 1 + 1e-9, 1, 1], [0.0, 1, 0, 1]])
    found = assortativity(values, edges)
    assert np.isnan(found[0]).tolist() == [True, True, False]
    assert found[0, 2] == pytest.approx(-1.0)
    with np.errstate(all="raise"):
        assert np.isnan(assortativity(values, edges, np.zeros((1, 2)))).all()


def test_a_gene_without_elements_has_the_mean_nothing():
    found = locus_means(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, 2]), 4)
    assert found.tolist() == [[2.0], [0.0], [5.0], [0.0]]


def test_a_pair_is_held_against_one_other_pair_at_least():
    rng = np.random.default_rng(23)
    with pytest.raises(NotTestable, match="no other pairs"):
        protein_pair.gene_pair((0, 1), rng.standard_normal(2), rng.standard_normal((9, 2)))
    # Two others: p of a third is the least.
    high = np.array([9.0, 9, 0])
    assert protein_pair.gene_pair((0, 1), high, rng.standard_normal((9, 3))).p == pytest.approx(1 / 3)


def test_marked_elements_of_one_length_have_controls_all_the_same():
    elements = make_elements(3, loci=6, per_locus=40).assign(length=300)
    one, *_ = prepare_models(elements, make_ris(elements, 3, Truth(), models=("lm",)), SETTINGS)[0]
    found = fold_enrichment(one, np.arange(240) % 7 == 0, SETTINGS)
    assert found["raw"]["matched"]["fold"] > 0
