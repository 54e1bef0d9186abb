"""`--workflow seq2exp`, run for real by Nextflow: trainings fanned out, gathered, applied and reported."""

import json
from pathlib import Path

import pandas as pd
import pyBigWig
import pytest

from darkregulome.simulate.expression import simulate_expression
from darkregulome.simulate.writing import write_expression
from pipeline_runner import Project, copy_project

pytestmark = pytest.mark.pipeline

RECIPE = {
    "model": {
        **{"signals": ["dnase", "h3k27ac"], "log10_signals": [], "window": 1024, "d_model": 8, "n_layer": 1},
        **{"resolution": 32, "ssm_cfg": {"d_state": 4}, "stem_width": 9},
        "mask": {"kind": "hard", "centre": 64, "signal_betas": [1, 1], "signal_weights": [1, 1]},
    },
    "training": {"steps": 4, "batch": 4, "warm_up": 1, "validate_every": 2},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("seq2exp") / "project"
    folder.mkdir()
    write_expression(simulate_expression(seed=3, genes=12, window=1024, genes_per_contig=4), folder / "s")
    for name in RECIPE["model"]["signals"]:  # files of one name from several folders, as portals give them
        (folder / name).mkdir()
        (folder / "s" / f"{name}.bw").rename(folder / name / "signal.bw")
    (folder / "recipe.json").write_text(json.dumps(RECIPE))
    return copy_project(folder, folder, {})


OPTIONS = [
    *("--workflow", "seq2exp", "--fasta", "s/genome.fa.gz", "--recipe", "recipe.json", "--folds", "3"),
    *("--signals", "dnase=dnase/signal.bw,h3k27ac=h3k27ac/signal.bw", "--peaks", "s/peaks.bed"),
    *("--regulatory", "s/peaks.bed", "--max_cpus", "1", "--max_memory", "2.GB", "--expression", "s/expression.tsv"),
]
STAGES = ["APPLY_SEQ2EXP", "GATHER_SEQ2EXP", "MULTIQC", "REPORT_SECTIONS", *["TRAIN_SEQ2EXP"] * 3]


def test_trainings_are_fanned_out_gathered_applied_and_reported(project: Project):
    run = project.run(*OPTIONS, "--seq2exp_models", "config", "--outdir", "out", outdir="out", defaults=False)
    assert run.status == 0, run.output
    assert [one for one in sorted(task["process"] for task in run.trace()) if one != "INDEX_FASTA"] == STAGES
    table = pd.read_table(run.outdir / "seq2exp" / "metrics.tsv")
    assert table["model"].tolist() == ["config"] * 3
    assert sorted(table["fold"]) == [0, 1, 2]

    # Each model got its signals under their own names: the card tells what it was trained by and where.
    card = json.loads((run.outdir / "models" / "config_fold2_seed1" / "model_card.json").read_text())
    for name, number in (("dnase", "01"), ("h3k27ac", "02")):
        assert f"{name}=signals{number}/signal.bw" in card["command"]
    assert not list((run.outdir / "models").glob("*.tsv"))

    predictions = pd.read_table(run.outdir / "seq2exp" / "predictions.tsv")
    assert (predictions["models"] == 1).all()  # each gene by the one model that was tested on it
    with pyBigWig.open(str(run.outdir / "seq2exp" / "mask.bw")) as mask:
        assert all(0 <= mask.stats(contig, type="max")[0] <= 1 for contig in mask.chroms())
    report = (run.outdir / "report" / "report.html").read_text()
    assert "Prediction of expression" in report
    assert "What the mask agrees with" in report


@pytest.mark.heavy
def test_each_model_has_its_trainings_and_all_are_gathered(project: Project):
    """As stubs: what a second model does is what the first one does."""
    words = (*OPTIONS, "--seq2exp_models", "config,peaks", "-stub-run", "--outdir", "stub")
    run = project.run(*words, outdir="stub", defaults=False)
    assert run.status == 0, run.output
    stages = [one for one in sorted(task["process"] for task in run.trace()) if one != "INDEX_FASTA"]
    assert stages == [*STAGES, *["TRAIN_SEQ2EXP"] * 3]


def test_what_is_missing_or_unknown_is_said_before_a_run_starts(project: Project):
    options = [*OPTIONS[:-2], "--seq2exp_models", "seq2exp-hrad", "--signals", "dnase='x.bw"]
    run = project.run(*options, "--outdir", "refused", outdir="refused", defaults=False)
    assert run.status != 0
    assert "--expression is required" in run.output
    assert "--seq2exp_models is 'seq2exp-hrad'" in run.output
    assert "--signals is 'dnase='x.bw'" in run.output
    assert not Path(run.outdir / "models").exists()
