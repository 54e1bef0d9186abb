"""How well a language model predicts an element, at bases that none of its edits touches.

The predictability of an element is the mean of log p of its bases (nats), each averaged over the strands that are read.
Bases that an edit of the element replaces or takes out are left out, so that the score and the predictability are read
at different bases. Where fewer than `FEWEST_BASES` or less than `SMALLEST_SHARE` of the bases read remain (an element
is edited whole, or everywhere), up to `FLANK` bases on each side of the element join, as far as its windows reach.

Its two halves are the means over alternate blocks of `HALF_BLOCK` bases, counted from the element's start: their
correlation over elements says how reliable it is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darkregulome.edits.forwards import codes
from darkregulome.edits.plan import LanguagePlan
from darkregulome.edits.windows import Window

FLANK = 100
FEWEST_BASES = 20
SMALLEST_SHARE = 0.25
HALF_BLOCK = 10
ELEMENT, WITH_FLANKS = "element", "element and flanks"


@dataclass(frozen=True)
class Predictability:
    """Of each target: the mean, its two halves (nats per base), shape (targets,), and at which bases it was read."""

    mean: NDArray[np.float64]
    half_a: NDArray[np.float64]
    half_b: NDArray[np.float64]
    at: list[str]

    @classmethod
    def unknown(cls, targets: int) -> "Predictability":
        """Of targets that no language model has read."""
        nothing = np.full(targets, np.nan)
        return cls(nothing, nothing, nothing, [""] * targets)


class BaseLikelihoods:
    """Gathers log p of the reference's bases in and around each target of a plan, window by window."""

    def __init__(self, plan: LanguagePlan):
        self.plan = plan
        sizes = [target.end - target.start + 2 * FLANK for target in plan.targets]
        self._sums = [np.zeros(size) for size in sizes]
        self._counts = [np.zeros(size, dtype=int) for size in sizes]

    def add(self, window: Window, log_p: NDArray) -> None:
        """Take log p of a window's bases in and next to its tile, as the model reads; NaN where it was not read."""
        target = self.plan.targets[window.target]
        start, end = window.tile
        start -= FLANK if start == target.start else 0
        end += FLANK if end == target.end else 0
        first, last = window.position((start, end))
        values = np.where(codes(window.letters()[first:last]) < 0, np.nan, log_p[first:last])
        values = values[::-1] if window.reverse else values
        at = max(start, window.start) - target.start + FLANK
        read = np.isfinite(values)
        self._sums[window.target][at : at + len(values)][read] += values[read]
        self._counts[window.target][at : at + len(values)] += read

    def means(self) -> Predictability:
        """What the bases come to, target by target."""
        touched = [np.zeros(len(sums), dtype=bool) for sums in self._sums]
        for number, edit, _ in self.plan.edits:
            offset = self.plan.targets[number].start - FLANK
            touched[number][edit.start - offset : edit.end - offset] = True
        rows, at = np.full((len(touched), 3), np.nan), []
        for number, (sums, counts) in enumerate(zip(self._sums, self._counts, strict=True)):
            bases, where = _bases_to_read(counts > 0, touched[number])
            places = np.flatnonzero(bases)
            values = sums[places] / counts[places]
            half = (places - FLANK) // HALF_BLOCK % 2
            parts = values, values[half == 0], values[half == 1]
            rows[number] = [part.mean() if len(part) else np.nan for part in parts]
            at.append(where if len(places) else "")
        mean, half_a, half_b = rows.T
        return Predictability(mean, half_a, half_b, at)


def _bases_to_read(read: NDArray[np.bool_], touched: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], str]:
    """Which bases of a target and its flanks count, and what that is called."""
    inside = np.zeros(len(read), dtype=bool)
    inside[FLANK : len(read) - FLANK] = True
    untouched = read & inside & ~touched
    if untouched.sum() < max(FEWEST_BASES, SMALLEST_SHARE * (read & inside).sum()):
        return read & ~touched, WITH_FLANKS
    return untouched, ELEMENT
