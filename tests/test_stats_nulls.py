"""Nulls one by one: what each keeps, what it moves, and how many different draws it has; p-values from draws."""

import math

import networkx as nx
import numpy as np
import pytest
from scipy.stats import chisquare

from darkregulome.stats.loci import Loci
from darkregulome.stats.nulls import (
    DiagonalNull,
    RotationNull,
    ShuffleNull,
    benjamini_hochberg,
    degree_preserving_draws,
    empirical_p,
    equal_tailed_p,
    find_null,
    null_names,
    permuted_gene_sums,
    quantile_strata,
)
from darkregulome.stats.nulls.shuffle import shuffle_blocks

LOCI = Loci.of(np.repeat(np.arange(3), [6, 5, 7]))


# -- p-values ---------------------------------------------------------------------------------------------------------


def test_p_counts_draws_as_extreme_as_the_observed_on_either_side_of_the_centre():
    draws = np.array([1.0, 4.0, -2.0, 7.0, 2.0])
    assert empirical_p(4.0, draws) == pytest.approx((1 + 2) / 6)
    assert empirical_p(4.0, draws, two_sided=False) == pytest.approx((1 + 2) / 6)
    assert empirical_p(-2.0, draws, two_sided=False) == 1.0
    # About 2: the observed is 2 away, and so are 4, -2 and 7.
    assert empirical_p(4.0, draws, center=2.0) == pytest.approx((1 + 3) / 6)
    assert empirical_p(0.0, draws, center=2.0) == empirical_p(4.0, draws, center=2.0)
    assert empirical_p(3.0, np.zeros(0)) == 1.0


def test_the_noise_of_a_sum_is_no_difference_and_more_than_that_is_one():
    scale = 1000.0
    equal, less = np.full(9, scale * (1 - 1e-10)), np.full(9, scale * (1 - 1e-8))
    assert empirical_p(scale, equal) == 1.0
    assert empirical_p(scale, less) <= 0.1
    assert empirical_p(0.0, np.zeros(9)) == 1.0


def test_an_equal_tailed_p_is_twice_the_smaller_tail_and_at_most_one():
    draws = np.arange(1.0, 10.0)
    assert equal_tailed_p(8.0, draws) == pytest.approx(2 * (1 + 2) / 10)
    assert equal_tailed_p(1.0, draws) == pytest.approx(2 * (1 + 1) / 10)
    assert equal_tailed_p(5.0, draws) == 1.0
    assert equal_tailed_p(-8.0, -draws) == equal_tailed_p(8.0, draws)
    assert equal_tailed_p(3 * 8.0 + 7, 3 * draws + 7) == equal_tailed_p(8.0, draws)
    # A null that is all above the observed value: two-sided about zero sees nothing there, the tails do.
    assert empirical_p(0.0, draws) == 1.0
    assert equal_tailed_p(0.0, draws) == pytest.approx(2 / 10)


def test_q_values_are_those_of_the_p_values_that_there_are():
    q_values = benjamini_hochberg(np.array([0.01, np.nan, 0.04, 0.03]))
    np.testing.assert_allclose(q_values, [0.03, np.nan, 0.04, 0.04])
    assert np.isnan(benjamini_hochberg(np.array([np.nan, np.nan]))).all()
    assert benjamini_hochberg(np.array([0.9, 0.95])).max() <= 1.0


# -- rotations and shuffles -------------------------------------------------------------------------------------------


def test_a_null_has_as_many_different_draws_as_arrangements():
    rng = np.random.default_rng(0)
    assert RotationNull(LOCI, 5, rng).log10_distinct == pytest.approx(math.log10(12 * 10 * 14))
    free = math.log10(math.factorial(6) * math.factorial(5) * math.factorial(7))
    assert ShuffleNull(LOCI, None, 5, rng).log10_distinct == pytest.approx(free)
    strata = np.array(["b", "b", "a", "a", "a", "a"] + ["a"] * 5 + ["b"] * 3 + ["a"] * 4)
    within = 2 * math.factorial(4) * math.factorial(5) * math.factorial(3) * math.factorial(4)
    assert ShuffleNull(LOCI, strata, 5, rng).log10_distinct == pytest.approx(math.log10(within))


