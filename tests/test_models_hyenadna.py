"""Suffix reuse of HyenaDNA against the plain full forward."""

import json

import numpy as np
import pytest
import torch

from darkregulome.errors import InputError
from darkregulome.models import letters
from darkregulome.models.checkpoint import save_checkpoint
from darkregulome.models.hyenadna import HyenaConfig, HyenaDNAForCausalLM, fast_length
from darkregulome.models.language import LetterLanguageModel, _begin
from darkregulome.models.protocol import PrefixReuse
from darkregulome.models.registry import load_model


def network(length, seed=0, **changes):
    """Wide random weights, so that an edit is felt at every later position."""
    torch.manual_seed(seed)
    settings = {"d_model": 12, "n_layer": 3, "max_seq_len": length, "filter_order": 8, "activation_freq": 10} | changes
    made = HyenaDNAForCausalLM(HyenaConfig(**settings))
    for name, parameter in made.named_parameters():
        if name.endswith("weight") and parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def relative(found, expected):
    return ((found - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("changes", [{}, {"hyena_order": 3}])
@pytest.mark.parametrize(("length", "first"), [(64, 0), (64, 1), (61, 2), (64, 37), (64, 63), (1, 0), (130, 70)])
def test_the_end_of_an_edited_window_equals_the_full_forward(length, first, changes):
    model = network(length, first, **changes)
    generator = torch.Generator().manual_seed(length + first)
    reference = torch.randint(7, 12, (3, length), generator=generator)
    rows = torch.tensor([2, 0, 0, 1, 2])
    edited = reference[rows]
    # Each is edited somewhere at or after `first`, the last one from there to the end.
    for row in range(5):
        start = first + int(torch.randint(0, length - first, (), generator=generator))
        stop = length if row == 4 else min(length, start + 1 + 3 * row)
        edited[row, (first if row == 4 else start) : stop] = torch.randint(7, 12, (1,), generator=generator)
    with torch.inference_mode():
        logits, memory = model.remember(reference, first)
        assert relative(logits, model(reference)) < 1e-6
        found = model.edited(memory, rows, edited[:, first:])
        expected = model(edited)
        before = model(reference)[rows, first:]
    assert found.shape == (5, length - first, 16)
    assert relative(found, expected[:, first:]) < 1e-5
    if length > 1:
        assert relative(before, expected[:, first:]) > 1e-3


@pytest.mark.parametrize("first", [20, 41, 57])
def test_one_memory_serves_edits_that_begin_later(first):
    model = network(58)
    reference = torch.randint(7, 11, (2, 58), generator=torch.Generator().manual_seed(1))
    edited = reference.clone()
    edited[:, first:] = torch.randint(7, 11, (2, 58 - first), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        memory = model.remember(reference, 20)[1]
        found = model.edited(memory, torch.arange(2), edited[:, first:])
        assert relative(found, model(edited)[:, first:]) < 1e-5
        with pytest.raises(ValueError, match="before what is remembered"):
            model.edited(memory, torch.arange(2), edited[:, 19:])


def test_edited_log_probs_equal_log_probs_of_the_edited_window():
    model = LetterLanguageModel("hyena", network(66), kind="causal", context=66, alphabet=letters.CHARACTERS)
    assert isinstance(model, PrefixReuse)
    assert model.reuses_prefix
    reference = model.encode(["ACGTTGCATTAGGCCATACCGATTACAGATTTACGGANNACGTAC"])
    edited = reference.repeat(3, 1)
    edited[0, 30] = 7
    edited[1, 31:35] = 9
    edited[2, -1] = 8
    state = model.reference_state(reference, 28)
    torch.testing.assert_close(state.log_probs, model.log_probs(reference), rtol=1e-5, atol=1e-6)
    found = model.edited_log_probs(state, torch.zeros(3, dtype=torch.long), edited, 29)
    torch.testing.assert_close(found, model.log_probs(edited)[:, 29:], rtol=1e-5, atol=1e-5)


def test_what_is_remembered_does_not_grow_with_what_comes_before_the_edits():
    model = network(512)
    reference = torch.randint(7, 11, (1, 512))
    with torch.inference_mode():
        sizes = [
            sum(block.x.numel() + sum(p.v.numel() + p.y.numel() for p in block.passages) for block in memory.blocks)
            for memory in (model.remember(reference, first)[1] for first in (0, 480))
        ]
    assert sizes[1] < sizes[0] / 14


@pytest.mark.parametrize("length", [1, 2, 3, 5, 127, 128, 129, 1000, 16_384, 160_001])
def test_fast_lengths_are_not_shorter_and_a_quarter_longer_at_most(length):
    fast = fast_length(length)
    assert length <= fast <= 1.25 * length + 1
    while fast % 2 == 0:
        fast //= 2
    assert fast in (1, 3, 5, 7)


def test_only_a_few_transforms_of_the_filters_are_kept():
    model = network(200)
    with torch.inference_mode():
        for length in range(1, 200, 7):
            model(torch.full((1, length), 7))
    assert 1 <= len(model.hyena.backbone.layers[0].mixer.filter_fn._spectra) <= 4


@pytest.mark.parametrize(
    ("field", "value"), [("short_filter_order", 4), ("use_bias", False), ("layer_norm_epsilon", 1e-12), ("emb_dim", 4)]
)
def test_fields_that_the_official_code_reads_otherwise_are_refused(tmp_path, field, value):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "hyenadna", field: value}))
    with pytest.raises(InputError, match=rf"config.json: .*{field}.*use a checkpoint that is supported"):
        load_model("mine", weights=tmp_path)


def test_n_is_a_letter_in_a_published_checkpoint_and_padding_in_one_trained_here(tmp_path):
    config = HyenaConfig(d_model=4, n_layer=1, max_seq_len=16, filter_order=4)
    for place, card, token in (("theirs", None, letters.N), ("ours", {"window": 8}, letters.PAD)):
        save_checkpoint(HyenaDNAForCausalLM(config), config, tmp_path / place, card)
        assert load_model("mine", weights=tmp_path / place).encode(["N"]).item() == token


def test_edits_of_a_long_window_begin_at_few_places_and_little_before_them():
    for length in (1, 70, 1000, 131_072):
        firsts = np.arange(length + 1)
        starts = np.array([_begin(int(first), length) for first in firsts])
        assert (starts <= firsts).all()
        assert (firsts - starts <= (length - firsts) / 64).all()
        assert (np.diff(starts) >= 0).all()
        assert len(np.unique(starts)) <= 64 * (2 + max(0, np.log2(length / 64)))
    assert len({_begin(first, 131_072) for first in range(64_536, 66_536)}) <= 4
