"""`--workflow variants`, run for real by Nextflow: scattered, gathered in order, judged."""

import gzip
import json

import numpy as np
import pandas as pd
import pysam
import pytest

from fake_hub import REPO, REVISION, FakeHub, serve
from pipeline_runner import Project, Run, copy_project, make_models

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("variants") / "project"
    folder.mkdir()
    rng = np.random.default_rng(0)
    bases = "".join(rng.choice(list("ACGT"), 400))
    (folder / "genome.fa").write_text(f">chr1\n{bases}\n")
    # Gzipped, not bgzipped: it cannot be read at random, and is compressed again.
    (folder / "gzipped.fa.gz").write_bytes(gzip.compress(f">chr1\n{bases}\n".encode(), mtime=0))
    (folder / "snvs.bed").write_text("1\t100\t104\n")
    rows = [(at + 1, bases[at], "ACGT".replace(bases[at], "")[at % 3]) for at in range(100, 300, 5)]
    rows.insert(7, (136, "A", "<DEL>"))
    lines = [f"chr1\t{pos}\tv{number}\t{ref}\t{alt}\t.\t.\t." for number, (pos, ref, alt) in enumerate(rows)]
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (folder / "in.vcf").write_text(head + "\n".join(lines) + "\n")
    truth = pd.DataFrame(rows, columns=["pos", "ref", "alt"]).assign(chrom="1", effect=rng.normal(size=len(rows)))
    truth.to_csv(folder / "truth.tsv", sep="\t", index=False)
    models = make_models(folder)
    return copy_project(folder, folder, {"demo-hyena": models["demo-hyena"]})


SMALL = ["--workflow", "variants", "--window", "64", "--max_cpus", "1", "--max_memory", "2.GB"]


def options(project: Project) -> list[str]:
    return [
        *(*SMALL, "--variants", "in.vcf", "--fasta", "genome.fa", "--shards", "3"),
        *("--models", "demo-hyena", "--weights", f"demo-hyena={project.models['demo-hyena']}"),
        *("--variants_format", "parquet", "--variant_truth", "truth.tsv", "--judged_scores", "loglik:abs"),
        *("--measurement_column", "effect"),
    ]


def test_variants_are_scattered_gathered_in_order_and_judged(project: Project):
    run = project.run(*options(project), "--outdir", "out", outdir="out", defaults=False)
    assert run.status == 0, run.output
    tasks = sorted(task["process"] for task in run.trace())
    stages = ["EVALUATE_SCORES", "GATHER_VARIANTS", "INDEX_FASTA", "MULTIQC", "REPORT_SECTIONS"]
    assert tasks == [*stages, *["SCORE_VARIANTS"] * 3]
    scored = pd.read_parquet(run.outdir / "variants" / "demo-hyena.parquet")
    assert scored["id"].tolist() == [f"v{number}" for number in range(41)]
    assert scored["status"].value_counts().to_dict() == {"ok": 40, "symbolic": 1}
    record = json.loads((run.outdir / "evaluation" / "demo-hyena" / "evaluation.json").read_text())
    assert record["n"] == 40
    report = (run.outdir / "report" / "report.html").read_text()
    assert all(f'id="darkregulome_variants_{name}"' in report for name in ("evaluation", "statuses", "scores"))


@pytest.mark.heavy
def test_a_stub_run_goes_through_the_same_stages(project: Project):
    run = project.run(*options(project), "-stub-run", "--outdir", "stub", outdir="stub", defaults=False)
    assert run.status == 0, run.output
    assert {task["process"] for task in run.trace()} == {
        "EVALUATE_SCORES",
        "GATHER_VARIANTS",
        "INDEX_FASTA",
        "MULTIQC",
        "REPORT_SECTIONS",
        "SCORE_VARIANTS",
    }


@pytest.fixture(scope="module")
def from_hub(project: Project, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options of a run by a model whose weights a hub keeps, into a cache that is empty at first."""
    folder = tmp_path_factory.mktemp("hub")
    entry = {"kind": "causal", "architecture": "hyenadna", "context": 128, "repo": REPO, "revision": REVISION}
    (folder / "models.yml").write_text(json.dumps({"models": {"from-hub": entry}}))
    given = ("--registry", str(folder / "models.yml"), "--weights_cache", str(folder / "cache"))
    return [*SMALL, "--models", "from-hub", *given, "--shards", "2"]


@pytest.fixture(scope="module")
def fetched(project: Project, from_hub: list[str]) -> tuple[Run, list[str]]:
    """A run by weights from a hub on this machine, and what the hub was asked for."""
    files = {path.name: path.read_bytes() for path in project.models["demo-hyena"].iterdir()}
    words = [*from_hub, "--variants", "in.vcf", "--fasta", "genome.fa", "--outdir", "hub"]
    with serve(FakeHub(files)) as hub:
        run = project.run(*words, outdir="hub", defaults=False, HF_ENDPOINT=hub.endpoint)
    assert run.status == 0, run.output
    return run, sorted(name for name, _ in hub.asked)


def test_weights_are_fetched_once_before_anything_is_scored(fetched: tuple[Run, list[str]]):
    """By a task of its own."""
    run, asked = fetched
    assert asked == ["config.json", "model.safetensors"]
    tasks = [task for task in run.trace() if task["process"] == "FETCH_WEIGHTS"]
    assert [task["tag"] for task in tasks] == ["from-hub"]
    scored = [task["submit"] for task in run.trace() if task["process"] == "SCORE_VARIANTS"]
    assert len(scored) == 2
    assert tasks[0]["submit"] < min(scored)


def test_all_snvs_of_a_bed_on_a_gzipped_genome_by_weights_of_the_cache(
    project: Project, from_hub: list[str], fetched: tuple[Run, list[str]]
):
    """Without the hub: what the run before fetched."""
    words = [*from_hub, "--weights_offline", "--variants", "snvs.bed", "--fasta", "gzipped.fa.gz", "--outdir", "bed"]
    run = project.run(*words, outdir="bed", defaults=False, HF_ENDPOINT="http://127.0.0.1:9")
    assert run.status == 0, run.output
    assert sorted({task["process"] for task in run.trace()}) == [
        *("COMPRESS_FASTA", "FETCH_WEIGHTS", "GATHER_VARIANTS", "MULTIQC", "REPORT_SECTIONS", "SCORE_VARIANTS")
    ]
    with pysam.VariantFile(str(run.outdir / "variants" / "from-hub.vcf.gz")) as scored:
        records = [(record.pos, len(record.alts), len(record.info["DR_LOGLIK"])) for record in scored]
    assert records == [(pos, 3, 3) for pos in range(101, 105)]
