"""Faults under a single script: what it says, what it leaves behind, and that the next try gives the same bytes."""

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch

import toy
from bad_input_corpus import make_world, snapshot, write_bigwig
from darkregulome.edits import batches
from darkregulome.errors import InputError
from darkregulome.io.tables import read_table, write_table
from darkregulome.models import hub
from darkregulome.models.registry import ModelEntry
from darkregulome.scoring import elements as engine
from darkregulome.scoring.chunks import ChunkStore
from fake_hub import REPO, REVISION, FakeHub, serve
from pipeline_runner import ROOT
from script_runner import run_script

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


def score_words(world: Path, folder: Path) -> list[str]:
    """A command line that scores the world's elements by a model of random weights."""
    given = {"elements": world / "elements.parquet", "fasta": world / "genome.fa.gz", "loci": world / "loci.tsv"}
    given |= {"model": "demo-hyena", "weights": world / "demo-hyena", "window": 64, "sites": 1, "device": "cpu"}
    given |= {"out": folder / "effects.parquet", "reference-out": folder / "reference.parquet"}
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]


def score(world: Path, folder: Path) -> pd.DataFrame:
    """Effects of the world's elements."""
    ran = run_script("score_elements", "--no-progress", *score_words(world, folder))
    assert ran.code == 0, ran.err
    return pd.read_parquet(folder / "effects.parquet")


