"""What a model file says of itself, and how it is found by name.

A file of this folder that holds an architecture ends with ``ARCHITECTURE = Architecture(...)``; its name is the
`architecture` of the registry's entries. Nothing else has to know of it.
"""

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from darkregulome import models

if TYPE_CHECKING:
    from darkregulome.models.registry import ModelEntry

Kind = Literal["masked", "causal", "output"]

_DECLARES = re.compile(r"^ARCHITECTURE\b.*=", re.MULTILINE)


@dataclass(frozen=True)
class ModelSize:
    """Width, layers and parameters of a network."""

    channels: int
    layers: int
    parameters: int


@dataclass(frozen=True)
class Checkpoint:
    """What a model is built from.

    Attributes
    ----------
    name : of the model.
    entry : its entry in the registry.
    folder : checkpoint folder, or file of weights.
    tracks : of an output model, name -> index in its head, where they are not the registry's.
    revision : commit on the hub, if the weights come from there.
    """

    name: str
    entry: "ModelEntry"
    folder: Path
    device: torch.device
    precision: str
    revision: str | None = None
    tracks: dict[str, int] | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What every wrapper takes by these names."""
        return {"device": self.device, "precision": self.precision, "revision": self.revision}


@dataclass(frozen=True)
class Architecture:
    """One architecture.

    Attributes
    ----------
    kind : of the models that it makes.
    build : makes a model of `models/protocol.py` from a checkpoint; raises `InputError` or pydantic's error of the
        config.json.
    model_types : `model_type` of the config.json files that it reads; none if its folders hold no config.json.
    files : patterns of the files that it reads besides config.json and the weights.
    n_reads_as : of its published models, as in the registry; those that were trained here (and have a model card)
        read N as ``pad``.
    size : of the published model, assumed for the cost where no checkpoint is at hand.
    flops : operations of an output model for (size, window, references, edits); without it every parameter is taken to
        be used at every base, as in a language model.
    """

    kind: Kind
    build: Callable[[Checkpoint], Any]
    size: ModelSize
    model_types: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    n_reads_as: Literal["pad", "n"] = "pad"
    flops: Callable[[ModelSize, int, int, int], float] | None = None


def architecture_names() -> tuple[str, ...]:
    """Names of all architectures, found without importing them: each would load the libraries that it needs."""
    return _names_in(tuple(models.__path__))


@lru_cache
def _names_in(folders: tuple[str, ...]) -> tuple[str, ...]:
    files = (path for folder in folders for path in Path(folder).glob("*.py"))
    return tuple(sorted(path.stem for path in files if _DECLARES.search(path.read_text())))


def find_architecture(name: str) -> Architecture:
    """The architecture of a name out of `architecture_names`."""
    if name not in architecture_names():
        raise KeyError(name)
    return importlib.import_module(f"darkregulome.models.{name}").ARCHITECTURE


def architecture_of_type(model_type: str) -> str | None:
    """Name of the architecture that reads config.json files of a `model_type`, or None."""
    # Most files are named for their type, which spares the others from being imported.
    names = sorted(architecture_names(), key=lambda name: name != model_type.lower())
    return next((name for name in names if model_type in find_architecture(name).model_types), None)


def known_model_types() -> list[str]:
    """Every `model_type` that can be read."""
    return sorted(known for name in architecture_names() for known in find_architecture(name).model_types)
