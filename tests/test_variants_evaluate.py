"""Evaluation of scores: against scikit-learn and scipy, on resampled rows, and on data whose answer is known."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from darkregulome.stats import evaluation
from script_runner import run_script

SHARED = Path(os.environ.get("DARKREGULOME_SHARED") or Path(__file__).resolve().parents[2] / "shared")
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--score", "llr", "--label", "significance"), "--positive"),
        (("--score", "llr", "--label", "significance", "--positive", "deadly"), "has 0 positives"),
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
