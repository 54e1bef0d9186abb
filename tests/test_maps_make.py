"""Maps of many sequences on disk: what is in them, what is not mapped and why, and how much memory it takes."""

import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr

import toy
from darkregulome.edits.forwards import log2_probability
from darkregulome.errors import InputError
from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import dinucleotide_shuffle, reverse_complement
from darkregulome.scoring.maps.dependency import dependency_map
from darkregulome.scoring.maps.make import make_maps
from darkregulome.scoring.maps.sequences import Sequence, sequences_of_bed, sequences_of_fasta
from darkregulome.scoring.maps.store import MapFolder, from_band, to_band
from darkregulome.scoring.settings import MapSettings
from fake_models import EquivariantMasked, MarkovCausal, MarkovMasked
from random_models import make_model
from script_runner import run_script

BASES = ["".join(np.random.default_rng(seed).choice(list("ACGT"), 30)) for seed in range(3)]


def given(*texts: str) -> list[Sequence]:
    return [Sequence(f"s{n}", f"s{n}", 0, len(text), "+", text) for n, text in enumerate(texts)]


def maps_of(model, folder: Path, *texts: str, **options):
    settings = MapSettings(**{name: options.pop(name) for name in [*options] if name in MapSettings.model_fields})
    make_maps(model, given(*texts), folder, {"model": model.name}, settings, **options)
    return MapFolder(folder)


def test_maps_on_disk_equal_those_in_memory(tmp_path):
    model = MarkovMasked()
    found = maps_of(model, tmp_path, *BASES, batch_size=7)
    assert [stored.row["sequence"] for stored in found.maps()] == ["s0", "s1", "s2"]
    for stored, text in zip(found.maps(), BASES, strict=True):
        np.testing.assert_array_equal(stored.values, dependency_map(model, text))
        assert found.find(stored.key).row == stored.row
    assert found.model == "markov-masked"


def test_a_band_is_the_whole_map_cut(tmp_path):
    model = MarkovMasked()
    whole = dependency_map(model, BASES[0])
    distance = np.abs(np.subtract.outer(np.arange(30), np.arange(30)))
    for reach in (1, 4, 29, 400):
        folder = maps_of(model, tmp_path / str(reach), BASES[0], max_distance=reach)
        (stored,) = folder.maps()
        np.testing.assert_array_equal(stored.values, np.where(distance <= reach, whole, np.nan))
    array = zarr.open_group(str(tmp_path / "4" / "maps.zarr"), mode="r")["0"]
    assert array.shape == (30, 9)


def test_band_and_back():
    values = np.random.default_rng(0).random((11, 11)).astype(np.float32)
    band = np.stack([to_band(row, position, 3) for position, row in enumerate(values)])
    back = from_band(band)
    row, column = np.indices(values.shape)
    np.testing.assert_array_equal(back, np.where(np.abs(row - column) <= 3, values, np.nan))


def test_causal_maps_are_stitched_of_both_readings(tmp_path):
    model = MarkovCausal(order=2)
    (stored,) = maps_of(model, tmp_path, BASES[0]).maps()
    forward = dependency_map(model, BASES[0])
    reverse = dependency_map(model, reverse_complement(BASES[0]))[::-1, ::-1]
    np.testing.assert_array_equal(stored.values, np.triu(forward) + np.tril(reverse, -1))
    assert (stored.values[np.abs(np.subtract.outer(np.arange(30), np.arange(30))) == 1][4:-4] > 0).mean() > 0.9


def test_both_strands_of_a_masked_model_are_averaged_and_an_equivariant_one_reads_one(tmp_path):
    model = MarkovMasked()
    (stored,) = maps_of(model, tmp_path / "a", BASES[0], strands="both", batch_size=4).maps()
    reverse = dependency_map(model, reverse_complement(BASES[0]))[::-1, ::-1]
    np.testing.assert_allclose(stored.values, (dependency_map(model, BASES[0]) + reverse) / 2, atol=1e-6)
    equivariant = EquivariantMasked()
    maps_of(equivariant, tmp_path / "b", BASES[0], strands="both")
    assert len(equivariant.sequences_run) == 3 * 30 + 1


def test_probabilities_instead_of_odds(tmp_path):
    model = MarkovMasked()
    (stored,) = maps_of(model, tmp_path, BASES[0], measure="probability").maps()
    np.testing.assert_array_equal(stored.values, dependency_map(model, BASES[0], measure=log2_probability))
    p = np.array([0.5, 0.25, 0.125, 0.125])
    assert log2_probability(np.log(p)) == pytest.approx([-1, -2, -3, -3])


