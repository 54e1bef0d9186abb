"""Faults in the middle of a run that scores variants: afterwards the results are byte for byte the undisturbed ones."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fake_hub import REPO, REVISION, FakeHub, serve
from fault_runner import STOP_IN_A_FORWARD, Faults, cached, options, results, started, succeed, wait_for, work_of
from pipeline_runner import ROOT, Project, Run, copy_project, make_models

pytestmark = [pytest.mark.pipeline, pytest.mark.heavy]

# A task that scores finds the disk full.
FULL = """
process {
    withName: 'SCORE_VARIANTS' {
        beforeScript = 'PATH="VENV:$PATH"; [ ! -e $FILLER ] || dd if=/dev/zero of=$FILLER bs=4k 2>/dev/null || true'
    }
}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("faults") / "project"
    folder.mkdir()
    bases = "".join(np.random.default_rng(0).choice(list("ACGT"), 400))
    (folder / "genome.fa").write_text(f">chr1\n{bases}\n")
    rows = "".join(f"chr1\t{at + 1}\tv{at}\t{bases[at]}\t{'AC'[bases[at] == 'A']}\t.\t.\t.\n" for at in range(50, 350))
    (folder / "in.vcf").write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + rows)
    return copy_project(folder, folder, {"demo-hyena": make_models(folder)["demo-hyena"]})


def words_of(project: Project, name: str, work: Path | None = None, **other: str) -> list[str]:
    """A run of three scoring tasks, with its own work folder."""
    given = {"workflow": "variants", "variants": "in.vcf", "fasta": "genome.fa", "shards": "3", "window": "64"}
    given |= {"models": "demo-hyena", "weights": f"demo-hyena={project.models['demo-hyena']}"}
    return options(project, name, given | {"variants_format": "parquet", **other}, work)


@pytest.fixture(scope="module")
def undisturbed(project: Project) -> dict[str, str]:
    found = results(succeed(project, words_of(project, "undisturbed"), "undisturbed").outdir)
    assert "variants/demo-hyena.parquet" in found
    return found


def test_a_task_killed_by_force_is_run_again(project: Project, undisturbed: dict[str, str], tmp_path: Path):
    faults = Faults(tmp_path / "faults")
    faults.add(project, "score_variants.py", STOP_IN_A_FORWARD, condition="'2/3' in sys.argv")
    with started(project, words_of(project, "killed-task"), faults) as running:
        wait_for(faults.flag.exists, running, "a task scores")
        faults.kill_what_stopped()
        assert running.wait(timeout=300) == 0
    run = Run(0, "", project.folder / "killed-task")
    failed = [task for task in run.trace() if task["status"] == "FAILED"]
    assert [(task["process"], task["exit"]) for task in failed] == [("SCORE_VARIANTS", "137")]
    assert results(run.outdir) == undisturbed


def test_a_run_whose_nextflow_was_killed_by_force_goes_on(
    project: Project, undisturbed: dict[str, str], tmp_path: Path
):
    faults = Faults(tmp_path / "faults")
    faults.add(project, "score_variants.py", STOP_IN_A_FORWARD, condition="'2/3' in sys.argv")
    parts = work_of(project, "killed-nextflow")
    with started(project, words_of(project, "killed-nextflow"), faults) as running:
        wait_for(faults.flag.exists, running, "a part is being scored")
        wait_for(
            lambda: any(cached(project, part.parent) for part in parts.glob("*/*/demo-hyena.*.parquet")),
            running,
            "another part is finished, and known to be",
        )
        running.kill()
        running.wait()
        faults.kill_what_stopped()
    assert not (project.folder / "killed-nextflow" / "variants").exists()
    run = succeed(project, [*words_of(project, "killed-nextflow"), "-resume"], "killed-nextflow")
    tasks = run.trace()
    assert {task["process"] for task in tasks if task["status"] == "CACHED"} >= {"INDEX_FASTA", "SCORE_VARIANTS"}
    assert {task["status"] for task in tasks} == {"CACHED", "COMPLETED"}
    assert results(run.outdir) == undisturbed


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB, to be made larger."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here (needs root)")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_ends_the_run_and_room_lets_it_go_on(
    project: Project, undisturbed: dict[str, str], small_disk: Path
):
    (project.folder / "full.config").write_text(FULL.replace("VENV", str(ROOT / ".venv" / "bin")))
    words = ["-c", "full.config", *words_of(project, "full", small_disk / "work")]
    filler = small_disk / "filler"
    filler.touch()
    first = project.run(*words, outdir="full", defaults=False, FILLER=str(filler))
    assert first.status != 0, first.output
    assert not (first.outdir / "variants").exists()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    filler.unlink()
    again = project.run(*words, "-resume", outdir="full", defaults=False, FILLER=str(filler))
    assert again.status == 0, again.output
    assert "CACHED" in again.statuses()
    assert results(again.outdir) == undisturbed


