"""Elements from anybody's intervals: features against the sequence, loci against the known TSSs of the toy genome."""

import numpy as np
import pandas as pd
import pytest

import toy
from darkregulome.elements.own import complete_elements
from darkregulome.elements.settings import Around
from darkregulome.errors import InputError
from darkregulome.genome import sequence as seq
from darkregulome.genome.background import FEATURES

PLACES = [("chr1", 9_000, 9_100), ("chr1", 10_050, 10_150), ("chr2", 9_500, 9_600), ("chr2", 8_000, 8_100)]


def places(rows=PLACES, **columns):
    return pd.DataFrame(rows, columns=["chrom", "start", "end"]).assign(**columns)


def test_features_are_those_of_the_sequence(genome):
    own = complete_elements(places(), "x", Around(fasta=genome["fasta"], gtf=genome["gtf"])).table
    sequences = toy.toy_sequences()
    for row in own.itertuples():
        text = sequences[row.chrom][row.start : row.end]
        assert row.gc == pytest.approx((text.count("G") + text.count("C")) / 100)
        assert row.cpg_oe == pytest.approx(seq.cpg_oe(text))
        assert row.length == 100
    assert own[list(FEATURES)].notna().all().all()
    # Neighbours that share a window share what is left out, in whatever order they stand.
    again = complete_elements(places(PLACES[::-1]), "x", Around(fasta=genome["fasta"], gtf=genome["gtf"])).table
    pd.testing.assert_frame_equal(again, own)
    assert set(own["element"]) == {f"{chrom}:{start}-{end}" for chrom, start, end in PLACES}


def test_each_interval_belongs_to_the_nearest_tss_on_its_strand(genome):
    own = complete_elements(places(), "x", Around(gtf=genome["gtf"]))
    found = own.table.set_index("element")[["locus", "distance"]].apply(tuple, axis=1).to_dict()
    # ALPHA's TSS is chr1:10,000 (+), BETA's chr2:8,999 (-): upstream of BETA is to the right.
    assert found == {
        "chr1:9000-9100": ("ALPHA", 9_099 - 10_000),
        "chr1:10050-10150": ("ALPHA", 50),
        "chr2:9500-9600": ("BETA", -(9_500 - 8_999)),
        "chr2:8000-8100": ("BETA", 8_999 - 8_099),
    }
    assert own.loci.set_index("locus")["tss"].to_dict() == {"ALPHA": 10_000, "BETA": 8_999}
    assert any("protein-coding" in note for note in own.notes)


def test_loci_of_elements_that_name_theirs_are_those_of_the_nearest_tss(genome, tmp_path):
    found = complete_elements(places(), "x", Around(gtf=genome["gtf"]))
    named = places(locus=found.table["locus"], distance=found.table["distance"])
    loci = toy.write_text(
        tmp_path / "loci.csv", "locus,chrom,tss,strand\nALPHA,1,10000,+\nBETA,2,8999,-\nOTHER,3,5,+\n"
    )
    own = complete_elements(named, "x", Around(loci=loci)).loci
    columns = ["locus", "chrom", "tss", "strand", "start", "end"]
    expected = [("ALPHA", "chr1", 10_000, "+", 9_000, 10_150), ("BETA", "chr2", 8_999, "-", 8_000, 9_600)]
    assert [
        (row[0], f"chr{str(row[1]).removeprefix('chr')}", *row[2:])
        for row in own[columns].itertuples(index=False, name=None)
    ] == expected


def test_the_nearest_tss_is_that_of_a_naive_search(genome, tmp_path):
    rng = np.random.default_rng(3)
    start = np.sort(rng.integers(0, 900_000, 300))
    rows = pd.DataFrame({"chrom": "1", "start": start, "end": start + rng.integers(50, 3_000, 300)})
    tss = np.sort(rng.choice(900_000, 25, replace=False))
    lines = "".join(f"g{at},chr1,{place},+\n" for at, place in enumerate(tss))
    loci = toy.write_text(tmp_path / "loci.csv", "locus,chrom,tss,strand\n" + lines)
    own = complete_elements(rows, "x", Around(loci=loci)).table
    for row in own.itertuples():
        gaps = [0 if row.start <= t < row.end else min(abs(row.start - t), abs(row.end - 1 - t)) for t in tss]
        assert abs(row.distance) == min(gaps)
        assert gaps[int(row.locus[1:])] == min(gaps)


def test_without_tss_neighbours_are_one_locus_and_it_is_said(genome):
    rows = [("chr1", 0, 100), ("chr1", 90_000, 90_100), ("chr1", 300_000, 300_100), ("chr2", 5, 50)]
    rows += [("chr3", 90_000 * at, 90_000 * at + 100) for at in range(15)]
    own = complete_elements(places(rows), "x")
    loci = own.table.groupby("locus").size().to_dict()
    assert loci["chr1:0-90100"] == 2
    assert loci["chr1:300000-300100"] == 1
    assert sorted(size for name, size in loci.items() if name.startswith("chr3")) == [3, 12]  # at most 1 Mb wide
    assert own.table["distance"].isna().all()
    assert any(note.startswith("WARNING: no TSS") for note in own.notes)
    assert any(note.startswith("WARNING: gc, cpg_oe, complexity") for note in own.notes)


def test_columns_that_the_table_has_are_kept_and_class_words_are_mapped(genome):
    given = places(**{"class": ["dELS", "TE", "PLS", "odd"], "gc": 0.5, "locus": "mine", "distance": [1, 2, 3, 4]})
    around = Around(fasta=genome["fasta"], repeats=genome["repeats"], class_map=genome["class_map"])
    own = complete_elements(given, "x", around)
    table = own.table.sort_values("distance")
    assert table["class"].tolist() == ["cCRE", "TE", "cCRE", "other"]
    assert table["subclass"].tolist() == ["dELS", "TE", "PLS", "odd"]
    assert (table["gc"] == 0.5).all()
    assert (table["locus"] == "mine").all()
    assert any("odd" in note for note in own.notes)


def test_repeats_give_the_repeat_fraction(genome):
    rows = places([("chr1", 1_950, 2_050), ("chr1", 6_000, 6_100), ("chr1", 3_000, 3_100)])
    own = complete_elements(rows, "x", Around(fasta=genome["fasta"], repeats=genome["repeats"]))
    assert own.table.sort_values("start")["repeat_fraction"].tolist() == [0.5, 0.0, 1.0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("chr1", 5, 5)], "has the interval chr1:5-5"),
        ([("chr9", 5, 50)], "names the contig 'chr9'"),
        ([("chr1", 5, 50_000)], "past the contig's end (20000)"),
    ],
)
def test_faulty_intervals_are_told(genome, rows, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(").replace(")", r"\)")):
        complete_elements(places(rows), "mine.bed", Around(fasta=genome["fasta"]))


def test_a_table_without_intervals_is_told():
    with pytest.raises(InputError, match="lacks chrom, start, end"):
        complete_elements(pd.DataFrame({"element": ["a"]}), "mine.tsv")
