"""Windows with binned targets (Basenji's form) as the Enformer's training data, and what composition alone predicts."""

import json

import numpy as np
import pytest
from scipy.stats import pearsonr

from darkregulome.errors import InputError
from darkregulome.genome.bases import letters_of_codes
from darkregulome.models.checkpoint import read_config
from darkregulome.models.registry import default_registry, load_model
from darkregulome.training.build import build_enformer
from darkregulome.training.composition import composition, composition_pearson
from darkregulome.training.enformer import evaluate, predict_bins, start_at_means
from darkregulome.training.settings import EnformerTraining
from darkregulome.training.target_windows import TargetWindows, read_target_set
from darkregulome.training.windows import one_hot
from enformers import load_enformer
from places import SHARED
from script_runner import run_script

TRACKS = SHARED / "data" / "bench" / "tracks_hg38"
needs_tracks = pytest.mark.skipif(not TRACKS.exists(), reason=f"{TRACKS} is absent: no real windows with tracks")
SETTINGS = EnformerTraining(window=512, tower_window=256, bin=128, shift=128)
TABLE = "\tidentifier\tdescription\tstrand_pair\n" + "".join(
    f"{row}\t{name}\t{description}\t{pair}\n"
    for row, (name, description, pair) in enumerate(
        [("rna", "RNA:brain", 0), ("cage+", "CAGE:glia", 2), ("cage-", "CAGE:glia", 1), ("dnase", "DNASE:glia", 3)]
    )
)


class Made:
    """A data set of a few windows of 1,024 bases in bins of 32, and its four files."""

    def __init__(self, folder, contigs=("chr1", "chr1", "chr2", "chr3"), seed=0):
        rng = np.random.default_rng(seed)
        self.folder, self.sequences, self.windows = folder, {}, []
        for row, contig in enumerate(contigs):
            start = 100_000 * row + 500
            piece = "".join(rng.choice(list("ACGT"), 1024 + 64))
            self.sequences[f"{contig}:{start - 32}-{start + 1024 + 32}"] = piece
            self.windows.append((contig, start, start + 1024))
        self.targets = rng.random((len(contigs), 32, 4)).astype(np.float16)
        self.write()

    def write(self, table=TABLE):
        files = self.files
        files["fasta"].write_text("".join(f">{name}\n{text}\n" for name, text in self.sequences.items()))
        files["windows"].write_text("".join(f"{c}\t{s}\t{e}\ttrain\n" for c, s, e in self.windows))
        files["table"].write_text(table)
        np.savez_compressed(files["targets"], targets=self.targets)

    @property
    def files(self):
        names = {"fasta": "s.fa", "windows": "w.bed", "targets": "t.npz", "table": "t.tsv"}
        return {name: self.folder / file for name, file in names.items()}

    def read(self, pattern=""):
        files = self.files
        return read_target_set([files["fasta"]], files["windows"], files["targets"], files["table"], pattern)


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)


def test_a_window_is_cut_from_the_piece_that_holds_it(made):
    data = made.read()
    for (contig, start, end), piece in zip(made.windows, made.sequences.values(), strict=True):
        assert letters_of_codes(data.codes[f"{contig}:{start}-{end}"]) == piece[32:-32]


def test_whole_contigs_do_as_well_as_pieces(made):
    pieces = made.read()
    made.windows = [window for window in made.windows if window[0] != "chr1"][:1]
    made.targets = made.targets[2:3]
    (contig, start, end) = made.windows[0]
    made.sequences = {contig: "N" * (start - 32) + made.sequences[f"{contig}:{start - 32}-{end + 32}"]}
    made.write()
    whole = made.read()
    (name,) = whole.codes
    np.testing.assert_array_equal(whole.codes[name], pieces.codes[name])
    np.testing.assert_array_equal(whole.targets[name], pieces.targets[name])


def test_bins_are_means_and_the_other_strand_swaps_pairs(made):
    windows = TargetWindows(made.read(), SETTINGS)
    name = "chr2:200500-201524"
    codes, bins = windows.cut(name, 96, 256, False)
    piece = made.sequences["chr2:200468-201556"][32:]
    assert letters_of_codes(codes) == piece[96 : 96 + 256]
    naive = [[made.targets[2, first : first + 4, track].astype(float).mean() for track in range(4)] for first in (3, 7)]
    np.testing.assert_allclose(bins, naive, rtol=1e-6)
    turned, swapped = windows.cut(name, 96, 256, True)
    assert letters_of_codes(turned) == letters_of_codes(codes)[::-1].translate(str.maketrans("ACGT", "TGCA"))
    np.testing.assert_allclose(swapped, np.array(naive)[::-1][:, [0, 2, 1, 3]], rtol=1e-6)


