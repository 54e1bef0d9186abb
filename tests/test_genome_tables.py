"""Intervals, eQTLs, genes and repeats as files have them: which lines are taken, and what each line means."""

import numpy as np
import pandas as pd
import pytest

from darkregulome.errors import InputError
from darkregulome.genome.annotation import read_gtf, read_repeats
from darkregulome.genome.bed import (
    MAX_PROBLEMS,
    Interval,
    Windows,
    bed_intervals,
    best_column,
    check_interval_table,
    is_bed,
    parsed,
    place,
    read_bed,
    read_interval_table,
    with_interval_names,
)
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.eqtls import EqtlTable, eqtl_format, read_eqtls
from darkregulome.genome.intervals import covered_fraction, merge, paint, write_bed
from darkregulome.genome.reference import Reference, compress_fasta
from darkregulome.genome.textfile import numbered_lines, text_lines

CONTIGS = Contigs({"chr1": 1000, "chr2": 500}, "g.fa")


def written(folder, text: str, name: str = "x.bed"):
    path = folder / name
    path.write_text(text)
    return path


# -- lines -----------------------------------------------------------------------------------------------------------


def test_lines_have_their_numbers_and_comments_and_blanks_count(tmp_path):
    path = written(tmp_path, "# one\n\na\n   \nb\r\n#\nc")
    assert list(numbered_lines(path)) == [(3, "a"), (5, "b"), (7, "c")]
    assert list(text_lines(path))[4] == "b"
    path.write_bytes(b"fine\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"x.bed:\d: is not UTF-8"):
        list(text_lines(path))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (["chr1", "1"], "has 2 columns"),
        (["chr1", "1", "x"], "has '1' and 'x'"),
        (["chr1", "x", "1"], "has 'x' and '1'"),
        (["chr1", "-1", "5"], "chr1:-1-5"),
        (["chr1", "6", "5"], "chr1:6-5"),
        (["chr1", "1", "1" * 16], "as its interval"),
    ],
)
def test_a_line_that_is_no_interval_says_what_it_has(fields, problem):
    row = parsed("f.bed", 7, fields)
    assert row.fields == fields
    assert row.problem.where == "f.bed:7"
    assert problem in row.problem.what


def test_a_line_that_is_an_interval_keeps_its_further_columns():
    row = parsed("f.bed", 7, ["chr1", "0", "0"])
    assert row == Interval(7, "chr1", 0, 0, [])
    assert [row.column(at) for at in (4, 6)] == [".", "."]
    row = parsed("f.bed", 7, ["chr1", " 1 ", "1" * 15, "name", "", "+"])
    assert row == Interval(7, "chr1", 1, int("1" * 15), ["name", "", "+"])
    assert [row.column(at) for at in (4, 5, 6, 7)] == ["name", ".", "+", "."]


def test_beds_are_read_with_tabs_blanks_bins_and_without_track_lines(tmp_path):
    text = "track name=x\nbrowser position\nchr1\t1\t2\ta b\nchr1 3 4 c\n585 chr1 5 6\n585\t2\t5\t6\n585 chr1 5 x6\n"
    path = written(tmp_path, text.replace("585 chr1 5 x6\n", ""))
    assert [row[1:] for row in bed_intervals(path)] == [
        ("chr1", 1, 2, ["a b"]),
        ("chr1", 3, 4, ["c"]),
        ("chr1", 5, 6, []),
        ("585", 2, 5, ["6"]),
    ]
    assert [row.line for row in bed_intervals(path)] == [3, 4, 5, 6]


def test_a_header_is_left_out_where_it_is_asked_for_and_faults_are_named_at_once(tmp_path):
    path = written(tmp_path, "chrom\tstart\tend\nchr1\t1\t2\n")
    assert [row.start for row in bed_intervals(path, header=True)] == [1]
    with pytest.raises(InputError, match=r"x.bed:1"):
        list(bed_intervals(path))
    with pytest.raises(InputError, match=r"x.bed:2"):
        list(bed_intervals(written(tmp_path, "chrom\tstart\tend\nchr1\tx\t2\n"), header=True))
    for count in (MAX_PROBLEMS - 1, MAX_PROBLEMS, MAX_PROBLEMS + 3):
        with pytest.raises(InputError) as caught:
            list(bed_intervals(written(tmp_path, "chr1\tx\t2\n" * count)))
        assert str(caught.value).count("as its interval") == min(count, MAX_PROBLEMS)
        with pytest.raises(InputError) as caught:
            read_bed(tmp_path / "x.bed", CONTIGS)
        assert str(caught.value).count("as its interval") == min(count, MAX_PROBLEMS)
    with pytest.raises(InputError, match="has no record"):
        list(bed_intervals(written(tmp_path, "# none\n")))
    with pytest.raises(InputError, match="has no record"):
        read_bed(tmp_path / "x.bed", CONTIGS)


