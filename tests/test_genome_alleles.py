"""Alleles, contigs, genes and bases: their limits and spellings, each against its definition."""

import re

import pandas as pd
import pytest

from darkregulome.errors import InputError
from darkregulome.genome.alleles import (
    CLASSES,
    CheckedAllele,
    allele_class,
    check_allele,
    is_bases,
    is_substitution,
    other_bases,
    trim,
)
from darkregulome.genome.bases import base_codes, letters_of_codes, reverse_complement_codes
from darkregulome.genome.contigs import Contigs, bare_contig, contig_aliases
from darkregulome.genome.genes import GeneIndex, gene_key, gene_keys, genes_of_loci
from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import complexity, cpg_oe, gc, n_fraction


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Reference:
    path = tmp_path_factory.mktemp("alleles") / "genome.fa"
    path.write_text(">chr1 a description\nACGTACGTAC\nGTNNRCGTAC\n>2\nTTTTT\n")
    return Reference(path)


# -- alleles ---------------------------------------------------------------------------------------------------------


def test_what_is_spelled_in_bases():
    assert [is_bases(word) for word in ("ACGT", "acgt", "", "ACN", "<DEL>", "A*")] == [True, True, *[False] * 4]
    pairs = [("A", "C"), ("a", "C"), ("A", "a"), ("A", "CC"), ("AA", "C"), ("N", "C"), ("A", "."), ("AC", "GT")]
    assert [is_substitution(*pair) for pair in pairs] == [True, True, *[False] * 6]


@pytest.mark.parametrize(
    ("ref", "alt", "word"),
    [
        *(
            ("A", "G", "SNV"),
            ("n", "G", "SNV"),
            ("AC", "GT", "MNV"),
            ("A", "AC", "insertion"),
            ("A", "CA", "insertion"),
        ),
        *(("AC", "A", "deletion"), ("CA", "A", "deletion"), ("AC", "GTT", "complex"), ("ACG", "TT", "complex")),
        *(("A", "<DEL>", "other"), ("A", "*", "other"), (".", "A", "other"), ("A", "", "other")),
    ],
)
def test_an_allele_has_one_class_by_its_spelling(ref, alt, word):
    assert allele_class(ref, alt) == word
    assert word in CLASSES


@pytest.mark.parametrize(
    ("ref", "alt", "trimmed"),
    [
        ("A", "G", (7, "A", "G")),
        ("ACC", "ACT", (9, "C", "T")),
        ("CTT", "CT", (8, "T", "")),  # the end goes first: what is left is the earlier base
        ("CAT", "CT", (8, "A", "")),
        ("A", "AAA", (7, "", "AA")),
        ("GATTACA", "GACA", (8, "ATT", "")),
        ("ACGT", "ACGT", (7, "", "")),
        ("AG", "TC", (7, "AG", "TC")),
    ],
)
def test_alleles_are_trimmed_at_their_ends_and_then_at_their_beginnings(ref, alt, trimmed):
    start, one, two = trim(7, ref, alt)
    assert (start, one, two) == trimmed
    # Put into the sequence, the trimmed change gives what the whole one gives.
    before = "TTTTTTT" + ref + "TTTT"
    assert before[:start] + two + before[start + len(one) :] == "TTTTTTT" + alt + "TTTT"


def test_the_bases_of_the_reference_are_given_where_they_are_not_ref(reference):
    assert other_bases(reference, "chr1", 1, "CGT") is None
    assert other_bases(reference, "chr1", 1, "cgt") is None
    assert other_bases(reference, "chr1", 1, "CGA") == "CGT"


@pytest.mark.parametrize(
    ("name", "start", "ref", "alt", "expected"),
    [
        ("chr1", 0, "A", "g", CheckedAllele("ok", "", "chr1", 0, "A", "G")),
        ("1", 1, "cg", "ct", CheckedAllele("ok", "", "chr1", 2, "G", "T")),
        ("chr2", 4, "T", "A", CheckedAllele("ok", "", "2", 4, "T", "A")),
        ("chr1", 0, "A", "A", CheckedAllele("ok", "", "chr1", 1, "", "")),
        ("chr1", 18, "AC", "A", CheckedAllele("ok", "", "chr1", 19, "C", "")),
        ("chr1", 0, "ACGT", "A", CheckedAllele("ok", "", "chr1", 1, "CGT", "")),
    ],
)
def test_an_allele_that_is_taken_is_the_shortest_change_in_the_references_names(
    reference, name, start, ref, alt, expected
):
    if expected.ref_bases == expected.alt_bases == "":
        found = check_allele(reference, name, start, ref, alt, 4)
        assert (found.status, found.ref_bases, found.alt_bases) == ("ok", "", "")
    else:
        assert check_allele(reference, name, start, ref, alt, 4) == expected


