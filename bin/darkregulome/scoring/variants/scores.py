"""Scores of variants, read from a model through its protocol.

Language models
---------------
In a window of n positions; both strands averaged, or one where the model is equivariant.

llr (masked models)
    log p(ALT) - log p(REF) at the masked site. Where several bases are substituted they are masked at once and their
    log-ratios added.
influence
    Mean over the positions of the window other than the variant's of max over A, C, G, T of |change of ln odds|, in
    unmasked passes: the influence score of GPN. N-padded positions count, as they do there.
influence_signed
    Sum over all positions, the variant's own among them, of max over A, C, G, T of the change of log2 odds with its
    sign, over n - 1: the influence score of Tomaz da Silva et al. 2025 (doi:10.1038/s41588-025-02347-3).
loglik
    Log-likelihood of the window with ALT less that with REF, over its A, C, G and T. Of a masked model the
    pseudo-log-likelihood, each base masked once, every seventh at a time, as in the elements' readout `loglik`:
    unmasked, such a model copies the base that it sees.
embedding
    Euclidean distance of the last hidden states of the two windows, all positions together, as in GPN's scripts.

Alleles of different lengths: both windows hold the same stretch of the genome, so one is longer. A mean per base is
taken in each, and the difference of the means is multiplied by the mean number of bases: a model to which all bases
are alike gives 0, and REF and ALT exchanged change the sign alone. ``llr`` compares the masked alleles so, with one
base on either side; the influence scores compare the positions that both windows have; ``embedding`` too, scaled to
the whole window.

Output models
-------------
track
    Mean over the tracks of log2((ALT + 1) / (REF + 1)), or of (ALT - REF) log2(10) where predictions are decimal
    logarithms already: the readout of the elements (`edits/readout.py`). One strand, the one that the model reads.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from darkregulome.edits.batches import Batches, bases_per_batch
from darkregulome.edits.edit import Edit
from darkregulome.edits.forwards import (
    Forward,
    as_numbers,
    codes,
    log2_odds,
    log_odds,
    run_forwards,
)
from darkregulome.genome.sequence import reverse_complement
from darkregulome.models.protocol import BASES, LanguageModel

UNMASKED = ("influence", "influence_signed", "embedding")
"""Scores that compare unmasked passes."""


class AllelePair(NamedTuple):
    """The same piece of the genome with either allele: they differ in ``[start, ref_end)`` and ``[start, alt_end)``.

    Upper case, anything but A, C, G and T as N.
    """

    ref: str
    alt: str
    start: int
    ref_end: int
    alt_end: int

    @classmethod
    def of(cls, edit: Edit, sequence: str, offset: int) -> "AllelePair":
        """The edit in `sequence`, which begins at `offset` of the contig."""
        start = edit.start - offset
        return cls(sequence, edit.apply(sequence, offset), start, edit.end - offset, start + len(edit.alt))

    def reverse_complement(self) -> "AllelePair":
        """The same pair, read on the other strand."""
        size = len(self.ref)
        start = size - self.ref_end
        ref, alt = reverse_complement(self.ref), reverse_complement(self.alt)
        return AllelePair(ref, alt, start, size - self.start, start + self.alt_end - self.start)

    @property
    def substitution(self) -> bool:
        """True where both alleles have one length."""
        return self.ref_end == self.alt_end


class _Answer(NamedTuple):
    """Log-probabilities of A, C, G, T: at the masked sites, or at every position; and hidden states if asked for."""

    log_p: NDArray[np.float64]
    hidden: NDArray[np.float32] | None = None


_Answers = Mapping[Forward, _Answer]


def score_pairs(
    model: LanguageModel,
    pairs: Sequence[AllelePair],
    scores: Sequence[str],
    *,
    both_strands: bool = True,
    batch_size: int | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Scores of pairs of alleles by a language model, each of shape (pairs,).

    Passes of equal sequences are run once, such as the reference of several ALTs of a site. The scores do not depend
    on `batch_size` (sequences per batch; None finds it).

    Raises
    ------
    InputError : one window does not fit into memory.
    """
    values = {name: np.full(len(pairs), np.nan) for name in scores}
    both = both_strands and not model.equivariant
    # Windows of one length side by side: a batch has one length.
    order = sorted(range(len(pairs)), key=lambda number: (len(pairs[number].ref), len(pairs[number].alt)))
    first = 0
    while first < len(order):
        longest = max(len(pairs[order[first]].ref), len(pairs[order[first]].alt))
        # A guess of how many pairs a batch of sequences holds; `Batches` decides what is run at once.
        count = max(1, (batch_size or bases_per_batch(model) // longest) // (2 * (1 + both)))
        batch = order[first : first + count]
        strands = [[pair, pair.reverse_complement()] if both else [pair] for pair in (pairs[n] for n in batch)]
        wanted = dict.fromkeys(item for of in strands for pair in of for item in _forwards(pair, scores, model))
        answers = _run(model, list(wanted), "embedding" in scores, batch_size)
        for name in scores:
            values[name][batch] = [sum(_READ[name](pair, answers) for pair in of) / len(of) for of in strands]
        first += len(batch)
    return values


def _forwards(pair: AllelePair, scores: Sequence[str], model: LanguageModel) -> list[Forward]:
    forwards = list(_masked(pair)) if "llr" in scores else []
    if any(name in UNMASKED for name in scores):
        forwards += [Forward(pair.ref), Forward(pair.alt)]
    if "loglik" in scores:
        masked = model.kind == "masked"
        forwards += [Forward(pair.ref, each=masked), Forward(pair.alt, each=masked)]
    return forwards


def _masked(pair: AllelePair) -> tuple[Forward, Forward]:
    """The masked passes of both alleles; one and the same where bases are only substituted."""
    if pair.substitution:
        sites = tuple(at for at in range(pair.start, pair.ref_end) if pair.ref[at] != pair.alt[at])
        one = Forward(pair.ref, sites)
        return one, one
    return (
        Forward(pair.ref, _sites(pair.ref, pair.start, pair.ref_end)),
        Forward(pair.alt, _sites(pair.alt, pair.start, pair.alt_end)),
    )


def _sites(sequence: str, start: int, end: int) -> tuple[int, ...]:
    """The allele and a base on either side, as far as they are A, C, G or T."""
    span = range(max(0, start - 1), min(len(sequence), end + 1))
    return tuple(at for at in span if sequence[at] in BASES)


def _run(model: LanguageModel, forwards: list[Forward], hidden: bool, size: int | None) -> dict[Forward, _Answer]:
    """The answers to forwards; with `hidden` those of unmasked ones have the hidden states."""
    answers: dict[Forward, _Answer] = {}

    def read(numbers: NDArray[np.int64], tokens: torch.Tensor, log_probs: torch.Tensor) -> None:
        batch, log_p = [forwards[number] for number in numbers.tolist()], as_numbers(log_probs)
        read_hidden = hidden and not (batch[0].sites or batch[0].each)
        states: Any = model.hidden(tokens).float().cpu().numpy() if read_hidden else [None] * len(batch)
        for row, item in enumerate(batch):
            answers[item] = _Answer(log_p[row, list(item.sites)] if item.sites else log_p[row], states[row])

    run_forwards(model, forwards, Batches.of(model, size, len(forwards)), read)
    return answers


def _llr(pair: AllelePair, answers: _Answers) -> float:
    of_ref, of_alt = _masked(pair)
    ref_p, alt_p = answers[of_ref].log_p, answers[of_alt].log_p
    ref = codes("".join(pair.ref[at] for at in of_ref.sites))
    alt = codes("".join(pair.alt[at] for at in of_alt.sites))
    return _corrected(ref_p[np.arange(len(ref)), ref], alt_p[np.arange(len(alt)), alt])


def _loglik(pair: AllelePair, answers: _Answers) -> float:
    def of_bases(sequence: str) -> NDArray[np.float64]:
        letters = codes(sequence)
        at = np.flatnonzero(letters >= 0)
        answer = answers.get(Forward(sequence, each=True)) or answers[Forward(sequence)]
        return answer.log_p[at, letters[at]]

    return _corrected(of_bases(pair.ref), of_bases(pair.alt))


def _corrected(ref: NDArray[np.float64], alt: NDArray[np.float64]) -> float:
    """Difference of the means times the mean number: the difference of the sums, where they are as many."""
    if not len(ref) or not len(alt):
        return math.nan
    return float((alt.mean() - ref.mean()) * (len(ref) + len(alt)) / 2)


def _positions(pair: AllelePair, own: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions compared in REF's window and in ALT's; with `own` the variant's too, where it keeps the length."""
    ref, alt = np.arange(len(pair.ref)), np.arange(len(pair.alt))
    if own and pair.substitution:
        return ref, alt
    if pair.substitution:
        changed = np.array(_masked(pair)[0].sites, dtype=np.int64)
        return np.delete(ref, changed), np.delete(alt, changed)
    return np.delete(ref, slice(pair.start, pair.ref_end)), np.delete(alt, slice(pair.start, pair.alt_end))


def _influence(pair: AllelePair, answers: _Answers) -> float:
    in_ref, in_alt = _positions(pair, own=False)
    change = log_odds(answers[Forward(pair.alt)].log_p[in_alt]) - log_odds(answers[Forward(pair.ref)].log_p[in_ref])
    return float(np.abs(change).max(axis=1).mean())


def _influence_signed(pair: AllelePair, answers: _Answers) -> float:
    in_ref, in_alt = _positions(pair, own=True)
    change = log2_odds(answers[Forward(pair.alt)].log_p[in_alt]) - log2_odds(answers[Forward(pair.ref)].log_p[in_ref])
    # The variant's own position is in the sum and not in the number, as in the published score.
    return float(change.max(axis=1).sum() / max(1, len(in_ref) - pair.substitution))


def _embedding(pair: AllelePair, answers: _Answers) -> float:
    in_ref, in_alt = _positions(pair, own=True)
    ref, alt = answers[Forward(pair.ref)].hidden, answers[Forward(pair.alt)].hidden
    assert ref is not None
    assert alt is not None
    squares = ((alt[in_alt].astype(float) - ref[in_ref]) ** 2).sum()
    return float(np.sqrt(squares * (len(pair.ref) + len(pair.alt)) / (2 * len(in_ref))))


_READ: dict[str, Callable[[AllelePair, _Answers], float]] = {
    "llr": _llr,
    "influence": _influence,
    "influence_signed": _influence_signed,
    "loglik": _loglik,
    "embedding": _embedding,
}