def test_windows_share_a_base_or_nothing():
    windows = Windows(pd.DataFrame({"chrom": ["a", "a", "a"], "start": [50, 10, 18], "end": [60, 20, 30]}))
    for start in range(70):
        for end in range(start + 1, 71):
            expected = any(start < high and end > low for low, high in ((10, 30), (50, 60)))
            assert windows.touches("a", start, end) == expected
    assert not windows.touches("b", 10, 20)
    assert not Windows(pd.DataFrame({"chrom": [], "start": [], "end": []})).touches("a", 0, 99)


def test_a_bed_is_read_in_the_references_names_with_all_its_columns(tmp_path):
    text = "1\t10\t20\tn\t5\t-\tx\nchr1\t30\t30\tempty\nchr2\t499\t500\nchr9\t1\t2\nchr1\t15\t25\tm\t0\t?\n"
    found = read_bed(written(tmp_path, text), CONTIGS)
    assert found.n_records == 5
    assert list(found.table) == [
        *("chrom", "start", "end", "column4", "column5", "column6", "column7", "name", "strand")
    ]
    assert found.table.to_numpy().tolist() == [
        ["chr1", 10, 20, "n", "5", "-", "x", "n", "-"],
        ["chr2", 499, 500, ".", ".", ".", ".", ".", "."],
        ["chr1", 15, 25, "m", "0", "?", ".", "m", "."],
    ]
    assert len(found.notes) == 2
    assert "1 -> chr1" in found.notes[0]
    assert "1 records on 1 contigs that g.fa does not have (chr9) are left out" in found.notes[1]
    windows = Windows(pd.DataFrame({"chrom": ["chr1"], "start": [20], "end": [21]}))
    assert read_bed(tmp_path / "x.bed", CONTIGS, windows).table["name"].tolist() == ["m"]
    assert read_bed(tmp_path / "x.bed", CONTIGS, windows).n_records == 5
    with pytest.raises(InputError, match=r"ends at chr2:501, past the contig's end \(500\)"):
        read_bed(written(tmp_path, "chr2\t499\t501\n"), CONTIGS)
    with pytest.raises(InputError, match=r"names the contigs 7, 8, 9, and none is in g.fa \(chr1, chr2\)"):
        read_bed(written(tmp_path, "".join(f"{at}\t1\t2\n" for at in (7, 8, 9, 10))), CONTIGS)


def test_the_best_column_is_that_of_most_matches():
    table = pd.DataFrame({"chrom": ["a"] * 4, "column4": list("xxyy"), "column5": list("xxxy"), "name": list("xxxx")})
    assert best_column(table, lambda words: words == "x") == "column5"
    assert best_column(table, lambda words: words == "y") == "column4"
    assert best_column(table, lambda words: words == "z") is None
    assert best_column(table.head(0), lambda words: words == "x") is None


# -- tables of intervals ---------------------------------------------------------------------------------------------


def test_interval_tables_have_our_names_whatever_theirs(tmp_path):
    table = pd.DataFrame(columns=["CHR", "chromStart", "stop", "Other"])
    assert list(with_interval_names(table)) == ["chrom", "start", "end", "Other"]
    both = pd.DataFrame(columns=["chrom", "chr", "start", "end"])
    assert list(with_interval_names(both)) == ["chrom", "chr", "start", "end"]
    for name, expected in (("a.bed", True), ("a.BED.gz", True), ("a.tsv", False), ("bed.csv", False)):
        assert is_bed(tmp_path / name) == expected
    with pytest.raises(InputError):
        is_bed(tmp_path / "a.txt.zip")
    read = read_interval_table(written(tmp_path, "chr\tstart\tend\tx\nchr1\t1\t2\tq\n", "t.tsv"))
    assert list(read) == ["chrom", "start", "end", "x"]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("chr1\t1\t2\ta\t0\t+\nchr1\t3\t4\tb\t0\t-\n", ["chrom", "start", "end", "element", "strand"]),
        ("chr1\t1\t2\ta\t0\t+\nchr1\t3\t4\ta\t0\t-\n", ["chrom", "start", "end", "strand"]),
        ("chr1\t1\t2\ta\t0\nchr1\t3\t4\tb\t0\t-\n", ["chrom", "start", "end", "element"]),
        ("chr1\t1\t2\nchr1\t3\t4\tb\n", ["chrom", "start", "end"]),
    ],
)
def test_a_bed_names_its_elements_where_every_line_has_a_name_of_its_own(tmp_path, text, columns):
    assert list(read_interval_table(written(tmp_path, text))) == columns


