"""The splice against enformer-pytorch's own forward, wherever an edit lies."""

import json

import numpy as np
import pytest
import torch

from darkregulome.errors import InputError
from darkregulome.models import enformer
from darkregulome.models.enformer import EnformerModel, build_enformer
from darkregulome.models.registry import load_model
from enformers import full_tracks

DOWNSAMPLES, BINS = 4, 40
BIN = 2**DOWNSAMPLES
CONTEXT = BINS * BIN
CONFIG = {
    "dim": 24,
    "depth": 2,
    "heads": 2,
    "attn_dim_key": 4,
    "output_heads": {"human": 5, "mouse": 3},
    "target_length": 20,
    "num_downsamples": DOWNSAMPLES,
    "dim_divisible_by": 4,
}


def random_network(**changes):
    """A network whose every parameter and running mean is random: fresh attention is zero and would hide errors."""
    torch.manual_seed(0)
    network = build_enformer(CONFIG | changes).eval()
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            if name.endswith("running_var"):
                torch.nn.init.uniform_(tensor, 0.5, 2)
            else:
                tensor += 0.2 * torch.randn_like(tensor)
    return network


NETWORK = random_network()


def model_of(network=NETWORK, **changes):
    settings = {"context": CONTEXT, "tracks": {"b": 3, "a": 1}} | changes
    return EnformerModel("small", network, **settings)


def random_sequence(length=CONTEXT, seed=0):
    return "".join(np.random.default_rng(seed).choice(list("ACGTN"), length, p=[0.24, 0.24, 0.24, 0.24, 0.04]))


def edit(sequence, start, end):
    """`sequence` with every base of the interval replaced by another."""
    return sequence[:start] + sequence[start:end].translate(str.maketrans("ACGTN", "CGTAA")) + sequence[end:]


def at_tss(model, sequences):
    """Tracks 3 and 1 of the two bins in the middle, from the whole forward."""
    tracks = full_tracks(model.network, sequences, "human")
    middle = tracks.shape[1] // 2
    return tracks[:, middle - 1 : middle + 1][..., [3, 1]].mean(1)


