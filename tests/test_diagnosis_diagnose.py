"""The diagnosis on tables whose truth is known: what is planted is found, what is not is not, and it is said why."""

import json

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from darkregulome.diagnosis.decision import LEAST_LEFT_OVER
from darkregulome.diagnosis.diagnose import Diagnosis, diagnose
from darkregulome.diagnosis.entries import MEANING, RUNGS, TRIVIALLY_KNOWN, trivially_known
from darkregulome.diagnosis.scores import TRIVIAL_FEATURES, join_scores
from darkregulome.diagnosis.settings import Settings
from darkregulome.errors import InputError
from darkregulome.io.model_cards import models_without_grammar
from darkregulome.io.tables import write_json
from darkregulome.options import settings_error
from example_diagnosis import example_tables
from simulated_tables import Truth, make_elements, make_ris

SETTINGS = Settings(permutations=599, bootstrap=100, seed=3)


def three_classes(*arguments, **options) -> pd.DataFrame:
    """Elements of three classes, so that the pairs of classes are few."""
    elements = make_elements(*arguments, **options)
    return elements.assign(**{"class": elements["class"].where(elements["class"].isin(["cCRE", "TE"]), "other")})


def verdicts(diagnosis: Diagnosis) -> dict[tuple[str, str], str]:
    return {(claim["claim"], claim["model"]): claim["verdict"] for claim in diagnosis.record["claims"]}


def find(diagnosis: Diagnosis, claim: str, model: str) -> dict:
    claims = diagnosis.record["claims"]
    return next(one for one in claims if (one["claim"], one["model"]) == (claim, model))


@pytest.fixture(scope="module")
def nothing() -> Diagnosis:
    elements = three_classes(1, loci=20, per_locus=100, rho=0.3)
    return diagnose(elements, make_ris(elements, 1, Truth(), rho=0.3), SETTINGS)


def test_what_predictability_makes_does_not_survive(nothing):
    found = verdicts(nothing)
    assert found["ccre_discrimination", "lm"] == "collapses"
    assert found["horizon", "lm"] in ("collapses", "absent", "undecided")
    assert "survives" not in found.values()
    # Annotated repeats stand for copies, and are the label.
    assert find(nothing, "te_discrimination", "lm")["reason"] == "not identifiable"


def test_raw_effects_of_predictability_are_strong_all_the_same(nothing):
    claim = find(nothing, "ccre_discrimination", "lm")
    assert claim["raw"]["q"] < 0.01
    assert claim["raw"]["effect"] > 0.2
    assert abs(claim["trivial"]["effect"]) < 0.1
    assert nothing.record["models"]["lm"]["r2"]["trivial"] > 0.3


def test_what_is_planted_survives(diagnosed):
    found = verdicts(diagnosed)
    assert found["horizon", "lm"] == "survives"
    assert found["ccre_discrimination", "output"] == "survives"
    assert found["list_overlap", "lm|output"] == "survives"
    assert diagnosed.record["class_order"]["output"]["verdict"] == "survives"


def test_the_features_tell_the_top_of_a_likelihood_and_not_of_an_output_model(diagnosed):
    told = {name: one["top_tenth_from_features"] for name, one in diagnosed.record["models"].items()}
    assert told["lm"]["trivial"] > 0.65
    assert told["lm"]["full"] > told["lm"]["trivial"]
    assert abs(told["output"]["full"] - 0.5) < 0.15


def test_an_effect_too_small_to_measure_in_the_tracks_does_not_survive(diagnosed):
    elements, ris = example_tables()
    ris.loc[ris["model"] == "output", "ris"] /= 1000
    small, same = (
        find(one, "horizon", "output") for one in (diagnose(elements, ris, diagnosed_settings(diagnosed)), diagnosed)
    )
    assert (small["verdict"], small["reason"]) == ("undecided", "too small to be measured")
    assert small["full"]["p"] == same["full"]["p"]
    assert small["details"]["track_effect_log2"] == pytest.approx(same["details"]["track_effect_log2"] / 1000, rel=1e-4)


def diagnosed_settings(diagnosis: Diagnosis) -> Settings:
    return Settings.model_validate(diagnosis.record["parameters"])


def test_two_likelihood_models_get_no_verdict_on_their_agreement():
    elements = three_classes(1, loci=6, per_locus=60)
    found = diagnose(elements, make_ris(elements, 1, Truth(), models=("lm1", "lm2", "output")), SETTINGS)
    pairs = {claim["model"] for claim in found.record["claims"] if claim["claim"] == "list_overlap"}
    assert pairs == {"lm1|output", "lm2|output"}


