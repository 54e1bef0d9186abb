#!/usr/bin/env python3
"""Mutation testing of the rooms whose numbers nobody checks by eye: ``setup/mutate.py [--rooms stats] [--sample 300]``.

mutmut changes one operator, number, argument or word of a function at a time and runs the tests that reach the
function. A mutant that no test kills is a line whose meaning no test guards. Each room is copied into a folder of its
own with the tests that are about it; the scores go to docs/mutation.md, the survivors to .scratch/mutate/ROOM.diff.
"""

import argparse
import ast
import difflib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = ROOT / ".scratch" / "mutate"
PAGE = ROOT / "docs" / "mutation.md"
BEGIN, END = "<!-- scores: written by make mutate -->", "<!-- end of scores -->"

ROOMS = {
    "stats": ("test_stats_*.py",),
    "claims": ("test_claims_asked.py", "test_claims_genes.py", "test_diagnosis_cross_check.py"),
    "diagnosis": ("test_diagnosis_*.py",),
    "elements": ("test_elements_*.py", "test_check_inputs.py", "test_conversion*.py"),
    "genome": ("test_genome_*.py", "test_genomes.py"),
    "edits": ("test_edits_*.py", "test_scoring_elements.py", "test_variants_scores.py", "test_maps_make.py"),
}
"""Tests by the room of bin/darkregulome that they are about; those that start other processes see no mutant there."""

SURVIVED = (0, 5, 33)
"""Exit codes where all tests passed, no test ran, and no test reaches the function; all others are of a mutant that
failed a test, or that ran out of time or memory."""
TEST_SECONDS = 15
"""A mutant meets its tests from the fastest on, until they have taken this long: the slow ones repeat the fast ones at
a larger scale, and a mutant that only they would kill counts as a survivor."""

NO_RESULT = ("dtype", "strict", "prefix")
"""Arguments that guard a type or a length, or name a temporary folder, and change no number that is right."""
MESSAGES = ("InputError", "NotTestable", "Problem")
"""What is raised with a text that people read."""

CONFIG = """\
[tool.mutmut]
source_paths = ["src/"]
only_mutate = ["src/darkregulome/{room}/*"]
also_copy = ["tests/", "bin/", "assets/", "docs/", "conftest.py"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-m", "not heavy and not pipeline"]
pytest_add_cli_args_test_selection = {tests}
process_isolation = "forkserver"
[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["src", "tests", "tests/support"]
markers = ["pipeline: runs a real Nextflow", "heavy: minutes long"]
"""

FAST_FIRST = f"""\
import json, pathlib

def pytest_collection_modifyitems(config, items):
    timed = pathlib.Path("mutmut-stats.json")
    seconds = json.loads(timed.read_text())["duration_by_test"] if timed.is_file() else {{}}
    if not all(item.nodeid in seconds for item in items):
        return  # they are being timed
    items.sort(key=lambda item: seconds[item.nodeid])
    spent, taken = 0.0, 0
    while taken < len(items) and spent < {TEST_SECONDS}:
        spent += seconds[items[taken].nodeid]
        taken += 1
    del items[taken:]
"""


@dataclass(frozen=True)
class Score:
    """Mutants of a room that could change a result, and how many of them were tried and killed."""

    room: str
    mutants: int
    tried: int
    killed: int

    @property
    def share(self) -> float:
        """Share of the mutants tried that tests kill."""
        return self.killed / max(self.tried, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", nargs="*", default=list(ROOMS), choices=list(ROOMS))
    parser.add_argument("--sample", type=int, default=0, help="mutants per room, drawn at random; 0: all")
    parser.add_argument("--seed", default="", help="another one draws another sample")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    scores = [test_room(room, options.sample, options.seed, options.jobs) for room in options.rooms]
    for score in scores:
        print(row(score))
    write_scores(scores)


def test_room(room: str, sample: int, seed: str, jobs: int) -> Score:
    """Mutate one room and run its tests on every mutant that counts (or on a random sample of them)."""
    folder = SCRATCH / room
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "bin" / "darkregulome", folder / "src" / "darkregulome")
    # Scripts that a test starts import the package next to them, which is not mutated.
    for name in ("tests", "assets", "docs", "bin"):
        shutil.copytree(ROOT / name, folder / name)
    tests = sorted({f"tests/{path.name}" for pattern in ROOMS[room] for path in (ROOT / "tests").glob(pattern)})
    (folder / "pyproject.toml").write_text(CONFIG.format(room=room, tests=json.dumps(tests)))
    (folder / "conftest.py").write_text(FAST_FIRST)
    # A name that no mutant has: mutants are made and tests are timed, and none is run.
    mutmut(folder, "run", "--max-children", str(jobs), "darkregulome.none", check=False)
    changes = {name: change for name, change in changes_of(folder) if can_matter(*change)}
    names = sorted(changes)
    if not names:
        sys.exit(f"error: mutmut made no mutant in {folder}: run it there to see why")
    if sample:
        names = random.Random(room + seed).sample(names, min(sample, len(names)))
    mutmut(folder, "run", "--max-children", str(jobs), *names)
    codes = exit_codes(folder)
    survivors = [name for name in names if codes[name] in SURVIVED]
    with open(SCRATCH / f"{room}.diff", "w") as handle:
        for name in survivors:
            handle.write("\n".join([f"# {name} {codes[name]}", *changed_lines(*changes[name]), ""]))
    return Score(room, len(changes), len(names), len(names) - len(survivors))


