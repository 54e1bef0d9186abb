"""Faults in the middle of the main job: afterwards the results are byte for byte those of an undisturbed run."""

import re
import shutil
from pathlib import Path

import numpy as np
import pyBigWig
import pytest

from fault_runner import (
    OUT_OF_MEMORY,
    STOP_AT_A_CHUNK,
    Faults,
    cached,
    options,
    results,
    session,
    started,
    succeed,
    wait_for,
    work_of,
)
from pipeline_runner import Project, Run, demo_project

pytestmark = [pytest.mark.pipeline, pytest.mark.heavy]

MODEL = "demo-hyena"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return demo_project(tmp_path_factory.mktemp("faults"), [MODEL])


def words_of(project: Project, name: str, work: str = "", **other: str) -> list[str]:
    """A run in two scoring tasks, of two loci and of one, with a work folder of its own or that of the run `work`."""
    inputs = {"loci": "loci.csv", "fasta": "genome.fa.gz", "gtf": "genes.gtf.gz", "regulatory": "regulatory.bed.gz"}
    inputs |= {"repeats": "rmsk.txt.gz", "class_map": "class_map.csv", "conservation": "phylop.bw"}
    given = {key: str(project.genome / file) for key, file in inputs.items()}
    given |= {"models": MODEL, "weights": f"{MODEL}={project.models[MODEL]}", "sites": "1", "loci_per_task": "2"}
    given |= {"flank": "12000", "permutations": "99", **other}
    return options(project, name, given, work_of(project, work or name))


@pytest.fixture(scope="module")
def finished(project: Project) -> Run:
    return succeed(project, words_of(project, "undisturbed"), "undisturbed")


@pytest.fixture(scope="module")
def undisturbed(finished: Run) -> dict[str, str]:
    found = results(finished.outdir)
    assert {"ris/ris.parquet", "diagnosis/diagnosis.json", f"effects/locus3.{MODEL}.effects.parquet"} <= set(found)
    return found


def test_the_next_attempt_of_a_killed_scoring_task_takes_the_chunks_that_were_finished(
    project: Project, undisturbed: dict[str, str], tmp_path: Path
):
    faults = Faults(tmp_path / "faults")
    faults.add(project, "score_elements.py", STOP_AT_A_CHUNK, number=0)
    words = words_of(project, "killed-task", chunks_dir=str(tmp_path / "chunks"))
    with started(project, words, faults) as running:
        wait_for(faults.flag.exists, running, "a chunk of the scoring is finished")
        faults.kill_what_stopped()
        assert running.wait(timeout=300) == 0
    run = Run(0, "", project.folder / "killed-task")
    attempts = [task for task in run.trace() if task["process"] == "SCORE_ELEMENTS" and task["status"] == "FAILED"]
    assert [(task["exit"], task["attempt"]) for task in attempts] == [("137", "1")]
    tag = attempts[0]["tag"]
    (second,) = (task for task in run.trace() if task["tag"] == tag and task["attempt"] == "2")
    said = (Path(second["workdir"]) / ".command.err").read_text()
    assert "1 finished chunks of an interrupted run are taken as they are" in said
    assert results(run.outdir) == undisturbed
    assert list((tmp_path / "chunks").iterdir()) == []


def test_a_run_whose_nextflow_was_killed_goes_on_and_makes_a_damaged_chunk_again(
    project: Project, undisturbed: dict[str, str], tmp_path: Path
):
    faults = Faults(tmp_path / "faults")
    faults.add(project, "score_elements.py", STOP_AT_A_CHUNK, number=1)
    words = words_of(project, "killed-nextflow", chunks_dir=str(tmp_path / "chunks"))
    tasks = work_of(project, "killed-nextflow")
    with started(project, words, faults) as running:
        wait_for(faults.flag.exists, running, "two chunks of the scoring are finished")
        other = f"*/*/locus3.{MODEL}.reference.parquet"
        wait_for(lambda: any(cached(project, made.parent) for made in tasks.glob(other)), running, "locus3 is scored")
        running.kill()
        running.wait()
        faults.kill_what_stopped()
    assert not (project.folder / "killed-nextflow" / "ris").exists()
    chunks = sorted((tmp_path / "chunks").glob(".*/*.parquet"))
    assert len(chunks) == 4
    chunks[0].write_bytes(chunks[0].read_bytes()[:100])
    run = succeed(project, [*words, "-resume"], "killed-nextflow")
    scored = {task["tag"]: task["status"] for task in run.trace() if task["process"] == "SCORE_ELEMENTS"}
    assert scored == {f"locus1..locus2 {MODEL}": "COMPLETED", f"locus3 {MODEL}": "CACHED"}
    assert results(run.outdir) == undisturbed


