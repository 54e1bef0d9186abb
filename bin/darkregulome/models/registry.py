"""Models by name: `assets/models.yml`, and how a name becomes a model that the engine can ask."""

import difflib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from darkregulome.errors import InputError, Problem
from darkregulome.models.checkpoint import find_weights, load_weights, read_card, read_config
from darkregulome.models.numerics import check_precision, resolve_device
from darkregulome.models.protocol import LanguageModel, OutputModel

REGISTRY_VARIABLE = "DARKREGULOME_MODELS"
"""Environment variable with the path of another registry."""

HUB_FILES = ("config.json", "*.safetensors", "pytorch_model.bin")
"""What is fetched from the hub: data only, never code."""

CONTEXT_OF_CADUCEUS = 131_072
"""Longest window of the published Caduceus checkpoints; the architecture itself has no limit."""

ARCHITECTURE_OF_TYPE = {"caduceus": "caduceus", "hyenadna": "hyenadna", "enformer": "enformer"}
"""`model_type` of an official config.json -> architecture."""

KIND_OF_ARCHITECTURE = {"caduceus": "masked", "hyenadna": "causal", "enformer": "output", "xpresso": "output"}


class ModelEntry(BaseModel):
    """One model of the registry.

    Attributes
    ----------
    weights : checkpoint folder, relative to ``models/`` beside the registry; without it and `repo`, ``--weights``
        must be given.
    repo, revision : hub repository, and the commit to take from it.
    file : name of the file of weights, for an architecture whose folder holds several models.
    context : longest window in bases; of an output model the exact one.
    window : window used for scoring, if shorter.
    sites : sites substituted in an element, unless told otherwise. A causal model tries one base at a site and reads
        it in a whole window, so it needs more of them than a masked model, which tries three.
    tracks : tracks of an output model: name -> index in its head.
    n_reads_as : token of N: ``pad`` where training replaced N by PAD, ``n`` where it kept it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["masked", "causal", "output"]
    architecture: Literal["caduceus", "hyenadna", "enformer", "xpresso"]
    weights: str | None = None
    repo: str | None = None
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    file: str | None = None
    context: PositiveInt | None = None
    window: PositiveInt | None = None
    sites: PositiveInt = 8
    readout: Literal["llr", "loglik", "dependency", "track"] | None = None
    perturbation: Literal["substitution", "shuffle", "deletion", "mask", "insertion"] | None = None
    tracks: dict[str, int] | None = None
    head: str = "human"
    use_tf_gamma: bool | None = None
    n_reads_as: Literal["pad", "n"] = "pad"
    licence: str | None = None
    source: str | None = None


def default_registry() -> Path:
    """The registry in use where none is given: that of the environment, the repository's, or the installed one."""
    if found := os.environ.get(REGISTRY_VARIABLE):
        return Path(found)
    in_repository = Path(__file__).resolve().parents[3] / "assets" / "models.yml"
    return in_repository if in_repository.exists() else Path(sys.prefix) / "share" / "darkregulome" / "models.yml"


def read_registry(registry: str | Path | None = None) -> dict[str, ModelEntry]:
    """All entries by name.

    Raises
    ------
    InputError : the file is missing or no YAML, or entries do not fit; all of them are named.
    """
    path = Path(registry) if registry is not None else default_registry()
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputError.at(path, f"cannot be read ({error.strerror})", "give --registry a models.yml") from error
    except yaml.YAMLError as error:
        raise InputError.at(path, f"is not YAML ({str(error).splitlines()[0]})", "mend the file") from error
    if not isinstance(content, dict) or not isinstance(content.get("models"), dict):
        raise InputError.at(path, "has no mapping `models`", "write `models:` with one entry a model")
    entries, problems = {}, []
    for name, fields in content["models"].items():
        try:
            entries[str(name)] = ModelEntry.model_validate(fields)
        except ValidationError as error:
            problems += _problems_of(error, f"{path}: {name}")
    if problems:
        raise InputError(*problems)
    return entries