def test_every_turn_and_both_directions_are_drawn_alike():
    null = RotationNull(LOCI, 6000, np.random.default_rng(1))
    assert null.turns.shape == (6000, 3)
    for locus, size in enumerate(LOCI.sizes):
        counts = np.bincount(null.turns[:, locus], minlength=2 * size)
        assert len(counts) == 2 * size
        expected = 6000 / (2 * size)
        assert ((counts - expected) ** 2 / expected).sum() < 50  # chi-squared of at most 13 degrees of freedom


@pytest.mark.parametrize("strata", [None, np.array(list("aabbab" + "abbab" + "bbbaaab"))])
def test_shuffles_move_scores_only_within_their_strata_and_each_way_is_as_likely(strata):
    rng = np.random.default_rng(2)
    null = ShuffleNull(LOCI, strata, 4000, rng)
    labels = np.zeros(18, dtype=int) if strata is None else np.unique(strata, return_inverse=True)[1]
    blocks = 2 * LOCI.codes + labels
    scores = rng.standard_normal(18)
    placed = null.draw(scores, np.eye(18)).draws  # where each score lands
    for block in np.unique(blocks):
        rows = blocks == block
        np.testing.assert_allclose(np.sort(placed[:, rows], axis=1), np.sort(np.tile(scores[rows], (4000, 1)), axis=1))
        # Each place holds each score of its block equally often: the mean there is the block's.
        error = 6 * scores[rows].std() / np.sqrt(4000) + 1e-12
        assert np.abs(placed[:, rows].mean(axis=0) - scores[rows].mean()).max() < error


@pytest.mark.parametrize("columns", [1, 2])
def test_a_draw_of_shuffles_is_one_vector_of_weights_or_several(columns):
    rng = np.random.default_rng(3)
    scores, weights = rng.standard_normal(18), rng.standard_normal((18, columns))
    null = ShuffleNull(LOCI, None, 50, np.random.default_rng(4))
    drawn = null.draw(scores, weights)
    placed = null.draw(scores, np.eye(18)).draws
    np.testing.assert_allclose(drawn.draws, placed @ weights)
    np.testing.assert_allclose(drawn.observed, weights.T @ scores)
    np.testing.assert_allclose(drawn.mean, drawn.draws.mean(axis=0))
    np.testing.assert_allclose(drawn.sd, drawn.draws.std(axis=0))
    if columns == 1:
        np.testing.assert_allclose(null.draw(scores, weights[:, 0]).draws, drawn.draws)


@pytest.mark.parametrize("strata", [None, np.array(list("aabbab" + "abbab" + "bbbaaab"))])
def test_shares_of_loci_are_shuffled_within_locus_and_stratum(strata):
    """The scores of a stratum are its own number: whatever the draw, the share of a locus is the observed one."""
    labels = np.zeros(18) if strata is None else (strata == "a").astype(float)
    scores, weights = 10.0 * LOCI.codes + labels, np.random.default_rng(5).standard_normal((18, 2))
    null = ShuffleNull(LOCI, strata, 20, np.random.default_rng(6))
    loci = []
    for locus, rows in null.locus_draws(scores, weights):
        part = LOCI.slices()[locus]
        np.testing.assert_allclose(rows, np.tile(weights[part].T @ scores[part], (20, 1)))
        loci.append(locus)
    assert loci == [0, 1, 2]


