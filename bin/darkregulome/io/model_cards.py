"""What a model's card says of it: `model_card.json` of a checkpoint folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from darkregulome.errors import Problem, raise_all

KNOWN_MOTIF_RATIO = 0.9
"""A model knows the grammar where its held-out loss inside motifs is below this part of that around them."""


def knows_grammar(motif_loss: Any) -> bool | None:
    """Whether a model knows the grammar of the genome it was trained on; None where its card does not say.

    Parameters
    ----------
    motif_loss : of the card: held-out loss ``inside`` motifs and ``outside`` them, nats per base.
    """
    losses = motif_loss if isinstance(motif_loss, Mapping) else {}
    inside, outside = losses.get("inside"), losses.get("outside")
    if not isinstance(inside, (int, float)) or not isinstance(outside, (int, float)):
        return None
    return inside < KNOWN_MOTIF_RATIO * outside


def models_without_grammar(cards: Sequence[Path]) -> tuple[str, ...]:
    """Names of the models whose card says that they do not know the grammar, in order.

    Raises
    ------
    InputError
        A card cannot be read, or names no model.
    """
    problems: list[Problem] = []
    unlearnt: set[str] = set()
    for path in cards:
        try:
            card = json.loads(Path(path).read_text(encoding="utf-8"))
            name = card["model"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            problems.append(Problem(str(path), f"is no model card ({error})", "give model_card.json of a checkpoint"))
            continue
        if knows_grammar(card.get("motif_loss")) is False:
            unlearnt.add(str(name))
    raise_all(problems)
    return tuple(sorted(unlearnt))