def test_equal_sequences_are_mapped_once(tmp_path):
    model = MarkovMasked()
    found = maps_of(model, tmp_path, BASES[0], BASES[1], BASES[0])
    assert len(model.sequences_run) == 2 * (3 * 30 + 1)
    assert found.index["array"].tolist() == ["0", "1", "0"]
    first, _, third = found.maps()
    np.testing.assert_array_equal(first.values, third.values)


def test_every_interval_has_a_status_and_the_good_ones_a_map(tmp_path):
    bases = BASES[0] + "N" + BASES[1] + "ACGT" * 30
    fasta = toy.write_text(tmp_path / "g.fa", f">chr1\n{bases}\n")
    lines = [
        *("1 0 30 a 0 +", "1 0 30 b 0 -", "1 20 40 n", "1 31 131 long", "1 0 3 short", "1 170 190 past"),
        *("chr9 0 30 unknown", "chr1 31 61"),
    ]
    bed = toy.write_text(tmp_path / "r.bed", "track name=x\n" + "\n".join(line.replace(" ", "\t") for line in lines))
    with Reference(fasta) as genome:
        index = make_maps(MarkovMasked(), sequences_of_bed(bed, genome), tmp_path, {})
    assert index["status"].tolist() == [
        *("ok", "ok", "n_inside", "too_long", "too_short", "off_contig", "off_contig", "ok"),
    ]
    assert index["sequence"].iloc[-1] == "chr1:31-61"
    maps = {stored.row["sequence"]: stored.values for stored in MapFolder(tmp_path).maps()}
    np.testing.assert_array_equal(maps["b"], dependency_map(MarkovMasked(), reverse_complement(BASES[0])))


def test_a_name_twice_in_a_bed_is_told_apart_and_an_interval_twice_is_no_second_map(tmp_path):
    fasta = toy.write_text(tmp_path / "g.fa", f">chr1\n{BASES[0]}{BASES[1]}\n")
    # In another order the names are the same: models whose maps are compared may be given either.
    for number, order in enumerate(
        (("0 20 a 0 +", "30 50 a 0 -", "0 20 a 0 +", "5 25 b"), ("5 25 b", "30 50 a 0 -", "0 20 a 0 +"))
    ):
        bed = toy.write_text(tmp_path / f"{number}.bed", "".join(f"chr1 {line}\n".replace(" ", "\t") for line in order))
        with Reference(fasta) as genome:
            index = make_maps(MarkovMasked(), sequences_of_bed(bed, genome), tmp_path / str(number), {})
        names = {"a::chr1:0-20(+)", "a::chr1:30-50(-)", "b"}
        assert set(index["sequence"]) == names
        stored = list(MapFolder(tmp_path / str(number)).maps())
        assert sorted(one.row["sequence"] for one in stored) == sorted(names)
        assert (index["status"] == "ok").sum() == len(stored)
        assert index.loc[index["status"] == "duplicate", "sequence"].tolist() == ["a::chr1:0-20(+)"][number:]


def test_sequences_of_a_fasta_may_be_rna_and_second_names_are_duplicates(tmp_path):
    fasta = toy.write_text(
        tmp_path / "s.fa", f">a x\n{BASES[0].lower().replace('t', 'u')}\n>a\n{BASES[1]}\n>b\nACGTN\n"
    )
    found = [item.judged(2, 64) for item in sequences_of_fasta(fasta)]
    assert [(item.name, item.status) for item in found] == [("a", "ok"), ("a", "duplicate"), ("b", "n_inside")]
    assert found[0].bases == BASES[0]


def test_bad_files_are_told_in_one_sentence_each(tmp_path):
    fasta = toy.write_text(tmp_path / "g.fa", f">chr1\n{BASES[0]}\n")
    with Reference(fasta) as genome:
        for text, words in (("chr1\t5\n", "has 2 columns"), ("chr1\t9\t3\n", "chr1:9-3"), ("#\n", "has no record")):
            with pytest.raises(InputError, match=words):
                list(sequences_of_bed(toy.write_text(tmp_path / "r.bed", text), genome))
    with pytest.raises(InputError, match="no sequence"):
        list(sequences_of_fasta(toy.write_text(tmp_path / "empty.fa", "")))
    with pytest.raises(InputError, match=r"maps\.zarr"):
        MapFolder(tmp_path)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda array: shutil.rmtree(array), "cannot be read"),
        (lambda array: shutil.rmtree(array / "c"), "lacks some of its rows"),
        (lambda array: (array / "c" / "0" / "0").write_bytes(b"no chunk"), "cannot be read"),
        (lambda array: (array / "zarr.json").write_text("{"), "cannot be read"),
    ],
    ids=["no array", "no chunk", "another chunk", "no metadata"],
)
def test_maps_of_which_a_part_is_gone_or_damaged_are_told(damage, says, tmp_path):
    found = maps_of(MarkovMasked(), tmp_path, BASES[0], max_distance=4)
    assert len(list(found.maps())) == 1
    damage(tmp_path / "maps.zarr" / "0")
    with pytest.raises(InputError, match=rf"maps\.zarr/0: {says}"):
        list(MapFolder(tmp_path).maps())


