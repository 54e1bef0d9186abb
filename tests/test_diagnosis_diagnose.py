"""The diagnosis on tables whose truth is known: what is planted is found, what is not is not, and it is said why."""

import json

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from darkregulome.claims.claim import ClaimResult, find_claim
from darkregulome.diagnosis.diagnose import Diagnosis, diagnose
from darkregulome.diagnosis.entries import entries, power_warnings
from darkregulome.diagnosis.scores import join_scores
from darkregulome.diagnosis.settings import Settings, SimulatedPower
from darkregulome.errors import InputError
from darkregulome.io.model_cards import models_without_grammar
from darkregulome.io.tables import write_json
from darkregulome.options import settings_error
from darkregulome.stats import tested as stats_tested
from simulated_tables import Truth, make_elements, make_ris

SETTINGS = Settings(permutations=499, bootstrap=200, seed=3)


def run(
    truth: Truth, seed: int = 1, rho: float = 0.3, models=("lm", "output"), settings: Settings = SETTINGS
) -> Diagnosis:
    elements = make_elements(seed, rho=rho)
    return diagnose(elements, make_ris(elements, seed, truth, rho=rho, models=models), SETTINGS)


def verdicts(diagnosis: Diagnosis) -> dict[tuple[str, str], str]:
    return {(claim["claim"], claim["model"]): claim["verdict"] for claim in diagnosis.record["claims"]}


@pytest.fixture(scope="module")
def nothing() -> Diagnosis:
    return run(Truth())


@pytest.fixture(scope="module")
def regulation() -> Diagnosis:
    return run(Truth(regulation=2.0))


def test_what_predictability_makes_collapses(nothing):
    found = verdicts(nothing)
    assert found["class_hierarchy", "lm"] == "collapses"
    assert found["ccre_discrimination", "lm"] == "collapses"
    assert found["baseline_membership", "lm"] == "collapses"
    assert found["horizon", "lm"] in ("collapses", "absent")
    assert "survives" not in found.values()


def test_raw_effects_of_predictability_are_strong_all_the_same(nothing):
    claim = next(c for c in nothing.record["claims"] if c["claim"] == "class_hierarchy" and c["model"] == "lm")
    assert claim["raw"]["q"] < 0.01
    assert claim["raw"]["effect"] > 0.2
    assert claim["residual"]["effect"] < 0.01
    assert nothing.record["models"]["lm"]["r2"] > 0.4


def test_a_planted_horizon_survives_and_its_change_point_is_found():
    found = run(Truth(horizon=1.0), models=("lm",))
    claim = next(c for c in found.record["claims"] if c["claim"] == "horizon")
    assert claim["verdict"] == "survives"
    low, high = claim["details"]["change_point"]["residual"]["interval"]
    assert low <= 11_000
    assert high >= 9_000
    assert verdicts(found)["class_hierarchy", "lm"] == "collapses"
    ladder = [rung["step"] for rung in claim["details"]["ladder"]]
    assert ladder[0] == "raw"
    assert ladder[6] == "+ predictability"
    assert claim["details"]["ladder"][6]["effect"] == pytest.approx(claim["effect"], rel=1e-4)
    assert all(rung["p"] < 0.05 for rung in claim["details"]["ladder"])


def test_planted_regulation_is_kept_by_the_output_model_and_shared(regulation):
    found = verdicts(regulation)
    assert found["ccre_discrimination", "output"] == "survives"
    assert found["list_overlap", "lm|output"] == "survives"


def ccre_claim(diagnosis: Diagnosis, model: str) -> dict:
    claims = diagnosis.record["claims"]
    return next(c for c in claims if c["claim"] == "ccre_discrimination" and c["model"] == model)


def test_an_effect_too_small_to_measure_in_the_tracks_does_not_survive(regulation):
    elements = make_elements(1, rho=0.3)
    ris = make_ris(elements, 1, Truth(regulation=2.0), rho=0.3)
    ris.loc[ris["model"] == "output", "ris"] /= 1000
    claim, same = ccre_claim(diagnose(elements, ris, SETTINGS), "output"), ccre_claim(regulation, "output")
    assert claim["verdict"] == "collapses"
    assert "too small" in claim["sentence"]
    assert claim["residual"]["p"] == same["residual"]["p"]
    assert claim["details"]["track_effect_log2"] == pytest.approx(same["details"]["track_effect_log2"] / 1000, rel=1e-4)


