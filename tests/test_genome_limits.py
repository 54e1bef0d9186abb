"""The genome's readers at their limits: long gaps, many blocks, first and last bases, shortest lines."""

import random

import numpy as np
import pandas as pd
import pyBigWig
import pysam
import pytest

import toy
from darkregulome.errors import InputError
from darkregulome.genome.annotation import read_gtf, read_repeats
from darkregulome.genome.bigwig import BigWig
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.fasta_index import HEADER_BYTES
from darkregulome.genome.intervals import paint, write_bed
from darkregulome.genome.reference import Reference, compress_fasta, fasta_records
from darkregulome.genome.sequence import dinucleotide_shuffle

CONTIGS = Contigs({"chr1": 100_000}, "g.fa")
LONG = 2 * HEADER_BYTES + 70_000


def bases(length: int, seed: int) -> str:
    return "".join(random.Random(seed).choices("ACGT", k=length))


def packed(path, compressed: bool):
    """The FASTA at `path`, bgzipped where asked; without an index."""
    if not compressed:
        return path
    pysam.tabix_compress(str(path), f"{path}.gz")
    return path.with_name(f"{path.name}.gz")


@pytest.mark.parametrize("compressed", [False, True])
def test_contigs_of_many_blocks_are_read_and_their_index_is_their_own(tmp_path, compressed):
    sequences = {name: bases(LONG, seed) for seed, name in enumerate("abc")}
    path = packed(toy.write_fasta(tmp_path / "g.fa", sequences, index=False), compressed)
    for _ in range(2):  # once it is indexed, once the index is checked
        with Reference(path) as reference:
            assert reference.contigs.where == str(path)
            for name, sequence in sequences.items():
                assert reference.fetch(name, LONG - 70, LONG + 1) == sequence[-70:] + "N"
                assert reference.fetch(name, -1, 70) == "N" + sequence[:70]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("hidden", [30, LONG])
def test_a_contig_that_the_index_hides_is_found_however_long_it_is(tmp_path, compressed, hidden):
    sequences = {"a": bases(100, 1), "b": bases(100, 2), "c": bases(100, 3)}
    lines = [f">{name}\n{sequence}\n" for name, sequence in sequences.items()]
    lines.insert(2, f">a again\n{bases(hidden, 4)}\n")
    path = packed(toy.write_text(tmp_path / "g.fa", "".join(lines)), compressed)
    with pytest.raises(InputError, match="holds the contig 'a' twice; rename or drop one of them"):
        Reference(path)
    lines.insert(1, f">b again\n{bases(50, 5)}\n")
    path = packed(toy.write_text(tmp_path / "h.fa", "".join(lines)), compressed)
    with pytest.raises(InputError, match=r"holds the contig '[ab]' twice \(and 1 more\); rename"):
        Reference(path)


@pytest.mark.parametrize(
    ("behind", "fine"), [("", True), ("\n\n", True), ("\n>empty\n", True), ("\n>e\n\n>f\n", True), ("ACGT\n", False)]
)
def test_behind_the_last_contig_there_are_blank_lines_and_headers_alone(tmp_path, behind, fine):
    path = toy.write_text(tmp_path / "g.fa", f">a\nACGT\n>b\n{'ACGT' * 5}")
    pysam.faidx(str(path))
    path.write_text(path.read_text() + behind)
    if fine:
        with Reference(path) as reference:
            assert reference.lengths == {"a": 4, "b": 20}
    else:
        with pytest.raises(InputError, match=r"the contig 'b' does not end where g\.fa\.fai says"):
            Reference(path)


