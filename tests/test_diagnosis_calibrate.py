"""Calibration: noise and elements are what they say they are, counts are counts, and bad options are refused."""

import json

import numpy as np
import pandas as pd
import pytest

from darkregulome.diagnosis.calibrate import Asked, calibrate, calibration_table, one_table, plantable
from darkregulome.diagnosis.calibration_input import on_elements
from darkregulome.diagnosis.example import example_elements, noise_like
from darkregulome.diagnosis.settings import Settings
from darkregulome.diagnosis.worlds import Design, all_worlds, draw_world
from darkregulome.io.records import VERDICTS
from darkregulome.io.schemas import ELEMENTS
from darkregulome.stats.loci import Loci
from darkregulome.stats.noise import correlated_noise, geometric
from script_runner import run_script
from small_worlds import near_the_tss

FEW = Settings(permutations=99, bootstrap=0)


@pytest.fixture(scope="module")
def design() -> Design:
    """12 loci of 60 elements."""
    return Design(on_elements(example_elements(12, 60)), geometric(0.5), label="autocorrelation 0.5")


def asked(design: Design, *worlds: str, claim: str = "horizon") -> list[Asked]:
    """A claim of some worlds."""
    return [Asked(all_worlds()[world], plantable()[claim], design) for world in worlds]


def test_an_effect_that_no_score_can_have_is_said_and_not_drawn(design):
    record = calibrate(asked(design, "independent"), 2, 5.0, FEW)
    (row,) = record["worlds"]
    assert row["tables"] == 0
    ((why, count),) = row["not_tested"].items()
    assert count == 2
    assert why.startswith("an effect of 5 SD of the score cannot be planted: at most ")
    assert record["warnings"] == [f"2 tables were not tested: {why} (horizon, independent, autocorrelation 0.5)."]
    largest = float(why.rpartition(" ")[2])
    near = design.scores.loci.center(near_the_tss(design.scores))
    assert largest == pytest.approx((near @ near / (len(near) - 12)) ** -0.5, rel=0.05)


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
def test_autocorrelation_and_levels_that_were_planted_are_estimated_back(rho):
    elements = Design(on_elements(example_elements(40, 120)), geometric(rho), locus_sd=0.8)
    scores = draw_world(elements, all_worlds()["nothing"], near_the_tss, 0.0, np.random.default_rng(1))
    autocorrelation, locus_sd = noise_like(scores)
    for lag in (1, 2, 3):
        assert autocorrelation[lag] == pytest.approx(rho**lag, abs=0.06)
    assert locus_sd == pytest.approx(0.8, rel=0.35)


def test_example_elements_fit_the_schema_and_classes_follow_distance():
    elements = example_elements(10, 100)
    ELEMENTS.schema.validate(elements)
    near = elements["distance"].abs() <= 10_000
    share = elements["class"].eq("cCRE").groupby(near).mean()
    assert share[True] > 1.5 * share[False]


def test_another_seed_draws_other_tables(design):
    one, again, other = (
        one_table(asked(design, "independent")[0], 0, 0.25, FEW.model_copy(update={"seed": seed})) for seed in (0, 0, 9)
    )
    assert one == again
    assert one.raw.effect != other.raw.effect


def test_wrong_words_intervals_and_coverage_are_counted(design):
    record = calibrate(asked(design, "nothing", "independent"), 4, 1.0, FEW)
    for row in record["worlds"]:
        assert sum(row["verdicts"].values()) == row["tables"] == 4
        assert row["wrong"] == sum(row["verdicts"][word] for word in VERDICTS if word not in row["right"])
        low, high = row["wrong_interval"]
        assert low <= row["wrong"] / 4 <= high
        assert set(row["coverage"]) == {"linear", "splines", "boosting", "envelope"}
    assert record["worlds"][1]["verdicts"]["survives"] >= 3
    table = calibration_table(record)
    assert len(table) == 2
    assert set(VERDICTS) < set(table.columns)


def test_worlds_that_these_elements_rarely_decide_are_warned_of():
    small = Design(on_elements(example_elements(4, 30)), geometric(0.8), label="a")
    record = calibrate(asked(small, "independent"), 6, 0.1, FEW)
    assert any("rarely decide" in warning for warning in record["warnings"])


def test_script_takes_the_users_own_tables(tmp_path):
    elements = example_elements(8, 40)
    scores = draw_world(
        Design(on_elements(elements), geometric(0.6)),
        all_worlds()["nothing"],
        near_the_tss,
        0.0,
        np.random.default_rng(2),
    )
    elements.to_parquet(tmp_path / "elements.parquet")
    columns = ["element", "ris", "predictability"]
    scores.table[columns].assign(model="mine").to_csv(tmp_path / "ris.tsv", sep="\t", index=False)
    ran = run_script(
        "calibrate",
        *("--elements", tmp_path / "elements.parquet", "--ris", tmp_path / "ris.tsv", "--outdir", tmp_path / "out"),
        *("--worlds", "nothing,independent", "--tables", 2, "--permutations", 99, "--no-progress"),
    )
    assert ran.code == 0, ran.err
    record = json.loads((tmp_path / "out" / "calibration.json").read_text())
    assert record["parameters"]["model"] == "mine"
    assert [row["world"] for row in record["worlds"]] == ["nothing", "independent"]
    assert {row["scores"] for row in record["worlds"]} == {"as mine"}
    table = pd.read_csv(tmp_path / "out" / "calibration.tsv", sep="\t")
    assert set(VERDICTS) < set(table.columns)
    assert (tmp_path / "out" / "figures" / "calibration.svg").stat().st_size > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--worlds", "utopia"), "--worlds: names 'utopia'"),
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
    assert "Traceback" not in ran.err
    assert not (tmp_path / "out").exists()
