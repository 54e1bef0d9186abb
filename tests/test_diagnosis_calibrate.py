"""Calibration: the noise is what it says it is, counts are the same on any number of threads, and verdicts are true."""

import json

import numpy as np
import pandas as pd
import pytest
from darkregulome.diagnosis.planted import (
    ScoreModel,
    estimate_score_model,
    example_elements,
    make_design,
    plant,
    truths,
)
from darkregulome.diagnosis.simulated_power import power_by_simulation, read_simulated_power

from darkregulome.claims.claim import cross_checks
from darkregulome.diagnosis.calibrate import Condition, calibrate, calibration_table
from darkregulome.diagnosis.prepared import prepare
from darkregulome.diagnosis.settings import Settings, SimulatedPower
from darkregulome.errors import InputError
from darkregulome.io.schemas import ELEMENTS
from darkregulome.stats.loci import Loci
from darkregulome.stats.noise import correlated_noise, geometric
from script_runner import run_script

FEW = Settings(permutations=99, bootstrap=0)


@pytest.fixture(scope="module")
def design():
    return make_design(example_elements(12, 60))


def conditions(*names: str, rho: float = 0.5, **options) -> list[Condition]:
    model = ScoreModel(geometric(rho), **options)
    return [Condition(truths()[name], f"autocorrelation {rho}", model) for name in names]


def test_noise_has_unit_variance_and_the_autocorrelation_asked_for():
    loci = Loci.of(np.repeat(np.arange(300), 90))
    noise = correlated_noise(geometric(0.7), loci, np.random.default_rng(0)).reshape(300, 90)
    assert noise.var() == pytest.approx(1.0, abs=0.05)
    for lag in (1, 3, 8):
        assert np.mean(noise[:, lag:] * noise[:, :-lag]) == pytest.approx(0.7**lag, abs=0.03)
    # The ends of a locus do not meet, and loci are strangers.
    assert abs(np.mean(noise[:, 0] * noise[:, -1])) < 0.2
    assert abs(np.mean(noise[1:] * noise[:-1])) < 0.03


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_what_was_planted_is_estimated_back(rho):
    design = make_design(example_elements(40, 120))
    truth = ScoreModel(geometric(rho), locus_sd=0.8, r2=0.7)
    scores, _ = plant(design, truths()["predictability"], truth, FEW, 0.0, np.random.default_rng(1))
    found = estimate_score_model(scores)
    for lag in (1, 2, 3):
        assert found.autocorrelation[lag] == pytest.approx(rho**lag, abs=0.06)
    assert found.r2 == pytest.approx(0.7, abs=0.04)
    assert found.locus_sd == pytest.approx(0.8, rel=0.35)


def test_example_elements_fit_the_schema_and_classes_follow_distance():
    elements = example_elements(10, 100)
    ELEMENTS.schema.validate(elements)
    near = elements["distance"].abs() <= 10_000
    share = elements["class"].eq("cCRE").groupby(near).mean()
    assert share[True] > 1.5 * share[False]


def test_the_counts_are_the_same_on_one_and_on_two_threads(design):
    asked = conditions("nothing", "horizon")
    one, two = (calibrate(design, asked, 4, 0.25, FEW, threads=threads) for threads in (1, 2))
    assert json.dumps(one) == json.dumps(two)
    other = calibrate(design, asked, 4, 0.25, FEW.model_copy(update={"seed": 9}))
    assert json.dumps(other) != json.dumps(one)


def test_planted_truths_are_found_and_predictability_alone_is_not(design):
    record = calibrate(design, conditions("predictability", "horizon_and_class", "ccre", r2=0.8), 12, 1.0, FEW)
    rows = calibration_table(record).set_index(["truth", "claim", "side"])
    assert rows.loc[("predictability", "class_hierarchy", "raw"), "rate"] == 1.0
    assert rows.loc[("predictability", "ccre_discrimination", "raw"), "rate"] == 1.0
    for claim in ("horizon", "class_hierarchy", "ccre_discrimination", "baseline_membership"):
        assert rows.loc[("predictability", claim, "residual"), "survives"] <= 1 / 12
    for truth, claim in (("horizon_and_class", "horizon"), ("ccre", "ccre_discrimination")):
        assert rows.loc[(truth, claim, "residual"), "rate"] >= 0.9
        assert rows.loc[(truth, claim, "residual"), "role"] == "planted"
    assert set(rows.loc[("horizon_and_class", "ccre_discrimination"), "role"]) == {"touched"}


@pytest.mark.parametrize("options", [{"r2": 0.98}, {"skew": 1.5}])
def test_ccre_claim_holds_where_scores_are_no_linear_function_of_the_features(options):
    """At R2 0.98, or with skewed scores, ranks bend what features explain, and cCREs differ in those features."""
    bent = make_design(example_elements(40, 150))
    record = calibrate(bent, conditions("predictability", **options), 25, 0.25, FEW, ["ccre_discrimination"])
    row = record["conditions"][0]["claims"][0]
    assert row["raw"]["rate"] == 1.0
    assert row["residual"]["rejected"] <= 4
    assert row["residual"]["median_effect"] == pytest.approx(0.5, abs=0.01)


def test_cross_checks_are_calibrated_against_outside_data_that_follow_nothing():
    """Matched draws alone, and the permuted map alone, are found wanting where neighbours and levels differ."""
    elements = make_design(example_elements(24, 60))
    claims = ["conservation", "eqtl", "te_family", "network", "protein_pair"]
    record = calibrate(elements, conditions("predictability", rho=0.8), 40, 0.25, FEW, claims)
    rows = {row["claim"]: row for row in record["conditions"][0]["claims"]}
    assert set(rows) == set(claims)
    for row in rows.values():
        assert row["role"] == "absent"
        assert row["tables"] >= 30
        # Of 40 at 5 %, more than seven would be once in two hundred.
        assert row["residual"]["rejected"] <= 7
    assert rows["protein_pair"]["residual"]["shuffle"]["rejected"] > 10
    assert rows["network"]["residual"]["shuffle"] is None