def test_two_likelihood_models_get_no_verdict_on_their_agreement():
    elements = make_elements(1, loci=6, per_locus=60)
    found = diagnose(elements, make_ris(elements, 1, Truth(), models=("lm1", "lm2", "output")), SETTINGS)
    pairs = {claim["model"] for claim in found.record["claims"] if claim["claim"] == "list_overlap"}
    assert pairs == {"lm1|output", "lm2|output"}
    agreement = found.record["class_order_agreement"]
    assert next(row for row in agreement if row["first"] == "lm1" and row["second"] == "lm2")["raw"] > 0.5


def test_every_claim_has_all_that_the_contract_names(regulation):
    names = {"claim", "model", "unit", "raw", "residual", "effect", "interval", "null", "n", "n_loci", "power", "floor"}
    for claim in regulation.record["claims"]:
        assert names | {"verdict", "sentence", "details"} == set(claim)
        for side in ("raw", "residual"):
            assert set(claim[side]) - {"q_any"} == {"statistic", "p", "q", "effect", "interval"}
            assert 0 < claim[side]["p"] <= claim[side]["q"] <= 1
        assert claim["residual"]["p"] <= claim["residual"]["q_any"] <= claim["residual"]["q"]
        assert claim["effect"] == claim["residual"]["effect"]
        assert claim["sentence"].endswith((".",))
        assert (
            claim["verdict"] == "underpowered" or claim["verdict"] in claim["sentence"] or "absent" in claim["sentence"]
        )
    shares = regulation.record["models"]["lm"]["shares"]
    assert sum(shares.values()) == pytest.approx(1, abs=1e-4)


def test_the_same_seed_gives_the_same_bytes_whatever_the_order_of_rows(tmp_path):
    elements = make_elements(5, loci=5, per_locus=30)
    ris = make_ris(elements, 5, Truth(horizon=0.5))
    shuffled = (elements.sample(frac=1, random_state=1), ris.sample(frac=1, random_state=2))
    few = SETTINGS.model_copy(update={"permutations": 99, "bootstrap": 100})
    for name, tables in (("one", (elements, ris)), ("two", shuffled)):
        write_json(diagnose(*tables, few).record, tmp_path / f"{name}.json")
    one, two = ((tmp_path / f"{name}.json").read_bytes() for name in ("one", "two"))
    assert one == two
    other = diagnose(elements, ris, few.model_copy(update={"seed": 4})).record
    assert other["claims"][0]["raw"]["effect"] == json.loads(one)["claims"][0]["raw"]["effect"]
    assert other["claims"] != json.loads(one)["claims"]


def test_a_model_is_judged_the_same_alone_as_in_company():
    elements = make_elements(1, loci=5, per_locus=30)
    ris = make_ris(elements, 1, Truth(horizon=0.5))
    alone = diagnose(elements, ris[ris["model"] == "lm"], SETTINGS).record["claims"]
    company = [c for c in diagnose(elements, ris, SETTINGS).record["claims"] if c["model"] == "lm"]
    for one, two in zip(alone, company, strict=True):
        assert (one["raw"]["p"], one["residual"]["effect"]) == (two["raw"]["p"], two["residual"]["effect"])


def test_anybodys_scores_need_only_element_model_and_ris():
    elements = make_elements(2, loci=6, per_locus=40)
    ris = make_ris(elements, 2, Truth(), models=("lm",))[["element", "model", "ris"]]
    found = diagnose(elements, ris, SETTINGS)
    model = found.record["models"]["lm"]
    assert len(model["coefficients"]) == 5
    assert model["dropped_features"] == {"predictability": "no values"}
    assert model["predictability_source"] == "none"
    assert any("five features" in note for note in model["notes"])
    assert any("does not state the kind" in note for note in model["notes"])


def test_output_models_take_the_language_models_predictability():
    elements = make_elements(3, loci=6, per_locus=40)
    ris = make_ris(elements, 3, Truth(), models=("lm1", "lm2", "output"))
    models = {model.name: model for model in join_scores(elements, ris)}
    assert models["output"].predictability_source == "mean of lm1, lm2"
    own = [models[name].table["predictability"] for name in ("lm1", "lm2")]
    expected = sum((values - values.mean()) / values.std(ddof=0) for values in own) / 2
    np.testing.assert_allclose(models["output"].table["predictability"], expected)


