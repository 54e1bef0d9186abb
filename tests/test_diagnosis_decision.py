"""Verdicts by enumeration, so that no combination falls through."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from darkregulome.diagnosis.decision import Decision, Evidence, Gates, Rung, decide
from darkregulome.io.records import VERDICTS
from darkregulome.stats.nulls import benjamini_hochberg

FLOOR, MARGIN, ALPHA = 0.1, 0.25, 0.05


def rung(effect: float, half: float, q: float | None = None, left_over: float = 1.0) -> Rung:
    """One learner's effect with a symmetric interval; by default q agrees with the interval."""
    known = (0.001 if abs(effect) > half else 0.5) if q is None else q
    return Rung([effect], [effect - half], [effect + half], [known], known, left_over)


STATES = {
    "above": rung(0.5, 0.1),
    "below": rung(-0.5, 0.1),
    "nothing": rung(0.0, 0.08),
    "small but sure": rung(0.05, 0.01),
    "uncertain": rung(0.2, 0.6),
}
EXPECTED = {
    # raw above
    ("above", "above", "above"): "survives",
    ("above", "above", "below"): "hinges",
    ("above", "above", "nothing"): "hinges",
    ("above", "above", "small but sure"): "hinges",
    ("above", "above", "uncertain"): "undecided",
    ("above", "above", None): "undecided",
    ("above", "below", "*"): "reverses",
    ("above", "nothing", "*"): "collapses",
    ("above", "small but sure", "*"): "collapses",
    ("above", "uncertain", "*"): "undecided",
    # no raw effect that counts
    ("nothing", "above", "above"): "survives",
    ("nothing", "above", "nothing"): "hinges",
    ("nothing", "below", "below"): "survives",
    ("nothing", "nothing", "nothing"): "absent",
    ("nothing", "nothing", "small but sure"): "absent",
    ("nothing", "nothing", None): "absent",
    ("nothing", "nothing", "above"): "undecided",
    ("nothing", "nothing", "uncertain"): "undecided",
    ("nothing", "uncertain", "*"): "undecided",
    ("small but sure", "nothing", "nothing"): "absent",
    ("uncertain", "nothing", "nothing"): "undecided",
    ("uncertain", "above", "above"): "survives",
}


def verdict(raw: str, trivial: str, full: str | None, gates: Gates | None = None) -> Decision:
    evidence = Evidence(
        STATES[raw], STATES[trivial], None if full is None else STATES[full], FLOOR, MARGIN, gates or Gates()
    )
    return decide(evidence, ALPHA)


@pytest.mark.parametrize(("case", "expected"), EXPECTED.items())
def test_the_verdict_of_every_case_that_was_thought_of(case, expected):
    raw, trivial, full = case
    for one in (*STATES, None) if full == "*" else (full,):
        assert verdict(raw, trivial, one).verdict == expected


def test_an_effect_that_the_full_features_bring_out_is_not_absent():
    nothing = STATES["nothing"]
    assert decide(Evidence(nothing, nothing, rung(0.15, 0.05), FLOOR, MARGIN), ALPHA).verdict == "undecided"


def test_no_combination_falls_through_and_every_undecided_has_its_reason():
    for raw, trivial, full in product(STATES, STATES, (*STATES, None)):
        decision = verdict(raw, trivial, full)
        assert decision.verdict in VERDICTS
        assert bool(decision.reason) == (decision.verdict == "undecided")


def test_turning_every_sign_changes_no_verdict():
    turned = {"above": "below", "below": "above"}
    for raw, trivial, full in product(("above", "below", "nothing"), repeat=3):
        other = [turned.get(one, one) for one in (raw, trivial, full)]
        assert verdict(raw, trivial, full) == verdict(*other)


@pytest.mark.parametrize(
    ("gates", "case", "reason"),
    [
        (Gates(draws=False), ("above", "above", "above"), "few draws"),
        (Gates(residual_auc=(0.71, 0.5)), ("above", "nothing", "nothing"), "adjustment failed"),
        (Gates(residual_auc=(0.5, 0.71)), ("above", "above", "above"), "adjustment failed"),
        (Gates(stable=False), ("above", "above", "above"), "one locus or a few elements carry it"),
        (Gates(stable_absence=False), ("nothing", "nothing", "nothing"), "one locus or a few elements carry it"),
        (Gates(reliability=0.49), ("above", "above", "nothing"), "predictability too noisy"),
        (Gates(reliability=0.79), ("above", "above", "above"), "predictability too noisy"),
        (Gates(stable_full=False), ("above", "above", "above"), "one locus or a few elements carry it"),
        (Gates(stable_loss=False), ("above", "above", "nothing"), "one locus or a few elements carry it"),
        (
            Gates(reliability=None, reliability_needed=0.5),
            ("above", "above", "above"),
            "reliability of predictability not known",
        ),
        # Without a word on it, an effect is not taken to stand.
        (Gates(reliability=None), ("above", "above", "above"), "reliability of predictability not known"),
    ],
)
def test_a_gate_that_is_shut_is_the_reason(gates, case, reason):
    assert verdict(*case, gates) == Decision("undecided", reason)