def test_outside_data_do_not_follow_the_scores():
    design = make_design(example_elements(60, 80))
    seen = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        model = ScoreModel(geometric(0.5), r2=0.5)
        one = prepare(plant(design, truths()["predictability"], model, FEW, 0.0, rng)[0], FEW)
        data = {claim.name: claim.plant.data(one, rng) for claim, _ in cross_checks()}
        edges = data["network"].planted
        assert len(np.unique(edges, axis=0)) == len(edges) == 120
        assert (edges[:, 0] < edges[:, 1]).all()
        members = data["te_family"].family_of.to_numpy() == "planted"
        assert (one.scores.classes[members] == "TE").all()
        near, with_eqtl = one.scores.distance < 10_000, data["eqtl"].holds.to_numpy()
        assert with_eqtl[near].mean() > 2 * with_eqtl[~near].mean()
        parts = (data["conservation"].means.to_numpy(), with_eqtl, members)
        seen.append([np.corrcoef(one.residual, one.scores.loci.center(part))[0, 1] for part in parts])
    # 4,800 correlated elements a table: a correlation's standard error over twelve is below 0.01.
    np.testing.assert_allclose(np.mean(seen, axis=0), 0.0, atol=0.03)


def test_underpowered_claims_are_warned_of():
    small = make_design(example_elements(4, 30))
    record = calibrate(small, conditions("horizon", rho=0.8), 6, 0.1, FEW, ["horizon"])
    assert any("horizon is underpowered on these elements" in warning for warning in record["warnings"])


def test_script_takes_the_users_own_tables(tmp_path):
    elements = example_elements(8, 40)
    scores, _ = plant(
        make_design(elements), truths()["nothing"], ScoreModel(geometric(0.6)), FEW, 0.0, np.random.default_rng(2)
    )
    elements.to_parquet(tmp_path / "elements.parquet")
    scores.table[["element", "ris", "predictability"]].assign(model="mine").to_csv(
        tmp_path / "ris.tsv", sep="\t", index=False
    )
    options = ("--truths", "nothing,horizon", "--tables", 3, "--permutations", 99, "--no-progress")
    ran = run_script(
        "calibrate",
        *("--elements", tmp_path / "elements.parquet", "--ris", tmp_path / "ris.tsv", "--outdir", tmp_path / "out"),
        *options,
    )
    assert ran.code == 0, ran.err
    record = json.loads((tmp_path / "out" / "calibration.json").read_text())
    model = record["parameters"]["score_models"]["as mine"]
    assert model["lag1"] == pytest.approx(0.6, abs=0.2)
    assert [condition["truth"] for condition in record["conditions"]] == ["nothing", "horizon"]
    table = pd.read_csv(tmp_path / "out" / "calibration.tsv", sep="\t")
    assert set(table["side"]) == {"raw", "residual"}
    assert (tmp_path / "out" / "figures" / "calibration.svg").stat().st_size > 0
    (power,) = read_simulated_power([tmp_path / "out" / "calibration.json"], Settings(permutations=99))
    found = table[(table["role"] == "planted") & (table["side"] == "residual")].set_index("claim")["rate"]
    assert (power.model, power.n, power.n_loci) == ("mine", 320, 8)
    assert power.power == pytest.approx(found.to_dict())


def test_power_of_a_calibration_is_for_its_model_and_its_size():
    shape = {"n": 1000, "n_loci": 10}
    anyone = [SimulatedPower(model=None, power={"horizon": power}, **shape) for power in (0.9, 0.7)]
    own = SimulatedPower(model="lm", power={"horizon": 0.8}, **shape)
    settings = Settings(simulated_power=(*anyone, own))
    assert power_by_simulation("horizon", "lm", 1000, 10, settings) == 0.8
    assert power_by_simulation("horizon", "other", 1050, 10, settings) == 0.7
    assert power_by_simulation("horizon", "lm", 1200, 10, settings) is None
    assert power_by_simulation("horizon", "lm", 1000, 12, settings) is None
    assert power_by_simulation("class_hierarchy", "lm", 1000, 10, settings) is None


def test_calibrations_of_other_tests_are_refused_all_at_once(tmp_path):
    other = {"n": 10, "n_loci": 2, "effect": 0.5, "alpha": 0.01, "null": "free", "horizon": 10_000}
    record = {"parameters": {**other, "residualize": "linear", "top_fraction": 0.1}, "conditions": []}
    (tmp_path / "other.json").write_text(json.dumps(record))
    (tmp_path / "none.json").write_text("[]")
    with pytest.raises(InputError) as error:
        read_simulated_power([tmp_path / "other.json", tmp_path / "none.json"], FEW)
    said = ("effect of 0.5 SD", "alpha 0.01", "null free", "none.json: holds a JSON list, not an object")
    assert [part for part in said if part not in str(error.value)] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--truths", "bogus"), "--truths: names 'bogus'"),
        (("--claims", "luck"), "--claims: names 'luck'"),
        (("--autocorrelation", "1.5"), "--autocorrelation: is '1.5'"),
        (("--ris", "ris.tsv"), "--ris: is given without --elements"),
        (("--permutations", "5"), "permutations"),
    ],
)
def test_bad_options_are_said_and_nothing_is_written(tmp_path, options, message):
    ran = run_script("calibrate", "--outdir", tmp_path / "out", "--tables", 1, "--no-progress", *options)
    assert ran.code == 2
    assert message in ran.err
    assert not (tmp_path / "out").exists()
