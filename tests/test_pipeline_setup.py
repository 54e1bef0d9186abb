"""Set-up: one clear sentence where a tool is missing, and scripts that install under their own names."""

import os
import shutil
import subprocess
import sys
import sysconfig
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


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of what is installed, without the large files."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("bin", "assets"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    return folder


def test_the_wheel_holds_every_script_module_and_asset(source: Path, tmp_path: Path):
    command = [sys.executable, "-c", f"import setuptools.build_meta as b; b.build_wheel({str(tmp_path)!r})"]
    expected = {f"darkregulome/{path.relative_to(source)}" for path in (source / "assets").rglob("*") if path.is_file()}
    package = source / "bin" / "darkregulome"
    expected |= {str(path.relative_to(package.parent)) for path in package.rglob("*") if path.is_file()}
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    scripts = {name.partition(".data/scripts/")[2] for name in names} - {""}
    assert scripts == {path.name for path in (ROOT / "bin").glob("*.py")}, "script-files in pyproject.toml names them"
    assert {name for name in names if name.startswith("darkregulome/")} == expected


@pytest.mark.heavy
def test_an_installation_works_from_any_folder(source: Path, tmp_path: Path):
    """`uv pip install .` into an environment of its own, which sees the libraries of this one."""
    environment, elsewhere = tmp_path / "environment", tmp_path / "elsewhere"
    elsewhere.mkdir()
    uv = [sys.executable, "-m", "uv", "--quiet", "--offline"]
    subprocess.run([*uv, "venv", "--python", sys.executable, str(environment)], check=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    (packages / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    install = ["pip", "install", "--python", str(environment / "bin" / "python"), "--no-deps", "--no-build-isolation"]
    subprocess.run([*uv, *install, str(source)], check=True)

    def run(*words: str) -> str:
        plain = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        command = [str(environment / "bin" / words[0]), *words[1:]]
        done = subprocess.run(command, cwd=elsewhere, env=plain, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "--fasta" in run("check_inputs.py", "--help")
    run("simulate.py", "genome", "--outdir", "genome", "--loci", "1", "--flank", "12000")
    assert (elsewhere / "genome" / "truth.json").is_file()
    code = "import darkregulome; from darkregulome.io.assets import find_asset as find; print(darkregulome.__file__); "
    where = run("python3", "-c", code + "print(find('models.yml')); print(find('class_map.csv').stat().st_size)")
    module, registry, size = where.splitlines()
    assert Path(module).is_relative_to(packages)
    assert Path(registry) == packages / "darkregulome" / "assets" / "models.yml"
    assert Path(registry).is_file()
    assert int(size) > 0


def test_bin_alone_uses_the_assets_of_the_installation(tmp_path: Path):
    """A task on another machine gets `bin/` and no more; its container has the package."""
    shutil.copytree(ROOT / "bin", tmp_path / "bin", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "site" / "darkregulome-0.1.0.dist-info").mkdir(parents=True)
    (tmp_path / "site" / "darkregulome-0.1.0.dist-info" / "METADATA").write_text("Name: darkregulome\nVersion: 0.1.0\n")
    code = "from darkregulome.io.assets import find_asset; print(find_asset('models.yml'))"

    def find(*paths: str) -> str:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(tmp_path / path) for path in paths)}
        return subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert find("bin", "site") == str(tmp_path / "site" / "darkregulome" / "assets" / "models.yml")
    assert find("bin") == str(tmp_path / "bin" / "darkregulome" / "assets" / "models.yml")


@pytest.mark.parametrize("script", sorted((ROOT / "bin").glob("*.py")), ids=lambda path: path.name)
def test_scripts_can_be_run_by_name(script: Path):
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/usr/bin/env python3\n")
