"""diagnose.py, decompose.py and cross_check.py by their command lines: files, exit codes, messages."""

import gzip
import json

import pandas as pd
import pytest

from darkregulome.diagnosis.entries import RUNGS
from script_runner import run_script
from simulated_tables import Truth, make_elements, make_ris

FEW = ("--permutations", 299, "--no-progress")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    elements = make_elements(1, loci=6, per_locus=40, rho=0.3)
    elements["class"] = elements["class"].where(elements["class"].isin(["cCRE", "TE"]), "other")
    ris = make_ris(elements, 1, Truth(regulation=2.0), rho=0.3)
    return write_inputs(tmp_path_factory.mktemp("inputs"), elements, ris)


@pytest.fixture(scope="module")
def diagnosed(inputs, tmp_path_factory):
    """What diagnose.py leaves behind, on one thread."""
    folder = tmp_path_factory.mktemp("diagnosed")
    ran = run_script("diagnose", *tables(inputs), *FEW, "--bootstrap", 100, "--threads", 1, "--outdir", folder)
    assert ran.code == 0, ran.err
    return folder


def write_inputs(folder, elements, ris):
    elements.to_parquet(folder / "elements.parquet")
    ris.to_csv(folder / "ris.tsv.gz", sep="\t", index=False)
    names = elements.groupby("locus").agg(chrom=("chrom", "first"), start=("start", "min"), end=("end", "max"))
    loci = names.reset_index().assign(tss=500_000, strand="+")
    loci["gene"] = "GENE" + loci["locus"].str[-2:]
    loci.to_csv(folder / "loci.tsv", sep="\t", index=False)
    held = elements[(elements["distance"].abs() <= 15_000)].iloc[::3]
    eqtls = pd.DataFrame({"chrom": held["chrom"], "pos": held["start"] + 1, "gene": "GENE" + held["locus"].str[-2:]})
    eqtls.to_csv(folder / "eqtls.tsv.gz", sep="\t", index=False)
    return folder


def tables(inputs):
    return ("--elements", inputs / "elements.parquet", "--ris", inputs / "ris.tsv.gz")


def test_diagnose_writes_all_that_the_contract_names(diagnosed):
    record = json.loads((diagnosed / "diagnosis.json").read_text())
    assert record["parameters"]["permutations"] == 299
    assert record["provenance"]["version"]
    assert record["version"] == 2
    claims = pd.read_csv(diagnosed / "claims.tsv", sep="\t")
    assert list(claims["verdict"]) == [claim["verdict"] for claim in record["claims"]]
    residuals = pd.read_parquet(diagnosed / "residuals.parquet")
    left = {f"{rung}_sd" for rung in RUNGS} | {"ris_given_trivial", "ris_given_full"}
    assert {"element", "model", "ris"} | left <= set(residuals.columns)
    for rung in RUNGS:
        effects = [claim[rung]["effect"] for claim in record["claims"]]
        assert claims[f"{rung}_effect"].tolist() == pytest.approx(effects)
    of_claims = {f"{kind}_{name}" for kind in ("ladder", "nulls") for name in claims["claim"]}
    names = {"horizon", "variance_shares", "effects"} | of_claims
    drawn = {path.name for path in (diagnosed / "figures").iterdir()}
    assert drawn == {f"{name}.{suffix}" for name in names for suffix in ("svg", "png")}
    assert not list(diagnosed.rglob(".partial-*"))


def test_decompose_writes_all_that_the_contract_names(inputs, tmp_path):
    ran = run_script("decompose", *tables(inputs), "--outdir", tmp_path, *FEW, "--bootstrap", 100)
    assert ran.code == 0, ran.err
    record = json.loads((tmp_path / "decomposition.json").read_text())
    with gzip.open(tmp_path / "layers.tsv.gz") as handle:
        layers = pd.read_csv(handle, sep="\t")
    assert layers["layer"].value_counts().to_dict() == {
        name: content["n"] for name, content in record["layers"].items() if content["n"]
    }
    assert (tmp_path / "figures" / "list_overlap.svg").stat().st_size > 0
    assert list(pd.read_csv(tmp_path / "pairs.tsv", sep="\t")["scores"]) == list(RUNGS)


