"""Annotation in every format that the field writes it in, and what is said of files that are faulty."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toy
from darkregulome.errors import InputError
from darkregulome.genome.annotation import read_gtf, read_repeats
from darkregulome.genome.bed import Windows, read_bed
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.intervals import covered_fraction, merge, paint, write_bed
from darkregulome.genome.reference import Reference
from places import SHARED

# bioframe 0.8 still speaks to pandas in the words of 2.x.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:bioframe")

CONTIGS = Contigs(toy.LENGTHS)
DATA = SHARED / "data" / "demo"
needs_shared = pytest.mark.skipif(not DATA.is_dir(), reason=f"real annotation is not at {DATA}")


def gtf(tmp_path, *lines):
    return toy.write_text(tmp_path / "genes.gtf", "".join(f"{line}\n" for line in lines))


def test_gtf_gives_genes_in_half_open_coordinates_whatever_the_line_endings(tmp_path):
    text = toy.gtf_text().replace("\n", "\r\n")
    genes = read_gtf(toy.write_text(tmp_path / "g.gtf.gz", text), CONTIGS).genes.set_index("gene_name")
    assert list(genes.loc["BETA", ["gene_id", "chrom", "start", "end", "strand"]]) == [
        *("ENSG00000000002.1", "chr2", 7_000, 9_000, "-")
    ]
    assert genes.loc["GAMMA", "biotype"] == "lncRNA"


def test_a_byte_order_mark_is_no_part_of_the_first_contig(tmp_path):
    bed = toy.write_text(tmp_path / "windows.bed", "\ufeffchr1\t10\t20\tPLS\nchr1\t30\t40\tPLS\n")
    assert bed.read_bytes().startswith(b"\xef\xbb\xbfchr1")
    found = read_bed(bed, CONTIGS)
    assert list(found.table["start"]) == [10, 30]
    assert found.notes == []


def test_exons_of_coding_transcripts_are_coding_and_others_are_not(tmp_path):
    exons = read_gtf(toy.write_text(tmp_path / "g.gtf", toy.gtf_text()), CONTIGS).exons
    assert exons.groupby("gene_name")["coding"].all().to_dict() == {
        "ALPHA": True,
        "BETA": True,
        "GAMMA": False,
        "DELTA": True,
    }


def test_a_retained_intron_of_a_coding_gene_is_dark(tmp_path):
    tags = 'gene_id "G"; gene_biotype "protein_coding"; transcript_id'
    path = gtf(
        tmp_path,
        f'1\tx\texon\t101\t200\t.\t+\t.\t{tags} "T1"; transcript_biotype "protein_coding";',
        f'1\tx\texon\t301\t400\t.\t+\t.\t{tags} "T2"; transcript_biotype "retained_intron";',
    )
    assert read_gtf(path, CONTIGS).exons["coding"].tolist() == [True, False]


def test_gtf_without_names_biotypes_or_gene_lines_gives_genes_by_their_ids(tmp_path):
    path = gtf(
        tmp_path,
        '1\trefGene\ttranscript\t101\t900\t.\t-\t.\tgene_id "G1"; transcript_id "T1";',
        '1\trefGene\texon\t101\t200\t.\t-\t.\tgene_id "G1"; transcript_id "T1"; exon_number 2;',
        '1\trefGene\tCDS\t101\t150\t.\t-\t0\tgene_id "G1"; transcript_id "T1";',
    )
    found = read_gtf(path, CONTIGS)
    assert found.genes.to_dict("records") == [
        {"gene_id": "G1", "gene_name": "G1", "biotype": "", "chrom": "chr1", "start": 100, "end": 900, "strand": "-"}
    ]
    assert found.exons["coding"].tolist() == [True]
    assert any("1 -> chr1" in note for note in found.notes)


def test_windows_limit_exons_but_never_genes(tmp_path):
    windows = Windows(pd.DataFrame({"chrom": ["chr1"], "start": [10_000], "end": [10_010]}))
    found = read_gtf(toy.write_text(tmp_path / "g.gtf", toy.gtf_text()), CONTIGS, windows)
    assert len(found.genes) == len(toy.GENES)
    assert found.exons[["start", "end"]].to_numpy().tolist() == [[10_000, 10_300]]


def test_three_repeat_formats_tell_the_same(tmp_path):
    rmsk = read_repeats(toy.write_text(tmp_path / "rmsk.txt.gz", toy.rmsk_text()), CONTIGS).table
    out = ["   SW   perc perc perc  query  position in query  matching repeat", "score   div. del. ins.  sequence", ""]
    bed = []
    for chrom, start, end, strand, name, kind, family in toy.REPEATS:
        full = kind if family == kind else f"{kind}/{family}"
        sign = "C" if strand == "-" else "+"
        out.append(f"  1000 10.0 0.0 0.0 {chrom} {start + 1} {end} (500) {sign} {name} {full} 1 100 (0) 1")
        bed.append(f"{chrom}\t{start}\t{end}\t{name}\t1000\t{strand}\t{full}")
    from_out = read_repeats(toy.write_text(tmp_path / "genome.fa.out", "\n".join(out)), CONTIGS).table
    from_bed = read_repeats(toy.write_text(tmp_path / "rmsk.bed", "\n".join(bed)), CONTIGS).table
    for other in (from_out, from_bed):
        pd.testing.assert_frame_equal(other[rmsk.columns], rmsk, check_dtype=False)
    assert rmsk["family"].tolist()[:3] == ["SINE/Alu", "LINE/L1", "Simple_repeat"]


def test_repeat_bed_with_classes_in_the_name(tmp_path):
    path = toy.write_text(tmp_path / "r.bed", "1\t10\t90\tAluY#SINE/Alu\n1\t100\t190\t(CA)n#Simple_repeat\n")
    table = read_repeats(path, CONTIGS).table
    assert table[["name", "repeat_class", "family"]].to_numpy().tolist() == [
        ["AluY", "SINE", "SINE/Alu"],
        ["(CA)n", "Simple_repeat", "Simple_repeat"],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t10\n", r"f\.bed:1: has 2 columns, where BED has 3"),
        ("#c\ntrack x\nchr1\tten\t20\n", r"f\.bed:3: has 'ten' and '20'"),
        ("chr1\t30\t20\n", r"f\.bed:1: has the interval chr1:30-20"),
        ("chr1\t30\t20001\n", r"f\.bed:1: ends at chr1:20001, past the contig's end \(20000\)"),
        ("", r"f\.bed: has no record"),
        ("# only this\n", r"f\.bed: has no record"),
        ("scaffold9\t1\t2\n", r"names the contigs scaffold9, and none is in the FASTA"),
    ],
)
def test_faulty_bed_is_told_by_file_and_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_bed(toy.write_text(tmp_path / "f.bed", text), CONTIGS)


def test_several_faulty_lines_are_told_at_once(tmp_path):
    with pytest.raises(InputError) as caught:
        read_bed(toy.write_text(tmp_path / "f.bed", "chr1\tx\t2\nchr1\t1\t2\nchr1\t5\t4\n"), CONTIGS)
    assert [problem.where.rsplit(":", 1)[1] for problem in caught.value.problems] == ["1", "3"]


@pytest.mark.parametrize("reader", [read_bed, read_gtf, read_repeats])
def test_truncated_gzip_is_told(tmp_path, reader):
    text = {read_bed: "chr1\t1\t2\n" * 5000, read_gtf: toy.gtf_text(), read_repeats: toy.rmsk_text()}[reader]
    whole = toy.write_text(tmp_path / "a.gz", text).read_bytes()
    (tmp_path / "a.gz").write_bytes(whole[: len(whole) - 12])
    with pytest.raises(InputError, match=r"a\.gz: is a truncated or damaged gzip file"):
        reader(tmp_path / "a.gz", CONTIGS)


def test_unknown_contigs_are_left_out_with_a_note(tmp_path):
    found = read_bed(toy.write_text(tmp_path / "f.bed", "chrUn\t1\t2\nchr1\t1\t2\n"), CONTIGS)
    assert len(found.table) == 1
    assert found.n_records == 2
    assert any("1 records on 1 contigs" in note for note in found.notes)


intervals = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 80), st.integers(1, 30)), min_size=1, max_size=12
).map(lambda rows: pd.DataFrame([(c, s, s + n) for c, s, n in rows], columns=["chrom", "start", "end"]))


def bases(table):
    return {(row.chrom, at) for row in table.itertuples() for at in range(row.start, row.end)}


@settings(max_examples=12, deadline=None)
@given(intervals, intervals)
def test_covered_fraction_counts_each_base_once(left, right):
    shared = [len(bases(left.iloc[[row]]) & bases(right)) for row in range(len(left))]
    assert covered_fraction(left, right).tolist() == pytest.approx(
        [count / (end - start) for count, start, end in zip(shared, left["start"], left["end"], strict=True)]
    )


def merged_by_hand(table, on=()):
    """One interval after the other: what overlaps or touches the last one of its contig (and labels) joins it."""
    merged = []
    for row in sorted(table.to_dict("records"), key=lambda r: (r["chrom"], *(r[name] for name in on), r["start"])):
        key = (row["chrom"], *(row[name] for name in on))
        if merged and merged[-1][0] == key and row["start"] <= merged[-1][2]:
            merged[-1][2] = max(merged[-1][2], row["end"])
        else:
            merged.append([key, row["start"], row["end"]])
    return sorted((*key, start, end) for key, start, end in merged)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(intervals, st.lists(st.sampled_from("+-"), min_size=12, max_size=12))
def test_merge_joins_what_overlaps_or_touches_and_nothing_else(table, strands):
    found = merge(table)
    assert sorted(zip(found["chrom"], found["start"], found["end"], strict=True)) == merged_by_hand(table)
    labelled = table.assign(strand=strands[: len(table)])
    found = merge(labelled, on=["strand"])
    rows = zip(found["chrom"], found["strand"], found["start"], found["end"], strict=True)
    assert sorted(rows) == merged_by_hand(labelled, ["strand"])


@pytest.mark.parametrize(("gap", "count"), [(-1, 1), (0, 1), (1, 2)])
def test_intervals_that_touch_are_one_and_a_base_between_parts_them(gap, count):
    table = pd.DataFrame({"chrom": "chr1", "start": [10, 20 + gap], "end": [20, 30]})
    assert len(merge(table)) == count
    windows = Windows(table)
    assert windows.touches("chr1", 19, 20)
    assert not windows.touches("chr1", 30, 31)
    assert windows.touches("chr1", 20, 21) == (gap <= 0)


@settings(max_examples=25, deadline=None)
@given(intervals, intervals)
def test_paint_gives_each_base_to_the_first_interval_that_covers_it(ranked, windows):
    pieces = paint(ranked, merge(windows))
    owner = {}
    for row in range(len(ranked)):
        for base in bases(ranked.iloc[[row]]) & bases(windows):
            owner.setdefault(base, row)
    painted = {}
    for piece in pieces.itertuples():
        for at in range(piece.start, piece.end):
            assert (piece.chrom, at) not in painted
            painted[piece.chrom, at] = piece.row
    assert painted == owner


@settings(max_examples=25, deadline=None)
@given(intervals, intervals)
def test_windows_touch_what_shares_a_base(left, right):
    windows = Windows(left)
    for row in right.itertuples():
        assert windows.touches(row.chrom, row.start, row.end) == bool(bases(left) & bases(right.loc[[row.Index]]))


def test_bed_is_written_sorted_with_its_index_and_nothing_else(tmp_path):
    import pysam

    table = pd.DataFrame({"name": ["b", "a"], "chrom": ["chr1", "chr1"], "start": [50, 10], "end": [60, 20]})
    write_bed(table, tmp_path / "out" / "x.bed.gz")
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["x.bed.gz", "x.bed.gz.tbi"]
    with pysam.TabixFile(str(tmp_path / "out" / "x.bed.gz")) as bed:
        assert list(bed.fetch("chr1", 0, 55)) == ["chr1\t10\t20\ta", "chr1\t50\t60\tb"]


@needs_shared
def test_real_genes_have_the_tss_that_their_source_states():
    with Reference(DATA / "reference" / "grch38_demo.fa.gz") as reference:
        genes = read_gtf(DATA / "annotation" / "genes.gtf.gz", reference.contigs).genes
    stated = pd.read_csv(DATA / "loci.tsv", sep="\t")
    genes = genes.assign(tss=genes["start"].where(genes["strand"] == "+", genes["end"] - 1))
    both = stated.merge(genes, left_on="gene", right_on="gene_name")
    assert len(both) == len(stated) == 9
    assert (both["tss"] == both["tss0"]).all()


@needs_shared
def test_real_repeats_are_read_with_their_classes():
    with Reference(DATA / "reference" / "grch38_demo.fa.gz") as reference:
        table = read_repeats(DATA / "annotation" / "rmsk_chr21.bed", reference.contigs).table
    counts = table["repeat_class"].value_counts()
    assert (counts["SINE"], counts["LINE"], counts["Simple_repeat"]) == (499, 448, 125)
    assert table["family"].isin(["SINE/Alu"]).sum() == 351
