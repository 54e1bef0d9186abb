"""Pooling: known means, every element kept, bigWigs that a browser reads."""

import numpy as np
import pandas as pd
import pyBigWig
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkregulome.errors import InputError
from darkregulome.io import schemas, tables
from darkregulome.io.schemas import HALVES
from darkregulome.scoring.pool import mean_of_overlaps, pool_effects, read_contig_lengths, write_bigwigs


def elements(*rows):
    table = pd.DataFrame(rows, columns=["element", "chrom", "start", "end"])
    length = table["end"] - table["start"]
    return table.assign(
        locus="L", strand=".", subclass="x", distance=0, length=length, gc=0.5, cpg_oe=0.5, complexity=0.9,
        repeat_fraction=0.0, n_fraction=0.0, **{"class": "other"},
    )  # fmt: skip


def effects(*rows):
    table = pd.DataFrame(rows, columns=["element", "model", "effect"])
    return table.assign(readout="llr", start=1, end=2, ref="A", alt="C", replicate=0)


def reference(*rows):
    table = pd.DataFrame(rows, columns=["element", "model", "predictability", "status"])
    return table.assign(kind="masked", readout="llr")


TABLE = elements(("a", "chr1", 10, 20), ("b", "chr1", 15, 30), ("c", "chr2", 5, 9))


def test_ris_is_the_mean_and_the_largest_absolute_effect():
    ris = pool_effects(
        TABLE,
        effects(("a", "m", -3.0), ("a", "m", 1.0), ("b", "m", 0.5), ("c", "m", -0.25)),
        reference(("a", "m", -1.3, "ok"), ("b", "m", -1.2, "ok"), ("c", "m", -1.1, "ok")),
    ).set_index("element")
    assert ris.loc["a", ["ris", "ris_max", "n_perturbations"]].tolist() == [2.0, 3.0, 2]
    assert ris.loc["c", ["ris", "ris_max", "n_perturbations"]].tolist() == [0.25, 0.25, 1]
    assert ris["predictability"].tolist() == [-1.3, -1.2, -1.1]
    # A table of an earlier version does not say how reliable that is.
    assert ris[list(HALVES)].isna().all().all()
    assert set(ris["status"]) == {"ok"}


def test_every_element_has_a_row_a_model_and_a_reason_where_it_has_no_score():
    table = elements(*((name, "chr1", 10, 20) for name in "abcdef"))
    table.loc[table["element"] == "f", "n_fraction"] = 1.0
    ris = pool_effects(
        table,
        effects(("a", "m", 1.0), ("a", "m", np.nan), ("a", "m", np.inf), ("b", "m", np.nan)),
        reference(("a", "m", -1.3, "ok"), ("b", "m", -1.3, "ok"), ("c", "m", np.nan, "n_masked"),
                  ("d", "m", np.nan, "outside_context"), ("a", "other", -1.0, "ok")),
    )  # fmt: skip
    assert len(ris) == 12
    here = ris[ris["model"] == "m"].set_index("element")
    assert here["status"].to_dict() == {
        "a": "ok", "b": "no_effects", "c": "n_masked", "d": "outside_context", "e": "no_effects", "f": "n_masked"
    }  # fmt: skip
    assert here.loc["a", ["ris", "n_perturbations", "n_nonfinite"]].tolist() == [1.0, 1, 2]
    assert here["ris"].drop("a").isna().all()
    schemas.RIS.schema.validate(ris)


def test_order_of_the_tables_does_not_matter():
    rng = np.random.default_rng(0)
    scored = effects(*((name, model, rng.normal()) for name in "abc" for model in "mn" for _ in range(4)))
    known = reference(*((name, model, -1.0, "ok") for name in "abc" for model in "mn"))
    expected = pool_effects(TABLE, scored, known)
    shuffled = pool_effects(TABLE, scored.sample(frac=1, random_state=1), known)
    pd.testing.assert_frame_equal(expected, shuffled)


