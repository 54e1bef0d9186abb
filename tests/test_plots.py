"""Figures: the same data give the same bytes, missing data give no figure, and every claim is drawn."""

import numpy as np
import pandas as pd
import pytest

from darkregulome.plots.agreement import layers_figure, overlap_figure
from darkregulome.plots.diagnosis import (
    classes_figure,
    effects_figure,
    horizon_figure,
    ladder_figure,
    nulls_figure,
    shares_figure,
)
from darkregulome.plots.style import save

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
    assert classes_figure([]) is None
    assert nulls_figure([], {}) is None
    assert ladder_figure([]) is None
    assert effects_figure([]) is None
    assert overlap_figure(pd.DataFrame()) is None
    assert layers_figure({"none": {"n": 5}, "shared": {"n": 0}}) is None


def test_a_negative_share_is_drawn_as_nothing_and_bars_stay_in_order():
    axis = shares_figure({"lm": {"shares": SHARES}}).axes[0]
    widths = [bar.get_width() for bar in axis.patches]
    assert min(widths) == 0.0
    assert sum(widths) == pytest.approx(1.02)


def test_observed_and_null_are_on_one_axis_for_each_claim():
    claims = [{"claim": "horizon", "model": "lm"}, {"claim": "list_overlap", "model": "lm|output"}]
    draws = {"horizon": np.random.default_rng(0).normal(size=200), "list_overlap": np.arange(200) % 5 / 40}
    nulls = {
        (claim["claim"], claim["model"], side): (0.7, draws[claim["claim"]])
        for claim in claims
        for side in ("raw", "residual")
    }
    figure = nulls_figure(claims, nulls)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert len(shown) == 2
    for axis in shown:
        assert [line.get_xdata()[0] for line in axis.lines] == [0.7, 0.7]
        # Every draw is in a bin: counts of a discrete statistic included.
        assert all(patch.get_data().values.sum() == 200 for patch in axis.patches)
