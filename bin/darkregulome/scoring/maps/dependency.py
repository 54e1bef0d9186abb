"""Nucleotide dependencies: how a substitution at one base changes what a model predicts at the others.

Source: Tomaz da Silva et al. 2025 (doi:10.1038/s41588-025-02347-3), and their notebook, which adds `EPSILON` to every
probability (`forwards.EPSILON`). The passes are unmasked: 3 for every base of the sequence, and one for the reference.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from darkregulome.edits.batches import Batches, bases_per_batch
from darkregulome.edits.forwards import Forward, as_numbers, log2_odds, run_forwards
from darkregulome.models.protocol import BASES, LanguageModel

Measure = Callable[[np.ndarray], np.ndarray]
"""From log-probabilities of A, C, G, T, on the last axis, to what is compared."""


@dataclass(frozen=True)
class Changes:
    """What the substitutions at one base change.

    Attributes
    ----------
    position : the base, in the sequence.
    alternatives : the bases put there.
    change : of the measure at every target, (alternatives, targets, 4); with a sign.
    targets : the bases at which the predictions are read.
    """

    position: int
    alternatives: str
    change: np.ndarray
    targets: range

    def largest(self) -> np.ndarray:
        """The row of the dependency map: the largest |change| at every target, float32; zero at the base itself."""
        row = np.abs(self.change).max(axis=(0, 2)).astype(np.float32)
        if self.position in self.targets:
            row[self.targets.index(self.position)] = 0
        return row


def substitution_changes(
    model: LanguageModel,
    sequence: str,
    *,
    positions: range | None = None,
    targets: range | None = None,
    measure: Measure = log2_odds,
    batch_size: int | None = None,
    report: Callable[[float], None] | None = None,
) -> Iterator[Changes]:
    """What each substitution changes, base by base, so that no more than a batch of it is ever held.

    Parameters
    ----------
    sequence : read on the strand that it is given on, at most the model's context long. At an N nothing is put.
    positions, targets : bases that are substituted, and bases at which the predictions are read; all by default.
    batch_size : sequences per batch; by default as many as fit. The changes do not depend on it.
    report : called with the share that is done, 0 to 1.
    """
    sequence = sequence.upper()
    wanted, edited = _all_of(sequence, targets), _all_of(sequence, positions)
    columns = slice(wanted.start, wanted.stop, wanted.step)
    batches = Batches.of(model, batch_size, 3 * len(edited) + 1, report)

    def read(sequences: list[str]) -> np.ndarray:
        values = np.empty((len(sequences), len(wanted), len(BASES)))

        def keep(rows: np.ndarray, _tokens: torch.Tensor, log_probs: torch.Tensor) -> None:
            values[rows] = measure(as_numbers(log_probs[:, columns]))

        run_forwards(model, [Forward(letters) for letters in sequences], batches, keep)
        return values

    reference = read([sequence])[0]
    at_a_time = max(1, (batch_size or bases_per_batch(model) // len(sequence)) // 3)
    for first in range(0, len(edited), at_a_time):
        group = edited[first : first + at_a_time]
        pending = [(i, "".join(b for b in BASES if b != sequence[i])) for i in group if sequence[i] in BASES]
        if not pending:
            continue
        mutants = [sequence[:i] + base + sequence[i + 1 :] for i, bases in pending for base in bases]
        changes = read(mutants) - reference
        for number, (i, bases) in enumerate(pending):
            yield Changes(i, bases, changes[3 * number : 3 * number + 3], wanted)


def dependency_map(
    model: LanguageModel,
    sequence: str,
    *,
    positions: range | None = None,
    targets: range | None = None,
    measure: Measure = log2_odds,
    batch_size: int | None = None,
) -> np.ndarray:
    """The dependency map: e[i, j] = the largest |change| at base j, over the four bases there and the three put at i.

    Returns
    -------
    float32, shape (positions, targets). Zero where both are the same base; NaN in the row of an N.
    """
    rows = _all_of(sequence, positions)
    values = np.full((len(rows), len(_all_of(sequence, targets))), np.nan, dtype=np.float32)
    for changes in substitution_changes(
        model, sequence, positions=positions, targets=targets, measure=measure, batch_size=batch_size
    ):
        values[rows.index(changes.position)] = changes.largest()
    return values


def _all_of(sequence: str, part: range | None) -> range:
    """Positions of a sequence: a part of them, or all."""
    return range(len(sequence)) if part is None else part
