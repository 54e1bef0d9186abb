"""Blocks and stems called in maps that were made by hand, and what is called where there is nothing."""

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from darkregulome.report.dependencies import MOST_CELLS, ReportMap, binned, maps_section
from darkregulome.scoring.maps.calls import (
    Controls,
    Patches,
    Scale,
    Thresholds,
    block_field,
    call_map,
    choose_patches,
    choose_threshold,
    stem_field,
    symmetric,
)
from darkregulome.scoring.maps.compare import compare_maps, pooled
from darkregulome.scoring.maps.make import make_maps
from darkregulome.scoring.maps.output import on_genome
from darkregulome.scoring.maps.sequences import Sequence
from darkregulome.scoring.settings import CallSettings, MapSettings
from darkregulome.stats.nulls import DiagonalNull
from fake_models import MarkovMasked
from known_structures import jaccard
from script_runner import run_script

BLOCKS = (((20, 26), (40, 46)), ((60, 66), (90, 96)))
STEMS = (((10, 16), (35, 41)), ((25, 30), (56, 61)))


def noise(seed: int, length: int = 120, smooth: float = 0) -> np.ndarray:
    """Entries that fall off with distance, without a pattern but for what `smooth` makes alike."""
    rng = np.random.default_rng(seed)
    field = rng.normal(size=(length, length))
    if smooth:
        field = gaussian_filter(field, smooth)
        field /= field.std()
    distance = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
    return np.exp(field / 2) * (0.05 + 2 * np.exp(-distance / 6))


def with_blocks(values: np.ndarray, size: float = 1.0) -> np.ndarray:
    found = values.copy()
    for first, second in BLOCKS:
        found[slice(*first), slice(*second)] += size
        found[slice(*second), slice(*first)] += size
    return found


def with_stems(values: np.ndarray, size: float = 1.0) -> np.ndarray:
    found = values.copy()
    for first, second in STEMS:
        for step in range(first[1] - first[0]):
            i, j = first[0] + step, second[1] - 1 - step
            found[i, j] += size
            found[j, i] += size
    return found


@pytest.mark.parametrize("seed", range(3))
def test_planted_blocks_are_called_and_no_others(seed):
    calls = call_map(with_blocks(noise(seed)), CallSettings(seed=seed, permutations=20))
    assert len(calls.blocks) == 2
    for block, (first, second) in zip(calls.blocks, BLOCKS, strict=True):
        assert jaccard(block.first, first) >= 0.6
        assert jaccard(block.second, second) >= 0.6
    assert calls.stems == []  # a block is full of anti-diagonals


@pytest.mark.parametrize("seed", range(3))
def test_planted_stems_are_called_and_no_others(seed):
    calls = call_map(with_stems(noise(seed)), CallSettings(seed=seed, permutations=20))
    wanted = {(first[0] + k, second[1] - 1 - k) for first, second in STEMS for k in range(first[1] - first[0])}
    found = {pair for stem in calls.stems for pair in stem.pairs}
    assert found <= wanted
    assert len(found) >= 0.8 * len(wanted)
    assert calls.blocks == []


def test_blocks_are_called_in_a_band():
    distance = np.abs(np.subtract.outer(np.arange(120), np.arange(120)))
    calls = call_map(np.where(distance <= 50, with_blocks(noise(0)), np.nan), CallSettings(permutations=20))
    assert [jaccard(block.first, pair[0]) > 0.5 for block, pair in zip(calls.blocks, BLOCKS, strict=True)] == [True] * 2


def test_little_is_called_where_nothing_is():
    calls = [call_map(noise(seed, 80), CallSettings(seed=seed, permutations=20)) for seed in range(12)]
    assert sum(bool(found.blocks) for found in calls) <= 2
    assert sum(bool(found.stems) for found in calls) <= 2
    # Neighbouring entries that are alike make small patches, which the permuted diagonals do not know.
    calls = [
        call_map(noise(seed, 80, smooth), CallSettings(permutations=20)) for seed in range(6) for smooth in (0.6, 1)
    ]
    assert sum(bool(found.blocks) for found in calls) <= 2


