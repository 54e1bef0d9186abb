"""Elements and loci at their limits: what is kept, cut, named and said, each against a loop or its definition."""

from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

import toy
from darkregulome.elements import build, checks, own
from darkregulome.elements.build import class_counts, describe, signed_distance
from darkregulome.elements.class_map import ClassMap, read_class_map
from darkregulome.elements.loci import (
    FailedLocus,
    LocusRow,
    failed_table,
    five_prime_ends,
    place_loci,
    read_locus_rows,
    read_placed_loci,
)
from darkregulome.elements.own import complete_elements
from darkregulome.elements.settings import AnnotationFiles, Around, ElementSettings
from darkregulome.errors import InputError, Problem
from darkregulome.genome import sequence as seq
from darkregulome.genome.background import FEATURES, background_features, fit_background
from darkregulome.genome.bed import MAX_PROBLEMS, Windows
from darkregulome.genome.contigs import Contigs

CONTIGS = Contigs({"chr1": 1000, "chr2": 500}, "g.fa")
GENES = pd.DataFrame(
    {
        "gene_id": ["ENSG01.2", "ENSG02.1", "ENSG03.1", "ENSG04.1"],
        "gene_name": ["ONE", "TWO", "TWO", "FOUR"],
        "chrom": ["chr1", "chr1", "chr2", "chr1"],
        "start": [100, 200, 300, 10],
        "end": [150, 260, 330, 20],
        "strand": ["+", "-", "+", "."],
    }
)


def written(folder, text: str, name: str):
    path = folder / name
    path.write_text(text)
    return path


# -- loci ------------------------------------------------------------------------------------------------------------


def test_rows_of_loci_are_read_by_their_columns(tmp_path):
    text = "# mine\nGene,chrom,TSS,strand,locus\nAPP, chr1 ,5,+,L1\nAPOE\n,,,,L3\n"
    path = written(tmp_path, text, "l.csv")
    assert read_locus_rows(path) == [
        LocusRow(f"{path}:3", "L1", "APP", "chr1", 5, "+"),
        LocusRow(f"{path}:4", "APOE", "APOE", "", None, ""),
        LocusRow(f"{path}:5", "L3", "L3", "", None, ""),
    ]
    path = written(tmp_path, "gene\ttss0\nA\t7\n", "l.tsv")
    assert read_locus_rows(path) == [LocusRow(f"{path}:2", "A", "A", "", 7, "")]
    path = written(tmp_path, "APP\nAPOE\n", "l.csv")
    assert [row.gene for row in read_locus_rows(path)] == ["APP", "APOE"]
    assert [row.where for row in read_locus_rows(path)] == [f"{path}:1", f"{path}:2"]


@pytest.mark.parametrize("flank", [0, 10, 100, 2000])
def test_a_window_has_the_flank_on_both_sides_and_stays_in_its_contig(flank):
    rows = [LocusRow("f:1", "L", "none", "1", tss, "-") for tss in (0, 5, 500, 999)]
    rows = [LocusRow(row.where, f"L{at}", *("none", "1", row.tss, "-")) for at, row in enumerate(rows)]
    loci, failed = place_loci(rows, GENES, CONTIGS, flank)
    assert failed == []
    for row in loci.itertuples():
        window = [base for base in range(1000) if abs(base - row.tss) <= flank]
        assert (row.start, row.end) == (window[0], window[-1] + 1)
        assert (row.chrom, row.strand, row.gene_id, row.gene_name) == ("chr1", "-", ".", ".")


