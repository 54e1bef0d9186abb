"""Runs a plan on a model and reads the effects. Knows of models only their protocol.

Readouts
--------
llr (masked models)
    log p(alt) - log p(ref) at the masked site, given the rest of the window; both strands averaged, or one where the
    model is equivariant. Of a decoy: the mean |log p(alt) - log p(base)| over sampled sites and all other bases, with
    the decoy in the element's place less with the real sequence there.
loglik (masked and causal models)
    Log-likelihood of the edited window less that of the reference, over the bases that both have: not those that an
    edit turns into N, takes out or puts in, nor those that a window gains or loses at its end. Both strands averaged.
    For a masked model it is the pseudo-log-likelihood, each base masked once, every seventh at a time
    (`forwards.MASK_STRIDE`): without a mask a model copies the base it sees, and one base at a time would take as many
    passes as the window has bases.
dependency (masked and causal models)
    How much the predicted distributions at the target region, the promoter, change: at each of its positions the
    largest |change of log odds| over the four bases (natural logarithm), averaged over positions and strands: the
    influence score of Tomaz da Silva et al. 2025 (doi:10.1038/s41588-025-02347-3) as GPN takes it. Positions inside
    the edit are not read. Without masks; a causal model is read on the strand on which a position comes after the edit.
    Of decoys, which must be treated as the real sequence is: the mean distance of what is predicted with one of them in
    place from what is predicted with the others and with the real sequence, less that of the real sequence.
track (output models)
    Mean over the tracks of log2((alt + 1) / (ref + 1)); a model whose outputs are decimal logarithms already gives
    (alt - ref) log2(10).

A language model also says how predictable each element is (`predictability`): causal models by log p of the reference's
bases, masked ones by log p of a base while it is masked, every seventh at a time. Output models do not.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch

from darkregulome.edits.batches import Batches, bases_per_batch
from darkregulome.edits.edit import Edit
from darkregulome.edits.forwards import (
    as_numbers,
    codes,
    log_odds,
    log_probs_of_bases,
    masked_tokens,
    pseudo_log_probs,
    track_change,
)
from darkregulome.edits.plan import LanguagePlan, OutputPlan
from darkregulome.edits.predictability import BaseLikelihoods, Predictability
from darkregulome.edits.windows import OutputWindow, Window
from darkregulome.errors import InputError
from darkregulome.models.protocol import LanguageModel, OutputModel, PrefixReuse

REUSE_FROM = 8
"""An edit in the first eighth of its window is run whole: there is little to reuse, and much to keep for it."""

Report = Callable[[float], None]
Read = Callable[[np.ndarray, int, torch.Tensor], None]
"""Takes numbers of passes, a position, and log-probabilities from that position on, (passes, positions, 4)."""


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
        self.tracks = track_numbers(cast(OutputModel, model), tracks) if model.kind == "output" else []
        self._budget = bases_per_batch(model)
        self._state: tuple[str, Any, np.ndarray] | None = None

    def run(self, plan: LanguagePlan | OutputPlan, report: Report | None = None) -> tuple[np.ndarray, Predictability]:
        """Effects, one per edit of the plan, and predictability, one per target."""
        if isinstance(plan, OutputPlan):
            changes = self.track_changes(plan.window, [planned.edit for planned in plan.edits], report)
            return changes.mean(axis=1), Predictability.unknown(len(plan.targets))
        batches = Batches(self._budget, self.batch_size, len(plan.passes) + len(plan.probes), report)
        read = {"llr": _read_llr, "loglik": _read_loglik, "dependency": _read_dependency}[plan.settings.readout]
        results = read(cast(LanguageModel, self.model), plan, batches)
        self._keep_size_of(batches)
        return results

    def track_changes(self, window: OutputWindow, edits: Sequence[Edit], report: Report | None = None) -> np.ndarray:
        """Change of each track under each edit of an output model's window: log2 units, shape (edits, tracks)."""
        model = cast(OutputModel, self.model)
        changes = np.zeros((len(edits), len(self.tracks)))
        if not edits:
            return changes
        state, reference = self._reference(model, window.reference())

        def run(numbers: np.ndarray) -> None:
            edited = [window.edited(edits[number]) for number in numbers.tolist()]
            predicted = model.edited_tss_tracks(state, [letters for letters, _ in edited], [at for _, at in edited])
            values = predicted.double().cpu().numpy()[:, self.tracks]
            changes[numbers] = track_change(values, reference, model.log_outputs)

        batches = Batches(self._budget, self.batch_size, len(edits), report)
        batches.run(np.arange(len(edits)), window.length, run)
        self._keep_size_of(batches)
        return changes

    def _keep_size_of(self, batches: Batches) -> None:
        """What did not fit once is not tried again."""
        self._budget, self.batch_size = batches.budget, batches.size

    def _reference(self, model: OutputModel, sequence: str) -> tuple[Any, np.ndarray]:
        """State and tracks of the reference; those of the last one are kept, for the next chunk of its locus."""
        if self._state is None or self._state[0] != sequence:
            self._state = None
            with torch.inference_mode():
                state = model.reference_state(sequence)
                tracks = model.tss_tracks(sequence, state).double().cpu().numpy()[self.tracks]
            self._state = sequence, state, tracks
        return self._state[1], self._state[2]