def test_a_device_that_somebody_else_fills_fails_its_loci_and_room_lets_them_be_scored(
    project: Project, undisturbed: dict[str, str], tmp_path: Path
):
    """Where not one window fits; that smaller batches give the same effects is in test_faults_in_scripts.py."""
    full = tmp_path / "full"
    full.touch()
    faults = Faults(tmp_path / "faults")
    faults.add(project, "score_elements.py", OUT_OF_MEMORY, condition="'locus3' in sys.argv", full=str(full))
    # One locus is lost, and said to be; the others are judged.
    run = succeed(project, ["-c", str(faults.config), *words_of(project, "full")], "full")
    sizes = [int(size) for size in full.read_text().split()]
    assert sizes[0] > sizes[-1] == 1
    (failed,) = (task for task in run.trace() if task["status"] == "FAILED")
    said = (Path(failed["workdir"]) / ".command.err").read_text()
    assert "one window does not fit into memory" in said
    assert "Traceback" not in said
    assert f"locus3\t{MODEL}" in (run.outdir / "report" / "failed_scores.tsv").read_text()
    full.unlink()
    # Into another folder: what was said of the lost locus stays in that of the first run.
    words = ["-c", str(faults.config), *words_of(project, "room", work="full"), "-resume"]
    again = succeed(project, words, "room")
    scored = {task["tag"]: task["status"] for task in again.trace() if task["process"] == "SCORE_ELEMENTS"}
    assert scored == {f"locus1..locus2 {MODEL}": "CACHED", f"locus3 {MODEL}": "COMPLETED"}
    assert results(again.outdir) == undisturbed


def test_a_bigwig_without_a_chromosome_is_said_and_the_whole_one_gives_the_undisturbed_results(
    project: Project, finished: Run, undisturbed: dict[str, str], tmp_path: Path
):
    bigwig = tmp_path / "phylop.bw"
    whole = (project.genome / "phylop.bw").read_bytes()
    lost = without_last_chromosome(project.genome / "phylop.bw", bigwig)
    words = words_of(project, "lacking", work="undisturbed", conservation=str(bigwig))
    run = succeed(project, [*words, "-resume", session(project, finished)], "lacking")
    assert "SCORE_ELEMENTS" in {task["process"] for task in run.trace() if task["status"] == "CACHED"}
    check = (run.outdir / "cross_checks" / "cross_check_conservation.json").read_text()
    assert f"lacks {lost}" in check
    bigwig.write_bytes(whole)
    assert results(succeed(project, [*words, "-resume"], "lacking").outdir) == undisturbed


def without_last_chromosome(source: Path, out: Path) -> str:
    """Copy a bigWig but for one chromosome, and return its name."""
    with pyBigWig.open(str(source)) as given, pyBigWig.open(str(out), "w") as made:
        *kept, lost = given.chroms()
        made.addHeader([(name, given.chroms(name)) for name in kept])
        for name in kept:
            values = np.array(given.values(name, 0, given.chroms(name)))
            at = np.flatnonzero(~np.isnan(values))
            made.addEntries([name] * len(at), at.tolist(), ends=(at + 1).tolist(), values=values[at].tolist())
    return lost


def test_damaged_effects_are_told_with_their_remedy_and_made_again(
    project: Project, finished: Run, undisturbed: dict[str, str]
):
    name = f"locus3.{MODEL}.effects.parquet"
    part = next(path for path in work_of(project, "undisturbed").glob(f"*/*/{name}") if not path.is_symlink())
    part.write_bytes(part.read_bytes()[:-20])
    words = words_of(project, "damaged", work="undisturbed")
    run = project.run(*words, "-resume", session(project, finished), outdir="damaged", defaults=False)
    # Nextflow takes the finished task as it is; the next stage, whose input has changed, is run again, and says it.
    assert run.status != 0
    assert f"{name}: cannot be read" in run.output
    told = re.search(r"delete (\S+), and run again with -resume", run.output)
    assert told is not None, run.output
    assert Path(told[1]) == part.parent
    shutil.rmtree(told[1])
    again = succeed(project, [*words, "-resume"], "damaged")
    assert results(again.outdir) == undisturbed
