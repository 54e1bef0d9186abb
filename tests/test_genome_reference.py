"""The reference: padding, names of contigs, indexes, and what it says of damaged files."""

import gzip
import os
import pickle
import re
import shutil

import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toy
from darkregulome.errors import InputError
from darkregulome.genome.contigs import Contigs, contig_aliases
from darkregulome.genome.reference import Reference
from script_runner import run_script

SEQUENCES = toy.toy_sequences()


@given(st.sampled_from(sorted(toy.LENGTHS)), st.integers(-500, 23_000), st.integers(0, 700))
def test_fetch_is_the_contig_padded_with_n(reference, chrom, start, length):
    margin = 10_000
    padded = "N" * margin + SEQUENCES[chrom] + "N" * margin
    assert reference.fetch(chrom, start, start + length) == padded[margin + start : margin + start + length]


def test_contig_names_with_and_without_chr_are_one(reference):
    assert reference.fetch("1", 0, 50) == reference.fetch("chr1", 0, 50)
    assert reference.length("2") == toy.LENGTHS["chr2"]
    assert any("1 is taken as chr1" in note for note in reference.notes)


def test_mitochondrial_names_are_one():
    assert Contigs({"chrM": 10}).resolve("MT") == "chrM"
    assert Contigs({"MT": 10}).resolve("chrM") == "MT"
    assert Contigs({"1": 10}).resolve("chr1") == "1"
    assert Contigs({"chr1": 10}).resolve("chr2") is None
    assert contig_aliases("X") == ("X", "chrX")


def test_unknown_contig_is_named_with_what_there_is(reference):
    with pytest.raises(InputError, match=r"'chr9', which .*genome.fa.gz does not have; use its names, such as chr"):
        reference.length("chr9")


@pytest.mark.parametrize("bgzip", [True, False])
def test_missing_index_is_made_on_the_fly(tmp_path, bgzip):
    path = toy.write_fasta(tmp_path / "g.fa", {"chr1": "ACGT" * 40}, bgzip=bgzip, index=False)
    with Reference(path) as opened:
        assert opened.fetch("chr1", 1, 5) == "CGTA"
        assert any("made one" in note for note in opened.notes)
    assert (tmp_path / f"{path.name}.fai").exists()
    assert (tmp_path / f"{path.name}.gzi").exists() == bgzip
    assert not list(tmp_path.glob(".partial*"))


def test_missing_index_in_a_folder_that_cannot_be_written_is_told_with_the_command(tmp_path, monkeypatch):
    path = toy.write_fasta(tmp_path / "g.fa", {"chr1": "ACGT"}, index=False)
    monkeypatch.setattr(os, "access", lambda *_: False)  # a folder's mode does not bind root
    with pytest.raises(InputError, match=r"has no index.*cannot be written; .*samtools faidx .*g\.fa"):
        Reference(path)


def test_gzip_that_is_not_bgzip_is_told_with_the_command(tmp_path):
    path = tmp_path / "g.fa.gz"
    path.write_bytes(gzip.compress(b">chr1\nACGT\n"))
    with pytest.raises(InputError, match=r"gzipped, not bgzipped.*gunzip .* && bgzip"):
        Reference(path)


def test_truncated_bgzip_is_told(genome, tmp_path):
    data = genome["fasta"].read_bytes()
    path = tmp_path / "g.fa.gz"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="truncated"):
        Reference(path)
    assert [one.name for one in tmp_path.iterdir()] == ["g.fa.gz"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"ACGT\n", "is not FASTA"), (b">a\nAC\nACGT\nA\n", "cannot be indexed")],
)
def test_what_is_not_fasta_is_told(tmp_path, content, message):
    path = tmp_path / "g.fa"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        Reference(path)
    assert not list(tmp_path.glob(".partial*"))


def test_an_index_of_another_file_is_told(tmp_path):
    path = toy.write_fasta(tmp_path / "g.fa", {"chr1": "ACGT" * 100})
    index = tmp_path / "g.fa.fai"
    index.write_text(re.sub(r"chr1\t400", "chr1\t900", index.read_text()))
    with pytest.raises(InputError, match=r"an index that is not its own: the contig 'chr1' does not end where g\.fa"):
        Reference(path)


# Records that htslib takes: name and description, letters, and the widths of their lines.
RECORDS = st.lists(
    st.tuples(st.sampled_from(["", " a description", "\tof > two", " " + "x" * 90]), st.integers(0, 70)),
    min_size=1,
    max_size=6,
)


def fasta_text(first: int, records, width: int, end: str, blank: str, last: str) -> str:
    """A FASTA of contigs c0, c1, ... with lines of `width` letters, `blank` lines behind each, and `last` at the end.

    Records stand between one of `first` letters and one of 13, as htslib refuses a file whose last record is empty.
    """
    parts = []
    for number, (description, length) in enumerate([(" first", first), *records, ("", 13)]):
        bases = ("ACGTTGCANRY" * 7)[number : number + length]
        lines = [bases[at : at + width] for at in range(0, length, width)]
        parts.append(end.join([f">c{number}{description}", *lines]) + end + blank)
    return "".join(parts).rstrip() + last


