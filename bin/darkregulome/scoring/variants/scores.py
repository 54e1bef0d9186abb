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
    logarithms already: the readout of the elements. One strand, the one that the model reads.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from darkregulome.edits.batches import Batches
from darkregulome.edits.dependency import log2_odds
from darkregulome.edits.plan import MASK_STRIDE
from darkregulome.edits.readout import PSEUDO_COUNT, bases_per_batch, codes
from darkregulome.errors import InputError
from darkregulome.models.protocol import BASES, LanguageModel, OutputModel
from darkregulome.scoring.variants.place import Edit

SCORES_OF_KIND = {
    "masked": ("llr", "influence", "influence_signed", "loglik", "embedding"),
    "causal": ("loglik", "influence", "influence_signed", "embedding"),
    "output": ("track",),
}
"""What can be read from each kind of model; the first is read by default."""

UNMASKED = ("influence", "influence_signed", "embedding")
"""Scores that compare unmasked passes."""


def choose_scores(names: Sequence[str], kind: str, option: str = "--scores") -> tuple[str, ...]:
    """The scores to read: those named, ``all`` that the kind of model has, or with ``auto`` its first.

    Raises
    ------
    InputError : a kind of model does not have a score.
    """
    known = SCORES_OF_KIND[kind]
    if list(names) == ["all"]:
        return known
    if list(names) in ([], ["auto"]):
        return known[:1]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError.at(
            option, f"a {kind} model has no score {unknown[0]!r}", f"use auto, all, or of {', '.join(known)}"
        )
    return tuple(name for name in known if name in names)


@dataclass(frozen=True)
class _Pass:
    """One sequence through the model, masked at `sites` (none: unmasked)."""

    sequence: str
    sites: tuple[int, ...] = ()


@dataclass
class _Answer:
    """Log-probabilities of A, C, G, T: at the masked sites, or at every position; and hidden states if asked for."""

    log_p: NDArray[np.float64]
    hidden: NDArray[np.float32] | None = None


@dataclass
class _Answers:
    """Answers by their passes; and how far apart bases lie that are masked at once for a log-likelihood, 0 for none."""

    stride: int
    by_pass: dict[_Pass, _Answer]

    def __getitem__(self, item: _Pass) -> _Answer:
        return self.by_pass[item]


