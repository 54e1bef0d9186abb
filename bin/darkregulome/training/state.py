"""What a training needs to go on exactly where it was killed: one file, replaced whole.

It holds tensors (weights, optimizer, random generators) and JSON, and is read with ``weights_only=True``: no code runs.
"""

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel

from darkregulome.errors import InputError
from darkregulome.io.atomic import atomic_path
from darkregulome.training.schedule import Budget

Generators = Mapping[str, np.random.Generator | torch.Generator]


@dataclass(frozen=True)
class StateFile:
    """Where the state of one training is kept.

    Attributes
    ----------
    path : the file; it need not exist.
    identity : what the training is made of (settings, data), JSON. The state of another one is refused.
    minutes : least minutes between two writings; 0 writes after every step.
    """

    path: Path
    identity: Mapping[str, Any]
    minutes: float = 5.0

    def of_part(self, name: str) -> "StateFile":
        """The file of one part of a training."""
        return StateFile(self.path.with_name(f"{self.path.stem}-{name}{self.path.suffix}"), self.identity, self.minutes)

    def write(self, tensors: Mapping[str, Any], progress: Mapping[str, Any]) -> None:
        """Replace the file; a kill at any moment leaves the old one or the new one."""
        text = json.dumps({"identity": self.identity, "progress": progress})
        # PyTorch is handed an open file: it takes no name without a suffix.
        with atomic_path(self.path) as partial, partial.open("wb") as file:
            torch.save({"tensors": dict(tensors), "json": text}, file)

    def read(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Tensors and progress, or None where there is no file.

        Raises
        ------
        InputError : the file cannot be read, or is the state of another training.
        """
        for left_behind in self.path.parent.glob(f".partial-*-{self.path.name}"):
            left_behind.unlink(missing_ok=True)  # of a process that was killed while it wrote
        if not self.path.is_file():
            return None
        remedy = "remove it to train from scratch, or give the options and files that it was begun with"
        try:
            found = torch.load(self.path, map_location="cpu", weights_only=True)
            tensors, content = found["tensors"], json.loads(found["json"])
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, TypeError, ValueError) as error:
            raise InputError.at(self.path, "is not the state of a training", remedy) from error
        wanted = json.loads(json.dumps(self.identity))
        if content["identity"] != wanted:
            names = sorted(
                name for name in {**wanted, **content["identity"]} if wanted.get(name) != content["identity"].get(name)
            )
            raise InputError.at(
                self.path, f"is the state of another training (not the same: {', '.join(names)})", remedy
            )
        return tensors, content["progress"]

    def remove(self) -> None:
        """Remove the file, and those of its parts: the training is done, and its checkpoint is written."""
        for path in (self.path, *self.path.parent.glob(f"{self.path.stem}-*{self.path.suffix}")):
            path.unlink(missing_ok=True)


def random_state(generators: Generators) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where every generator is, the process's own of torch included: tensors, and JSON for numpy's."""
    tensors: dict[str, Any] = {"process": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"cuda:{index}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    numpys = {}
    for name, generator in generators.items():
        if isinstance(generator, torch.Generator):
            tensors[f"own:{name}"] = generator.get_state()
        else:
            numpys[name] = generator.bit_generator.state
    return tensors, numpys


def set_random_state(generators: Generators, tensors: Mapping[str, Any], numpys: Mapping[str, Any]) -> None:
    """Put every generator where `random_state` found it."""
    torch.set_rng_state(tensors["process"])
    for name, state in tensors.items():
        kind, _, rest = name.partition(":")
        if kind == "cuda" and torch.cuda.is_available() and int(rest) < torch.cuda.device_count():
            torch.cuda.set_rng_state(state, int(rest))
        elif kind == "own":
            generator = generators[rest]
            assert isinstance(generator, torch.Generator)
            generator.set_state(state)
    for name, state in numpys.items():
        generator = generators[name]
        assert isinstance(generator, np.random.Generator)
        generator.bit_generator.state = state


def fingerprint(arrays: Mapping[str, np.ndarray]) -> str:
    """A short hash of named arrays, so that a state file knows its data."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()[:16]


def start_of(model: torch.nn.Module, budget: Budget, settings: BaseModel) -> dict[str, Any]:
    """What a training starts from, for the identity of its state: weights, budget and settings."""
    weights = {name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()}
    own = settings.model_dump(mode="json")
    return {"start": fingerprint(weights), "steps": budget.steps, "minutes": budget.minutes, **own}
