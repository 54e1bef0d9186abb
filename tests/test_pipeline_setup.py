"""Set-up: one clear sentence where a tool is missing, and scripts that install under their own names."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pipeline_runner import ROOT

TOOLS = ("sh", "sed", "head", "mkdir", "rm", "cp", "chmod", "dirname", "printf", "cat", "env")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the installer scripts, and a PATH of the basic tools in `bin`."""
    shutil.copytree(ROOT / "setup", tmp_path / "setup")
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        if found := shutil.which(tool):
            (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def add_tool(checkout: Path, name: str, script: str) -> None:
    path = checkout / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def run(checkout: Path, script: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(checkout / "bin"), "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(["/bin/sh", f"setup/{script}"], cwd=checkout, env=environment, capture_output=True, text=True)


def test_missing_python_is_said_in_one_sentence(checkout: Path):
    done = run(checkout, "python.sh")
    assert done.returncode == 2
    assert done.stderr == "error: Python 3.11 or newer was not found; install it and run 'make setup' again.\n"


def test_old_python_is_no_python(checkout: Path):
    add_tool(checkout, "python3", "exit 1")
    assert "Python 3.11 or newer was not found" in run(checkout, "python.sh").stderr


def test_python_without_venv_is_said_in_one_sentence(checkout: Path):
    add_tool(checkout, "python3", 'case "$*" in *venv*) exit 1;; esac')
    done = run(checkout, "python.sh")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "venv module" in done.stderr


@pytest.mark.parametrize(
    "java", [None, "echo 'openjdk version \"11.0.2\"' >&2", "echo 'Unable to locate a Java Runtime.' >&2; exit 1"]
)
def test_missing_or_old_java_is_said_in_one_sentence(checkout: Path, java: str | None):
    if java:
        add_tool(checkout, "java", java)
    done = run(checkout, "nextflow_dist.sh")
    assert done.returncode == 2
    assert done.stderr == "error: Java 17 or newer was not found; install it and run 'make setup' again.\n"


def test_missing_nextflow_and_maven_are_said_in_one_sentence(checkout: Path):
    add_tool(checkout, "java", "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2")
    done = run(checkout, "nextflow_dist.sh")
    assert done.returncode == 2
    assert done.stderr.startswith("error: neither nextflow nor mvn was found")
    assert done.stderr.count("\n") == 1


def test_a_nextflow_on_the_path_is_used(checkout: Path):
    add_tool(checkout, "java", "echo 'openjdk version \"21\"' >&2")
    add_tool(checkout, "nextflow", 'echo "theirs $*"')
    assert run(checkout, "nextflow_dist.sh").returncode == 0
    launcher = [str(checkout / ".nextflow-dist" / "nextflow"), "run", "x"]
    assert subprocess.run(launcher, capture_output=True, text=True).stdout == "theirs run x\n"


def test_setup_is_done_once():
    """Where nothing changed, `make setup` has nothing to do."""
    if not (ROOT / ".venv" / ".ready").exists() or not (ROOT / ".nextflow-dist" / ".ready").exists():
        pytest.skip("this checkout was not made by make setup")
    done = subprocess.run(["make", "--question", "setup"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, "make setup would run again"


def test_the_wheel_holds_every_script_and_the_data_they_look_for(tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "requirements.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("bin", "assets"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    command = [sys.executable, "-c", f"import setuptools.build_meta as b; print(b.build_wheel({str(tmp_path)!r}))"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wheel = zipfile.ZipFile(next(tmp_path.glob("*.whl")))
    names = [name.partition(".data/")[2] for name in wheel.namelist()]
    scripts = {name.removeprefix("scripts/") for name in names if name.startswith("scripts/")}
    assert scripts == {path.name for path in (ROOT / "bin").glob("*.py")}
    assert {"data/share/darkregulome/models.yml", "data/share/darkregulome/class_map.csv"} <= set(names)
    assert "darkregulome/__init__.py" in wheel.namelist()


@pytest.mark.parametrize("script", sorted((ROOT / "bin").glob("*.py")), ids=lambda path: path.name)
def test_scripts_can_be_run_by_name(script: Path):
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/usr/bin/env python3\n")
