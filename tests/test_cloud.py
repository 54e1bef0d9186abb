"""The profiles of the clouds: what they ask for, and a run with each of them on a local executor, as stubs."""

from pathlib import Path

import pytest

from pipeline_runner import ROOT, Project, demo_project, nextflow

pytestmark = pytest.mark.pipeline

EXECUTORS = {"awsbatch": "awsbatch", "googlebatch": "google-batch", "azurebatch": "azurebatch", "k8s": "k8s"}
OPTIONS = {
    "awsbatch": ["--cluster_queue", "cpu-spot", "--gpu_queue", "gpu-spot", "--cloud_region", "eu-central-1"],
    "googlebatch": ["--cloud_project", "project", "--cloud_region", "europe-west4", "--gpu_machine", "a3-highgpu-1g"],
    "azurebatch": ["--cloud_region", "westeurope", "--gpu_machine", "Standard_NC40ads_H100_v5"],
    "k8s": ["--k8s_claim", "results"],
}
# Spot machines that are taken back, and what carries on.
AGAIN = {
    "awsbatch": "aws.batch.maxSpotAttempts = 5",
    "googlebatch": "google.batch.maxSpotAttempts = 5",
    "azurebatch": "azure.batch.pools.gpu.lowPriority = true",
    "k8s": "k8s.maxErrorRetry = 4",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return demo_project(tmp_path_factory.mktemp("cloud"))


@pytest.mark.parametrize("profile", EXECUTORS)
def test_a_cloud_has_its_executor_retries_and_accelerators(profile: str):
    status, output = nextflow("config", ".", "-profile", f"{profile},gpu", "-flat", cwd=ROOT)
    assert status == 0, output
    assert f"process.executor = '{EXECUTORS[profile]}'" in output
    assert AGAIN[profile] in output
    assert "'withLabel:process_gpu'.accelerator = " in output


@pytest.mark.parametrize("profile", EXECUTORS)
def test_a_cloud_has_its_page(profile: str):
    names = {"awsbatch": "aws", "googlebatch": "google", "azurebatch": "azure", "k8s": "kubernetes"}
    text = (ROOT / "docs" / "cloud" / f"{names[profile]}.md").read_text()
    assert f"-profile {profile},gpu" in text
    assert "--price-per-hour" in text


@pytest.mark.heavy
@pytest.mark.parametrize("profile", EXECUTORS)
def test_a_run_with_stubs_passes_under_a_clouds_profile(profile: str, project: Project, tmp_path: Path):
    words = ["-stub-run", "-process.executor=local", "-w", str(tmp_path / "work"), "--max_cpus", "1", *OPTIONS[profile]]
    run = project.run(*words, outdir=f"out-{profile}", profile=f"test,{profile},gpu")
    assert run.status == 0, run.output
    assert run.statuses() == {"COMPLETED"}
    # Asked for by label, whatever the executor makes of it.
    scoring = [Path(task["workdir"]) for task in run.trace() if task["process"] == "SCORE_ELEMENTS"]
    assert scoring