def test_a_gene_is_placed_at_its_five_prime_end_with_its_id_and_name():
    rows = [LocusRow("f:1", "A", "ONE"), LocusRow("f:2", "B", "ENSG02"), LocusRow("f:3", "C", "TWO", "2")]
    loci, failed = place_loci(rows, GENES, CONTIGS, 5)
    assert failed == []
    assert loci[
        ["locus", "gene", "chrom", "tss", "strand", "start", "end", "gene_id", "gene_name"]
    ].to_numpy().tolist() == [
        ["A", "ONE", "chr1", 100, "+", 95, 106, "ENSG01.2", "ONE"],
        ["B", "ENSG02", "chr1", 259, "-", 254, 265, "ENSG02.1", "TWO"],
        ["C", "TWO", "chr2", 300, "+", 295, 306, ".", "."],
    ]
    assert five_prime_ends(GENES).tolist() == [100, 259, 300, 19]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (LocusRow("f:1", "-x", "ONE"), "cannot be a file name"),
        (LocusRow("f:1", "a|b", "ONE"), "cannot be a file name"),
        (LocusRow("f:1", "L", "ONE", "", 5, "+"), "has a TSS but no chrom"),
        (LocusRow("f:1", "L", "ONE", "", 5, ""), "no chrom and no strand"),
        (LocusRow("f:1", "L", "ONE", "chr1", 5, "x"), "has the strand 'x'"),
        (LocusRow("f:1", "L", "ONE", "chr9", 5, "+"), "names the contig 'chr9'"),
        (LocusRow("f:1", "L", "ONE", "chr1", -1, "+"), r"chr1:-1, outside the contig \(0 to 999\)"),
        (LocusRow("f:1", "L", "ONE", "chr1", 1000, "+"), "chr1:1000, outside"),
        (LocusRow("f:1", "L", "NONE"), "is not in the GTF"),
        (LocusRow("f:1", "L", "ONE", "chr2"), "no gene 'ONE' on chr2"),
        (LocusRow("f:1", "L", "TWO"), r"is that of 2 genes: ENSG02.1 \(chr1:200-260\), ENSG03.1 \(chr2:300-330\)"),
        (LocusRow("f:1", "L", "FOUR"), r"has the strand '\.' in the GTF"),
    ],
)
def test_a_locus_that_has_no_place_says_why_and_the_next_is_placed(row, what):
    good = LocusRow("f:2", "good", "ONE")
    loci, failed = place_loci([row, good], GENES, CONTIGS, 5)
    assert loci["locus"].tolist() == ["good"]
    assert [(one.locus, one.gene, one.problem.where) for one in failed] == [(row.locus, row.gene, "f:1")]
    assert pd.Series([failed[0].problem.what]).str.contains(what).all()


def test_a_gene_that_is_not_there_is_named_with_what_was_meant():
    failed = place_loci([LocusRow("f", "L", "four"), LocusRow("f", "M", "zzz")], GENES, CONTIGS, 5)[1]
    assert [one.problem.remedy for one in failed] == [
        "write FOUR if that is meant",
        "check its name, or give chrom, tss and strand",
    ]
    twice = place_loci([LocusRow("f:1", "L", "ONE"), LocusRow("f:2", "L", "ONE")], GENES, CONTIGS, 5)[1]
    assert [(one.problem.where, one.problem.what) for one in twice] == [("f:2", "the locus 'L' is listed twice")]


def test_failed_loci_are_rows_of_what_and_remedy():
    table = failed_table([FailedLocus("L", "G", Problem("f:1", "what", "remedy"))], "prepare")
    assert table.to_dict("records") == [{"locus": "L", "gene": "G", "stage": "prepare", "reason": "what; remedy"}]
    assert list(failed_table([], "x")) == ["locus", "gene", "stage", "reason"]


@pytest.mark.parametrize(
    ("chrom", "start", "tss", "end", "fine"),
    [
        ("chr1", 0, 0, 1, True),
        ("chr1", 0, 999, 1000, True),
        ("chr1", 5, 4, 9, False),
        ("chr1", 0, 9, 9, False),
        ("chr1", 0, 5, 1001, False),
        ("chr9", 0, 0, 1, False),
    ],
)
def test_placed_loci_lie_in_their_contigs_and_hold_their_tss(tmp_path, chrom, start, tss, end, fine):
    text = "locus\tgene\tchrom\ttss\tstrand\tstart\tend\n" + "ok\tG\tchr1\t5\t+\t0\t9\n"
    path = written(tmp_path, text + f"L\tG\t{chrom}\t{tss}\t+\t{start}\t{end}\n", "loci.tsv")
    if fine:
        assert read_placed_loci(path, CONTIGS)["locus"].tolist() == ["ok", "L"]
    else:
        what = (
            "is on 'chr9', which g.fa does not have" if chrom == "chr9" else r"leaves its contig \(chr1, 1000 bases\)"
        )
        with pytest.raises(InputError, match=rf"loci.tsv:3: .*locus 'L' {what}"):
            read_placed_loci(path, CONTIGS)