def test_a_damaged_intermediate_is_told_with_its_remedy_and_made_again(project: Project, undisturbed: dict[str, str]):
    name = "damaged"
    words = words_of(project, name)
    succeed(project, words, name)
    part = next(path for path in work_of(project, name).glob("*/*/demo-hyena.2.parquet") if not path.is_symlink())
    data = part.read_bytes()
    part.write_bytes(data[: len(data) // 2])
    shutil.rmtree(project.folder / name / "variants")
    run = project.run(*words, "-resume", outdir=name, defaults=False)
    # What was damaged is no longer what the next stage had read, so that stage is run again, and says it.
    assert run.status != 0
    assert "demo-hyena.2.parquet: cannot be read (Parquet magic bytes not found" in run.output
    told = re.search(r"delete (\S+), and run again with -resume", run.output)
    assert told is not None, run.output
    assert Path(told[1]) == part.parent
    shutil.rmtree(told[1])
    assert results(succeed(project, [*words, "-resume"], name).outdir) == undisturbed


def test_a_hung_download_ends_the_run_in_a_sentence_and_a_live_hub_lets_it_go_on(project: Project, tmp_path: Path):
    registry = tmp_path / "models.yml"
    entry = {"kind": "causal", "architecture": "hyenadna", "context": 128, "repo": REPO, "revision": REVISION}
    registry.write_text(json.dumps({"models": {"from-hub": entry}}))
    files = {path.name: path.read_bytes() for path in project.models["demo-hyena"].iterdir()}
    (tmp_path / "patience.config").write_text("process { withName: 'FETCH_WEIGHTS' { ext.args = '--timeout 1' } }\n")
    other = {"models": "from-hub", "weights": "", "registry": str(registry), "shards": "1"}
    impatient = ["-c", str(tmp_path / "patience.config")]

    def run(name: str, hub: FakeHub, *words: str) -> Run:
        given = words_of(project, name, weights_cache=str(tmp_path / f"cache-{name}"), **other)
        return project.run(*impatient, *given, *words, outdir=name, defaults=False, HF_ENDPOINT=hub.endpoint)

    with serve(FakeHub(files)) as hub:
        whole = run("whole", hub)
        assert whole.status == 0, whole.output
        hub.stall["model.safetensors"] = 100
        hung = run("hung", hub)
        assert hung.status != 0
        assert f"{REPO}@{REVISION[:12]} could not be fetched" in hung.output or (
            f"{REPO}@{REVISION[:12]}: could not be fetched" in hung.output
        ), hung.output
        assert "timed out" in hung.output
        assert "Traceback" not in hung.output
        assert not (hung.outdir / "variants").exists()
        hub.stall.clear()
        again = run("hung", hub, "-resume")
    assert again.status == 0, again.output
    assert "CACHED" in again.statuses()
    assert results(again.outdir) == results(whole.outdir)
