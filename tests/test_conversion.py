"""Scores of other tools: each format against a naive reading of the same numbers."""

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pytest

from darkregulome.conversion.convert import Source, convert, format_of, read_any_scores, sources_from
from darkregulome.conversion.settings import ScoreFormat
from darkregulome.errors import InputError
from script_runner import run_script
from simulated_tables import Truth, make_elements, make_ris

LENGTH = 40
STARTS = (1_000, 1_100, 5_000, 200_000)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def bed(tmp_path):
    path = tmp_path / "windows.bed"
    path.write_text("".join(f"chr1\t{start}\t{start + LENGTH}\n" for start in STARTS))
    return path


def one_hot(rng):
    codes = rng.integers(0, 4, (len(STARTS), LENGTH))
    return np.moveaxis(np.eye(4)[codes], 2, 1)


def ris_of(converted):
    return converted.ris.set_index("element")["ris"].reindex([f"chr1:{s}-{s + LENGTH}" for s in STARTS]).to_numpy()


def save(tmp_path, **arrays):
    np.savez(tmp_path / "scores.npz", **arrays)
    return tmp_path / "scores.npz"


def test_ism_arrays_give_the_mean_size_over_the_three_alternatives(tmp_path, rng, bed):
    sequence = one_hot(rng)
    ism = rng.normal(size=sequence.shape) * (1 - sequence)
    found = convert([Source(save(tmp_path, ism=ism), "m", ScoreFormat(intervals=bed))])
    expected = [np.abs(ism[i])[sequence[i] == 0].mean() for i in range(len(STARTS))]
    assert ris_of(found) == pytest.approx(expected)
    assert (found.ris["n_perturbations"] == 3 * LENGTH).all()
    assert (found.ris["kind"] == "output").all()


def test_raw_outputs_are_differences_from_the_reference(tmp_path, rng, bed):
    sequence = one_hot(rng)
    y0 = rng.normal(size=(len(STARTS), 2))
    change = rng.normal(size=(*sequence.shape, 2)) * (1 - sequence)[..., None]
    path = save(tmp_path, y0=y0, y_hat=y0[:, None, None] + change)
    expected = np.abs(change).sum(axis=(1, 2)) / (3 * LENGTH)
    assert ris_of(convert([Source(path, "m", ScoreFormat(intervals=bed))])) == pytest.approx(expected.mean(axis=1))
    assert ris_of(convert([Source(path, "m", ScoreFormat(intervals=bed, target=1))])) == pytest.approx(expected[:, 1])


def test_attributions_of_the_observed_base_and_hypothetical_ones_with_the_sequence_agree(tmp_path, rng, bed):
    sequence = one_hot(rng)
    hypothetical = rng.normal(size=sequence.shape)
    expected = np.abs((hypothetical * sequence).sum(axis=1)).mean(axis=1)
    projected = save(tmp_path, attributions=(hypothetical * sequence).astype(np.float32))
    assert ris_of(convert([Source(projected, "m", ScoreFormat(intervals=bed))])) == pytest.approx(expected, rel=1e-5)
    whole = save(tmp_path, attr=hypothetical, one_hot=sequence)
    assert ris_of(convert([Source(whole, "m", ScoreFormat(intervals=bed))])) == pytest.approx(expected)
    with pytest.raises(InputError, match="which base is observed cannot be seen"):
        convert([Source(save(tmp_path, attr=hypothetical), "m", ScoreFormat(intervals=bed))])


def test_arrays_are_pooled_over_other_elements_base_by_base(tmp_path, rng, bed):
    values = rng.random((len(STARTS), LENGTH))
    elements = tmp_path / "elements.bed"
    elements.write_text("chr1\t1020\t1110\ta\nchr1\t5000\t5040\tb\nchr1\t7000\t7040\tc\n")
    found = convert([Source(save(tmp_path, attr=values), "m", ScoreFormat(intervals=bed))], elements)
    ris = found.ris.set_index("element")
    # 20 bases of the first window and 10 of the second.
    assert ris.loc["a", "ris"] == pytest.approx(np.r_[values[0, 20:], values[1, :10]].mean())
    assert ris.loc["b", "ris"] == pytest.approx(values[2].mean())
    assert ris.loc["c", "status"] == "no_effects"
    assert any("1 of 3 elements have no score" in note for note in found.notes)


