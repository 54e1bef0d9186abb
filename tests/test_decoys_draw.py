"""Decoys are draws of the laws that they claim, and exchangeable with a real sequence that the model has written."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest

from darkregulome.decoys.call import rank_among
from darkregulome.decoys.learnt import CausalWriter, Drawing, MaskedWriter, block_order
from darkregulome.decoys.place import Place
from darkregulome.decoys.trivial import STATES, MarkovWriter, ShuffleWriter, bridge
from darkregulome.edits.windows import PaddedSequence
from darkregulome.genome.background import fit_background
from darkregulome.genome.bases import base_codes, letters_of_codes
from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import reverse_complement
from fake_models import FakeLanguageModel, MarkovCausal, MarkovMasked

STICKY = np.full((4, 4), 0.05) + 0.8 * np.eye(4)
"""A chain that mixes slowly: walks of a few steps stay close to where they began."""
WINDOW, FLANK, LENGTH = 40, 14, 12


def place_of(sequence, start, end, name="e", offset=0):
    return Place(name, "L", start, end, PaddedSequence(offset, sequence))


def dna(length, seed=0):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


class ChainMasked(MarkovMasked):
    """`MarkovMasked` of the sticky chain, all rows at once."""

    equivariant = True

    def __init__(self):
        super().__init__("chain", WINDOW)
        self.log_chain = torch.tensor(np.pad(np.log(STICKY), (0, 2)))

    def log_probs(self, tokens):
        left, right = torch.nn.functional.pad(tokens, (1, 1), value=5).unfold(1, 3, 1)[..., [0, 2]].unbind(-1)
        return (self.log_chain[left][..., :4] + self.log_chain.T[right][..., :4]).log_softmax(-1)


def written_by_the_chain(count, seed):
    """Places whose sequence the chain has written, element and flanks."""
    rng = np.random.default_rng(seed)
    cumulative = np.cumsum(STICKY, axis=1)[:, :3]
    codes = rng.integers(4, size=(count, LENGTH + 2 * FLANK))
    for at in range(1, codes.shape[1]):
        codes[:, at] = (rng.random(count)[:, None] >= cumulative[codes[:, at - 1]]).sum(axis=1)
    return [
        place_of(letters_of_codes(row), FLANK, FLANK + LENGTH, f"e{number}-{seed}") for number, row in enumerate(codes)
    ]


def statistic(sequence):
    return sequence.count("A") + 0.5 * sequence.count("C")


def randomised_p(real, decoys, rng):
    """A p-value that is uniform, ties and all, where real sequence and decoys are exchangeable."""
    values = np.array([statistic(one) for one in [real, *decoys]])
    distances = np.abs(values - np.median(values))
    above, alike = (distances[1:] > distances[0]).sum(), (distances[1:] == distances[0]).sum()
    return (above + rng.random() * (alike + 1)) / len(distances)


def p_values(places, draw):
    rng = np.random.default_rng(1)
    return [randomised_p(place.sequence, own, rng) for place, own in zip(places, draw(places), strict=True)]


@pytest.mark.parametrize(("sweeps", "seed"), [(0.3, 13), (1.0, 11), (1.7, 12)])
def test_the_star_gives_uniform_p_values_where_the_model_wrote_the_elements(sweeps, seed):
    writer = MaskedWriter(ChainMasked(), Drawing(WINDOW, sweeps))
    found = p_values(written_by_the_chain(300, seed), lambda places: writer.write(places, range(1, 20)))
    assert kstest(found, "uniform").pvalue > 0.01


def test_a_one_way_chain_does_not():
    writer = MaskedWriter(ChainMasked(), Drawing(WINDOW, 1.0))

    def one_way(places):
        walks = [writer._begin(place, base_codes(place.sequence), "chain") for place in places]
        steps = []
        for _ in range(19):
            writer.walk(walks)
            steps.append([letters_of_codes(walk.sequence) for walk in walks])
        return list(zip(*steps, strict=True))

    assert kstest(p_values(written_by_the_chain(200, 1), one_way), "uniform").pvalue < 1e-4


def test_walks_from_the_real_sequence_without_a_hub_do_not():
    writer = MaskedWriter(ChainMasked(), Drawing(WINDOW, 1.0))

    def from_the_real(places):
        walks = [writer._begin(place, base_codes(place.sequence), str(k)) for place in places for k in range(19)]
        writer.walk(walks)
        decoys = [letters_of_codes(walk.sequence) for walk in walks]
        return [decoys[at : at + 19] for at in range(0, len(decoys), 19)]

    assert kstest(p_values(written_by_the_chain(200, 1), from_the_real), "uniform").pvalue < 1e-4


def test_sequences_that_another_law_wrote_are_told_from_their_decoys():
    writer = MaskedWriter(ChainMasked(), Drawing(WINDOW, 2.0))
    places = [place_of(dna(40, seed), FLANK, FLANK + LENGTH, f"r{seed}") for seed in range(30)]
    decoys = writer.write(places, range(1, 20))
    real = writer.log_likelihood([(place, place.sequence) for place in places])
    drawn = writer.log_likelihood([(place, one) for place, own in zip(places, decoys, strict=True) for one in own])
    assert real.mean() < drawn.mean() - 0.5


@pytest.mark.parametrize(("updates", "blocks"), [(2, 3), (5, 3), (6, 3), (1, 2)])
def test_an_order_of_blocks_is_as_probable_as_its_reverse(updates, blocks):
    rng = np.random.default_rng(0)
    counts = dict.fromkeys(itertools.product(range(blocks), repeat=updates), 0)
    for _ in range(6000):
        counts[tuple(block_order(updates, blocks, rng).tolist())] += 1
    pairs = [(n, counts[order[::-1]]) for order, n in counts.items() if order < order[::-1] and n + counts[order[::-1]]]
    assert sum(counts.values()) == 6000
    assert all(abs(one - other) < 4.5 * math.sqrt(one + other) for one, other in pairs)


@pytest.mark.parametrize("equivariant", [True, False])
def test_a_masked_model_writes_with_the_whole_block_masked_in_every_tile(equivariant):
    model = MarkovMasked(context=16)
    model.equivariant = equivariant
    sequence = dna(90)
    place = place_of(sequence, 30, 61)
    writer = MaskedWriter(model, Drawing(16))
    walk = writer._begin(place, base_codes(place.sequence), "x")
    log_p = writer.log_probs([(walk, 3)])[0]
    sites = np.arange(3, 31, 7)
    masked = list(sequence)
    for site in sites:
        masked[30 + site] = "#"
    text = "".join(masked)
    flipped = text[::-1].translate(str.maketrans("ACGT", "TGCA"))
    assert {text.find(one) >= 0 or flipped.find(one) >= 0 for one in model.sequences_run} == {True}
    want = []
    for site in sites:
        at = 30 + site
        own = np.log(model.distribution(text, at))
        if not equivariant:
            own = (own + np.log(model.distribution(flipped, len(text) - 1 - at))[::-1]) / 2
        want.append(own - np.log(np.exp(own).sum()))
    np.testing.assert_allclose(log_p, want, atol=1e-5)


def test_the_log_likelihood_is_that_of_a_naive_loop():
    sequence = dna(80)
    place = place_of(sequence, 30, 44)
    masked = MarkovMasked(context=24)
    masked.equivariant = True
    writer = MaskedWriter(masked, Drawing(24))
    decoy = dna(14, 9)
    for text, own in ((sequence, place.sequence), (sequence[:30] + decoy + sequence[44:], decoy)):
        want = np.mean([math.log(masked.distribution(text, at)["ACGT".index(text[at])]) for at in range(30, 44)])
        assert writer.log_likelihood([(place, own)])[0] == pytest.approx(want, abs=1e-5)
    causal = MarkovCausal(context=24)
    strands = (sequence, 30), (reverse_complement(sequence), 80 - 44)
    values = [
        math.log(causal.distribution(text, at)["ACGT".index(text[at])])
        for text, first in strands
        for at in range(first, first + 14)
    ]
    measured = CausalWriter(causal, Drawing(24)).log_likelihood([(place, place.sequence)])[0]
    assert measured == pytest.approx(np.mean(values), abs=1e-5)


def test_a_causal_model_writes_its_own_law_on_either_strand():
    model = MarkovCausal(context=6, order=1)
    place = place_of("GATTACATGGCAGT", 6, 8)
    decoys = CausalWriter(model, Drawing(6)).write([place], range(1, 3001))[0]
    expected = {}
    for one, two in itertools.product("ACGT", repeat=2):
        forward = model.table["C"]["ACGT".index(one)] * model.table[one]["ACGT".index(two)]
        back = reverse_complement(one + two)
        first = reverse_complement("GATTACATGGCAGT")[5]
        backward = model.table[first]["ACGT".index(back[0])] * model.table[back[0]]["ACGT".index(back[1])]
        expected[one + two] = 1500 * (forward + backward)
    counts = [decoys.count(pair) for pair in expected]
    assert chisquare(counts, list(expected.values())).pvalue > 0.001


class Sure(FakeLanguageModel):
    """Three to one for A, whatever stands around it."""

    equivariant = True

    def log_probs(self, tokens):
        return torch.tensor([0.5, 1 / 6, 1 / 6, 1 / 6]).log().expand(*tokens.shape, 4)


def test_a_low_temperature_draws_what_is_most_probable():
    place = place_of("C" * 60, 20, 40)
    shares = [
        MaskedWriter(Sure(context=60), Drawing(60, 1.0, temperature)).write([place], range(40))
        for temperature in (1, 0.5)
    ]
    share = [np.mean([one.count("A") / 20 for one in own[0]]) for own in shares]
    assert share == pytest.approx([1 / 2, 3 / 4], abs=0.05)


def test_markov_draws_are_the_chain_given_both_flanks():
    rng = np.random.default_rng(0)
    log_p = np.log(rng.dirichlet(np.ones(4), STATES))
    left, right = "ACGTA", "TTGNA"
    drawn = bridge(log_p, left, 2, right, rng.random((4000, 3)))
    weights = {}
    for pair in itertools.product(range(4), repeat=2):
        text = [*base_codes(left), *pair, *base_codes("TTG")]
        state = [int("".join(map(str, text[at - 5 : at])), 4) for at in range(5, len(text))]
        weights[pair] = math.exp(sum(log_p[s, text[at]] for at, s in enumerate(state, 5)))
    counts = [(drawn == pair).all(axis=1).sum() for pair in weights]
    total = sum(weights.values())
    assert chisquare(counts, [4000 * weight / total for weight in weights.values()]).pvalue > 0.001
    unknown = bridge(log_p, "NNNNN", 2, "N", rng.random((8, 3)))
    assert unknown.shape == (8, 2)


@pytest.fixture(scope="module")
def fasta(tmp_path_factory):
    path = tmp_path_factory.mktemp("fasta") / "g.fa"
    path.write_text(f">c\n{dna(3000, 5)}\n>d\n{dna(2000, 6)}\n")
    with Reference(path) as opened:
        yield opened


def test_decoys_keep_length_and_n_and_depend_on_their_names_alone(fasta):
    sequence = dna(100)
    sequence = sequence[:40] + "NNN" + sequence[43:]
    places = [place_of(sequence, 20, 60, "a"), place_of(sequence, 50, 75, "b")]
    windows = {"L": ("c", 100, 900)}
    causal = MarkovCausal(context=16)
    writers = [
        ShuffleWriter(3),
        MarkovWriter(fit_background(fasta), windows, 3),
        MaskedWriter(MarkovMasked(context=16), Drawing(16, seed=3)),
        CausalWriter(causal, Drawing(16, seed=3)),
    ]
    for writer in writers:
        both = writer.write(places, range(1, 5))
        assert [[len(one) for one in own] for own in both] == [[40] * 4, [25] * 4]
        assert {one[20:23] for one in both[0]} == {"NNN"}
        assert {set(one) <= set("ACGTN") for own in both for one in own} == {True}
        assert len({*both[0]}) > 1
        # Alone, and further decoys: the same sequences.
        assert writer.write(places[1:], range(3, 5))[0] == both[1][2:]


def test_markov_leaves_the_background_as_it_was_and_measures_its_draws(fasta):
    background = fit_background(fasta)
    before = {size: counts.copy() for size, counts in background.counts.items()}
    writer = MarkovWriter(background, {"L": ("c", 100, 900)}, 0)
    place = place_of(fasta.fetch("c", 0, 900), 300, 400)
    decoys = writer.write([place], range(1, 30))[0]
    assert all((background.counts[size] == counts).all() for size, counts in before.items())
    measured = writer.log_likelihood([(place, one) for one in [place.sequence, *decoys]])
    assert np.isfinite(measured).all()
    assert measured[1:].mean() == pytest.approx(-1.386, abs=0.1)


def test_the_real_sequence_is_ranked_as_the_decoys_are():
    rank = rank_among(np.array([-3.0, -2.0, -2.5, -3.5]))
    assert (rank.n, rank.effect, rank.p) == (4, 2.75, 1 / 5)
    assert rank.z == pytest.approx(2.75 / np.std([3, 2, 2.5, 3.5], ddof=1))
    assert rank_among(np.array([-1.0, 1.0, 2.0, -2.0])).p == 1.0
    assert rank_among(np.zeros(9)).p == 1.0
