"""Names, devices and precisions: what they become, and what is said when they become nothing."""

import sys

import pytest
import torch
import yaml

from darkregulome import models
from darkregulome.errors import InputError
from darkregulome.models import registry
from darkregulome.models.architecture import architecture_names, architecture_of_type, find_architecture
from darkregulome.models.protocol import LanguageModel, OutputModel
from darkregulome.models.registry import load_model, model_problems, read_registry
from places import GOLDEN

ENTRIES = read_registry()
SHIPPED = [name for name, entry in ENTRIES.items() if entry.weights is not None]
LETTERS = {"kind": "masked", "architecture": "caduceus"}


@pytest.fixture
def write_registry(tmp_path):
    def write(**models):
        path = tmp_path / "models.yml"
        path.write_text(yaml.safe_dump({"models": models}))
        return path

    return write


def told(*args, **kwargs):
    with pytest.raises(InputError) as raised:
        load_model(*args, **kwargs)
    return str(raised.value)


def test_every_entry_is_complete():
    assert {"demo-caduceus", "demo-hyena", "demo-enformer", "xpresso-k562", "enformer-official"} <= ENTRIES.keys()
    for name, entry in ENTRIES.items():
        assert entry.kind == find_architecture(entry.architecture).kind, name
        assert entry.readout == {"masked": "llr", "causal": "loglik", "output": "track"}[entry.kind], name
        assert entry.window <= entry.context, name
        assert entry.licence or entry.source, name


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_model_loads(name):
    if not (registry.default_registry().parent / "models" / ENTRIES[name].weights / "model.safetensors").exists():
        pytest.skip(f"{name} has not been trained in this checkout")
    model = load_model(name)
    assert model.name == name
    assert model.context == ENTRIES[name].context
    assert isinstance(model, OutputModel if model.kind == "output" else LanguageModel)


def test_entry_reads_its_folder_beside_the_registry(write_registry):
    path = write_registry(mine={**LETTERS, "weights": "mine", "context": 64})
    assert "models/mine: does not exist" in told("mine", registry=path)
    (path.parent / "models").mkdir()
    (path.parent / "models" / "mine").symlink_to(GOLDEN / "caduceus_ps")
    model = load_model("mine", registry=path)
    assert (model.kind, model.context, model.equivariant, model.revision) == ("masked", 64, True, None)


NEW_ARCHITECTURE = """
from types import SimpleNamespace

from darkregulome.models.architecture import Architecture, ModelSize

ARCHITECTURE = Architecture(
    "causal",
    lambda checkpoint: SimpleNamespace(name=checkpoint.name, context=checkpoint.entry.context, **checkpoint.settings),
    ModelSize(1, 1, 1),
    model_types=("uniform",),
)
"""


def test_new_architecture_needs_one_file_and_one_entry(write_registry, tmp_path, monkeypatch):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "uniform.py").write_text(NEW_ARCHITECTURE)
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path / "plugins")])
    monkeypatch.delitem(sys.modules, "darkregulome.models.uniform", raising=False)
    path = write_registry(mine={"kind": "causal", "architecture": "uniform", "context": 77})
    model = load_model("mine", weights=tmp_path, registry=path)
    assert (model.name, model.context, model.precision) == ("mine", 77, "fp32")
    (tmp_path / "config.json").write_text('{"model_type": "uniform"}')
    assert load_model("by-its-folder", weights=tmp_path).context is None


def test_entry_of_another_kind_than_its_architecture_is_refused(write_registry):
    path = write_registry(mine={"kind": "causal", "architecture": "caduceus"})
    assert "is 'causal', but caduceus is 'masked'" in told("mine", weights=GOLDEN / "caduceus_ph", registry=path)


def test_every_architecture_declares_itself():
    names = architecture_names()
    assert {"caduceus", "hyenadna", "enformer", "xpresso", "gpn"} <= set(names)
    types = [known for name in names for known in find_architecture(name).model_types]
    assert len(types) == len(set(types))
    for name in names:
        for known in find_architecture(name).model_types:
            assert architecture_of_type(known) == name
    assert architecture_of_type("gpt2") is None


def test_misspelt_architecture_is_answered_with_the_nearest(write_registry):
    assert "no such architecture, did you mean 'caduceus'" in told(
        "a", registry=write_registry(a=LETTERS | {"architecture": "caducus"})
    )


def test_registry_of_the_environment_is_used(write_registry, monkeypatch):
    monkeypatch.setenv(registry.REGISTRY_VARIABLE, str(write_registry(other=LETTERS)))
    assert list(read_registry()) == ["other"]


def test_folder_speaks_for_itself_under_an_unknown_name():
    model = load_model("whatever", weights=GOLDEN / "hyenadna")
    assert (model.name, model.kind, model.context) == ("whatever", "causal", 258)


def test_folder_of_another_architecture_is_refused():
    message = told("demo-caduceus", weights=GOLDEN / "hyenadna")
    assert "config.json.model_type: input should be 'caduceus' (found 'hyenadna')" in message


def test_unknown_name_is_answered_with_the_nearest():
    assert "did you mean 'demo-caduceus'" in told("demo-caducus")
    assert "--weights DIR" in told("zzz")


def test_model_without_weights_asks_for_them():
    assert "give --weights DIR" in told("xpresso-k562")
    message = told("caduceus-ph-131k")
    assert "no pinned revision of kuleshov-group/caduceus-ph_seqlen-131k_d_model-256_n_layer-16" in message
    assert "revision" in message


def test_all_problems_of_a_registry_are_told_at_once(write_registry):
    path = write_registry(
        a={**LETTERS, "revision": "main"}, b={"kind": "masked", "architecture": "lstm"}, c={**LETTERS, "windw": 3}
    )
    with pytest.raises(InputError) as raised:
        read_registry(path)
    assert [problem.where.split(": ")[1] for problem in raised.value.problems] == [
        "a.revision",
        "b.architecture",
        "c.windw",
    ]


@pytest.mark.parametrize("content", ["models: [", "just text", "models: 3"])
def test_file_that_is_no_registry(tmp_path, content):
    (tmp_path / "models.yml").write_text(content)
    with pytest.raises(InputError, match=r"models\.yml"):
        read_registry(tmp_path / "models.yml")


def test_missing_registry(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_registry(tmp_path / "none.yml")


def test_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device in ("cuda", "cuda:3"):
        assert f"'{device}' was asked for, but 0 CUDA devices" in told("m", weights=GOLDEN / "hyenadna", device=device)
    assert load_model("m", weights=GOLDEN / "hyenadna", device="auto").device.type == "cpu"


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:0", ""])
def test_unknown_device(device):
    assert "is no device" in told("m", weights=GOLDEN / "hyenadna", device=device)


def test_unknown_precision():
    assert "'fp8' is no precision" in told("m", weights=GOLDEN / "hyenadna", precision="fp8")


def test_model_problems_lists_instead_of_raising(tmp_path):
    assert model_problems("m", GOLDEN / "hyenadna") == []
    (problem,) = model_problems("m", tmp_path / "none")
    assert problem.where.endswith("none")
