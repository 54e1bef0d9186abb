"""`--genome`: published files by their addresses or from a mirror, each read in the format in which it is published."""

import gzip
import os
from pathlib import Path

import pandas as pd
import pytest

from darkregulome.elements.checks import check_eqtls
from darkregulome.elements.class_map import default_class_map
from darkregulome.errors import InputError
from darkregulome.genome.bed import Windows, best_column, read_bed
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.reference import Reference
from pipeline_runner import ROOT

SHARED = Path(os.environ.get("DARKREGULOME_SHARED", ROOT.parent / "shared"))
CONTIGS = Contigs({"chr1": 1_000_000, "chr21": 46_709_983})


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join("\t".join(line.split()) + "\n" for line in lines))
    return path


def test_a_ucsc_table_with_its_bin_is_read_as_bed(tmp_path: Path):
    """phastConsElements100way: bin, chrom, chromStart, chromEnd, name, score."""
    path = write(
        tmp_path / "phastConsElements100way.txt", "585 chr1 14918 14956 lod=26 296", "586 chr1 142050 142081 lod=15 238"
    )
    table = read_bed(path, CONTIGS).table
    assert table[["chrom", "start", "end", "name"]].values.tolist() == [
        ["chr1", 14918, 14956, "lod=26"],
        ["chr1", 142050, 142081, "lod=15"],
    ]


def test_a_contig_that_is_a_number_is_no_bin(tmp_path: Path):
    table = read_bed(write(tmp_path / "a.bed", "1 100 200 300 x", "21 5 9 7 y"), CONTIGS).table
    assert table[["chrom", "start", "end", "name"]].values.tolist() == [["chr1", 100, 200, "300"], ["chr21", 5, 9, "7"]]


def test_credible_sets_of_the_eqtl_catalogue_are_placed(tmp_path: Path):
    fasta = tmp_path / "g.fa"
    fasta.write_text(">chr1\n" + "ACGT" * 50 + "\n")
    header = "molecular_trait_id gene_id cs_id variant rsid cs_size pip pvalue beta se z cs_min_r2 region"
    row = "ENSG1 ENSG1 ENSG1_L1 {} rs1 1 0.99 1e-9 0.5 0.1 5 1 chr1:1-200"
    with Reference(fasta) as reference:
        windows = Windows(pd.DataFrame({"chrom": ["chr1"], "start": [0], "end": [200]}))
        good = write(tmp_path / "good.tsv", header, row.format("chr1_2_C_T"))
        assert check_eqtls(good, reference, windows, {"ENSG1"}) == []
        wrong = write(tmp_path / "wrong.tsv", header, row.format("chr1_2_G_T"))
        with pytest.raises(InputError, match="has REF G at chr1:2, where the reference has C"):
            check_eqtls(wrong, reference, windows, {"ENSG1"})


@pytest.mark.skipif(not (SHARED / "data" / "demo").is_dir(), reason="no real slices beside the checkout")
@pytest.mark.parametrize(
    ("source", "columns", "word"),
    [
        ("demo/annotation/encode_ccre_first5_chr1.bed", 15, "pELS"),
        ("bench/ccre/K562-PLS-Overlap-Groups.bed.gz", 12, "PLS"),
    ],
)
def test_real_ccres_have_their_class_whatever_its_column(tmp_path: Path, source: str, columns: int, word: str):
    """UCSC's encodeCcreCombined and SCREEN's files; the registry's own is made of the same columns."""
    path = SHARED / "data" / source
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as handle:
        rows = [line.rstrip("\n").split("\t") for line in handle][:5]
    assert len(rows[0]) == columns
    where = next(at for at, value in enumerate(rows[0]) if value.split(",")[0] == word)
    # GRCh38-cCREs.bed of SCREEN: chrom, start, end, EH38D, EH38E, class.
    registry = write(tmp_path / "GRCh38-cCREs.bed", *(f"{r[0]} {r[1]} {r[2]} EH38D1 {r[3]} {r[where]}" for r in rows))
    for file in (path, registry):
        words = read_bed(file, Contigs({"chr1": 248_956_422})).table
        classes = default_class_map()
        column = best_column(words, classes.has)
        assert classes.has(words[column]).head(5).all()
        assert classes.lookup(words[column].iloc[0]) == ("cCRE", word)