@pytest.mark.parametrize(
    ("scored", "known", "message"),
    [
        (effects(("zz", "m", 1.0)), reference(("a", "m", -1, "ok")), "'zz'"),
        (effects(("a", "m", 1.0)), reference(("zz", "m", -1, "ok"), ("a", "m", -1, "ok")), "'zz'"),
        (effects(("a", "n", 1.0)), reference(("a", "m", -1, "ok")), "no model 'n'"),
        (effects(("a", "m", 1.0)), reference(("a", "m", -1, "ok"), ("a", "m", -1, "ok")), "more than once"),
    ],
)
def test_tables_that_do_not_belong_together_are_refused(scored, known, message):
    with pytest.raises(InputError, match=message):
        pool_effects(TABLE, scored, known)


INTERVALS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20), st.floats(-5, 5)), min_size=1, max_size=12)


@given(INTERVALS)
def test_overlaps_carry_their_mean_base_by_base(intervals):
    starts, ends, values = zip(*((start, start + length, value) for start, length, value in intervals), strict=True)
    total, count = np.zeros(100), np.zeros(100)
    for start, end, value in zip(starts, ends, values, strict=True):
        total[start:end] += value
        count[start:end] += 1
    found = np.full(100, np.nan)
    first, last, means = mean_of_overlaps(starts, ends, values)
    assert (first[1:] >= last[:-1]).all()
    for start, end, value in zip(first, last, means, strict=True):
        found[start:end] = value
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(found, total / count, atol=1e-9)


def test_bigwig_holds_one_model_and_the_mean_where_elements_overlap(tmp_path):
    ris = pool_effects(
        TABLE,
        effects(("a", "m", 1.0), ("b", "m", 3.0), ("c", "m", 5.0), ("a", "n", 7.0)),
        reference(*((name, "m", -1, "ok") for name in "abc"), ("a", "n", -1, "ok")),
    )
    paths = write_bigwigs(TABLE, ris, {"chr2": 50, "chr1": 100}, tmp_path)
    assert [path.name for path in paths] == ["m.bw", "n.bw"]
    with pyBigWig.open(str(paths[0])) as handle:
        assert handle.chroms() == {"chr2": 50, "chr1": 100}
        assert handle.intervals("chr1") == ((10, 15, 1.0), (15, 20, 2.0), (20, 30, 3.0))
        assert handle.intervals("chr2") == ((5, 9, 5.0),)
    with pyBigWig.open(str(paths[1])) as handle:
        assert handle.intervals("chr1") == ((10, 20, 7.0),)


def test_a_bigwig_with_the_wrong_index_is_refused_and_nothing_is_left(tmp_path):
    ris = pool_effects(TABLE, effects(("c", "m", 1.0)), reference(("c", "m", -1, "ok")))
    with pytest.raises(InputError, match="no contig 'chr2'"):
        write_bigwigs(TABLE, ris, {"chr1": 100}, tmp_path)
    with pytest.raises(InputError, match="ends at 9"):
        write_bigwigs(TABLE, ris, {"chr2": 8}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_fasta_index_is_read_in_its_order(tmp_path):
    fai = tmp_path / "x.fai"
    fai.write_text("chr2\t50\t6\t60\t61\nchr1\t100\t70\t60\t61\n")
    assert list(read_contig_lengths(fai).items()) == [("chr2", 50), ("chr1", 100)]
    for damaged in (b"chr2 50\n", b"chr2\t\xc2\xb2\n", b"\xff\xfe\x00\n"):
        fai.write_bytes(damaged)
        with pytest.raises(InputError, match=r"x\.fai:1"):
            read_contig_lengths(fai)


def test_an_empty_table_of_effects_gives_statuses_only(tmp_path):
    ris = pool_effects(TABLE, effects(), reference(*((name, "m", np.nan, "failed") for name in "abc")))
    assert set(ris["status"]) == {"failed"}
    tables.write_table(ris, tmp_path / "ris.parquet", schemas.RIS)
    paths = write_bigwigs(TABLE, ris, {"chr1": 100, "chr2": 50}, tmp_path)
    with pyBigWig.open(str(paths[0])) as handle:
        assert handle.chroms() == {"chr1": 100, "chr2": 50}
