"""Perturbations: where they fall, what they never do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkregulome.edits.edit import (
    Edit,
    clean,
    n_masks,
    named_generator,
    sample_sites,
    shuffles,
    substitutions,
)

DNA = st.text("ACGT", min_size=1, max_size=200)
DNA_WITH_N = st.text("ACGTN", min_size=1, max_size=200)


@given(DNA_WITH_N, st.integers(1, 30), st.integers(0, 2**32))
def test_sites_are_distinct_ordered_known_bases(sequence, sites, seed):
    chosen = sample_sites(sequence, sites, np.random.default_rng(seed))
    known = len(sequence) - sequence.count("N")
    assert len(chosen) == min(sites, known)
    assert (np.diff(chosen) > 0).all()
    assert all(sequence[site] in "ACGT" for site in chosen)


@given(st.integers(8, 500), st.integers(0, 100))
def test_each_of_equal_stretches_gets_one_site(length, seed):
    chosen = sample_sites("A" * length, 8, np.random.default_rng(seed))
    stretch = np.searchsorted(np.arange(1, 8) * length // 8, chosen, side="right")
    assert stretch.tolist() == list(range(8))


def test_every_base_of_an_element_can_be_chosen():
    seen = {site for seed in range(300) for site in sample_sites("ACGT" * 10, 4, np.random.default_rng(seed)).tolist()}
    assert seen == set(range(40))


@given(DNA, st.integers(0, 1000))
def test_three_alternatives_are_the_other_three_bases(sequence, offset):
    sites = np.arange(len(sequence))
    edits = list(substitutions(sequence, offset, sites, 3, np.random.default_rng(0)))
    assert len(edits) == 3 * len(sequence)
    for site in sites.tolist():
        here = [edit for edit in edits if edit.start == offset + site]
        assert {edit.alt for edit in here} == set("ACGT") - {sequence[site]}
        assert all(edit.ref == sequence[site] and edit.end == edit.start + 1 for edit in here)


def test_one_alternative_is_drawn_evenly_and_never_the_reference():
    edits = substitutions("A" * 3000, 0, np.arange(3000), 1, np.random.default_rng(0))
    counts = dict.fromkeys("CGT", 0)
    for edit in edits:
        counts[edit.alt] += 1
    assert sum(counts.values()) == 3000
    assert all(900 < count < 1100 for count in counts.values())


@given(DNA_WITH_N, st.integers(1, 4))
def test_shuffles_keep_length_composition_and_every_n_and_differ_from_the_reference(sequence, replicates):
    for edit in shuffles(sequence, 7, replicates, np.random.default_rng(1)):
        assert edit.alt != sequence
        assert sorted(edit.alt) == sorted(sequence)
        assert [i for i, base in enumerate(edit.alt) if base == "N"] == [i for i, b in enumerate(sequence) if b == "N"]
        assert (edit.start, edit.end) == (7, 7 + len(sequence))


@pytest.mark.parametrize("sequence", ["A", "ACG", "AAAAAAAA", "NNNN"])
def test_a_sequence_with_one_arrangement_is_never_shuffled(sequence):
    assert list(shuffles(sequence, 0, 3, np.random.default_rng(0))) == []


def test_n_mask_of_n_is_an_identity_and_not_made():
    assert list(n_masks("NNN", 0)) == []
    assert list(n_masks("ANA", 5)) == [Edit(5, 8, "ANA", "NNN")]


def test_generators_depend_on_seed_and_every_name():
    draws = [named_generator(*key).random() for key in ((0, "m", "e"), (1, "m", "e"), (0, "n", "e"), (0, "m", "f"))]
    assert len(set(draws)) == 4
    assert named_generator(0, "m", "e").random() == draws[0]


def test_an_edit_is_applied_where_it_says():
    assert Edit(12, 14, "GT", "AA").apply("ACGTACGT", 10) == "ACAAACGT"


def test_clean_keeps_the_length_and_turns_iupac_into_n():
    assert clean("acgtRYn-") == "ACGTNNNN"
