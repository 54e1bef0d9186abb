"""The pipeline, run for real by Nextflow: what a user of it would see."""

import csv
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from darkregulome import __version__
from pipeline_runner import MODELS, PARTS, ROOT, Project, Run, demo_project, nextflow

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
    return demo_project(tmp_path_factory.mktemp("pipeline"))


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
        assert {"horizon", "class_hierarchy"} <= {c["claim"] for c in diagnosis["claims"] if c["model"] == model}


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
    again = project.run("-resume")
    assert again.status == 0, again.output
    assert again.statuses() == {"CACHED"}
    assert len(again.trace()) == len(STAGES) - 2 + len(LOCI) * len(MODELS) + 5


def test_a_plan_is_what_a_run_does_first_and_lists_the_tasks_it_then_starts(project: Project, finished: Run):
    planned = project.run("-resume", "--plan_only", outdir="planned")
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
    run = project.run("-resume", "--price_per_hour", "100", "--max_cost", "0.5", outdir="refused")
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


def test_a_broken_locus_is_reported_and_the_others_finish(project: Project, tmp_path: Path):
    genome = tmp_path / "genome"
    shutil.copytree(project.genome, genome)
    with open(genome / "loci.csv", "a") as handle:
        handle.write("nowhere,NO_SUCH_GENE\n")
    # One task is made to fail: what its script is given is not an option of it.
    config = tmp_path / "broken.config"
    arguments = "meta.id == 'locus2' && meta.model == 'demo-hyena' ? '--no-such-option' : '--sites 1 --seed 1'"
    failing = f"process {{ withName: 'SCORE_ELEMENTS' {{ ext.args = {{ {arguments} }} }} }}"
    config.write_text(f"params.igenomes_base = '/data/igenomes'\n{failing}\n")
    run = project.run("-c", str(config), "--simulated", str(genome), outdir="broken")
    assert run.status == 0, run.output
    report = (run.outdir / "report" / "report.html").read_text()
    failed = (run.outdir / "report" / "failed_scores.tsv").read_text()
    assert "nowhere" in (run.outdir / "elements" / "failed_loci.tsv").read_text()
    assert [line.split("\t")[:2] for line in failed.splitlines()[1:]] == [["locus2", "demo-hyena"]]
    assert "The parameter igenomes_base, set in a file, is not one of this pipeline." in run.output
    assert "NO_SUCH_GENE" in report
    assert "scoring failed" in report
    statuses = {task["tag"]: task["status"] for task in run.trace() if task["process"] == "SCORE_ELEMENTS"}
    assert statuses.pop("locus2 demo-hyena") == "FAILED"
    assert set(statuses.values()) == {"COMPLETED"}


def test_a_stub_run_passes_with_the_strict_parser(project: Project):
    run = project.run("-stub-run", outdir="stub", parser="v2")
    assert run.status == 0, run.output


def test_a_change_of_the_package_runs_everything_that_imports_it_again(project: Project):
    """By stub-runs: they have the inputs, and so the hashes, of real ones."""
    assert project.run("-stub-run", outdir="before").status == 0
    assert project.run("-stub-run", "-resume", outdir="before").statuses() == {"CACHED"}
    module = project.folder / "bin" / "darkregulome" / "__init__.py"
    text = module.read_text()
    try:
        module.write_text(text + "# changed\n")
        run = project.run("-stub-run", "-resume", outdir="before")
    finally:
        module.write_text(text)
    assert run.status == 0, run.output
    assert {task["process"] for task in run.trace() if task["status"] == "CACHED"} <= {"MULTIQC"}


def test_all_faults_of_the_parameters_are_said_at_once_in_one_sentence_each(project: Project):
    run = project.run(
        *("--fasta", "nowhere.fa", "--sites", "many", "--alpha", "1.5", "--precision", "fp8", "--seed", "-1"),
        *("--permutation", "10", "--gtf", "genes.txt", "--horizon"),
        outdir="invalid",
    )
    assert run.status == 1
    for sentence in (
        "--fasta is 'nowhere.fa', which does not exist",
        "--sites is 'many', which is not of type integer",
        "--alpha is 1.5; use less than 1.",
        "--precision is 'fp8'; use one of fp32, tf32, bf16.",
        "--seed is -1; use at least 0.",
        "--permutation is not a parameter; did you mean --permutations?",
        "--gtf is 'genes.txt', which does not have the form",
        "--horizon has no value",
    ):
        assert sentence in run.output
    assert not (run.outdir / "elements").exists()
    assert "Exception" not in run.output