# -- building --------------------------------------------------------------------------------------------------------


def test_distances_are_to_the_nearest_base_and_signed_by_strand():
    for start in range(12):
        for end in range(start + 1, 13):
            bases = np.arange(start, end)
            nearest = 0 if 6 in bases else int(min(bases - 6, key=abs))
            assert signed_distance(start, end, 6, "+") == nearest
            assert signed_distance(start, end, 6, "-") == -nearest
            assert signed_distance([start] * 3, [end] * 3, [6, 6, 6], ["+", "-", "."]).tolist() == [
                *(nearest, -nearest, nearest)
            ]


def test_features_have_their_names():
    text = "ACGCGTNNACGAT"
    assert describe(text) == {
        "gc": seq.gc(text),
        "cpg_oe": seq.cpg_oe(text),
        "complexity": seq.complexity(text),
        "n_fraction": seq.n_fraction(text),
    }


@pytest.mark.parametrize("longest", [1, 2, 7, 10, 100])
def test_long_pieces_are_split_into_the_fewest_parts_of_nearly_one_length(longest):
    table = pd.DataFrame({"start": [0, 50, 103], "end": [7, 61, 133], "class": ["a", "b", "c"]}, index=[4, 2, 9])
    parts = build._split_long(table, longest)
    for row in table.itertuples():
        own = parts[(parts["start"] >= row.start) & (parts["end"] <= row.end)]
        lengths = (own["end"] - own["start"]).tolist()
        assert len(own) == -(-(row.end - row.start) // longest)
        assert max(lengths) - min(lengths) <= 1
        assert own["start"].tolist() == [row.start, *own["end"].tolist()[:-1]]
        assert own["end"].iloc[-1] == row.end
    assert parts.index.tolist() == list(range(len(parts)))


def test_winners_are_of_the_higher_class_then_shorter_then_earlier():
    columns = ["chrom", "start", "end", "strand", "class", "subclass", "family"]
    rows = [
        ("chr1", 0, 9, ".", "TE", "a", "."),
        ("chr1", 5, 9, ".", "TE", "b", "."),
        ("chr1", 0, 99, ".", "cCRE", "c", "."),
        ("chr1", 2, 6, ".", "TE", "d", "."),
        ("chr1", 0, 50, ".", "conserved", "e", "."),
        ("chr1", 0, 50, ".", "lncRNA_exon", "f", "."),
        ("chr1", 0, 1, ".", "other", "g", "."),
    ]
    parts = [
        pd.DataFrame(rows[:3], columns=columns),
        pd.DataFrame(columns=columns),
        pd.DataFrame(rows[3:], columns=columns),
    ]
    ordered = build._by_priority(parts)
    assert ordered["subclass"].tolist() == ["c", "f", "e", "d", "b", "a", "g"]
    assert list(ordered) == columns
    assert sorted(build._by_priority([])) == sorted(columns)
    assert class_counts(ordered) == {"cCRE": 1, "lncRNA_exon": 1, "conserved": 1, "TE": 3, "other": 1}
    assert list(class_counts(ordered)) == ["cCRE", "lncRNA_exon", "conserved", "TE", "other"]
    assert class_counts(ordered.head(2)) == {"cCRE": 1, "lncRNA_exon": 1}


def made_of(reference, intervals, loci=None, repeats=(), not_dark=(), **settings):
    keys = ["chrom", "start", "end"]
    columns = [*keys, "strand", "class", "subclass", "family"]
    table = pd.DataFrame([("chr1", *row, ".", "TE", "x", ".") for row in intervals], columns=columns)
    blank, other = (pd.DataFrame([("chr1", *row) for row in rows], columns=keys) for rows in (not_dark, repeats))
    sources = build.Sources(table, other, blank, ["a note"])
    default = [{"locus": "L", "gene": "G", "chrom": "chr1", "tss": 5000, "strand": "-", "start": 4000, "end": 6000}]
    loci = pd.DataFrame(loci or default)
    return build.build_elements(loci, sources, reference, ElementSettings(**settings)), loci


def test_elements_reach_from_the_least_length_to_the_ends_of_their_window(reference):
    made, _ = made_of(reference, [(3900, 4050), (4100, 4149), (4200, 4250), (5950, 6100), (6000, 6200)], min_length=50)
    assert made.table[["start", "end"]].to_numpy().tolist() == [[4000, 4050], [4200, 4250], [5950, 6000]]
    assert made.table["element"].tolist()[0] == "L|chr1:4000-4050|TE"
    assert made.table["distance"].tolist() == [951, 751, -950]
    assert made.table["length"].tolist() == [50, 50, 50]
    assert made.notes[0] == "a note"
    for row in made.table.itertuples():
        text = reference.fetch("chr1", row.start, row.end)
        assert (row.gc, row.cpg_oe, row.complexity, row.n_fraction) == tuple(describe(text).values())
    windows = pd.DataFrame({"start": 4000, "end": 6000}, index=made.table.index)
    background = background_features(made.table, windows, fit_background(reference))
    pd.testing.assert_frame_equal(made.table[list(FEATURES)], background)


def test_promoters_and_coding_bases_belong_to_no_element(reference):
    made, _ = made_of(reference, [(4500, 5500)], not_dark=[(4600, 4700)], promoter_exclusion=100, max_length=2000)
    assert made.table[["start", "end"]].to_numpy().tolist() == [[4500, 4600], [4700, 4900], [5101, 5500]]
    made, _ = made_of(reference, [(4500, 5500)], max_length=2000, repeats=[(4500, 4600), (4550, 4750)])
    assert made.table["repeat_fraction"].tolist() == [0.25]


def test_loci_without_elements_are_named_and_n_only_elements_are_counted(reference):
    base = {"gene": "G", "chrom": "chr1", "strand": "+"}
    loci = [
        {"locus": "empty", "tss": 500, "start": 0, "end": 1000, **base},
        {"locus": "full", "tss": 15_300, "start": 14_900, "end": 15_700, **base},
    ]
    made, table = made_of(reference, [(15_100, 15_300), (15_550, 15_650)], loci)
    assert made.empty_loci == ["empty"]
    assert made.notes[:3] == [
        "a note",
        "locus empty has no element and is left out",
        "1 elements are N only; they are kept, and no model will score them",
    ]
    assert made.failed(table).to_dict("records") == [
        {"locus": "empty", "gene": "G", "stage": "build_elements", "reason": "no element in its window"}
    ]
    with pytest.raises(InputError, match="no interval of 50 bases or more around any of the 1 loci"):
        made_of(reference, [(15_100, 15_300)], loci[:1])


def test_annotation_far_from_every_locus_is_not_read_and_its_notes_come_in_order(tmp_path, genome, reference):
    loci = pd.DataFrame({"chrom": ["chr1"], "start": [5_900], "end": [6_100]})
    other = {
        name: written(tmp_path, "".join(f"{chrom}\t{start}\t{end}\tw\n" for chrom, start, end in rows), f"{name}.bed")
        for name, rows in {"regulatory": [("1", 5_950, 6_050), ("1", 9_000, 9_100)], "conserved": [("1", 1, 9)]}.items()
    }
    sources = build.read_sources(loci, reference, genome["gtf"], AnnotationFiles(repeats=genome["repeats"], **other))
    assert sources.repeats[["start", "end"]].to_numpy().tolist() == [[6_000, 8_500]]
    assert sources.intervals[["start", "end", "class", "subclass"]].to_numpy().tolist() == [
        [6_000, 8_500, "TE", "L1MC2"],
        [5_950, 6_050, "other", "w"],
    ]
    assert [note.partition(":")[0].rpartition("/")[2] for note in sources.notes] == [
        "regulatory.bed",
        "regulatory.bed",
        "conserved.bed",
    ]
    assert "2 records have a word that the class map lacks (w)" not in sources.notes[1]
    assert "1 records have a word that the class map lacks (w); they are class other" in sources.notes[1]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("gene,gene\na,b\n", "has the column 'gene' twice"),
        ("gene,tss,tss\na,1,2\n", "has the column 'tss' twice"),
        ("gene;tss\na;1\n", "has columns separated by semicolons"),
        ("gene\ttss\na\t1\n", "has columns separated by tabs"),
        ("gene,tss\na,1,2\n", "has 3 values, where the header names 2"),
    ],
)
def test_a_list_of_loci_has_each_column_once_and_commas_between_them(tmp_path, text, what):
    with pytest.raises(InputError, match=what):
        read_locus_rows(written(tmp_path, text, "l.csv"))
    assert len(read_locus_rows(written(tmp_path, "gene,,\na,,\n", "l.csv"))) == 1


