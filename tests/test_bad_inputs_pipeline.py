"""Bad parameters of the pipeline (bad_inputs/pipeline): every fault is said before a task runs."""

from pathlib import Path

import pytest

import toy
from bad_input_corpus import Case, place, read_corpus, words
from pipeline_runner import ROOT, nextflow

pytestmark = pytest.mark.pipeline
CASES = read_corpus(pipeline=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_parameters_are_said_before_a_task_runs(case: Case, tmp_path: Path):
    world, folder = tmp_path / "world", tmp_path / "case"
    folder.mkdir()
    toy.write_toy_genome(world)
    toy.write_text(world / "variants.vcf", "##fileformat=VCFv4.2\n")
    (world / "demo-caduceus").mkdir()
    place(case, world, folder)
    given = ["-preview", "--outdir", str(tmp_path / "results"), *words(case, world, folder)]
    status, output = nextflow("run", str(ROOT), *given, cwd=tmp_path)
    assert status == 1, output
    for sentence in case.says:
        assert sentence in output
    assert "Exception" not in output
    assert not list((tmp_path / "results").rglob("*.parquet"))
    assert not list((tmp_path / "work").glob("*/*"))
