"""Checkpoint folders in the official format: config.json and model.safetensors under the official names."""

import json
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from darkregulome.errors import InputError, Problem
from darkregulome.io.atomic import atomic_folder
from darkregulome.io.documents import read_json
from darkregulome.io.paths import require_file

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "model_card.json"
WHOLE = "fetch the checkpoint again, whole"
"""What to do about a damaged one."""
INDEX = ".index.json"
"""How the list of the parts of weights in several files ends."""
WEIGHT_FILES = (WEIGHTS, WEIGHTS + INDEX, "pytorch_model.bin", "pytorch_model.bin" + INDEX)
"""Names of a checkpoint's weights, in order of preference."""

LFS_POINTER = b"version https://git-lfs"
"""How a file begins that stands for a large one where git has not fetched that."""

KEYS_SHOWN = 4


def read_config(folder: str | Path) -> dict[str, Any]:
    """The config.json of a checkpoint folder.

    Raises
    ------
    InputError : there is no such folder or file, or it is not a JSON object.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError.at(folder, "is no folder", f"give the folder that holds {CONFIG} and {WEIGHTS}")
    return read_json(folder / CONFIG, WHOLE)


def read_card(folder: str | Path) -> dict[str, Any]:
    """The model_card.json of a checkpoint folder; empty where there is none."""
    path = Path(folder) / CARD
    return read_json(path, WHOLE) if path.exists() else {}


def find_weights(folder: str | Path) -> Path:
    """The file of weights in a checkpoint folder."""
    for name in WEIGHT_FILES:
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    raise InputError.at(folder, f"holds none of {', '.join(WEIGHT_FILES)}", "give a whole checkpoint folder")


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Named tensors of a safetensors file, of a PyTorch file of nothing but tensors, or of all parts of an index.

    Raises
    ------
    InputError : the file is missing, cut short, or holds more than tensors.
    """
    path = Path(path)
    require_file(path)
    if path.name.endswith(INDEX):
        weight_map = read_json(path, WHOLE).get("weight_map")
        if not (isinstance(weight_map, dict) and all(isinstance(part, str) for part in weight_map.values())):
            raise InputError.at(path, "has no `weight_map` from tensors to files", "fetch the checkpoint again")
        parts = sorted(set(weight_map.values()))
        return {name: tensor for part in parts for name, tensor in read_tensors(path.parent / Path(part).name).items()}
    with path.open("rb") as opened:
        beginning = opened.read(len(LFS_POINTER))
    if beginning == LFS_POINTER:
        raise InputError.at(path, "is a pointer of git-lfs and not the weights", "run `git lfs pull` in its folder")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError.at(
            path, "holds more than tensors, and is not read, since it could run code", "convert it to safetensors"
        ) from error
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError.at(path, f"cannot be read as tensors ({reason})", "fetch the checkpoint again") from error
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise InputError.at(path, "is not a dictionary of tensors", "give a state dictionary")
    return dict(found)


def named(**modules: nn.Module) -> nn.Sequential:
    """Modules that run one after the other, under the names that the checkpoints give them."""
    return nn.Sequential(OrderedDict(modules))


def aliases_of(module: nn.Module) -> dict[str, str]:
    """Names that the official file omits, each with the name of the tensor that it repeats."""
    own = getattr(module, "aliases", None)
    return own() if callable(own) else {}


def load_weights(module: nn.Module, path: str | Path, ignore: tuple[str, ...] = (), base: str = "") -> None:
    """Load a file of weights into `module`, every key accounted for.

    Keys that start with one of `ignore` are passed over, in the file and in the module. `base` is the place of the
    bare network in a model with a head: a file of the bare network lacks it, as well as a head that is tied.

    Raises
    ------
    InputError : one problem that tells of all keys that are missing, not known, of another shape, or (of a pair that
        the architecture ties) not equal.
    """
    tensors = read_tensors(path)
    if base and not any(name.startswith(base) for name in tensors):
        tensors = {base + name: tensor for name, tensor in tensors.items()}
        ignore = (*ignore, *(name for name, _ in module.named_buffers() if not name.startswith(base)))
    aliases = aliases_of(module)
    expected = {name: tensor for name, tensor in module.state_dict().items() if not name.startswith(ignore or ("\0",))}
    found = {name: tensor for name, tensor in tensors.items() if not name.startswith(ignore or ("\0",))}
    complaints = [
        f"{name} differs from {aliases[name]}, to which this architecture ties it"
        for name in set(aliases) & set(found)
        if aliases[name] in found and not torch.equal(found[name], found[aliases[name]])
    ]
    found = {name: tensor for name, tensor in found.items() if name not in aliases}
    expected = {name: tensor for name, tensor in expected.items() if name not in aliases}
    complaints += _compare(found, expected)
    complaints += [
        f"{name} holds {str(found[name].dtype).removeprefix('torch.')}, not floating-point numbers"
        for name in sorted(found.keys() & expected.keys())
        if expected[name].is_floating_point() and not found[name].is_floating_point()
    ][:KEYS_SHOWN]
    if complaints:
        raise InputError(Problem(str(path), "; ".join(complaints), "give the weights that belong to its config.json"))
    # Whether a library shares the tensors of a pair depends on its release.
    found |= {name: found[repeated] for name, repeated in aliases.items() if repeated in found}
    module.load_state_dict(found, strict=False)


def _compare(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    shapes = {name: (tuple(found[name].shape), tuple(expected[name].shape)) for name in found.keys() & expected.keys()}
    kinds = {
        "lacks {n} of the model's tensors": [
            f"{name} {tuple(expected[name].shape)}" for name in sorted(expected.keys() - found.keys())
        ],
        "holds {n} tensors that the model does not know": [
            f"{name} {tuple(found[name].shape)}" for name in sorted(found.keys() - expected.keys())
        ],
        "holds {n} tensors of another shape": [
            f"{name} is {has} where the model has {wants}"
            for name, (has, wants) in sorted(shapes.items())
            if has != wants
        ],
    }
    return [
        f"{what.format(n=len(which))} ({'; '.join(which[:KEYS_SHOWN])}{'; ...' * (len(which) > KEYS_SHOWN)})"
        for what, which in kinds.items()
        if which
    ]


def save_checkpoint(
    module: nn.Module,
    config: Any,
    folder: str | Path,
    card: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
) -> None:
    """Write config.json, model.safetensors (aliases dropped, float32 kept) and model_card.json; whole or not at all.

    `config` is a pydantic model, a `transformers` configuration, or a mapping; `files` are further texts to write.
    """
    tensors = module.state_dict()
    dropped = {*aliases_of(module), *(name for name in tensors if name.startswith("_trunk."))}
    kept = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items() if name not in dropped}
    with atomic_folder(folder) as partial:
        save_file(kept, partial / WEIGHTS, metadata={"format": "pt"})
        (partial / WEIGHTS).chmod(0o644)  # safetensors writes for the owner alone
        (partial / CONFIG).write_text(_to_json(_plain(config)))
        if card is not None:
            (partial / CARD).write_text(_to_json(dict(card)))
        for name, text in (files or {}).items():
            (partial / name).write_text(text)


def _plain(config: Any) -> dict[str, Any]:
    if isinstance(config, BaseModel):
        return config.model_dump(mode="json")
    return dict(config.to_dict() if hasattr(config, "to_dict") else config)


def _to_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, default=str) + "\n"
