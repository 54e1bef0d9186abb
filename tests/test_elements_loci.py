"""Genes to loci: the TSS, the window, and the reason of each locus that cannot be placed."""

import pytest

import toy
from darkregulome.elements.loci import failed_table, place_loci, read_locus_rows
from darkregulome.errors import InputError
from darkregulome.genome.annotation import read_gtf
from darkregulome.genome.contigs import Contigs
from darkregulome.io.schemas import LOCI
from darkregulome.io.tables import check_table
from places import ROOT

CONTIGS = Contigs(toy.LENGTHS)


def genes(tmp_path, extra=()):
    return read_gtf(toy.write_text(tmp_path / "g.gtf", toy.gtf_text((*toy.GENES, *extra))), CONTIGS).genes


def place(tmp_path, text, flank=5_000, name="loci.csv", extra=()):
    rows = read_locus_rows(toy.write_text(tmp_path / name, text))
    return place_loci(rows, genes(tmp_path, extra), CONTIGS, flank)


def reason(tmp_path, text, **options):
    _, failed = place(tmp_path, text, **options)
    assert len(failed) == 1
    return str(failed[0].problem)


def test_a_gene_alone_gets_the_tss_of_its_five_prime_end(tmp_path):
    placed, failed = place(tmp_path, "locus,gene\na,ALPHA\nb,BETA\nc,GAMMA\n")
    assert not failed
    found = [tuple(row) for row in placed[["chrom", "tss", "strand"]].to_numpy()]
    assert found == list(toy.TSS.values())
    check_table(placed, LOCI, "loci")


def test_windows_are_symmetric_and_cut_at_the_ends_of_the_contig(tmp_path):
    placed, _ = place(tmp_path, "gene\nALPHA\nBETA\n", flank=9_500)
    assert placed[["start", "end"]].to_numpy().tolist() == [[500, 19_501], [0, 18_000]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.csv", "gene\nALPHA\n"),
        ("l.csv", "# why\nlocus,gene\nALPHA,ALPHA\n"),
        ("l.tsv", "gene\tlocus\nALPHA\tALPHA\n"),
        ("l.txt", "ALPHA\n"),
        ("l.csv", "locus,gene\nALPHA,ENSG00000000001\n"),
        ("l.csv", "locus,gene\nALPHA,ENSG00000000001.99\n"),
        ("l.csv", "locus,gene,chrom,tss,strand\nALPHA,ALPHA,1,10000,+\n"),
        ("l.tsv", "gene\tchrom\ttss0\tstrand\tbiotype\nALPHA\tchr1\t10000\t+\tx\n"),
        ("l.csv", "locus,gene,chrom,tss,strand\nALPHA,ALPHA,,,\n"),
    ],
)
def test_every_way_of_naming_a_locus_gives_the_same(tmp_path, name, text):
    placed, failed = place(tmp_path, text, name=name)
    assert not failed
    assert placed.drop(columns="gene").to_numpy().tolist() == [
        ["ALPHA", "chr1", 10_000, "+", 5_000, 15_001, "ENSG00000000001.3", "ALPHA"]
    ]


def test_unknown_gene_is_told_with_close_names(tmp_path):
    assert "loci.csv:2: the gene 'ALPHO' is not in the GTF" in reason(tmp_path, "gene\nALPHO\n")
    assert "write ALPHA if that is meant." in reason(tmp_path, "gene\nALPHO\n")
    assert "write GAMMA if that is meant." in reason(tmp_path, "gene\nGamma\n")


def test_a_name_of_two_genes_is_told_and_its_contig_settles_it(tmp_path):
    twin = (("ALPHA", "ENSG00000000009.1", "chr3", "-", "protein_coding", ((500, 900),)),)
    assert "is that of 2 genes: ENSG00000000001.3" in reason(tmp_path, "gene\nALPHA\n", extra=twin)
    placed, failed = place(tmp_path, "gene,chrom\nALPHA,3\n", extra=twin)
    assert not failed
    assert placed["tss"].tolist() == [899]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,ALPHA,chr1,20000,+", r"TSS at chr1:20000, outside the contig \(0 to 19999\)"),
        ("a,ALPHA,chr1,-1,+", "TSS at chr1:-1, outside"),
        ("a,ALPHA,chr8,10,+", "names the contig 'chr8'"),
        ("a,ALPHA,chr1,10,", "has a TSS but no strand"),
        ("a,ALPHA,chr1,10,*", r"has the strand '\*'"),
        ("a/b,ALPHA,,,", "cannot be a file name"),
        ("a|b,ALPHA,,,", "cannot be a file name"),
    ],
)
def test_a_locus_that_cannot_be_placed_says_why(tmp_path, row, message):
    import re

    assert re.search(message, reason(tmp_path, f"locus,gene,chrom,tss,strand\n{row}\n"))


def test_of_a_duplicate_the_first_stays(tmp_path):
    placed, failed = place(tmp_path, "locus,gene\na,ALPHA\na,BETA\n")
    assert placed["gene"].tolist() == ["ALPHA"]
    table = failed_table(failed, "prepare_loci")
    assert table[["locus", "gene", "stage"]].to_numpy().tolist() == [["a", "BETA", "prepare_loci"]]
    assert "listed twice" in table["reason"][0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("locus,gene\n", "has a header and no locus"),
        ("symbol,where\nA,B\n", "and none is 'gene'"),
        ("gene,tss\nALPHA,ten\nBETA,x\n", r"loci\.csv:2: has the TSS 'ten'"),
        ("locus,gene\n,\n", "has no gene"),
    ],
)
def test_faulty_lists_are_told(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_locus_rows(toy.write_text(tmp_path / "loci.csv", text))


def test_the_shipped_list_of_genes_can_be_read_and_names_no_gene_twice():

    shipped = ROOT / "assets" / "loci" / "glioma_synaptogenic.csv"
    names = [row.gene for row in read_locus_rows(shipped)]
    assert "NLGN3" in names
    assert len(names) == len(set(names))