def track_numbers(model: OutputModel, tracks: Sequence[str] | None) -> list[int]:
    """Numbers of the tracks of these names, in the order of the names; of all tracks where there is none.

    Raises
    ------
    InputError : the model has no track of a name.
    """
    if not tracks:
        return list(range(len(model.tracks)))
    unknown = [name for name in tracks if name not in model.tracks]
    if unknown:
        raise InputError.at("--tracks", f"{model.name} has no track {unknown[0]!r}", f"use {', '.join(model.tracks)}")
    return [model.tracks.index(name) for name in tracks]


def _read_llr(model: LanguageModel, plan: LanguagePlan, batches: Batches) -> tuple[np.ndarray, Predictability]:
    at_site = np.zeros((len(plan.passes), 4))

    def run(numbers: np.ndarray) -> None:
        # The site is in the middle of its window, on either strand.
        middle = plan.lengths[numbers[0]] // 2
        tokens = masked_tokens(model, _sequences(plan, numbers), [[middle]] * len(numbers))
        at_site[numbers] = as_numbers(model.log_probs(tokens)[:, middle])

    for group in plan.groups():
        batches.run(group, plan.lengths[group[0]], run)
    effects = np.zeros(len(plan.edits))
    if plan.settings.perturbation == "decoy":
        mean = {number: _mean_llr(plan.sequence(number), log_p) for number, log_p in enumerate(at_site)}
        for number, (_, _, readings) in enumerate(plan.edits):
            real = [plan.windows[reading.window].number for reading in readings]
            effects[number] = np.mean([mean[one.number] - mean[two] for one, two in zip(readings, real, strict=True)])
        return effects, _probed(model, plan, batches)
    for number, (_, edit, readings) in enumerate(plan.edits):
        ref, alt = codes(edit.ref + edit.alt)
        for reading in readings:
            # Reversing A, C, G, T complements it.
            log_p = at_site[reading.number][:: -1 if plan.windows[reading.window].reverse else 1]
            effects[number] += (log_p[alt] - log_p[ref]) / len(readings)
    return effects, _probed(model, plan, batches)