def mutmut(folder: Path, *words: str, check: bool = True) -> None:
    """Run mutmut in `folder`."""
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["mutmut", *words], cwd=folder, env=one_thread, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    (folder / "mutmut.log").write_text(done.stdout)
    if check and done.returncode:
        sys.exit(f"error: mutmut {words[0]} failed in {folder}:\n{done.stdout[-3000:]}")


def exit_codes(folder: Path) -> dict[str, int | None]:
    """Exit code of the tests per mutant; None where it was not tried."""
    codes: dict[str, int | None] = {}
    for meta in sorted((folder / "mutants").rglob("*.meta")):
        codes |= json.loads(meta.read_text())["exit_code_by_key"]
    return codes


def changes_of(folder: Path) -> Iterator[tuple[str, tuple[ast.AST, ast.AST]]]:
    """Each mutant's name, and the function before and after its change."""
    source = folder / "mutants" / "src"
    for path in sorted(source.rglob("*.py")):
        text = path.read_text()
        if "__mutmut_orig" not in text:
            continue
        module = ".".join(path.relative_to(source).with_suffix("").parts)
        functions = {node.name: node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
        for name, node in functions.items():
            stem, _, number = name.rpartition("__mutmut_")
            if number.isdigit():
                yield f"{module.removesuffix('.__init__')}.{name}", (functions[f"{stem}__mutmut_orig"], node)


def can_matter(before: ast.AST, after: ast.AST) -> bool:
    """Whether a change could change a result, as far as a rule can say.

    It cannot where it changes or leaves out an argument of `NO_RESULT` or the type of a ``cast``, spells
    ``float("nan")`` or the kind of a sort in other letters, or is to the wording of a message: an argument of what is
    raised, the letters of an f-string, or a text with blanks.
    """
    parents, one, two = _difference(before, after)
    inside = parents[-1] if parents else before
    if any(isinstance(node, ast.keyword) and node.arg in NO_RESULT for node in (*parents, one)):
        return False
    if isinstance(one, ast.Call) and isinstance(two, ast.Call):
        left_out = {word.arg for word in one.keywords} - {word.arg for word in two.keywords}
        if len(one.args) == len(two.args) and left_out & set(NO_RESULT):
            return False
    if isinstance(inside, ast.Call) and ast.unparse(inside.func) == "cast" and one is inside.args[0]:
        return False
    if any(isinstance(node, ast.Raise) for node in (*parents, one)):
        return False
    calls = [ast.unparse(node.func) for node in (*parents, one) if isinstance(node, ast.Call)]
    if any(name.split(".")[0] in MESSAGES for name in calls):
        return False
    if isinstance(one, ast.Constant) and isinstance(one.value, str):
        same_letters = isinstance(two, ast.Constant) and str(two.value).lower() == one.value.lower()
        if same_letters and ("float" in calls or (isinstance(inside, ast.keyword) and inside.arg == "kind")):
            return False
        if " " in one.value.strip() or any(isinstance(node, ast.JoinedStr) for node in parents):
            return False
    return True


def _difference(before: ast.AST, after: ast.AST) -> tuple[list[ast.AST], ast.AST, ast.AST]:
    """The smallest part that holds all that differs, before and after, and what it is in, from the outside in."""
    parents: list[ast.AST] = []
    while type(before) is type(after):
        differing = []
        for (field, one), (_, two) in zip(ast.iter_fields(before), ast.iter_fields(after), strict=True):
            ones, twos = (side if isinstance(side, list) else [side] for side in (one, two))
            if len(ones) != len(twos):
                return parents, before, after
            differing += [
                pair
                for pair in zip(ones, twos, strict=True)
                if field not in ("name", "ctx") and _dumped(pair[0]) != _dumped(pair[1])
            ]
        if len(differing) != 1 or not all(isinstance(side, ast.AST) for side in differing[0]):
            return parents, before, after
        parents.append(before)
        before, after = differing[0]
    return parents, before, after


def _dumped(node: object) -> str:
    return ast.dump(node) if isinstance(node, ast.AST) else repr(node)


def changed_lines(before: ast.AST, after: ast.AST) -> list[str]:
    """What differs, as lines of code."""
    one, two = (ast.unparse(node).splitlines()[1:] for node in (before, after))
    return [line for line in difflib.unified_diff(one, two, n=0, lineterm="") if line[:3] not in ("---", "+++")]


def row(score: Score) -> str:
    return f"| {score.room} | {score.mutants} | {score.tried} | {score.killed} | {100 * score.share:.0f} % |"


def write_scores(scores: Iterable[Score]) -> None:
    """Put the rows of these rooms into docs/mutation.md; those of other rooms stay."""
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    rows = {line.split("|")[1].strip(): line for line in table.strip().splitlines()[2:]}
    rows |= {score.room: row(score) for score in scores}
    lines = [
        "| room | mutants | tried | killed | score |",
        "|---|---|---|---|---|",
        *(rows[room] for room in ROOMS if room in rows),
    ]
    PAGE.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + after)


if __name__ == "__main__":
    main()
