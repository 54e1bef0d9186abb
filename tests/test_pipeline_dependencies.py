"""`--workflow dependencies`, run for real by Nextflow: two models, their controls, calls, comparison, report."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline_runner import Project, copy_project, make_models

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("dependencies") / "project"
    folder.mkdir()
    bases = "".join(np.random.default_rng(0).choice(list("ACGT"), 200))
    (folder / "genome.fa").write_text(f">chr1\n{bases[:150]}N{bases[150:]}\n")
    (folder / "regions.bed").write_text("chr1\t10\t58\tleft\t0\t-\nchr1\t70\t118\tright\nchr1\t140\t160\tn\n")
    return copy_project(folder, folder, make_models(folder))


def options(project: Project) -> list[str]:
    return [
        *("--workflow", "dependencies", "--fasta", "genome.fa", "--models", ",".join(project.models)),
        *("--weights", ",".join(f"{name}={path}" for name, path in project.models.items())),
        *("--maps_shown", "1", "--max_cpus", "1", "--max_memory", "2.GB"),
    ]


def test_maps_are_made_called_compared_and_reported(project: Project):
    given = [*options(project), "--map_regions", "regions.bed", "--map_controls"]
    run = project.run(*given, "--outdir", "out", outdir="out", defaults=False)
    assert run.status == 0, run.output
    tasks = sorted(task["process"] for task in run.trace())
    assert tasks == ["CALL_DEPENDENCIES", "INDEX_FASTA", *["MAP_DEPENDENCIES"] * 4, "MULTIQC"]
    index = pd.read_table(run.outdir / "maps" / "demo-hyena" / "maps.tsv")
    assert index["status"].tolist() == ["ok", "ok", "n_inside"]
    record = json.loads((run.outdir / "dependencies" / "dependencies.json").read_text())
    assert {entry["null"] for entry in record["models"].values()} == {"shuffled sequences"}
    assert record["comparisons"][0]["models"] == ["demo-caduceus", "demo-hyena"]
    assert (run.outdir / "dependencies" / "demo-hyena" / "blocks.bedpe").read_text().startswith("#chrom1")
    report = (run.outdir / "report" / "report.html").read_text()
    assert "Dependencies called" in report
    assert "dr-maps" in report


def test_a_stub_run_maps_the_sequences_of_a_fasta(project: Project):
    run = project.run(*options(project), "-stub-run", "--outdir", "stub", outdir="stub", defaults=False)
    assert run.status == 0, run.output
    assert sorted({task["process"] for task in run.trace()}) == ["CALL_DEPENDENCIES", "MAP_DEPENDENCIES", "MULTIQC"]