def _mean_llr(letters: str, log_p: np.ndarray) -> float:
    """Mean |log p(alt) - log p(base)| over the three alternatives of the base in the middle of a window."""
    base = codes(letters[len(letters) // 2])[0]
    return float(np.abs(log_p - log_p[base]).sum() / 3)


def _probed(model: LanguageModel, plan: LanguagePlan, batches: Batches) -> Predictability:
    """Predictability from the probes of a plan."""
    likelihoods = BaseLikelihoods(plan)
    groups = defaultdict(list)
    for number, probe in enumerate(plan.probes):
        groups[probe.length, probe.phases].append(number)

    def run(numbers: np.ndarray) -> None:
        probes = [plan.probes[number] for number in numbers.tolist()]
        (_, phases), length = probes[0], probes[0].length
        sequences = [probe.windows[0].letters() for probe in probes]
        log_probs = pseudo_log_probs(model, model.encode(sequences), length, plan.mask_stride, phases)
        log_p = log_probs_of_bases(log_probs, sequences)
        log_p[:, ~np.isin(np.arange(length) % plan.mask_stride, phases)] = np.nan
        for probe, row in zip(probes, log_p, strict=True):
            for window in probe.windows:
                likelihoods.add(window, row)

    for (length, _), numbers in groups.items():
        batches.run(np.array(numbers), length, run)
    return likelihoods.means()


def _read_loglik(model: LanguageModel, plan: LanguagePlan, batches: Batches) -> tuple[np.ndarray, Predictability]:
    total = np.zeros(len(plan.passes))
    of_reference: dict[int, np.ndarray] = {}

    def read(numbers: np.ndarray, start: int, log_probs: torch.Tensor) -> None:
        log_p = log_probs_of_bases(log_probs, _sequences(plan, numbers, start))
        for row, number in enumerate(numbers.tolist()):
            job = plan.passes[number]
            window = plan.windows[job.window]
            if job.edit is None:
                of_reference[number] = log_p[row].astype(np.float32)
                total[number] = log_p[row].sum(dtype=float)
                continue
            here = log_p[row]
            if job.edit.shift:
                here = here[window.origin(job.edit)[start:] >= 0]
            total[number] = here.sum(dtype=float) + (
                of_reference[window.number][:start].sum(dtype=float) if start else 0.0
            )

    _run(model, plan, batches, read)
    effects = np.zeros(len(plan.edits))
    for number, (_, edit, readings) in enumerate(plan.edits):
        for at, edited in readings:
            window = plan.windows[at]
            lost = _lost(window, edit, of_reference[window.number])
            effects[number] += (total[edited] - (total[window.number] - lost)) / len(readings)
    return effects, _of_windows(plan, of_reference)


def _lost(window: Window, edit: Edit, log_p: np.ndarray) -> float:
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


def _of_windows(plan: LanguagePlan, of_reference: dict[int, np.ndarray]) -> Predictability:
    """Predictability from the reference's log-probabilities, by the number of their pass."""
    likelihoods = BaseLikelihoods(plan)
    for window in plan.windows:
        likelihoods.add(window, of_reference[window.number])
    return likelihoods.means()


def _read_dependency(model: LanguageModel, plan: LanguagePlan, batches: Batches) -> tuple[np.ndarray, Predictability]:
    """Reads every pass in the positions of the region; of references, all causal log-likelihoods too."""
    sums, counts = np.zeros(len(plan.passes)), np.zeros(len(plan.passes))
    odds: dict[int, np.ndarray] = {}
    of_reference: dict[int, np.ndarray] = {}
    seen_rows: dict[int, np.ndarray] = {}
    decoys = plan.settings.perturbation == "decoy"

    def read(numbers: np.ndarray, start: int, log_probs: torch.Tensor) -> None:
        likelihoods = None
        for row, number in enumerate(numbers.tolist()):
            job = plan.passes[number]
            window = plan.windows[job.window]
            first, last = window.position(window.region)
            if job.edit is None:
                odds[number] = log_odds(as_numbers(log_probs[row, first:last]))
                if model.kind == "causal":
                    if likelihoods is None:
                        likelihoods = log_probs_of_bases(log_probs, _sequences(plan, numbers, start))
                    of_reference[number] = likelihoods[row].astype(np.float32)
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
                edited_odds = log_odds(as_numbers(log_probs[row][index]))
                if decoys:
                    odds[number], seen_rows[number] = edited_odds, origin[places] - first
                change = np.abs(edited_odds - odds[window.number][origin[places] - first])
                sums[number], counts[number] = change.max(axis=1).sum(), len(places)

    _run(model, plan, batches, read, model.log_probs)
    effects = np.full(len(plan.edits), np.nan)
    for number, planned in enumerate(plan.edits):
        passes = [reading.number for reading in planned.readings]
        if counts[passes].sum():
            effects[number] = sums[passes].sum() / counts[passes].sum()
    if decoys:
        effects = _distances_among(plan, odds, seen_rows)
    if model.kind == "masked":
        of_reference = _pseudo_of_references(model, plan, batches)
    return effects, _of_windows(plan, of_reference)


def _distances_among(plan: LanguagePlan, odds: dict[int, np.ndarray], seen_rows: dict[int, np.ndarray]) -> np.ndarray:
    """Of each decoy: its mean distance from the other decoys of its set and from the real sequence, less the real's.

    Parameters
    ----------
    odds, seen_rows : log odds of each pass in the region; of an edited one only in these rows of it.
    """
    effects = np.full(len(plan.edits), np.nan)
    sets: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for number, planned in enumerate(plan.edits):
        sets[planned.target, planned.edit.decoys].append(number)
    for numbers in sets.values():
        total, positions = np.zeros(len(numbers) + 1), 0
        # One group per strand: the reference's pass, and those of the decoys.
        for readings in zip(*(plan.edits[number].readings for number in numbers), strict=True):
            passes = [plan.windows[readings[0].window].number, *(reading.number for reading in readings)]
            rows = next((seen_rows[one] for one in passes if one in seen_rows), None)
            if rows is None:
                continue
            stack = np.stack([odds[one] if one in seen_rows else odds[one][rows] for one in passes])
            total += [np.abs(stack - row).max(axis=2).sum() / len(numbers) for row in stack]
            positions += len(rows)
        if positions:
            effects[numbers] = (total[1:] - total[0]) / positions
    return effects


def _pseudo_of_references(model: LanguageModel, plan: LanguagePlan, batches: Batches) -> dict[int, np.ndarray]:
    of_reference: dict[int, np.ndarray] = {}

    def run(numbers: np.ndarray) -> None:
        log_p = log_probs_of_bases(_pseudo(model, plan, numbers), _sequences(plan, numbers))
        of_reference.update(zip(numbers.tolist(), log_p.astype(np.float32), strict=True))

    counted = Batches(batches.budget, batches.size, len(plan.passes))
    for group in plan.groups(plan.references()):
        counted.run(group, plan.lengths[group[0]], run)
    return of_reference


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
            read(numbers, 0, model.log_probs(model.encode(_sequences(plan, numbers))))

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
        tokens = model.encode(_sequences(plan, references))
        state = reuser.reference_state(tokens, int(firsts[late].min()) if late.any() else length)
        read(references, 0, state.log_probs)
        batches.run(numbers[~late], length, run)
        order = np.argsort(-firsts[late], kind="stable")
        first_of = dict(zip(numbers.tolist(), firsts.tolist(), strict=True))

        def run_edits(batch: np.ndarray) -> None:
            first = min(first_of[number] for number in batch.tolist())
            rows = torch.tensor([owner[number] for number in batch.tolist()])
            edited = model.encode(_sequences(plan, batch))
            read(batch, first, reuser.edited_log_probs(state, rows, edited, first))

        batches.run(numbers[late][order], length - firsts[late][order], run_edits)

    for group in plan.groups(plan.references()):
        batches.run(group, plan.lengths[group[0]], run_references)


def _pseudo(model: LanguageModel, plan: LanguagePlan, numbers: np.ndarray) -> torch.Tensor:
    tokens = model.encode(_sequences(plan, numbers))
    return pseudo_log_probs(model, tokens, plan.lengths[numbers[0]], plan.mask_stride)


def _sequences(plan: LanguagePlan, numbers: np.ndarray, start: int = 0) -> list[str]:
    """The letters of passes, from position `start` on."""
    return [plan.sequence(number)[start:] for number in numbers.tolist()]
