"""Layers and agreement on tables whose truth is known."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from darkregulome.diagnosis.decompose import decompose
from darkregulome.diagnosis.layer_confidence import LAYERS
from darkregulome.diagnosis.prepared import prepare_models
from darkregulome.diagnosis.run import claims_of, judge
from darkregulome.diagnosis.settings import Settings
from simulated_tables import Truth, make_elements, make_ris

SETTINGS = Settings(permutations=299, bootstrap=200, list_length=120, seed=3)


@pytest.fixture(scope="module")
def tables():
    elements = make_elements(1, rho=0.3)
    return elements, make_ris(elements, 1, Truth(regulation=3.0), rho=0.3, models=("lm1", "lm2", "output"))


@pytest.fixture(scope="module")
def found(tables):
    return decompose(*tables, SETTINGS)


def test_every_pair_is_compared_on_every_rung(found):
    pairs = {(row["first"], row["second"], row["scores"]): row for row in found.record["pairs"]}
    assert len(pairs) == 9
    assert pairs["lm1", "lm2", "raw"]["layer"] == "predictability"
    assert pairs["lm1", "output", "raw"]["layer"] == "regulation"
    raw, full = (pairs["lm1", "lm2", rung]["spearman"] for rung in ("raw", "full"))
    assert raw > full > 0


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
    language, output = layers["language_left_top"], layers["output_left_top"]
    assert (language[layers["layer"] == "shared"] & output[layers["layer"] == "shared"]).all()
    only = layers[layers["layer"] == "regulatory_output"]
    assert (only["output_left_top"] & ~only["language_left_top"]).all()
    predicted = layers[layers["layer"] == "predictability"]
    assert not predicted["output_left_top"].any()
    assert (predicted["language_raw_top"] | predicted["language_left_top"]).all()
    none = layers[layers["layer"] == "none"]
    assert not none[["language_raw_top", "language_left_top", "output_left_top"]].any(axis=None)
    assert sum(content["n"] for content in found.record["layers"].values()) == len(layers)


def test_planted_regulation_is_the_shared_layer(found):
    shared = found.layers[found.layers["layer"] == "shared"]
    assert len(shared) > 30
    assert (shared["class"] == "cCRE").mean() > 0.7
    assert (shared["distance"].abs() <= 10_000).mean() > 0.7


def test_overlap_grows_with_depth(found):
    rows = found.overlaps[(found.overlaps["first"] == "lm1") & (found.overlaps["second"] == "output")]
    for _, chosen in rows.groupby("scores"):
        assert (np.diff(chosen["overlap"]) >= 0).all()
    n = found.record["pairs"][0]["n"]
    assert (rows["expected_by_chance"] < 3 * rows["k"] ** 2 / n + 1).all()


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


def test_shares_of_layers_sum_to_one_and_confidence_is_the_share_of_the_own_layer(found):
    shares = found.layers[[f"share_{layer}" for layer in LAYERS]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    own = [row[f"share_{row['layer']}"] for _, row in found.layers.iterrows()]
    assert found.layers["confidence"].tolist() == own


def test_elements_far_above_the_bound_of_a_list_are_surer_than_those_at_it(found):
    output = found.layers[found.layers["output_left_top"]]
    height = output["output_left"]
    far = output[height >= height.quantile(0.8)]
    near = output[height <= height.quantile(0.2)]
    assert far["confidence"].median() > near["confidence"].median() + 0.1
    deep = found.layers[found.layers["layer"] == "none"].nsmallest(100, "output_left")
    assert deep["share_regulatory_output"].max() == 0


def test_planted_elements_are_sure_and_chance_members_are_not(tables, found):
    """A top list is filled whatever there is: without anything planted its members are at its edge by chance."""
    elements, _ = tables
    nothing = decompose(elements, make_ris(elements, 1, Truth(), rho=0.3, models=("lm1", "lm2", "output")), SETTINGS)
    shared, chance = (one.layers[one.layers["layer"] == "shared"]["confidence"] for one in (found, nothing))
    assert len(shared) > 3 * len(chance)
    assert shared.median() > 0.8


def test_a_sample_that_draws_each_locus_once_gives_the_layers_themselves(tables, monkeypatch):
    """With every weight one, slopes and bounds are those of all loci: the layers of residuals fitted to all."""
    elements, ris = tables
    ones = np.ones((3, elements["locus"].nunique()), dtype=int)
    monkeypatch.setattr("darkregulome.diagnosis.layer_confidence.resample_loci", lambda *_: ones)
    layers = decompose(elements, ris, SETTINGS).layers
    # The layers themselves are of cross-fitted residuals, so a few elements at the bounds may differ.
    assert set(layers["confidence"]) <= {0.0, 1.0}
    assert layers["confidence"].mean() > 0.92


def test_rank_biased_overlap_is_held_against_rotation(found):
    rows = {(row["first"], row["second"], row["scores"]): row for row in found.record["pairs"]}
    planted = rows["lm1", "output", "full"]
    assert planted["rank_biased_overlap"] > planted["rank_biased_expected"]
    assert planted["rank_biased_p"] == pytest.approx(1 / 200)


def test_the_layers_claim_is_about_the_shared_layer_and_finds_planted_regulation():
    """Every second near cCRE acts in all models: no feature tells it from the others."""
    elements = make_elements(5, loci=20, rho=0.3)
    ris = make_ris(elements, 5, Truth(predictability=0.5), rho=0.3, models=("lm1", "lm2", "output"))
    acting = elements[(elements["distance"].abs() <= 10_000) & (elements["class"] == "cCRE")]["element"].iloc[::2]
    ris["ris"] += 4.0 * ris["element"].isin(acting)
    record = decompose(elements, ris, Settings(permutations=299, bootstrap=100, list_length=100, seed=5)).record
    (claim,) = record["claims"]
    assert (claim["claim"], claim["model"]) == ("layers", "lm1+lm2|output")
    lists = claim["details"]["lists"]
    assert lists["overlap"] > 3 * lists["expected_by_chance"]
    assert claim["verdict"] == "survives"


def test_the_layers_claim_is_not_found_where_predictability_is_all():
    """Of ten tables at 5 %, three or more would be found once in a hundred."""
    rejected = 0
    for seed in range(10, 20):
        elements, settings = make_elements(seed), Settings(permutations=199, bootstrap=0, seed=seed)
        ris = make_ris(elements, seed, Truth(), models=("lm1", "lm2", "output"))
        models, _ = prepare_models(elements, ris, settings)
        (entry,) = judge(claims_of("decomposition"), models, settings).entries
        rejected += entry.full.p <= 0.05
        assert entry.verdict != "survives"
    assert rejected <= 2


def test_with_one_kind_of_model_the_layers_claim_is_not_tested(tables):
    elements, ris = tables
    record = decompose(elements, ris[ris["kind"] != "output"], Settings(permutations=99, bootstrap=100)).record
    assert record["claims"] == []
    assert {"claim": "layers", "model": "all", "reason": "there is no output model"} in record["not_tested"]
