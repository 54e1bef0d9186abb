"""The ladder of one claim: lists, classes that lie in few loci, classes held fixed, noise of predictability."""

from dataclasses import replace

import numpy as np
import pytest

from darkregulome.claims.claim import ClaimResult, find_claim
from darkregulome.diagnosis.adjust import (
    Pair,
    _residual_auc,
    _Residuals,
    _stratified_auc,
    make_ladder,
    measured_reliability,
    regressed_out,
)
from darkregulome.diagnosis.calibration_input import on_elements
from darkregulome.diagnosis.decision import FLOOR, MOST_RESIDUAL_AUC
from darkregulome.diagnosis.entries import entries
from darkregulome.diagnosis.example import example_elements
from darkregulome.diagnosis.prepared import Prepared, prepare
from darkregulome.diagnosis.scores import HALVES, ModelScores
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry, Outcome
from darkregulome.stats.learners import residuals
from darkregulome.stats.loci import Floats
from darkregulome.stats.noise import correlated_noise, geometric

FEW = Settings(permutations=199, list_length=400)


@pytest.fixture(scope="module")
def base() -> ModelScores:
    """40 loci of 100 elements without scores."""
    return on_elements(example_elements(40, 100, 1))


def noise(base: ModelScores, seed: int) -> Floats:
    """Of unit variance, alike in neighbours."""
    return correlated_noise(geometric(0.5), base.loci, np.random.default_rng(seed))


def scored(base: ModelScores, ris: Floats, name: str = "m", kind: str = "masked", **columns: Floats) -> Prepared:
    """A model whose trivial feature is `f` and whose predictability is `x`, measured without error if no halves are."""
    f, x = columns.get("f", noise(base, 91)), columns.get("x", noise(base, 92))
    halves = columns.get("halves", np.column_stack([x, x]))
    table = base.table.assign(ris=ris, markov5=f, predictability=x, **dict(zip(HALVES, halves.T, strict=True)))
    own = replace(base.with_table(table), name=name, kind=kind)
    own.share_elements(base)
    return prepare(own, FEW)


# -- lists ------------------------------------------------------------------------------------------------------------


def overlap(base: ModelScores, shared: str, sign: float = 1.0, settings: Settings = FEW) -> ClaimEntry:
    """A language model and an output model whose scores share the trivial feature, predictability, or neither."""
    f, x, regulation = (noise(base, seed) for seed in (1, 2, 3))
    common = {"trivial": f, "learnt": x, "regulation": regulation, "nothing": 0.0}[shared]
    first = scored(base, 2 * common + noise(base, 4), "lm", "masked", f=f, x=x)
    second = scored(base, sign * 2 * common + noise(base, 5), "out", "output", f=f, x=x)
    claim = find_claim("list_overlap")
    subject = next(make for _, make in claim.subjects([first, second], settings, None))()
    loci = base.loci
    return entries(
        [ClaimResult(claim, subject.model, claim.test(subject, settings), loci.n, loci.count, "rotation")], settings
    )[0]


@pytest.mark.parametrize(
    ("shared", "words"),
    [
        ("nothing", {"absent"}),
        ("trivial", {"collapses"}),
        ("learnt", {"hinges"}),
        ("regulation", {"survives"}),
    ],
)
def test_what_two_lists_share_gets_the_word_that_is_true(base, shared, words):
    entry = overlap(base, shared)
    assert entry.verdict in words, (entry.reason, entry.gates)
    assert "winsorised" not in entry.details


def test_no_common_element_where_chance_has_many_is_a_finding():
    small = on_elements(example_elements(25, 40, 1))
    entry = overlap(small, "regulation", -1.0, Settings(permutations=999, list_length=100))
    assert entry.details["lists"]["overlap"] <= 1
    assert entry.details["lists"]["expected_by_chance"] > 5
    assert entry.raw.effect < -0.05
    assert entry.verdict == "survives", (entry.reason, entry.gates)


def test_the_residual_of_a_list_is_told_where_its_chances_are_wrong_and_not_where_they_are_right(base):
    rng = np.random.default_rng(0)
    f = rng.standard_normal(base.loci.n)
    one = scored(base, noise(base, 1), f=f)
    other = (rng.random(len(f)) < 0.1).astype(float)
    aucs = {}
    for name, log_odds in (("line", 2 * f - 3), ("bend", 3 * np.abs(f) - 5)):
        member = (rng.random(len(f)) < 1 / (1 + np.exp(-log_odds))).astype(float)
        pair = Pair(member, other, f"other {name}", f"member {name}")
        # Of a straight line in log odds alone, so that a bend is more than it can follow.
        sides = {"linear": _Residuals(one, pair, "trivial", "linear")}
        aucs[name] = _residual_auc(one, pair, sides, "trivial", None)
    assert aucs["line"] <= 0.55
    assert aucs["bend"] > MOST_RESIDUAL_AUC


