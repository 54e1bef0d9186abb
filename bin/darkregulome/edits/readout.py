"""Runs a plan on a model and reads the effects. Knows of models only their protocol.

Readouts
--------
llr (masked models)
    log p(alt) - log p(ref) at the masked site, given the rest of the window; both strands averaged, or one where the
    model is equivariant. Predictability of an element: mean of log p(ref) over its sampled sites.
loglik (masked and causal models)
    Log-likelihood of the edited window less that of the reference, over the bases that both have: not those that an
    edit turns into N, takes out or puts in, nor those that a window gains or loses at its end. Both strands averaged.
    For a masked model it is the pseudo-log-likelihood, each base masked once, every seventh at a time
    (`plan.MASK_STRIDE`): without a mask a model copies the base it sees, and one base at a time would take as many
    passes as the window has bases. Predictability: mean log p of the element's bases, both strands averaged.
dependency (masked and causal models)
    How much the predicted distributions at the target region, the promoter, change: at each of its positions the
    largest |change of log odds| over the four bases (natural logarithm), averaged over positions and strands: the
    influence score of Tomaz da Silva et al. 2025 (doi:10.1038/s41588-025-02347-3) as GPN takes it. Positions inside
    the edit are not read. Without masks; a causal model is read on the strand on which a position comes after the edit.
    Predictability as for `loglik`.
track (output models)
    Mean over the tracks of log2((alt + 1) / (ref + 1)); a model whose outputs are decimal logarithms already gives
    (alt - ref) log2(10). There is no predictability.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch

from darkregulome.edits.batches import Batches
from darkregulome.edits.plan import LanguagePlan, OutputPlan, Window
from darkregulome.errors import InputError
from darkregulome.genome.bases import N_CODE, base_codes
from darkregulome.models.protocol import LanguageModel, OutputModel, PrefixReuse

PSEUDO_COUNT = 1.0
"""Added to predicted tracks before the logarithm: coverage is on the scale of counts, as in the Enformer paper."""
TOKENS_PER_BATCH = {"cpu": 2**13, "cuda": 2**20}
OUTPUT_BASES_PER_BATCH = {"cpu": 2**18, "cuda": 2**22}
"""First guesses of a batch of a language model and of an output model, in bases; see `bases_per_batch`."""
REUSE_FROM = 8
"""An edit in the first eighth of its window is run whole: there is little to reuse, and much to keep for it."""

Report = Callable[[float], None]
Read = Callable[[np.ndarray, int, torch.Tensor], None]
"""Takes numbers of passes, a position, and log-probabilities from that position on, (passes, positions, 4)."""


def bases_per_batch(model: LanguageModel | OutputModel) -> int:
    """First guess of a batch, in bases: halved where memory does not suffice."""
    guesses = OUTPUT_BASES_PER_BATCH if model.kind == "output" else TOKENS_PER_BATCH
    return guesses["cuda" if str(model.device).startswith("cuda") else "cpu"]


class Runner:
    """A model with its batch size, and what it reads: runs one plan after another.

    Parameters
    ----------
    batch_size : sequences a batch; None finds it. The effects do not depend on it.
    tracks : names of the tracks of an output model to read; None reads all that it has.
    """

    def __init__(
        self, model: LanguageModel | OutputModel, batch_size: int | None = None, tracks: Sequence[str] | None = None
    ):
        self.model = model
        self.batch_size = batch_size
        self.tracks = _tracks(cast(OutputModel, model), tracks) if model.kind == "output" else []
        self._budget: int | None = None
        self._state: tuple[str, Any, np.ndarray] | None = None

    def run(self, plan: LanguagePlan | OutputPlan, report: Report | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Effects, one an edit of the plan, and predictability, one a target."""
        jobs = len(plan.edits) if isinstance(plan, OutputPlan) else len(plan.passes)
        batches = Batches(self._budget or bases_per_batch(self.model), self.batch_size, jobs, report)
        if isinstance(plan, OutputPlan):
            results = self._output(plan, batches)
        else:
            read = {"llr": _read_llr, "loglik": _read_loglik, "dependency": _read_dependency}
            results = read[cast(str, plan.settings.readout)](cast(LanguageModel, self.model), plan, batches)
        # What did not fit once is not tried again.
        self._budget, self.batch_size = batches.budget, batches.size
        return results

    def _output(self, plan: OutputPlan, batches: Batches) -> tuple[np.ndarray, np.ndarray]:
        model = cast(OutputModel, self.model)
        effects = np.zeros(len(plan.edits))
        if plan.edits:
            state, reference = self._reference(model, plan.reference())

            def run(numbers: np.ndarray) -> None:
                edited = [plan.edited(number) for number in numbers.tolist()]
                predicted = model.edited_tss_tracks(state, [letters for letters, _ in edited], [at for _, at in edited])
                values = predicted.double().cpu().numpy()[:, self.tracks]
                effects[numbers] = _log2_change(values, reference, model.log_outputs).mean(axis=1)

            batches.run(np.arange(len(plan.edits)), plan.end - plan.start, run)
        return effects, np.full(len(plan.targets), np.nan)

    def _reference(self, model: OutputModel, sequence: str) -> tuple[Any, np.ndarray]:
        """State and tracks of the reference; those of the last one are kept, for the next chunk of its locus."""
        if self._state is None or self._state[0] != sequence:
            self._state = None
            with torch.inference_mode():
                state = model.reference_state(sequence)
                tracks = model.tss_tracks(sequence, state).double().cpu().numpy()[self.tracks]
            self._state = sequence, state, tracks
        return self._state[1], self._state[2]