def test_controls_know_that_neighbouring_entries_are_alike():
    settings = CallSettings(permutations=20)
    smooth = [noise(seed, 80, smooth=1) for seed in range(12)]
    null = Controls.of(lambda: smooth[:6], lambda: smooth[6:], settings)
    assert sum(len(call_map(values, settings, controls=null).blocks) for values in smooth[:6]) <= 2
    planted = [with_blocks(noise(seed, 120, smooth=1), 3.0) for seed in range(20, 24)]
    bare = [noise(seed, 120, smooth=1) for seed in range(30, 36)]
    null = Controls.of(lambda: planted, lambda: bare, settings)
    found = [call_map(values, settings, controls=null).blocks for values in planted]
    assert [len(blocks) for blocks in found] == [2, 2, 2, 2]


def test_controls_of_no_map_call_nothing():
    null = Controls.of(lambda: [], lambda: [noise(0, 40)], CallSettings())
    assert null.thresholds == Thresholds(None, None)


def test_pairs_that_can_pair_are_counted():
    bases = list("A" * 120)
    for (start, end), (_, last) in STEMS:
        for step in range(end - start):
            bases[start + step], bases[last - 1 - step] = "GC" if step else "GT"
    calls = call_map(with_stems(noise(0), 3.0), CallSettings(permutations=20), "".join(bases))
    assert [stem.complementary for stem in calls.stems] == [1.0, 1.0]
    calls = call_map(with_stems(noise(0), 3.0), CallSettings(permutations=20), "A" * 120)
    assert [stem.complementary for stem in calls.stems] == [0.0, 0.0]


def test_fields_are_what_they_say():
    values = np.random.default_rng(0).normal(size=(20, 20))
    block = block_field(values)
    assert block[7, 11] == np.median(values[6:9, 10:13])
    stem = stem_field(values - 100)  # without blocks: their median is below zero
    for i, j in ((3, 12), (15, 5), (4, 16)):
        runs = [[(i + k + s, j - k - s) for k in range(3)] for s in (-2, -1, 0)]
        wanted = max(min(values[place] for place in run) for run in runs)
        assert stem[i, j] == pytest.approx(wanted - 100)


def test_symmetric_takes_the_one_that_there_is():
    values = np.array([[0, 1, np.nan], [3, 0, np.nan], [5, np.nan, 0]])
    np.testing.assert_array_equal(symmetric(values), [[np.nan, 2, 5], [2, np.nan, np.nan], [5, np.nan, np.nan]])


def test_scale_takes_out_what_depends_on_distance_alone():
    distance = np.abs(np.subtract.outer(np.arange(60), np.arange(60)))
    values = np.exp(-distance / 10.0)
    assert np.abs(Scale.of([values]).standardise(values)[5:, :-5][distance[5:, :-5] > 25]).max() < 5
    stripes = noise(3)
    stripes[17] += 2
    stripes[:, 17] += 2
    even = symmetric(stripes)
    scale = Scale.of([even])
    far = np.abs(np.arange(120) - 17) > 30
    raw = np.median(((even - scale.middle[-1]) / scale.spread[-1])[17, far])
    assert raw > 20
    assert np.median(scale.standardise(even)[17, far]) < raw / 3  # a base that moves everything is no block


def test_threshold_has_most_calls_of_those_that_keep_to_the_rate():
    tried, calls = [5.0, 4.0, 3.0, 2.0, 1.0], [1, 4, 10, 20, 40]
    assert choose_threshold(zip(tried, calls, [0, 0, 0.4, 1.0, 30], strict=True), 0.05) == 2
    assert choose_threshold(zip(tried, calls, [0, 0, 0.4, 5.0, 30], strict=True), 0.05) == 3
    assert choose_threshold(zip(tried, calls, [9] * 5, strict=True), 0.05) is None