def test_an_auc_within_strata_is_that_of_all_pairs_within_them():
    rng = np.random.default_rng(1)
    strata, positive = rng.integers(0, 3, 60), rng.random(60) < 0.4
    guess = np.round(positive + rng.standard_normal(60), 1)
    won = pairs = variance = 0.0
    for stratum in range(3):
        first, second = (guess[(strata == stratum) & (positive == side)] for side in (True, False))
        won += sum((a > b) + 0.5 * (a == b) for a in first for b in second)
        pairs += len(first) * len(second)
        variance += len(first) * len(second) * (len(first) + len(second) + 1) / 12
    assert won / pairs > 0.6
    assert _stratified_auc(guess, positive, strata) == pytest.approx((won - 1.645 * np.sqrt(variance)) / pairs)
    assert _stratified_auc(-guess, positive, strata) == 0.5
    assert _stratified_auc(guess, np.ones(60, dtype=bool), strata) == 0.5


# -- few loci ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", [0.0, 3.0])
def test_nothing_is_said_of_a_class_that_lies_in_one_locus(base, effect):
    member = (base.loci.codes == 7) & (np.arange(base.loci.n) % 3 == 0)
    one = scored(base, noise(base, 1) + effect * member)
    ladder = make_ladder(one, Pair(one.raw, member.astype(float), "rare"), one.setting)
    entry = entries([ClaimResult(find_claim("te_discrimination"), "m", ladder, base.loci.n, 40, "rotation")], FEW)[0]
    assert (entry.verdict, entry.reason) == ("undecided", "one locus")
    assert ladder.raw.informative_loci == pytest.approx(1.0)
    assert not ladder.gates.stable
    # Its interval is that of the rotation, and no ratio to an error that is not there.
    low, high = ladder.raw.interval
    assert low <= ladder.raw.effect <= high
    assert 0.1 < high - low < 5


def test_a_table_of_one_locus_says_so(base):
    single = base.take(np.flatnonzero(base.loci.codes == 0))
    one = prepare(replace(single.with_table(single.table.assign(ris=np.arange(100.0) % 7, markov5=1.0)), name="m"), FEW)
    near = (one.scores.distance <= 30_000).astype(float)
    ladder = make_ladder(one, Pair(one.raw, near, "near"), one.setting)
    entry = entries([ClaimResult(find_claim("horizon"), "m", ladder, 100, 1, "rotation")], FEW)[0]
    assert (entry.verdict, entry.reason) == ("undecided", "one locus")


def test_an_effect_of_one_locus_beyond_the_full_features_is_not_stable(base):
    """Predictability explains the effect in every locus but one: what is left of it rests on that one."""
    near = (base.distance <= 10_000).astype(float)
    x = base.loci.center(2.0 * near) + noise(base, 1)
    only = near * (base.loci.codes == 3)
    one = scored(base, x + 12.0 * only + 0.3 * noise(base, 2), x=x)
    gates = make_ladder(one, Pair(one.raw, near, "near"), one.setting).gates
    assert gates.stable
    assert not gates.stable_full
    assert gates.stable_loss


# -- classes held fixed -----------------------------------------------------------------------------------------------


def test_the_effect_of_another_class_is_no_error_of_this_one(base):
    """Held classes are taken out of the score too: the effect stays, its error is that of a regression on both."""
    classes = base.classes
    first, held = ((classes == word).astype(float) for word in ("cCRE", "TE"))
    by_locus = np.random.default_rng(2).standard_normal(base.loci.count)[base.loci.codes]
    one = scored(base, 0.5 * first + (3 + by_locus) * held + noise(base, 3))
    ladder = make_ladder(one, Pair(one.raw, first, "class cCRE", others={"class TE": held}, group="g"), one.setting)
    both = base.loci.center(np.column_stack([first, held]))
    slopes = np.linalg.lstsq(both, one.raw, rcond=None)[0]
    assert ladder.raw.effect == pytest.approx(slopes[0])
    side = both[:, 0] - both[:, 1] * (both[:, 0] @ both[:, 1]) / (both[:, 1] @ both[:, 1])
    error = base.loci.sums(side * (one.raw - both @ slopes)) / (side @ side)
    assert ladder.raw.se == pytest.approx(np.sqrt((error**2).sum() * 40 / 39))