def _log2_change(values: np.ndarray, reference: np.ndarray, log_outputs: bool) -> np.ndarray:
    if log_outputs:
        return (values - reference) * math.log2(10)
    return np.log2((values + PSEUDO_COUNT) / (reference + PSEUDO_COUNT))


def _tracks(model: OutputModel, tracks: Sequence[str] | None) -> list[int]:
    if not tracks:
        return list(range(len(model.tracks)))
    unknown = [name for name in tracks if name not in model.tracks]
    if unknown:
        raise InputError.at("--tracks", f"{model.name} has no track {unknown[0]!r}", f"use {', '.join(model.tracks)}")
    return [model.tracks.index(name) for name in tracks]


def _read_llr(model: LanguageModel, plan: LanguagePlan, batches: Batches) -> tuple[np.ndarray, np.ndarray]:
    at_site = np.zeros((len(plan.passes), 4))

    def run(numbers: np.ndarray) -> None:
        tokens = model.encode([plan.sequence(number) for number in numbers.tolist()])
        # The site is in the middle of its window, on either strand.
        middle = plan.lengths[numbers[0]] // 2
        masked = model.mask(tokens, torch.full((len(numbers),), middle, device=tokens.device))
        at_site[numbers] = model.log_probs(masked)[:, middle].double().cpu().numpy()

    for group in plan.groups():
        batches.run(group, plan.lengths[group[0]], run)
    effects = np.zeros(len(plan.edits))
    for number, edit in enumerate(plan.edits):
        ref, alt = codes(edit.perturbation.ref + edit.perturbation.alt)
        for reading in edit.readings:
            # Reversing A, C, G, T complements it.
            log_p = at_site[reading.number][:: -1 if plan.windows[reading.window].reverse else 1]
            effects[number] += (log_p[alt] - log_p[ref]) / len(edit.readings)
    sums, counts = np.zeros(len(plan.targets)), np.zeros(len(plan.targets))
    for window in plan.windows:
        (ref,) = codes(window.source.read(*window.tile))
        sums[window.target] += at_site[window.number][3 - ref if window.reverse else ref]
        counts[window.target] += 1
    return effects, _divide(sums, counts)


def _read_loglik(model: LanguageModel, plan: LanguagePlan, batches: Batches) -> tuple[np.ndarray, np.ndarray]:
    total = np.zeros(len(plan.passes))
    kept: dict[int, np.ndarray] = {}

    def read(numbers: np.ndarray, start: int, log_probs: torch.Tensor) -> None:
        log_p = _base_log_probs(plan, numbers, start, log_probs)
        for row, number in enumerate(numbers.tolist()):
            job = plan.passes[number]
            window = plan.windows[job.window]
            if job.edit is None:
                kept[number] = log_p[row].astype(np.float32)
                total[number] = log_p[row].sum(dtype=float)
                continue
            here = log_p[row]
            if job.edit.shift:
                here = here[window.origin(job.edit)[start:] >= 0]
            total[number] = here.sum(dtype=float) + (kept[window.number][:start].sum(dtype=float) if start else 0.0)

    _run(model, plan, batches, read)
    effects = np.zeros(len(plan.edits))
    for number, edit in enumerate(plan.edits):
        for at, edited in edit.readings:
            window = plan.windows[at]
            lost = _lost(window, edit.perturbation, kept[window.number])
            effects[number] += (total[edited] - (total[window.number] - lost)) / len(edit.readings)
    return effects, _mean_of_tiles(plan, kept)


