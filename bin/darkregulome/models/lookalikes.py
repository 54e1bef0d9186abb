"""Configurations that `transformers` would load without a word, and compute another function than the one trained."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from darkregulome.errors import InputError

Config = Mapping[str, Any]

_LOOKALIKES: tuple[tuple[Callable[[Config], bool], str], ...] = (
    (
        lambda config: bool(config.get("pre_layer_norm")),
        "is a GENA-LM BERT, which normalises before attention (`pre_layer_norm`) where plain BERT does so after it",
    ),
    (
        lambda config: "alibi_starting_size" in config or config.get("position_embedding_type") == "alibi",
        "is a DNABERT-2, whose attention has ALiBi biases in the place of positions, which plain BERT does not",
    ),
    (
        lambda config: config.get("model_type") == "esm" and ("add_bias_fnn" in config or "auto_map" in config),
        "is a Nucleotide Transformer v2, whose feed-forward layers are gated (SwiGLU), which plain ESM's are not",
    ),
    (
        lambda config: str(config.get("position_embedding_type", "absolute")).startswith("relative"),
        "has relative positions, which are not supported",
    ),
    (
        lambda config: bool(config.get("is_decoder")) and config.get("model_type") in ("bert", "esm"),
        "is a decoder (`is_decoder`), whose attention sees no base to the right: no masked language model",
    ),
    (
        lambda config: "auto_map" in config,
        "names code of its own (`auto_map`), which is never run, and without which it may be another function",
    ),
)


def refuse_lookalikes(config: Config, folder: Path) -> None:
    """Raise an `InputError` that names the model, if its config.json is one of those."""
    for matches, reason in _LOOKALIKES:
        if matches(config):
            raise InputError.at(
                folder / "config.json", reason, "use a model that is supported natively (docs/models.md)"
            )