@pytest.mark.parametrize(
    ("name", "start", "ref", "alt", "status", "reason"),
    [
        ("chr9", 0, "A", "C", "off_contig", "no contig chr9"),
        ("chr1", -1, "A", "C", "off_contig", "has 20 bases"),
        ("chr1", 19, "CA", "C", "off_contig", "inside chr1"),
        ("chr1", 0, "A", "<DEL>", "symbolic", "not spelled"),
        ("chr1", 0, "A", "N", "symbolic", "not spelled"),
        ("chr1", 0, "C", "G", "ref_mismatch", "REF is C, the reference has A"),
        ("chr1", 0, "ACGTACGTACA", "G", "ref_mismatch", r"REF is ACGTACGTAC\.\.\. \(11 bases\), the"),
        ("chr1", 0, "ACGTACGTAA", "G", "ref_mismatch", "REF is ACGTACGTAA, the reference has ACGTACGTAC"),
        ("chr1", 0, "ACGTA", "A", "too_long", "longer than 4 bases"),
        ("chr1", 0, "A", "ACGTA", "too_long", "longer than 4 bases"),
        ("chr1", 11, "TN", "T", "n_in_window", "letters other"),
    ],
)
def test_an_allele_that_is_not_taken_has_one_reason(reference, name, start, ref, alt, status, reason):
    found = check_allele(reference, name, start, ref, alt, 4)
    assert found == CheckedAllele(status, found.reason)
    assert re.search(reason, found.reason)


# -- the reference ---------------------------------------------------------------------------------------------------


def test_windows_reach_past_both_ends_in_ns(reference):
    assert reference.names == ("chr1", "2")
    assert reference.lengths == {"chr1": 20, "2": 5}
    assert reference.length("chr2") == 5
    whole = "ACGTACGTACGTNNRCGTAC"
    for start in range(-3, 24):
        for end in range(start, 25):
            expected = "".join(whole[at] if 0 <= at < 20 else "N" for at in range(start, end))
            assert reference.fetch("chr1", start, end) == expected
    with pytest.raises(ValueError, match="ends before"):
        reference.fetch("chr1", 5, 4)