def test_windows_longer_or_shorter_than_their_interval_share_its_middle(tmp_path, rng):
    places = tmp_path / "w.bed"
    places.write_text("chr1\t1000\t1100\n")
    found = convert([Source(save(tmp_path, attr=rng.random((1, 20))), "m", ScoreFormat(intervals=places))])
    assert found.elements[["start", "end"]].to_numpy().tolist() == [[1_040, 1_060]]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"ism": np.ones((4, 5, LENGTH))}, "has ism of shape"),
        (
            {"mine": np.ones((4, LENGTH))},
            "has the arrays mine, and none called attributions",
        ),
        ({"attr": np.ones((3, LENGTH))}, "has 4 intervals, where"),
        ({"y0": np.ones(4), "y_hat": np.full((4, 4, LENGTH), 3.0)}, "not measured from the reference"),
        ({"attr": np.array([{}], dtype=object)}, "not an npz archive of plain arrays"),
        ({"attr": np.full((4, LENGTH), "a")}, "holds in 'attr' <U1, not numbers"),
    ],
)
def test_arrays_of_other_layouts_are_refused_in_one_sentence(tmp_path, bed, arrays, message):
    with pytest.raises(InputError, match=message) as error:
        convert([Source(save(tmp_path, **arrays), "m", ScoreFormat(intervals=bed))])
    assert len(error.value.problems) == 1


def saturated(rng, start=1_000, end=1_050, chrom="1"):
    """All substitutions of an interval with the masked log-likelihood ratios of known distributions."""
    rows, logliks = [], []
    for place in range(start, end):
        p = rng.dirichlet(np.ones(4))
        ref = int(rng.integers(4))
        logliks.append(np.log(p[ref]))
        rows += [(chrom, place + 1, "ACGT"[ref], "ACGT"[a], np.log(p[a] / p[ref])) for a in range(4) if a != ref]
    return pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt", "score"]), np.array(logliks)


def test_gpn_scores_give_ris_and_the_predictability_that_follows_from_them(tmp_path, rng):
    table, logliks = saturated(rng)
    elements = tmp_path / "e.bed"
    elements.write_text("chr1\t1000\t1030\ta\nchr1\t1020\t1050\tb\n")
    table.sample(frac=1, random_state=1).to_parquet(tmp_path / "gpn.parquet", index=False)
    ris = convert([Source(tmp_path / "gpn.parquet", "gpn", ScoreFormat())], elements).ris.set_index("element")
    assert ris.loc["b", "ris"] == pytest.approx(table["score"].abs().to_numpy()[60:].mean())
    assert ris.loc["a", "predictability"] == pytest.approx(logliks[:30].mean())
    assert set(ris["kind"]) == {"masked"}
    assert ris["n_perturbations"].tolist() == [90, 90]
    # As gpn writes it: scores alone, in the order of the variants.
    table[["score"]].to_parquet(tmp_path / "alone.parquet", index=False)
    table.drop(columns="score").to_parquet(tmp_path / "variants.parquet", index=False)
    form = ScoreFormat(variants=tmp_path / "variants.parquet")
    alone = Source(tmp_path / "alone.parquet", "gpn", form)
    assert convert([alone], elements).ris["ris"].tolist() == pytest.approx(ris["ris"].tolist())