@pytest.mark.parametrize(
    ("start", "end", "fine"),
    [
        (0, 1, True),
        (-1, 1, False),
        (1, 1, False),
        ("x", 3, False),
        (1, None, False),
        (1, 1e15, False),
        ("1", "2", True),
    ],
)
def test_a_row_of_a_table_is_an_interval_or_is_named(start, end, fine):
    table = pd.DataFrame({"chrom": [1, 1], "start": [5, start], "end": [9, end]})
    if fine:
        checked = check_interval_table(table, "t.tsv")
        assert checked.to_numpy().tolist() == [["1", 5, 9], ["1", int(start), int(end)]]
        assert (checked["start"].dtype, checked["end"].dtype) == (np.int64, np.int64)
    else:
        with pytest.raises(InputError, match=r"t.tsv:3: has the interval 1:"):
            check_interval_table(table, "t.tsv")


def test_at_most_five_rows_are_named_and_absent_columns_all(tmp_path):
    bad = pd.DataFrame({"chrom": ["a"] * 9, "start": [5] * 9, "end": [5] * 9})
    with pytest.raises(InputError) as caught:
        check_interval_table(bad, "t")
    assert str(caught.value).count("has the interval a:5-5") == MAX_PROBLEMS
    with pytest.raises(InputError, match=r"lacks start, end \(its columns are chrom, x\)"):
        check_interval_table(pd.DataFrame(columns=["chrom", "x"]), "t")
    assert place(bad, 3) == "a:5-5"


def test_nothing_covers_nothing():
    rows = pd.DataFrame({"chrom": ["a", "b"], "start": [0, 0], "end": [10, 10], "strand": ["+", "-"]})
    assert covered_fraction(rows, rows.head(0)).tolist() == [0.0, 0.0]
    assert covered_fraction(rows.head(0), rows).tolist() == []
    assert covered_fraction(rows, rows.head(1).assign(start=5)).tolist() == [0.5, 0.0]
    assert list(merge(rows.head(0), on=["strand"])) == ["chrom", "start", "end", "strand"]
    assert list(merge(rows.head(0))) == ["chrom", "start", "end"]
    empty = paint(rows.head(0), rows)
    assert list(empty) == ["chrom", "start", "end", "row"]
    assert paint(rows, rows.assign(chrom="c")).empty
    assert paint(rows, rows.assign(start=2, end=[3, 12]))[["start", "end", "row"]].to_numpy().tolist() == [
        *([2, 3, 0], [2, 10, 1])
    ]


# -- eQTLs -----------------------------------------------------------------------------------------------------------


def test_the_form_of_a_table_is_known_by_its_columns():
    for extra in ("pval_nominal", "pval_beta", "slope", "tss_distance"):
        assert eqtl_format({"variant_id", extra}) == "GTEx"
    assert eqtl_format({"variant_id"}) == "a plain table"
    assert eqtl_format({"slope"}) == "a plain table"
    assert eqtl_format({"molecular_trait_id"}) == "the eQTL Catalogue"
    assert eqtl_format({"chromosome", "position", "beta", "pvalue", "x"}) == "the eQTL Catalogue"
    assert eqtl_format({"chromosome", "position", "beta"}) == "a plain table"