def test_every_claim_has_all_that_the_contract_names(diagnosed):
    assert diagnosed.record["version"] == 2
    names = {"claim", "model", "unit", *RUNGS, "null", "n", "n_loci", "floor", "margin", "gates", "sensitivity"}
    for claim in diagnosed.record["claims"]:
        assert names | {"verdict", "reason", "sentence", "details"} == set(claim)
        for rung in RUNGS:
            outcome = claim[rung]
            assert 0 < outcome["p"] <= outcome["q"] <= 1
            learners = {"none"} if rung == "raw" else {"linear", "splines", "boosting"}
            assert set(outcome["learners"]) == learners
            if outcome["left_over"] >= LEAST_LEFT_OVER:
                bounds = np.array([one["interval"] for one in outcome["learners"].values()])
                assert outcome["interval"] == [bounds[:, 0].min(), bounds[:, 1].max()]
                assert outcome["effect"] in [one["effect"] for one in outcome["learners"].values()]
        said = claim["verdict"] if claim["verdict"] != "undecided" else claim["reason"]
        assert said
        assert said in claim["sentence"]
        assert MEANING.get(claim["verdict"], "decide") in claim["sentence"]
        assert claim["sentence"].endswith(".")
    assert sum(diagnosed.record["models"]["lm"]["shares"].values()) == pytest.approx(1, abs=1e-4)


def test_the_same_seed_gives_the_same_bytes_whatever_the_order_of_rows(tmp_path):
    elements = three_classes(5, loci=5, per_locus=30)
    ris = make_ris(elements, 5, Truth(horizon=0.5))
    shuffled = (elements.sample(frac=1, random_state=1), ris.sample(frac=1, random_state=2))
    few = SETTINGS.model_copy(update={"permutations": 99})
    for name, tables in (("one", (elements, ris)), ("two", shuffled)):
        write_json(diagnose(*tables, few).record, tmp_path / f"{name}.json")
    one, two = ((tmp_path / f"{name}.json").read_bytes() for name in ("one", "two"))
    assert one == two
    other = diagnose(elements, ris, few.model_copy(update={"seed": 4})).record
    assert other["claims"][0]["raw"]["effect"] == json.loads(one)["claims"][0]["raw"]["effect"]
    assert other["claims"] != json.loads(one)["claims"]


def test_a_model_is_judged_the_same_alone_as_in_company():
    elements = three_classes(1, loci=5, per_locus=30)
    ris = make_ris(elements, 1, Truth(horizon=0.5))
    alone = diagnose(elements, ris[ris["model"] == "lm"], SETTINGS).record["claims"]
    company = [c for c in diagnose(elements, ris, SETTINGS).record["claims"] if c["model"].split("|")[0] == "lm"]
    company = [c for c in company if c["claim"] != "list_overlap"]
    for one, two in zip(alone, company, strict=True):
        assert all(one[rung]["p"] == two[rung]["p"] for rung in RUNGS)
        assert one["full"]["effect"] == two["full"]["effect"]


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (("log_length", *TRIVIAL_FEATURES), TRIVIALLY_KNOWN),
        (("log_length",), "length"),
        (("log_length", "repeat_fraction"), "length and repeats"),
        (("gc", "log_length", "copies"), "composition and repeats"),
        ((), "no feature"),
    ],
)
def test_a_sentence_names_the_features_that_were_known(features, words):
    assert trivially_known(features) == words


def test_anybodys_scores_need_only_element_model_and_ris():
    elements = three_classes(2, loci=6, per_locus=40)
    ris = make_ris(elements, 2, Truth(), models=("lm",))[["element", "model", "ris"]]
    found = diagnose(elements, ris, SETTINGS)
    model = found.record["models"]["lm"]
    assert model["features"] == ["log_length", "gc", "cpg_oe", "complexity", "repeat_fraction"]
    assert model["dropped_features"]["predictability"] == "no values"
    assert model["predictability_source"] == "none"
    assert set(model["top_tenth_from_features"]) == set(model["r2"]) == {"trivial"}
    assert all(claim["full"] is None for claim in found.record["claims"])
    assert any("nothing of it can survive or hinge" in note for note in model["notes"])
    assert any("does not state the kind" in note for note in model["notes"])


def test_output_models_take_the_language_models_predictability():
    elements = three_classes(3, loci=6, per_locus=40)
    ris = make_ris(elements, 3, Truth(), models=("lm1", "lm2", "output"))
    models = {model.name: model for model in join_scores(elements, ris)}
    assert models["output"].predictability_source == "mean of lm1, lm2"
    own = [models[name].table["predictability"] for name in ("lm1", "lm2")]
    expected = sum((values - values.mean()) / values.std(ddof=0) for values in own) / 2
    np.testing.assert_allclose(models["output"].table["predictability"], expected)


def test_elements_without_a_score_are_counted_by_reason():
    elements = three_classes(4, loci=6, per_locus=40)
    ris = make_ris(elements, 4, Truth(), models=("lm",))
    ris.loc[:4, "status"], ris.loc[:4, "ris"] = "n_masked", np.nan
    ris.loc[5, "ris"] = np.inf
    model = diagnose(elements, ris, SETTINGS).record["models"]["lm"]
    assert model["without_score"] == {"n_masked": 5, "no_score": 1}
    assert model["n"] == len(elements) - 6


def test_missing_features_are_imputed_and_counted():
    elements = three_classes(4, loci=6, per_locus=40)
    elements.loc[:9, "cpg_oe"] = np.nan
    record = diagnose(elements, make_ris(elements, 4, Truth(), models=("lm",)), SETTINGS).record
    assert record["models"]["lm"]["imputed"] == {"cpg_oe": 10}


