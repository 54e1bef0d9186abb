"""What Seq2Exp is compared with: the same data and recipe, another source of the mask or another network."""

from typing import Any

from darkregulome.errors import InputError
from darkregulome.seq2exp.network import Seq2Exp, Seq2ExpConfig, parse_config
from darkregulome.seq2exp.recipe import Recipe

OWN = "config"
"""The configuration as it was given."""

VARIANTS: dict[str, dict[str, Any]] = {
    "seq2exp-hard": {"source": "learnt", "kind": "hard"},
    "seq2exp-soft": {"source": "learnt", "kind": "soft"},
    "caduceus-signals": {"source": "open"},
    "caduceus": {"source": "open", "signals": False},
    "mamba": {"source": "open", "signals": False, "encoder": "mamba"},
    "hyena": {"source": "open", "signals": False, "encoder": "hyena"},
    "peaks": {"source": "given"},
    "epinformer-like": {"source": "given", "encoder": "attention"},
}
"""Of the paper's comparison: Seq2Exp with either mask; the predictor alone, with the signals and without; other
networks in its place; the predictor under a mask of peaks, and attention between those peaks and the promoter."""


def variant(config: Seq2ExpConfig, name: str) -> Seq2ExpConfig:
    """The configuration of one of `VARIANTS`, or `config` itself for ``"config"``.

    Raises
    ------
    InputError : there is no variant of that name.
    """
    if name == OWN:
        return config
    if name not in VARIANTS:
        raise InputError.at("--variant", f"{name!r} is unknown", f"give some of {', '.join((OWN, *VARIANTS))}")
    changes = dict(VARIANTS[name])
    config = config if changes.pop("signals", True) else without_signals(config)
    mask = config.mask.model_dump() | {"kind": changes.pop("kind", config.mask.kind)}
    return parse_config(config.model_dump() | changes | {"mask": mask}, f"--variant {name}")


def without_signals(config: Seq2ExpConfig) -> Seq2ExpConfig:
    """The same model reading the sequence alone."""
    mask = config.mask.model_dump() | {"signal_weights": (), "signal_betas": ()}
    return Seq2ExpConfig.model_validate(config.model_dump() | {"signals": (), "log10_signals": (), "mask": mask})


def retrained(config: Seq2ExpConfig, recipe: Recipe, top: float) -> tuple[Seq2ExpConfig, Recipe]:
    """Configuration and recipe of a fresh predictor that sees the highest positions of a learnt mask."""
    mask = config.mask.model_dump() | {"kind": "top", "top": top}
    changed = Seq2ExpConfig.model_validate(config.model_dump() | {"source": "frozen", "mask": mask})
    return changed, recipe.model_copy(update={"kl_weight": 0.0, "kl_ramp": (0.0, 0.0), "copy_predictor": None})


def take_generator(model: Seq2Exp, trained: Seq2Exp) -> None:
    """Give a model the generator of another one."""
    if model.generator is None or trained.generator is None:
        raise ValueError("both models need a generator")
    model.generator.load_state_dict(trained.generator.state_dict())
    model.logits.load_state_dict(trained.logits.state_dict())
