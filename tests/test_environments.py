"""The environments of `-profile conda` hold what the scripts of their modules import, by whatever way."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from pipeline_runner import ROOT

BIN, SETUP = ROOT / "bin", ROOT / "setup"
MODULES = sorted((ROOT / "modules" / "local").iterdir())
OPTIONAL = {"triton", "mamba_ssm"}
"""Faster kernels, used where they are installed: imports that may fail."""
OWN = {"darkregulome", *(path.stem for path in BIN.glob("*.py"))}


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Dotted names that the code imports, in functions too, but for those of type checkers alone."""
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test):
        for node in tree.orelse:
            yield from imported_names(node)
        return
    if isinstance(tree, ast.Import):
        yield from (alias.name for alias in tree.names)
    elif isinstance(tree, ast.ImportFrom) and tree.module:
        yield from (f"{tree.module}.{alias.name}" for alias in tree.names)
    for node in ast.iter_child_nodes(tree):
        yield from imported_names(node)


def files_of(name: str, folder: Path) -> list[Path]:
    """Files that the import of a dotted name runs: its packages' and its own. A name in a module is no file."""
    files = []
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        path = folder.joinpath(*parts[:depth])
        files += [file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()]
    return files


@cache
def names_in(file: Path) -> frozenset[str]:
    return frozenset(imported_names(ast.parse(file.read_text())))


def imported_libraries(script: Path, folder: Path = BIN) -> set[str]:
    """Top-level names of other projects' modules that a script can come to import.

    A module that imports others by a name made at run time, as the architectures are, reaches all of its folder.
    """
    to_read, files, libraries = [script], set(), set()
    while to_read:
        file = to_read.pop()
        if file in files:
            continue
        files.add(file)
        for name in names_in(file):
            if name.split(".")[0] in OWN:
                to_read += files_of(name, folder)
            else:
                libraries.add(name.split(".")[0])
        if "import_module(" in file.read_text():
            to_read += file.parent.rglob("*.py")
    return libraries - set(sys.stdlib_module_names)


@cache
def locked() -> dict[str, set[str]]:
    """Names of the packages of uv.lock, each with what it depends on."""
    graph: dict[str, set[str]] = {}
    for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]:
        graph.setdefault(package["name"], set()).update(each["name"] for each in package.get("dependencies", []))
    return graph


def with_their_dependencies(names: set[str]) -> set[str]:
    reached, to_visit = set(), list(names)
    while to_visit:
        name = to_visit.pop()
        if name not in reached:
            reached.add(name)
            to_visit += locked()[name]
    return reached


@cache
def installed() -> dict[str, set[str]]:
    """Names of modules, each with the packages that bring it."""
    normalised = re.compile(r"[-_.]+")
    return {
        module: {normalised.sub("-", name).lower() for name in names}
        for module, names in packages_distributions().items()
    }


def is_installed_by(library: str, packages: set[str]) -> bool:
    return bool(installed().get(library, set()) & packages)


def needs_of(module: Path) -> set[str]:
    """Libraries that the process of a module imports: through scripts, in code of its own, or behind a command."""
    text = (module / "main.nf").read_text()
    libraries = {"multiqc"} if re.search(r"^ *multiqc ", text, re.MULTILINE) else set()
    for script in re.findall(r"^ *(\w+\.py) ", text, re.MULTILINE):
        libraries |= imported_libraries(BIN / script)
    for code in re.findall(r"python3 -c '([^']*)'", text):
        libraries |= set(imported_names(ast.parse(code.replace("\\", ""))))
    return {name.split(".")[0] for name in libraries} - set(sys.stdlib_module_names) - OPTIONAL


@cache
def environments() -> dict[str, tuple[str, ...]]:
    """What setup/write_environments.py puts into each environment."""
    code = "import json, write_environments as w; print(json.dumps(w.environments()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=SETUP, capture_output=True, text=True, check=True)
    return {name: tuple(names) for name, names in yaml.safe_load(done.stdout).items()}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_a_module_has_the_smallest_environment_that_covers_its_imports(module: Path):
    needs = needs_of(module)
    assert needs, "no library of this process was seen"
    covering = [
        name
        for name, packages in environments().items()
        if all(is_installed_by(library, with_their_dependencies(set(packages))) for library in needs)
    ]
    assert covering, f"no environment has all of {sorted(needs)}"
    (line,) = re.findall(r'^    conda "(.*)"$', (module / "main.nf").read_text(), re.MULTILINE)
    path = Path(line.replace("${moduleDir}", str(module))).resolve()
    assert path == ROOT / "containers" / "conda" / f"{covering[0]}.yml"


def test_the_environments_are_those_of_the_lock(tmp_path: Path):
    shutil.copytree(SETUP, tmp_path / "setup")
    (tmp_path / "containers").mkdir()
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path)
    subprocess.run([sys.executable, "setup/write_environments.py"], cwd=tmp_path, check=True)
    written = {path.name: path.read_text() for path in (tmp_path / "containers" / "conda").iterdir()}
    assert written == {path.name: path.read_text() for path in (ROOT / "containers" / "conda").iterdir()}, "make docs"
    for text in written.values():
        assert yaml.safe_load(text)["dependencies"]


def test_every_import_is_declared_and_every_declared_library_is_imported():
    direct = set(environments()["models"])
    libraries = set().union(*(imported_libraries(script) for script in BIN.glob("*.py")))
    packages = with_their_dependencies(direct)
    assert {name for name in libraries - OPTIONAL if not is_installed_by(name, packages)} == set()
    assert {name for name in direct if not any(is_installed_by(library, {name}) for library in libraries)} == set()


def test_imports_are_followed_into_functions_and_through_folders(tmp_path: Path):
    package = tmp_path / "darkregulome"
    (package / "kinds").mkdir(parents=True)
    for name, text in {
        "__init__.py": "",
        "lazy.py": "def use():\n    import late\n",
        "typed.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import never\n",
        "kinds/__init__.py": "from importlib import import_module\nimport_module(f'darkregulome.kinds.{1}')\n",
        "kinds/one.py": "import of_one.part\n",
    }.items():
        (package / name).write_text(text)
    script = tmp_path / "script.py"
    script.write_text("import os\nfrom darkregulome import kinds, lazy\nfrom darkregulome.typed import name\n")
    assert imported_libraries(script, tmp_path) == {"late", "of_one"}