def test_claims_that_cannot_be_tested_are_named_with_their_reason():
    elements = three_classes(4, loci=6, per_locus=40, flank=4_000)
    elements["class"] = "other"
    record = diagnose(elements, make_ris(elements, 4, Truth(), models=("lm",)), SETTINGS).record
    reasons = {row["claim"]: row["reason"] for row in record["not_tested"]}
    assert set(reasons) == {"horizon", "te_discrimination", "ccre_discrimination"}
    assert "both sides" in reasons["horizon"]


def test_too_few_or_constant_scores_are_not_diagnosed():
    elements = three_classes(4, loci=3, per_locus=40)
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
    elements = three_classes(4, loci=1, per_locus=80)
    record = diagnose(elements, make_ris(elements, 4, Truth(), models=("lm",)), SETTINGS).record
    assert record["models"]["lm"]["held_out"] == "none"
    assert {claim["claim"] for claim in record["claims"]} >= {"horizon", "class_hierarchy", "ccre_discrimination"}


def test_scores_of_other_elements_are_refused():
    elements = three_classes(4, loci=2, per_locus=20)
    ris = make_ris(elements, 4, Truth()).assign(element=lambda frame: "x" + frame["element"])
    with pytest.raises(InputError, match="names no element"):
        diagnose(elements, ris, SETTINGS)


def test_scores_that_are_all_missing_are_refused():
    elements = three_classes(4, loci=2, per_locus=20)
    with pytest.raises(InputError, match="no score at all"):
        diagnose(elements, make_ris(elements, 4, Truth()).assign(ris=np.nan), SETTINGS)


def test_settings_at_fault_are_all_named():
    with pytest.raises(ValidationError) as error:
        Settings(null="bogus", alpha=2.0, permutations=5)
    refused = settings_error(Settings, error.value)
    assert {problem.where for problem in refused.problems} == {"--null", "--alpha", "--permutations"}


@pytest.mark.parametrize("null", ["free", "stratified"])
def test_other_nulls_can_be_chosen(null):
    settings = SETTINGS.model_copy(update={"null": null})
    elements = three_classes(6, loci=8, per_locus=60)
    record = diagnose(elements, make_ris(elements, 6, Truth(horizon=2), models=("lm",)), settings).record
    assert {claim["null"] for claim in record["claims"]} == {null}
    assert record["claims"][0]["verdict"] == "survives"


def test_residual_table_holds_the_score_what_each_rung_leaves_and_the_features(diagnosed):
    table = diagnosed.residuals
    assert set(table["model"]) == {"lm", "output"}
    assert not table.duplicated(["element", "model"]).any()
    features = {name.removeprefix("feature_") for name in table.columns if name.startswith("feature_")}
    assert features == set(diagnosed.record["models"]["lm"]["features"])
    centred = table["ris"] - table.groupby(["model", "locus"])["ris"].transform("mean")
    for name, rows in table.groupby("model"):
        assert np.corrcoef(rows["raw_sd"], centred[rows.index])[0, 1] == pytest.approx(1)
        assert np.ptp(rows["ris_given_full"] / rows["full_sd"]) == pytest.approx(0, abs=1e-6)
        left = rows["ris_given_trivial"].var(ddof=0) / centred[rows.index].var(ddof=0)
        assert 1 - left == pytest.approx(diagnosed.record["models"][name]["r2"]["trivial"], abs=1e-4)


def test_ccre_discrimination_does_not_change_when_scores_are_stretched():
    """It is of ranks: exponentiating the scores may change no rung."""
    elements = three_classes(2, loci=6, per_locus=60, rho=0.3)
    ris = make_ris(elements, 2, Truth(class_effect=0.5, predictability=1.0), rho=0.3, models=("lm",))
    stretched = ris.assign(ris=np.exp(2 * ris["ris"] / ris["ris"].std()))
    first, second = (
        find(diagnose(elements, table, SETTINGS), "ccre_discrimination", "lm") for table in (ris, stretched)
    )
    for rung in RUNGS:
        assert first[rung]["effect"] == pytest.approx(second[rung]["effect"], abs=1e-6)
        assert first[rung]["p"] == second[rung]["p"]


def test_of_a_model_that_does_not_know_the_grammar_nothing_is_absent(tmp_path):
    elements = three_classes(7, loci=40, per_locus=120, rho=0.0)
    ris = make_ris(elements, 7, Truth(predictability=0.0), rho=0.0)
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
            assert after["verdict"] == "undecided"
            assert "lm does not know the grammar" in after["sentence"]
        else:
            assert after["verdict"] == before["verdict"]


def test_cards_that_cannot_be_read_are_all_named(tmp_path):
    (tmp_path / "no.json").write_text("{")
    with pytest.raises(InputError) as error:
        models_without_grammar([tmp_path / "no.json", tmp_path / "none.json"])
    assert all(name in str(error.value) for name in ("no.json", "none.json"))