# -- class maps ------------------------------------------------------------------------------------------------------


def test_the_first_pattern_that_fits_gives_the_class():
    words = ClassMap((("pELS*", "cCRE", "="), ("pels,x", "other", "never"), ("ctcf", "cCRE", "bound")))
    assert words.lookup("PELS,CTCF") == ("cCRE", "PELS,CTCF")
    assert words.lookup("Ctcf") == ("cCRE", "bound")
    assert words.lookup("none") is None
    known = words.has(pd.Series(["ctcf", "none", "ctcf"]))
    assert (known.tolist(), known.dtype) == ([True, False, True], bool)
    labels, unknown = words.classify(pd.Series(["none", "CTCF", "pels", "none"], index=[7, 3, 5, 9]))
    assert unknown == ["none"]
    assert list(labels) == ["class", "subclass"]
    assert labels.T.to_dict("list") == {
        7: ["other", "none"],
        3: ["cCRE", "bound"],
        5: ["cCRE", "pels"],
        9: ["other", "none"],
    }


def test_a_class_map_has_three_columns_and_our_classes(tmp_path):
    text = "# one\npattern, class, subclass, note\n a , cCRE , = , x\nb,TE,y\nc,TE,z,\n"
    rows = (("a", "cCRE", "="), ("b", "TE", "y"), ("c", "TE", "z"))
    assert read_class_map(written(tmp_path, text, "m.csv")).rows == rows
    for bad in ("pattern,class\n", "x,class,subclass\n", ""):
        with pytest.raises(InputError, match="has the header"):
            read_class_map(written(tmp_path, bad, "m.csv"))
    with pytest.raises(InputError) as caught:
        read_class_map(written(tmp_path, "pattern,class,subclass\na,b\na,,c\na,wrong,c\nok,TE,c\n", "m.csv"))
    assert [line in str(caught.value) for line in ("m.csv:2", "m.csv:3", "m.csv:4", "m.csv:5")] == [True] * 3 + [False]
    with pytest.raises(InputError):
        read_class_map(written(tmp_path, "pattern,class,subclass\n", "m.csv"))