def test_elements_without_a_score_are_counted_by_reason():
    elements = make_elements(4, loci=6, per_locus=40)
    ris = make_ris(elements, 4, Truth(), models=("lm",))
    ris.loc[:4, "status"], ris.loc[:4, "ris"] = "n_masked", np.nan
    ris.loc[5, "ris"] = np.inf
    model = diagnose(elements, ris, SETTINGS).record["models"]["lm"]
    assert model["without_score"] == {"n_masked": 5, "no_score": 1}
    assert model["n"] == len(elements) - 6


def test_missing_features_are_imputed_and_counted():
    elements = make_elements(4, loci=6, per_locus=40)
    elements.loc[:9, "cpg_oe"] = np.nan
    record = diagnose(elements, make_ris(elements, 4, Truth(), models=("lm",)), SETTINGS).record
    assert record["models"]["lm"]["imputed"] == {"cpg_oe": 10}


def test_claims_that_cannot_be_tested_are_named_with_their_reason():
    elements = make_elements(4, loci=6, per_locus=40, flank=4_000)
    elements["class"] = "other"
    record = diagnose(elements, make_ris(elements, 4, Truth(), models=("lm",)), SETTINGS).record
    reasons = {row["claim"]: row["reason"] for row in record["not_tested"]}
    assert set(reasons) == {"horizon", "class_hierarchy", "ccre_discrimination"}
    assert "both sides" in reasons["horizon"]


def test_too_few_or_constant_scores_are_not_diagnosed():
    elements = make_elements(4, loci=3, per_locus=40)
    ris = make_ris(elements, 4, Truth(), models=("lm1", "lm2", "lm3"))
    ris.loc[ris["model"] == "lm2", "ris"] = 1.0
    keep = (ris["model"] != "lm3") | (ris.groupby("model").cumcount() < 10)
    record = diagnose(elements, ris[keep], SETTINGS).record
    assert set(record["models"]) == {"lm1"}
    assert {row["model"]: row["reason"] for row in record["not_tested"]} == {
        "lm2": "its scores do not vary within loci",
        "lm3": "10 elements have a score; 20 are needed",
    }


def test_one_locus_alone_is_diagnosed_and_says_that_its_fit_is_in_sample():
    elements = make_elements(4, loci=1, per_locus=80)
    record = diagnose(elements, make_ris(elements, 4, Truth(), models=("lm",)), SETTINGS).record
    assert record["models"]["lm"]["held_out"] == "none"
    assert len(record["claims"]) == 4


def test_scores_of_other_elements_are_refused():
    elements = make_elements(4, loci=2, per_locus=20)
    ris = make_ris(elements, 4, Truth()).assign(element=lambda frame: "x" + frame["element"])
    with pytest.raises(InputError, match="names no element"):
        diagnose(elements, ris, SETTINGS)


def test_scores_that_are_all_missing_are_refused():
    elements = make_elements(4, loci=2, per_locus=20)
    with pytest.raises(InputError, match="no score at all"):
        diagnose(elements, make_ris(elements, 4, Truth()).assign(ris=np.nan), SETTINGS)


def test_settings_at_fault_are_all_named():
    with pytest.raises(ValidationError) as error:
        Settings(null="bogus", alpha=2.0, permutations=5)
    refused = settings_error(Settings, error.value)
    assert {problem.where for problem in refused.problems} == {"--null", "--alpha", "--permutations"}


def test_other_nulls_can_be_chosen_and_are_shown_beside():
    for null in ("free", "stratified"):
        settings = SETTINGS.model_copy(update={"null": null, "permutations": 199})
        elements = make_elements(6, loci=6, per_locus=40)
        claim = diagnose(elements, make_ris(elements, 6, Truth(horizon=2), models=("lm",)), settings).record["claims"][
            0
        ]
        assert claim["null"] == null
        assert set(claim["details"]["other_nulls"]["raw"]) == {"rotation", "free", "stratified"} - {null}
        assert claim["verdict"] == "survives"


def test_residual_table_holds_the_score_its_residual_and_the_features(regulation):
    table = regulation.residuals
    assert set(table["model"]) == {"lm", "output"}
    assert (
        table.groupby("model")["element"].is_unique.all() if False else not table.duplicated(["element", "model"]).any()
    )
    features = [name for name in table.columns if name.startswith("feature_")]
    assert len(features) == 6
    assert pd.api.types.is_float_dtype(table["residual"])


