"""Every bad input gets its sentence and exit code 2: no traceback, nothing half-written, no earlier result changed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bad_input_corpus import Case, make_world, place, read_corpus, run_case, snapshot, words
from pipeline_runner import ROOT

pytestmark = pytest.mark.filterwarnings("ignore")
CASES = read_corpus()
SENTENCE = re.compile(r"error: \S.*: .+; .+\.")
# A script must say the same by itself as inside the test process.
REAL = ("prepare_loci/unknown_gene", "diagnose/truncated_parquet", "score_variants/vcf_and_bed")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.script}/{case.name}")
def test_a_bad_input_gets_its_sentence(case: Case, world: Path, tmp_path: Path):
    place_before = tmp_path / "before"
    place_before.mkdir()
    place(case, world, place_before)
    folder = tmp_path / "case"
    folder.mkdir()
    good = snapshot(world)
    ran = run_case(case, world, folder)
    said = plain(ran.err, folder, world)
    assert ran.code == 2, said
    assert "Traceback" not in said + ran.out
    assert "internal fault" not in said
    if case.usage:
        # Said by the parser of the command line, in its own way.
        said = " ".join(said.split())
    else:
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        assert errors, said
        assert [line for line in errors if not SENTENCE.fullmatch(line)] == []
        assert len(errors) <= max(5, len(case.says)), "too much to read"
    for sentence in case.says:
        assert sentence in said
    assert snapshot(world) == good
    assert {name.removeprefix(str(folder)): text for name, text in snapshot(folder).items()} == {
        name.removeprefix(str(place_before)): text for name, text in snapshot(place_before).items()
    }


@pytest.mark.parametrize("name", REAL)
def test_a_script_by_itself_says_the_same(name: str, world: Path, tmp_path: Path):
    case = next(case for case in CASES if f"{case.script}/{case.name}" == name)
    place(case, world, tmp_path)
    command = [sys.executable, str(ROOT / "bin" / f"{case.script}.py"), *words(case, world, tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    for sentence in case.says:
        assert sentence in plain(done.stderr, tmp_path, world)


def test_the_corpus_covers_every_script():
    scripts = {path.stem for path in (ROOT / "bin").glob("*.py")}
    assert {case.script for case in CASES} == scripts
    assert len(CASES) >= 80


def plain(text: str, folder: Path, world: Path) -> str:
    """What was said, with the names of the folders cut."""
    return text.replace(f"{folder}/", "").replace(f"{world}/", "")
