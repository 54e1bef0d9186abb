"""Laws of sequences: involutions, counts that a shuffle keeps, known values of the features."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkregulome.genome.sequence import complexity, cpg_oe, dinucleotide_shuffle, gc, n_fraction, reverse_complement

IUPAC = "ACGTNRYSWKMBDHV"
bases = st.text("ACGT", min_size=0, max_size=200)
letters = st.text("ACGTNR", min_size=0, max_size=200)


def dinucleotides(sequence: str) -> Counter:
    return Counter(sequence[at : at + 2] for at in range(len(sequence) - 1))


@given(st.text(IUPAC + IUPAC.lower(), max_size=100))
def test_reverse_complement_is_an_involution(sequence):
    assert reverse_complement(reverse_complement(sequence)) == sequence


@given(st.text(IUPAC, max_size=50), st.text(IUPAC, max_size=50))
def test_reverse_complement_reverses_concatenation(left, right):
    assert reverse_complement(left + right) == reverse_complement(right) + reverse_complement(left)


def test_reverse_complement_of_iupac_letters_complements_their_base_sets():
    complement = {"A": "T", "C": "G", "G": "C", "T": "A"}
    sets = {"A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC"}
    sets |= {"B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT"}
    for letter, members in sets.items():
        expected = {complement[base] for base in members}
        assert set(sets[reverse_complement(letter)]) == expected


@given(letters, st.integers(0, 2**32 - 1))
def test_shuffle_keeps_every_dinucleotide_count_and_the_ends(sequence, seed):
    shuffled = dinucleotide_shuffle(sequence, seed)
    assert dinucleotides(shuffled) == dinucleotides(sequence)
    assert (shuffled[:1], shuffled[-1:]) == (sequence[:1], sequence[-1:])


@given(letters, st.integers(0, 2**32 - 1))
def test_shuffle_leaves_other_letters_where_they_are(sequence, seed):
    shuffled = dinucleotide_shuffle(sequence, seed)
    assert [c if c in "NR" else "." for c in shuffled] == [c if c in "NR" else "." for c in sequence]


def test_shuffle_is_a_function_of_its_seed_and_moves_bases():
    sequence = "".join(np.random.default_rng(3).choice(list("ACGT"), 300))
    assert dinucleotide_shuffle(sequence, 7) == dinucleotide_shuffle(sequence, 7)
    assert dinucleotide_shuffle(sequence, 7) != dinucleotide_shuffle(sequence, 8)
    moved = sum(a != b for a, b in zip(sequence, dinucleotide_shuffle(sequence, 7), strict=True))
    assert moved > 100


def test_shuffle_is_uniform_over_the_sequences_that_share_the_counts():
    sequence = "ACAGACTAAGCA"
    # Every sequence with these counts and ends, found by depth-first search.
    target, reachable, stack = dinucleotides(sequence), set(), [sequence[0]]
    while stack:
        start = stack.pop()
        if len(start) == len(sequence):
            reachable.add(start)
            continue
        for base in "ACGT":
            if dinucleotides(start + base) <= target:
                stack.append(start + base)
    rng = np.random.default_rng(11)
    draws = 50 * len(reachable)
    seen = Counter(dinucleotide_shuffle(sequence, rng) for _ in range(draws))
    assert set(seen) == reachable
    chi_square = sum((count - 50) ** 2 / 50 for count in seen.values())
    freedom = len(reachable) - 1
    assert chi_square < freedom + 4 * math.sqrt(2 * freedom)


def test_features_of_known_sequences():
    assert gc("GGCC") == 1
    assert gc("ACGT") == 0.5
    assert gc("GNNN") == 1
    assert math.isnan(gc("NNN"))
    # 2 CpG, 2 C, 2 G, 4 bases: 2 * 4 / 4.
    assert cpg_oe("CGCG") == 2
    assert cpg_oe("AATT") == 0
    assert math.isnan(cpg_oe("NN"))
    assert n_fraction("ACGN") == 0.25
    assert n_fraction("NNNN") == 1
    assert complexity("A" * 60) == 0
    assert math.isnan(complexity("NNNNN"))


def test_complexity_of_two_kmers_that_alternate_is_one_bit_of_six():
    sequence = "AT" * 100  # 198 3-mers: ATA and TAT, 99 of each
    assert complexity(sequence) == pytest.approx(math.log(2) / math.log(64))


def test_complexity_of_all_kmers_once_is_one():
    assert complexity("ACGTA") == pytest.approx(1)


@given(letters)
def test_gc_and_n_fraction_and_cpg_do_not_know_the_strand(sequence):
    other = reverse_complement(sequence)
    for feature in (gc, n_fraction, cpg_oe, complexity):
        here, there = feature(sequence), feature(other)
        assert here == pytest.approx(there, nan_ok=True)


@settings(max_examples=50)
@given(bases)
def test_complexity_agrees_with_a_count_by_dictionary(sequence):
    counts = Counter(sequence[at : at + 3] for at in range(len(sequence) - 2))
    total = sum(counts.values())
    if total < 2:
        assert math.isnan(complexity(sequence))
        return
    entropy = -sum(n / total * math.log(n / total) for n in counts.values())
    assert complexity(sequence) == pytest.approx(entropy / math.log(min(64, total)), abs=1e-12)
