"""`--workflow pretrain`, run for real by Nextflow: a language model from a genome, and its report."""

import json

import numpy as np
import pytest

from pipeline_runner import Project, copy_project

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("learn") / "project"
    folder.mkdir()
    rng = np.random.default_rng(0)
    genome = "".join(f">chr{number}\n{''.join(rng.choice(list('ACGT'), 2000))}\n" for number in (1, 2))
    (folder / "genome.fa").write_text(genome)
    (folder / "gpn.json").write_text(json.dumps({"hidden_size": 8, "n_layers": 2, "kernel_size": 5}))
    return copy_project(folder, folder, {})


OPTIONS = [
    *("--workflow", "pretrain", "--fasta", "genome.fa", "--lm_architecture", "gpn", "--lm_config", "gpn.json"),
    *("--lm_name", "small", "--holdout", "chr2", "--training_steps", "4", "--training_window", "64"),
    *("--training_batch", "4", "--evaluate_every", "2", "--patience", "5", "--max_cpus", "1", "--max_memory", "2.GB"),
]


def test_a_language_model_is_trained_and_its_report_says_what_it_is_worth(project: Project):
    run = project.run(*OPTIONS, "--training_state", "states", "--outdir", "out", outdir="out", defaults=False)
    assert run.status == 0, run.output
    assert [task["process"] for task in run.trace()] == ["TRAIN_LM", "REPORT_SECTIONS", "MULTIQC"]
    folder = run.outdir / "models" / "small"
    card = json.loads((folder / "model_card.json").read_text())
    assert card["steps"] == 4
    assert (folder / "model.safetensors").is_file()
    report = (run.outdir / "report" / "report.html").read_text()
    assert card["verdict"] in report
    assert "Curves of the training" in report


@pytest.mark.heavy
def test_a_stub_run_goes_through_the_same_stages(project: Project):
    run = project.run(*OPTIONS, "-stub-run", "--outdir", "stub", outdir="stub", defaults=False)
    assert run.status == 0, run.output
    assert {task["process"] for task in run.trace()} == {"TRAIN_LM", "REPORT_SECTIONS", "MULTIQC"}