@pytest.mark.parametrize(
    ("columns", "assembly"),
    [
        ({"pos_hg38": [1]}, "hg38"),
        ({"pos_grch37": [1]}, "grch37"),
        ({"pos": [1]}, None),
        ({"position": [1]}, None),
        ({"variant_id": ["chr1_5_A_C_b38"]}, "GRCh38"),
        ({"variant_id": ["1_5_A_C_b37"]}, "GRCh37"),
        ({"variant_id": ["1_5_A_C_b39"]}, None),
        ({"variant_id": []}, None),
        ({"x": [1]}, None),
    ],
)
def test_positions_may_say_their_assembly(columns, assembly):
    assert EqtlTable(pd.DataFrame(columns), "f").assembly() == assembly


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"#CHROM": ["1"], "POS": ["5"], "Ref": ["A"]}, ("1", 5, "A")),
        ({"chr": ["1"], "pos": ["9"], "pos0": ["4"]}, ("1", 5, "")),
        ({"variant": ["chr1:5:AC:T"]}, ("chr1", 5, "AC")),
        ({"variant_id": ["chr1_5_A_C_b38"], "chrom": ["7"]}, ("chr1", 5, "A")),
        ({"chrom": ["1"], "pos": [int(1e15) - 1]}, ("1", 10**15 - 1, "")),
    ],
)
def test_a_site_is_read_from_whichever_columns_hold_it(columns, expected):
    sites = EqtlTable(pd.DataFrame(columns, index=[3]), "f").sites()
    assert list(sites) == ["chrom", "pos", "ref"]
    assert tuple(sites.loc[3]) == expected


def test_a_row_without_a_site_is_missing_and_a_table_without_any_is_refused():
    table = pd.DataFrame({"chrom": ["1", "1", "1"], "pos": ["x", 1e15, -1e16]})
    assert EqtlTable(table, "f").sites()["pos"].isna().all()
    with pytest.raises(InputError, match=r"^f: has no positions \(its columns are chrom, gene\)"):
        EqtlTable(pd.DataFrame(columns=["chrom", "gene"]), "f").sites()


def test_eqtls_are_one_row_per_variant_and_gene_with_their_counts():
    table = pd.DataFrame(
        {
            "chrom": ["1", "1", "2", "3", None],
            "pos": [5, 5, 0, 7, 8],
            "gene": ["app", "APP", "x", None, "y"],
            "gene_id": ["E1.2", "E1.2", "E2", "ENSG03.4", "E4"],
            "pvalue": [0.01, 0.05, 0.9, 0.051, 0.2],
        }
    )
    rows, notes = read_eqtls(table, "f")
    assert rows.to_numpy().tolist() == [["1", 4, 5, "APP"], ["1", 4, 5, "E1.2"], ["3", 6, 7, "ENSG03"]]
    assert rows.index.tolist() == [0, 1, 2]
    assert list(rows) == ["chrom", "start", "end", "gene"]
    assert notes == [
        "The eQTL table is in the form of a plain table.",
        "2 eQTLs without a position were left out.",
        "3 rows have p above 0.05 and were taken all the same: see --max-p.",
    ]
    few, notes = read_eqtls(table, "f", max_p=0.05)
    assert few["chrom"].tolist() == ["1", "1"]
    assert notes[-1] == "2 eQTLs have p of at most 0.05."
    assert read_eqtls(table, "f", max_p=0.01)[1][-1] == "1 eQTLs have p of at most 0.01."
    plain, notes = read_eqtls(table[["chrom", "pos"]].head(2), "f")
    assert plain.to_numpy().tolist() == [["1", 4, 5, None]]
    assert notes == ["The eQTL table is in the form of a plain table."]
    with pytest.raises(InputError, match="no column of p-values"):
        read_eqtls(table.drop(columns="pvalue"), "f", max_p=0.1)
    gtex = pd.DataFrame({"variant_id": ["chr1_5_A_C_b38"], "slope": [1.0], "gene_id": ["ENSG01.1"]})
    assert read_eqtls(gtex, "f")[1] == [
        "The eQTL table is in the form of GTEx.",
        "Its positions are of GRCh38: the elements must be of the same assembly.",
    ]


# -- genes and repeats -----------------------------------------------------------------------------------------------


def gtf_line(feature: str, start: int, end: int, tags: str, chrom: str = "chr1", strand: str = "+") -> str:
    return "\t".join([chrom, "x", feature, str(start), str(end), ".", strand, ".", tags]) + "\n"


