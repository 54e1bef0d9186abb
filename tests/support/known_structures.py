"""Maps and calls against what is known: structures in dot-bracket notation, planted pairs of intervals."""

from collections.abc import Collection, Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from darkregulome.errors import InputError
from darkregulome.models.protocol import BASES, LanguageModel
from darkregulome.scoring.maps.calls import MIN_LOOP, Block
from darkregulome.scoring.maps.dependency import substitution_changes

Interval = tuple[int, int]
_CLOSING = {")": "(", "]": "[", "}": "{", ">": "<"}


def read_dot_bracket(text: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs (i, j), i < j, of round brackets, and those of all other brackets: the pseudoknots.

    Raises
    ------
    InputError : a bracket is not closed, or not opened.
    """
    opened: dict[str, list[int]] = {bracket: [] for bracket in _CLOSING.values()}
    nested: list[tuple[int, int]] = []
    knotted: list[tuple[int, int]] = []
    for place, letter in enumerate(text):
        if letter in opened:
            opened[letter].append(place)
        elif letter in _CLOSING:
            if not opened[_CLOSING[letter]]:
                raise InputError.at(
                    f"structure, base {place + 1}", f"{letter!r} closes nothing", "correct the structure"
                )
            (nested if letter == ")" else knotted).append((opened[_CLOSING[letter]].pop(), place))
    if left := [bracket for bracket, places in opened.items() if places]:
        raise InputError.at("structure", f"{left[0]!r} is never closed", "correct the structure")
    return sorted(nested), sorted(knotted)


def contact_auc(
    scores: np.ndarray, pairs: Collection[tuple[int, int]], others: Collection[tuple[int, int]] = ()
) -> float:
    """AUROC of the scores of paired bases against those of all bases that could pair; NaN without a pair.

    Parameters
    ----------
    scores : symmetric, (length, length). NaN counts as lowest.
    pairs : the pairs asked for. others : pairs that count for neither.
    """
    length = len(scores)
    row, column = np.triu_indices(length, MIN_LOOP + 1)
    labels = np.zeros((length, length), dtype=int)
    for i, j in others:
        labels[i, j] = -1
    for i, j in pairs:
        labels[i, j] = 1
    label = labels[row, column]
    kept = label >= 0
    if not (label == 1).any() or not (label == 0).any():
        return float("nan")
    values = scores[row, column][kept]
    lowest = np.nanmin(values) if np.isfinite(values).any() else 0.0
    return float(roc_auc_score(label[kept], np.nan_to_num(values, nan=lowest - 1)))


def jaccard(one: Interval, other: Interval) -> float:
    """Shared bases over those that either holds."""
    shared = max(0, min(one[1], other[1]) - max(one[0], other[0]))
    return shared / (one[1] - one[0] + other[1] - other[0] - shared)


def count_matches(
    called: Sequence[Block], planted: Sequence[tuple[Interval, Interval]], least: float = 0.5
) -> tuple[int, int, int]:
    """Planted pairs found, calls that are none, planted pairs missed.

    A call is a planted pair if the Jaccard index of both its sides is at least `least`; each counts once.
    """
    left = list(planted)
    for block in called:
        fits = [
            pair for pair in left if jaccard(block.first, pair[0]) >= least and jaccard(block.second, pair[1]) >= least
        ]
        if fits:
            left.remove(fits[0])
    matched = len(planted) - len(left)
    return matched, len(called) - matched, len(left)


def f1(found: int, false: int, missed: int) -> float:
    """Harmonic mean of precision and recall; NaN where nothing was planted and nothing called."""
    total = 2 * found + false + missed
    return 2 * found / total if total else float("nan")


def variant_influence(
    model: LanguageModel, sequence: str, *, positions: range | None = None, batch_size: int | None = None
) -> np.ndarray:
    """Influence of each substitution: the largest change, with its sign, summed over all bases, over their number - 1.

    Returns
    -------
    float32, shape (positions, 4): zero for the reference base, NaN in the row of an N.
    """
    rows = range(len(sequence)) if positions is None else positions
    influence = np.full((len(rows), len(BASES)), np.nan, dtype=np.float32)
    row_of = {position: row for row, position in enumerate(rows)}
    for changes in substitution_changes(model, sequence, positions=positions, batch_size=batch_size):
        row = influence[row_of[changes.position]]
        row[:] = 0
        row[[BASES.index(base) for base in changes.alternatives]] = changes.change.max(2).sum(1) / (len(sequence) - 1)
    return influence