def test_controls_are_dinucleotide_shuffles_that_do_not_depend_on_the_order():
    one, other = given(BASES[0] * 3, BASES[1] * 3)
    assert one.shuffled(5).bases == Sequence("x", "y", 9, 99, "-", BASES[0] * 3).shuffled(5).bases
    assert one.shuffled(5).bases != one.shuffled(6).bases
    assert other.shuffled(5).bases != other.bases
    count = {pair: one.bases.count(pair) for pair in ("AC", "CG", "TA")}
    shuffled = dinucleotide_shuffle(one.bases, 1)
    assert {pair: shuffled.count(pair) for pair in count} == count


class NeighbourModel:
    """Vectorised and tiny: the base at i is the base at i - 1, nearly."""

    name, kind, context, equivariant, device = "neighbour", "masked", 10_000, False, torch.device("cpu")

    def encode(self, sequences):
        return torch.tensor([["ACGT".index(base) for base in sequence] for sequence in sequences])

    def log_probs(self, tokens):
        table = torch.full((4, 4), 0.1).fill_diagonal_(0.7).log()
        return table[tokens.roll(1, dims=1)]


def peak_memory(length: int, folder: Path) -> int:
    bases = "".join(np.random.default_rng(0).choice(list("ACGT"), length))
    tracemalloc.start()
    try:
        make_maps(NeighbourModel(), given(bases), folder, {}, batch_size=6)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_grows_with_the_length_and_not_with_its_square(tmp_path):
    peak_memory(20, tmp_path / "warm")
    small, large = peak_memory(400, tmp_path / "small"), peak_memory(1600, tmp_path / "large")
    whole = 4 * 1600 * 1600
    assert large < whole / 2, f"{large / 1e6:.1f} MB for a map of {whole / 1e6:.1f} MB"
    assert large - small < 8 * small
    (stored,) = MapFolder(tmp_path / "large").maps()
    assert stored.values.shape == (1600, 1600)
    assert (np.diagonal(stored.values, 1) > 1).all()


def test_the_script_maps_a_bed(tmp_path):
    make_model("gpn_convnet", tmp_path)
    fasta = toy.write_text(tmp_path / "g.fa", f">chr1\n{''.join(BASES)}\n")
    bed = toy.write_text(tmp_path / "r.bed", "chr1\t5\t45\tpeak\t0\t-\nchr1\t80\t200\n")
    common = {
        "model": "gpn_convnet",
        "registry": tmp_path / "gpn_convnet.yml",
        "weights": tmp_path / "gpn_convnet",
        "device": "cpu",
    }
    ran = run_script("map_dependencies", "--no-progress", fasta=fasta, bed=bed, outdir=tmp_path / "out", **common)
    assert ran.code == 0, ran.err
    assert "1 off_contig, 1 ok" in ran.err
    (stored,) = MapFolder(tmp_path / "out").maps()
    model = make_model("gpn_convnet", tmp_path)
    expected = dependency_map(model, reverse_complement("".join(BASES)[5:45]))
    np.testing.assert_allclose(stored.values, expected, atol=1e-5)
    for words, message in ((["--measure", "x"], "--measure"), (["--strands", "x"], "--strands")):
        ran = run_script("map_dependencies", *words, fasta=fasta, outdir=tmp_path / "o", model="x")
        assert (ran.code, message in ran.err) == (2, True)
    assert not (tmp_path / "o").exists()


def test_an_output_model_has_no_map(tmp_path):
    make_model("bpnet", tmp_path)
    fasta = toy.write_text(tmp_path / "s.fa", f">a\n{BASES[0]}\n")
    ran = run_script(
        "map_dependencies", "--no-progress", fasta=fasta, outdir=tmp_path / "o", model="bpnet", device="cpu",
        registry=tmp_path / "bpnet.yml", weights=tmp_path / "bpnet",
    )  # fmt: skip
    assert (ran.code, "predicts tracks" in ran.err) == (2, True)
