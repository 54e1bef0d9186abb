"""Agreement of masks with intervals and RIS: found where it is, and not where only the TSS is shared."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from darkregulome.errors import InputError
from darkregulome.genome.contigs import Contigs
from darkregulome.io.tables import write_table
from darkregulome.seq2exp.overlap import agreement, coverage, crossed, overlap_table, painted, read_residuals, turned
from simulated_tables import make_elements

POSITIONS = 40
PROFILE = np.exp(-0.5 * ((np.arange(POSITIONS) - 20) / 6) ** 2)


def test_crossed_is_the_correlation_of_every_pair():
    rng = np.random.default_rng(0)
    masks, values = rng.random((2, 5, POSITIONS))
    table = crossed(masks, values)
    for i in range(5):
        for j in range(5):
            assert table[i, j] == pytest.approx(scipy.stats.pearsonr(values[i], masks[j]).statistic)


def test_a_shared_profile_alone_is_no_agreement():
    """Mask and intervals both crowd around the TSS, and are otherwise independent: p is uniform."""
    rng = np.random.default_rng(1)
    p, raw = [], []
    for _ in range(300):
        masks = PROFILE + 0.3 * rng.random((30, POSITIONS))
        values = (rng.random((30, POSITIONS)) < 0.8 * PROFILE).astype(float)
        found = agreement(crossed(masks, values), 99, rng)
        p.append(found.p)
        raw.append(found.value)
    assert np.mean(raw) > 0.3  # what a naive null would call strong agreement
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.035)
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.001


def test_an_agreement_of_each_gene_with_its_own_is_found():
    rng = np.random.default_rng(2)
    values = (rng.random((30, POSITIONS)) < 0.8 * PROFILE).astype(float)
    masks = PROFILE + 0.3 * values + 0.3 * rng.random((30, POSITIONS))
    assert agreement(crossed(masks, values), 199, rng).p == pytest.approx(1 / 200)


def frame(chroms, starts, size=8):
    return pd.DataFrame({"gene": [f"g{i}" for i in range(len(chroms))], "chrom": chroms, "start": starts}).assign(
        mask=[np.zeros(size, np.float32)] * len(chroms)
    )


def test_intervals_and_elements_are_painted_where_they_lie():
    masks = frame(["a", "b", "a"], [10, 10, -4])
    intervals = {"a": np.array([[0, 12], [3, 30]])}
    found = coverage(intervals, masks)
    assert found.tolist() == [[0, 0, 1, 1, 1, 1, 1, 1], [0] * 8, [0, 0, 0, 0, 1, 1, 1, 0]]
    elements = pd.DataFrame({"chrom": "a", "start": [8, 15], "end": [12, 17], "ris": [1.0, 4.0]})
    assert painted(elements, "ris", masks)[0].tolist() == [-1.5, -1.5, 0, 0, 0, 1.5, 1.5, 0]
    turn = turned(np.arange(6).reshape(2, 3), pd.Series(["+", "-"]))
    assert turn.tolist() == [[0, 1, 2], [5, 4, 3]]


def test_a_mask_that_follows_what_features_leave_of_ris_agrees_more_with_it_than_with_raw():
    rng = np.random.default_rng(3)
    rows, masks, strands = [], [], []
    for gene in range(25):
        start, strand = 10_000 * gene, "+-"[gene % 2]
        residual, predictability = rng.normal(size=(2, 10))
        mask = np.repeat(residual + 0.5 * rng.normal(size=10), 40) * 0.1 + 0.5
        masks.append(
            {"gene": f"g{gene}", "chrom": "c", "start": start, "mask": mask.astype(np.float32)}
        )  # both in the direction of the genome
        strands.append(strand)
        for place in range(10):
            ris = residual[place] + 3 * predictability[place]
            rows.append(("c", start + 40 * place, start + 40 * place + 40, "m", ris, residual[place]))
    residuals = pd.DataFrame(rows, columns=["chrom", "start", "end", "model", "ris", "full_sd"]).assign(
        trivial_sd=np.nan
    )
    found = overlap_table(pd.DataFrame(masks), pd.Series(strands), 20, None, residuals, 499)
    by_what = {row["what"]: row for row in found["results"]}
    assert list(by_what) == ["raw RIS of m", given := "RIS of m given the full features", f"{given}, less raw"]
    assert by_what[given]["value"] > 0.8
    assert by_what[f"{given}, less raw"]["value"] > 0.4
    assert by_what[f"{given}, less raw"]["p"] <= 0.01


def test_masks_that_do_not_vary_are_refused():
    with pytest.raises(InputError, match="vary"):
        crossed(np.zeros((3, 5)), np.random.default_rng(0).random((3, 5)))


def test_residuals_are_joined_to_their_elements_or_refused(tmp_path):
    elements = make_elements(0, loci=1, per_locus=6)
    contigs = Contigs(dict.fromkeys(elements["chrom"].unique(), 10**6), "genome.fa")
    places, path = tmp_path / "elements.parquet", tmp_path / "residuals.parquet"
    write_table(elements, places)
    scores = pd.DataFrame({"element": elements["element"], "model": "m", "ris": 1.0, "trivial_sd": np.arange(6.0)})
    write_table(scores[::-1], path)
    found = read_residuals(path, places, contigs).set_index("element").loc[elements["element"]]
    assert found["trivial_sd"].tolist() == [0, 1, 2, 3, 4, 5]
    assert found["start"].tolist() == elements["start"].tolist()
    write_table(scores.assign(element="none"), path)
    with pytest.raises(InputError, match="has no element of"):
        read_residuals(path, places, contigs)
    write_table(scores.drop(columns="ris"), path)
    with pytest.raises(InputError, match="has no column 'ris'"):
        read_residuals(path, places, contigs)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="cannot be read"):
        read_residuals(path, places, contigs)
    path.unlink()
    with pytest.raises(InputError, match="does not exist"):
        read_residuals(path, places, contigs)
