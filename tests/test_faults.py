"""Faults in the middle of a run: after each, the results are byte for byte those of an undisturbed run."""

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline_runner import ROOT, Project, Run, copy_project, make_models, nextflow_environment

pytestmark = [pytest.mark.pipeline, pytest.mark.heavy]

# What says when something was made.
DATED = ("pipeline_info/", "report/report.html", "report/report_data/multiqc", "ro-crate-metadata.json")

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


def options(project: Project, name: str, folder: str | None = None) -> list[str]:
    """A run with its own work folder; no two of its tasks at once, so that there is a middle of it."""
    given = {"workflow": "variants", "variants": "in.vcf", "fasta": "genome.fa", "shards": "3", "window": "64"}
    given |= {"models": "demo-hyena", "weights": f"demo-hyena={project.models['demo-hyena']}"}
    given |= {"variants_format": "parquet", "max_cpus": "1", "max_memory": "2.GB", "outdir": name}
    return [
        *(word for key, value in given.items() for word in (f"--{key}", value)),
        "-w",
        folder or work(project, name),
    ]


def work(project: Project, name: str) -> str:
    return str(project.folder / f"work-{name}")


@pytest.fixture(scope="module")
def undisturbed(project: Project) -> dict[str, str]:
    run = project.run(*options(project, "undisturbed"), outdir="undisturbed", defaults=False)
    assert run.status == 0, run.output
    found = results(run.outdir)
    assert "variants/demo-hyena.parquet" in found
    return found


def results(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of the results, but of those that carry the time."""
    names = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in sorted(names.items())
        if not name.startswith(DATED)
    }


def resume(project: Project, name: str) -> Run:
    run = project.run(*options(project, name), "-resume", outdir=name, defaults=False)
    assert run.status == 0, run.output
    return run


def start(project: Project, name: str) -> subprocess.Popen[bytes]:
    """Nextflow in the background; it may be killed without its tasks."""
    return subprocess.Popen(
        ["nextflow", "run", "main.nf", *options(project, name)],
        cwd=project.folder,
        env=nextflow_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def scoring_processes(folder: str) -> list[int]:
    """The running Python processes of scoring tasks below a work folder."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            inside = os.readlink(process / "cwd").startswith(folder)
        except OSError:
            continue
        if inside and len(words) > 1 and words[1].endswith(b"score_variants.py") and b"--version" not in words:
            found.append(int(process.name))
    return found


def wait_for(condition: Callable[[], object], running: subprocess.Popen[bytes], what: str) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert running.poll() is None, f"the run ended before {what}"
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.05)


def test_a_task_killed_by_force_is_run_again(project: Project, undisturbed: dict[str, str]):
    folder = work(project, "killed-task")
    running = start(project, "killed-task")
    wait_for(lambda: scoring_processes(folder), running, "a task scores")
    for process in scoring_processes(folder):
        os.kill(process, signal.SIGKILL)
    assert running.wait(timeout=300) == 0
    run = Run(0, "", project.folder / "killed-task")
    failed = [task for task in run.trace() if task["status"] == "FAILED"]
    assert {task["exit"] for task in failed} == {"137"}
    assert results(run.outdir) == undisturbed


def test_a_run_whose_nextflow_was_killed_by_force_goes_on(project: Project, undisturbed: dict[str, str]):
    folder = work(project, "killed-nextflow")
    running = start(project, "killed-nextflow")
    parts = Path(folder)
    wait_for(
        lambda: any((part.parent / ".exitcode").exists() for part in parts.glob("*/*/demo-hyena.*.parquet")),
        running,
        "a part is scored",
    )
    wait_for(lambda: scoring_processes(folder), running, "the next part is being scored")
    time.sleep(2)  # until Nextflow has seen the first one end, and while the next one is at work
    running.kill()
    running.wait()
    for process in scoring_processes(folder):
        os.kill(process, signal.SIGKILL)
    assert not (project.folder / "killed-nextflow" / "variants").exists()
    run = resume(project, "killed-nextflow")
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
    words = ["-c", "full.config", *options(project, "full", str(small_disk / "work"))]
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


def test_a_damaged_intermediate_is_told_and_made_again(project: Project, undisturbed: dict[str, str]):
    name = "damaged"
    assert project.run(*options(project, name), outdir=name, defaults=False).status == 0
    part = next(path for path in Path(work(project, name)).glob("*/*/demo-hyena.2.parquet") if not path.is_symlink())
    data = part.read_bytes()
    part.write_bytes(data[: len(data) // 2])
    shutil.rmtree(project.folder / name / "variants")
    run = project.run(*options(project, name), "-resume", outdir=name, defaults=False)
    # What was damaged is no longer what the next stage had read, so that stage is run again, and says it.
    assert run.status != 0
    assert "demo-hyena.2.parquet: cannot be read (Parquet magic bytes not found" in run.output
    shutil.rmtree(part.parent)
    assert results(resume(project, name).outdir) == undisturbed