def test_a_contig_by_another_name_is_noted_once(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(">chr1\nACGT\n")
    genome = Reference(path)
    assert genome.notes == [f"{path}: had no index; made one"]
    for _ in range(2):
        assert genome.fetch("1", 0, 2) == "AC"
    assert genome.fetch("chr1", 0, 2) == "AC"
    assert genome.notes[1:] == [f"{path}: the contig 1 is taken as chr1"]
    assert Reference(path).notes == []


def test_contigs_meet_under_all_their_names():
    assert contig_aliases("chr7") == ("chr7", "7")
    assert contig_aliases("7") == ("7", "chr7")
    assert contig_aliases("MT") == ("MT", "chrM", "M", "chrMT")
    assert [bare_contig(name) for name in ("chr7", "Chr7", "7", "chrMT", "mt", "chrM", "chrUn_chr1")] == [
        *("7", "7", "7", "M", "M", "M", "Un_chr1")
    ]
    contigs = Contigs({"chr1": 5, "MT": 3, "2": 4}, "g.fa")
    assert [contigs.resolve(name) for name in ("1", "chr1", "chrM", "chr2", "3")] == ["chr1", "chr1", "MT", "2", None]
    assert contigs.require("M", "here") == "MT"
    assert contigs.mapping_note(["chr1", "3"], "x.bed") is None
    assert contigs.mapping_note(["chr1", "3", "chr2", "1"], "x.bed") == (
        "x.bed: contig names mapped to those of g.fa: 1 -> chr1, chr2 -> 2"
    )
    with pytest.raises(InputError, match=r"^here: names the contig 'chr3', which g.fa does not have; use .*chr1"):
        contigs.require("chr3", "here")
    with pytest.raises(InputError, match="such as c1, c2, c3, c4, c5"):
        Contigs({f"c{at}": 1 for at in range(1, 8)}).require("zzzzz", "here")
    assert Contigs({}).where == "the FASTA"


# -- genes -----------------------------------------------------------------------------------------------------------


def test_genes_compare_in_upper_case_without_their_version():
    assert [gene_key(name) for name in (" App ", "ensg00000000001.3", "ENSG01.2_1_PAR_Y", "RP11-1.2", 7)] == [
        *("APP", "ENSG00000000001", "ENSG01_PAR_Y", "RP11-1.2", "7")
    ]
    for nothing in (None, pd.NA, float("nan"), "", "  "):
        assert gene_key(nothing) is pd.NA
    assert gene_keys(pd.Series(["a", "b", "a"])).tolist() == ["A", "B", "A"]


def test_loci_give_all_names_of_their_genes_the_preferred_first():
    loci = pd.DataFrame(
        {
            "locus": ["L1", "L2", "L3"],
            "gene_id": ["E1", ".", None],
            "gene_name": ["x", "y", "."],
            "gene": ["a", "", "c"],
        }
    )
    expected = [("L1", "A"), ("L3", "C"), ("L1", "X"), ("L2", "Y"), ("L1", "E1")]
    assert list(genes_of_loci(loci)) == expected
    assert list(genes_of_loci(loci[["locus"]])) == []


def test_genes_are_found_by_name_then_by_id_and_near_misses_are_named():
    genes = pd.DataFrame({"gene_id": ["ENSG01.3", "ENSG02.1", "ENSG03.1"], "gene_name": ["TP53", "ENSG01", "TP53"]})
    index = GeneIndex(genes)
    assert index.find("TP53").index.tolist() == [0, 2]
    assert index.find("ENSG01").index.tolist() == [1]  # a name goes before an id
    assert index.find("ENSG02.9").index.tolist() == [1]
    assert index.find("none").empty
    assert index.close_names("TP5") == ["TP53"]
    assert index.close_names("tp53") == ["TP53"]
    assert index.close_names("qqqqqqq") == []
    assert index.close_names("TP53").count("TP53") == 1


# -- bases and facts of sequences ------------------------------------------------------------------------------------


def test_letters_and_codes_are_one_and_what_is_no_base_is_n():
    assert base_codes("ACGTacgtNRu-é").tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 4, 4, 4, 4]
    assert base_codes("UuT", rna=True).tolist() == [3, 3, 3]
    assert letters_of_codes(base_codes("acgtRN")) == "ACGTNN"
    codes = base_codes("AACGTN")
    assert letters_of_codes(reverse_complement_codes(codes)) == "NACGTT"
    both = reverse_complement_codes(codes.reshape(2, 3))
    assert [letters_of_codes(row) for row in both] == ["GTT", "NAC"]
    assert both.dtype == codes.dtype


def test_facts_of_short_and_empty_sequences():
    assert n_fraction("") == 1.0
    assert n_fraction("ACGTN") == pytest.approx(0.2)
    assert n_fraction("acgt") == 1.0
    for empty in ("", "NNN"):
        assert gc(empty) != gc(empty)
        assert cpg_oe(empty) != cpg_oe(empty)
    assert gc("GGCA") == 0.75
    assert gc("GNNA") == 0.5
    assert cpg_oe("CGCGAT") == pytest.approx(2 * 6 / (2 * 2))
    assert cpg_oe("CCCA") == 0.0
    assert cpg_oe("CNGCG") == pytest.approx(1 * 4 / (2 * 2))
    assert complexity("AC") != complexity("AC")
    assert complexity("ACG") != complexity("ACG")  # one 3-mer
    assert complexity("ACGNNAC") != complexity("ACGNNAC")
    assert complexity("ACGT") == 1.0
    assert complexity("AAAA") == 0.0
    assert complexity("ACGNACG") == 0.0  # the same 3-mer twice