@pytest.mark.parametrize(
    ("gates", "case", "expected"),
    [
        # What a gate guards does not rest on it: predictability has no part in a collapse.
        (Gates(reliability=0.3, residual_auc=(0.5, 0.9)), ("above", "nothing", "nothing"), "collapses"),
        (Gates(reliability=0.8, residual_auc=(0.7, 0.7)), ("above", "above", "above"), "survives"),
        (Gates(reliability=0.5), ("above", "above", "nothing"), "hinges"),
        (Gates(reliability=None, reliability_needed=0.49), ("above", "above", "above"), "survives"),
        (Gates(reliability=None), ("above", "above", "nothing"), "hinges"),
        (Gates(reliability_needed=0.9), ("above", "above", "above"), "survives"),
        (Gates(stable_loss=False), ("above", "above", "above"), "survives"),
        (Gates(stable_full=False), ("above", "above", "nothing"), "hinges"),
        (Gates(stable=False), ("above", "nothing", "nothing"), "collapses"),
    ],
)
def test_a_gate_stops_only_what_rests_on_it(gates, case, expected):
    assert verdict(*case, gates).verdict == expected


@pytest.mark.parametrize(("left_over", "expected"), [(0.1, "survives"), (0.099, "undecided")])
@pytest.mark.parametrize("where", ["trivial", "full"])
def test_what_features_tell_is_not_identifiable(left_over, expected, where):
    own = {"trivial": STATES["above"], "full": STATES["above"], where: rung(0.5, 0.1, left_over=left_over)}
    decision = decide(Evidence(STATES["above"], own["trivial"], own["full"], FLOOR, MARGIN), ALPHA)
    assert decision.verdict == expected
    assert decision.reason == ("" if expected == "survives" else "not identifiable")


def test_every_learner_must_see_it_and_a_quarrel_is_named():
    split = Rung([0.5, 0.02], [0.4, -0.05], [0.6, 0.09], [0.001, 0.6], 0.6)
    assert decide(Evidence(STATES["above"], split, STATES["above"], FLOOR, MARGIN), ALPHA) == Decision(
        "undecided", "learners disagree"
    )
    opposed = Rung([0.5, -0.5], [0.4, -0.6], [0.6, -0.4], [0.001, 0.001], 0.001)
    assert opposed.sign == 0
    assert (
        decide(Evidence(STATES["above"], STATES["above"], opposed, FLOOR, MARGIN), ALPHA).reason == "learners disagree"
    )


@pytest.mark.parametrize(
    ("raw", "bound", "expected"),
    [(0.3, 0.149, "collapses"), (0.3, 0.151, "undecided"), (2.0, 0.249, "collapses"), (2.0, 0.251, "undecided")],
)
def test_what_collapses_lies_within_half_the_raw_effect_and_within_the_margin(raw, bound, expected):
    trivial = rung(0.0, bound)
    assert decide(Evidence(rung(raw, 0.1), trivial, trivial, FLOOR, MARGIN), ALPHA).verdict == expected


def test_a_survivor_below_the_readouts_own_floor_is_too_small_to_be_measured():
    above = STATES["above"]
    seen = [
        decide(Evidence(above, above, above, FLOOR, MARGIN, natural=size, natural_floor=0.01), ALPHA)
        for size in (0.01, -0.01, 0.009)
    ]
    assert [one.verdict for one in seen] == ["survives", "survives", "undecided"]
    assert seen[2].reason == "too small to be measured"


@pytest.mark.parametrize("rungs", [*product(("above", "nothing"), ("above", "below", "nothing"), ("above", "nothing"))])
@pytest.mark.parametrize("where", [0, 1])
def test_nothing_is_said_of_what_lies_in_one_locus(rungs, where):
    own = [STATES[name] for name in rungs]
    for loci, reason in ((1.9, "one locus"), (2.0, None)):
        own[where] = replace(own[where], informative_loci=loci)
        decision = decide(Evidence(*own, FLOOR, MARGIN, Gates(residual_auc=(0.5, 0.5))), ALPHA)
        assert (decision.reason == "one locus") is (reason is not None)


def test_one_locus_is_the_reason_and_not_the_adjustment_that_fails_with_it():
    own = replace(STATES["above"], informative_loci=1.0)
    gates = Gates(residual_auc=(0.9, 0.9))
    assert decide(Evidence(own, own, own, FLOOR, MARGIN, gates), ALPHA) == Decision("undecided", "one locus")


@pytest.mark.parametrize(("q", "effect", "seen"), [(0.049, 0.1, True), (0.05, 0.5, False), (0.01, 0.099, False)])
def test_beyond_chance_is_below_alpha_and_the_floor_is_enough(q, effect, seen):
    assert rung(effect, 0.01, q).beyond(ALPHA, FLOOR) is seen


def test_a_missing_p_is_no_member_of_the_family():
    found = benjamini_hochberg(np.array([0.01, np.nan, 0.04]))
    np.testing.assert_allclose(found[[0, 2]], [0.02, 0.04])
    assert np.isnan(found[1])


@given(st.lists(st.floats(0.0001, 1), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_q_equals_statsmodels(p_values):
    expected = multipletests(p_values, method="fdr_bh")[1]
    np.testing.assert_allclose(benjamini_hochberg(np.array(p_values)), expected)
