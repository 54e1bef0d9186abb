"""score_elements, pool_ris and estimate_cost by their command lines, on tiny checkpoints made here."""

import io
import json
import os
import re
import runpy
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyBigWig
import pytest
import torch
import yaml

from darkregulome.genome.sequence import reverse_complement
from darkregulome.io import schemas, tables
from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM
from darkregulome.models.checkpoint import save_checkpoint
from darkregulome.models.hyenadna import HyenaConfig, HyenaDNAForCausalLM
from darkregulome.models.registry import load_model
from places import BIN

LENGTH = 600


@dataclass
class Done:
    stdout: str
    stderr: str


def run(script, *arguments, code=0):
    """Run a script in this process: importing torch anew for each would take most of the time."""
    stdout, stderr = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = [script, *map(str, arguments)]
    try:
        with redirect_stdout(stdout), redirect_stderr(stderr), pytest.raises(SystemExit) as exit_code:
            runpy.run_path(str(BIN / script), run_name="__main__")
    finally:
        sys.argv = before
    assert exit_code.value.code == code, stderr.getvalue()
    assert "Traceback" not in stderr.getvalue()
    return Done(stdout.getvalue(), stderr.getvalue())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A genome of two contigs, elements of two loci, three models and their registry."""
    folder = tmp_path_factory.mktemp("ism")
    rng = np.random.default_rng(0)
    bases = {name: "".join(rng.choice(list("ACGT"), LENGTH)) for name in ("chr1", "chr2")}
    bases["chr1"] = bases["chr1"][:300] + "N" * 60 + bases["chr1"][360:]
    (folder / "genome.fa").write_text("".join(f">{name}\n{letters}\n" for name, letters in bases.items()))
    spans = [("L1", "chr1", 100, 160), ("L1", "chr1", 300, 360), ("L1", "chr1", 0, 55), ("L2", "chr2", 250, 330)]
    elements = pd.DataFrame(spans, columns=["locus", "chrom", "start", "end"])
    elements = elements.assign(
        element=[f"e{number}" for number in range(len(spans))], strand=".", subclass="x", distance=0,
        length=elements["end"] - elements["start"], gc=0.5, cpg_oe=0.5, complexity=0.9, repeat_fraction=0.0,
        n_fraction=[0.0, 1.0, 0.0, 0.0], **{"class": "other"},
    )  # fmt: skip
    tables.write_table(elements, folder / "elements.parquet", schemas.ELEMENTS)
    loci = pd.DataFrame(
        {"locus": ["L1", "L2"], "gene": ["G1", "G2"], "chrom": ["chr1", "chr2"], "tss": [200, 280],
         "strand": ["+", "-"], "start": 0, "end": LENGTH}
    )  # fmt: skip
    tables.write_table(loci, folder / "loci.tsv", schemas.LOCI)
    torch.manual_seed(0)
    caduceus = CaduceusConfig(d_model=8, n_layer=2)
    save_checkpoint(CaduceusForMaskedLM(caduceus), caduceus, folder / "models" / "tiny-caduceus")
    hyena = HyenaConfig(d_model=8, n_layer=2, d_inner=16, vocab_size=12, max_seq_len=130, filter_order=8)
    save_checkpoint(HyenaDNAForCausalLM(hyena), hyena, folder / "models" / "tiny-hyena")
    models = {
        "tiny-caduceus": {"kind": "masked", "architecture": "caduceus", "weights": "tiny-caduceus", "context": 128},
        "tiny-hyena": {"kind": "causal", "architecture": "hyenadna", "weights": "tiny-hyena", "window": 96},
    }
    (folder / "models.yml").write_text(yaml.safe_dump({"models": models}))
    return folder


def score(folder, model, name, *more, code=0):
    return run(
        "score_elements.py", "--elements", folder / "elements.parquet", "--loci", folder / "loci.tsv",
        "--fasta", folder / "genome.fa", "--model", model, "--registry", folder / "models.yml",
        "--out", folder / f"{name}.effects.parquet", "--reference-out", folder / f"{name}.reference.parquet",
        "--no-progress", *more, code=code,
    )  # fmt: skip


@pytest.fixture(scope="module")
def scored(folder):
    for model in ("tiny-caduceus", "tiny-hyena"):
        for locus in ("L1", "L2"):
            score(folder, model, f"{locus}.{model}", "--locus", locus, "--sites", 4)
    return folder


def read(folder, name):
    effects = tables.read_table(folder / f"{name}.effects.parquet", schemas.EFFECTS)
    return effects, tables.read_table(folder / f"{name}.reference.parquet", schemas.REFERENCE)


def test_scores_of_a_checkpoint_equal_the_networks_own_forward(scored):
    effects, reference = read(scored, "L2.tiny-caduceus")
    model = load_model("tiny-caduceus", registry=scored / "models.yml")
    bases = (scored / "genome.fa").read_text().split(">chr2\n")[1].strip()
    assert len(effects) == 12
    for row in effects.itertuples():
        window = bases[row.start - 63 : row.start + 64]
        log_p = []
        for sequence in (window, reverse_complement(window)):
            tokens = model.encode([sequence])
            tokens[0, 63] = 3  # [MASK]
            logits = model.network(tokens)[0, 63, 7:11]
            log_p.append(torch.log_softmax(logits, 0).numpy())
        mean = (log_p[0] + log_p[1][::-1]) / 2
        ref, alt = "ACGT".index(row.ref), "ACGT".index(row.alt)
        assert row.effect == pytest.approx(mean[alt] - mean[ref], abs=1e-5)
    # The element's other bases, masked seven apart in the window around it.
    window, means = bases[226:354], np.zeros(128)
    for sequence, step in ((window, 1), (reverse_complement(window), -1)):
        log_p = np.zeros(128)
        for phase in range(7):
            tokens = model.encode([sequence])
            tokens[0, phase::7] = 3
            predicted = torch.log_softmax(model.network(tokens)[0, :, 7:11], 1)
            log_p[phase::7] = [predicted[at, "ACGT".index(sequence[at])] for at in range(phase, 128, 7)]
        means += log_p[::step] / 2
    untouched = [at for at in range(250, 330) if at not in set(effects["start"])]
    assert len(untouched) == 76
    assert reference["predictability"][0] == pytest.approx(means[np.array(untouched) - 226].mean(), abs=1e-5)


def test_statuses_and_provenance(scored):
    effects, reference = read(scored, "L1.tiny-hyena")
    assert dict(zip(reference["element"], reference["status"], strict=True)) == {
        "e0": "ok",
        "e1": "n_masked",
        "e2": "ok",
    }
    assert set(effects["element"]) == {"e0", "e2"}
    assert set(reference["readout"]) == {"loglik"}
    record = tables.read_provenance(scored / "L1.tiny-hyena.effects.parquet")
    assert record["model"] == "tiny-hyena"
    assert len(record["checkpoint"]["sha256"]) == 64
    assert record["parameters"]["sites"] == 4
    assert str(scored) not in json.dumps(record)


def test_a_locus_alone_scores_as_it_does_among_all(scored):
    score(scored, "tiny-caduceus", "all", "--sites", 4, "--batch-size", 3)
    effects, _ = read(scored, "all")
    parts = pd.concat([read(scored, f"{locus}.tiny-caduceus")[0] for locus in ("L1", "L2")], ignore_index=True)
    pd.testing.assert_frame_equal(effects, parts, atol=1e-5)


@pytest.mark.parametrize("given", [["--locus", "L1,L2"], ["--locus", "L2", "--locus", "L1"]])
def test_several_loci_in_one_task_score_as_each_alone(scored, given):
    score(scored, "tiny-hyena", "group", *given, "--sites", 4)
    effects, reference = read(scored, "group")
    parts = [read(scored, f"{locus}.tiny-hyena") for locus in ("L1", "L2")]
    pd.testing.assert_frame_equal(effects, pd.concat([part[0] for part in parts], ignore_index=True), atol=1e-5)
    pd.testing.assert_frame_equal(reference, pd.concat([part[1] for part in parts], ignore_index=True), atol=1e-5)


def test_a_locus_without_elements_is_told_of_and_the_others_are_scored(scored):
    done = score(scored, "tiny-hyena", "some", "--locus", "nowhere,L2", "--sites", 4)
    assert "no element of the locus 'nowhere'" in done.stderr
    assert set(read(scored, "some")[1]["element"]) == {"e3"}


@pytest.mark.parametrize("style", ["repeated", "listed", "commas"])
def test_pooled_tables_and_bigwigs(scored, style, tmp_path):
    names = [f"{locus}.{model}" for model in ("tiny-caduceus", "tiny-hyena") for locus in ("L1", "L2")]
    files = {kind: [scored / f"{name}.{kind}.parquet" for name in names] for kind in ("effects", "reference")}
    given = []
    for kind, paths in files.items():
        if style == "repeated":
            given += [part for path in paths for part in (f"--{kind}", path)]
        elif style == "listed":
            given += [f"--{kind}", *paths]
        else:
            given += [f"--{kind}", ",".join(map(str, paths))]
    run("pool_ris.py", "--elements", scored / "elements.parquet", *given, "--fai", scored / "genome.fa.fai",
        "--outdir", tmp_path)  # fmt: skip
    ris = tables.read_table(tmp_path / "ris.parquet", schemas.RIS)
    assert len(ris) == 8
    assert {path.name for path in tmp_path.iterdir()} == {
        "ris.parquet",
        "ris.tsv.gz",
        "tiny-caduceus.bw",
        "tiny-hyena.bw",
    }
    effects, _ = read(scored, "L2.tiny-hyena")
    row = ris[(ris["element"] == "e3") & (ris["model"] == "tiny-hyena")].iloc[0]
    assert row["ris"] == pytest.approx(effects["effect"].abs().mean())
    with pyBigWig.open(str(tmp_path / "tiny-hyena.bw")) as handle:
        assert handle.intervals("chr2")[0][:2] == (250, 330)
    text = tables.read_table(tmp_path / "ris.tsv.gz", schemas.RIS)
    np.testing.assert_allclose(text["ris"], ris["ris"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--locus", "nowhere"], "no element of the locus 'nowhere'"),
        (["--window", "9999"], "--window"),
        (["--window", "wide"], "neither auto nor"),
        (["--perturbation", "shuffle", "--readout", "llr"], "cannot be read as llr"),
        (["--target", "12"], "--target"),
        (["--device", "cuda:9"], "--device"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(folder, more, message):
    done = score(folder, "tiny-caduceus", "bad", *more, code=2)
    assert message in done.stderr
    assert not list(folder.glob("bad.*"))
    assert not list(folder.glob(".partial*"))


def test_bf16_is_warned_of(folder):
    done = score(folder, "tiny-caduceus", "bf16", "--precision", "bf16", "--sites", 4)
    measured = re.search(r"bf16: (\d+) effects correlate (-?[\d.]+) with fp32; the mean error is", done.stderr)
    assert measured
    bf16, _ = read(folder, "bf16")
    score(folder, "tiny-caduceus", "fp32", "--sites", 4)
    fp32, _ = read(folder, "fp32")
    # All three elements that can be scored were probed, at the same sites.
    assert int(measured[1]) == len(fp32) == 36
    assert float(measured[2]) == pytest.approx(np.corrcoef(fp32["effect"], bf16["effect"])[0, 1], abs=2e-4)
    assert "bf16" not in score(folder, "tiny-caduceus", "again", "--sites", 1).stderr


def test_plan_only_prints_the_plan_and_runs_nothing(folder):
    done = score(folder, "tiny-hyena", "plan", "--sites", 4, "--plan-only")
    assert not list(folder.glob("*plan*"))
    rows = [re.sub("[│┃]", " ", line).split() for line in done.stdout.splitlines() if "L" in line or "in all" in line]
    # Elements longer than half a window are three tiles; each has a reference on either strand, and so has each edit.
    assert [row[1:8] for row in rows if row[1] in ("L1", "L2")] == [
        ["L1", "2", "1", "n_masked", "8", "28", "28"],
        ["L2", "1", "4", "14", "14", "1,344", rows[1][-1]],
    ]
    full = score(folder, "tiny-hyena", "full", "--sites", 4)
    forwards, bases = re.search(r"(\d+) sequences of (\d+) bases", full.stderr).groups()
    total = next(row for row in rows if row[:2] == ["in", "all"])
    assert forwards in total
    assert f"{int(bases):,}" in total


def test_an_interrupted_run_goes_on_from_its_last_finished_chunk(folder, monkeypatch, tmp_path):
    from darkregulome.scoring import chunks
    from darkregulome.scoring import elements as engine

    monkeypatch.setattr(engine, "ELEMENTS_PER_CHUNK", 1)
    runs = []
    run_plan, save = engine.Runner.run, chunks.ChunkStore.save
    monkeypatch.setattr(engine.Runner, "run", lambda self, *given: (runs.append(1), run_plan(self, *given))[1])

    def interrupted(self, number, scores):
        if number == 2:
            raise KeyboardInterrupt
        save(self, number, scores)

    names = [f"resumed.{kind}.parquet" for kind in ("effects", "reference")]
    score(folder, "tiny-caduceus", "resumed", "--sites", 2)
    expected = [(folder / name).read_bytes() for name in names]
    for name in names:
        (folder / name).unlink()
    runs.clear()
    with monkeypatch.context() as patch:
        patch.setattr(chunks.ChunkStore, "save", interrupted)
        score(folder, "tiny-caduceus", "resumed", "--sites", 2, code=130)
    assert len(runs) == 3
    assert not list(folder.glob("resumed.*"))
    (kept,) = folder.glob(".resumed.*.chunks")
    # Other parameters do not take these chunks, and leave none when they are done; a damaged chunk is run again.
    (kept / "000000.effects.parquet").write_bytes(b"PAR1")
    runs.clear()
    done = score(folder, "tiny-caduceus", "resumed", "--sites", 2)
    assert "2 finished chunks" in done.stderr
    assert len(runs) == 3
    assert [(folder / name).read_bytes() for name in names] == expected
    assert not list(folder.glob(".resumed.*"))


def test_the_next_attempt_may_write_elsewhere_if_the_chunks_have_a_place(folder, monkeypatch, tmp_path):
    """As when a workflow system tries a task again, in another folder."""
    from darkregulome.scoring import chunks
    from darkregulome.scoring import elements as engine

    monkeypatch.setattr(engine, "ELEMENTS_PER_CHUNK", 1)
    save, place = chunks.ChunkStore.save, tmp_path / "chunks"

    def interrupted(self, number, scores):
        if number == 2:
            raise KeyboardInterrupt
        save(self, number, scores)

    def attempt(number, **options):
        out = tmp_path / str(number) / "e.parquet"
        out.parent.mkdir()
        given = ["--sites", 2, "--out", out, "--reference-out", out.with_name("r.parquet"), "--chunks-dir", place]
        return score(folder, "tiny-caduceus", "unused", *given, **options), out

    expected = attempt(0)[1].read_bytes()
    assert not list(place.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(chunks.ChunkStore, "save", interrupted)
        _, out = attempt(1, code=130)
    assert not list(out.parent.iterdir())
    other = place / ".e.parquet.0123456789abcdef.chunks"
    other.mkdir()
    done, out = attempt(2)
    assert "2 finished chunks" in done.stderr
    assert out.read_bytes() == expected
    assert list(place.iterdir()) == [other]  # of a task that may be running


def test_other_parameters_do_not_take_the_chunks(folder, monkeypatch):
    from darkregulome.scoring import chunks

    monkeypatch.setattr(chunks.ChunkStore, "remove", lambda self: None)
    seen = set()
    for more in ([], ["--sites", 3], ["--seed", 1], ["--locus", "L2"], ["--perturbation", "mask"], ["--window", 64]):
        score(folder, "tiny-caduceus", "keyed", *(more if "--sites" in more else ["--sites", 2, *more]))
        found = set(folder.glob(".keyed.*.chunks"))
        assert len(found) == len(seen) + 1
        seen = found
    again = score(folder, "tiny-caduceus", "keyed", "--sites", 2, "--batch-size", 2)
    assert set(folder.glob(".keyed.*.chunks")) == seen
    assert "finished chunks" in again.stderr
    monkeypatch.undo()
    score(folder, "tiny-caduceus", "keyed", "--sites", 2)
    assert not list(folder.glob(".keyed.*"))


@pytest.mark.parametrize("suffix", ["tsv", "tsv.gz", "csv"])
def test_text_tables_are_written_chunk_by_chunk_too(folder, monkeypatch, suffix, tmp_path):
    from darkregulome.scoring import elements as engine

    score(folder, "tiny-caduceus", "whole", "--sites", 2)
    monkeypatch.setattr(engine, "ELEMENTS_PER_CHUNK", 1)
    out = tmp_path / f"e.{suffix}"
    score(folder, "tiny-caduceus", "text", "--sites", 2, "--out", out, "--reference-out", tmp_path / f"r.{suffix}")
    found, expected = tables.read_table(out, schemas.EFFECTS), read(folder, "whole")[0]
    pd.testing.assert_frame_equal(found, expected, atol=1e-5)


@pytest.mark.parametrize("script", ["score_elements.py", "pool_ris.py", "estimate_cost.py"])
def test_help_and_version(script):
    assert "Example" in run(script, "--help").stdout
    assert run(script, "--version").stdout.startswith("darkregulome ")
    assert os.access(BIN / script, os.X_OK)


def test_help_is_quick_because_torch_is_not_imported():
    code = "import runpy, sys; sys.argv = ['x', '--version']\n"
    code += f"try: runpy.run_path({str(BIN / 'score_elements.py')!r}, run_name='__main__')\n"
    code += "except SystemExit: assert 'torch' not in sys.modules and 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(BIN)})


def test_estimate_cost_of_two_models(folder, tmp_path):
    done = run("estimate_cost.py", "--elements", folder / "elements.parquet", "--models", "tiny-caduceus,tiny-hyena",
               "--registry", folder / "models.yml", "--sites", 4, "--device", "cpu", "--price-per-hour", 1.5,
               "--out", tmp_path / "cost.json")  # fmt: skip
    record = json.loads((tmp_path / "cost.json").read_text())
    by_model = {cost["model"]: cost for cost in record["models"]}
    # Three elements that are not N only, four sites, two strands; seven passes of each read the predictability.
    assert by_model["tiny-caduceus"]["edit_forwards"] == 24
    assert by_model["tiny-caduceus"]["reference_forwards"] == 3 * 2 * 7
    assert by_model["tiny-hyena"]["forwards"] > 24
    assert all(cost["money"] == pytest.approx(1.5 * cost["hours"]) for cost in record["models"])
    assert "tiny-hyena" in done.stdout
    assert record["assumptions"]["cpu"] == "2 cores"
    # One task a locus and model; each model's network is counted at its own size, not at the published one's.
    assert record["total"] == [
        {
            "device": "cpu",
            "models": 2,
            "tasks": 4,
            "forwards": sum(cost["forwards"] for cost in record["models"]),
            "hours": pytest.approx(sum(cost["hours"] for cost in record["models"])),
            "money": pytest.approx(1.5 * sum(cost["hours"] for cost in record["models"])),
        }
    ]
    assert by_model["tiny-caduceus"]["settings"]["readout"] == "llr"


def test_a_calibrated_estimate_rests_on_this_machine(folder, tmp_path):
    run("estimate_cost.py", "--elements", folder / "elements.parquet", "--models", "tiny-caduceus", "--calibrate",
        "--calibration-seconds", 0.1, "--registry", folder / "models.yml", "--device", "cpu", "--no-progress",
        "--plan-out", tmp_path / "plan.tsv", "--out", tmp_path / "cost.json")  # fmt: skip
    record = json.loads((tmp_path / "cost.json").read_text())
    (cost,) = record["models"]
    measured = record["calibration"]["tiny-caduceus"]
    assert cost["calibrated"]
    assert 0 < cost["hours"] < 1
    assert all(value >= 0 for value in measured.values() if isinstance(value, float))
    plan = tables.read_table(tmp_path / "plan.tsv", schemas.PLAN)
    assert plan["edit_forwards"].sum() == cost["edit_forwards"]


def test_the_plan_names_every_task_and_a_checkpoint_elsewhere_is_read_too(folder, tmp_path):
    """As in a workflow's task, which has the registry and the checkpoints in folders of their own."""
    (tmp_path / "models.yml").symlink_to(folder / "models.yml")
    given = ["estimate_cost.py", "--elements", folder / "elements.parquet", "--models", "tiny-caduceus",
             "--device", "cpu", "--registry", tmp_path / "models.yml", "--loci", folder / "loci.tsv",
             "--plan-out", tmp_path / "plan.tsv", "--out", tmp_path / "cost.json"]  # fmt: skip
    flops = []
    for weights in ([], ["--weights", f"tiny-caduceus={folder / 'models' / 'tiny-caduceus'}"]):
        run(*given, *weights)
        (cost,) = json.loads((tmp_path / "cost.json").read_text())["models"]
        flops.append(cost["flops"])
        plan = tables.read_table(tmp_path / "plan.tsv", schemas.PLAN)
        assert plan["task"].tolist() == ["L1", "L2"]
        assert plan["edit_forwards"].sum() == cost["edit_forwards"]
    assert flops[1] < flops[0] / 100  # without its checkpoint it is taken for the published one
    run(*given, "--loci-per-task", 2)
    assert tables.read_table(tmp_path / "plan.tsv", schemas.PLAN)["task"].tolist() == ["L1..L2"]
    run(*given, "--models", "tiny-hyena", "--device", "auto")
    rows = tables.read_table(tmp_path / "plan.tsv", schemas.PLAN)[["device", "task", "model"]].values.tolist()
    each = [(task, model) for task in ("L1", "L2") for model in ("tiny-caduceus", "tiny-hyena")]
    assert [tuple(row) for row in rows] == [(device, *one) for device in ("cpu", "cuda") for one in each]