def test_a_device_whose_memory_runs_out_gives_the_same_effects(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    undisturbed = score(world, tmp_path / "whole")
    refused = []
    fits = batches.fits

    def narrow(run, batch):
        def fail(_batch):
            refused.append(len(_batch))
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

        return fits(fail if len(batch) > 3 else run, batch)

    monkeypatch.setattr(batches, "fits", narrow)
    again = score(world, tmp_path / "narrow")
    assert refused
    assert min(refused) > 3
    keys = [name for name in again.columns if name != "effect"]
    pd.testing.assert_frame_equal(again[keys], undisturbed[keys])
    # The same to rounding: a matrix product of three rows need not add in the order of one of eight.
    pd.testing.assert_series_equal(again["effect"], undisturbed["effect"], rtol=0, atol=1e-5)


KILL_ITSELF = """
import os, runpy, signal, sys
from pathlib import Path
script, name = sys.argv[1], sys.argv[2]
sys.path.insert(0, os.path.dirname(script))
from darkregulome.io import tables
from darkregulome.scoring import elements as engine
engine.ELEMENTS_PER_CHUNK = 2
write_table = tables.write_table
def write_and_die(frame, path, *given):
    write_table(frame, path, *given)
    if Path(path).name == name:
        os.kill(os.getpid(), signal.SIGKILL)
tables.write_table = write_and_die
sys.argv = [script, *sys.argv[3:]]
runpy.run_path(script, run_name="__main__")
"""
"""kill -9 as soon as a file of this name is written."""


def test_scoring_that_is_killed_twice_goes_on_where_it_was_and_ends_in_the_same_bytes(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A causal model, whose edits run from where they change the reference on: its references are made again."""
    monkeypatch.setattr(engine, "ELEMENTS_PER_CHUNK", 2)
    score(world, tmp_path / "whole")
    expected = snapshot(tmp_path / "whole")
    finished = []
    save = ChunkStore.save
    monkeypatch.setattr(ChunkStore, "save", lambda self, *given: (finished.append(given[0]), save(self, *given)))
    score(world, tmp_path / "counted")
    last = finished[-1]
    assert last >= 3
    finished.clear()

    out = tmp_path / "killed"
    # In the middle of the second chunk, whose effects are written and whose reference is not; then after the last one.
    for name, kept in (("000001.effects.parquet", 1), (f"{last:06d}.reference.parquet", last + 1)):
        words = [str(ROOT / "bin" / "score_elements.py"), name, "--no-progress", *score_words(world, out)]
        done = subprocess.run([sys.executable, "-c", KILL_ITSELF, *words], capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert len(list(out.glob(".effects.parquet.*.chunks/*.reference.parquet"))) == kept
        assert not (out / "effects.parquet").exists()
    assert "1 finished chunks of an interrupted run are taken" in done.stderr
    score(world, out)
    assert finished == []
    left = snapshot(out)
    assert {Path(name).name: data for name, data in left.items()} == {
        Path(name).name: data for name, data in expected.items()
    }


@pytest.mark.parametrize("script", ["pool_ris", "build_elements", "gather"])
def test_a_disk_without_room_is_said_and_leaves_nothing_behind(script: str, world: Path, tmp_path: Path):
    if script == "gather":
        toy.write_text(tmp_path / "1.tsv", "chrom\tpos\n" + "chr1\t1\n" * 2000)
    given = {
        "pool_ris": "--elements elements.parquet --effects effects.parquet --reference reference.parquet --outdir",
        "build_elements": "--loci loci.tsv --fasta genome.fa.gz --gtf genes.gtf.gz --repeats rmsk.txt.gz --outdir",
        "gather": f"variants {tmp_path}/1.tsv --out",
    }[script].split()
    out = tmp_path / "out"
    out.mkdir()
    (out / "earlier.txt").write_text("an earlier result\n")
    before = snapshot(out)
    # No file may be larger than this: what a full disk or a quota does, without needing one.
    done = subprocess.run(
        [sys.executable, str(ROOT / "bin" / f"{script}.py"), *given, str(out / "all.tsv" if "--out" in given else out)],
        cwd=world,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("error: ") == 1
    assert "File too large; free some space, raise the quota or the limit (ulimit -f)" in done.stderr
    left = snapshot(out)
    # What was finished before may stay, whole; of the file that did not fit there is nothing.
    assert {name: left[name] for name in before} == before
    assert not [
        name for name in left if "partial" in name or name.endswith(("ris.parquet", "elements.bed.gz", "all.tsv"))
    ]


def test_a_bigwig_that_lacks_a_chromosome_is_noted_and_the_whole_one_gives_the_same_again(world: Path, tmp_path: Path):
    def check(bigwig: Path, out: Path):
        given = {"elements": world / "elements.parquet", "ris": world / "ris.parquet", "bigwig": bigwig}
        return run_script("cross_check", "conservation", **given, outdir=out, permutations=99, seed=1)

    lacking = tmp_path / "lacking" / "phylop.bw"
    lacking.parent.mkdir()
    write_bigwig(lacking, {name: length for name, length in toy.LENGTHS.items() if name != "chr2"})
    assert check(world / "phylop.bw", tmp_path / "whole").code == 0
    ran = check(lacking, tmp_path / "again")
    assert ran.code == 0
    assert "The bigWig lacks chr2" in ran.err
    assert check(world / "phylop.bw", tmp_path / "again").code == 0
    whole, again = snapshot(tmp_path / "whole"), snapshot(tmp_path / "again")
    assert {Path(name).name: data for name, data in whole.items()} == {
        Path(name).name: data for name, data in again.items()
    }


@pytest.mark.parametrize("name", ["effects.parquet", "part.tsv.gz"])
def test_a_damaged_table_is_told_with_the_folder_of_the_task_that_made_it(name: str, tmp_path: Path):
    task, staged = tmp_path / "work" / "ab" / "cdef", tmp_path / "work" / "12" / "3456" / "inputs"
    (task / "made").mkdir(parents=True)
    staged.mkdir(parents=True)
    write_table(pd.DataFrame({"a": range(1000)}), task / "made" / name)
    (task / "made" / name).write_bytes((task / "made" / name).read_bytes()[:-20])
    (staged / name).symlink_to(task / "made" / name)
    with pytest.raises(InputError) as usual:
        read_table(staged / name)
    assert "delete" not in str(usual.value)
    (task / ".command.run").touch()
    with pytest.raises(InputError) as told:
        read_table(staged / name)
    assert str(told.value).startswith(str(staged / name))
    assert f"delete {task}, and run again with -resume" in str(told.value)


def test_a_download_that_hangs_ends_in_a_sentence_and_the_next_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)  # the client waits longer and longer between its tries
    golden = ROOT / "tests" / "golden" / "caduceus_ph"
    files = {name: (golden / name).read_bytes() for name in ("config.json", "model.safetensors")}
    entry = ModelEntry(kind="masked", architecture="caduceus", repo=REPO, revision=REVISION)
    with serve(FakeHub(files)) as remote:
        remote.stall["model.safetensors"] = 100
        with pytest.raises(InputError, match=r"could not be fetched .*timed out"):
            hub.fetch(entry, tmp_path, endpoint=remote.endpoint, timeout=0.2)
        remote.stall.clear()
        folder = hub.fetch(entry, tmp_path, endpoint=remote.endpoint, timeout=60)
    assert {name: (folder / name).read_bytes() for name in files} == files
