"""bigWigs: what is read is what was written, and every other file is refused in one way."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
import pytest

from darkregulome.errors import InputError
from darkregulome.genome.bigwig import BigWig, bigwig_means

LENGTH = 5_000


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A bigWig of one contig, and its values, of which every third is missing."""
    path = tmp_path_factory.mktemp("bigwig") / "track.bw"
    values = np.random.default_rng(1).random(LENGTH).astype(np.float32)
    values[::3] = np.nan
    present = np.flatnonzero(np.isfinite(values))
    with pyBigWig.open(str(path), "w") as handle:
        handle.addHeader([("1", LENGTH)])
        handle.addEntries(["1"] * len(present), present.tolist(), (present + 1).tolist(), values[present].tolist())
    return path, values


@pytest.mark.parametrize(("start", "end"), [(0, 10), (4_990, 5_020), (-5, 5), (6_000, 6_010), (7, 7)])
def test_values_are_those_written_and_missing_outside_of_the_contig(written, start, end):
    path, values = written
    wide = np.concatenate([np.full(100, np.nan), values, np.full(2_000, np.nan)])
    with BigWig(path) as track:
        np.testing.assert_array_equal(track.values("chr1", start, end), wide[100 + start : 100 + end])
        assert np.isnan(track.values("chr2", start, end)).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a bigWig; give one"),
        (b"chr1\t0\t10\t1.5\n", "is not a bigWig; give one"),
        ((0x888FFC26).to_bytes(4, "little"), "is a damaged or truncated bigWig; copy it again"),
        ((0x8789F2EB).to_bytes(4, "little") + bytes(100), "is a bigBed, not a bigWig; give a bigWig"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "other.bw"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        BigWig(path)


def test_an_absent_file_is_said_to_be_absent(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        BigWig(tmp_path / "none.bw")


def test_a_truncated_file_is_refused_or_read_as_it_was(written, tmp_path):
    path, values = written
    data = path.read_bytes()
    cut = tmp_path / "cut.bw"
    refused = 0
    for keep in np.linspace(1, len(data) - 1, 60).astype(int):
        cut.write_bytes(data[:keep])
        try:
            with BigWig(cut) as track:
                np.testing.assert_array_equal(track.values("1", 0, LENGTH), values)
                assert not track.ends_well
        except InputError:
            refused += 1
    assert refused >= 50
    with BigWig(path) as track:
        assert track.ends_well


def test_a_file_of_another_genome_is_refused(written):
    with BigWig(written[0]) as track:
        track.require_contigs(["chr7", "chr1"], "the FASTA")
        with pytest.raises(InputError, match=r"has none of the contigs of the FASTA \(chr7, chr8, chr9, \.\.\.\)"):
            track.require_contigs(["chr7", "chr8", "chr9", "chrX"], "the FASTA")


def test_a_file_without_any_value_has_none_anywhere(tmp_path):
    with pyBigWig.open(str(tmp_path / "empty.bw"), "w") as handle:
        handle.addHeader([("1", LENGTH)])
    with BigWig(tmp_path / "empty.bw") as track:
        assert np.isnan(track.values("1", 10, 20)).all()
        assert len(track.values("1", 10, 20)) == 10


def test_means_are_over_the_bases_that_have_a_value(tmp_path):
    path = tmp_path / "means.bw"
    with pyBigWig.open(str(path), "w") as handle:
        handle.addHeader([("chr1", 100), ("chr2", 100)])
        handle.addEntries(["chr1"] * 3, [10, 20, 30], ends=[20, 25, 40], values=[1.0, -3.0, 5.0])
    rows = [("1", 0, 10), ("chr1", 15, 25), ("chr1", 35, 200), ("chr9", 0, 5), ("chr9", 5, 9), ("chr3", 0, 1)]
    places = pd.DataFrame(rows, columns=["chrom", "start", "end"])
    means, counts, notes = bigwig_means(places, path)
    nan = np.nan
    np.testing.assert_allclose(means, [nan, -1.0, 5.0, nan, nan, nan])
    assert counts.tolist() == [0, 10, 5, 0, 0, 0]
    assert notes == [
        "The bigWig lacks chr3: 1 elements without a value.",
        "The bigWig lacks chr9: 2 elements without a value.",
    ]
    np.testing.assert_allclose(bigwig_means(places, path, absolute=True)[0], [nan, 2.0, 5.0, nan, nan, nan])
    assert [len(part) for part in bigwig_means(places.head(0), path)] == [0, 0, 0]
    with pytest.raises(InputError, match="none of the contigs of the elements"):
        bigwig_means(places.tail(2), path)
