"""`--workflow variants`, run for real by Nextflow: scattered, gathered in order, judged."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

from fake_hub import REPO, REVISION, FakeHub, serve
from pipeline_runner import Project, copy_project, make_models

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


def options(project: Project) -> list[str]:
    return [
        *("--workflow", "variants", "--variants", "in.vcf", "--fasta", "genome.fa", "--shards", "3"),
        *("--models", "demo-hyena", "--weights", f"demo-hyena={project.models['demo-hyena']}", "--window", "64"),
        *("--variants_format", "parquet", "--variant_truth", "truth.tsv", "--judged_scores", "loglik:abs"),
        *("--measurement_column", "effect", "--max_cpus", "1", "--max_memory", "2.GB"),
    ]


def test_variants_are_scattered_gathered_in_order_and_judged(project: Project):
    run = project.run(*options(project), "--outdir", "out", outdir="out", defaults=False)
    assert run.status == 0, run.output
    tasks = sorted(task["process"] for task in run.trace())
    stages = ["EVALUATE_SCORES", "GATHER_VARIANTS", "INDEX_FASTA", "MULTIQC", "REPORT_VARIANTS"]
    assert tasks == [*stages, *["SCORE_VARIANTS"] * 3]
    scored = pd.read_parquet(run.outdir / "variants" / "demo-hyena.parquet")
    assert scored["id"].tolist() == [f"v{number}" for number in range(41)]
    assert scored["status"].value_counts().to_dict() == {"ok": 40, "symbolic": 1}
    record = json.loads((run.outdir / "evaluation" / "demo-hyena" / "evaluation.json").read_text())
    assert record["n"] == 40
    report = (run.outdir / "report" / "report.html").read_text()
    assert all(f'id="darkregulome_variants_{name}"' in report for name in ("evaluation", "statuses", "scores"))


def test_all_snvs_of_a_bed_on_a_gzipped_genome(project: Project):
    words = [
        *("--workflow", "variants", "--variants", "snvs.bed", "--fasta", "gzipped.fa.gz", "--shards", "2"),
        *("--models", "demo-hyena", "--weights", f"demo-hyena={project.models['demo-hyena']}", "--window", "64"),
        *("--max_cpus", "1", "--max_memory", "2.GB", "--outdir", "bed"),
    ]
    run = project.run(*words, outdir="bed", defaults=False)
    assert run.status == 0, run.output
    assert sorted({task["process"] for task in run.trace()}) == [
        *("COMPRESS_FASTA", "GATHER_VARIANTS", "MULTIQC", "REPORT_VARIANTS", "SCORE_VARIANTS")
    ]
    with pysam.VariantFile(str(run.outdir / "variants" / "demo-hyena.vcf.gz")) as scored:
        records = [(record.pos, len(record.alts), len(record.info["DR_LOGLIK"])) for record in scored]
    assert records == [(pos, 3, 3) for pos in range(101, 105)]


@pytest.mark.heavy
def test_a_stub_run_goes_through_the_same_stages(project: Project):
    run = project.run(*options(project), "-stub-run", "--outdir", "stub", outdir="stub", defaults=False)
    assert run.status == 0, run.output
    assert {task["process"] for task in run.trace()} == {
        "EVALUATE_SCORES",
        "GATHER_VARIANTS",
        "INDEX_FASTA",
        "MULTIQC",
        "REPORT_VARIANTS",
        "SCORE_VARIANTS",
    }


def test_weights_are_fetched_once_before_anything_is_scored(project: Project, tmp_path: Path):
    """From a hub on this machine, by a task of its own; then from its cache, without the hub."""
    entry = {"kind": "causal", "architecture": "hyenadna", "context": 128, "repo": REPO, "revision": REVISION}
    registry = tmp_path / "models.yml"
    registry.write_text(json.dumps({"models": {"from-hub": entry}}))
    files = {path.name: path.read_bytes() for path in project.models["demo-hyena"].iterdir()}
    words = without(options(project), "--weights", "--models", "--registry")
    words += ["--models", "from-hub", "--registry", str(registry), "--weights_cache", str(tmp_path / "cache")]
    with serve(FakeHub(files)) as hub:
        run = project.run(*words, "--outdir", "hub", outdir="hub", defaults=False, HF_ENDPOINT=hub.endpoint)
        assert run.status == 0, run.output
        assert sorted(name for name, _ in hub.asked) == ["config.json", "model.safetensors"]
    fetched = [task for task in run.trace() if task["process"] == "FETCH_WEIGHTS"]
    assert [task["tag"] for task in fetched] == ["from-hub"]
    scored = [task["submit"] for task in run.trace() if task["process"] == "SCORE_VARIANTS"]
    assert len(scored) > 1
    assert fetched[0]["submit"] < min(scored)
    words = [*without(words, "--shards"), "--weights_offline"]
    run = project.run(*words, "--outdir", "cached", outdir="cached", defaults=False, HF_ENDPOINT="http://127.0.0.1:9")
    assert run.status == 0, run.output


def without(words: list[str], *names: str) -> list[str]:
    """Options without those named, each of which has a value."""
    pairs = dict(zip(words[::2], words[1::2], strict=True))
    return [word for pair in pairs.items() if pair[0] not in names for word in pair]
