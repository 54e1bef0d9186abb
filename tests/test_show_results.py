"""setup/show_results.py: the verdicts of a run in a terminal, and whether they are those that were planted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from darkregulome.diagnosis.output import claims_table
from darkregulome.io.tables import write_table
from example_diagnosis import example_diagnosis
from places import ROOT


@pytest.fixture
def results(tmp_path: Path) -> Path:
    record = example_diagnosis().record
    write_table(claims_table(record["claims"]), tmp_path / "diagnosis" / "claims.tsv")
    (tmp_path / "diagnosis" / "diagnosis.json").write_text(json.dumps(record))
    return tmp_path


def show(results: Path, **truth) -> subprocess.CompletedProcess:
    (results / "truth.json").write_text(json.dumps({"planted": True, "facts": {}, "expected": []} | truth))
    command = [sys.executable, ROOT / "setup" / "show_results.py", results, results / "truth.json"]
    return subprocess.run(command, capture_output=True, text=True)


def expected(verdict, model: str = "lm") -> list[dict]:
    return [{"claim": "horizon", "model": model, "verdict": verdict}]


def test_every_claim_is_a_row_with_its_rungs_its_verdict_and_its_reason(results):
    lines = show(results).stdout.splitlines()
    header = next(line for line in lines if line.startswith("claim"))
    assert header.split("  ")[0] == "claim"
    assert all(name in header for name in ("raw effect", "trivial q", "full effect", "verdict", "reason"))
    told = next(line for line in lines if line.startswith("te_discrimination"))
    assert told.endswith("undecided  not identifiable")


@pytest.mark.parametrize(
    ("planted", "code"),
    [("survives", 0), (["hinges", "survives"], 0), ("hinges", 1), (["hinges", "absent"], 1)],
)
def test_an_expectation_is_a_word_or_several(results, planted, code):
    done = show(results, expected=expected(planted))
    assert done.returncode == code, done.stdout + done.stderr
    assert ("DISAGREES" in done.stdout) == bool(code)


def test_a_claim_that_was_not_tested_disagrees(results):
    done = show(results, expected=expected("survives", model="another"))
    assert done.returncode == 1
    assert "horizon of another should be 'survives', and is None" in done.stdout


def test_where_nothing_was_planted_nothing_may_survive(results):
    done = show(results, planted=False)
    assert done.returncode == 1
    assert "nothing was planted, and yet horizon of lm survives" in done.stdout
