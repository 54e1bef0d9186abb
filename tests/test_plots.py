"""Figures: the same data give the same bytes, missing data give no figure, and every claim is drawn."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from darkregulome.diagnosis.diagnose import Diagnosis
from darkregulome.io.records import VERDICTS
from darkregulome.plots.agreement import agreement_figure, layers_figure, overlap_figure
from darkregulome.plots.calibration import calibration_figure
from darkregulome.plots.diagnosis import (
    draw_diagnosis,
    effects_figure,
    horizon_figure,
    ladder_figure,
    nulls_figure,
    shares_figure,
)
from darkregulome.plots.style import RUNG_COLOURS, VERDICT_COLOURS, save
from darkregulome.report.figures import find_figures

SHARES = {"predictability": 0.5, "annotation": 0.1, "shared": -0.02, "unexplained": 0.42}


def test_the_same_figure_is_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        save(shares_figure({"lm": {"shares": SHARES}}), tmp_path / name, "shares")
    for suffix in ("svg", "png"):
        one, two = ((tmp_path / name / f"shares.{suffix}").read_bytes() for name in ("one", "two"))
        assert one == two
    assert b"darkregulome" not in (tmp_path / "one" / "shares.png").read_bytes()
    assert len((tmp_path / "one" / "shares.svg").read_bytes()) < 50_000


def test_nothing_to_draw_is_no_figure():
    assert horizon_figure(pd.DataFrame(), [], 10_000) is None
    assert shares_figure({}) is None
    assert nulls_figure([], {}) is None
    assert ladder_figure([]) is None
    assert effects_figure([]) is None
    assert overlap_figure(pd.DataFrame()) is None
    assert layers_figure({"none": {"n": 5}, "shared": {"n": 0}}) is None
    assert agreement_figure({"models": {}, "pairs": []}) is None
    assert calibration_figure({"worlds": []}) is None


def test_a_negative_share_is_drawn_as_nothing_and_bars_stay_in_order():
    axis = shares_figure({"lm": {"shares": SHARES}}).axes[0]
    widths = [bar.get_width() for bar in axis.patches]
    assert min(widths) == 0.0
    assert sum(widths) == pytest.approx(1.02)


def test_observed_and_null_are_on_one_axis_for_each_model():
    claims = [{"claim": "horizon", "model": model} for model in ("lm", "output")]
    draws = {"lm": np.random.default_rng(0).normal(size=200), "output": np.arange(200) % 5 / 40}
    nulls = {("horizon", model, rung): (0.7, draws[model]) for model in draws for rung, _ in RUNG_COLOURS}
    shown = [axis for axis in nulls_figure(claims, nulls).axes if axis.get_visible()]
    assert len(shown) == 2
    for axis in shown:
        assert [line.get_xdata()[0] for line in axis.lines] == [0.7, 0.7, 0.7]
        # Every draw is in a bin: counts of a discrete statistic included.
        assert all(patch.get_data().values.sum() == 200 for patch in axis.patches)


def test_every_claim_has_its_ladder_and_its_null(diagnosed: Diagnosis, tmp_path: Path):
    draw_diagnosis(diagnosed.record, diagnosed.profiles, diagnosed.nulls, tmp_path)
    figures = {figure.path.stem: figure for figure in find_figures([tmp_path])}
    claims = {claim["claim"] for claim in diagnosed.record["claims"]}
    by_claim = {f"{kind}_{claim}" for kind in ("ladder", "nulls") for claim in claims}
    assert set(figures) == {"horizon", "variance_shares", "effects"} | by_claim
    assert all(figure.title and figure.caption for figure in figures.values())


def test_a_ladder_has_every_learner_on_the_rungs_that_were_measured(diagnosed: Diagnosis):
    claims = diagnosed.record["claims"]
    horizon = next(claim for claim in claims if claim["claim"] == "horizon")
    axis = ladder_figure([horizon]).axes[0]
    dots = sorted(float(line.get_ydata()[0]) for line in axis.lines if len(line.get_xdata()) == 1)
    effects = [own["effect"] for rung, _ in RUNG_COLOURS for own in horizon[rung]["learners"].values()]
    assert dots == pytest.approx(sorted(effects))
    # What the features tell already is named, not drawn.
    told = next(claim for claim in claims if claim["reason"] == "not identifiable")
    assert [text.get_text() for text in ladder_figure([told]).axes[0].texts] == ["not\nidentifiable"] * 2


def test_a_calibration_frames_the_right_words():
    said = {"absent": 3, "survives": 1}
    verdicts = {word: said.get(word, 0) for word in VERDICTS}
    row = {"world": "nothing", "claim": "horizon", "scores": "r = 0", "tables": 4, "right": ["absent"]}
    figure = calibration_figure({"worlds": [row | {"verdicts": verdicts}, row | {"tables": 0}]})
    axis = figure.axes[0]
    framed = [bar.get_width() for bar in axis.patches if bar.get_linewidth() > 1]
    assert framed == [0.75]
    assert sum(bar.get_width() for bar in axis.patches if bar.get_fill()) == pytest.approx(1)


def test_each_verdict_has_its_colour():
    assert tuple(VERDICT_COLOURS) == VERDICTS
