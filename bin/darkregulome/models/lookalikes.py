"""Networks out of libraries, from the config.json of a checkpoint.

Some configurations `transformers` would load without a word, and compute another function than the one trained.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from darkregulome.errors import InputError

Config = Mapping[str, Any]
Network = TypeVar("Network")

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
        lambda config: (
            config.get("model_type") == "bert" and config.get("position_embedding_type", "absolute") != "absolute"
        ),
        "has a `position_embedding_type` other than absolute, which plain BERT has not",
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


def build_network(make: Callable[[], Network], folder: Path) -> Network:
    """What `make` makes of a config.json; an `InputError` where a library cannot make a network of it."""
    try:
        return make()
    except Exception as error:  # each library, and each release of it, has errors of its own
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError.at(
            folder / "config.json", f"describes no network that can be built ({reason})", "fetch the checkpoint again"
        ) from error
