"""eQTL tables in the forms that the field writes them in: one reader, for the check before a run and for the check."""

from pathlib import Path

import pandas as pd
import pytest

import toy
from darkregulome.elements.checks import check_eqtls
from darkregulome.errors import InputError
from darkregulome.genome.bed import Windows
from darkregulome.genome.eqtls import CHROM_COLUMNS, GENE_COLUMNS, POSITION_COLUMNS, EqtlTable, read_eqtls
from darkregulome.genome.genes import gene_key, without_version
from darkregulome.genome.reference import Reference
from darkregulome.io.tables import read_table
from places import SHARED
from script_runner import run_script

CASES = SHARED / "cases"
WINDOWS = Windows(pd.DataFrame({"chrom": ["chr1"], "start": [0], "end": [20_000]}))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    fasta = toy.write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", toy.toy_sequences())
    with Reference(fasta) as opened:
        yield opened


@pytest.mark.parametrize("position", [*POSITION_COLUMNS, "pos0"])
@pytest.mark.parametrize("chrom", [*CHROM_COLUMNS, "#CHROM"])
def test_what_the_check_before_a_run_accepts_is_what_the_eqtl_check_reads(reference, tmp_path, chrom, position):
    at = 6_001 - (position == "pos0")
    path = tmp_path / "eqtls.tsv"
    path.write_text(f"{chrom}\t{position}\tgene_id\n1\t{at}\tENSG00000000001.9\n\t\tENSG00000000001.9\n")
    notes = check_eqtls(path, reference, WINDOWS, {"ENSG00000000001"})
    assert "1 eQTLs have no position" in notes[0]
    eqtls, _ = read_eqtls(read_table(path), path)
    # Contig 1 stays 1, although a cell of its column is empty.
    assert eqtls.to_numpy().tolist() == [["1", 6_000, 6_001, "ENSG00000000001"]]


@pytest.mark.parametrize("gene", GENE_COLUMNS)
def test_both_know_the_gene_by_the_same_columns(reference, tmp_path, gene):
    path = tmp_path / "eqtls.tsv"
    path.write_text(f"variant_id\t{gene}\nchr1_6001_A_G_b38\tensg00000000001.4\n")
    sites = EqtlTable(read_table(path), path).sites()
    base = reference.fetch("chr1", 6_000, 6_001)
    path.write_text(path.read_text().replace("_A_", f"_{base}_"))
    assert sites["ref"].tolist() == ["A"]
    assert check_eqtls(path, reference, WINDOWS, {"ENSG00000000001"}) == []
    assert read_eqtls(read_table(path), path)[0]["gene"].tolist() == ["ENSG00000000001"]


def test_a_table_without_positions_is_refused_alike_by_both(reference, tmp_path):
    path = tmp_path / "eqtls.tsv"
    path.write_text("chrom\tgene\n1\tALPHA\n")
    for read in (lambda: check_eqtls(path, reference, WINDOWS, set()), lambda: read_eqtls(read_table(path), path)):
        with pytest.raises(InputError, match="has no positions"):
            read()


@pytest.mark.parametrize(
    ("name", "key"),
    [
        *[("ENSG00000141510.18", "ENSG00000141510"), ("ensmusg00000059552.14", "ENSMUSG00000059552")],
        *[("ENSG00000141510.11_2", "ENSG00000141510"), ("ENSG00000182378.15_PAR_Y", "ENSG00000182378_PAR_Y")],
        *[("RP11-34P13.7", "RP11-34P13.7"), ("MSTRG.1", "MSTRG.1"), (" tp53 ", "TP53")],
    ],
)
def test_only_the_version_of_an_ensembl_id_is_no_part_of_a_genes_name(name, key):
    assert gene_key(name) == key
    assert without_version(name.strip()).upper() == key


@pytest.mark.skipif(not CASES.is_dir(), reason="no shared cases next to the checkout")
def test_positions_called_pos_hg38_pass_the_check_before_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    words = (CASES / "eqtl_pos_hg38" / "cmd").read_text().split()
    monkeypatch.chdir(CASES)
    out = tmp_path / "checked.json"
    run_script(words[0].removesuffix(".py"), *words[1:-1], out)
    assert out.is_file()