# -- one's own intervals ---------------------------------------------------------------------------------------------


def intervals(*rows: tuple, **columns) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["chrom", "start", "end"]).assign(**columns)


def test_a_gap_or_a_span_too_wide_ends_a_cluster():
    gap, span = own.CLUSTER_GAP, own.CLUSTER_SPAN
    table = intervals(("a", 0, 50), ("a", 10, 20), ("a", 50 + gap, 60 + gap), ("a", 61 + 2 * gap, 62 + 2 * gap))
    assert own._clusters(table).tolist() == [f"a:0-{60 + gap}"] * 3 + [f"a:{61 + 2 * gap}-{62 + 2 * gap}"]
    steps = intervals(*(("b", at * gap, at * gap + 1) for at in range(11)), ("c", 5, 6))
    names = own._clusters(steps)
    assert names[:10].tolist() == [f"b:0-{9 * gap + 1}"] * 10
    assert names[10] == f"b:{10 * gap}-{10 * gap + 1}"
    assert names[11] == "c:5-6"
    whole = intervals(("b", 0, 1), *(("b", at * gap - 1, at * gap) for at in range(1, 11)))
    assert span == 10 * gap
    assert own._clusters(whole).nunique() == 1
    assert own._clusters(table.iloc[::-1]).to_dict() == own._clusters(table).to_dict()


