"""Fresh models from a config file."""

import json
from pathlib import Path
from typing import Any

import torch

from darkregulome.errors import InputError


def build_language_model(architecture: str, config: Path, seed: int) -> tuple[torch.nn.Module, Any]:
    """A freshly initialised model and its configuration."""
    torch.manual_seed(seed)
    settings = _read_config(config)
    if architecture == "caduceus":
        from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM

        caduceus = CaduceusConfig(**settings)
        return CaduceusForMaskedLM(caduceus), caduceus
    if architecture == "hyena":
        from darkregulome.models.hyenadna import HyenaConfig, HyenaDNAForCausalLM

        hyena = HyenaConfig(**settings)
        return HyenaDNAForCausalLM(hyena), hyena
    raise InputError.at("--architecture", f"{architecture!r} is unknown", "give caduceus or hyena")


def build_enformer(config: Path, seed: int) -> tuple[torch.nn.Module, Any]:
    """A freshly initialised Enformer and its configuration."""
    from enformer_pytorch import Enformer
    from enformer_pytorch.config_enformer import EnformerConfig

    torch.manual_seed(seed)
    enformer = EnformerConfig(**_read_config(config))
    return Enformer(enformer), enformer


def _read_config(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(Path(path).read_text())
    except OSError as error:
        raise InputError.at(path, f"cannot be read ({error.strerror})", "check the path") from error
    except json.JSONDecodeError as error:
        raise InputError.at(f"{path}:{error.lineno}", "is not JSON", "mend the file") from error
    if not isinstance(settings, dict):
        raise InputError.at(path, "is not a JSON object", "give the model's configuration as an object")
    return settings
