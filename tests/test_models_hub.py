"""Weights from a hub on localhost: fetched at a commit, without code, resumed, verified, and read without a network."""

import hashlib
import json
import time

import pytest

from darkregulome.errors import InputError
from darkregulome.models import hub
from darkregulome.models.registry import ModelEntry, load_model
from fake_hub import REPO, REVISION, FakeHub, serve
from places import GOLDEN
from script_runner import run_script

ENTRY = {"kind": "masked", "architecture": "caduceus", "repo": REPO, "revision": REVISION}


@pytest.fixture
def remote():
    files = {name: (GOLDEN / "caduceus_ph" / name).read_bytes() for name in ("config.json", "model.safetensors")}
    files |= {"pytorch_model.bin": b"another copy", "modeling_caduceus.py": b"import os", "vocab.txt": b"A"}
    with serve(FakeHub(files)) as found:
        yield found


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """The client waits longer and longer between its tries."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def entry(**changes):
    return ModelEntry.model_validate(ENTRY | changes)


def fetch(remote, cache, **changes):
    options = {name: changes.pop(name) for name in ("offline", "timeout") if name in changes}
    return hub.fetch(entry(**changes), cache, endpoint=remote.endpoint, **options)


def told(remote, cache, **changes):
    with pytest.raises(InputError) as raised:
        fetch(remote, cache, **changes)
    (problem,) = raised.value.problems
    return str(problem)


def test_data_is_fetched_and_code_is_not(remote, tmp_path):
    folder = fetch(remote, tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert load_model("mine", weights=folder).kind == "masked"


def test_files_that_the_architecture_names_come_too(remote, tmp_path):
    names = {path.name for path in fetch(remote, tmp_path, architecture="bert").iterdir()}
    assert names == {"config.json", "model.safetensors", "vocab.txt"}


def test_nothing_is_fetched_twice(remote, tmp_path):
    fetch(remote, tmp_path)
    asked = list(remote.asked)
    fetch(remote, tmp_path)
    assert remote.asked == asked


def test_interrupted_download_goes_on_where_it_stopped(remote, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    remote.cut["model.safetensors"] = 5000
    folder = fetch(remote, tmp_path)
    assert (folder / "model.safetensors").read_bytes() == remote.files["model.safetensors"]
    assert [asked for name, asked in remote.asked if name == "model.safetensors"] == [None, "bytes=5000-"]


def test_hung_download_is_given_up_in_one_sentence(remote, tmp_path):
    remote.stall["model.safetensors"] = 100
    message = told(remote, tmp_path, timeout=0.2)
    # The hub itself hangs up sooner than the client's own limit is over: without ours no time would run out.
    assert "timed out" in message
    assert message.startswith(f"{REPO}@{REVISION[:12]}: could not be fetched (")
    assert "\n" not in message


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_file_that_is_not_what_the_hub_says_is_refused_and_fetched_anew(remote, tmp_path, name):
    content = remote.files[name]
    remote.served[name] = bytes([content[0] ^ 1]) + content[1:]
    assert name in told(remote, tmp_path)
    del remote.served[name]
    assert (fetch(remote, tmp_path) / name).read_bytes() == content


def test_checksum_of_the_registry_is_verified(remote, tmp_path):
    right = hashlib.sha256(remote.files["model.safetensors"]).hexdigest()
    fetch(remote, tmp_path, sha256=right)
    assert "is expected by the registry" in told(remote, tmp_path, sha256="0" * 64)


def test_cache_serves_without_a_network(remote, tmp_path):
    first = fetch(remote, tmp_path)
    remote.endpoint = "http://127.0.0.1:9"  # nobody listens there
    assert fetch(remote, tmp_path) == first
    assert fetch(remote, tmp_path, offline=True) == first
    (first / "model.safetensors").resolve().write_bytes(b"spoiled")
    assert "model.safetensors has SHA-256" in told(remote, tmp_path, offline=True)


def test_empty_cache_without_a_network_is_told(remote, tmp_path):
    assert "could not be fetched" in told(remote, tmp_path, offline=True)
    remote.endpoint = "http://127.0.0.1:9"
    assert "could not be fetched" in told(remote, tmp_path)


def test_commit_that_is_not_there_is_told(remote, tmp_path):
    assert "could not be fetched" in told(remote, tmp_path, revision="f" * 40)


def test_client_keeps_its_own_limits_afterwards(remote, tmp_path):
    from huggingface_hub import constants

    before = constants.HF_HUB_DOWNLOAD_TIMEOUT, constants.HF_HUB_DISABLE_XET
    fetch(remote, tmp_path, timeout=7)
    assert before == (constants.HF_HUB_DOWNLOAD_TIMEOUT, constants.HF_HUB_DISABLE_XET)


# The script ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def scripted(remote, tmp_path, monkeypatch):
    """Runs fetch_weights.py against the hub."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", remote.endpoint)
    monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", remote.endpoint, raising=False)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        remote.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )
    path = tmp_path / "models.yml"

    def run(*flags, models="mine", **entries):
        path.write_text(json.dumps({"models": entries or {"mine": ENTRY}}))
        options = {"models": models, "registry": path, "outdir": tmp_path / "weights", "cache": tmp_path / "cache"}
        return run_script("fetch_weights", "--no-progress", *flags, **options)

    return run


def test_script_makes_a_folder_that_loads(scripted, remote, tmp_path):
    assert scripted().code == 0
    folder = tmp_path / "weights" / "mine"
    assert load_model("mine", weights=folder).name == "mine"
    manifest = json.loads((folder / "fetched.json").read_text())
    assert (manifest["repo"], manifest["revision"]) == (REPO, REVISION)
    weights = remote.files["model.safetensors"]
    assert manifest["files"]["model.safetensors"] == {
        "size": len(weights),
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    asked = len(remote.asked)
    again = scripted()
    assert "is complete" in again.err
    assert len(remote.asked) == asked


def test_folder_that_has_changed_is_not_used(scripted, tmp_path):
    scripted()
    weights = tmp_path / "weights" / "mine" / "model.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(content[:-1])
    with pytest.raises(InputError, match=r"has \d+ bytes where it had \d+; fetch the weights again"):
        load_model("mine", weights=weights.parent)
    weights.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert "has SHA-256" in str(hub.verify_folder(weights.parent)[0])
    assert scripted("--offline").code == 0
    assert weights.read_bytes() == content


def test_weights_that_do_not_fit_their_config_are_told(scripted, remote, tmp_path):
    fields = json.loads(remote.files["config.json"])
    remote.files["config.json"] = json.dumps(fields | {"d_model": 8}).encode()
    done = scripted()
    assert done.code == 2
    assert "tensors of another shape" in done.err
    assert not (tmp_path / "weights" / "mine" / "fetched.json").exists()


def test_all_models_that_cannot_be_fetched_are_told_at_once(scripted):
    floating, bare = ENTRY | {"revision": None}, {"kind": "output", "architecture": "xpresso"}
    done = scripted(models="floating,bare,none", floating=floating, bare=bare)
    assert done.code == 2
    assert done.err.count("error:") == 3
    assert "has no pinned revision" in done.err
    assert "comes without weights" in done.err