def test_variants_that_are_no_substitution_are_left_out_and_counted(tmp_path):
    rows = [("1", 11, "A", "C", 1.0), ("1", 12, "a", "g", 3.0), ("1", 13, "A", "-", 9.0), ("1", 14, "AC", "A", 9.0)]
    table = pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt", "score"])
    table.to_csv(tmp_path / "v.tsv", sep="\t", index=False)
    (tmp_path / "e.bed").write_text("1\t0\t20\ta\n")
    found = convert([Source(tmp_path / "v.tsv", "m", ScoreFormat())], tmp_path / "e.bed")
    assert found.ris[["ris", "n_perturbations"]].to_numpy().tolist() == [[2.0, 2]]
    assert (
        sum("2 variants are no substitution of one base and left out (A>-, AC>A)" in note for note in found.notes) == 1
    )
    table.head(2).to_csv(tmp_path / "v.tsv", sep="\t", index=False)
    found = convert([Source(tmp_path / "v.tsv", "m", ScoreFormat())], tmp_path / "e.bed")
    assert not any("no substitution" in note for note in found.notes)


def test_incomplete_sites_give_no_predictability_and_that_is_said(tmp_path, rng):
    table, _ = saturated(rng)
    elements = tmp_path / "e.bed"
    elements.write_text("chr1\t1000\t1050\ta\n")
    table[::2].to_parquet(tmp_path / "gpn.parquet", index=False)
    found = convert([Source(tmp_path / "gpn.parquet", "gpn", ScoreFormat())], elements)
    assert "predictability" not in found.ris
    assert any(note.startswith("WARNING: no predictability of gpn") for note in found.notes)


def baskerville(path, rng, strand="+"):
    sequence = np.moveaxis(one_hot(rng), 1, 2)
    effects = (rng.normal(size=(*sequence.shape, 3)) * (1 - sequence)[..., None]).astype(np.float16)
    with h5py.File(path, "w") as scores:
        scores["seqs"] = sequence.astype(bool)
        scores["chr"] = np.array([b"chr1"] * len(STARTS))
        scores["start"], scores["end"] = np.array(STARTS), np.array(STARTS) + LENGTH
        scores["strand"] = np.array([strand.encode()] * len(STARTS))
        scores["logSUM"] = effects
    return effects.astype(float)


def test_baskerville_mutagenesis_gives_the_mean_size_over_alternatives_and_targets(tmp_path, rng):
    effects = baskerville(tmp_path / "scores.h5", rng)
    found = ris_of(convert([Source(tmp_path / "scores.h5", "borzoi", ScoreFormat())]))
    assert found == pytest.approx(np.abs(effects).sum(axis=2).mean(axis=(1, 2)) / 3)


def test_on_the_minus_strand_the_first_base_is_the_last(tmp_path, rng):
    effects = baskerville(tmp_path / "scores.h5", rng, strand="-")
    elements = tmp_path / "e.bed"
    elements.write_text(f"chr1\t1000\t1010\ta\nchr1\t5000\t{5_000 + LENGTH}\tb\n")
    ris = convert([Source(tmp_path / "scores.h5", "borzoi", ScoreFormat())], elements).ris.set_index("element")["ris"]
    per_base = np.abs(effects).sum(axis=2).mean(axis=2) / 3
    assert ris["a"] == pytest.approx(per_base[0, -10:].mean())
    assert ris["b"] == pytest.approx(per_base[2].mean())


def test_baskerville_variant_scores_are_pooled_over_elements(tmp_path, rng):
    values = rng.normal(size=(6, 2)).astype(np.float16)
    with h5py.File(tmp_path / "sad.h5", "w") as scores:
        scores["snp"] = np.array([b"rs"] * 6)
        scores["chr"] = np.array([b"chr1"] * 6)
        scores["pos"] = np.array([11, 20, 30, 31, 101, 150], dtype=np.uint32)  # 1-based
        scores["ref_allele"], scores["alt_allele"] = np.array([b"A"] * 6), np.array([b"C"] * 6)
        scores["logSAD"] = scores["SAD"] = values
    elements = tmp_path / "e.bed"
    elements.write_text("chr1\t10\t30\ta\nchr1\t100\t150\tb\n")
    with pytest.raises(InputError, match="has the statistics SAD, logSAD"):
        convert([Source(tmp_path / "sad.h5", "m", ScoreFormat())], elements)
    ris = convert([Source(tmp_path / "sad.h5", "m", ScoreFormat(dataset="logSAD"))], elements).ris
    expected = [np.abs(values[rows].astype(float)).mean() for rows in ([0, 1, 2], [4, 5])]
    assert ris["ris"].tolist() == pytest.approx(expected)