def test_tracks_at_the_tss_are_those_of_the_whole_forward():
    model, sequence = model_of(), random_sequence()
    assert model.tracks == ("b", "a")
    torch.testing.assert_close(model.tss_tracks(sequence), at_tss(model, [sequence])[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model.tss_tracks(sequence.lower()), model.tss_tracks(sequence))


def test_what_is_kept_in_one_precision_is_not_used_in_another():
    model, sequence = model_of(), random_sequence()
    wanted = model.tss_tracks(sequence)
    model.precision = "bf16"
    rough = model.tss_tracks(sequence)
    model.precision = "fp32"
    assert torch.equal(model.tss_tracks(sequence), wanted)
    assert not torch.allclose(rough, wanted, rtol=1e-4)


@pytest.mark.parametrize("at_once", [1, 7, 16, 40])
def test_blocks_of_queries_give_the_whole_attention(monkeypatch, at_once):
    monkeypatch.setattr(enformer, "QUERIES_AT_ONCE", at_once)
    model, sequences = model_of(), [random_sequence(seed=seed) for seed in (1, 2, 3)]
    found = model._after_tower(model.conv_tower(sequences))
    torch.testing.assert_close(found, at_tss(model, sequences), rtol=1e-5, atol=1e-5)


def test_attention_of_all_heads_at_once_is_that_of_each():
    rng = torch.Generator().manual_seed(0)
    content, position, key = (torch.randn(2, 3, 9, 4, generator=rng) for _ in range(3))
    value, relative = torch.randn(2, 3, 9, 5, generator=rng), torch.randn(3, 17, 4, generator=rng)
    with torch.inference_mode():
        at_once = enformer._attend_block(content, position, key, value.transpose(2, 3), relative, 0)
        torch.testing.assert_close(enformer._attend_all(content, position, key, value, relative), at_once)


@pytest.mark.parametrize("length", [1, 16, 50, 300, CONTEXT])
def test_splice_equals_the_whole_forward_everywhere(length):
    model, sequence = model_of(), random_sequence()
    state = model.reference_state(sequence)
    starts = {0, 1, CONTEXT - length, CONTEXT // 2, 15, 16, 17, CONTEXT - length - 1, 5 * BIN - length // 2}
    spans = [(start, start + length) for start in sorted(starts) if 0 <= start <= CONTEXT - length]
    edited = [edit(sequence, *span) for span in spans]
    found = model.edited_tss_tracks(state, edited, spans)
    torch.testing.assert_close(found, at_tss(model, edited), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("length", [1, 100])
def test_spliced_tower_is_exact_in_float64(length):
    network = random_network().double()
    model, sequence = model_of(network), random_sequence()
    tower = model.reference_state(sequence).tower
    starts = [0, 7 * BIN - 1, 300, CONTEXT - length]
    spans = [(start, start + length) for start in starts]
    edited = [edit(sequence, *span) for span in spans]
    torch.testing.assert_close(model._splice(tower, edited, spans), model.conv_tower(edited), rtol=0, atol=1e-9)


def test_edits_of_different_lengths_share_a_batch():
    model, sequence = model_of(), random_sequence()
    spans = [(0, 1), (300, 420), (CONTEXT - 1, CONTEXT), (200, 200)]
    edited = [edit(sequence, *span) for span in spans]
    found = model.edited_tss_tracks(model.reference_state(sequence), edited, spans)
    torch.testing.assert_close(found, at_tss(model, edited), rtol=1e-5, atol=1e-5)


def test_no_bin_outside_of_the_reach_changes_and_the_reach_is_no_wider_than_needed():
    model, sequence = model_of(), random_sequence().replace("N", "A")
    reference = model.conv_tower([sequence])[0]
    reached = []
    for position in range(10 * BIN, 11 * BIN):
        changed = (model.conv_tower([edit(sequence, position, position + 1)])[0] != reference).any(-1).nonzero()
        low, high = model.changed_bins((position, position + 1))
        assert low <= changed.min()
        assert changed.max() < high
        reached.append((low == changed.min(), high == changed.max() + 1))
    assert np.mean(reached) > 0.8


@pytest.mark.parametrize("bins", [21, 40])
def test_centre_of_odd_and_even_windows(bins):
    model = model_of(context=bins * BIN)
    assert model.tss_bins == ([10] if bins == 21 else [19, 20])
    sequence = random_sequence(bins * BIN)
    whole = full_tracks(build_whole(), [sequence], "human")[0, model.tss_bins][:, [3, 1]].mean(0)
    torch.testing.assert_close(model.tss_tracks(sequence), whole, rtol=1e-5, atol=1e-5)


def build_whole():
    """The same weights without the final crop, so that a bin's index is its place in the window."""
    network = build_enformer(CONFIG | {"target_length": -1}).eval()
    network.load_state_dict(NETWORK.state_dict())
    return network


def test_other_head_is_read_by_its_own_tracks():
    model, sequence = model_of(head="mouse", tracks={"x": 2}), random_sequence()
    wanted = full_tracks(NETWORK, [sequence], "mouse")[0, 9:11, 2].mean()
    torch.testing.assert_close(model.tss_tracks(sequence)[0], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"context": CONTEXT + 1}, "not a whole number of 16-base bins"),
        ({"context": 16 * BIN}, "at least 20 of them"),
        ({"head": "rat"}, "no head 'rat'"),
        ({"tracks": {"a": 0, "far": 5}}, r"has 5 tracks in head 'human', and no far \(5\)"),
        ({"tracks": {}}, "has no track"),
    ],
)
def test_settings_that_do_not_fit_are_told(changes, told):
    with pytest.raises(InputError, match=told):
        model_of(**changes)


def test_tensorflow_gammas_are_used_only_where_they_fit():
    assert build_enformer(CONFIG | {"use_tf_gamma": True}).transformer[0][0].fn[1].use_tf_gamma
    assert not build_enformer(CONFIG).transformer[0][0].fn[1].use_tf_gamma
    official_head = CONFIG | {"output_heads": {"human": 5313}}
    assert build_enformer(official_head).transformer[0][0].fn[1].use_tf_gamma
    assert not build_enformer(official_head, use_tf_gamma=False).transformer[0][0].fn[1].use_tf_gamma
    with pytest.raises(InputError, match="1536 bins, not 40"):
        model_of(random_network(use_tf_gamma=True))


def test_window_of_another_length_is_refused():
    with pytest.raises(ValueError, match="reads 640 bases, not 10"):
        model_of().tss_tracks("ACGTACGTAC")


@pytest.mark.parametrize("changes", [{"heads": 0}, {"heads": 5}, {"dim": "x"}, {"attn_dim_key": 0}])
def test_a_config_of_no_network_is_one_sentence(tmp_path, changes):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"model_type": "enformer"} | changes))
    with pytest.raises(InputError, match=r"config.json: describes no network that can be built"):
        load_model("mine", weights=tmp_path)