def test_ccre_discrimination_does_not_change_when_scores_are_stretched():
    """An AUC is of ranks: exponentiating the scores may change neither the raw nor the residual one."""
    elements = make_elements(2, rho=0.3)
    ris = make_ris(elements, 2, Truth(class_effect=0.5, predictability=1.0), rho=0.3)
    stretched = ris.assign(ris=np.exp(2 * ris["ris"] / ris["ris"].std()))
    settings = Settings(permutations=199, bootstrap=100)
    for first, second in zip(
        *(diagnose(elements, table, settings).record["claims"] for table in (ris, stretched)), strict=True
    ):
        if first["claim"] == "ccre_discrimination":
            for side in ("raw", "residual"):
                assert first[side]["statistic"] == pytest.approx(second[side]["statistic"], abs=1e-6)
                assert first[side]["p"] == second[side]["p"]


def test_sequential_draws_agree_with_all_draws():
    elements = make_elements(3)
    tables = elements, make_ris(elements, 3, Truth(horizon=1.0))
    whole, stopped = (diagnose(*tables, SETTINGS.model_copy(update={"sequential": at})) for at in (0, 20))
    for one, two in zip(whole.record["claims"], stopped.record["claims"], strict=True):
        assert one["verdict"] == two["verdict"]
        assert one["effect"] == two["effect"]
        assert two["raw"]["p"] == pytest.approx(one["raw"]["p"], abs=0.15)


def test_a_model_that_does_not_know_the_grammar_is_underpowered_where_it_would_be_absent(tmp_path):
    elements = make_elements(7)
    ris = make_ris(elements, 7, Truth(predictability=0.0))
    cards = []
    for name, inside in (("lm", 1.3), ("output", 0.8)):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"model": name, "motif_loss": {"inside": inside, "outside": 1.35}}))
        cards.append(path)
    assert models_without_grammar(cards) == ("lm",)
    knowing = diagnose(elements, ris, SETTINGS).record["claims"]
    blind = diagnose(elements, ris, SETTINGS.model_copy(update={"without_grammar": ("lm",)})).record["claims"]
    absent = {(claim["claim"], claim["model"]) for claim in knowing if claim["verdict"] == "absent"}
    assert {model for _, model in absent} >= {"lm", "output"}
    for before, after in zip(knowing, blind, strict=True):
        if before["verdict"] == "absent" and "lm" in after["model"].split("|"):
            assert after["verdict"] == "underpowered"
            assert "lm does not know the grammar" in after["sentence"]
        else:
            assert after["verdict"] == before["verdict"]


def test_cards_that_cannot_be_read_are_all_named(tmp_path):
    (tmp_path / "no.json").write_text("{")
    with pytest.raises(InputError) as error:
        models_without_grammar([tmp_path / "no.json", tmp_path / "none.json"])
    assert all(name in str(error.value) for name in ("no.json", "none.json"))


@pytest.mark.parametrize("simulated", [False, True])
def test_a_power_that_is_not_known_is_no_simulated_one_and_shows_nothing(simulated):
    """Neither a stand-in of a number that is none (NaN is not equal to itself), nor a reason to call a claim absent."""
    tested = stats_tested.Tested.of_effect(
        0.01, 0.9, interval=(-1, 1), power=float("nan"), draws=np.zeros(1), details={}
    )
    result = ClaimResult(find_claim("horizon"), "m", tested, tested, 100, 10, "rotation", 1.0, None)
    power = SimulatedPower(model="m", n=100, n_loci=10, power={"horizon": 0.9})
    (entry,) = entries([result], Settings(simulated_power=(power,) if simulated else ()))
    assert ("analytic_power" in entry.details) == simulated
    assert entry.verdict == ("absent" if simulated else "underpowered")
    assert "nan" not in entry.sentence
    assert power_warnings([entry]) == []


def test_claims_that_could_hardly_be_seen_are_warned_of():
    few = make_elements(2, loci=4, per_locus=25)
    warnings = diagnose(few, make_ris(few, 2, Truth()), SETTINGS).record["warnings"]
    assert any(warning.startswith("WARNING: horizon is underpowered at this size") for warning in warnings)
    many = make_elements(2, loci=40, per_locus=120, rho=0.0)
    assert diagnose(many, make_ris(many, 2, Truth(), rho=0.0), SETTINGS).record["warnings"] == []
