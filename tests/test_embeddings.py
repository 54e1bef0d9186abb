"""Embeddings against naive means, clusters against what was planted, enrichment against Fisher's test."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import false_discovery_control, fisher_exact
from statsmodels.stats.multitest import multipletests

from darkregulome.errors import InputError
from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import reverse_complement
from darkregulome.io.schemas import EMBEDDINGS
from darkregulome.io.tables import read_table
from darkregulome.models import registry
from darkregulome.models.letters import one_hot
from darkregulome.scoring.embeddings.cluster import make_map
from darkregulome.scoring.embeddings.compare import compare
from darkregulome.scoring.embeddings.embed import composition, embed_windows, tiles_of
from darkregulome.scoring.embeddings.windows import UNCLASSED, LabelledWindow, annotate, read_windows
from darkregulome.scoring.settings import MapOfEmbeddings
from darkregulome.stats.clusters import adjusted_rand, associate
from darkregulome.stats.loci import Loci
from darkregulome.stats.nulls.rotation import RotationNull
from fake_models import LinearOutput, MarkovCausal, MarkovMasked
from script_runner import run_script
from test_models_enformer import CONTEXT, model_of

SEQUENCE = "".join(np.random.default_rng(6).choice(list("ACGT"), 300))


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "genome.fa"
    path.write_text(f">chr1\n{SEQUENCE}\n>chr2\n{'N' * 60}{SEQUENCE[:40]}\n")
    return path


def mean_of(model, sequence: str, first: int, last: int) -> np.ndarray:
    """Mean hidden state of bases [first, last), one window, both strands."""
    forward = model.hidden(model.encode([sequence]))[0, first:last]
    size = len(sequence)
    reverse = model.hidden(model.encode([reverse_complement(sequence)]))[0, size - last : size - first]
    return ((forward.mean(0) + reverse.mean(0)) / 2).numpy()


@pytest.mark.parametrize("kind", [MarkovMasked, MarkovCausal])
def test_an_embedding_is_the_mean_over_the_windows_own_bases(kind, genome: Path):
    windows = [
        LabelledWindow("a", "chr1", 50, 60),
        LabelledWindow("b", "chr1", 101, 132),
        LabelledWindow("c", "chr1", 0, 8),
    ]
    model = kind(context=32)
    with Reference(genome) as reference:
        _, found = embed_windows(model, windows, reference, size=32)
        _, small = embed_windows(model, windows, reference, size=32, batch_size=1)
    np.testing.assert_allclose(found[0], mean_of(model, SEQUENCE[39:71], 11, 21), atol=1e-6)
    np.testing.assert_allclose(found[1], mean_of(model, SEQUENCE[100:132], 1, 32), atol=1e-6)
    np.testing.assert_allclose(found[2], mean_of(model, "N" * 12 + SEQUENCE[:20], 12, 20), atol=1e-6)
    np.testing.assert_allclose(small, found, atol=1e-6)


def test_a_long_window_is_the_mean_of_its_tiles_by_their_bases(genome: Path):
    model = MarkovMasked(context=20)
    with Reference(genome) as reference:
        _, found = embed_windows(model, [LabelledWindow("a", "chr1", 30, 85)], reference, size=20)
    tiles = [(30, 48), (48, 66), (66, 85)]
    means = [
        mean_of(model, SEQUENCE[(a + b) // 2 - 10 : (a + b) // 2 + 10], a - (a + b) // 2 + 10, b - (a + b) // 2 + 10)
        for a, b in tiles
    ]
    np.testing.assert_allclose(found[0], np.average(means, axis=0, weights=[18, 18, 19]), atol=1e-6)


@pytest.mark.parametrize(("length", "part"), [(1, 8), (8, 8), (9, 8), (100, 7), (10, 1)])
def test_tiles_cover_a_window_once_and_fit(length: int, part: int):
    tiles = tiles_of(0, LabelledWindow("a", "chr1", 5, 5 + length), 8, part)
    assert [at for tile in tiles for at in range(tile.start, tile.end)] == list(range(5, 5 + length))
    assert all(tile.end - tile.start <= part for tile in tiles)
    assert all(tile.seen <= tile.start and tile.end <= tile.seen + 8 for tile in tiles)


def test_the_other_strand_has_the_same_embedding(tmp_path: Path, genome: Path):
    (tmp_path / "mirrored.fa").write_text(f">chr1\n{reverse_complement(SEQUENCE)}\n")
    windows = [LabelledWindow("a", "chr1", start, start + 11) for start in (40, 90, 200)]
    mirrored = [LabelledWindow("a", "chr1", 300 - window.end, 300 - window.start) for window in windows]
    model = MarkovCausal(context=31)  # odd, as the windows are: the same bases on either strand
    with Reference(genome) as one, Reference(tmp_path / "mirrored.fa") as other:
        _, there = embed_windows(model, windows, one, size=31)
        _, back = embed_windows(model, mirrored, other, size=31)
    np.testing.assert_allclose(there, back, atol=1e-6)


def test_a_batch_that_does_not_fit_is_run_again_and_nothing_is_counted_twice(genome: Path, monkeypatch):
    windows = [LabelledWindow("a", "chr1", start, start + 9) for start in range(20, 120, 10)]
    model = MarkovMasked(context=16)
    with Reference(genome) as reference:
        _, whole = embed_windows(model, windows, reference, size=16)
        run, failed = model.hidden, []

        def narrow(tokens):
            if len(tokens) > 3:
                failed.append(len(tokens))
                raise torch.OutOfMemoryError
            return run(tokens)

        monkeypatch.setattr(model, "hidden", narrow)
        _, found = embed_windows(model, windows, reference, size=16)
    assert failed
    np.testing.assert_allclose(found, whole, atol=1e-6)


def test_the_trunk_of_enformer_is_what_its_head_reads(tmp_path: Path):
    model = model_of()
    bases = "".join(np.random.default_rng(1).choice(list("ACGT"), 2 * CONTEXT))
    found = model.trunk([bases[:CONTEXT]])
    with torch.inference_mode():
        _, expected = model.network(one_hot([bases[:CONTEXT]]), return_embeddings=True)
    crop = (found.shape[1] - expected.shape[1]) // 2
    torch.testing.assert_close(found[:, crop : crop + expected.shape[1]], expected, atol=2e-5, rtol=1e-4)

    (tmp_path / "long.fa").write_text(f">chr1\n{bases}\n")
    first, last = CONTEXT - 40, CONTEXT + 70
    with Reference(tmp_path / "long.fa") as reference:
        _, pooled = embed_windows(model, [LabelledWindow("a", "chr1", first, last)], reference, size=CONTEXT)
    start = (first + last) // 2 - CONTEXT // 2
    states = model.trunk([bases[start : start + CONTEXT]])[0].double().numpy()
    covered = np.bincount((np.arange(first, last) - start) // model.bin, minlength=len(states))
    np.testing.assert_allclose(pooled[0], covered @ states / (last - first), atol=1e-5)


def test_a_model_without_a_trunk_is_refused(genome: Path):
    with Reference(genome) as reference, pytest.raises(InputError, match="no trunk"):
        embed_windows(LinearOutput(), [LabelledWindow("a", "chr1", 5, 9)], reference, size=64)


BED = "track name=x\nchr1\t10\t40\tone\n1\t50\t80\ttwo\nchr9\t1\t9\nchr1\t290\t310\none line\nchr1\t20\t20\tone\n"
BED += "chr2\t0\t50\ttwo\nchr1\t5\n"
STATUSES = ["ok", "ok", "off_contig", "off_contig", "malformed", "malformed", "n_masked", "malformed"]


def test_a_bad_window_has_a_status_and_the_others_are_read(genome: Path, tmp_path: Path):
    (tmp_path / "in.bed").write_text(BED)
    with Reference(genome) as reference:
        windows = read_windows(tmp_path / "in.bed", reference)
    assert [window.status for window in windows] == STATUSES
    assert [window.label for window in windows[:3]] == ["one", "two", UNCLASSED]
    assert windows[1].chrom == "chr1"
    assert all(bool(window.reason) == (window.status != "ok") for window in windows)


def test_a_table_of_elements_gives_names_and_classes(genome: Path, tmp_path: Path):
    table = pd.DataFrame(
        {"element": ["e1", "e2", "e3"], "chrom": "1", "start": [5, 50, None], "end": [20, 70, 90]}
        | {"class": ["TE", None, "cCRE"], "subclass": ["AluY", "x", "y"]}
    )
    table.to_csv(tmp_path / "in.tsv", sep="\t", index=False)
    with Reference(genome) as reference:
        windows = read_windows(tmp_path / "in.tsv", reference)
        other = read_windows(tmp_path / "in.tsv", reference, label="subclass")
        with pytest.raises(InputError, match="lacks the column 'kind'"):
            read_windows(tmp_path / "in.tsv", reference, label="kind")
    assert [(window.name, window.label, window.status) for window in windows] == [
        *(("e1", "TE", "ok"), ("e2", UNCLASSED, "ok"), ("e3", "cCRE", "malformed"))
    ]
    assert other[0].label == "AluY"


def test_annotation_gives_the_class_that_covers_most(genome: Path, tmp_path: Path):
    (tmp_path / "of.bed").write_text("chr1\t0\t14\ta\nchr1\t14\t22\tb\n1\t22\t30\tb\nchr1\t100\t105\tc\n")
    windows = [
        LabelledWindow("", "chr1", 4, 30),
        LabelledWindow("", "chr1", 0, 12),
        LabelledWindow("", "chr1", 60, 70),
        LabelledWindow("", "chr1", 104, 120),
    ]
    with Reference(genome) as reference:
        found = annotate(windows, tmp_path / "of.bed", reference)
    assert [window.label for window in found] == ["b", "a", UNCLASSED, "c"]


def test_composition_counts_kmers_of_either_strand(genome: Path):
    with Reference(genome) as reference:
        windows = [
            LabelledWindow("a", "chr1", 30, 90),
            LabelledWindow("b", "chr1", 5, 6),
            LabelledWindow("c", "chr1", 0, 9, status="malformed"),
        ]
        one, short, bad = composition(windows, reference)
    bases = SEQUENCE[30:90]
    kmers = [bases[at : at + 3] for at in range(58)]
    expected = pd.Series([min(kmer, reverse_complement(kmer)) for kmer in kmers]).value_counts(normalize=True)
    assert len(one) == 32
    np.testing.assert_allclose(sorted(one[one > 0]), sorted(expected))
    assert one.sum() == pytest.approx(1)
    assert short.sum() == bad.sum() == 0


def blobs(n: int = 40, groups: int = 4, apart: float = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(groups, 12)) * apart
    labels = np.repeat(np.arange(groups), n)
    order = rng.permutation(len(labels))
    return (centres[labels] + rng.normal(size=(len(labels), 12)))[order], labels[order]


def test_planted_groups_are_the_clusters_and_lie_apart_in_the_map():
    points, labels = blobs()
    found = make_map(points, resolution=0.3)
    assert adjusted_rand(found.clusters, labels) == 1
    within = max(
        np.linalg.norm(found.places[labels == g] - found.places[labels == g].mean(0), axis=1).max() for g in range(4)
    )
    centres = np.stack([found.places[labels == g].mean(0) for g in range(4)])
    between = min(np.linalg.norm(centres[a] - centres[b]) for a in range(4) for b in range(a))
    assert between > within


def test_the_same_points_give_the_same_map():
    points, _ = blobs(20)
    one, two = make_map(points, seed=3), make_map(points, seed=3)
    np.testing.assert_array_equal(one.places, two.places)
    np.testing.assert_array_equal(one.clusters, two.clusters)
    assert np.bincount(one.clusters).tolist() == sorted(np.bincount(one.clusters), reverse=True)


def test_few_points_make_no_map():
    with pytest.raises(InputError, match="too few"):
        make_map(np.zeros((3, 4)))


def one_chromosome(n: int) -> Loci:
    return Loci.of(np.zeros(n))


def test_each_class_in_each_cluster_is_counted_and_the_plain_p_is_fishers():
    rng = np.random.default_rng(4)
    clusters, labels = rng.integers(0, 3, 120), rng.choice(["a", "b", "c"], 120)
    clusters[labels == "a"] = np.where(rng.random((labels == "a").sum()) < 0.6, 0, clusters[labels == "a"])
    rows = associate(clusters, labels, one_chromosome(120), 999, rng).pairs
    assert len(rows) == 9
    for row in rows:
        inside, of = clusters == row.cluster, labels == row.label
        table = [[(inside & of).sum(), (inside & ~of).sum()], [(~inside & of).sum(), (~inside & ~of).sum()]]
        assert row.p_hypergeometric == pytest.approx(fisher_exact(table, alternative="greater").pvalue)
        assert row.both == table[0][0]
    np.testing.assert_allclose([row.q for row in rows], multipletests([row.p for row in rows], method="fdr_bh")[1])
    assert (rows[0].cluster, rows[0].label) == (0, "a")


def test_a_draw_of_the_null_is_the_index_of_classes_turned_in_full():
    rng = np.random.default_rng(6)
    loci = Loci.of(np.repeat([0, 1, 2], [31, 12, 40]))
    clusters, labels = rng.integers(0, 4, loci.n), rng.choice(["a", "b", "c"], loci.n)
    found = associate(clusters, labels, loci, 25, np.random.default_rng(9))
    null = RotationNull(loci, 25, np.random.default_rng(9))
    codes = np.unique(labels, return_inverse=True)[1].astype(float)
    turned = [null.rotate(codes, draw) for draw in range(25)]
    np.testing.assert_allclose(found.drawn, [adjusted_rand(clusters, each) for each in turned], atol=1e-12)
    assert found.rand == pytest.approx(adjusted_rand(clusters, labels), abs=1e-12)
    for pair in found.pairs:
        inside, of = clusters == pair.cluster, np.unique(labels).tolist().index(pair.label)
        reached = sum((inside & (each == of)).sum() >= pair.both for each in turned)
        assert pair.p == (1 + reached) / 26


def stays(rng: np.random.Generator, loci: Loci, kinds: int, stay: float) -> np.ndarray:
    """Words that most neighbours share: each is that of the window before it with the chance `stay`."""
    words = rng.integers(0, kinds, loci.n)
    same = rng.random(loci.n) < stay
    same[loci.starts] = False
    return words[np.maximum.accumulate(np.where(same, -1, np.arange(loci.n)))]


def test_neighbours_that_are_alike_do_not_make_agreement():
    """Clusters and classes are drawn apart: p must be uniform, and is not if windows are permuted freely."""
    rng = np.random.default_rng(5)
    loci = Loci.of(np.repeat(np.arange(5), 50))
    ours, free, smallest, independent = [], [], [], []
    for _ in range(150):
        clusters, labels = stays(rng, loci, 5, 0.9), stays(rng, loci, 3, 0.9)
        found = associate(clusters, labels, loci, 399, rng)
        ours.append(found.p)
        smallest.append(min(pair.q for pair in found.pairs))
        independent.append(false_discovery_control([pair.p_hypergeometric for pair in found.pairs]).min())
        permuted = [adjusted_rand(clusters, rng.permutation(labels)) for _ in range(19)]
        free.append((1 + sum(index >= found.rand for index in permuted)) / 20)
    # At 5 %: the seams of turned chromosomes make it 7 to 9 % where runs are as long as here.
    assert np.mean(np.array(ours) <= 0.05) <= 0.12
    assert np.mean(np.array(smallest) <= 0.05) <= 0.10
    assert np.mean(np.array(free) <= 0.05) > 0.6
    assert np.mean(np.array(independent) <= 0.05) > 0.6


def test_windows_without_a_class_are_on_the_map_and_in_no_comparison():
    points, labels = blobs(15)
    windows = [
        LabelledWindow(f"w{at}", f"chr{at % 3}", at, at + 1, UNCLASSED if at % 5 == 0 else f"g{label}")
        for at, label in enumerate(labels)
    ]
    windows[7] = LabelledWindow("w7", "chr1", 0, 0, "g1", "malformed", "bad")
    points[7] = np.nan
    record, placed, enriched = compare(windows, points, points, MapOfEmbeddings(resolution=0.3, permutations=999))
    assert record["adjusted_rand"]["embedding"] == record["adjusted_rand"]["composition"] == 1
    assert record["adjusted_rand"]["n"] == sum(w.label != UNCLASSED and w.status == "ok" for w in windows)
    assert record["adjusted_rand"]["p"] == 1 / 1000
    compared = [window.chrom for window in windows if window.label != UNCLASSED and window.status == "ok"]
    draws = sum(np.log10(2 * compared.count(chrom)) for chrom in set(compared))
    assert record["adjusted_rand"]["log10_distinct_draws"] == pytest.approx(draws)
    assert placed["umap_1"].isna().tolist() == placed["cluster"].isna().tolist() == [at == 7 for at in range(60)]
    assert set(enriched["class"]) == {"g0", "g1", "g2", "g3"}
    assert enriched.query("q < 0.01").groupby("cluster").size().tolist() == [1, 1, 1, 1]


def write_planted(folder: Path) -> None:
    """Two kinds of windows in a genome, of which a Markov model says other things."""
    rng = np.random.default_rng(2)
    parts, lines, at = [], [], 0
    for number in range(40):
        kind = number % 2
        parts.append(
            "".join(rng.choice(list("ACGT"), 60, p=[[0.45, 0.05, 0.05, 0.45], [0.05, 0.45, 0.45, 0.05]][kind]))
        )
        lines.append(f"chr1\t{at}\t{at + 60}\t{['poor', 'rich'][kind]}")
        at += 60
    (folder / "genome.fa").write_text(f">chr1\n{''.join(parts)}\n")
    (folder / "in.bed").write_text("\n".join([*lines, "chr7\t1\t9\tpoor"]) + "\n")


def test_the_script_writes_embeddings_map_and_comparison_the_same_each_time(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(registry, "load_model", lambda *_: MarkovMasked(context=60))
    write_planted(tmp_path)
    words = ("--windows", tmp_path / "in.bed", "--fasta", tmp_path / "genome.fa", "--model", "demo-caduceus")
    options = ("--no-progress", "--resolution", 0.3, "--permutations", 99)
    for name in ("one", "two"):
        done = run_script("embed_windows", *words, *options, "--outdir", tmp_path / name)
        assert done.code == 0, done.err
    record = json.loads((tmp_path / "one" / "clusters.json").read_text())
    assert record["statuses"] == {"off_contig": 1, "ok": 40}
    assert record["adjusted_rand"]["embedding"] > 0.8
    table = read_table(tmp_path / "one" / "embeddings.parquet", EMBEDDINGS)
    assert len(table) == 41
    assert table.filter(regex=r"^e\d+$").notna().all(axis=1).tolist() == [True] * 40 + [False]
    for name in ("windows.tsv.gz", "enrichment.tsv", "figures/umap.svg", "figures/umap.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--strands", "upper"), "not known"), (("--label", "kind"), "lacks the column"), (("--window", "0"), "positive")],
)
def test_options_that_do_not_fit_are_told(
    options: tuple[str, str], message: str, genome: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(registry, "load_model", lambda *_: MarkovMasked(context=16))
    (tmp_path / "in.tsv").write_text("chrom\tstart\tend\nchr1\t5\t20\n")
    words = (
        "--windows",
        tmp_path / "in.tsv",
        "--fasta",
        genome,
        "--model",
        "demo-caduceus",
        "--outdir",
        tmp_path / "out",
    )
    done = run_script("embed_windows", *words, *options)
    assert done.code == 2
    assert message in done.err
