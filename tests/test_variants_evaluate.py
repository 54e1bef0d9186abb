"""Evaluation of scores: against scikit-learn and scipy, on resampled rows, and on data whose answer is known."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from darkregulome.errors import InputError
from darkregulome.models import registry
from darkregulome.scoring.variants.evaluate import join, read_scores
from darkregulome.scoring.variants.published_ism import read_published_ism
from darkregulome.stats import evaluation
from fake_models import LinearOutput
from places import SHARED
from script_runner import run_script

REFERENCE = {
    "auroc": lambda scores, truth: roc_auc_score(truth, scores),
    "auprc": lambda scores, truth: average_precision_score(truth, scores),
    "pearson": lambda scores, truth: stats.pearsonr(scores, truth)[0],
    "spearman": lambda scores, truth: stats.spearmanr(scores, truth)[0],
}


@pytest.mark.parametrize("name", REFERENCE)
def test_a_draw_is_the_statistic_of_the_resampled_rows(name: str):
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 12, 80).astype(float)  # with ties
    labels = name in ("auroc", "auprc")
    truth = (rng.random(80) < 0.3).astype(float) if labels else rng.integers(0, 9, 80) + scores / 4
    counts = evaluation.multiplicities(truth if labels else np.zeros(80), 20, rng)
    counts[0] = 1
    drawn = getattr(evaluation, name)(scores, truth, counts)
    for row, times in enumerate(counts.astype(int)):
        rows = np.repeat(np.arange(80), times)
        assert drawn[row] == pytest.approx(REFERENCE[name](scores[rows], truth[rows]), abs=1e-12)


def test_a_stratified_bootstrap_keeps_the_size_of_each_stratum():
    strata = np.repeat(["a", "b", "c"], [3, 40, 7])
    counts = evaluation.multiplicities(strata, 50, np.random.default_rng(0))
    for label, size in (("a", 3), ("b", 40), ("c", 7)):
        assert (counts[:, strata == label].sum(axis=1) == size).all()


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        truth = np.repeat([0.0, 1.0], 60)
        scores = rng.normal(size=120) + truth  # AUROC Phi(1 / sqrt 2)
        _, drawn = evaluation.estimate(evaluation.auroc, scores, truth, truth, 200, rng)
        low, high = evaluation.interval(drawn)
        held += low <= stats.norm.cdf(1 / np.sqrt(2)) <= high
    assert stats.binomtest(held, 200, 0.95).pvalue > 1e-3


def planted(folder: Path, rows: int = 1200) -> dict[str, Path]:
    """Variants whose `good` score knows the label but for a confounder, `gc`, that raises both `bad` and the label."""
    rng = np.random.default_rng(5)
    gc = rng.normal(size=rows)
    label = rng.random(rows) < 1 / (1 + np.exp(-(gc - 1)))
    table = pd.DataFrame(
        {
            "chrom": rng.choice(["1", "2", "X"], rows),
            "pos": np.arange(1, rows + 1),
            "ref": "A",
            "alt": "C",
            "status": "ok",
            "llr": rng.normal(size=rows) - 2 * label,
            "confounded": gc + 0.1 * rng.normal(size=rows),
        }
    )
    table.loc[:9, ["status", "llr"]] = ["ref_mismatch", np.nan]
    frequency = 0.5 * rng.random(rows) ** 4
    truth = table[["chrom", "pos", "ref", "alt"]].assign(
        chrom="chr" + table["chrom"],
        significance=np.where(label, "pathogenic", "benign"),
        gc=gc,
        effect=table["llr"].fillna(0) + rng.normal(size=rows),
        AF=frequency,
        depleted=-np.log(frequency + 1e-6),
    )
    paths = {"scores": folder / "scores.parquet", "truth": folder / "truth.tsv"}
    table.to_parquet(paths["scores"])
    truth.sample(frac=1, random_state=0).to_csv(paths["truth"], sep="\t", index=False)
    return paths


def run(folder: Path, *options: object, **named: object) -> dict:
    done = run_script("evaluate_scores", *options, "--outdir", folder / "out", **named)
    assert done.code == 0, done.err
    return json.loads((folder / "out" / "evaluation.json").read_text())


def value(rows: list[dict], **wanted: str) -> dict:
    (row,) = [row for row in rows if all(row[name] == word for name, word in wanted.items())]
    return row


def test_labels_are_judged_over_all_and_by_stratum_beside_another_column(tmp_path: Path):
    paths = planted(tmp_path)
    options = ("--score", "llr:neg,confounded", "--label", "significance", "--positive", "pathogenic", "--by", "chrom")
    record = run(tmp_path, *options, draws=200, **paths)
    joined = pd.read_parquet(paths["scores"]).iloc[10:]
    truth = pd.read_csv(paths["truth"], sep="\t").set_index("pos").loc[joined["pos"]]
    label = (truth["significance"] == "pathogenic").to_numpy()
    assert record["n"] == 1190
    row = value(record["results"], score="llr:neg", statistic="auroc", by="all")
    assert row["value"] == pytest.approx(roc_auc_score(label, -joined["llr"]))
    assert row["low"] < row["value"] < row["high"]
    row = value(record["results"], score="llr:neg", statistic="auprc", stratum="X")
    inside = (joined["chrom"] == "X").to_numpy()
    assert row["value"] == pytest.approx(average_precision_score(label[inside], -joined["llr"][inside]))
    parts = [value(record["results"], score="llr:neg", statistic="auroc", stratum=name) for name in ("1", "2", "X")]
    mean = value(record["results"], score="llr:neg", statistic="auroc", stratum="mean within")
    assert mean["value"] == pytest.approx(np.average([p["value"] for p in parts], weights=[p["n"] for p in parts]))
    assert (tmp_path / "out" / "evaluation.svg").stat().st_size > 1000
    assert len(pd.read_csv(tmp_path / "out" / "evaluation.tsv", sep="\t")) == len(record["results"])


def test_matched_controls_take_away_what_a_confounder_gives(tmp_path: Path):
    paths = planted(tmp_path)
    options = ("--score", "llr:neg,confounded", "--label", "significance", "--positive", "pathogenic")
    record = run(tmp_path, *options, "--match", "gc", "--match-within", "chrom", draws=100, **paths)
    raw = value(record["results"], score="confounded", statistic="auroc", by="all")["value"]
    matched = value(record["matched"]["results"], score="confounded", statistic="auroc")["value"]
    kept = value(record["matched"]["results"], score="llr:neg", statistic="auroc")["value"]
    assert raw > 0.65
    assert abs(matched - 0.5) < 0.06
    assert kept == pytest.approx(stats.norm.cdf(2 / np.sqrt(2)), abs=0.04)
    (balance,) = record["matched"]["balance"]
    assert abs(balance["after"]) < abs(balance["before"]) / 5


def test_measurements_are_judged_by_correlation_and_frequency_by_monotonicity(tmp_path: Path):
    paths = planted(tmp_path)
    record = run(
        tmp_path, "--score", "llr,depleted", "--measurement", "effect", "--frequency", "AF", draws=100, **paths
    )
    joined = pd.read_parquet(paths["scores"]).iloc[10:]
    effect = pd.read_csv(paths["truth"], sep="\t").set_index("pos").loc[joined["pos"], "effect"]
    found = value(record["results"], score="llr", statistic="spearman")["value"]
    assert found == pytest.approx(stats.spearmanr(joined["llr"], effect)[0])
    flat, falling = record["frequency"]
    assert flat["interval"][0] < 0 < flat["interval"][1]
    assert falling["spearman"] == pytest.approx(-1)
    assert falling["monotone"]
    assert (tmp_path / "out" / "allele_frequency.png").exists()


def test_a_bigwig_is_judged_beside_the_scores(tmp_path: Path):
    paths = planted(tmp_path)
    values = np.random.default_rng(3).normal(size=1200)
    with pyBigWig.open(str(tmp_path / "phylop.bw"), "w") as track:
        track.addHeader([("chr1", 2000), ("chr2", 2000)])
        for chrom in ("chr1", "chr2"):
            track.addEntries(chrom, 0, values=values, span=1, step=1)  # of the base at POS: index POS - 1
    words = ("--score", "llr,phylop", "--measurement", "effect", "--bigwig", f"phylop={tmp_path / 'phylop.bw'}")
    record = run(tmp_path, *words, draws=20, **paths)
    joined = pd.read_parquet(paths["scores"]).iloc[10:]
    effect = pd.read_csv(paths["truth"], sep="\t").set_index("pos").loc[joined["pos"], "effect"].to_numpy()
    inside = joined["chrom"].isin(["1", "2"]).to_numpy()
    row = value(record["results"], score="phylop", statistic="pearson")
    assert row["n"] == inside.sum()
    expected = stats.pearsonr(values.astype(np.float32)[joined["pos"] - 1][inside], effect[inside])[0]
    assert row["value"] == pytest.approx(expected, abs=1e-6)


def write_published(folder: Path, sequence: str, centres: list[int]) -> tuple[Path, Path, np.ndarray]:
    """Windows of 41 bases in the published format, every second one with another base in its middle."""
    effects = np.random.default_rng(4).normal(size=(2 * len(centres), 41, 4)).astype(np.float32)
    rows = []
    for row, centre in enumerate(np.repeat(centres, 2)):
        bases = list(sequence[centre - 20 : centre + 21])
        if row % 2:
            bases[20] = "ACGT".replace(bases[20], "")[0]
        effects[row, np.arange(41), ["ACGT".index(base) for base in bases]] = 0
        kind = "from_main_var" if row % 2 else "from_ref"
        rows.append((row, f"gene{row // 2}", "chr1", centre + 1, kind, "".join(bases)))
    np.savez(folder / "ism.npz", attribution=effects)
    names = ["row", "gene_id", "chrom", "driver_pos_hg38", "kind", "seq41"]
    pd.DataFrame(rows, columns=names).to_csv(folder / "index.tsv.gz", sep="\t", index=False)
    return folder / "ism.npz", folder / "index.tsv.gz", effects


def test_track_ism_is_compared_with_published_ism(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = LinearOutput(context=60, tss_offset=30, stranded=False, tracks=("cage",))
    monkeypatch.setattr(registry, "load_model", lambda *_: model)
    sequence = "".join(np.random.default_rng(2).choice(list("ACGT"), 300))
    (tmp_path / "genome.fa").write_text(f">1\n{sequence}\n")
    ism, index, effects = write_published(tmp_path, sequence, [100, 180])
    (tmp_path / "windows.bed").write_text("chr1\t80\t121\nchr1\t160\t201\n")
    words = ("--bed", tmp_path / "windows.bed", "--fasta", tmp_path / "genome.fa", "--out", tmp_path / "ism.parquet")
    done = run_script("score_variants", *words, "--model", "demo-enformer", "--no-progress")
    assert done.code == 0, done.err
    words = ("--truth-index", index, "--score", "track", "--measurement", "effect", "--by", "gene_id")
    record = run(tmp_path, *words, draws=20, scores=tmp_path / "ism.parquet", truth=ism)
    found = pd.read_parquet(tmp_path / "ism.parquet")
    assert record["n"] == len(found) == 2 * 41 * 3
    own = np.concatenate([effects[row][effects[row] != 0] for row in (0, 2)])  # base by base, ALTs in order
    assert value(record["results"], by="all", statistic="spearman")["value"] == pytest.approx(
        stats.spearmanr(found["track"], own)[0]
    )
    part = value(record["results"], stratum="gene1", statistic="spearman")["value"]
    assert part == pytest.approx(stats.spearmanr(found["track"][123:], own[123:])[0])


def test_published_ism_that_does_not_fit_is_told(tmp_path: Path):
    sequence = "ACGT" * 40
    _, index, effects = write_published(tmp_path, sequence, [60])
    with pytest.raises(InputError, match="does not exist"):
        read_published_ism(tmp_path / "none.npz", index)
    np.savez(tmp_path / "bad.npz", attribution=np.ones_like(effects))
    with pytest.raises(InputError, match="effect of the base that stands there"):
        read_published_ism(tmp_path / "bad.npz", index)
    np.savez(tmp_path / "short.npz", attribution=effects[:1])
    with pytest.raises(InputError, match="has 2 windows, and short"):
        read_published_ism(tmp_path / "short.npz", index)
    np.savez(tmp_path / "text.npz", attribution=effects.astype(str))
    with pytest.raises(InputError, match="not numbers"):
        read_published_ism(tmp_path / "text.npz", index)
    np.savez(tmp_path / "other.npz", effects=effects)
    with pytest.raises(InputError, match="holds no array"):
        read_published_ism(tmp_path / "other.npz", index)


PUBLISHED = SHARED / "data" / "bench" / "enformer_published"


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"no data in {SHARED}")
def test_the_published_ism_of_enformer_is_read():
    table = read_published_ism(PUBLISHED / "ism_41bp.npz", PUBLISHED / "ism_41bp_index.tsv.gz")
    assert len(table) == 345 * 41 * 3
    assert table["gene_id"].nunique() == 345
    assert table["effect"].abs().min() > 0
    # The variant's own position, which the file counts from 1, is the middle of its window.
    first = table[table["gene_id"] == "ENSG00000001460"]
    assert first["pos"].unique().tolist() == list(range(24417389 - 20, 24417389 + 21))
    assert first.loc[first["pos"] == 24417389, "ref"].unique().tolist() == ["C"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--score", "llr", "--measurement", "effect", "--bigwig", "phylop"), "names no file"),
        (("--score", "llr", "--measurement", "effect", "--truth-index", "x.tsv"), "ends in .npz"),
        (("--score", "llr", "--label", "significance"), "--positive"),
        (("--score", "llr", "--label", "significance", "--positive", "deadly"), "0 positives (deadly) of"),
        (("--score", "nothing", "--measurement", "effect"), "lacks the column 'nothing'"),
        (("--score", "llr:log", "--measurement", "effect"), "no known transform"),
        (("--score", "llr", "--measurement", "significance"), "holds no numbers"),
        (("--score", "llr"), "are both given, or neither"),
        (("--score", "llr", "--measurement", "effect", "--on", "id"), "lacks the column 'id'"),
    ],
)
def test_what_cannot_be_judged_is_told(options: tuple[str, ...], message: str, tmp_path: Path):
    done = run_script("evaluate_scores", *options, outdir=tmp_path / "out", **planted(tmp_path, rows=60))
    assert done.code == 2
    assert message in done.err


BENCH = SHARED / "data" / "bench" / "mpra_satmut_dev"
DRAGONN = SHARED / "data" / "models" / "mpra_dragonn_conv"


@pytest.mark.skipif(not BENCH.exists() or not DRAGONN.exists(), reason=f"no data in {SHARED}")
def test_the_correlations_of_mpra_dragonn_with_saturation_mutagenesis_come_out(tmp_path: Path):
    found, expected = mpra_correlations(tmp_path, ["F9", "HBG1"])
    for element, tracks in expected.items():
        for track, wanted in tracks.items():
            assert found[element, track] == pytest.approx(wanted, abs=6e-4), (element, track)


@pytest.mark.heavy
@pytest.mark.skipif(not BENCH.exists() or not DRAGONN.exists(), reason=f"no data in {SHARED}")
def test_the_correlations_of_every_element_come_out(tmp_path: Path):
    elements = json.loads((DRAGONN / "expected_values.json").read_text())["pearson_dSNV"]
    found, expected = mpra_correlations(tmp_path, list(elements))
    wanted = {(element, track): value for element, tracks in expected.items() for track, value in tracks.items()}
    assert found == pytest.approx(wanted, abs=6e-4)


def mpra_correlations(folder: Path, elements: list[str]) -> tuple[dict, dict]:
    """Pearson's correlation by element and track through the two scripts, and what is expected."""
    placed = pd.read_csv(BENCH / "elements.tsv", sep="\t").set_index("element")
    measured = pd.read_csv(BENCH / "variants.tsv.gz", sep="\t")
    measured = measured[measured["element"].isin(elements) & (measured["alt"] != "-") & (measured["barcodes"] >= 10)]
    measured["pos"] = measured["pos_GRCh38"] - measured["element"].map(placed["start0"])
    measured["chrom"] = measured["element"]
    lines = [f"{row.chrom}\t{row.pos}\t.\t{row.ref}\t{row.alt}\t.\t.\t." for row in measured.itertuples()]
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    with gzip.open(folder / "in.vcf.gz", "wt") as handle:
        handle.write(head + "\n".join(lines) + "\n")
    measured[["chrom", "pos", "ref", "alt", "coefficient"]].to_csv(folder / "truth.tsv", sep="\t", index=False)
    (folder / "elements.fa").write_bytes((BENCH / "elements.fa").read_bytes())
    words = ("--vcf", folder / "in.vcf.gz", "--fasta", folder / "elements.fa", "--out", folder / "scored.vcf.gz")
    options = ("--model", "mpra-dragonn", "--weights", DRAGONN, "--edge", "shift", "--device", "cpu", "--no-progress")
    done = run_script("score_variants", *words, *options)
    assert done.code == 0, done.err
    kinds = (("minp", "minp"), ("sv40", "sv40p"))
    tracks = {f"{cell}_{name}": f"track_{cell}_{own}_pooled" for cell in ("k562", "hepg2") for name, own in kinds}
    judged = ("--score", ",".join(tracks.values()), "--measurement", "coefficient", "--by", "chrom", "--draws", 20)
    record = run(folder, *judged, scores=folder / "scored.vcf.gz", truth=folder / "truth.tsv")
    wanted = json.loads((DRAGONN / "expected_values.json").read_text())["pearson_dSNV"]
    found = {}
    for element in elements:
        for name, column in tracks.items():
            row = value(record["results"], score=column, statistic="pearson", by="chrom", stratum=element)
            assert row["n"] == wanted[element]["n"]
            found[element, name] = row["value"]
    return found, {element: {name: wanted[element][name] for name in tracks} for element in elements}


