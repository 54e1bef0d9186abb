"""`--workflow embeddings`, run for real by Nextflow: windows embedded, mapped, compared; logos; one report."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline_runner import Project, copy_project, make_models

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("embeddings") / "project"
    folder.mkdir()
    rng = np.random.default_rng(0)
    odds = {"poor": [0.45, 0.05, 0.05, 0.45], "rich": [0.05, 0.45, 0.45, 0.05]}
    kinds = ["poor", "rich"] * 15
    (folder / "genome.fa").write_text(
        ">chr1\n" + "".join("".join(rng.choice(list("ACGT"), 50, p=odds[kind])) for kind in kinds) + "\n"
    )
    lines = [f"chr1\t{50 * at}\t{50 * at + 50}\t{kind}" for at, kind in enumerate(kinds)]
    (folder / "windows.bed").write_text("\n".join([*lines, "chrUn\t5\t9\tpoor"]) + "\n")
    (folder / "regions.bed").write_text("1\t100\t130\n")
    models = make_models(folder)
    return copy_project(folder, folder, models)


def options(project: Project, outdir: str, *models: str) -> list[str]:
    weights = ",".join(f"{name}={project.models[name]}" for name in models)
    return [
        *("--workflow", "embeddings", "--windows", "windows.bed", "--fasta", "genome.fa", "--window", "64"),
        *("--models", ",".join(models), "--weights", weights, "--logo_regions", "regions.bed"),
        *("--max_cpus", "1", "--max_memory", "2.GB", "--outdir", outdir),
    ]


STAGES = ["DRAW_LOGOS", "EMBED_WINDOWS", "INDEX_FASTA", "MULTIQC", "REPORT_SECTIONS"]


def test_windows_are_embedded_mapped_and_reported_with_their_logos(project: Project):
    run = project.run(*options(project, "out", "demo-hyena"), outdir="out", defaults=False)
    assert run.status == 0, run.output
    assert sorted(task["process"] for task in run.trace()) == STAGES
    folder = run.outdir / "embeddings" / "demo-hyena"
    record = json.loads((folder / "clusters.json").read_text())
    assert record["statuses"] == {"off_contig": 1, "ok": 30}
    assert len(pd.read_parquet(folder / "embeddings.parquet")) == 31
    assert [path.name for path in sorted((run.outdir / "logos" / "demo-hyena" / "figures").iterdir())] == [
        *("1_100-130.png", "1_100-130.svg")
    ]
    report = (run.outdir / "report" / "report.html").read_text()
    assert all(f'id="darkregulome_{name}"' in report for name in ("embeddings_scatter", "embeddings_failed", "logos"))
    versions = (run.outdir / "pipeline_info" / "software_versions.yml").read_text()
    assert all(tool in versions for tool in ("umap-learn", "leidenalg", "logomaker", "multiqc"))


@pytest.mark.heavy
def test_each_model_has_its_tasks_and_one_report_takes_all(project: Project):
    """As stubs: what a second model does is what the first one does."""
    run = project.run(*options(project, "stub", *project.models), "-stub-run", outdir="stub", defaults=False)
    assert run.status == 0, run.output
    assert sorted(task["process"] for task in run.trace()) == sorted([*STAGES, "DRAW_LOGOS", "EMBED_WINDOWS"])
