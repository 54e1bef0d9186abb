"""prepare_loci.py and build_elements.py as users run them: outputs, messages, and what is left behind."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pysam
import pytest

import toy
from darkregulome.io.schemas import ELEMENTS, LOCI
from darkregulome.io.tables import read_provenance, read_table
from script_runner import BIN, run_script

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:bioframe")
FLANK = 9_000


@pytest.fixture(scope="module")
def loci(genome, tmp_path_factory):
    out = tmp_path_factory.mktemp("loci") / "loci.tsv"
    ran = run_script("prepare_loci", **prepare_options(genome), out=out)
    assert ran.code == 0, ran.err
    return out


def prepare_options(genome, **changes):
    return {"loci": genome["loci"], "gtf": genome["gtf"], "fasta": genome["fasta"], "flank": FLANK, **changes}


def build_options(genome, loci, **changes):
    names = ("fasta", "gtf", "regulatory", "repeats", "conserved", "class_map")
    return {"loci": loci, **{name: genome[name] for name in names}, **changes}


def command(script, **options):
    words = [sys.executable, str(BIN / f"{script}.py")]
    for option, value in options.items():
        words += [f"--{option.replace('_', '-')}", str(value)]
    return subprocess.run(
        words, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def assert_told_and_nothing_left(ran, message, folder):
    """Exit 2, one sentence, no traceback, and no file of any kind."""
    err = ran.err if hasattr(ran, "err") else ran.stderr
    code = ran.code if hasattr(ran, "code") else ran.returncode
    assert code == 2, err
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, err
    assert message in errors[0]
    assert errors[0].endswith(".")
    assert "Traceback" not in err
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_both_scripts_by_their_command_line(genome, tmp_path):
    ran = command("prepare_loci", **prepare_options(genome), out=tmp_path / "loci.tsv")
    assert ran.returncode == 0, ran.stderr
    ran = command("build_elements", **build_options(genome, tmp_path / "loci.tsv"), outdir=tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("elements.bed.gz", "elements.bed.gz.tbi", "elements.parquet")
    ]
    table = read_table(tmp_path / "out" / "elements.parquet", ELEMENTS)
    with pysam.TabixFile(str(tmp_path / "out" / "elements.bed.gz")) as bed:
        rows = [row.split("\t") for contig in bed.contigs for row in bed.fetch(contig)]
    assert sorted(row[3] for row in rows) == sorted(table["element"])
    assert "29 elements in 3 loci" in ran.stderr


def test_a_bad_command_line_is_exit_two():
    ran = command("prepare_loci", bogus=1)
    assert ran.returncode == 2
    assert "No such option" in ran.stderr


def test_loci_fit_their_schema(loci):
    assert read_table(loci, LOCI)["locus"].tolist() == list(toy.TSS)


def test_equal_input_gives_equal_bytes_wherever_it_lies(genome, loci, tmp_path):
    for name in ("a", "b"):
        assert run_script("build_elements", **build_options(genome, loci), outdir=tmp_path / name).code == 0
    for file in ("elements.parquet", "elements.bed.gz", "elements.bed.gz.tbi"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    parameters = read_provenance(tmp_path / "a" / "elements.parquet")["parameters"]
    assert parameters["fasta"] == "genome.fa.gz"


def test_contig_names_without_chr_give_the_same_elements(genome, loci, tmp_path):
    plain = {name.removeprefix("chr"): sequence for name, sequence in toy.toy_sequences().items()}
    fasta = toy.write_fasta(tmp_path / "plain.fa", plain)
    out = tmp_path / "loci.tsv"
    ran = run_script("prepare_loci", **prepare_options(genome, fasta=fasta), out=out)
    assert ran.code == 0
    assert "chr1 -> 1" in ran.err
    ran = run_script("build_elements", **build_options(genome, out, fasta=fasta), outdir=tmp_path / "plain")
    assert ran.code == 0, ran.err
    assert run_script("build_elements", **build_options(genome, loci), outdir=tmp_path / "chr").code == 0
    ours = read_table(tmp_path / "plain" / "elements.parquet", ELEMENTS)
    theirs = read_table(tmp_path / "chr" / "elements.parquet", ELEMENTS)
    assert set(ours["chrom"]) == {"1", "2", "3"}
    pd.testing.assert_frame_equal(ours.drop(columns=["element", "chrom"]), theirs.drop(columns=["element", "chrom"]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gene\nALPHO\n", "the gene 'ALPHO' is not in the GTF"),
        ("locus,gene\na,ALPHA\na,BETA\n", "the locus 'a' is listed twice"),
        ("gene,chrom,tss,strand\nX,chr2,18000,+\n", "has its TSS at chr2:18000, outside the contig"),
        ("gene,chrom,tss,strand\nX,chr7,18000,+\n", "names the contig 'chr7'"),
        ("", "is empty"),
    ],
)
def test_faulty_loci_stop_the_run(genome, tmp_path, text, message):
    listed = toy.write_text(tmp_path / "loci.csv", text)
    ran = run_script("prepare_loci", **prepare_options(genome, loci=listed), out=tmp_path / "out" / "loci.tsv")
    assert_told_and_nothing_left(ran, message, tmp_path / "out")


def test_with_a_place_for_failures_the_other_loci_go_on(genome, tmp_path):
    listed = toy.write_text(tmp_path / "loci.csv", "locus,gene\na,ALPHA\nb,NOSUCH\n")
    failed = tmp_path / "failed_loci.tsv"
    ran = run_script("prepare_loci", **prepare_options(genome, loci=listed), out=tmp_path / "loci.tsv", failed=failed)
    assert ran.code == 0
    assert "warning: left out" in ran.err
    assert read_table(tmp_path / "loci.tsv", LOCI)["locus"].tolist() == ["a"]
    told = pd.read_csv(failed, sep="\t")
    assert told[["locus", "gene", "stage"]].to_numpy().tolist() == [["b", "NOSUCH", "prepare_loci"]]
    assert "not in the GTF" in told["reason"][0]


def test_with_no_locus_left_the_run_stops_all_the_same(genome, tmp_path):
    listed = toy.write_text(tmp_path / "loci.csv", "gene\nNOSUCH\n")
    out = tmp_path / "out"
    ran = run_script(
        "prepare_loci", **prepare_options(genome, loci=listed), out=out / "loci.tsv", failed=out / "failed.tsv"
    )
    assert_told_and_nothing_left(ran, "NOSUCH", out)


def test_missing_index_is_made_unless_the_folder_cannot_be_written(genome, tmp_path, monkeypatch):
    fasta = tmp_path / "in" / "g.fa.gz"
    fasta.parent.mkdir()
    fasta.write_bytes(genome["fasta"].read_bytes())
    out = tmp_path / "out" / "loci.tsv"
    # A folder's mode does not bind root, so the answer about it is given here.
    ask = os.access
    monkeypatch.setattr(os, "access", lambda path, mode, **options: mode != os.W_OK and ask(path, mode, **options))
    ran = run_script("prepare_loci", **prepare_options(genome, fasta=fasta), out=out)
    assert_told_and_nothing_left(ran, f"samtools faidx {fasta}", out.parent)
    monkeypatch.undo()
    ran = run_script("prepare_loci", **prepare_options(genome, fasta=fasta), out=out)
    assert ran.code == 0
    assert "note: " in ran.err
    assert (tmp_path / "in" / "g.fa.gz.fai").is_file()


@pytest.mark.parametrize("name", ["fasta", "gtf", "regulatory", "repeats"])
def test_truncated_gzip_leaves_nothing_behind(genome, loci, tmp_path, name):
    data = genome[name].read_bytes()
    short = tmp_path / genome[name].name
    short.write_bytes(data[: len(data) // 2])
    ran = run_script("build_elements", **build_options(genome, loci, **{name: short}), outdir=tmp_path / "out")
    assert_told_and_nothing_left(ran, "truncated", tmp_path / "out")


@pytest.mark.parametrize("name", ["regulatory", "repeats", "conserved", "gtf"])
def test_empty_annotation_leaves_nothing_behind(genome, loci, tmp_path, name):
    empty = toy.write_text(tmp_path / "empty.bed", "# nothing\n")
    ran = run_script("build_elements", **build_options(genome, loci, **{name: empty}), outdir=tmp_path / "out")
    assert_told_and_nothing_left(ran, "empty.bed: has no record", tmp_path / "out")


def test_loci_of_another_reference_are_told(genome, loci, tmp_path):
    table = read_table(loci, LOCI)
    table.assign(end=table["end"] + 50_000).to_csv(tmp_path / "far.tsv", sep="\t", index=False)
    ran = run_script("build_elements", **build_options(genome, tmp_path / "far.tsv"), outdir=tmp_path / "out")
    assert ran.code == 2
    assert ran.err.count("leaves its contig") == 3


def test_an_element_of_n_only_is_kept(genome, loci, tmp_path):
    ran = run_script("build_elements", **build_options(genome, loci), outdir=tmp_path)
    assert "1 elements are N only" in ran.err
    table = read_table(tmp_path / "elements.parquet", ELEMENTS).set_index("element")
    blank = table.loc["ALPHA|chr1:15100-15400|cCRE"]
    assert blank["n_fraction"] == 1
    assert np.isnan(blank["gc"])


def test_a_locus_without_element_is_reported_and_the_others_stay(genome, loci, tmp_path):
    bare = pd.DataFrame([["bare", "BARE", "chr1", 100, "+", 0, 500]], columns=LOCI.columns)
    both = pd.concat([read_table(loci, LOCI), bare])
    both.to_csv(tmp_path / "loci.tsv", sep="\t", index=False)
    options = build_options(genome, tmp_path / "loci.tsv")
    ran = run_script("build_elements", **options, outdir=tmp_path / "out", failed=tmp_path / "failed.tsv")
    assert ran.code == 0
    assert pd.read_csv(tmp_path / "failed.tsv", sep="\t")["locus"].tolist() == ["bare"]
    assert "29 elements in 3 loci" in ran.err


@pytest.mark.parametrize("script", ["prepare_loci", "build_elements", "check_inputs"])
def test_help_has_an_example_and_version_is_shown(script):
    ran = run_script(script, "--help")
    assert ran.code == 0
    assert "Example:" in ran.out
    ran = run_script(script, "--version")
    assert (ran.code, ran.out[:12]) == (0, "darkregulome")