@pytest.mark.parametrize("lost", ["fai", "gzi", "both"])
def test_either_index_of_a_compressed_fasta_is_made_where_it_is_lost(tmp_path, lost):
    path = toy.write_fasta(tmp_path / "g.fa", {"a": bases(200, 1)}, bgzip=True)
    for suffix in ("fai", "gzi") if lost == "both" else (lost,):
        (tmp_path / f"g.fa.gz.{suffix}").unlink()
    with Reference(path) as reference:
        assert reference.fetch("a", 0, 200) == bases(200, 1)
        assert reference.notes == [f"{path}: had no index; made one"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["g.fa.gz", "g.fa.gz.fai", "g.fa.gz.gzi"]


def test_a_fasta_of_uneven_lines_is_named_when_it_is_compressed(tmp_path):
    path = toy.write_text(tmp_path / "g.fa.gz", ">a\nACGT\nAC\nACGT\n")
    with pytest.raises(InputError, match=r"g\.fa\.gz: cannot be indexed: the lines of a sequence differ in length"):
        compress_fasta(path, tmp_path / "out" / "b.fa.gz")
    assert list((tmp_path / "out").iterdir()) == []


def test_records_of_a_fasta_come_in_order_as_they_are_written(tmp_path):
    path = toy.write_text(tmp_path / "g.fa", ">b of two\nacgN\nAC\n>empty\n>a\nTT\n")
    assert list(fasta_records(path)) == [("b", "acgNAC"), ("empty", ""), ("a", "TT")]
    assert list(fasta_records(packed(path, True))) == list(fasta_records(path))


@pytest.mark.parametrize("exons", [False, True])
def test_a_gene_line_says_how_far_a_gene_reaches_with_or_without_its_exons(tmp_path, exons):
    lines = [
        'chr1\tx\tgene\t11\t90\t.\t+\t.\tgene_id "G1";',
        'chr1\tx\ttranscript\t21\t80\t.\t+\t.\tgene_id "G1"; transcript_id "T1";',
        'chr1\tx\tgene\t201\t300\t.\t-\t.\tgene_id "G2"; gene_type "lncRNA";',
        'chr1\tx\ttranscript\t401\t450\t.\t-\t.\tgene_id "G3"; transcript_id "T3";',
        'chr1\tx\ttranscript\t431\t500\t.\t-\t.\tgene_id "G3"; transcript_id "T4";',
    ]
    genes = read_gtf(toy.write_text(tmp_path / "g.gtf", "\n".join(lines)), CONTIGS, exons=exons).genes
    assert genes[["gene_id", "start", "end", "biotype"]].to_numpy().tolist() == [
        *(["G1", 10, 90, ""], ["G2", 200, 300, "lncRNA"], ["G3", 400, 500, ""])
    ]


def test_a_line_of_repeatmaskers_out_needs_no_id_and_no_more_than_fourteen_columns(tmp_path):
    line = "1000 10.0 0.0 0.0 chr1 11 20 (500) C AluY SINE/Alu 1 100 (0)"
    table = read_repeats(toy.write_text(tmp_path / "a.out", f"{line}\n{line} 1\n"), CONTIGS).table
    assert table[["start", "end", "strand", "family"]].to_numpy().tolist() == [[10, 20, "-", "SINE/Alu"]] * 2
    short = line.rsplit(" ", 1)[0]
    with pytest.raises(InputError, match=r"b\.out:2: has 13 columns, where RepeatMasker's \.out has 15"):
        read_repeats(toy.write_text(tmp_path / "b.out", f"{line}\n{short}\n"), CONTIGS)


@pytest.mark.parametrize(
    ("first", "line"),
    [
        ("SW perc perc perc query", "1000 1 0 0 chr1 11 20 (5) + AluY SINE/Alu 1 100 (0) 1"),
        ("SW score x", "1000 1 0 0 chr1 11 20 (5) + AluY SINE/Alu 1 100 (0) 1"),
        ("score div. del.", "1000 1 0 0 chr1 11 20 (5) C AluY SINE/Alu 1 100 (0) 1"),
        ("# none", "1000 1 0 0 chr1 11 20 (5) + AluY SINE/Alu 1 100 (0) 1"),
        ("# none", "1000 1 0 0 chr1 11 20 (5) C AluY SINE/Alu 1 100 (0) 1"),
        ("# none", "chr1\t10\t20\tAluY\t0\t+\tSINE/Alu"),
        ("# none", "chr1\t10\t20\tAluY\t0\t+\tSINE?/Alu?"),
        ("# none", "585\t1000\t1\t0\t0\tchr1\t10\t20\t-5\t+\tAluY\tSINE\tAlu\t1\t100\t0\t1"),
        ("# none", "585\t1000\t1\t0\t0\tchr1\t10\t20\t-5\t-\tAluY\tSINE?\tAlu?\t1\t100\t0\t1"),
    ],
)
def test_a_repeat_is_the_same_in_every_layout(tmp_path, first, line):
    repeats = read_repeats(toy.write_text(tmp_path / "repeats", f"{first}\n{line}\n"), CONTIGS)
    columns = ["chrom", "start", "end", "name", "repeat_class", "family"]
    assert repeats.table[columns].to_numpy().tolist() == [["chr1", 10, 20, "AluY", "SINE", "SINE/Alu"]]
    assert repeats.n_records == 1


def test_a_faulty_line_of_genes_is_named_by_file_and_number(tmp_path):
    line = 'chr1\tx\tgene\t{}\t90\t.\t+\t.\tgene_id "G1";\n'
    path = toy.write_text(tmp_path / "g.gtf", line.format(11) + line.format("x"))
    with pytest.raises(InputError, match=r"g\.gtf:2: has 'x' and '90' as its interval"):
        read_gtf(path, CONTIGS)


def test_a_bigwig_is_read_from_its_first_base_to_its_last(tmp_path):
    values = np.arange(1, 51, dtype=np.float32)
    with pyBigWig.open(str(tmp_path / "a.bw"), "w") as track:
        track.addHeader([("chr1", 50)])
        track.addEntries("chr1", 0, values=values.tolist(), span=1, step=1)
    with BigWig(tmp_path / "a.bw") as track:
        assert track.contigs.where == str(tmp_path / "a.bw")
        assert track.values("1", 0, 50).tolist() == values.tolist()
        assert track.values("1", 0, 1).tolist() == [1.0]
        assert track.values("1", 49, 50).tolist() == [50.0]


def test_four_bases_may_have_two_arrangements():
    assert {dinucleotide_shuffle("AACA", seed) for seed in range(40)} == {"AACA", "ACAA"}
    assert {dinucleotide_shuffle("ACA", seed) for seed in range(10)} == {"ACA"}


@pytest.mark.parametrize("start", [0, 7, 1_000])
def test_painted_pieces_end_with_their_window(start):
    ranked = pd.DataFrame({"chrom": "chr1", "start": [0, start], "end": [start + 4, start + 5_000]})
    pieces = paint(ranked, pd.DataFrame({"chrom": ["chr1"], "start": [start], "end": [start + 10]}))
    expected = [["chr1", start, start + 4, 0], ["chr1", start + 4, start + 10, 1]]
    assert pieces[["chrom", "start", "end", "row"]].to_numpy().tolist() == expected


def test_a_bed_leaves_nothing_but_itself_and_its_index(tmp_path):
    table = pd.DataFrame({"name": ["b", "a"], "chrom": "chr1", "start": [5, 1], "end": [9, 4]})
    write_bed(table, tmp_path / "out" / "a.bed.gz")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.bed.gz", "a.bed.gz.tbi"]
    with pysam.TabixFile(str(tmp_path / "out" / "a.bed.gz")) as bed:
        assert list(bed.fetch("chr1", 0, 10)) == ["chr1\t1\t4\ta", "chr1\t5\t9\tb"]