@settings(derandomize=True, max_examples=60, deadline=None, database=None)
@given(
    records=RECORDS,
    width=st.sampled_from([1, 7, 60, 80]),
    end=st.sampled_from(["\n", "\r\n", "  \n"]),
    blank=st.sampled_from(["", "\n"]),
    last=st.sampled_from(["", "\n", "\n\n"]),
    compressed=st.booleans(),
    change=st.sampled_from(["none", "longer", "shorter", "renamed", "cut"]),
)
def test_an_index_is_taken_where_htslib_made_it_of_this_file_and_of_no_other(
    tmp_path_factory, records, width, end, blank, last, compressed, change
):
    """The law of `genome/fasta_index.py`, on files of every form, and with the index of the file before its change."""
    folder = tmp_path_factory.mktemp("law")
    path = toy.write_text(folder / "g.fa", fasta_text(9, records, width, end, blank, last))
    plain = path
    if compressed:
        path = folder / "g.fa.gz"
        pysam.tabix_compress(str(plain), str(path))
    Reference(path).close()
    if change == "none":
        assert Reference(path).notes == []
        return
    others = {
        "longer": fasta_text(10, records, width, end, blank, last),
        "shorter": fasta_text(8, records, width, end, blank, last),
        "renamed": plain.read_bytes().decode().replace(">c0 first", ">d0 first"),
        "cut": plain.read_bytes().decode().rstrip()[:-1],
    }
    plain.write_bytes(others[change].encode())
    if compressed:
        pysam.tabix_compress(str(plain), str(path), force=True)
    with pytest.raises(InputError, match=r"has an index that is not its own|cannot be opened with its index"):
        Reference(path)


def test_reference_crosses_processes(reference):
    with pickle.loads(pickle.dumps(reference)) as other:
        assert other.fetch("chr3", 100, 120) == reference.fetch("chr3", 100, 120)


def test_a_gzipped_genome_is_the_same_when_bgzipped(tmp_path, genome):
    gzipped = tmp_path / "gzipped.fa.gz"
    with gzip.open(genome["fasta"], "rb") as source, gzip.open(gzipped, "wb") as target:
        shutil.copyfileobj(source, target)
    with pytest.raises(InputError, match="gzipped, not bgzipped"):
        Reference(gzipped)
    ran = run_script("compress_fasta", fasta=gzipped, out=tmp_path / "out" / "genome.fa.gz")
    assert ran.code == 0, ran.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("genome.fa.gz", "genome.fa.gz.fai", "genome.fa.gz.gzi")
    ]
    with Reference(tmp_path / "out" / "genome.fa.gz") as reference:
        assert reference.notes == []
        for chrom, bases in SEQUENCES.items():
            assert reference.fetch(chrom, 0, len(bases)) == bases


@pytest.mark.parametrize("damage", ["truncated", "not_fasta"])
def test_a_damaged_gzipped_genome_leaves_nothing_behind(tmp_path, genome, damage):
    path = tmp_path / "genome.fa.gz"
    with gzip.open(genome["fasta"], "rb") as source:
        bases = source.read()
    whole = gzip.compress(bases if damage == "truncated" else b"chr1\t0\t10\n")
    path.write_bytes(whole[: len(whole) // 2] if damage == "truncated" else whole)
    ran = run_script("compress_fasta", fasta=path, out=tmp_path / "out" / "genome.fa.gz")
    assert ran.code == 2
    assert "truncated" in ran.err or "not FASTA" in ran.err
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("index", ["none", "samtools", "of both"])
@pytest.mark.parametrize(
    "order", [["a", "a", "b"], ["a", "b", "a"], ["b", "c", "a", "a"], ["c", "a", "b", "a", "c", "b"]], ids="".join
)
def test_a_contig_twice_is_refused_whoever_made_the_index(tmp_path, order, index, compressed):
    records = "".join(f">{name} of some length\n{'ACGT' * 15}\n{'CA' * 10}\n" for name in order)
    path = toy.write_text(tmp_path / "g.fa", records)
    if compressed:
        pysam.tabix_compress(str(path), f"{path}.gz")
        path = tmp_path / "g.fa.gz"
    if index != "none":
        pysam.faidx(str(path))
    if index == "of both":
        size = len(records) // len(order)
        header = size - 60 - 20 - 2
        rows = [f"{name}\t80\t{i * size + header}\t60\t61\n" for i, name in enumerate(order)]
        (tmp_path / f"{path.name}.fai").write_text("".join(rows))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=rf"{path.name}: holds the contig '[abc]' twice"):
        Reference(path)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_descriptions_blank_lines_and_empty_contigs_are_no_contigs_twice(tmp_path, end, compressed):
    lines = [">a b", "ACGT", "AC", ">empty", ">b a chromosome > of old", "A" * 70_000, "", ">c", "ACGT", ""]
    path = tmp_path / "g.fa"
    path.write_bytes(end.join(lines).encode())
    if compressed:
        pysam.tabix_compress(str(path), f"{path}.gz")
        path = tmp_path / "g.fa.gz"
    for _ in range(2):
        with Reference(path) as opened:
            # htslib leaves out what has no base.
            assert opened.lengths == {"a": 6, "b": 70_000, "c": 4}