def _problems_of(error: ValidationError, where: str) -> list[Problem]:
    return [
        Problem(
            f"{where}.{'.'.join(str(part) for part in item['loc'])}".rstrip("."),
            f"{item['msg'][:1].lower()}{item['msg'][1:]} (found {str(item['input'])[:60]!r})",
            "mend this field",
        )
        for item in error.errors()
    ]


def find_entry(name: str, weights: str | Path | None = None, registry: str | Path | None = None) -> ModelEntry:
    """The registry's entry of a model; for another name the entry that the checkpoint folder `weights` speaks for.

    Raises
    ------
    InputError : the name is unknown, and no folder says what it is.
    """
    entries = read_registry(registry)
    if name in entries:
        return entries[name]
    if weights is None:
        near = difflib.get_close_matches(name, entries, n=1)
        hint = f"did you mean {near[0]!r}? Or give" if near else f"choose of {', '.join(entries)}, or give"
        raise InputError.at("--model", f"{name!r} is not in the registry", f"{hint} --weights DIR")
    return _entry_of_folder(Path(weights))


def _entry_of_folder(folder: Path) -> ModelEntry:
    declared = read_config(folder).get("model_type")
    architecture = ARCHITECTURE_OF_TYPE.get(str(declared))
    if architecture is None:
        raise InputError.at(
            folder / "config.json",
            f"`model_type` is {declared!r}, which is none of {', '.join(ARCHITECTURE_OF_TYPE)}",
            "give a checkpoint of a supported architecture",
        )
    window = read_card(folder).get("window")
    fields: dict[str, Any] = {"kind": KIND_OF_ARCHITECTURE[architecture], "architecture": architecture}
    return ModelEntry(**fields, window=window if isinstance(window, int) else None)


def load_model(
    name: str,
    weights: str | Path | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    registry: str | Path | None = None,
    tracks: Mapping[str, int] | None = None,
) -> Any:
    """A model ready for the engine.

    Parameters
    ----------
    name : name in the registry; any name if `weights` is a checkpoint folder with a config.json.
    weights : checkpoint folder (or, for Xpresso, file) instead of the registry's.
    device : ``auto``, ``cpu``, ``cuda`` or ``cuda:INDEX``.
    precision : ``fp32``, ``tf32`` or ``bf16``.
    registry : another registry.
    tracks : tracks of an output model instead of the registry's, name -> index in its head.

    Returns
    -------
    A `protocol.LanguageModel` or `protocol.OutputModel`, with its `revision`: the hub's commit, or None.

    Raises
    ------
    InputError : the name, the device or the precision is unknown, or the checkpoint is missing or does not fit.
    """
    check_precision(precision)
    place = resolve_device(device)
    entry = find_entry(name, weights, registry)
    folder = Path(weights) if weights is not None else _folder_of(name, entry, registry)
    if not folder.exists():
        raise InputError.at(folder, f"does not exist (weights of {name})", "check --weights, or make the checkpoint")
    settings = {"device": place, "precision": precision, "revision": entry.revision if weights is None else None}
    try:
        return _BUILDERS[entry.architecture](name, entry, folder, tracks, settings)
    except ValidationError as error:
        raise InputError(*_problems_of(error, str(folder / "config.json"))) from error


def model_problems(name: str, weights: str | Path | None = None, registry: str | Path | None = None) -> list[Problem]:
    """What would keep a model from being loaded: its checkpoint is found, opened and fitted, then let go."""
    try:
        load_model(name, weights, registry=registry)
    except InputError as error:
        return list(error.problems)
    return []


def checkpoint_folder(name: str, weights: str | Path | None = None, registry: str | Path | None = None) -> Path:
    """Folder (or file) of a model's weights; fetched first where they are pinned on the hub."""
    return Path(weights) if weights is not None else _folder_of(name, find_entry(name, weights, registry), registry)