def test_without_anything_around_them_intervals_have_names_and_warnings():
    made = complete_elements(intervals(("chr1", 30, 50), ("chr1", 10, 20), ("chr1", 10, 20)), "x")
    table = made.table
    assert table["element"].tolist() == ["chr1:10-20", "chr1:30-50"]
    assert table["length"].tolist() == [10, 20]
    assert set(table["locus"]) == {"chr1:10-50"}
    assert (table["distance"] == 0).all()
    assert (set(table["class"]), set(table["subclass"]), set(table["strand"])) == ({"other"}, {"none"}, {"."})
    assert table[["gc", "cpg_oe", "complexity"]].isna().all().all()
    assert (table[["n_fraction", "repeat_fraction"]] == 0).all().all()
    assert made.loci.to_dict("records") == [
        {
            **{"locus": "chr1:10-50", "gene": ".", "chrom": "chr1", "tss": 30, "strand": "+", "start": 10, "end": 50},
            **{"gene_id": ".", "gene_name": "."},
        }
    ]
    assert len(made.notes) == 4
    assert "gc, cpg_oe, complexity are not known" in made.notes[0]
    assert "repeats are not known" in made.notes[1]
    assert "have no class" in made.notes[2]
    assert "1 clusters" in made.notes[3]


def test_what_a_table_has_is_kept(tmp_path):
    given = intervals(
        ("chr1", 30, 50),
        ("chr1", 10, 20),
        element=["b", "a"],
        strand=["-", "x"],
        gc=[0.5, 0.25],
        repeat_fraction=[0.75, 1.0],
        locus=[1, 2],
        distance=[7, -7],
        subclass=["p", "q"],
        more=[3, 4],
        **{"class": ["TE", "word"]},
    )
    class_map = written(tmp_path, "pattern,class,subclass\nword,cCRE,sub\n", "map.csv")
    made = complete_elements(given, "x", Around(class_map=class_map))
    row = made.table.set_index("element").loc["b"]
    assert row[["locus", "distance", "strand", "gc", "repeat_fraction", "class", "subclass", "more"]].tolist() == [
        *("1", 7, "-", 0.5, 0.75, "TE", "p", 3)
    ]
    assert made.table.set_index("element").loc["a", ["strand", "class", "subclass"]].tolist() == [".", "cCRE", "q"]
    assert made.loci[["locus", "start", "end", "tss"]].to_numpy().tolist() == [["1", 30, 50, 40], ["2", 10, 20, 15]]
    assert len(made.notes) == 1
    assert "cpg_oe, complexity are not known" in made.notes[0]
    words = complete_elements(given.drop(columns="subclass").assign(**{"class": ["odd", "word"]}), "x")
    assert words.table["subclass"].tolist() == ["odd", "word"]
    assert any("lacks 2 class words (odd, word)" in note for note in words.notes)
    with pytest.raises(InputError, match="has the element 'b' twice"):
        complete_elements(given.assign(element="b"), "x")