def test_genes_have_their_names_and_biotypes_from_whichever_tag(tmp_path):
    text = (
        gtf_line("gene", 11, 100, 'gene_id "E1.2"; gene_name "ONE"; gene_type "lncRNA";')
        + gtf_line("transcript", 1, 200, 'gene_id "E1.2"; transcript_id "T1";')
        + gtf_line("transcript", 301, 400, 'gene_id "E2"; gene "TWO"; gene_biotype "protein_coding"', strand="-")
        + gtf_line("exon", 251, 420, 'gene_id "E2"; gene "TWO"; gene_biotype protein_coding', strand="-")
        + gtf_line("gene", 501, 600, 'gene "THREE"')
        + gtf_line("gene", 601, 700, 'note "no name"')
        + gtf_line("start_codon", 601, 700, 'gene_id "E9"')
    )
    found = read_gtf(written(tmp_path, text, "g.gtf"), CONTIGS)
    assert found.genes.to_numpy().tolist() == [
        ["E1.2", "ONE", "lncRNA", "chr1", 10, 100, "+"],
        ["E2", "TWO", "protein_coding", "chr1", 250, 420, "-"],
        ["THREE", "THREE", "", "chr1", 500, 600, "+"],
    ]
    assert list(found.genes) == ["gene_id", "gene_name", "biotype", "chrom", "start", "end", "strand"]
    without = read_gtf(tmp_path / "g.gtf", CONTIGS, exons=False)
    assert without.exons.empty
    assert without.genes.loc[1, ["start", "end"]].tolist() == [300, 400]
    pair = gtf_line("gene", 1, 9, 'gene_id "E1"') + gtf_line("stop_codon", 1, 3, 'gene_id "E1"')
    assert len(read_gtf(written(tmp_path, pair, "g.gtf"), CONTIGS).genes) == 1
    with pytest.raises(InputError, match="has no gene_id"):
        read_gtf(written(tmp_path, gtf_line("gene", 1, 9, "ID=gene1"), "g.gtf"), CONTIGS)
    with pytest.raises(InputError, match=r"g.gtf:1: has 8 columns, where GTF has 9"):
        read_gtf(written(tmp_path, "a\tb\tc\td\te\tf\tg\th\n", "g.gtf"), CONTIGS)


def test_an_exon_is_coding_by_its_transcripts_biotype_or_cds(tmp_path):
    one, two, three = (
        f'gene_id "{name}"; gene_type "protein_coding"; transcript_id "{name}' for name in ("A", "B", "C")
    )
    text = (
        gtf_line("exon", 1, 10, f'{one}1"; transcript_type "protein_coding"')
        + gtf_line("exon", 1, 10, f'{one}2"; transcript_biotype "retained_intron"')
        + gtf_line("exon", 21, 30, f'{two}1"')
        + gtf_line("CDS", 21, 30, f'{two}1"')
        + gtf_line("exon", 31, 40, f'{two}2"')
        + gtf_line("exon", 41, 50, f'{three}1"')
        + gtf_line("exon", 51, 60, 'gene_id "D"; gene_type "lncRNA"')
        + gtf_line("exon", 61, 70, 'gene_id "D"; gene_type "lncRNA"; transcript_type "protein_coding"')
    )
    exons = read_gtf(written(tmp_path, text, "g.gtf"), CONTIGS).exons
    assert exons["coding"].tolist() == [True, False, True, False, True, False, True]
    assert exons["start"].tolist() == [0, 0, 20, 30, 40, 50, 60]
    assert exons["biotype"].tolist() == ["protein_coding"] * 5 + ["lncRNA"] * 2


RMSK = "585\t100\t0\t0\t0\tchr1\t10\t20\t-900\t{strand}\t{name}\t{group}\t{family}\t1\t9\t0\t1\n"


def test_repeats_of_ucscs_table_have_class_and_family(tmp_path):
    text = RMSK.format(strand="-", name="AluY", group="SINE", family="Alu")
    text += RMSK.format(strand="+", name="(CA)n", group="Simple_repeat", family="Simple_repeat")
    text += RMSK.format(strand="+", name="x", group="DNA?", family="hAT?") + RMSK.format(
        strand="+", name="y", group="LTR", family="."
    )
    table = read_repeats(written(tmp_path, text, "rmsk.txt"), CONTIGS).table
    assert table.to_numpy().tolist() == [
        ["chr1", 10, 20, "-", "AluY", "SINE", "SINE/Alu"],
        ["chr1", 10, 20, "+", "(CA)n", "Simple_repeat", "Simple_repeat"],
        ["chr1", 10, 20, "+", "x", "DNA", "DNA/hAT"],
        ["chr1", 10, 20, "+", "y", "LTR", "LTR"],
    ]
    assert list(table) == ["chrom", "start", "end", "strand", "name", "repeat_class", "family"]
    for strand in "+-C":
        one = RMSK.format(strand=strand, name="AluY", group="SINE", family="Alu")
        assert read_repeats(written(tmp_path, one, "rmsk.txt"), CONTIGS).table["name"].tolist() == ["AluY"]
    with pytest.raises(InputError, match=r"rmsk.txt: names the contigs chr1"):
        read_repeats(tmp_path / "rmsk.txt", Contigs({"chrX": 100}, "h.fa"))
    with pytest.raises(InputError, match=r"rmsk.txt:2: has 3 columns, where the rmsk table has 17"):
        read_repeats(
            written(tmp_path, RMSK.format(strand="+", name="a", group="b", family="c") + "1\t2\t3\n", "rmsk.txt"),
            CONTIGS,
        )