def _base_log_probs(plan: LanguagePlan, numbers: np.ndarray, start: int, log_probs: torch.Tensor) -> np.ndarray:
    """Log-probability of each base of passes from position `start` on, zero at an N; shape (passes, positions)."""
    letters = "".join(plan.sequence(number)[start:] for number in numbers.tolist())
    found = codes(letters).reshape(len(numbers), -1)
    index = torch.from_numpy(np.maximum(found, 0)).to(log_probs.device)
    read = log_probs.gather(2, index[..., None])[..., 0].float().cpu().numpy()
    return np.where(found >= 0, read, 0.0)


def _lost(window: Window, edit: Any, log_p: np.ndarray) -> float:
    """Log-likelihood of the reference's bases that the edited window does not have: they are not compared."""
    if edit.shift:
        origin = window.origin(edit)
        gone = np.ones(len(log_p), dtype=bool)
        gone[origin[origin >= 0]] = False
        return float(log_p[gone].sum(dtype=float))
    if "N" not in edit.alt:
        return 0.0
    first, last = window.span(edit)
    gone = codes(edit.alt)[:: -1 if window.reverse else 1] < 0
    return float(log_p[first:last][gone].sum(dtype=float))


def _mean_of_tiles(plan: LanguagePlan, kept: dict[int, np.ndarray]) -> np.ndarray:
    """Mean of the reference's log-probabilities over the bases of each target's tiles."""
    sums, counts = np.zeros(len(plan.targets)), np.zeros(len(plan.targets))
    for window in plan.windows:
        first, last = window.position(window.tile)
        known = codes(window.letters()[first:last]) >= 0
        sums[window.target] += kept[window.number][first:last][known].sum(dtype=float)
        counts[window.target] += known.sum()
    return _divide(sums, counts)


def _read_dependency(model: LanguageModel, plan: LanguagePlan, batches: Batches) -> tuple[np.ndarray, np.ndarray]:
    """Reads every pass in the positions of the region; of references, all causal log-likelihoods too."""
    sums, counts = np.zeros(len(plan.passes)), np.zeros(len(plan.passes))
    odds: dict[int, np.ndarray] = {}
    kept: dict[int, np.ndarray] = {}

    def read(numbers: np.ndarray, start: int, log_probs: torch.Tensor) -> None:
        likelihoods = None
        for row, number in enumerate(numbers.tolist()):
            job = plan.passes[number]
            window = plan.windows[job.window]
            first, last = window.position(window.region)
            if job.edit is None:
                odds[number] = _log_odds(log_probs[row, first:last])
                if model.kind == "causal":
                    if likelihoods is None:
                        likelihoods = _base_log_probs(plan, numbers, start, log_probs)
                    kept[number] = likelihoods[row].astype(np.float32)
                continue
            origin = window.origin(job.edit)
            edited = window.span(job.edit)
            # A causal model sees an edit only from behind it.
            seen = (origin >= first) & (origin < last) & ((origin < edited[0]) | (origin >= edited[1]))
            if model.kind == "causal":
                seen &= origin >= edited[1]
            places = np.flatnonzero(seen)
            if len(places):
                index = torch.from_numpy(places - start).to(log_probs.device)
                change = np.abs(_log_odds(log_probs[row][index]) - odds[window.number][origin[places] - first])
                sums[number], counts[number] = change.max(axis=1).sum(), len(places)

    _run(model, plan, batches, read, model.log_probs)
    effects = np.full(len(plan.edits), np.nan)
    for number, edit in enumerate(plan.edits):
        passes = [reading.number for reading in edit.readings]
        if counts[passes].sum():
            effects[number] = sums[passes].sum() / counts[passes].sum()
    if model.kind == "masked":
        kept = _pseudo_of_references(model, plan, batches)
    return effects, _mean_of_tiles(plan, kept)


def _log_odds(log_p: torch.Tensor) -> np.ndarray:
    """ln p / (1 - p) of the four bases, from their log-probabilities (positions, 4); exact where p is near one."""
    values = log_p.double()
    others = torch.stack([values[:, [b for b in range(4) if b != base]].logsumexp(1) for base in range(4)], dim=1)
    return (values - others).cpu().numpy()