def test_alleles_are_joined_in_either_case():
    scores = pd.DataFrame(
        {"chrom": ["chr1", "chr1"], "pos": [5, 9], "ref": ["a", "C"], "alt": ["G", "t"], "llr": [1, 2]}
    )
    truth = pd.DataFrame(
        {"chrom": ["1", "1"], "pos": [9.0, 5.0], "ref": ["c", "A"], "alt": ["T", "g"], "kind": ["x", "y"]}
    )
    joined = join(scores, truth, ["chrom", "pos", "ref", "alt"], "truth")
    assert joined[["llr", "kind"]].to_numpy().tolist() == [[1, "y"], [2, "x"]]


def test_the_info_of_a_vcf_is_read_per_alt_and_by_its_type(tmp_path: Path):
    fields = [("DR_LLR", "A", "Float"), ("AC", "A", "Integer"), ("KIND", ".", "String"), ("NOTE", "1", "String")]
    fields += [("DEPTH", "R", "Integer"), ("DB", "0", "Flag")]
    lines = [f'##INFO=<ID={name},Number={number},Type={kind},Description="x">' for name, number, kind in fields]
    info = "DR_LLR=0.5,.;AC=3,4;KIND=a,b;NOTE=c,d;DEPTH=7,8,9;DB;FREE=word"
    rows = [
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
        f"1\t10\trs1\tA\tC,G\t.\t.\t{info}",
        "1\t11\t.\tA\t.\t.\t.\t.",
    ]
    (tmp_path / "in.vcf").write_text("\n".join(["##fileformat=VCFv4.2", "##contig=<ID=1>", *lines, *rows]) + "\n")
    table = read_scores(tmp_path / "in.vcf")
    assert table[["chrom", "pos", "id", "ref", "alt"]].to_numpy().tolist() == [
        ["1", 10, "rs1", "A", "C"],
        ["1", 10, "rs1", "A", "G"],
        ["1", 11, ".", "A", "."],
    ]
    assert table["llr"].tolist()[0] == 0.5
    assert table["llr"].isna().tolist() == [False, True, True]
    for name, expected in (("ac", [3, 4]), ("kind", ["a", "b"]), ("note", ["c,d"] * 2), ("depth", [7, 7])):
        assert table[name].tolist()[:2] == expected
    assert table["db"].tolist()[:2] == [True, True]
    assert table["free"].tolist()[:2] == ["word", "word"]
