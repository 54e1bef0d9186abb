#!/usr/bin/env python3
"""Mutation testing of the rooms whose numbers nobody checks by eye: ``setup/mutate.py [--rooms stats] [--sample 300]``.

mutmut changes one operator, number, argument or word of a function at a time and runs the tests that reach the
function. A mutant that no test kills is a line whose meaning no test guards. Each room is copied into a folder of its
own with the tests that are about it; the scores go to docs/mutation.md, the survivors to .scratch/mutate/ROOM.diff.
"""

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = ROOT / ".scratch" / "mutate"
PAGE = ROOT / "docs" / "mutation.md"
BEGIN, END = "<!-- scores: written by make mutate -->", "<!-- end of scores -->"

ROOMS = {
    "stats": ("test_stats_*.py",),
    "claims": ("test_claims*.py", "test_stats_*.py", "test_diagnosis_*.py"),
    "elements": ("test_elements_*.py", "test_scripts_prepare.py", "test_check_inputs.py"),
    "genome": ("test_genome_*.py", "test_elements_*.py", "test_fuzz_parsers.py"),
    "edits": ("test_edits_*.py", "test_scoring_*.py", "test_variants_scores.py", "test_maps_make.py"),
}
"""Tests by the room of bin/darkregulome that they are about."""

KILLED, SURVIVED, UNTESTED, TIMED_OUT = 1, 0, 33, (24, 36, -24)
PROSE = re.compile(r"""^[-+].*?["'].*\s.*["']""")

CONFIG = """\
[tool.mutmut]
source_paths = ["src/"]
only_mutate = ["src/darkregulome/{room}/*"]
also_copy = ["tests/", "bin/", "assets/", "docs/"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-m", "not heavy and not pipeline"]
pytest_add_cli_args_test_selection = {tests}
process_isolation = "forkserver"
[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["src", "tests", "tests/support"]
markers = ["pipeline: runs a real Nextflow", "heavy: minutes long"]
"""


@dataclass(frozen=True)
class Score:
    """Mutants of a room: how many were tried, killed, and changed only the wording of a message."""

    room: str
    mutants: int
    tried: int
    killed: int
    wording: int

    @property
    def share(self) -> float:
        """Share of the mutants tried that tests kill; those of wording alone do not count."""
        return self.killed / max(self.tried - self.wording, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", nargs="*", default=list(ROOMS), choices=list(ROOMS))
    parser.add_argument("--sample", type=int, default=0, help="mutants per room, drawn at random; 0: all")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    scores = [test_room(room, options.sample, options.jobs) for room in options.rooms]
    for score in scores:
        print(row(score))
    write_scores(scores)


def test_room(room: str, sample: int, jobs: int) -> Score:
    """Mutate one room and run its tests on every mutant (or on a random sample of them)."""
    folder = SCRATCH / room
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "bin" / "darkregulome", folder / "src" / "darkregulome")
    for name in ("tests", "assets", "docs"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "bin").mkdir()
    for script in (ROOT / "bin").glob("*.py"):
        shutil.copy2(script, folder / "bin")
    tests = sorted({f"tests/{path.name}" for pattern in ROOMS[room] for path in (ROOT / "tests").glob(pattern)})
    (folder / "pyproject.toml").write_text(CONFIG.format(room=room, tests=json.dumps(tests)))
    if sample:
        # A name that no mutant has: mutants are made and tests are timed, and none is run.
        mutmut(folder, "run", "--max-children", str(jobs), "darkregulome.none", check=False)
        names = sorted(exit_codes(folder))
        chosen = random.Random(room).sample(names, min(sample, len(names)))
        mutmut(folder, "run", "--max-children", str(jobs), *chosen)
    else:
        mutmut(folder, "run", "--max-children", str(jobs))
    return judge(room, folder)


def mutmut(folder: Path, *words: str, check: bool = True) -> str:
    """What mutmut prints, run in `folder`."""
    done = subprocess.run(["mutmut", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode:
        sys.exit(f"error: mutmut {words[0]} failed in {folder}:\n{done.stdout[-3000:]}")
    return done.stdout


def exit_codes(folder: Path) -> dict[str, int | None]:
    """Exit code of the tests per mutant; None where it was not tried."""
    codes: dict[str, int | None] = {}
    for meta in sorted((folder / "mutants").rglob("*.meta")):
        codes |= json.loads(meta.read_text())["exit_code_by_key"]
    return codes


def judge(room: str, folder: Path) -> Score:
    """Count the mutants of a room, and write the survivors' changes beside it."""
    codes = exit_codes(folder)
    tried = {name: code for name, code in codes.items() if code is not None}
    survivors = [name for name, code in tried.items() if code in (SURVIVED, UNTESTED)]
    wording = 0
    with open(SCRATCH / f"{room}.diff", "w") as handle:
        for name in survivors:
            change = changed_lines(mutmut(folder, "show", name))
            if only_wording(change):
                wording += 1
                continue
            handle.write("\n".join([f"# {name}", *change, ""]))
    return Score(room, len(codes), len(tried), len(tried) - len(survivors), wording)


def changed_lines(diff: str) -> list[str]:
    return [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def only_wording(change: Sequence[str]) -> bool:
    """Whether the two sides differ only inside a text with blanks: a message for people."""
    bare = [re.sub(r"""f?("[^"]*"|'[^']*')""", '""', line[1:]) for line in change]
    return len(bare) == 2 and bare[0] == bare[1] and all(PROSE.match(line) for line in change)


def row(score: Score) -> str:
    counted = score.tried - score.wording
    return f"| {score.room} | {score.mutants} | {counted} | {score.killed} | {100 * score.share:.0f} % |"


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