def _pseudo_of_references(model: LanguageModel, plan: LanguagePlan, batches: Batches) -> dict[int, np.ndarray]:
    kept: dict[int, np.ndarray] = {}

    def run(numbers: np.ndarray) -> None:
        log_probs = _pseudo(model, plan, numbers)
        for number, log_p in zip(numbers.tolist(), _base_log_probs(plan, numbers, 0, log_probs), strict=True):
            kept[number] = log_p.astype(np.float32)

    counted = Batches(batches.budget, batches.size, len(plan.passes))
    for group in plan.groups(plan.references()):
        counted.run(group, plan.lengths[group[0]], run)
    return kept


def _run(
    model: LanguageModel,
    plan: LanguagePlan,
    batches: Batches,
    read: Read,
    log_probs: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> None:
    """Every pass of the plan, the references first; a causal model that can reuses what comes before an edit."""

    def run(numbers: np.ndarray) -> None:
        if log_probs is None and model.kind == "masked":
            read(numbers, 0, _pseudo(model, plan, numbers))
        else:
            read(numbers, 0, model.log_probs(model.encode([plan.sequence(number) for number in numbers.tolist()])))

    if model.kind == "causal" and getattr(model, "reuses_prefix", False):
        _run_suffixes(model, plan, batches, read, run)
        return
    references = plan.references()
    edited = np.setdiff1d(np.arange(len(plan.passes)), references)
    for part in (np.array(references, dtype=int), edited):
        for group in plan.groups(part):
            batches.run(group, plan.lengths[group[0]], run)


def _run_suffixes(
    model: LanguageModel, plan: LanguagePlan, batches: Batches, read: Read, run: Callable[[np.ndarray], None]
) -> None:
    reuser = cast(PrefixReuse, model)
    edits: defaultdict[int, list[int]] = defaultdict(list)
    for number, job in enumerate(plan.passes):
        if job.edit is not None:
            edits[plan.windows[job.window].number].append(number)

    def run_references(references: np.ndarray) -> None:
        length = plan.lengths[references[0]]
        owner = {number: row for row, ref in enumerate(references.tolist()) for number in edits[ref]}
        numbers = np.array(list(owner), dtype=int)
        firsts = np.array([plan.passes[number].first for number in numbers], dtype=int)
        late = firsts >= length // REUSE_FROM
        tokens = model.encode([plan.sequence(number) for number in references.tolist()])
        state = reuser.reference_state(tokens, int(firsts[late].min()) if late.any() else length)
        read(references, 0, state.log_probs)
        batches.run(numbers[~late], length, run)
        order = np.argsort(-firsts[late], kind="stable")
        first_of = dict(zip(numbers.tolist(), firsts.tolist(), strict=True))

        def run_edits(batch: np.ndarray) -> None:
            first = min(first_of[number] for number in batch.tolist())
            rows = torch.tensor([owner[number] for number in batch.tolist()])
            edited = model.encode([plan.sequence(number) for number in batch.tolist()])
            read(batch, first, reuser.edited_log_probs(state, rows, edited, first))

        batches.run(numbers[late][order], length - firsts[late][order], run_edits)

    for group in plan.groups(plan.references()):
        batches.run(group, plan.lengths[group[0]], run_references)


def _pseudo(model: LanguageModel, plan: LanguagePlan, numbers: np.ndarray) -> torch.Tensor:
    """Log-probabilities of each base while it is masked, (passes, length, 4): every seventh token at a time."""
    tokens = model.encode([plan.sequence(number) for number in numbers.tolist()])
    log_probs, stride = None, plan.mask_stride
    for phase in range(min(stride, plan.lengths[numbers[0]])):
        masked = tokens
        for place in range(phase, plan.lengths[numbers[0]], stride):
            masked = model.mask(masked, torch.full((len(numbers),), place, device=tokens.device))
        found = model.log_probs(masked)
        log_probs = torch.zeros_like(found) if log_probs is None else log_probs
        log_probs[:, phase::stride] = found[:, phase::stride]
    return cast(torch.Tensor, log_probs)


def codes(letters: str) -> np.ndarray:
    """0, 1, 2, 3 for A, C, G, T; -1 for anything else."""
    found = base_codes(letters).astype(np.int64)
    return np.where(found == N_CODE, -1, found)


def _divide(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return sums / counts