def test_a_block_is_called_whole_and_small_patches_of_the_null_are_not():
    def chosen(*steps: tuple[float, list[int], list[int]]) -> Patches | None:
        arrays = ((threshold, np.array(found), np.array(chance)) for threshold, found, chance in steps)
        return choose_patches(arrays, 0.1, 0.05)

    # The block is in two pieces at 6; at 4 the null has small patches, of which the map has one; at 3.5 it has all.
    assert chosen((6, [20, 14], []), (5, [40], [])) == Patches(5, 40)
    assert chosen((6, [20, 14], []), (5, [40], []), (4, [44, 5], [5] * 9), (3.5, [99], [200] * 10)) == Patches(4, 44)
    assert chosen((6, [20, 14], []), (4, [44, 5], [5])) == Patches(4, 5)  # 0.1 of a patch for two
    assert chosen((6, [], [4]), (5, [5], [5])) is None
    assert chosen((2.9, [40], [])) is None


def test_diagonals_keep_their_entries_under_every_null():
    values = noise(1, 30)
    rng = np.random.default_rng(0)
    whole, upper = DiagonalNull(values, symmetric=False), DiagonalNull(symmetric(values))
    for drawn in (whole.permute(rng), whole.rotate(rng), whole.rotate_together(rng)):
        for offset in range(-29, 30):
            assert sorted(np.diagonal(drawn, offset)) == sorted(np.diagonal(values, offset))
        assert not np.array_equal(drawn, values)
    drawn = upper.rotate(rng)
    np.testing.assert_array_equal(drawn, drawn.T)
    band = np.where(np.abs(np.subtract.outer(np.arange(30), np.arange(30))) < 4, values, np.nan)
    np.testing.assert_array_equal(np.isnan(DiagonalNull(band).permute(rng)), np.isnan(band))


def test_turned_together_a_block_stays_a_block():
    values = np.zeros((60, 60))
    values[20:25, 40:45] = 1
    drawn = DiagonalNull(values, symmetric=False).rotate_together(np.random.default_rng(1))
    row, column = np.nonzero(drawn)
    assert np.ptp(row) <= 10
    assert np.ptp(column) <= 10


def test_agreement_is_spearmans_and_the_null_knows_the_decay():
    rng = np.random.default_rng(0)
    one = with_blocks(noise(0))
    other, alike = noise(1), one * np.exp(rng.normal(size=one.shape) / 4)
    off = ~np.eye(120, dtype=bool)
    far, _ = compare_maps("s", one, other, 99, rng)
    assert far.spearman == pytest.approx(spearmanr(one[off], other[off]).statistic)
    assert far.spearman > 0.2  # both fall off with distance
    assert far.spearman == pytest.approx(far.null, abs=0.03)
    near, draws = compare_maps("s", one, alike, 99, rng)
    assert near.p == 0.01
    assert near.spearman > near.null + 0.2
    assert pooled([near, near], [draws, draws])["spearman"] == pytest.approx(near.spearman)


def test_p_of_unrelated_maps_is_uniform():
    rng = np.random.default_rng(2)
    p = [compare_maps("s", noise(seed, 40), noise(100 + seed, 40), 39, rng)[0].p for seed in range(60)]
    assert 0.35 < np.mean(p) < 0.65
    assert np.mean(np.array(p) <= 0.1) < 0.25


def test_calls_on_the_minus_strand_are_turned_onto_the_genome():
    row = {"chrom": "chr1", "start": 1000, "end": 1100, "strand": "-"}
    assert on_genome(row, (10, 16)) == (1084, 1090)
    assert on_genome({**row, "strand": "+"}, (10, 16)) == (1010, 1016)


def test_long_maps_are_binned_for_the_report_and_names_cannot_break_out():
    values = np.random.default_rng(0).random((500, 500))
    cells = binned(values, 4)
    assert cells.shape == (125, 125)
    assert cells[3, 7] == values[12:16, 28:32].max()
    row = {"sequence": "</script><b>", "chrom": "</script>", "start": 0, "end": 500, "strand": "+"}
    section = maps_section([ReportMap("m", row, values, "A" * 500)])
    assert "<b>" not in section.data
    assert section.data.count("</script>") == 1
    assert len(section.data) < 5000 + 4 / 3 * MOST_CELLS**2
    assert "http" not in section.data


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ACGT"), 48)) for _ in range(3)]
    made = [Sequence(f"s{n}", "chr1", 100 * n, 100 * n + 48, "+-"[n % 2], text) for n, text in enumerate(texts)]
    made.append(Sequence("bad", "chr9", 0, 10, "+", "", "off_contig"))
    for name, seed in (("one", 0), ("two", 1)):
        for shuffle in (False, True):
            sequences = [item.shuffled(3) if shuffle and item.bases else item for item in made]
            place = folder / (f"{name}_shuffled" if shuffle else name)
            record = {"model": name, "parameters": {"shuffle": shuffle, "measure": "odds"}}
            make_maps(MarkovMasked(name, seed=seed), sequences, place, record)
    return folder


