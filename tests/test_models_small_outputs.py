"""MPRA-DragoNN and BPNet against the values recorded for the published weights."""

import json

import pysam
import pytest
import torch

from darkregulome.errors import InputError
from darkregulome.models.registry import load_model
from places import SHARED

DATA = SHARED / "data"
MPRA, BPNET = DATA / "models" / "mpra_dragonn_conv", DATA / "models" / "bpnet_ENCSR000AKO"

pytestmark = pytest.mark.skipif(not (MPRA.is_dir() and BPNET.is_dir()), reason=f"no small models under {DATA}")

ALL_TRACKS = {str(index): index for index in range(12)}


def test_mpra_dragonn_gives_its_recorded_predictions():
    expected = json.loads((MPRA / "expected_values.json").read_text())["smoke"]["pred"]
    model = load_model("mpra-dragonn", weights=MPRA, tracks=ALL_TRACKS)
    found = model.tss_tracks(("ACGT" * 37)[:145]) / torch.tensor(2.0).log10()
    assert found.tolist() == pytest.approx(expected, abs=2e-6)


def test_mpra_dragonn_reads_the_pooled_assays_by_default():
    model = load_model("mpra-dragonn", weights=MPRA)
    assert model.tracks == ("k562_minp_pooled", "k562_sv40p_pooled", "hepg2_minp_pooled", "hepg2_sv40p_pooled")
    whole = load_model("mpra-dragonn", weights=MPRA, tracks=ALL_TRACKS)
    sequence = "GATTACA" * 20 + "ACGTA"
    torch.testing.assert_close(model.tss_tracks(sequence), whole.tss_tracks(sequence)[[2, 5, 8, 11]])


def test_bpnet_gives_its_recorded_counts_of_chr21_peaks():
    expected = json.loads((BPNET / "expected_values_chr21.json").read_text())
    model = load_model("bpnet-ctcf-k562", weights=BPNET)
    assert (model.context, model.tss_offset) == (expected["window"], expected["window"] // 2)
    found = []
    with pysam.FastaFile(str(DATA / "demo" / "reference" / "grch38_demo.fa.gz")) as genome:
        for position, _, _ in expected["peaks"]:
            start = position - expected["window"] // 2
            sequence = genome.fetch("chr21", start, start + expected["window"])
            found.append(model.tss_tracks(sequence).item() * torch.tensor(10.0).log().item())
    assert found == pytest.approx([counts for _, _, counts in expected["peaks"]], abs=5e-6)
    assert sum(found) / len(found) == pytest.approx(expected["peak_mean"], abs=5e-6)


def test_track_that_the_model_lacks_is_told():
    with pytest.raises(InputError, match=r"has 1 tracks, and no profile \(3\)"):
        load_model("bpnet-ctcf-k562", weights=BPNET, tracks={"profile": 3})


def test_weights_can_be_given_as_a_file():
    model = load_model("bpnet-ctcf-k562", weights=BPNET / "bpnet_ENCSR000AKO.state_dict.pt")
    assert model.tracks == ("log_counts",)
