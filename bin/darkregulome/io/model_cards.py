"""What a model's card says of it: `model_card.json` of a checkpoint folder."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from darkregulome.errors import Problems
from darkregulome.io.documents import read_json

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

    A card without a name has that of its folder.

    Raises
    ------
    InputError
        A card cannot be read.
    """
    problems = Problems()
    unlearnt: set[str] = set()
    for path in cards:
        card = problems.attempt(read_json, path, "give model_card.json of a checkpoint")
        if card is not None and knows_grammar(card.get("motif_loss")) is False:
            unlearnt.add(str(card.get("model") or card.get("name") or Path(path).resolve().parent.name))
    problems.raise_all()
    return tuple(sorted(unlearnt))


def notes_of_strangers(unlearnt: Iterable[str], scored: Iterable[str]) -> list[str]:
    """A sentence for each model that does not know the grammar and has no scores: a card may have another name."""
    models = set(scored)
    return [
        f"A model card says that {name} does not know the grammar, and there are no scores of a model of that name."
        for name in unlearnt
        if name not in models
    ]