def test_cross_check_eqtl_writes_json_tables_and_figure(inputs, tmp_path):
    files = ("--loci", inputs / "loci.tsv", "--eqtl", inputs / "eqtls.tsv.gz")
    ran = run_script("cross_check", "eqtl", *tables(inputs), *files, "--outdir", tmp_path, *FEW)
    assert ran.code == 0, ran.err
    record = json.loads((tmp_path / "cross_check_eqtl.json").read_text())
    assert record["check"] == "eqtl"
    assert record["gene_matched"] is True
    assert {claim["claim"] for claim in record["claims"]} == {"eqtl"}
    assert (tmp_path / "figures" / "cross_check_eqtl.png").is_file()
    assert pd.read_csv(tmp_path / "eqtl_elements.tsv.gz", sep="\t")["eqtl"].sum() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--null", "bogus"), "--null: is 'bogus'"),
        (("--ris", "absent.tsv"), "absent.tsv: does not exist"),
        (("--elements", "elements.xlsx"), "has the extension '.xlsx'"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2_and_nothing_is_written(inputs, tmp_path, options, message):
    out = tmp_path / "out"
    ran = run_script("diagnose", *tables(inputs), "--outdir", out, *FEW, *options)
    assert ran.code == 2
    assert not out.exists()


def card(folder, name, inside):
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"model": name, "motif_loss": {"inside": inside, "outside": 1.35}}))
    return path


def test_decompose_and_cross_check_take_model_cards_and_call_nothing_absent(tmp_path):
    elements = make_elements(7, loci=20, rho=0.0)
    write_inputs(tmp_path, elements, make_ris(elements, 7, Truth(predictability=0.0), rho=0.0))
    given = (*tables(tmp_path), *FEW)
    eqtl = ("--loci", tmp_path / "loci.tsv", "--eqtl", tmp_path / "eqtls.tsv.gz")
    cards = ("--model-cards", card(tmp_path, "lm", 1.3), "--model-cards", card(tmp_path, "output", 0.8))
    scripts = {
        "decomposition": ("decompose", *given, "--bootstrap", 100, "--alpha", 0.01),
        "cross_check_eqtl": ("cross_check", "eqtl", *given, *eqtl),
    }
    blinded = 0
    for name, (script, *words) in scripts.items():
        ran = [
            run_script(script, *words, *more, "--outdir", tmp_path / place) for place, more in (("0", ()), ("1", cards))
        ]
        assert [one.code for one in ran] == [0, 0], ran[0].err + ran[1].err
        before, after = (json.loads((tmp_path / place / f"{name}.json").read_text()) for place in "01")
        assert after["parameters"]["without_grammar"] == ["lm"]
        assert after["parameters"]["alpha"] == (0.01 if name == "decomposition" else 0.05)
        for one, two in zip(before["claims"], after["claims"], strict=True):
            blind = one["verdict"] == "absent" and "lm" in one["model"].split("|")
            assert two["verdict"] == ("undecided" if blind else one["verdict"])
            assert ("lm does not know the grammar" in two["sentence"]) == blind
            blinded += blind
    assert blinded > 0


def test_a_card_of_a_model_without_scores_is_said(inputs, tmp_path):
    cards = ("--model-cards", card(tmp_path, "stranger", 1.3))
    ran = run_script("diagnose", *tables(inputs), "--outdir", tmp_path / "out", *FEW, "--bootstrap", 100, *cards)
    assert ran.code == 0, ran.err
    notes = json.loads((tmp_path / "out" / "diagnosis.json").read_text())["notes"]
    assert any("stranger does not know the grammar" in note for note in notes)


def test_diagnosis_is_byte_for_byte_the_same_on_one_and_on_two_threads(inputs, diagnosed, tmp_path):
    ran = run_script("diagnose", *tables(inputs), *FEW, "--bootstrap", 100, "--threads", 2, "--outdir", tmp_path)
    assert ran.code == 0, ran.err
    assert (tmp_path / "diagnosis.json").read_bytes() == (diagnosed / "diagnosis.json").read_bytes()
