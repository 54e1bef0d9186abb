"""The benchmark of Seq2Exp on real tracks: its inputs are what the data set says, and it runs end to end."""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
import pytest
import yaml

from darkregulome.genome.reference import Reference
from places import ROOT

SHARED = Path(os.environ.get("DARKREGULOME_SHARED", ROOT.parent / "shared")) / "data" / "bench"
SCRIPT = ROOT / "benchmarks" / "seq2exp_tracks.py"
GRID, LENGTH, WINDOW = 32, 4096, 256
STARTS = {"chr1": (1000, 90_000), "chr2": (5000,), "chr3": (0,)}


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("seq2exp_tracks", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A data set with CAGE of two samples and DNase, genes inside and outside its windows, and a known element."""
    folder, rng = tmp_path_factory.mktemp("tracks"), np.random.default_rng(0)
    windows = [(chrom, start) for chrom, starts in STARTS.items() for start in starts]
    records = [f">{c}:{s}-{s + LENGTH}\n{''.join(rng.choice(list('ACGT'), LENGTH))}\n" for c, s in windows]
    (folder / "sequences.fa.gz").write_text("".join(records))
    (folder / "windows.bed").write_text("".join(f"{c}\t{s}\t{s + LENGTH}\n" for c, s in windows))
    names = [("a+", "CAGE:x", 1), ("a-", "CAGE:x", 0), ("b+", "CAGE:x", 3), ("b-", "CAGE:x", 2), ("d", "DNASE:x", 4)]
    pd.DataFrame(names, columns=["identifier", "description", "strand_pair"]).to_csv(
        folder / "targets.tsv", sep="\t", index=False
    )
    targets = rng.random((len(windows), LENGTH // GRID, 5)).astype(np.float16)
    targets[:, 30:34, 4] = 20  # peaks
    np.savez_compressed(folder / "targets.npz", targets=targets)
    rows = [
        (f"{chrom}_{row}_{place}", "id", chrom.removeprefix("chr"), start + place + 1, "+-"[row % 2])
        for row, (chrom, start) in enumerate(windows)
        for place in (100, 1000, 1500, 2000, 2500, 3990)  # the first and the last are too near an end
    ]
    columns = ["gene_name", "gene_id", "chr_hg38", "tss_hg38", "strand_hg38"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "genes.tsv", sep="\t", index=False)
    (folder / "known.bed").write_text(
        f"chr1\t{1000 + 900}\t{1000 + 1100}\nchr1\t0\t50\nchr2\t{5000 + 1400}\t{5000 + 1530}\nchr9\t1\t9\n"
    )
    recipe = yaml.safe_load((ROOT / "benchmarks" / "seq2exp_tracks.yaml").read_text())
    recipe["model"] |= {"window": WINDOW}
    recipe["training"] |= {"steps": 2, "warm_up": 1, "validate_every": 1}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder, targets, windows


@pytest.fixture(scope="module")
def prepared(benchmark, world, tmp_path_factory):
    folder, inputs = world[0], tmp_path_factory.mktemp("inputs")
    options = argparse.Namespace(
        data=folder, genes=folder / "genes.tsv", ccres=[folder / "known.bed", folder / "known.bed"], dnase="^DNASE",
        cage="^CAGE", recipe=folder / "recipe.yaml",
    )  # fmt: skip
    return benchmark.prepare(options, inputs), inputs


def offset(benchmark, row):
    """Where window `row` lies in its contig, by counting."""
    return benchmark.SPACER if row != 1 else 2 * benchmark.SPACER + LENGTH


def test_windows_lie_in_one_contig_a_chromosome(benchmark, world, prepared):
    folder, _, windows = world
    texts = (folder / "sequences.fa.gz").read_text().split("\n")[1::2]
    with Reference(prepared[1] / "genome.fa") as genome:
        assert set(genome.lengths) == set(STARTS)
        for row, ((chrom, _), text) in enumerate(zip(windows, texts, strict=True)):
            at = offset(benchmark, row)
            assert genome.fetch(chrom, at, at + LENGTH) == text
            assert set(genome.fetch(chrom, at - benchmark.SPACER, at)) == {"N"}


def test_genes_keep_their_base_strand_and_counts(benchmark, world, prepared):
    _, targets, windows = world
    genes = prepared[0].set_index("gene")
    assert len(genes) == 4 * len(windows)
    for row, (chrom, _) in enumerate(windows):
        for place in (1000, 1500, 2000, 2500):
            gene = genes.loc[f"{chrom}_{row}_{place}"]
            assert (gene["chrom"], gene["tss"]) == (chrom, offset(benchmark, row) + place)
            assert gene["strand"] == "+-"[row % 2]
            bins = targets[row, place // GRID - 8 : place // GRID + 9].astype(float)
            counts = (bins[:, [row % 2, 2 + row % 2]] + 1) ** 2 - 1  # of sqrt(1 + count) - 1
            assert gene["expression"] == pytest.approx(counts.sum() / 2, rel=1e-5)


def test_signal_and_elements_lie_where_the_sequence_does(benchmark, world, prepared):
    _, targets, windows = world
    with pyBigWig.open(str(prepared[1] / "dnase.bw")) as signal:
        for row, (chrom, _) in enumerate(windows):
            at = offset(benchmark, row)
            found = signal.values(chrom, at, at + LENGTH, numpy=True)
            np.testing.assert_allclose(found, np.repeat(targets[row, :, 4], GRID), rtol=1e-3)
    elements = (prepared[1] / "ccres.bed").read_text().split()
    space = benchmark.SPACER
    assert elements == ["chr1", str(space + 900), str(space + 1100), "chr2", str(space + 1400), str(space + 1530)]


def test_baseline_line_finds_a_line_and_the_mean_does_not(benchmark, prepared):
    genes = prepared[0].assign(dnase=lambda table: table["expression"])
    assert benchmark.baseline(genes, 3, "dnase")["mse"] == pytest.approx(0, abs=1e-12)
    target = np.log10(genes["expression"] + 1)
    assert benchmark.baseline(genes, 3, None)["mse"] > 0.5 * target.var()


@pytest.mark.heavy
def test_benchmark_runs_from_windows_to_overlap(world, tmp_path):
    folder = world[0]
    out = tmp_path / "out"
    words = ["--data", folder, "--genes", folder / "genes.tsv", "--ccres", folder / "known.bed", "--dnase", "^DNASE"]
    words += ["--cage", "^CAGE", "--recipe", folder / "recipe.yaml", "--folds", 3, "--seeds", 1]
    words += ["--variants", "seq2exp-hard,peaks", "--out", out]
    subprocess.run([sys.executable, SCRIPT, *map(str, words)], check=True, stdout=subprocess.DEVNULL)
    found = json.loads((out / "summary.json").read_text())
    assert found["genes"] == 16
    assert [row["model"] for row in found["metrics"]["summary"]] == ["seq2exp-hard", "peaks"]
    assert found["overlap"]["results"][0]["what"] == found["overlap_of_signal"]["results"][0]["what"] == "cCREs"
    for name in ("mask.bw", "elements.bed.gz", "predictions.tsv", "overlap.json"):
        assert (out / "applied" / name).exists()


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is absent: no real tracks")
def test_real_tracks_become_inputs(benchmark, tmp_path):
    beds = [SHARED / "ccre" / f"{cell}-PLS-Overlap-Groups.bed.gz" for cell in ("K562", "GM12878")]
    options = argparse.Namespace(
        data=SHARED / "tracks_hg38", genes=SHARED / "genes" / "gene_tss_hg38_hg19.tsv.gz", ccres=beds,
        dnase="^DNASE:brain", cage="^CAGE:neuroblastoma", recipe=benchmark.RECIPE,
    )  # fmt: skip
    genes = benchmark.prepare(options, tmp_path)
    known = genes.set_index("gene")
    assert known.loc["TULP4", "genome_tss"] == 158_232_235  # chr6:158,232,236, GRCh38
    assert known.loc["TULP4", "expression"] > 50
    assert known.loc["NUTM2A", "expression"] == 0
    # Promoters that are open are transcribed: strands and places are right.
    assert np.corrcoef(np.log10(genes["expression"] + 1), np.log10(genes["dnase"] + 1))[0, 1] > 0.6
    # Known promoters lie on open chromatin, if the elements were moved with the windows.
    with pyBigWig.open(str(tmp_path / "dnase.bw")) as signal:
        lines = [line.split() for line in (tmp_path / "ccres.bed").read_text().splitlines()]
        inside = [signal.stats(chrom, int(start), int(end))[0] for chrom, start, end in lines]
        mean = signal.header()["sumData"] / signal.header()["nBasesCovered"]
    assert np.median(inside) > 10 * mean
