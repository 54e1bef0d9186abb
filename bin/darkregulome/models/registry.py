"""Models by name: `assets/models.yml`, and how a name becomes a model that the engine can ask."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, field_validator

from darkregulome.errors import InputError, Problem, raise_all
from darkregulome.io.assets import find_asset
from darkregulome.io.documents import read_yaml
from darkregulome.models import hub
from darkregulome.models.architecture import (
    Checkpoint,
    Kind,
    architecture_names,
    architecture_of_type,
    find_architecture,
    known_model_types,
)
from darkregulome.models.checkpoint import read_card, read_config
from darkregulome.models.kmers import require_letters
from darkregulome.models.letters import Alphabet
from darkregulome.models.numerics import check_precision, keep_freed_memory, resolve_device

REGISTRY_VARIABLE = "DARKREGULOME_MODELS"
"""Environment variable with the path of another registry."""


class ModelEntry(BaseModel):
    """One model of the registry.

    Attributes
    ----------
    weights : checkpoint folder, relative to ``models/`` next to the registry; without it and `repo`, ``--weights``
        must be given.
    repo, revision : hub repository, and the commit to take from it.
    file : name of the file of weights, for an architecture whose folder holds several models.
    context : longest window in bases; of an output model the exact one.
    window : window used for scoring, if shorter.
    sites : sites substituted in an element, by default. A causal model tries one base at a site and reads
        it in a whole window, so it needs more of them than a masked model, which tries three.
    tracks : tracks of an output model: name -> index in its head.
    n_reads_as : token of N: ``pad`` where training replaced N by PAD, ``n`` where it kept it.
    species : token that stands before the sequence, for models that were trained with one.
    sha256 : checksum of the file of weights, verified where they are fetched.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    architecture: str
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
    species: str | None = None
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    licence: str | None = None
    source: str | None = None

    @field_validator("architecture")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in architecture_names():
            near = difflib.get_close_matches(name, architecture_names(), n=1)
            hint = f"did you mean {near[0]!r}" if near else f"use {', '.join(architecture_names())}"
            raise ValueError(f"no such architecture, {hint}")
        return name


def default_registry() -> Path:
    """The registry in use where none is given: that of the environment, or the one that is shipped."""
    path = os.environ.get(REGISTRY_VARIABLE)
    return Path(path) if path else find_asset("models.yml")


def read_registry(registry: str | Path | None = None) -> dict[str, ModelEntry]:
    """All entries by name.

    Raises
    ------
    InputError : the file is missing or no YAML, or entries do not fit; all of them are named.
    """
    path = Path(registry) if registry is not None else default_registry()
    content = read_yaml(path, "give --registry a models.yml")
    if not isinstance(content.get("models"), dict):
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


def _problems_of(error: ValidationError, where: str, remedy: str = "correct this field") -> list[Problem]:
    return [
        Problem(
            f"{where}.{'.'.join(str(part) for part in item['loc'])}".rstrip("."),
            _complaint(item["msg"].removeprefix("Value error, "), item["input"]),
            remedy,
        )
        for item in error.errors()
    ]


def _complaint(message: str, found: Any) -> str:
    message = message[:1].lower() + message[1:]
    # Of a whole object the field that is meant is in the message.
    return message if isinstance(found, Mapping) else f"{message} (found {str(found)[:60]!r})"


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
    architecture = architecture_of_type(str(declared))
    if architecture is None:
        raise InputError.at(
            folder / "config.json",
            f"`model_type` is {declared!r}, which is none of {', '.join(known_model_types())}",
            "give a checkpoint of a supported architecture",
        )
    card, declares = read_card(folder), find_architecture(architecture)
    window = card.get("window")
    return ModelEntry(
        kind=declares.kind,
        architecture=architecture,
        window=window if isinstance(window, int) else None,
        n_reads_as="pad" if card else declares.n_reads_as,
    )


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
    if place.type == "cpu":
        keep_freed_memory()
    entry = find_entry(name, weights, registry)
    folder = Path(weights) if weights is not None else _folder_of(name, entry, registry)
    if not folder.exists():
        raise InputError.at(folder, f"does not exist (weights of {name})", "check --weights, or make the checkpoint")
    raise_all(hub.verify_folder(folder, checksums=False))
    architecture = find_architecture(entry.architecture)
    if entry.kind != architecture.kind:
        raise InputError.at(
            f"model {name}", f"is {entry.kind!r}, but {entry.architecture} is {architecture.kind!r}", "correct `kind`"
        )
    revision = entry.revision if weights is None else None
    checkpoint = Checkpoint(name, entry, folder, place, precision, revision, None if tracks is None else dict(tracks))
    try:
        model = architecture.build(checkpoint)
    except ValidationError as error:
        remedy = "use a checkpoint that is supported natively (docs/models.md)"
        raise InputError(*_problems_of(error, str(folder / "config.json"), remedy)) from error
    if isinstance(alphabet := getattr(model, "alphabet", None), Alphabet):
        require_letters(folder, alphabet)
    return model


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
    check_fetchable(name, entry)
    return hub.fetch(entry)


def check_fetchable(name: str, entry: ModelEntry) -> None:
    """Raise an `InputError` unless the entry names a repository and a commit of it."""
    if entry.repo is None:
        raise InputError.at(f"model {name}", "comes without weights", "give --weights DIR")
    if entry.revision is None:
        raise InputError.at(
            f"model {name}",
            f"has no pinned revision of {entry.repo}",
            f"give --weights DIR with a downloaded copy, or `revision:` in the registry: a commit of "
            f"https://huggingface.co/{entry.repo}/commits",
        )
