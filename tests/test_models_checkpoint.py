"""Checkpoint folders: what is written is the official format, and what does not fit is told in one sentence."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from darkregulome.errors import InputError
from darkregulome.models import letters
from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM
from darkregulome.models.checkpoint import load_weights, read_config, save_checkpoint
from darkregulome.models.hyenadna import HyenaConfig, HyenaDNAForCausalLM
from darkregulome.models.registry import load_model
from places import GOLDEN

SMALL = {"d_model": 16, "n_layer": 2, "ssm_cfg": {"d_state": 4}}


def small_network(kind):
    torch.manual_seed(0)
    if kind == "hyena":
        config = HyenaConfig(d_model=16, n_layer=2, max_seq_len=66, filter_order=8)
        return HyenaDNAForCausalLM(config), config
    config = CaduceusConfig(**SMALL, rcps=kind == "ps")
    return CaduceusForMaskedLM(config), config


@pytest.fixture
def saved(tmp_path):
    network, config = small_network("ph")
    save_checkpoint(network, config, tmp_path / "model", {"command": "made by a test"})
    return tmp_path / "model"


def change_weights(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize("kind", ["ph", "ps", "hyena"])
def test_saved_checkpoint_loads_as_the_same_function(tmp_path, kind):
    network, config = small_network(kind)
    save_checkpoint(network, config, tmp_path / "model")
    model = load_model("mine", weights=tmp_path / "model")
    tokens = letters.CHARACTERS.tokenize(["ACGTTGCAAC"])
    with torch.inference_mode():
        torch.testing.assert_close(model.network(tokens), network.eval()(tokens))


@pytest.mark.parametrize("case", ["caduceus_ph", "caduceus_ps", "caduceus_ps_unfused", "hyenadna"])
def test_saved_names_and_config_are_the_official_ones(tmp_path, case):
    fields = read_config(GOLDEN / case)
    hyena = fields["model_type"] == "hyenadna"
    config = HyenaConfig(**fields) if hyena else CaduceusConfig(**fields)
    network = HyenaDNAForCausalLM(config) if hyena else CaduceusForMaskedLM(config)
    load_weights(network, GOLDEN / case / "model.safetensors")
    save_checkpoint(network, config, tmp_path / "again")
    official, again = (load_file(folder / "model.safetensors") for folder in (GOLDEN / case, tmp_path / "again"))
    assert official.keys() == again.keys()
    assert all(torch.equal(official[name], again[name]) for name in official)
    written = json.loads((tmp_path / "again" / "config.json").read_text())
    assert {name: value for name, value in fields.items() if name in written} == written


def test_small_enformer_is_saved_and_loaded(tmp_path):
    from darkregulome.models.enformer import build_enformer
    from enformers import full_tracks

    network = build_enformer(json.loads((GOLDEN / "enformer" / "config.json").read_text())).eval()
    save_checkpoint(network, network.config, tmp_path / "model", {"tracks": [f"track{i}.bw" for i in range(12)]})
    assert not any(name.startswith("_trunk") for name in load_file(tmp_path / "model" / "model.safetensors"))
    model = load_model("mine", weights=tmp_path / "model")
    assert model.context == 16 * 128
    assert model.tracks == tuple(f"track{i}" for i in range(12))
    sequence = "ACGTTGCA" * 256
    wanted = full_tracks(network, [sequence], "human")[0, 7:9].mean(0)
    torch.testing.assert_close(model.tss_tracks(sequence), wanted, rtol=1e-5, atol=1e-5)


def test_complement_map_is_read_by_key_not_by_order(tmp_path):
    fields = read_config(GOLDEN / "caduceus_ps")
    shuffled = dict(sorted(fields["complement_map"].items()))  # as strings: 0, 1, 10, 11, ...
    assert list(shuffled) != list(fields["complement_map"])
    assert CaduceusConfig(**(fields | {"complement_map": shuffled})) == CaduceusConfig(**fields)


def test_pytorch_weights_load_too(saved):
    torch.save(load_file(saved / "model.safetensors"), saved / "pytorch_model.bin")
    (saved / "model.safetensors").unlink()
    load_model("mine", weights=saved)


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_weights_in_several_files_load_too(saved, kind):
    name = "model.safetensors" if kind == "safetensors" else "pytorch_model.bin"
    tensors = load_file(saved / "model.safetensors")
    (saved / "model.safetensors").unlink()
    parts = {f"{number}-{name}": dict(list(tensors.items())[number::2]) for number in range(2)}
    for part, some in parts.items():
        save_file(some, saved / part) if kind == "safetensors" else torch.save(some, saved / part)
    weight_map = {key: part for part, some in parts.items() for key in some}
    (saved / f"{name}.index.json").write_text(json.dumps({"weight_map": weight_map}))
    load_model("mine", weights=saved)
    (saved / f"1-{name}").unlink()
    with pytest.raises(InputError, match=rf"1-{name}: does not exist"):
        load_model("mine", weights=saved)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_saved_in_another_precision_are_read_as_they_are(saved, dtype):
    wanted = load_model("mine", weights=saved).network.state_dict()
    change_weights(saved, lambda tensors: tensors.update({name: x.to(dtype) for name, x in tensors.items()}))
    for name, found in load_model("mine", weights=saved).network.state_dict().items():
        assert torch.equal(found, wanted[name].to(dtype).to(wanted[name].dtype)), name


def test_the_published_vocabulary_beside_the_weights_is_welcome(saved):
    tokens = ["[CLS]", "[SEP]", "[BOS]", "[MASK]", "[PAD]", "[RESERVED]", "[UNK]", *"ACGTN"]
    (saved / "vocab.txt").write_text("\n".join(tokens))
    load_model("mine", weights=saved)


def test_misfit_is_one_problem_that_names_keys_and_shapes(saved):
    def spoil(tensors):
        tensors["caduceus.backbone.norm_f.weight"] = torch.ones(17)
        del tensors["caduceus.backbone.layers.0.mixer.mamba_fwd.D"]
        tensors["caduceus.backbone.extra"] = torch.ones(2)

    change_weights(saved, spoil)
    with pytest.raises(InputError) as raised:
        load_model("mine", weights=saved)
    (problem,) = raised.value.problems
    for expected in (
        "model.safetensors",
        "lacks 1 of the model's tensors",
        "layers.0.mixer.mamba_fwd.D (32,)",
        "extra (2,)",
        "norm_f.weight is (17,) where the model has (16,)",
    ):
        assert expected in str(problem)


def test_alias_in_the_file_is_welcome_if_it_says_the_same(saved):
    embedding = "caduceus.backbone.embeddings.word_embeddings.weight"
    change_weights(saved, lambda tensors: tensors.update({"lm_head.weight": tensors[embedding].clone()}))
    load_model("mine", weights=saved)
    change_weights(saved, lambda tensors: tensors.update({"lm_head.weight": tensors[embedding] + 1}))
    with pytest.raises(InputError, match=r"lm_head.weight differs from .*word_embeddings.weight"):
        load_model("mine", weights=saved)


def cut_short(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def hold_code(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"a": Path("/")}, folder / "pytorch_model.bin")


def be_a_pointer(folder):
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")


def have_an_index(weight_map):
    def spoil(folder):
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))

    return spoil


def hold_integers(folder):
    def quantise(tensors):
        name = "caduceus.backbone.norm_f.weight"
        tensors[name] = tensors[name].to(torch.int8)

    change_weights(folder, quantise)


def number_the_tokens_otherwise(folder):
    (folder / "vocab.txt").write_text("\n".join(["[CLS]", "[MASK]", "A", "C", "G", "T", "N"]))


def have_tokens_of_several_letters(folder):
    (folder / "vocab.json").write_text(json.dumps({"[MASK]": 3, "GATTACA": 7}))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "config.json").unlink(), r"config.json: does not exist"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config.json:1: is not JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), r"config.json: holds a JSON list, not an object"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "gpt2"}'), r"`model_type` is 'gpt2'"),
        (
            lambda folder: (folder / "config.json").write_text('{"model_type": "caduceus", "d_model": -1}'),
            r"config.json.d_model: .*greater than 0",
        ),
        (lambda folder: (folder / "model.safetensors").unlink(), r"holds none of model.safetensors"),
        (cut_short, r"model.safetensors: cannot be read as tensors"),
        (hold_code, r"pytorch_model.bin: holds more than tensors"),
        (be_a_pointer, r"model.safetensors: is a pointer of git-lfs .*git lfs pull"),
        (have_an_index([]), r"index.json: has no `weight_map`"),
        (have_an_index({"a": 1}), r"index.json: has no `weight_map`"),
        (hold_integers, r"model.safetensors: caduceus.backbone.norm_f.weight holds int8, not floating-point numbers"),
        (number_the_tokens_otherwise, r"A is 2, C is 3, G is 4, T is 5, \[MASK\] is 1\) than .* \(A is 7, C is 8"),
        (have_tokens_of_several_letters, r"has a vocabulary without A, C, G and T"),
    ],
)
def test_broken_folder_is_told_in_one_sentence(saved, spoil, told):
    spoil(saved)
    with pytest.raises(InputError) as raised:
        load_model("mine", weights=saved)
    assert len(raised.value.problems) == 1
    assert re.search(told, str(raised.value))


def test_failed_save_leaves_nothing(tmp_path):
    network, config = small_network("ph")
    with pytest.raises(TypeError):
        save_checkpoint(network, config, tmp_path / "model", {("not", "json"): 1})
    assert list(tmp_path.iterdir()) == []
