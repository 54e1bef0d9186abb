"""Layers and agreement on tables whose truth is known."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from darkregulome.diagnosis.decompose import decompose
from darkregulome.diagnosis.settings import Settings
from simulated_tables import Truth, make_elements, make_ris

SETTINGS = Settings(permutations=299, bootstrap=200, seed=3)


@pytest.fixture(scope="module")
def tables():
    elements = make_elements(1, rho=0.3)
    return elements, make_ris(elements, 1, Truth(regulation=3.0), rho=0.3, models=("lm1", "lm2", "output"))


@pytest.fixture(scope="module")
def found(tables):
    return decompose(*tables, SETTINGS)


def test_every_pair_is_compared_raw_and_residual(found):
    pairs = {(row["first"], row["second"], row["scores"]): row for row in found.record["pairs"]}
    assert len(pairs) == 6
    assert pairs["lm1", "lm2", "raw"]["layer"] == "predictability"
    assert pairs["lm1", "output", "raw"]["layer"] == "regulation"
    raw, residual = (pairs["lm1", "lm2", side]["spearman"] for side in ("raw", "residual"))
    assert raw > residual > 0


def test_rank_agreement_equals_scipy_on_scores_centred_by_locus(tables, found):
    elements, ris = tables
    wide = ris.pivot(index="element", columns="model", values="ris")
    wide = wide - wide.groupby(elements.set_index("element")["locus"]).transform("mean")
    row = next(r for r in found.record["pairs"] if (r["first"], r["second"], r["scores"]) == ("lm1", "lm2", "raw"))
    assert row["spearman"] == pytest.approx(spearmanr(wide["lm1"], wide["lm2"]).statistic, abs=1e-5)
    assert row["kendall"] == pytest.approx(kendalltau(wide["lm1"], wide["lm2"]).statistic, abs=1e-5)
    low, high = row["spearman_interval"]
    assert low < row["spearman"] < high


def test_layers_follow_the_lists_they_are_made_of(found):
    layers = found.layers
    language, output = layers["language_residual_top"], layers["output_residual_top"]
    assert (language[layers["layer"] == "shared"] & output[layers["layer"] == "shared"]).all()
    only = layers[layers["layer"] == "regulatory_output"]
    assert (only["output_residual_top"] & ~only["language_residual_top"]).all()
    predicted = layers[layers["layer"] == "predictability"]
    assert not predicted["output_residual_top"].any()
    assert (predicted["language_raw_top"] | predicted["language_residual_top"]).all()
    none = layers[layers["layer"] == "none"]
    assert not none[["language_raw_top", "language_residual_top", "output_residual_top"]].any(axis=None)
    assert sum(content["n"] for content in found.record["layers"].values()) == len(layers)


def test_planted_regulation_is_the_shared_layer(found):
    shared = found.layers[found.layers["layer"] == "shared"]
    assert len(shared) > 30
    assert (shared["class"] == "cCRE").mean() > 0.7
    assert (shared["distance"].abs() <= 10_000).mean() > 0.7


def test_overlap_grows_with_depth_and_chance_is_its_square(found):
    rows = found.overlaps[(found.overlaps["first"] == "lm1") & (found.overlaps["second"] == "output")]
    for _, chosen in rows.groupby("scores"):
        assert (np.diff(chosen["overlap"]) >= 0).all()
    n = found.record["pairs"][0]["n"]
    np.testing.assert_allclose(rows["expected_by_chance"], rows["k"] ** 2 / n, rtol=1e-5)


def test_without_an_output_model_it_is_said_and_no_regulation_is_claimed(tables):
    elements, ris = tables
    record = decompose(elements, ris[ris["model"] != "output"], SETTINGS).record
    assert record["layers"]["shared"]["n"] == 0
    assert record["layers"]["regulatory_output"]["n"] == 0
    assert any("no output model" in note for note in record["notes"])


def test_one_model_alone_has_layers_and_no_pairs(tables):
    elements, ris = tables
    found = decompose(elements, ris[ris["model"] == "lm1"], SETTINGS)
    assert found.record["pairs"] == []
    assert found.record["layers"]["predictability"]["n"] > 0
