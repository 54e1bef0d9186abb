"""A claim or a null is one file: nothing else knows of it, and a toy one in another folder is found everywhere."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from darkregulome import claims
from darkregulome.claims.claim import all_claims, claim_names, find_claim
from darkregulome.claims.document import claims_markdown
from darkregulome.diagnosis.calibrate import Asked, calibrate, plantable
from darkregulome.diagnosis.calibration_input import on_elements
from darkregulome.diagnosis.diagnose import diagnose
from darkregulome.diagnosis.example import example_elements
from darkregulome.diagnosis.settings import Settings
from darkregulome.diagnosis.worlds import Design, all_worlds
from darkregulome.io.records import ClaimEntry
from darkregulome.simulate.truth import expected_verdicts
from darkregulome.stats.noise import geometric
from darkregulome.stats.nulls import null_names
from pipeline_runner import ROOT
from simulated_tables import Truth, make_elements, make_ris

FEW = Settings(permutations=99, bootstrap=0, seed=1)

TOY_CLAIM = '''
"""Long elements score apart from short ones."""

import numpy as np

from darkregulome.claims.claim import Claim
from darkregulome.claims.sentences import say_contrast
from darkregulome.diagnosis.adjust import Pair, make_ladder


def long(scores):
    lengths = scores.table["length"].to_numpy()
    return (lengths > np.median(lengths)).astype(float)


CLAIM = Claim(
    name="toy_length",
    title="Long elements",
    question="do long elements score apart?",
    statistic="long less short",
    unit="SD",
    floor=0.1,
    subject="the mark of length",
    order=90,
    test=lambda subject, settings: make_ladder(
        subject.one, Pair(subject.one.raw, long(subject.one.scores), "long"), subject.setting
    ),
    say=lambda entry, settings: say_contrast(entry, "Long elements score", "short ones"),
    simulated={"demo-toy": ("absent",)},
    signal=lambda scores, settings: long(scores),
)
'''
TOY_NULL = '''
"""Scores keep their places, with signs drawn at random for whole loci."""

from darkregulome.stats.nulls.kind import NullKind
from darkregulome.stats.nulls.rotation import RotationNull

NULL = NullKind("toy_turns", "A toy.", lambda loci, classes, draws, rng: RotationNull(loci, draws, rng))
'''


@pytest.fixture
def toy_claim(tmp_path, monkeypatch):
    """A claim in a folder of its own, which the package is told to read too."""
    (tmp_path / "toy_length.py").write_text(TOY_CLAIM)
    monkeypatch.setattr(claims, "__path__", [*claims.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "darkregulome.claims.toy_length", raising=False)


def test_each_claim_has_the_name_of_its_file_and_an_order_of_its_own():
    every = all_claims()
    assert [claim.name for claim in every] == sorted(claim_names(), key=lambda name: find_claim(name).order)
    assert len({claim.order for claim in every}) == len(every)
    with pytest.raises(KeyError):
        find_claim("luck")


def test_a_toy_claim_in_one_file_is_found_in_the_diagnosis(toy_claim):
    elements = make_elements(1, loci=6, per_locus=40)
    record = diagnose(elements, make_ris(elements, 1, Truth(), models=("lm",)), FEW).record
    entry = next(entry for entry in record["claims"] if entry["claim"] == "toy_length")
    assert entry["sentence"].startswith("Long elements score")
    assert ClaimEntry.from_json(entry).to_json() == entry


def test_a_toy_claim_is_asked_of_worlds_by_calibration(toy_claim):
    design = Design(on_elements(example_elements(8, 60)), geometric(0.0), label="autocorrelation 0")
    asked = [Asked(all_worlds()["independent"], plantable()["toy_length"], design)]
    (row,) = calibrate(asked, 4, 1.0, FEW)["worlds"]
    assert (row["claim"], row["tables"]) == ("toy_length", 4)


def test_a_toy_claim_is_in_documents_report_and_simulated_truth(toy_claim):
    from darkregulome.report.markup import claim_title

    assert "| `toy_length` | do long elements score apart? |" in claims_markdown()
    assert claim_title("toy_length") == "Long elements"
    assert {"claim": "toy_length", "model": "demo-toy", "verdict": ["absent"]} in expected_verdicts()


def test_the_table_of_the_documents_is_that_of_the_records():
    assert (ROOT / "docs" / "claims.md").read_text() == claims_markdown(), "run make docs"


def test_a_toy_null_in_one_file_is_a_choice_of_the_option_and_is_used(tmp_path):
    folder = tmp_path / "nulls"
    folder.mkdir()
    (folder / "toy_turns.py").write_text(TOY_NULL)
    elements = make_elements(1, loci=6, per_locus=40)
    elements.to_parquet(tmp_path / "elements.parquet")
    make_ris(elements, 1, Truth(), models=("lm",)).to_parquet(tmp_path / "ris.parquet")
    run = (
        f"import runpy, sys; sys.path.insert(0, {str(ROOT / 'bin')!r})\n"
        f"from darkregulome.stats import nulls; nulls.__path__.append({str(folder)!r})\n"
        f"runpy.run_path({str(ROOT / 'bin' / 'diagnose.py')!r}, run_name='__main__')"
    )
    options = ["--elements", "elements.parquet", "--ris", "ris.parquet", "--outdir", "out", "--permutations", "99"]
    for null, code in (("toy_turns", 0), ("luck", 2)):
        command = [sys.executable, "-c", run, *options, "--null", null]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
    assert "use free, rotation, stratified or toy_turns" in done.stderr
    record = json.loads((tmp_path / "out" / "diagnosis.json").read_text())
    assert {entry["null"] for entry in record["claims"]} == {"toy_turns"}


def test_the_pipelines_choice_of_nulls_is_that_of_the_records():
    schema = json.loads((ROOT / "nextflow_schema.json").read_text())
    groups = [part["properties"] for part in schema["$defs"].values()]
    declared = [group["spatial_null"] for group in groups if "spatial_null" in group]
    assert [sorted(parameter["enum"]) for parameter in declared] == [list(null_names())]
    assert declared[0]["default"] == Settings().null


def literals(path: Path) -> list[list[str]]:
    """The texts that stand in each dictionary, list, tuple or set of a module, without those of nested ones."""
    groups = []
    for node in ast.walk(ast.parse(path.read_text())):
        parts = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
        groups.append([part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)])
    return groups


def test_no_other_module_has_a_table_of_claims():
    """No name that only a claim can have stands outside its folder, and no literal holds two names of claims."""
    names, package = set(claim_names()), ROOT / "bin"
    own = {name for name in names if "_" in name} - {"list_overlap"}
    for path in package.rglob("*.py"):
        # A world of calibration that only some claims can be asked about names them.
        if path.parent.name == "claims" or path.name == "worlds.py":
            continue
        texts = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert not texts & own, f"{path} names {texts & own}"
        # Figures of the decomposition, and what check_inputs.py is given, have names that claims have too.
        if path.name not in ("agreement.py", "check_inputs.py"):
            tables = [group for group in literals(path) if len(set(group) & names) > 1]
            assert tables == [], path
