"""The pipeline's parameters, profiles and modules, as Nextflow reads them: nothing is run."""

import functools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from darkregulome import __version__
from pipeline_runner import PARTS, ROOT, Project, copy_project, nextflow
from script_runner import app_of

pytestmark = pytest.mark.pipeline

OTHER_DEFAULTS = {"seed", "variant_scores"}
"""Parameters with another default than their option: a run begins with seed 1; auto is a word of the pipeline alone."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("configuration")
    return copy_project(folder, folder, {})


def declared() -> dict[str, dict[str, Any]]:
    """The parameters of nextflow_schema.json, with their rules."""
    schema = json.loads((ROOT / "nextflow_schema.json").read_text())
    return {name: rule for group in schema["$defs"].values() for name, rule in group["properties"].items()}


def test_all_faults_of_the_parameters_are_said_at_once_in_one_sentence_each(project: Project):
    run = project.run(
        *("--fasta", "nowhere.fa", "--sites", "many", "--alpha", "1.5", "--precision", "fp8", "--seed", "-1"),
        *("--permutation", "10", "--gtf", "genes.txt", "--genome", "GRCh38", "--genomes_base", "mirror", "--horizon"),
        defaults=False,
    )
    assert run.status == 1
    for sentence in (
        "--loci is required",
        "--models is required",
        "--fasta is 'nowhere.fa', which does not exist",
        "--repeats is 'mirror/GRCh38/rmsk.txt.gz', which does not exist",
        "--sites is 'many', which is not of type integer",
        "--alpha is 1.5; use at most 0.999.",
        "--precision is 'fp8'; use one of fp32, tf32, bf16.",
        "--seed is -1; use at least 0.",
        "--permutation is not a parameter; did you mean --permutations?",
        "--gtf is 'genes.txt', which does not have the form",
        "--horizon has no value",
    ):
        assert sentence in run.output
    assert not (project.folder / "results" / "elements").exists()
    assert not list((project.folder / "work").glob("*/*"))
    assert "Exception" not in run.output


def test_every_workflow_asks_for_what_it_cannot_do_without():
    """That what is asked for is said where it is missing: above, and in bad_inputs/pipeline."""
    required: dict[str, set[str]] = {}
    for name, rule in declared().items():
        for workflow in rule.get("required_by", []):
            required.setdefault(workflow, set()).add(name)
    assert required == {
        "regulome": {"loci", "fasta", "gtf", "models"},
        "diagnose": {"scores"},
        "variants": {"fasta", "models", "variants"},
        "dependencies": {"fasta", "models"},
        "embeddings": {"fasta", "models", "windows"},
        "pretrain": {"fasta", "lm_architecture", "lm_config", "holdout", "training_steps"},
        "seq2exp": {"fasta", "expression"},
    }
    assert set(required) == set(declared()["workflow"]["enum"])


def test_help_lists_every_parameter_of_the_schema(project: Project):
    run = project.run("--help", defaults=False)
    assert run.status == 0, run.output
    assert [name for name in declared() if f"--{name}" not in run.output] == []


def test_the_schema_and_the_config_declare_the_same_parameters(project: Project):
    status, output = nextflow("config", ".", "-flat", cwd=project.folder)
    assert status == 0, output
    values = dict(line.split(" = ", 1) for line in output.splitlines() if line.startswith("params."))
    values = {name: value for name, value in values.items() if not name.startswith("params.genomes.")}
    assert {name.removeprefix("params.") for name in values} == set(declared())
    for name, rule in declared().items():
        default = rule.get("default")
        if default is not None and "projectDir" not in str(default):
            assert values[f"params.{name}"].strip("'") == (
                str(default).lower() if isinstance(default, bool) else str(default)
            )


def options_of_processes() -> list[tuple[str, str, str]]:
    """Process, option and parameter of conf/modules.config, wherever a parameter is passed as it is."""
    rows = []
    blocks = re.findall(r"withName: '(\w+)' \{(.*?)\n    \}", (ROOT / "conf" / "modules.config").read_text(), re.DOTALL)
    for process, block in blocks:
        same = [name for names in re.findall(r"subMap\(\s*\[(.*?)\]", block) for name in re.findall(r"'(\w+)'", names)]
        renamed = re.findall(r"(\w+): params\.(\w+)", block)
        rows += [
            (process, option, name) for option, name in [*zip(same, same, strict=True), *renamed] if option != "mode"
        ]
    return rows


@functools.cache
def commands_of(process: str) -> list[Any]:
    """The commands of the script that a module runs: one, or one per subcommand."""
    text = (ROOT / "modules" / "local" / process.lower() / "main.nf").read_text()
    app = app_of(re.findall(r"^    (\w+)\.py", text, re.MULTILINE)[0])
    command: Any = typer.main.get_command(app)
    return list(command.commands.values()) if hasattr(command, "commands") else [command]


@pytest.mark.parametrize(("process", "option", "name"), options_of_processes())
def test_the_schema_says_of_a_parameter_what_the_script_says_of_its_option(process: str, option: str, name: str):
    """Its default, its bounds and its words; of each subcommand where a script has several."""
    rule = declared()[name]
    for command in commands_of(process):
        (declaration,) = (one for one in command.params if f"--{option.replace('_', '-')}" in one.opts)
        if "default" in rule and name not in OTHER_DEFAULTS:
            assert rule["default"] == declaration.default
        for bound, key in ((declaration.min, "Minimum"), (declaration.max, "Maximum")):
            if bound is not None:
                assert bound == rule.get(key.lower(), rule.get(f"exclusive{key}")), key
        words = set(rule.get("enum", ()))
        listed = re.search(r"((?:[\w.-]+, )*[\w.-]+ or [\w.-]+)\.$", declaration.help)
        assert {word for word in words if word not in declaration.help} == set()
        if words and listed and ": " in declaration.help:
            assert set(re.split(r", | or ", listed[1])) == words


def test_every_profile_can_be_read_and_keeps_the_arguments_and_the_place_of_every_process():
    """A selector that stands twice in the configuration loses what the first one said."""
    for profile in ("demo", "test,gpu,docker,slurm", "demo_real,podman,singularity,apptainer,conda"):
        status, output = nextflow("config", ".", "-flat", "-profile", profile, cwd=ROOT)
        assert status == 0, output
        for process in ("CHECK_INPUTS", "SCORE_ELEMENTS", "DIAGNOSE"):
            assert f"withName:{process}'.ext.options = " in output or f"withName:{process}.ext.options = " in output
        assert "withLabel:error_ignore" in output


def test_nextflow_lint_finds_nothing(project: Project):
    status, output = nextflow("lint", *(part for part in PARTS if not part.endswith(".json")), cwd=project.folder)
    assert status == 0, output


def test_every_module_says_what_it_is():
    for module in (ROOT / "modules" / "local").iterdir():
        meta = yaml.safe_load((module / "meta.yml").read_text())
        assert meta["name"] == module.name
        text = (module / "main.nf").read_text()
        assert f"process {module.name.upper()} {{" in text
        # Once, and in the module: a pipeline that includes it has the software too.
        assert text.count("docker.io/darkregulome/darkregulome:") == text.count("    container ") == 1
        assert f"darkregulome:{__version__}" in text
        # What `ext.args` ends in is a comment for the shell: the hash of the code, so that -resume sees a change of it.
        assert [line for line in text.splitlines() if line.endswith("${args}")], module.name
        assert all(line.endswith("${args}") for line in text.splitlines() if "${args}" in line), module.name
        for word in ("label", "input:", "output:", "script:", "stub:", "val('"):
            assert word in text, f"{module.name} lacks {word}"


@pytest.mark.parametrize("module", sorted((ROOT / "modules" / "local").iterdir()), ids=lambda module: module.name)
def test_the_meta_of_a_module_names_its_inputs_and_outputs_in_their_order(module: Path):
    text = (module / "main.nf").read_text()
    meta = yaml.safe_load((module / "meta.yml").read_text())
    inputs = text.partition("    input:\n")[2].partition("    output:\n")[0]
    flat = [one for entry in meta["input"] for one in (entry if isinstance(entry, list) else [entry])]
    assert [name for entry in flat for name in entry] == re.findall(r"\b(?:val|path)[ (](\w+)", inputs)
    assert list(meta["output"]) == re.findall(r"emit: (\w+)", text)


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