def test_intervals_belong_to_the_nearest_tss_of_a_loop():
    rng = np.random.default_rng(0)
    starts = pd.DataFrame(
        {
            **{"locus": [f"L{at}" for at in range(12)], "gene": "G", "chrom": ["a"] * 8 + ["b"] * 4},
            **{"tss": rng.permutation(1000)[:12], "strand": ["+", "-"] * 6, "gene_id": "i", "gene_name": "n"},
        }
    )
    left = rng.integers(0, 990, 200)
    table = intervals(*zip(rng.choice(["a", "b"], 200), left, left + rng.integers(1, 30, 200), strict=True))
    notes: list[str] = []
    made, loci = own._by_nearest_tss(table, starts, notes)
    assert notes == []
    for row in made.itertuples():
        here = starts[starts["chrom"] == row.chrom]
        forward = signed_distance(row.start - here["tss"].to_numpy(), row.end - here["tss"].to_numpy(), 0, "+")
        assert abs(row.distance) == np.abs(forward).min()
        mine = here[here["locus"] == row.locus].iloc[0]
        assert row.distance == signed_distance(row.start, row.end, mine["tss"], mine["strand"])
    for row in loci.itertuples():
        elements = made[made["locus"] == row.locus]
        assert row.start == min(elements["start"].min(), row.tss)
        assert row.end == max(elements["end"].max(), row.tss + 1)
    assert set(loci["locus"]) == set(made["locus"])
    assert list(loci) == own.LOCUS_COLUMNS
    some, _ = own._by_nearest_tss(table, starts[starts["chrom"] == "b"], notes)
    assert (set(some["chrom"]), len(some)) == ({"b"}, (table["chrom"] == "b").sum())
    assert notes == [f"{(table['chrom'] == 'a').sum()} elements on contigs without a TSS are left out."]
    with pytest.raises(InputError, match="none of the elements' contigs"):
        own._by_nearest_tss(table.assign(chrom="c"), starts, notes)


@pytest.mark.parametrize(("right", "owner", "distance"), [(24, "L", 5), (23, "R", -4), (25, "L", 5)])
def test_of_two_tsss_as_near_the_first_counts_and_loci_reach_to_their_tss(right, owner, distance):
    starts = pd.DataFrame({"locus": ["L", "R"], "gene": ".", "chrom": "a", "tss": [5, right], "strand": "+"})
    table, loci = own._by_nearest_tss(intervals(("a", 10, 20)), starts.assign(gene_id=".", gene_name="."), [])
    assert table[["locus", "distance"]].to_numpy().tolist() == [[owner, distance]]
    span = [5, 20] if owner == "L" else [10, right + 1]
    assert loci[["locus", "start", "end"]].to_numpy().tolist() == [[owner, *span]]


def test_genes_of_one_name_are_loci_by_their_ids(tmp_path):
    lines = [
        f'chr1\tx\tgene\t{at}\t{at + 9}\t.\t+\t.\tgene_id "G{at}"; gene_name "{name}";'
        for at, name in ((11, "A"), (101, "B"), (201, "A"))
    ]
    gtf = written(tmp_path, "\n".join(lines), "g.gtf")
    table = intervals(("chr1", 15, 20), ("chr1", 95, 99), ("chr1", 210, 220))
    made = complete_elements(table, "x", Around(gtf=gtf))
    assert made.table["locus"].tolist() == ["B", "G11", "G201"]
    assert made.loci.set_index("locus")["gene"].to_dict() == {"G11": "A", "B": "B", "G201": "A"}
    assert any("the nearest TSS of any gene" in note for note in made.notes)


def test_intervals_end_inside_the_contigs_of_the_fasta(genome):
    edge = toy.LENGTHS["chr2"]
    made = complete_elements(intervals(("2", edge - 50, edge)), "x", Around(fasta=genome["fasta"]))
    assert made.table["chrom"].tolist() == ["chr2"]
    text = toy.toy_sequences()["chr2"][-50:]
    assert made.table["gc"].tolist() == [seq.gc(text)]
    rows = [("chr2", edge - 50, edge + 1)] * 7
    with pytest.raises(InputError) as caught:
        complete_elements(intervals(*rows, element=list("abcdefg")), "x", Around(fasta=genome["fasta"]))
    assert str(caught.value).count(f"chr2:{edge - 50}-{edge + 1}, past the contig's end ({edge})") == 5


# -- checks before a run ---------------------------------------------------------------------------------------------