def test_a_missing_parameter_is_named(project: Project):
    run = project.run(defaults=False)
    assert run.status == 1
    for name in ("loci", "fasta", "gtf", "models"):
        assert f"--{name} is required" in run.output


def test_help_lists_every_parameter_of_the_schema(project: Project):
    run = project.run("--help", defaults=False)
    schema = json.loads((ROOT / "nextflow_schema.json").read_text())
    names = [name for group in schema["$defs"].values() for name in group["properties"]]
    assert run.status == 0, run.output
    assert [name for name in names if f"--{name}" not in run.output] == []


def test_the_schema_and_the_config_declare_the_same_parameters(project: Project):
    schema = json.loads((ROOT / "nextflow_schema.json").read_text())
    declared = {name: rule for group in schema["$defs"].values() for name, rule in group["properties"].items()}
    status, output = nextflow("config", ".", "-flat", cwd=project.folder)
    assert status == 0, output
    values = dict(line.split(" = ", 1) for line in output.splitlines() if line.startswith("params."))
    values = {name: value for name, value in values.items() if not name.startswith("params.genomes.")}
    assert {name.removeprefix("params.") for name in values} == set(declared)
    for name, rule in declared.items():
        default = rule.get("default")
        if default is not None and "projectDir" not in str(default):
            assert values[f"params.{name}"].strip("'") == (
                str(default).lower() if isinstance(default, bool) else str(default)
            )


def test_every_process_keeps_its_arguments_and_its_place_under_every_profile():
    """A selector that stands twice in the configuration loses what the first one said."""
    for profile in ("demo", "test,gpu", "demo_real,docker,slurm"):
        status, output = nextflow("config", ".", "-flat", "-profile", profile, cwd=ROOT)
        assert status == 0, output
        for process in ("CHECK_INPUTS", "SCORE_ELEMENTS", "DIAGNOSE"):
            assert f"withName:{process}'.ext.args = " in output or f"withName:{process}.ext.args = " in output
        assert "withLabel:error_ignore" in output


def test_nextflow_lint_finds_nothing(project: Project):
    status, output = nextflow("lint", *(part for part in PARTS if not part.endswith(".json")), cwd=project.folder)
    assert status == 0, output


@pytest.mark.parametrize(
    "profile",
    # Those that the test above does not read.
    ["podman", "singularity", "apptainer", "conda", "gpu,docker,slurm"],
)
def test_every_profile_can_be_read(profile: str):
    status, output = nextflow("config", ".", "-profile", profile, cwd=ROOT)
    assert status == 0, output


def test_every_module_says_what_it_is():
    for module in (ROOT / "modules" / "local").iterdir():
        meta = yaml.safe_load((module / "meta.yml").read_text())
        assert meta["name"] == module.name
        assert yaml.safe_load((module / "environment.yml").read_text())["dependencies"]
        text = (module / "main.nf").read_text()
        assert f"process {module.name.upper()} {{" in text
        # Once, and in the module: a pipeline that includes it has the software too.
        assert text.count("docker.io/darkregulome/darkregulome:") == text.count("    container ") == 1
        assert f"darkregulome:{__version__}" in text
        for word in ("label", "input:", "output:", "script:", "stub:", "val('"):
            assert word in text, f"{module.name} lacks {word}"


@pytest.mark.heavy
@pytest.mark.parametrize("check", [("lint",), ("schema", "lint")])
def test_nf_core_lint_finds_nothing(check: tuple[str, ...], tmp_path: Path):
    program = shutil.which("nf-core", path=os.pathsep.join([str(ROOT / ".venv" / "bin"), os.environ["PATH"]]))
    if program is None:
        pytest.skip("nf-core is not installed")
    # A copy of what git knows: the linter writes into what it looks at.
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("this is no git checkout, so what belongs to the pipeline is not known")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.endswith((".safetensors", ".npz")):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    path = os.pathsep.join([str(ROOT / ".nextflow-dist"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "NFCORE_NO_VERSION_CHECK": "1", "NXF_OFFLINE": "true"}
    done = subprocess.run(
        [program, "--hide-progress", "pipelines", *check], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