def test_shares_of_loci_are_the_same_at_every_call_and_differ_between_draws():
    scores, weights = np.random.default_rng(7).standard_normal((2, 18))
    null = ShuffleNull(LOCI, None, 20, np.random.default_rng(8))
    one, two = (np.array([rows for _, rows in null.locus_draws(scores, weights[:, None])]) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert (one.std(axis=1) > 0).all()
    assert (np.abs(np.diff(one, axis=1)) > 0).mean() > 0.9


def test_nulls_are_found_by_their_names():
    assert null_names() == ("free", "rotation", "stratified")
    classes = np.array(list("aabbab" + "abbab" + "bbbaaab"))
    for name in null_names():
        kind = find_null(name)
        assert kind.name == name
        null = kind.make(LOCI, classes, 7, np.random.default_rng(9))
        assert null.permutations == 7
        assert null.draw(np.arange(18.0), np.ones(18)).draws.shape == (7, 1)
    strata = find_null("stratified").make(LOCI, classes, 7, np.random.default_rng(9)).strata
    assert strata.tolist() == (classes == "b").astype(int).tolist()
    assert not find_null("free").make(LOCI, classes, 7, np.random.default_rng(9)).strata.any()
    with pytest.raises(KeyError, match="kind"):
        find_null("kind")


def test_stratified_shuffle_exchanges_only_within_locus_and_stratum():
    rng = np.random.default_rng(4)
    loci = Loci.of(np.repeat([0, 1], 10))
    strata = np.tile([0, 1], 10)
    scores = loci.codes * 10.0 + strata
    null = ShuffleNull(loci, strata, 20, rng).draw(scores, rng.normal(size=20))
    np.testing.assert_allclose(null.draws[:, 0], null.observed[0])


# -- genes and networks -----------------------------------------------------------------------------------------------


def test_strata_of_two_columns_are_the_pairs_of_their_quantile_bins():
    columns = np.column_stack([np.repeat([1.0, 2.0, 3.0, 4.0], 25), np.tile([5.0, 6.0, 7.0, 8.0], 25)])
    labels = quantile_strata(columns, 2)
    assert labels.tolist() == (2 * (columns[:, 0] > 2) + (columns[:, 1] > 6)).tolist()
    assert quantile_strata(columns[:, 0], 4).tolist() == (columns[:, 0] - 1).tolist()
    # A value at an edge is above it.
    assert quantile_strata(np.array([0.0, 1.0, 2.0]), 2).tolist() == [0, 1, 1]


def test_no_elements_have_no_sums():
    sums = permuted_gene_sums(np.zeros((0, 2)), np.zeros(0, dtype=int), np.zeros(0), 3, np.random.default_rng(0))
    assert sums.shape == (3, 0, 2)


def test_maps_differ_between_draws():
    values = np.random.default_rng(10).standard_normal((30, 1))
    sums = permuted_gene_sums(values, np.arange(30) % 5, np.zeros(30), 50, np.random.default_rng(11))
    assert sums.shape == (50, 5, 1)
    assert len(np.unique(sums[:, 0, 0])) == 50
    np.testing.assert_allclose(sums.sum(axis=1), np.tile(values.sum(axis=0), (50, 1)))


def test_networks_of_no_and_of_one_link_are_drawn_as_they_are():
    rng = np.random.default_rng(12)
    assert [len(edges) for edges in degree_preserving_draws(np.zeros((0, 2)), 3, 2, rng)] == [0, 0]
    assert [edges.tolist() for edges in degree_preserving_draws([[2, 0]], 3, 2, rng)] == [[[2, 0]]] * 2


@pytest.mark.parametrize("edges", [[(0, 1), (1, 1)], [(0, 1), (2, 1), (1, 0)], [(-1, 0)], [(0, 3)]])
def test_a_loop_a_repeat_or_a_node_outside_is_refused(edges):
    with pytest.raises(ValueError, match=r"loops|outside 0 to 2"):
        next(degree_preserving_draws(np.array(edges), 3, 1, np.random.default_rng(0)))


def test_a_walk_tries_ten_swaps_per_link():
    edges = np.array([(a, (a + 1) % 40) for a in range(40)])
    default, ten, one = (
        list(degree_preserving_draws(edges, 40, 3, np.random.default_rng(13), **words))
        for words in ({}, {"swaps_per_edge": 10}, {"swaps_per_edge": 1})
    )
    np.testing.assert_array_equal(default, ten)
    assert not np.array_equal(default, one)
    assert len({drawn.tobytes() for drawn in default}) == 3


def test_networks_keep_every_degree_and_stay_simple():
    graph = nx.barabasi_albert_graph(80, 3, seed=1)
    edges = np.array(graph.edges)
    degrees = np.bincount(edges.ravel(), minlength=80)
    draws = list(degree_preserving_draws(edges, 80, 20, np.random.default_rng(3)))
    for drawn in draws:
        assert (np.bincount(drawn.ravel(), minlength=80) == degrees).all()
        ordered = np.sort(drawn, axis=1)
        assert (ordered[:, 0] != ordered[:, 1]).all()
        assert len(np.unique(ordered, axis=0)) == len(edges)
    observed = {tuple(edge) for edge in np.sort(edges, axis=1)}
    kept = np.mean([len(observed & {tuple(edge) for edge in np.sort(drawn, axis=1)}) for drawn in draws])
    assert kept < 0.5 * len(edges)


def test_networks_are_drawn_uniformly_from_all_with_their_degrees():
    """Degrees 2, 2, 2, 2, 1, 1 on labelled nodes: every simple network that has them, counted by brute force."""
    edges = np.array([(0, 1), (1, 2), (2, 3), (3, 0), (4, 5)])
    pairs = [(a, b) for a in range(6) for b in range(a + 1, 6)]
    everything = set()
    for mask in range(2 ** len(pairs)):
        if mask.bit_count() == 5:
            chosen = [pairs[i] for i in range(len(pairs)) if mask >> i & 1]
            if np.array_equal(np.bincount(np.ravel(chosen), minlength=6), [2, 2, 2, 2, 1, 1]):
                everything.add(tuple(chosen))
    counts = dict.fromkeys(everything, 0)
    for drawn in degree_preserving_draws(edges, 6, 6000, np.random.default_rng(4), swaps_per_edge=20):
        counts[tuple(sorted(map(tuple, np.sort(drawn, axis=1).tolist())))] += 1
    assert len(counts) == len(everything)
    assert chisquare(list(counts.values())).pvalue > 0.001


@pytest.mark.parametrize("edges", [[(0, 0)], [(0, 1), (1, 0)], [(0, 9)]])
def test_networks_that_are_not_simple_are_refused(edges):
    with pytest.raises(ValueError, match=r"network|node"):
        next(degree_preserving_draws(np.array(edges), 3, 1, np.random.default_rng(0)))


def test_genes_are_exchanged_within_strata_only():
    """Each draw leaves every gene as many elements of every stratum as it has, and moves the elements."""
    rng = np.random.default_rng(5)
    genes, strata = rng.integers(0, 8, 200), rng.integers(0, 5, 200)
    members = (strata[:, None] == np.arange(5)).astype(float)
    counts = np.array([members[genes == gene].sum(axis=0) for gene in range(8)])
    values = np.column_stack([members, rng.normal(size=200)])
    sums = permuted_gene_sums(values, genes, strata, 30, rng)
    assert (sums[:, :, :5] == counts).all()
    assert len(np.unique(sums[:, 0, 5])) == 30


def test_quantile_strata_have_equal_sizes_and_follow_each_column():
    rng = np.random.default_rng(6)
    columns = rng.normal(size=(1000, 2))
    labels = quantile_strata(columns, 4)
    assert set(np.bincount(labels // 4)) == {250}
    low, high = columns[labels // 4 == 0, 0], columns[labels // 4 == 1, 0]
    assert low.max() <= high.min()


def test_the_same_seed_gives_the_same_draws():
    edges = np.array(nx.gnm_random_graph(20, 40, seed=2).edges)
    one, two = (list(degree_preserving_draws(edges, 20, 3, np.random.default_rng(7))) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_sums_by_gene_are_those_of_the_maps_drawn_one_by_one():
    rng = np.random.default_rng(21)
    genes, strata, values = rng.integers(0, 5, 60), rng.integers(0, 4, 60), rng.normal(size=(60, 2))
    sums = permuted_gene_sums(values, genes, strata, 30, np.random.default_rng(9))
    order, ends = np.argsort(strata, kind="stable"), np.cumsum(np.bincount(strata))
    states = np.random.default_rng(9).integers(2**63, size=30, dtype=np.uint64) | np.uint64(1)
    for state, drawn in zip(states, sums, strict=True):
        shuffled = order.copy()
        shuffle_blocks(shuffled, ends, state)
        expected = [values[order][genes[shuffled] == gene].sum(axis=0) for gene in range(5)]
        np.testing.assert_allclose(drawn, expected, atol=1e-12)


# -- diagonals --------------------------------------------------------------------------------------------------------


def diagonals(values: np.ndarray, offset: int) -> list[float]:
    return np.diagonal(values, offset).tolist()


def band(symmetric: bool, length: int = 9) -> np.ndarray:
    """A map of different values with a gap, symmetric or not."""
    values = np.random.default_rng(14).standard_normal((length, length))
    values = values + values.T if symmetric else values
    values[2, 5] = values[5, 2] = np.nan
    return values


@pytest.mark.parametrize("how", ["permute", "rotate", "rotate_together"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_entries_stay_on_their_diagonal_and_gaps_stay_where_they_are(how, symmetric):
    values = band(symmetric)
    null = DiagonalNull(values, symmetric)
    drawn = getattr(null, how)(np.random.default_rng(15))
    np.testing.assert_array_equal(np.isnan(drawn), np.isnan(values))
    np.testing.assert_array_equal(np.diagonal(drawn), np.diagonal(values))
    for offset in range(-8, 9):
        before, after = (np.array(diagonals(side, offset)) for side in (values, drawn))
        np.testing.assert_allclose(np.sort(after), np.sort(before))
        if how != "permute":
            finite = before[np.isfinite(before)]
            turns = [np.roll(finite, turn).tolist() for turn in range(len(finite))]
            assert after[np.isfinite(after)].tolist() in turns
    if symmetric:
        np.testing.assert_array_equal(drawn, drawn.T)
    else:
        assert not np.array_equal(np.diagonal(drawn, 1), np.diagonal(drawn, -1))
    assert not np.array_equal(drawn, values, equal_nan=True)


def test_every_entry_reaches_every_place_of_its_diagonal():
    values = np.arange(36.0).reshape(6, 6)
    null = DiagonalNull(values, symmetric=False)
    rng = np.random.default_rng(16)
    for how in (null.permute, null.rotate, null.rotate_together):
        drawn = np.array([how(rng) for _ in range(400)])
        for offset in (*range(-5, 0), *range(1, 6)):
            on_it = set(diagonals(values, offset))
            for row, column in zip(*np.nonzero(np.eye(6, k=offset)), strict=True):
                assert set(drawn[:, row, column]) == on_it


def test_rotations_together_turn_every_diagonal_by_the_same_part_of_its_length():
    values = np.arange(400.0).reshape(20, 20)
    drawn = DiagonalNull(values, symmetric=False).rotate_together(np.random.default_rng(17))
    part = np.random.default_rng(17).random()
    apart = DiagonalNull(values, symmetric=False).rotate(np.random.default_rng(17))
    parts = []
    for offset in range(-19, 20):
        before = diagonals(values, offset)
        if offset:
            assert diagonals(drawn, offset) == np.roll(before, -math.floor(part * len(before))).tolist()
            parts.append(before.index(diagonals(apart, offset)[0]) / len(before))
    assert np.std(parts) > 0.2


def test_a_map_is_symmetric_unless_it_is_said():
    values = band(True)
    one, two = (null.permute(np.random.default_rng(18)) for null in (DiagonalNull(values), DiagonalNull(values, True)))
    np.testing.assert_array_equal(one, two)


def test_a_map_of_one_base_and_one_that_is_empty_of_numbers_stay_as_they_are():
    for values in (np.ones((1, 1)), np.full((4, 4), np.nan)):
        for how in ("permute", "rotate", "rotate_together"):
            np.testing.assert_array_equal(getattr(DiagonalNull(values), how)(np.random.default_rng(19)), values)


@pytest.mark.parametrize("shape", [(3, 4), (3,), (2, 2, 2)])
def test_what_is_no_square_is_no_map(shape):
    with pytest.raises(ValueError, match="square"):
        DiagonalNull(np.zeros(shape))