def sites_problem(reference, rows: list[tuple], first_line: int | None = 2) -> str:
    sites = pd.DataFrame(rows, columns=["chrom", "pos", "ref"])
    windows = Windows(pd.DataFrame({"chrom": ["chr1"], "start": [100], "end": [200]}))
    try:
        checks._check_sites("f", sites, reference, windows, first_line)
    except InputError as error:
        return str(error)
    return ""


def test_sites_lie_on_their_contigs_and_have_the_references_bases(reference):
    text, length = toy.toy_sequences()["chr1"], toy.LENGTHS["chr1"]
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    right = [("1", 101, text[100]), ("chr1", 200, text[199].lower()), ("chr1", length, "A"), ("chr9", 1e9, "A")]
    outside = [("chr1", 100, other[text[99]]), ("chr1", 201, other[text[200]]), ("chr1", 150, "<DEL>"), (None, 5, "A")]
    assert sites_problem(reference, [*right, *outside, ("chr1", float("nan"), "A")]) == ""
    assert "f:2: has the position 0" in sites_problem(reference, [("chr1", 0, "A")])
    assert "has the position 1.5" in sites_problem(reference, [("chr1", 1.5, "A")])
    assert f"f:3: is at chr1:{length + 1}" in sites_problem(reference, [right[0], ("chr1", length + 1, "A")])
    wrong = [("chr1", at, other[text[at - 1]]) for at in range(101, 101 + MAX_PROBLEMS + 1)]
    assert f"has REF {wrong[0][2]} at chr1:101, where the reference has {text[100]}" in sites_problem(
        reference, wrong[:1]
    )
    assert "f chr1:101: has REF" in sites_problem(reference, wrong[:1], first_line=None)
    assert "reference alleles differ" not in sites_problem(reference, wrong[:-1])
    said = sites_problem(reference, [*right, *wrong])
    assert said.count("has REF") == MAX_PROBLEMS
    assert f"{MAX_PROBLEMS + 1} of {MAX_PROBLEMS + 3} reference alleles differ" in said
    many = sites_problem(reference, [("chr1", 0, "A")] * 30)
    assert many.count("has the position") == 2 * MAX_PROBLEMS


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("contig", ["chr1", "1"])
def test_variants_of_the_windows_have_the_references_bases(tmp_path, reference, contig, indexed):
    text, other = toy.toy_sequences()["chr1"], {"A": "C", "C": "G", "G": "T", "T": "A"}
    loci = pd.DataFrame({"locus": ["L"], "chrom": ["chr1"], "start": [100], "end": [200]})

    def check(*sites: tuple[int, str]) -> list[str]:
        lines = "".join(f"{contig}\t{pos}\t.\t{ref}\t{other[ref]}\t.\t.\t.\n" for pos, ref in sites)
        header = f"##fileformat=VCFv4.2\n##contig=<ID={contig}>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        path = str(written(tmp_path, header + lines, "v.vcf"))
        if indexed:
            path = pysam.tabix_index(path, preset="vcf", force=True)
        return checks.check_variants(Path(path), reference, loci)

    notes = " ".join(check((101, text[100]), (200, text[199]), (300, other[text[299]])))
    assert ("has no index and will be read whole" in notes) is not indexed
    assert ("1 -> chr1" in notes) is (contig == "1")
    with pytest.raises(
        InputError, match=f"has REF {other[text[149]]} at {contig}:150, where the reference has {text[149]}"
    ):
        check((101, text[100]), (150, other[text[149]]))


@pytest.mark.parametrize(
    ("rows", "fine"),
    [
        ([("a", 1), ("a", 1), ("a", 5), ("b", 2)], True),
        ([("b", 9), ("a", 1)], True),
        ([("a", 5), ("a", 4)], False),
        ([("a", 1), ("b", 1), ("a", 2)], False),
        ([], True),
    ],
)
def test_variants_are_sorted_within_their_contigs(rows, fine):
    sites = pd.DataFrame(rows, columns=["chrom", "pos"])
    if fine:
        checks._check_sorted("f", sites)
    else:
        with pytest.raises(InputError, match="is not sorted"):
            checks._check_sorted("f", sites)
