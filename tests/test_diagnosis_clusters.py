"""Loci that overlap are one cluster, and an interval counts once, whatever the table repeats."""

import numpy as np
import pandas as pd
import pytest

from darkregulome.diagnosis.clusters import in_clusters
from darkregulome.diagnosis.diagnose import diagnose
from darkregulome.diagnosis.scores import join_scores
from darkregulome.diagnosis.settings import Settings
from darkregulome.errors import InputError
from simulated_tables import Truth, make_elements, make_ris

SETTINGS = Settings(permutations=199, bootstrap=200, seed=3)


def elements_of(rows) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["locus", "chrom", "start", "end", "distance"])
    return table.assign(element=[f"e{at}" for at in range(len(table))])


def copied(elements: pd.DataFrame, locus: str, prefix: str, farther: int = 0) -> pd.DataFrame:
    """The elements again, under another locus and other names."""
    away = np.where(elements["distance"] < 0, -farther, farther)
    return elements.assign(element=prefix + elements["element"], locus=locus, distance=elements["distance"] + away)


def verdict_rows(elements: pd.DataFrame, ris: pd.DataFrame) -> list[tuple]:
    claims = diagnose(elements, ris, SETTINGS).record["claims"]
    return [
        (
            *(one[name] for name in ("claim", "model", "verdict", "n", "n_loci")),
            *(one[side][name] for side in ("raw", "trivial", "full") for name in ("effect", "p", "interval")),
        )
        for one in claims
    ]


def naive_clusters(table: pd.DataFrame) -> dict[str, str]:
    """The first name of the loci that each locus reaches by overlaps of elements."""
    rows = list(table.itertuples())
    names = {row.locus: row.locus for row in rows}
    for _ in names:
        for one in rows:
            for other in rows:
                if one.chrom == other.chrom and one.start < other.end and other.start < one.end:
                    names[one.locus] = names[other.locus] = min(names[one.locus], names[other.locus])
    return names


def test_clusters_are_those_of_a_naive_search():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        start = rng.integers(0, 900, 30)
        chrom, locus = rng.choice(["chr1", "chr2"], 30), rng.integers(0, 12, 30)
        rows = zip([f"L{at:02d}" for at in locus], chrom, start, start + rng.integers(1, 40, 30), start, strict=True)
        table = elements_of(rows)
        once, _ = in_clusters(table)
        names = naive_clusters(table)
        assert [names[locus] for locus in once["locus"]] == once["cluster"].tolist()


def test_touching_loci_are_two_clusters():
    table, notes = in_clusters(elements_of([("a", "chr1", 0, 100, 5), ("b", "chr1", 100, 200, 5)]))
    assert table["cluster"].tolist() == ["a", "b"]
    assert notes == []


def test_of_a_shared_interval_the_row_with_the_nearer_tss_stays_and_it_is_said():
    rows = [("a", "chr1", 0, 100, -900), ("b", "chr1", 0, 100, 20), ("b", "chr1", 200, 300, 5), ("c", "chr2", 0, 9, 1)]
    table, notes = in_clusters(elements_of(rows))
    assert table["element"].tolist() == ["e1", "e2", "e3"]
    assert table["cluster"].tolist() == ["a", "a", "c"]
    assert "2 loci that overlap are 1 cluster" in notes[0]
    assert notes[1].startswith("1 of 4 elements repeat an interval")


def test_duplicated_loci_give_the_results_of_the_table_with_each_interval_once():
    elements = make_elements(1, loci=8, per_locus=60, rho=0.3)
    ris = make_ris(elements, 1, Truth(horizon=1.0), rho=0.3)
    again = [copied(elements[elements["locus"] == name], f"{name}_copy", "copy ", 7) for name in ("locus02", "locus05")]
    # A locus next to another one shares half of its elements.
    half = elements[(elements["locus"] == "locus03") & (elements["distance"] > 0)]
    again.append(copied(half, "locus03_half", "half ", 30_000))
    repeats = pd.concat(again)
    origin = repeats["element"].str.replace("copy |half ", "", regex=True)
    same = [
        rows.set_index("element").loc[origin].assign(element=repeats["element"].to_numpy())
        for _, rows in ris.groupby("model")
    ]
    every = pd.concat([elements, repeats], ignore_index=True), pd.concat([ris, *same], ignore_index=True)
    assert verdict_rows(*every) == verdict_rows(elements, ris)
    for model in join_scores(*every):
        assert model.loci.count == 8
        assert any("5" not in note and "3 clusters" in note for note in model.notes)
        assert any(note.startswith(f"{len(repeats)} of {len(every[0])} elements repeat") for note in model.notes)
        assert {"locus", "cluster"} <= set(model.table.columns)


def test_genes_of_one_cluster_remain_genes():
    elements = make_elements(1, loci=4, per_locus=40)
    overlapping = copied(elements[elements["locus"] == "locus01"].head(20), "other", "other ")
    overlapping = overlapping.assign(start=overlapping["start"] + 1)
    table = pd.concat([elements, overlapping], ignore_index=True)
    model = join_scores(table, make_ris(table, 1, Truth()))[0]
    names, codes = model.genes
    assert model.loci.count == 4
    assert sorted(names) == [*(f"locus0{at}" for at in range(4)), "other"]
    assert [names[code] for code in codes] == model.table["locus"].tolist()


def test_pairs_of_element_and_gene_are_no_repetition():
    rows = [("a", "chr1", 0, 100, -900), ("b", "chr1", 0, 100, 20)]
    table, notes = in_clusters(elements_of(rows).assign(pair_gene=["a", "b"]))
    assert len(table) == 2
    assert table["cluster"].tolist() == ["a", "a"]
    assert len(notes) == 1


def test_an_interval_with_several_scores_in_one_locus_is_refused_by_name():
    elements = make_elements(1, loci=4, per_locus=40)
    twice = elements.head(1).assign(element="again")
    table = pd.concat([elements, twice], ignore_index=True)
    ris = make_ris(table, 1, Truth())
    row = elements.iloc[0]
    with pytest.raises(InputError, match=f"several scores of {row.chrom}:{row.start}-{row.end} \\(locus00\\)"):
        join_scores(table, ris)


def test_claims_that_need_a_distance_say_that_none_is_known():
    elements = make_elements(1, loci=6, per_locus=60)
    record = diagnose(elements.assign(distance=pd.NA), make_ris(elements, 1, Truth()), SETTINGS).record
    reasons = {item["claim"]: item["reason"] for item in record["not_tested"]}
    assert reasons["horizon"] == "no distance is known: give --gtf or a distance column"
    assert {"class_hierarchy", "ccre_discrimination"} <= {claim["claim"] for claim in record["claims"]}
    some = elements.assign(distance=elements["distance"].where(elements.index > 2).astype("Int64"))
    record = diagnose(some, make_ris(elements, 1, Truth()), SETTINGS).record
    reasons = {item["claim"]: item["reason"] for item in record["not_tested"]}
    assert reasons["horizon"].startswith("no distance is known of 3 elements")