def test_hdf5_of_other_layouts_is_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as scores:
        scores["weights"] = np.ones(3)
    with pytest.raises(InputError, match="has the datasets weights"):
        convert([Source(tmp_path / "x.h5", "m", ScoreFormat())])
    (tmp_path / "y.h5").write_text("no")
    with pytest.raises(InputError, match="cannot be read as HDF5"):
        convert([Source(tmp_path / "y.h5", "m", ScoreFormat())])


def test_bed_and_bedgraph_scores(tmp_path):
    (tmp_path / "a.bed").write_text("track name=x\nchr1\t0\t100\tx\t3.5\nchr1\t200\t300\ty\t1\n")
    assert convert([Source(tmp_path / "a.bed", "m", ScoreFormat())]).ris["ris"].tolist() == [3.5, 1.0]
    (tmp_path / "a.bedGraph").write_text("chr1\t0\t50\t2\nchr1\t50\t100\t4\n")
    (tmp_path / "e.bed").write_text("1\t25\t125\n")
    # 25 bases of 2 and 50 of 4, under the elements' own name of the contig.
    found = convert([Source(tmp_path / "a.bedGraph", "m", ScoreFormat())], tmp_path / "e.bed").ris
    assert found["ris"].tolist() == pytest.approx([(25 * 2 + 50 * 4) / 75])
    (tmp_path / "bad.bed").write_text("chr1\t0\t100\tx\tmany\n")
    with pytest.raises(InputError, match=r"bad.bed:1: has no number in column 5"):
        convert([Source(tmp_path / "bad.bed", "m", ScoreFormat())])


def test_a_bigwig_gives_the_mean_size_over_each_element(tmp_path, rng):
    values = rng.normal(size=300)
    with pyBigWig.open(str(tmp_path / "s.bw"), "w") as track:
        track.addHeader([("chr1", 1_000)])
        track.addEntries("chr1", 100, values=values.tolist(), span=1, step=1)
    (tmp_path / "e.bed").write_text("1\t100\t150\n1\t350\t450\n1\t600\t700\n")
    ris = convert([Source(tmp_path / "s.bw", "m", ScoreFormat())], tmp_path / "e.bed").ris
    assert ris["ris"].tolist()[:2] == pytest.approx([np.abs(values[:50]).mean(), np.abs(values[250:]).mean()])
    assert ris["n_perturbations"].tolist() == [50, 50, 0]
    assert ris["status"].tolist()[2] == "no_effects"
    with pytest.raises(InputError, match="has no intervals of its own"):
        convert([Source(tmp_path / "s.bw", "m", ScoreFormat())])


def test_formats_are_told_by_extension_and_columns(tmp_path):
    pd.DataFrame({"score": [1.0]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"element": ["a"], "ris": [1.0]}).to_parquet(tmp_path / "b.parquet")
    (tmp_path / "c.tsv").write_text("chrom\tpos\tref\talt\tscore\n")
    names = ["x.npz", "x.bw", "x.bigWig", "x.h5", "x.bed.gz", "a.parquet", "b.parquet", "c.tsv"]
    found = [format_of(Source(tmp_path / name, "m", ScoreFormat())) for name in names]
    assert found == ["npz", "bigwig", "bigwig", "baskerville", "bed", "gpn", "table", "variants"]


def test_models_are_named_by_the_option_or_the_file():
    assert [
        one.model for one in sources_from(["gpn=a/b.parquet", "c/borzoi.h5", "d/re2g_0.243.tsv.gz"], ScoreFormat())
    ] == [
        "gpn",
        "borzoi",
        "re2g_0.243",
    ]
    with pytest.raises(InputError, match="two files of the model"):
        sources_from(["a/x.bed", "b/x.bed"], ScoreFormat())