OUT = "{head}463 1.3 0.6 1.7 chr1 11 20 (980) {strand} AluY {group} 1 100 (10) 1\n"


def test_repeats_of_repeatmaskers_out_are_counted_from_one_and_closed(tmp_path):
    header = "   SW perc perc perc query position matching repeat position\nscore div. del. ins. x\n\n"
    lines = OUT.format(head="", strand="C", group="SINE/Alu") + OUT.format(head=" ", strand="+", group="Satellite")
    for text in (header + lines, lines):
        table = read_repeats(written(tmp_path, text, "x.out"), CONTIGS).table
        assert table.to_numpy().tolist() == [
            ["chr1", 10, 20, "-", "AluY", "SINE", "SINE/Alu"],
            ["chr1", 10, 20, "+", "AluY", "Satellite", "Satellite"],
        ]
    with pytest.raises(InputError, match=r"has 2 columns, where RepeatMasker's .out has 15"):
        read_repeats(written(tmp_path, lines + "1 2\n", "x.out"), CONTIGS)


def test_repeats_of_a_bed_have_their_class_in_some_column_or_are_taken_as_transposable(tmp_path):
    named = "chr1\t1\t2\tAluY#SINE/Alu\nchr1\t3\t4\tx#DNA?/hAT\nchr1\t5\t6\tplain\n"
    table = read_repeats(written(tmp_path, named), CONTIGS).table
    assert table["name"].tolist() == ["AluY", "x", "plain"]
    assert table["family"].tolist()[:2] == ["SINE/Alu", "DNA/hAT"]
    assert table["repeat_class"].tolist()[:2] == ["SINE", "DNA"]
    column = "chr1\t1\t2\tAluY\t0\t+\tLINE/L1\nchr1\t3\t4\ty\t0\t-\tother\n"
    found = read_repeats(written(tmp_path, column), CONTIGS)
    assert found.table[["strand", "name", "repeat_class", "family"]].to_numpy().tolist() == [
        ["+", "AluY", "LINE", "LINE/L1"],
        ["-", "y", "other", "other"],
    ]
    assert found.notes == []
    bare = "".join(f"chr1\t1\t2\t{name}\n" for name in ("AluY", "(CA)n", "GC_rich", "A-rich", "trf", "dust", "(X)n"))
    found = read_repeats(written(tmp_path, bare), CONTIGS)
    classes = ["Retrotransposon", *["Simple_repeat"] * 5, "Retrotransposon"]
    assert found.table["repeat_class"].tolist() == found.table["family"].tolist() == classes
    assert "no column holds RepeatMasker classes" in found.notes[0]
    assert found.n_records == 7


def test_half_written_files_lie_next_to_what_they_become(tmp_path, monkeypatch):
    """Nothing is left in the folder that a run was started in, and nothing but the file and its index elsewhere."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    write_bed(pd.DataFrame({"chrom": ["a"], "start": [1], "end": [2]}), there / "x.bed.gz")
    Reference(written(there, ">a\nACGT\n", "x.fa")).close()
    compress_fasta(there / "x.fa", there / "y.fa.gz")
    (there / "y.fa.gz.fai").unlink()
    Reference(there / "y.fa.gz").close()
    assert list(here.iterdir()) == []
    expected = ["x.bed.gz", "x.bed.gz.tbi", "x.fa", "x.fa.fai", "y.fa.gz", "y.fa.gz.fai", "y.fa.gz.gzi"]
    assert sorted(path.name for path in there.iterdir()) == expected