def test_the_script_calls_draws_and_compares(folders, tmp_path):
    ran = run_script(
        "call_dependencies", "--no-progress", "--maps", folders / "one", "--maps", folders / "two",
        "--controls", folders / "two_shuffled", "--controls", folders / "one_shuffled",
        "--outdir", tmp_path / "out", "--drawn", 1, "--comparisons", 19,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    record = json.loads((tmp_path / "out" / "dependencies.json").read_text())
    assert record["models"]["one"]["statuses"] == {"ok": 3, "off_contig": 1}
    (comparison,) = record["comparisons"]
    assert comparison["models"] == ["one", "two"]
    assert len(comparison["sequences"]) == 3
    assert comparison["pooled"]["spearman"] > 0.2  # two Markov chains: neighbours alone depend on each other
    for model in ("one", "two"):
        for name in ("motifs.bed", "blocks.bedpe", "stems.bedpe", "figures/map_1.svg", "figures/map_1.png"):
            assert (tmp_path / "out" / model / name).stat().st_size > 0
    sections = sorted(path.name for path in (tmp_path / "out" / "sections").iterdir())
    assert sections == [
        f"darkregulome_{name}_mqc.json"
        for name in ("called_dependencies", "dependency_maps", "map_settings", "model_agreement")
    ]


def test_what_does_not_fit_together_is_refused(folders, tmp_path):
    for words, message in (
        (["--maps", folders / "one", "--maps", folders / "one"], "two folders of one"),
        (["--maps", folders / "one", "--controls", folders / "two_shuffled"], "are of two"),
        (["--maps", folders / "one", "--controls", folders / "one"], "not of shuffled"),
        (["--maps", tmp_path], "maps.zarr"),
    ):
        ran = run_script("call_dependencies", *words, "--outdir", tmp_path / "out")
        assert (ran.code, message in ran.err) == (2, True), ran.err
        assert not (tmp_path / "out").exists()


def test_controls_made_in_another_way_than_the_maps_are_refused(folders, tmp_path):
    other = tmp_path / "other"
    make_maps(
        MarkovMasked("one"), [Sequence("s", "s", 0, 40, "+", "ACGTTGCA" * 5)], other,
        {"model": "one", "parameters": {"shuffle": True, "measure": "probability"}}, MapSettings(measure="probability"),
    )  # fmt: skip
    ran = run_script("call_dependencies", "--maps", folders / "one", "--controls", other, "--outdir", tmp_path / "out")
    assert ran.code == 2
    assert "other: are made with --measure probability, and the maps with odds; make both alike." in ran.err
    assert not (tmp_path / "out").exists()


def test_bedpe_is_read_back_where_it_was_planted(tmp_path):
    from darkregulome.scoring.maps.output import write_calls

    calls = call_map(with_blocks(noise(0)), CallSettings(permutations=20))
    row = {"sequence": "s", "chrom": "chr2", "start": 500, "end": 620, "strand": "-"}
    write_calls(tmp_path, [(row, calls)])
    lines = [line.split("\t") for line in (tmp_path / "blocks.bedpe").read_text().splitlines()]
    assert lines[0][0] == "#chrom1"
    found = sorted(((int(line[1]), int(line[2])), (int(line[4]), int(line[5]))) for line in lines[1:])
    wanted = sorted(((620 - d, 620 - c), (620 - b, 620 - a)) for (a, b), (c, d) in BLOCKS)
    assert len(found) == len(wanted)
    assert all(jaccard(*spans) >= 0.6 for pair in zip(found, wanted, strict=True) for spans in zip(*pair, strict=True))