def test_short_cuts_lie_on_the_grid_and_reach_all_of_a_window(made):
    windows, rng = TargetWindows(made.read(), SETTINGS), np.random.default_rng(0)
    drawn = [windows.near(256, rng) for _ in range(2000)]
    starts = {start for _, start in drawn}
    assert starts == set(range(0, 1024 - 256 + 1, 32))
    assert {name for name, _ in drawn} == set(made.read().codes)


def test_measured_cuts_cover_every_base_once(made):
    windows = TargetWindows(made.read(), SETTINGS)
    covered = np.zeros((4, 1024), int)
    names = list(made.read().codes)
    for name, start in windows.places(512, 4):
        covered[names.index(name), start : start + 512] += 1
    assert (covered == 1).all()


def test_tracks_are_chosen_by_their_description_and_pairs_counted_anew(made):
    data = made.read("^(CAGE|DNASE):")
    assert data.identifiers == ("cage+", "cage-", "dnase")
    assert data.pairs.tolist() == [1, 0, 2]
    first = next(iter(data.targets.values()))
    np.testing.assert_array_equal(first, made.targets[0][:, 1:].astype(np.float32))


def test_windows_are_held_out_by_contig(made):
    training, held_out = made.read().split(["chr1"], ["chr3"], "w.bed")
    assert [name.partition(":")[0] for name in held_out.codes] == ["chr1", "chr1"]
    assert [name.partition(":")[0] for name in training.codes] == ["chr2"]
    with pytest.raises(InputError, match="chr7"):
        made.read().split(["chr7"], [], "w.bed")


BAD = {
    "another number of windows": lambda m: setattr(m, "targets", m.targets[1:]),
    "another number of tracks": lambda m: setattr(m, "targets", m.targets[:, :, 1:]),
    "negative": lambda m: setattr(m, "targets", -m.targets),
    "text": lambda m: setattr(m, "targets", m.targets.astype(str)),
    "no sequence": lambda m: m.windows.__setitem__(0, ("chr9", 0, 1024)),
    "before the piece": lambda m: m.windows.__setitem__(0, ("chr1", 0, 1024)),
    "another length": lambda m: m.windows.__setitem__(1, ("chr1", 100500, 101000)),
    "twice": lambda m: m.windows.__setitem__(1, m.windows[0]),
}
SAYS = ["shape", "shape", "negative", "not numbers", "chr9:0-1024", "chr1:0-1024", "as long", "before"]


@pytest.mark.parametrize(("fault", "says"), list(zip(BAD, SAYS, strict=True)))
def test_files_that_do_not_fit_each_other(made, fault, says):
    BAD[fault](made)
    made.write()
    with pytest.raises(InputError, match=says):
        made.read()


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (TABLE.replace("strand_pair", "pair"), "no column 'strand_pair'"),
        (TABLE.replace("CAGE:glia\t2", "CAGE:glia\t3"), "not a row that names it"),
        (TABLE.replace("CAGE:glia\t2", "CAGE:glia\tx"), "not a row that names it"),
        (TABLE.replace("RNA:brain\t0", "RNA:brain\t9"), "not a row that names it"),
        (TABLE.replace("\t", ","), "separated by commas, not as its name says"),
        ("", "is empty"),
    ],
)
def test_tables_of_tracks_that_do_not_do(made, table, says):
    made.write(table)
    with pytest.raises(InputError, match=says):
        made.read()


@pytest.mark.parametrize(("pattern", "says"), [("(", "no regular"), ("none", "keeps no track")])
def test_patterns_that_keep_nothing(made, pattern, says):
    with pytest.raises(InputError, match=says):
        made.read(pattern)


def test_a_pattern_must_keep_both_strands(made):
    made.write(TABLE.replace("cage-\tCAGE:glia", "cage-\tCAGE:other"))
    with pytest.raises(InputError, match="without its other strand"):
        made.read("glia")


def test_windows_longer_than_the_targets_are_refused(made):
    with pytest.raises(InputError, match="needs 1280 bases"):
        TargetWindows(made.read(), EnformerTraining(window=1024, tower_window=256, shift=128))
    with pytest.raises(InputError, match="whole bins"):
        TargetWindows(made.read(), EnformerTraining(window=512, tower_window=256, shift=100))


