"""`--genome`: published files by their addresses or from a mirror, each read in the format in which it is published."""

import gzip
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from darkregulome.elements.checks import check_eqtls
from darkregulome.elements.class_map import default_class_map
from darkregulome.errors import InputError
from darkregulome.genome.annotation import Windows, best_column, read_bed
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.reference import Reference
from pipeline_runner import MODELS, ROOT, Project, demo_project, nextflow

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
        column = best_column(words, classes.known)
        assert classes.known(words[column]).head(5).all()
        assert classes.lookup(words[column].iloc[0])[1:] == ("cCRE", word)


PUBLISHED = {
    "fasta": "genome.fa.gz",
    "gtf": "genes.gtf.gz",
    "regulatory": "regulatory.bed.gz",
    "repeats": "rmsk.txt.gz",
    "conserved": "conserved.bed.gz",
    "conservation": "phylop.bw",
    "eqtl": "eqtls.tsv.gz",
    "network": "string_links.txt.gz",
    "network_info": "string_info.txt.gz",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return demo_project(tmp_path_factory.mktemp("genomes"))


@pytest.mark.pipeline
def test_a_genome_is_taken_from_an_offline_folder_by_the_names_of_its_published_files(project: Project):
    status, output = nextflow("config", ".", "-flat", cwd=project.folder)
    assert status == 0, output
    flat = dict(line.split(" = ", 1) for line in output.splitlines() if line.startswith("params.genomes.GRCh38."))
    addresses = {key.rsplit(".", 1)[1]: value.strip("'") for key, value in flat.items()}
    assert set(PUBLISHED) == set(addresses)
    assert all(address.startswith("https://") for address in addresses.values())
    folder = project.folder / "genomes" / "GRCh38"
    folder.mkdir(parents=True)
    for name, file in PUBLISHED.items():
        shutil.copy(project.genome / file, folder / addresses[name].rsplit("/", 1)[1])
    # As GENCODE publishes it: gzipped, without index.
    fasta = folder / addresses["fasta"].rsplit("/", 1)[1]
    fasta.write_bytes(gzip.compress(gzip.decompress(fasta.read_bytes())))

    weights = ",".join(f"{name}={path}" for name, path in project.models.items())
    words = ("--loci", "demo-data/loci.csv", "--models", ",".join(MODELS), "--weights", weights, "--outdir", "out")
    genome = ("--genome", "GRCh38", "--genomes_base", "genomes")
    run = project.run("-stub-run", *words, *genome, outdir="out", defaults=False)
    assert run.status == 0, run.output
    assert "COMPRESS_FASTA" in {task["process"] for task in run.trace()}
    given = json.loads((run.outdir / "pipeline_info" / "params.json").read_text())
    assert "genomes" not in given
    for name in PUBLISHED:
        assert given[name] == f"genomes/GRCh38/{addresses[name].rsplit('/', 1)[1]}"

    (folder / addresses["repeats"].rsplit("/", 1)[1]).unlink()
    run = project.run("-stub-run", *words, *genome, outdir="absent", defaults=False)
    assert run.status == 1
    assert "--repeats is 'genomes/GRCh38/rmsk.txt.gz', which does not exist" in run.output
    run = project.run("-stub-run", *words, "--genome", "GRCh37", outdir="unknown", defaults=False)
    assert run.status == 1
    assert "--genome is 'GRCh37'; use one of GRCh38, or give the files themselves." in run.output
