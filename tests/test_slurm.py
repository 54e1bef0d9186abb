"""The pipeline as jobs of a real SLURM: one node, two GPUs that are none, its own daemons.

The jobs do their work for real. What is tested is how they are asked for, placed, killed, repeated and cancelled.
"""

import csv
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import slurm_cluster
from pipeline_runner import MODELS, ROOT, Project, Run, demo_project, nextflow_environment
from slurm_cluster import Cluster, running_cluster, wait_until

pytestmark = [pytest.mark.pipeline, pytest.mark.heavy]

# Quick polling, for one node; each task says which GPU it sees; pooling needs more than it asks for, once.
CONFIG = """
executor {
    pollInterval = '1 sec'
    queueStatInterval = '1 sec'
    submitRateLimit = '10/1sec'
    exitReadTimeout = '10 sec'
}
process {
    beforeScript = "export PATH=\\"VENV:\\$PATH\\"; echo \\${CUDA_VISIBLE_DEVICES:-none} > visible_gpus"
    withName: '.*:SCORE_ELEMENTS' {
        array = 2
    }
    withName: '.*:POOL_RIS' {
        memory = { 400.MB * task.attempt * task.attempt }
        beforeScript = { "export PATH=\\"VENV:\\$PATH\\"; " +
            (task.attempt == 1 ? "python3 -c 'import time; held = bytearray(1000000000); time.sleep(30)'" : '') }
    }
}
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if why := slurm_cluster.missing():
        pytest.skip(f"no SLURM: {why}")
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = demo_project(tmp_path_factory.mktemp("slurm"))
    (project.folder / "cluster.config").write_text(CONFIG.replace("VENV", str(ROOT / ".venv" / "bin")))
    return project


# The node has two CPUs; the profile allows 64.
OPTIONS = ("-c", "cluster.config", "--device", "cpu", "--max_cpus", "1")
PROFILE = "test,slurm,gpu"


@pytest.fixture(scope="module")
def finished(cluster: Cluster, project: Project) -> Run:
    """A run that starts while the node is drained, and goes on when it is resumed."""
    cluster.ask("scontrol", "update", f"nodename={cluster.node}", "state=drain", "reason=test")
    waited: list[str] = []

    def resume() -> None:
        wait_until(lambda: bool(cluster.jobs("PENDING")), 300, "a job waits for the node")
        waited.extend(cluster.jobs("PENDING"))
        cluster.ask("scontrol", "update", f"nodename={cluster.node}", "state=resume")

    thread = threading.Thread(target=resume)
    thread.start()
    try:
        run = project.run("--loci_per_task", "3", *OPTIONS, outdir="out", profile=PROFILE, **cluster.environment)
    finally:
        thread.join()
    assert waited, "no job waited for the drained node"
    assert run.status == 0, run.output
    return run


def work_of(run: Run, process: str) -> list[tuple[dict[str, str], Path]]:
    """The tasks of a process, each with its work folder."""
    with open(run.outdir / "pipeline_info" / "trace.txt", newline="") as handle:
        rows = [row for row in csv.DictReader(handle, delimiter="\t") if row["process"].endswith(process)]
    return [(row, Path(row["workdir"])) for row in rows]


def test_a_run_survives_a_drained_node_and_ends_with_a_report(finished: Run):
    assert (finished.outdir / "report" / "report.html").stat().st_size > 100_000
    ris = pd.read_parquet(finished.outdir / "ris" / "ris.parquet")
    assert (ris["status"] == "ok").groupby(ris["model"]).sum().gt(50).sum() == len(MODELS)
    assert len(work_of(finished, ":SCORE_ELEMENTS")) == len(MODELS)


def test_scoring_jobs_get_one_gpu_each_and_others_none(finished: Run):
    for _row, work in work_of(finished, ":SCORE_ELEMENTS"):
        assert "#SBATCH --gres=gpu:1" in (work / ".command.run").read_text()
        assert (work / "visible_gpus").read_text().strip() in {"0", "1"}
    for _row, work in work_of(finished, ":DIAGNOSE"):
        assert "--gres" not in (work / ".command.run").read_text()
        assert (work / "visible_gpus").read_text().strip() == "none"


def test_scoring_jobs_are_submitted_as_arrays(finished: Run):
    # 7_0, 7_1: the job of the array, and the index in it.
    arrays: dict[str, set[str]] = {}
    for row, _work in work_of(finished, ":SCORE_ELEMENTS"):
        job, _, index = row["native_id"].partition("_")
        arrays.setdefault(job, set()).add(index)
    assert list(map(sorted, arrays.values())) == [["0", "1"]]


def test_a_job_killed_for_its_memory_is_retried_with_more(finished: Run):
    tasks = {row["attempt"]: (row, work) for row, work in work_of(finished, ":POOL_RIS")}
    first, second = tasks["1"], tasks["2"]
    assert first[0]["status"] == "FAILED"
    assert "#SBATCH --mem 400M" in (first[1] / ".command.run").read_text()
    assert "exceeded" in (first[1] / ".command.log").read_text().lower()
    assert second[0]["status"] == "COMPLETED"
    assert "#SBATCH --mem 1600M" in (second[1] / ".command.run").read_text()


def test_a_cancelled_run_leaves_no_job_behind(cluster: Cluster, project: Project):
    (project.folder / "sleep.config").write_text("process.beforeScript = 'sleep 600'\n")
    words = [*project.words("cancelled", PROFILE), *OPTIONS, "-c", "sleep.config"]
    running = subprocess.Popen(
        ["nextflow", "run", "main.nf", "-stub-run", *words],
        cwd=project.folder,
        env=nextflow_environment(**cluster.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: bool(cluster.jobs("RUNNING")), 300, "a job of the run starts")
        running.send_signal(signal.SIGINT)
        running.wait(timeout=300)
    finally:
        running.kill()
    assert running.returncode != 0
    wait_until(lambda: not cluster.jobs(), 180, "the jobs of the cancelled run end")
