"""The shipped models that were trained on planted stems and motif pairs: their maps show what was planted."""

import numpy as np
import pytest

from darkregulome.errors import InputError
from darkregulome.genome.bases import letters_of_codes
from darkregulome.models.registry import load_model
from darkregulome.scoring.maps.calls import Block, call_map, symmetric
from darkregulome.scoring.maps.dependency import dependency_map
from darkregulome.scoring.settings import CallSettings
from darkregulome.simulate.dependencies import PAIRS, rna_family
from known_structures import contact_auc, count_matches, f1, read_dot_bracket
from script_runner import run_script

TRAINED_ON = 1
"""Seed of the families that `demo-stems` was trained on; the members here are others."""


@pytest.fixture(scope="module")
def members():
    rng = np.random.default_rng(TRAINED_ON)
    families = [rna_family(f"family{number + 1}", rng) for number in range(4)]
    fresh = np.random.default_rng(99)
    return [(family, letters_of_codes(codes)) for family in families for codes in family.draw(3, fresh)]


@pytest.fixture(scope="module")
def stem_maps(members):
    model = load_model("demo-stems", device="cpu")
    return [dependency_map(model, bases) for _, bases in members]


def test_planted_stems_and_the_pseudoknot_stand_out(members, stem_maps):
    every, knots = [], []
    for (family, _), values in zip(members, stem_maps, strict=True):
        nested, knotted = read_dot_bracket(family.dot_bracket)
        assert len(knotted) >= 4
        even = symmetric(values)
        every.append(contact_auc(even, [*nested, *knotted]))
        knots.append(contact_auc(even, knotted, others=nested))
    assert np.mean(every) >= 0.95
    assert np.mean(knots) >= 0.95


def test_planted_stems_are_called(members, stem_maps):
    found = false = missed = 0
    for (family, bases), values in zip(members, stem_maps, strict=True):
        called = {pair for stem in call_map(values, CallSettings(permutations=20), bases).stems for pair in stem.pairs}
        planted = {pair for kind in read_dot_bracket(family.dot_bracket) for pair in kind}
        found, false, missed = (
            found + len(called & planted),
            false + len(called - planted),
            missed + len(planted - called),
        )
    assert f1(found, false, missed) >= 0.9


def test_members_of_a_family_pair_and_differ():
    family = rna_family("x", np.random.default_rng(5))
    codes = family.draw(200, np.random.default_rng(6))
    canonical = {tuple(pair) for pair in PAIRS.tolist()}
    nested, knotted = read_dot_bracket(family.dot_bracket)
    assert sorted([*nested, *knotted]) == [tuple(pair) for pair in family.pairs.tolist()]
    for i, j in family.pairs:
        seen = {tuple(pair) for pair in codes[:, [i, j]].tolist()}
        assert seen <= canonical
        assert len(seen) > 2  # it is the pair that is kept, not the bases
    assert any(a < c < b < d for a, b in nested for c, d in knotted)  # they cross


def test_dot_brackets_are_read_and_bad_ones_refused():
    assert read_dot_bracket("((..[[))..]]") == ([(0, 7), (1, 6)], [(4, 11), (5, 10)])
    for text in ("((.)", "(.))", "[.)"):
        with pytest.raises(InputError, match="structure"):
            read_dot_bracket(text)


def test_auc_and_matches_of_known_cases():
    scores = np.zeros((12, 12))
    scores[0, 11] = scores[1, 10] = 2
    assert contact_auc(scores, [(0, 11), (1, 10)]) == 1
    assert contact_auc(-scores, [(0, 11), (1, 10)]) == 0
    assert contact_auc(scores, [(2, 9)], others=[(0, 11), (1, 10)]) == 0.5
    assert np.isnan(contact_auc(scores, []))
    planted = [((10, 18), (30, 38)), ((50, 58), (70, 78))]
    calls = [Block((11, 18), (30, 37), 1, 1), Block((50, 58), (90, 98), 1, 1), Block((10, 18), (30, 38), 1, 1)]
    assert count_matches(calls, planted) == (1, 2, 1)
    assert f1(1, 2, 1) == pytest.approx(2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2))


@pytest.mark.parametrize("kind", ["families", "pairs"])
def test_the_script_writes_sequences_and_their_truth(tmp_path, kind):
    ran = run_script("simulate", "dependencies", kind=kind, outdir=tmp_path / "a", training=3, test=2, seed=4)
    assert ran.code == 0, ran.err
    run_script("simulate", "dependencies", kind=kind, outdir=tmp_path / "b", training=3, test=2, seed=4)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    names = [line for line in (tmp_path / "a" / "sequences.fa").read_text().splitlines() if line.startswith(">")]
    assert sum(name.startswith(">test_") for name in names) == 8
    assert len(names) == 20
