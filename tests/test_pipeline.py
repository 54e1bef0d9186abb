"""The pipeline, run for real by Nextflow: what a user of it would see."""

import csv
import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
import yaml

from darkregulome import __version__
from pipeline_runner import MODELS, Project, Run, demo_project

pytestmark = pytest.mark.pipeline

LOCI = ("locus1", "locus2", "locus3")
STAGES = {
    "CHECK_INPUTS",
    "PREPARE_LOCI",
    "BUILD_ELEMENTS",
    "ESTIMATE_COST",
    "SCORE_ELEMENTS",
    "POOL_RIS",
    "DIAGNOSE",
    "DECOMPOSE",
    "CROSS_CHECK",
    "REPORT_SECTIONS",
    "MULTIQC",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """With a fourth locus, of a gene that is not there."""
    project = demo_project(tmp_path_factory.mktemp("pipeline"))
    with open(project.genome / "loci.csv", "a") as handle:
        handle.write("nowhere,NO_SUCH_GENE\n")
    return project


@pytest.fixture(scope="module")
def finished(project: Project) -> Run:
    """One real run of all stages."""
    run = project.run()
    assert run.status == 0, run.output
    return run


def test_a_run_goes_through_every_stage_with_one_scoring_task_a_locus_and_model(finished: Run):
    tasks = finished.trace()
    assert {task["process"] for task in tasks} == STAGES
    assert {task["status"] for task in tasks} == {"COMPLETED"}
    scored = sorted(task["tag"] for task in tasks if task["process"] == "SCORE_ELEMENTS")
    assert scored == sorted(f"{locus} {model}" for locus in LOCI for model in MODELS)


def test_a_run_leaves_the_files_of_the_contract(finished: Run):
    names = [
        "elements/elements.parquet",
        "elements/elements.bed.gz",
        "elements/elements.bed.gz.tbi",
        "elements/loci.tsv",
        "ris/ris.parquet",
        "ris/ris.tsv.gz",
        *(f"ris/{model}.bw" for model in MODELS),
        "diagnosis/diagnosis.json",
        "diagnosis/claims.tsv",
        "diagnosis/residuals.parquet",
        "decomposition/decomposition.json",
        "cross_checks/cross_check_eqtl.json",
        "cross_checks/cross_check_conservation.json",
        "report/report.html",
        *(
            f"pipeline_info/{name}"
            for name in ("trace.txt", "timeline.html", "report.html", "dag.html", "cost.json", "plan.tsv")
        ),
    ]
    assert [name for name in names if not (finished.outdir / name).exists()] == []
    checks = [Path(task["workdir"]) for task in finished.trace() if task["process"] == "CROSS_CHECK"]
    drawn = {path.name for check in checks for path in check.glob("cross_checks/figures/*/*")}
    assert {path.name for path in (finished.outdir / "cross_checks" / "figures").glob("*/*")} == drawn
    assert len({name.split(".")[0] for name in drawn}) > 1
    with gzip.open(finished.outdir / "ris" / "ris.tsv.gz", "rt") as handle:
        assert len(handle.readlines()) > 2


def test_every_model_has_its_claims(finished: Run):
    diagnosis = json.loads((finished.outdir / "diagnosis" / "diagnosis.json").read_text())
    for model in MODELS:
        own = [claim for claim in diagnosis["claims"] if claim["model"].split("|")[0] == model]
        assert {"horizon", "class_hierarchy"} <= {claim["claim"] for claim in own}


def test_software_versions_and_parameters_are_recorded(finished: Run):
    info = finished.outdir / "pipeline_info"
    versions = yaml.safe_load((info / "software_versions.yml").read_text())
    assert set(versions) == STAGES
    assert all(version for tools in versions.values() for version in tools.values())
    parameters = json.loads((info / "params.json").read_text())
    assert parameters["models"] == ",".join(MODELS)
    assert parameters["sites"] == 1


@pytest.mark.filterwarnings("error")
def test_the_results_are_a_research_object_that_describes_them(project: Project, finished: Run):
    crate = pytest.importorskip("rocrate.rocrate").ROCrate(finished.outdir)
    later = {
        "ro-crate-metadata.json",
        *(f"pipeline_info/{n}" for n in ("trace.txt", "timeline.html", "report.html", "dag.html")),
    }
    files = {str(path.relative_to(finished.outdir)): path for path in finished.outdir.rglob("*") if path.is_file()}
    described = {entity.id: entity for entity in crate.data_entities if "sha256" in entity.properties()}
    assert set(described) == set(files) - later
    for name, entity in described.items():
        assert entity["sha256"] == hashlib.sha256(files[name].read_bytes()).hexdigest()
        assert int(entity["contentSize"]) == files[name].stat().st_size
    run = crate.root_dataset["mentions"]
    assert run["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert {entity.id for entity in run["result"]} == set(described)
    given = {entity.id: entity.get("value") for entity in run["object"]}
    assert given["#parameter-models"] == ",".join(MODELS)
    assert (project.genome / "genome.fa.gz").as_uri() in given
    versions = {tool["name"]: tool["softwareVersion"] for tool in run["instrument"]["softwareRequirements"]}
    assert versions["darkregulome"] == __version__
    assert {"torch", "multiqc", "nextflow"} <= set(versions)


def test_resume_runs_nothing_again(project: Project, finished: Run):
    again = project.run("-resume", finished.session)
    assert again.status == 0, again.output
    assert again.statuses() == {"CACHED"}
    assert len(again.trace()) == len(STAGES) - 2 + len(LOCI) * len(MODELS) + 5


def test_a_plan_is_what_a_run_does_first_and_lists_the_tasks_it_then_starts(project: Project, finished: Run):
    planned = project.run("-resume", finished.session, "--plan_only", outdir="planned")
    assert planned.status == 0, planned.output
    tasks = {task["process"]: task["status"] for task in planned.trace()}
    assert tasks == dict.fromkeys(("CHECK_INPUTS", "PREPARE_LOCI", "BUILD_ELEMENTS", "ESTIMATE_COST"), "CACHED")
    assert "Estimated cost of scoring" in planned.output
    assert "run the same command again with -resume and without --plan_only" in planned.output
    assert not (planned.outdir / "effects").exists()
    assert "ESTIMATE_COST" in yaml.safe_load((planned.outdir / "pipeline_info" / "software_versions.yml").read_text())
    with open(planned.outdir / "pipeline_info" / "plan.tsv", newline="") as handle:
        plan = [row for row in csv.DictReader(handle, delimiter="\t") if row["device"] == "cpu"]
    scored = [task["tag"] for task in finished.trace() if task["process"] == "SCORE_ELEMENTS"]
    assert sorted(f"{row['task']} {row['model']}" for row in plan) == sorted(scored)
    cost = json.loads((planned.outdir / "pipeline_info" / "cost.json").read_text())
    # Of the models of this run, not of the published ones.
    assert all(model["flops"] < 1e11 for model in cost["models"])


def test_above_a_limit_nothing_is_scored_and_one_sentence_says_why(project: Project, finished: Run):
    run = project.run("-resume", finished.session, "--price_per_hour", "100", "--max_cost", "0.5", outdir="refused")
    assert run.status == 1
    (said,) = (line for line in run.output.splitlines() if "--max_cost" in line)
    estimate = json.loads((run.outdir / "pipeline_info" / "cost.json").read_text())["total"][0]
    cost, hours = re.match(r"Scoring is estimated to cost ([\d.]+) \(([\d.]+) hours of 2 CPU cores\)", said).groups()
    assert float(cost) == pytest.approx(estimate["money"], rel=0.01)
    assert float(hours) == pytest.approx(estimate["hours"], rel=0.01)
    assert estimate["money"] == pytest.approx(100 * estimate["hours"])
    assert "above --max_cost 0.5. Nothing was scored. Raise the limit, or ask for less" in said
    assert "Exception" not in run.output
    assert "SCORE_ELEMENTS" not in {task["process"] for task in run.trace()}


@pytest.mark.heavy
def test_a_run_goes_on_from_its_plan_once_it_is_within_the_limit(tmp_path: Path):
    project = demo_project(tmp_path)
    given = ("--loci_per_task", "2", "--price_per_hour", "2")
    planned = project.run("--plan_only", *given)
    assert planned.status == 0, planned.output
    first = {task["process"] for task in planned.trace()}
    assert first == {"CHECK_INPUTS", "PREPARE_LOCI", "BUILD_ELEMENTS", "ESTIMATE_COST"}
    assert planned.statuses() == {"COMPLETED"}
    refused = project.run("-resume", *given, "--max_device_hours", "0.0001")
    assert refused.status == 1
    assert refused.statuses() == {"CACHED"}
    run = project.run("-resume", *given, "--max_device_hours", "10", "--max_cost", "20")
    assert run.status == 0, run.output
    cached = {task["process"] for task in run.trace() if task["status"] == "CACHED"}
    assert cached == first
    assert {task["process"] for task in run.trace()} == STAGES
    with open(run.outdir / "pipeline_info" / "plan.tsv", newline="") as handle:
        plan = {f"{row['task']} {row['model']}" for row in csv.DictReader(handle, delimiter="\t")}
    assert plan == {task["tag"] for task in run.trace() if task["process"] == "SCORE_ELEMENTS"}
    assert len(plan) == 2 * len(MODELS)


def test_a_locus_that_cannot_be_placed_is_reported_and_the_others_finish(finished: Run):
    failed = (finished.outdir / "elements" / "failed_loci.tsv").read_text()
    assert [line.split("\t")[0] for line in failed.splitlines()[1:]] == ["nowhere"]
    report = (finished.outdir / "report" / "report.html").read_text()
    assert "NO_SUCH_GENE" in report
    assert "scoring failed" not in report


def test_a_locus_whose_scoring_fails_is_reported_and_the_others_finish(project: Project, finished: Run, tmp_path: Path):
    """With what the whole run left, so that only this task and what follows on it runs."""
    config = tmp_path / "more.config"
    config.write_text("params.igenomes_base = '/data/igenomes'\nparams.network = ''\n")
    arguments = "withName: 'SCORE_ELEMENTS' {\n        ext.options = {\n"
    # What the script of one task is given is not an option of it.
    broken = "if (meta.id == 'locus2' && meta.model == 'demo-hyena') { return [no_such_option: true] }\n"
    modules = project.folder / "conf" / "modules.config"
    text = modules.read_text()
    assert text.count(arguments) == 1
    try:
        modules.write_text(text.replace(arguments, arguments + broken))
        run = project.run("-resume", finished.session, "-c", str(config), outdir="broken")
    finally:
        modules.write_text(text)
    assert run.status == 0, run.output
    report = (run.outdir / "report" / "report.html").read_text()
    failed = (run.outdir / "report" / "failed_scores.tsv").read_text()
    assert [line.split("\t")[:2] for line in failed.splitlines()[1:]] == [["locus2", "demo-hyena"]]
    assert "The parameter igenomes_base, set in a file, is not one of this pipeline." in run.output
    assert "NO_SUCH_GENE" in report
    assert "scoring failed" in report
    statuses = {task["tag"]: task["status"] for task in run.trace() if task["process"] == "SCORE_ELEMENTS"}
    assert statuses.pop("locus2 demo-hyena") == "FAILED"
    assert len(statuses) == len(LOCI) * len(MODELS) - 1
    assert set(statuses.values()) == {"CACHED"}
    rest = {task["process"]: task["status"] for task in run.trace()}
    assert {rest[name] for name in ("POOL_RIS", "DIAGNOSE", "REPORT_SECTIONS", "MULTIQC")} == {"COMPLETED"}