def test_composition_counts_bases_and_dinucleotides():
    codes = np.array([0, 1, 2, 3, 1, 2, 1, 1, 0, 0, 0, 0, 3, 3, 2, 2])  # ACGT CGCC AAAA TTGG in bins of 4
    found = composition(codes, 4)
    np.testing.assert_allclose(found[:, 0], [0.5, 1.0, 0.0, 0.5])
    np.testing.assert_allclose(found[:, 3], [0.25, 0.25, 0.0, 0.0])


def test_composition_baseline_finds_a_track_made_of_gc_and_no_other(made):
    rng = np.random.default_rng(1)
    bases = {name: np.array(list(text[32:-32])) for name, text in made.sequences.items()}
    gc = np.stack([np.isin(one, ["C", "G"]).reshape(32, 32).mean(axis=1) for one in bases.values()])
    made.targets = np.stack([gc, rng.random(gc.shape), np.ones_like(gc), gc**2], axis=2).astype(np.float16)
    made.write()
    training, held_out = made.read().split(["chr3"], [], "x")
    found = composition_pearson(TargetWindows(training, SETTINGS), TargetWindows(held_out, SETTINGS), 512, 128)
    assert found["gc"][0] > 0.99
    assert found["composition"][0] > 0.95
    assert abs(found["composition"][1]) < 0.9
    assert found["gc"][2] == found["composition"][2] == 0


CONFIG = {
    "model_type": "enformer", "dim": 24, "depth": 1, "heads": 1, "output_heads": {"human": 3}, "target_length": 4,
    "attn_dim_key": 8, "num_downsamples": 7, "dim_divisible_by": 4, "dropout_rate": 0.0, "use_tf_gamma": False,
}  # fmt: skip


def trained(made, *more):
    (made.folder / "c.json").write_text(json.dumps(CONFIG))
    files = made.files
    return run_script(
        "train_enformer", "--fasta", files["fasta"], "--windows", files["windows"], "--targets", files["targets"],
        "--track-table", files["table"], "--track-pattern", "CAGE|DNASE", "--config", made.folder / "c.json",
        "--holdout", "chr3", "--window", 512, "--tower-window", 256, "--shift", 128, "--evaluate-every", 1,
        "--threads", 1, "--no-progress", "--outdir", made.folder / "out", *more,
    )  # fmt: skip


def test_script_trains_on_a_data_set_and_keeps_the_weights_of_the_least_validation_loss(made):
    # A rate that spoils the weights step by step: the best ones are not the last.
    ran = trained(made, "--validation", "chr2", "--steps", 12, "--learning-rate", 0.1, "--patience", 3)
    assert ran.code == 0, ran.err
    card = json.loads((made.folder / "out" / "model_card.json").read_text())
    curve = json.loads((made.folder / "out" / "training_curve.json").read_text())["curve"]
    assert card["tracks"] == ["cage+", "cage-", "dnase"]
    assert card["windows"]["held_out"] == ["chr3:300500-301524"]
    assert card["windows"]["validation"] == ["chr2:200500-201524"]
    assert {name.partition(":")[0] for name in card["windows"]["training"]} == {"chr1"}
    for part in ("tower", "transformer"):
        losses = [row["validation_loss"] for row in curve if row["part"] == part]
        best = int(np.argmin(losses))
        assert card[part]["best_step"] == best + 1
        assert len(losses) <= best + 1 + 3
    assert "heldout_pearson_tss" not in card
    assert len(card["heldout_pearson_bins_natural"]) == len(card["baseline_pearson_bins"]["gc"]) == 3


def test_trained_checkpoint_loads(made, tmp_path):
    assert trained(made, "--steps", 2).code == 0
    registry = tmp_path / "models.yml"
    entry = {"kind": "output", "architecture": "enformer", "context": 512, "window": 512, "tracks": {"dnase": 2}}
    registry.write_text(json.dumps({"models": {"mine": entry}}))
    model = load_model("mine", weights=tmp_path / "out", registry=registry)
    piece = next(iter(made.sequences.values()))
    assert model.tss_tracks(piece[:512]).shape == (1,)