def pair_entry(name: str, raw: float, trivial: float, verdict: str) -> ClaimEntry:
    """A pair of classes with its effects."""
    outcome = {"raw": Outcome(effect=raw), "trivial": Outcome(effect=trivial, left_over=1.0)}
    return ClaimEntry(claim="class_hierarchy", model=f"m|{name}", verdict=verdict, **outcome)


def test_a_pair_that_adjustment_turns_over_does_not_keep_the_order():
    from darkregulome.claims.class_hierarchy import _order_of

    kept = [pair_entry("a over b", 0.5, 0.4, "survives"), pair_entry("b over c", 0.3, 0.3, "survives")]
    order = _order_of([*kept, pair_entry("a over c", 0.8, 0.7, "survives")])
    assert (order["verdict"], order["kendall_tau"]) == ("survives", {"trivial": pytest.approx(1.0)})
    # Raw it was not sure to be there, and had the other sign.
    turned = _order_of([*kept, pair_entry("a over d", -0.02, 0.3, "survives")])
    assert turned["verdict"] == "undecided"
    opposed = [pair_entry("a over b", 0.5, -0.5, "reverses"), pair_entry("b over c", 0.5, -0.5, "reverses")]
    assert _order_of(opposed)["verdict"] == "reverses"
    assert _order_of(opposed)["kendall_tau"]["trivial"] == pytest.approx(-1.0)


# -- noise of predictability -----------------------------------------------------------------------------------------


def learnt(base: ModelScores, true: float, reliability: float) -> tuple[Prepared, Pair]:
    """Scores moved by predictability, which goes with nearness, and by nearness itself; measured with an error."""
    near = (base.distance <= 10_000).astype(float)
    x = base.loci.center(near) + noise(base, 1)
    error = np.sqrt(2 * (1 / reliability - 1)) * x.std()
    halves = x[:, None] + error * np.random.default_rng(2).standard_normal((len(x), 2))
    one = scored(base, x + true * near + noise(base, 3), x=halves.mean(axis=1), halves=halves)
    return one, Pair(one.raw, near, "near")


def without_halves(one: Prepared) -> Prepared:
    """The same model, of whose predictability no halves are known."""
    table = one.scores.table.drop(columns=list(HALVES))
    return prepare(one.scores.with_table(table), FEW)


def test_the_reliability_at_which_an_effect_vanishes_is_the_one_that_is_measured(base):
    """With predictability corrected for that reliability, the effect is at the floor."""
    one, pair = learnt(base, 0.0, 0.7)
    left = residuals(one.scores.predictability, one.scores.trivial.values, base.loci, one.scores.folds, "splines")
    trivial = _Residuals(one, pair, "trivial", "splines")
    own = regressed_out(left, trivial.everything)
    for floor in (0.0, 0.05):
        needed = make_ladder(one, pair, one.setting, floor=floor).gates.reliability_needed
        corrected = np.column_stack([trivial.tested, left - (1 - needed) * own])
        assert np.linalg.lstsq(corrected, trivial.outcome, rcond=None)[0][0] == pytest.approx(floor)
    ladder = make_ladder(one, pair, one.setting, floor=0.0)
    assert ladder.gates.reliability == pytest.approx(measured_reliability(one, pair))
    assert ladder.gates.reliability_needed == pytest.approx(ladder.gates.reliability, abs=0.1)
    assert ladder.sensitivity["reliability_where_it_vanishes"] == ladder.gates.reliability_needed


def test_without_halves_an_effect_survives_only_where_noise_could_not_have_made_it(base):
    words = {}
    for name, true in (("noise", 0.0), ("regulation", 3.0)):
        one, pair = learnt(base, true, 0.7)
        one = without_halves(one)
        pair = replace(pair, outcome=one.raw)
        ladder = make_ladder(one, pair, one.setting)
        assert ladder.gates.reliability is None
        assert abs(ladder.full[0].effect) > FLOOR
        entry = entries([ClaimResult(find_claim("horizon"), "m", ladder, base.loci.n, 40, "rotation")], FEW)[0]
        words[name] = (entry.verdict, entry.reason)
    assert words == {
        "noise": ("undecided", "reliability of predictability not known"),
        "regulation": ("survives", ""),
    }