# -- plain tables, as diagnose.py takes them ---------------------------------------------------------------------------


def test_our_own_tables_pass_unchanged(tmp_path):
    elements = make_elements(1, loci=2, per_locus=15)
    ris = make_ris(elements, 1, Truth())
    elements.to_parquet(tmp_path / "e.parquet")
    ris.to_csv(tmp_path / "r.tsv", sep="\t", index=False)
    found = read_any_scores(tmp_path / "e.parquet", tmp_path / "r.tsv")
    pd.testing.assert_frame_equal(found.elements, elements, check_dtype=False)
    assert found.ris["ris"].to_numpy() == pytest.approx(ris["ris"].to_numpy())
    assert found.notes == []


def test_a_table_of_intervals_and_one_score_is_diagnosed_by_trivial_features_alone_and_says_so(tmp_path):
    elements = make_elements(2, loci=5, per_locus=40, rho=0.3)
    own = make_ris(elements, 2, Truth(), models=("lm",))
    table = elements[["chrom", "start", "end", "class", "locus", "distance", "gc", "cpg_oe", "complexity"]]
    table = table.assign(mine=own["ris"], repeat_fraction=elements["repeat_fraction"])
    table = table.drop_duplicates(["chrom", "start", "end"])
    table.to_csv(tmp_path / "mine.tsv", sep="\t", index=False)
    options = ("--ris", tmp_path / "mine.tsv", "--score-column", "mine", "--permutations", 99, "--bootstrap", 100)
    ran = run_script("diagnose", *options, "--outdir", tmp_path / "out", "--no-progress")
    assert ran.code == 0, ran.err
    assert "taken as 'output'" in ran.err
    import json

    record = json.loads((tmp_path / "out" / "diagnosis.json").read_text())
    features = {"log_length", "gc", "cpg_oe", "complexity", "repeat_fraction"}
    assert set(record["models"]["mine"]["features"]) == features
    assert all(claim["full"] is None for claim in record["claims"])
    assert {claim["verdict"] for claim in record["claims"]}.isdisjoint({"survives", "hinges"})
    assert any("No predictability is known for mine" in note for note in record["models"]["mine"]["notes"])
    assert {claim["claim"] for claim in record["claims"]} >= {"horizon", "class_hierarchy", "ccre_discrimination"}


def test_convert_scores_writes_tables_that_diagnose_takes_with_their_notes(tmp_path, rng):
    starts = np.arange(0, 60_000, 500)
    table = pd.DataFrame({"chrom": "chr1", "start": starts, "end": starts + 200, "score": rng.random(len(starts))})
    table.to_csv(tmp_path / "mine.csv", index=False)
    ran = run_script("convert_scores", "--scores", f"tool={tmp_path / 'mine.csv'}", "--outdir", tmp_path / "in")
    assert ran.code == 0, ran.err
    assert "no TSS is known" in ran.err
    given = {"elements": tmp_path / "in" / "elements.parquet", "ris": tmp_path / "in" / "ris.parquet"}
    ran = run_script("diagnose", **given, outdir=tmp_path / "out", permutations=99, bootstrap=100)
    assert ran.code == 0, ran.err
    assert "no TSS is known" in ran.err


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"element": ["a"], "value": [1]}, "has no column of scores"),
        ({"place": ["a"], "score": [1]}, "names neither elements nor intervals"),
        ({"element": ["a"], "score": ["high"]}, "has no number in its column of scores"),
        ({"element": ["a"], "score": [1.0]}, "has no intervals of its own"),
    ],
)
def test_tables_without_scores_or_places_are_refused(tmp_path, columns, message):
    pd.DataFrame(columns).to_csv(tmp_path / "x.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match=message):
        read_any_scores(None, tmp_path / "x.tsv")