def test_head_starts_at_the_mean_of_each_track(made):
    made.targets[:, :, 3] = 0
    made.write()
    config = made.folder / "c.json"
    config.write_text(json.dumps(CONFIG))
    model, _ = build_enformer(config, 0)
    training = TargetWindows(made.read("^(CAGE|DNASE):"), SETTINGS)
    start_at_means(model, training, 512)
    model._heads["human"][0].weight.data.zero_()
    codes, _ = training.cut("chr2:200500-201524", 0, 512, False)
    predicted = model.eval()(one_hot(codes[None]), head="human").detach().numpy()
    wanted = np.maximum(made.targets[:, :, 1:].astype(float).mean(axis=(0, 1)), 1e-4)
    np.testing.assert_allclose(predicted[0], np.tile(wanted, (4, 1)), rtol=1e-3)


def test_script_wants_one_kind_of_tracks(made):
    ran = trained(made, "--steps", 1, "--tss", made.files["windows"])
    assert ran.code == 2
    assert "either --tracks and --tss, or --windows" in ran.err


def test_config_must_fit_the_tracks_and_the_window(made):
    made.write()
    ran = trained(made, "--steps", 1, "--track-pattern", "")
    assert ran.code == 2
    assert "output_heads.human is 3, and there are 4 tracks; make it 4" in ran.err
    ran = trained(made, "--steps", 1, "--window", 256)
    assert ran.code == 2
    assert "target_length is 4, and a window has 2 bins; make it 2" in ran.err


def test_validation_and_holdout_are_apart(made):
    ran = trained(made, "--steps", 1, "--validation", "chr3")
    assert ran.code == 2
    assert "--validation: shares" in ran.err


def real_files():
    return [TRACKS / "sequences_131072.fa.gz"], *(TRACKS / n for n in ("windows.bed", "targets_f16.npz", "targets.tsv"))


@needs_tracks
def test_real_windows_are_read():
    data = read_target_set(*real_files(), "^DNASE:")
    assert (len(data.codes), len(data.identifiers)) == (45, 10)
    assert {len(codes) for codes in data.codes.values()} == {65_536}
    assert {targets.shape for targets in data.targets.values()} == {(2048, 10)}
    # DNase is open where CpG islands are: the windows are not shifted against their targets.
    gc = np.concatenate([np.isin(codes, (1, 2)).reshape(-1, 32).mean(axis=1) for codes in data.codes.values()])
    signal = np.log1p(np.concatenate(list(data.targets.values())).mean(axis=1))
    there = pearsonr(gc, signal).statistic
    assert there > 0.2
    assert there > pearsonr(np.roll(gc, 64), signal).statistic + 0.05


SHIPPED = default_registry().parent / "models" / "human-mini-enformer"


@pytest.mark.heavy
@needs_tracks
def test_shipped_enformer_reaches_on_left_out_windows_what_its_card_says():
    card = json.loads((SHIPPED / "model_card.json").read_text())
    data = read_target_set(*real_files(), "^(CAGE|DNASE):")
    contigs = dict.fromkeys(name.partition(":")[0] for name in card["windows"]["held_out"])
    others = card["windows"]["training"] + card["windows"]["validation"]
    assert not contigs.keys() & {name.partition(":")[0] for name in others}
    training, held_out = data.split(list(contigs), ["chr2", "chr9"], "windows.bed")
    assert list(held_out.codes) == card["windows"]["held_out"]
    settings = EnformerTraining(window=32_768, tower_window=4_096, shift=16_384)
    windows = TargetWindows(held_out, settings)
    network = load_enformer(read_config(SHIPPED), SHIPPED / "model.safetensors")
    found = evaluate(network, windows, settings, len(windows.sites))
    np.testing.assert_allclose(found["heldout_pearson_bins"], card["heldout_pearson_bins"], atol=1e-3)
    np.testing.assert_allclose(found["heldout_pearson_bins_natural"], card["heldout_pearson_bins_natural"], atol=1e-3)
    # The first track by another road: scipy, over all bins of all left-out windows.
    predicted, target = predict_bins(network, windows, settings.window, len(windows.sites))
    first = pearsonr(predicted[..., 32].ravel(), target[..., 32].ravel()).statistic
    assert first == pytest.approx(card["heldout_pearson_bins_natural"][32], abs=1e-3)
    again = composition_pearson(TargetWindows(training, settings), windows, settings.window, settings.bin)
    np.testing.assert_allclose(again["composition"], card["baseline_pearson_bins"]["composition"], atol=1e-3)
