"""Logos: distributions and effects of models that are known, base by base."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import reverse_complement
from darkregulome.models import registry
from darkregulome.scoring.embeddings.windows import LabelledWindow
from darkregulome.scoring.logos import LONGEST, bounded, information, predicted, read_logos
from darkregulome.scoring.variants.score import make_scorer
from darkregulome.scoring.variants.settings import Settled
from fake_models import ORDER_0, EquivariantMasked, LinearOutput, MarkovCausal, MarkovMasked, OrderZeroMasked
from script_runner import run_script

SEQUENCE = "".join(np.random.default_rng(9).choice(list("ACGT"), 120))
SEQUENCE = SEQUENCE[:70] + "N" + SEQUENCE[71:]


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "genome.fa"
    path.write_text(f">chr1\n{SEQUENCE}\n>chr2\n{'ACGT' * 200}\n")
    return path


def test_information_is_two_bits_less_the_entropy():
    given = np.array([[0.25] * 4, [1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.7, 0.1, 0.1, 0.1], [np.nan] * 4])
    entropy = -(0.7 * math.log2(0.7) + 0.3 * math.log2(0.1))
    np.testing.assert_allclose(information(given), [0, 2, 1, 2 - entropy, np.nan])


def test_a_model_without_context_predicts_its_frequencies_of_both_strands(genome: Path):
    with Reference(genome) as reference:
        found = predicted(OrderZeroMasked(context=16), LabelledWindow("", "chr1", 30, 40), reference, 16)
    both = np.sqrt(ORDER_0 * ORDER_0[::-1])
    np.testing.assert_allclose(found, np.tile(both / both.sum(), (10, 1)), atol=1e-6)


@pytest.mark.parametrize("kind", [MarkovMasked, MarkovCausal, EquivariantMasked])
@pytest.mark.parametrize("size", [15, 16])
def test_each_base_is_predicted_in_the_middle_of_its_window(kind, size: int, genome: Path):
    model = kind(context=size)
    with Reference(genome) as reference:
        found = predicted(model, LabelledWindow("", "chr1", 0, 120), reference, size)
        padded = reference.fetch("chr1", -size, 120 + size)
    assert np.isnan(found[70]).all()
    for at in (0, 1, 33, 64, 69, 71, 118, 119):
        window = padded[at + size - size // 2 :][:size]
        site = size // 2
        masked = window[:site] + "#" + window[site + 1 :] if model.kind == "masked" else window
        log_p = np.log(model.distribution(masked, site))
        if not model.equivariant:
            other = reverse_complement(window)
            there = size - 1 - site
            other = other[:there] + "#" + other[there + 1 :] if model.kind == "masked" else other
            log_p = (log_p + np.log(model.distribution(other, there))[::-1]) / 2
        np.testing.assert_allclose(found[at], np.exp(log_p) / np.exp(log_p).sum(), atol=1e-6)


def logo_of(model, genome: Path, region: LabelledWindow, score: str, size: int):
    with Reference(genome) as reference:
        settings = Settled(scores=(score,), window=size, max_length=1, max_n=1.0)
        scorer = make_scorer(model, reference, settings)
        (logo,) = read_logos(model, scorer, [region], reference, settings)
    return logo


def test_the_ism_of_a_masked_model_is_the_ratio_of_its_own_predictions(genome: Path):
    logo = logo_of(MarkovMasked(context=16), genome, LabelledWindow("a", "chr1", 60, 80), "llr", 16)
    with np.errstate(divide="ignore"):
        log_p = np.log(logo.probabilities)
    for at, base in enumerate(logo.sequence):
        if base == "N":
            assert np.isnan(logo.effects[at]).all()
            assert np.isnan(logo.importance[at])
            continue
        own = "ACGT".index(base)
        # Both come from the mean of the strands' log-probabilities: their normalisation cancels in the ratio.
        np.testing.assert_allclose(logo.effects[at], log_p[at] - log_p[at, own], atol=1e-5)
        others = np.delete(logo.effects[at], own)
        assert logo.importance[at] == pytest.approx(-others.mean())


def test_an_output_model_has_effects_and_no_predictions(genome: Path):
    model = LinearOutput(context=20, tss_offset=10, stranded=False, tracks=("cage",))
    logo = logo_of(model, genome, LabelledWindow("a", "chr1", 30, 36), "track", 20)
    assert np.isnan(logo.probabilities).all()
    window = SEQUENCE[32 - 10 : 32 + 10]
    before = model.predict(window)
    for at, base in enumerate("ACGT"):
        after = model.predict(window[:10] + base + window[11:])
        assert logo.effects[2, at] == pytest.approx(np.log2((after + 1) / (before + 1))[0], abs=1e-5)


def test_a_region_that_is_too_long_has_a_status():
    assert bounded(LabelledWindow("a", "chr1", 0, LONGEST)).status == "ok"
    assert bounded(LabelledWindow("a", "chr1", 0, LONGEST + 1)).status == "too_long"


def test_the_script_draws_each_region_and_writes_every_base(genome: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(registry, "load_model", lambda *_: MarkovMasked(context=16))
    (tmp_path / "in.bed").write_text("chr1\t30\t50\nchr2\t0\t700\nchr1\t60\t75\tb/../c\nchr1\t90\t95\n")
    words = ("--bed", tmp_path / "in.bed", "--fasta", genome, "--model", "demo-caduceus", "--outdir", tmp_path / "out")
    done = run_script("draw_logos", *words, "--no-progress", "--max-regions", 2)
    assert done.code == 0, done.err
    table = pd.read_csv(tmp_path / "out" / "logos.tsv.gz", sep="\t")
    assert table.groupby("region", sort=False).size().tolist() == [20, 15, 5]
    assert "".join(table["ref"][:20]) == SEQUENCE[30:50]
    p = table[[f"p_{base}" for base in "ACGT"]]
    np.testing.assert_allclose(p.sum(axis=1)[p.notna().all(axis=1)], 1)
    figures = sorted(path.name for path in (tmp_path / "out" / "figures").iterdir())
    assert figures == [f"chr1_{place}.{kind}" for place in ("30-50", "60-75") for kind in ("png", "svg")]
    record = json.loads((tmp_path / "out" / "logos.json").read_text())
    assert [failed["status"] for failed in record["failed"]] == ["too_long"]


@pytest.mark.parametrize(
    ("bed", "options", "message"),
    [
        ("chr2\t0\t700\n", (), "has no region to draw"),
        ("chr1\t0\t7\n", ("--score", "track"), "has no score 'track'"),
        ("", (), "has no window"),
    ],
)
def test_what_cannot_be_drawn_is_told(bed: str, options, message: str, genome: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(registry, "load_model", lambda *_: MarkovMasked(context=16))
    (tmp_path / "in.bed").write_text(bed)
    words = ("--bed", tmp_path / "in.bed", "--fasta", genome, "--model", "demo-caduceus", "--outdir", tmp_path / "out")
    done = run_script("draw_logos", *words, *options)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "out").exists()