def score_edits(
    model: LanguageModel,
    edits: Sequence[Edit],
    scores: Sequence[str],
    *,
    both_strands: bool = True,
    batch_size: int | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Scores of edits by a language model, each of shape (edits,).

    Passes of equal sequences are run once, such as the reference of several ALTs of a site. The scores do not depend
    on `batch_size` (sequences a batch; None finds it).

    Raises
    ------
    InputError : one window does not fit into memory.
    """
    found = {name: np.full(len(edits), np.nan) for name in scores}
    both = both_strands and not model.equivariant
    # Windows of one length side by side: a batch has one length.
    order = sorted(range(len(edits)), key=lambda number: (len(edits[number].ref), len(edits[number].alt)))
    first = 0
    stride = MASK_STRIDE * getattr(model, "k", 1) if model.kind == "masked" else 0
    # A guess, from which the size of a batch of edits follows; what is run at once, `Batches` decides.
    passes_of_edit = 2 * (1 + both)
    while first < len(order):
        longest = max(len(edits[order[first]].ref), len(edits[order[first]].alt))
        budget = bases_per_batch(model)
        batch = order[first : first + max(1, (batch_size or budget // longest) // passes_of_edit)]
        some = [edits[number] for number in batch]
        for name, values in _score_batch(model, some, scores, both, budget, batch_size, stride).items():
            found[name][batch] = values
        first += len(batch)
    return found


def _score_batch(
    model: LanguageModel,
    edits: Sequence[Edit],
    scores: Sequence[str],
    both: bool,
    budget: int,
    size: int | None,
    stride: int,
) -> dict[str, NDArray[np.float64]]:
    strands = [[edit, edit.reverse_complement()] if both else [edit] for edit in edits]
    wanted = dict.fromkeys(item for pair in strands for edit in pair for item in _passes(edit, scores, stride))
    answers = _Answers(stride, _run(model, list(wanted), "embedding" in scores, budget, size))
    return {
        name: np.array([sum(_READ[name](edit, answers) for edit in pair) / len(pair) for pair in strands])
        for name in scores
    }


def _passes(edit: Edit, scores: Sequence[str], stride: int) -> list[_Pass]:
    found = list(_masked(edit)) if "llr" in scores else []
    if any(name in UNMASKED for name in scores):
        found += [_Pass(edit.ref), _Pass(edit.alt)]
    if "loglik" in scores:
        found += [*_phases(edit.ref, stride), *_phases(edit.alt, stride)]
    return found


def _phases(sequence: str, stride: int) -> list[_Pass]:
    """Passes in which each base is masked once; a single one without a mask where the stride is 0."""
    if not stride:
        return [_Pass(sequence)]
    size = len(sequence)
    return [_Pass(sequence, tuple(range(phase, size, stride))) for phase in range(min(stride, size))]


def _masked(edit: Edit) -> tuple[_Pass, _Pass]:
    """The masked passes of both alleles; one and the same where bases are only substituted."""
    if edit.substitution:
        sites = tuple(at for at in range(edit.start, edit.ref_end) if edit.ref[at] != edit.alt[at])
        one = _Pass(edit.ref, sites)
        return one, one
    return (
        _Pass(edit.ref, _sites(edit.ref, edit.start, edit.ref_end)),
        _Pass(edit.alt, _sites(edit.alt, edit.start, edit.alt_end)),
    )


def _sites(sequence: str, start: int, end: int) -> tuple[int, ...]:
    """The allele and a base on either side, as far as they are A, C, G or T."""
    span = range(max(0, start - 1), min(len(sequence), end + 1))
    return tuple(at for at in span if sequence[at] in BASES)


def _run(
    model: LanguageModel, passes: list[_Pass], hidden: bool, budget: int, size: int | None
) -> dict[_Pass, _Answer]:
    """Run passes, those of one length and number of masks together."""
    answers: dict[_Pass, _Answer] = {}
    by_shape: dict[tuple[int, int], list[_Pass]] = {}
    for item in passes:
        by_shape.setdefault((len(item.sequence), len(item.sites)), []).append(item)
    batches = Batches(budget, size, len(passes))
    for (length, masks), group in by_shape.items():

        def run(numbers: NDArray[np.int64], group: list[_Pass] = group, states: bool = hidden and not masks) -> None:
            batch = [group[number] for number in numbers.tolist()]
            answers.update(zip(batch, _ask(model, batch, states), strict=True))

        batches.run(np.arange(len(group)), length, run)
    return answers


def _ask(model: LanguageModel, passes: list[_Pass], hidden: bool) -> list[_Answer]:
    tokens = model.encode([item.sequence for item in passes])
    for positions in zip(*(item.sites for item in passes), strict=True):
        tokens = model.mask(tokens, torch.tensor(positions, device=tokens.device))
    log_p = model.log_probs(tokens).double().cpu().numpy()
    states = model.hidden(tokens).float().cpu().numpy() if hidden else None
    return [
        _Answer(
            log_p[row, list(item.sites)] if item.sites else log_p[row],
            None if states is None else states[row],
        )
        for row, item in enumerate(passes)
    ]


def _llr(edit: Edit, answers: _Answers) -> float:
    of_ref, of_alt = _masked(edit)
    ref_p, alt_p = answers[of_ref].log_p, answers[of_alt].log_p
    ref = codes("".join(edit.ref[at] for at in of_ref.sites))
    alt = codes("".join(edit.alt[at] for at in of_alt.sites))
    return _corrected(ref_p[np.arange(len(ref)), ref], alt_p[np.arange(len(alt)), alt])


def _loglik(edit: Edit, answers: _Answers) -> float:
    def known(sequence: str) -> NDArray[np.float64]:
        letters, log_p = codes(sequence), np.empty((len(sequence), len(BASES)))
        for item in _phases(sequence, answers.stride):
            log_p[list(item.sites) or slice(None)] = answers[item].log_p
        at = np.flatnonzero(letters >= 0)
        return log_p[at, letters[at]]

    return _corrected(known(edit.ref), known(edit.alt))


def _corrected(ref: NDArray[np.float64], alt: NDArray[np.float64]) -> float:
    """Difference of the means times the mean number: the difference of the sums, where they are as many."""
    if not len(ref) or not len(alt):
        return math.nan
    return float((alt.mean() - ref.mean()) * (len(ref) + len(alt)) / 2)


def _positions(edit: Edit, own: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions compared in REF's window and in ALT's; with `own` the variant's too, where it keeps the length."""
    ref, alt = np.arange(len(edit.ref)), np.arange(len(edit.alt))
    if own and edit.substitution:
        return ref, alt
    if edit.substitution:
        changed = np.array(_masked(edit)[0].sites, dtype=np.int64)
        return np.delete(ref, changed), np.delete(alt, changed)
    return np.delete(ref, slice(edit.start, edit.ref_end)), np.delete(alt, slice(edit.start, edit.alt_end))


def _influence(edit: Edit, answers: _Answers) -> float:
    in_ref, in_alt = _positions(edit, own=False)
    change = _ln_odds(answers[_Pass(edit.alt)].log_p[in_alt]) - _ln_odds(answers[_Pass(edit.ref)].log_p[in_ref])
    return float(np.abs(change).max(axis=1).mean())


def _ln_odds(log_p: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln(p / (1 - p)) of each base, the rest summed from the other three: exact where p is nearly 1."""
    p = np.exp(log_p)
    others = np.stack([p[:, [other for other in range(4) if other != base]].sum(axis=1) for base in range(4)], axis=1)
    return log_p - np.log(others)


def _influence_signed(edit: Edit, answers: _Answers) -> float:
    in_ref, in_alt = _positions(edit, own=True)
    change = log2_odds(np.exp(answers[_Pass(edit.alt)].log_p[in_alt])) - log2_odds(
        np.exp(answers[_Pass(edit.ref)].log_p[in_ref])
    )
    # The variant's own position is in the sum and not in the number, as in the published score.
    return float(change.max(axis=1).sum() / max(1, len(in_ref) - edit.substitution))


def _embedding(edit: Edit, answers: _Answers) -> float:
    in_ref, in_alt = _positions(edit, own=True)
    ref, alt = answers[_Pass(edit.ref)].hidden, answers[_Pass(edit.alt)].hidden
    assert ref is not None
    assert alt is not None
    squares = ((alt[in_alt].astype(float) - ref[in_ref]) ** 2).sum()
    return float(np.sqrt(squares * (len(edit.ref) + len(edit.alt)) / (2 * len(in_ref))))


_READ: dict[str, Callable[[Edit, _Answers], float]] = {
    "llr": _llr,
    "influence": _influence,
    "influence_signed": _influence_signed,
    "loglik": _loglik,
    "embedding": _embedding,
}


def track_changes(
    model: OutputModel,
    ref: str,
    alts: Sequence[str],
    spans: Sequence[tuple[int, int]],
    tracks: Sequence[int],
    batch_size: int | None = None,
) -> NDArray[np.float64]:
    """Change of each track from the window `ref` to each of `alts`: shape (alts, tracks), log2 units."""
    size = batch_size or max(1, bases_per_batch(model) // len(ref))
    with torch.inference_mode():
        state = model.reference_state(ref)
        before = model.tss_tracks(ref, state).double().cpu().numpy()[list(tracks)]
        after = np.concatenate(
            [
                model.edited_tss_tracks(state, alts[at : at + size], spans[at : at + size]).double().cpu().numpy()
                for at in range(0, len(alts), size)
            ]
        )[:, list(tracks)]
    if model.log_outputs:
        return (after - before) * math.log2(10)
    return np.log2((after + PSEUDO_COUNT) / (before + PSEUDO_COUNT))