def _folder_of(name: str, entry: ModelEntry, registry: str | Path | None) -> Path:
    if entry.weights is not None:
        return (Path(registry) if registry is not None else default_registry()).parent / "models" / entry.weights
    if entry.repo is None:
        raise InputError.at(f"model {name}", "comes without weights", "give --weights DIR")
    if entry.revision is None:
        raise InputError.at(
            f"model {name}",
            f"has no pinned revision of {entry.repo}",
            f"give --weights DIR with a downloaded copy, or `revision:` in the registry: a commit of "
            f"https://huggingface.co/{entry.repo}/commits",
        )
    return _fetch(entry.repo, entry.revision)


def _fetch(repo: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(HUB_FILES)))
    except Exception as error:  # whatever the hub's client raises, the remedy is the same
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise InputError.at(
            f"{repo}@{revision[:12]}", f"could not be fetched ({reason})", "check the network, or give --weights DIR"
        ) from error


def _caduceus(
    name: str, entry: ModelEntry, folder: Path, tracks: Mapping[str, int] | None, settings: dict
) -> LanguageModel:
    from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM

    config = CaduceusConfig.model_validate(read_config(folder))
    network = CaduceusForMaskedLM(config)
    load_weights(network, find_weights(folder))
    context = entry.context or entry.window or CONTEXT_OF_CADUCEUS
    return _letter_model(name, entry, network, context, config.rcps, settings)


def _hyenadna(
    name: str, entry: ModelEntry, folder: Path, tracks: Mapping[str, int] | None, settings: dict
) -> LanguageModel:
    from darkregulome.models.hyenadna import HyenaConfig, HyenaDNAForCausalLM

    config = HyenaConfig.model_validate(read_config(folder))
    network = HyenaDNAForCausalLM(config)
    load_weights(network, find_weights(folder))
    context = min(entry.context or config.max_seq_len, config.max_seq_len)
    return _letter_model(name, entry, network, context, False, settings)


def _letter_model(
    name: str, entry: ModelEntry, network: Any, context: int, equivariant: bool, settings: dict
) -> LanguageModel:
    from darkregulome.models import letters
    from darkregulome.models.language import LetterLanguageModel

    n_id = letters.PAD if entry.n_reads_as == "pad" else letters.N
    return LetterLanguageModel(
        name, network, kind=entry.kind, context=context, equivariant=equivariant, n_id=n_id, **settings
    )


def _enformer(
    name: str, entry: ModelEntry, folder: Path, tracks: Mapping[str, int] | None, settings: dict
) -> OutputModel:
    from darkregulome.models.enformer import EnformerModel, load_enformer

    config = read_config(folder)
    network = load_enformer(config, find_weights(folder), entry.use_tf_gamma)
    chosen = tracks or entry.tracks or _tracks_of_card(folder, network.config.output_heads.get(entry.head, 0))
    settled = network.config
    context = entry.context or int(config.get("context") or settled.target_length * 2**settled.num_downsamples)
    return EnformerModel(name, network, context=context, tracks=chosen, head=entry.head, **settings)


def _tracks_of_card(folder: Path, size: int) -> dict[str, int]:
    """Names of the tracks by the model card, where it names every one of them; else numbers."""
    named = read_card(folder).get("tracks")
    if not isinstance(named, list) or len(named) != size:
        named = [f"track_{index}" for index in range(size)]
    return {Path(str(track)).stem: index for index, track in enumerate(named)}


def _xpresso(
    name: str, entry: ModelEntry, folder: Path, tracks: Mapping[str, int] | None, settings: dict
) -> OutputModel:
    from darkregulome.models.xpresso import XpressoModel, load_xpresso

    return XpressoModel(name, load_xpresso(folder, entry.file), **settings)


_BUILDERS = {"caduceus": _caduceus, "hyenadna": _hyenadna, "enformer": _enformer, "xpresso": _xpresso}
