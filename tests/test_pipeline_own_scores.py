"""`--workflow diagnose`, run for real by Nextflow on scores that are not ours."""

import json

import numpy as np
import pandas as pd
import pytest

import toy
from pipeline_runner import Project, Run, copy_project

pytestmark = pytest.mark.pipeline

STAGES = {"CONVERT_SCORES", "DIAGNOSE", "DECOMPOSE", "CROSS_CHECK", "REPORT_SECTIONS", "MULTIQC"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("own_scores") / "project"
    folder.mkdir()
    return copy_project(folder, folder, {})


@pytest.fixture(scope="module")
def given(project: Project) -> list[str]:
    """Options of a run: a table of intervals with a score, and ISM arrays of the same intervals."""
    folder = project.folder
    genome = toy.write_toy_genome(folder / "genome")
    rng = np.random.default_rng(1)
    # 40-base windows along each contig of the toy genome.
    rows = [
        (chrom, start, start + 40) for chrom, length in toy.LENGTHS.items() for start in range(100, length - 200, 250)
    ]
    table = pd.DataFrame(rows, columns=["chrom", "start", "end"]).assign(score=rng.random(len(rows)))
    table.to_csv(folder / "tool.tsv", sep="\t", index=False)
    table[["chrom", "start", "end"]].to_csv(folder / "windows.bed", sep="\t", index=False, header=False)
    np.savez(folder / "arrays.npz", attributions=rng.normal(size=(len(rows), 40)))
    table.iloc[::3, :3].to_csv(folder / "chosen.bed", sep="\t", index=False, header=False)
    (folder / "net.tsv").write_text("node1\tnode2\tcombined_score\nALPHA\tBETA\t0.999\nBETA\tDELTA\t0.95\n")
    return [
        *("--intervals", "chosen.bed", "--network", "net.tsv", "--repeats", str(genome["repeats"])),
        *("--workflow", "diagnose", "--scores", "tool=tool.tsv,net=arrays.npz", "--score_intervals", "windows.bed"),
        *("--fasta", str(genome["fasta"]), "--gtf", str(genome["gtf"]), "--horizon", "3000", "--permutations", "99"),
        *("--max_cpus", "1", "--max_memory", "2.GB"),
    ]


@pytest.fixture(scope="module")
def finished(project: Project, given: list[str]) -> Run:
    run = project.run(*given, "--outdir", "own", outdir="own", defaults=False)
    assert run.status == 0, run.output
    return run


def test_scores_of_other_tools_go_from_their_files_to_the_report(finished: Run):
    tasks = finished.trace()
    assert {task["process"] for task in tasks} == STAGES
    assert {task["status"] for task in tasks} == {"COMPLETED"}
    diagnosis = json.loads((finished.outdir / "diagnosis" / "diagnosis.json").read_text())
    assert set(diagnosis["models"]) == {"tool", "net"}
    assert {claim["claim"] for claim in diagnosis["claims"]} >= {"horizon"}
    assert diagnosis["version"] == 2
    checks = {path.name for path in (finished.outdir / "cross_checks").glob("*.json")}
    assert checks == {f"cross_check_{name}.json" for name in ("families", "intervals", "network", "pairs")}
    elements = pd.read_parquet(finished.outdir / "converted" / "elements.parquet")
    assert set(elements["locus"]) == {"ALPHA", "BETA", "DELTA"}  # the nearest TSSs of protein-coding genes


def test_what_cannot_be_excluded_is_said_in_the_report(finished: Run):
    report = (finished.outdir / "report" / "report.html").read_text()
    assert "no predictability of tool is known" in report
    assert "left out" in report  # GAMMA's contig has no protein-coding gene


def test_a_stub_run_passes_with_the_strict_parser(project: Project, given: list[str]):
    run = project.run(*given, "--outdir", "stub", "-stub-run", outdir="stub", parser="v2", defaults=False)
    assert run.status == 0, run.output
