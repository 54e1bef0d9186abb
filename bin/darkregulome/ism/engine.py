"""Runs a plan on a model and reads the effects. Knows of models only their protocol.

Readouts
--------
llr (masked models)
    log p(alt) - log p(ref) at the masked site, given the rest of the window; both strands averaged, or one where the
    model is equivariant. Predictability of an element: mean of log p(ref) over its sampled sites.
loglik (causal models)
    Log-likelihood of the edited window less that of the reference, over the bases that are A, C, G or T in the edited
    window; both strands averaged. Predictability: mean log p of the element's bases, both strands averaged.
track (output models)
    Mean over the tracks of log2((alt + 1) / (ref + 1)); a model whose outputs are decimal logarithms already gives
    (alt - ref) log2(10). There is no predictability.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pandas as pd
import torch

from darkregulome.errors import InputError
from darkregulome.ism.perturb import BASES, Perturbation
from darkregulome.ism.plan import (
    READOUT_OF_KIND,
    Genome,
    LanguagePlan,
    OutputPlan,
    Settings,
    Target,
    make_plan,
    reject,
    resolve,
    targets_of,
)
from darkregulome.models.protocol import LanguageModel, OutputModel

PSEUDO_COUNT = 1.0
"""Added to predicted tracks before the logarithm: coverage is on the scale of counts, as in the Enformer paper."""
LETTERS_SHOWN = 50
"""Longer edits are written with empty REF and ALT (schema EFFECTS)."""
TOKENS_PER_BATCH = {"cpu": 2**13, "cuda": 2**20}
"""First guess of a batch of a language model, in bases; halved where memory does not suffice."""
OUTPUT_BASES_PER_BATCH = {"cpu": 2**18, "cuda": 2**22}

Progress = Callable[[float, int], None]

_CODE = np.full(256, -1, dtype=np.int64)
_CODE[np.frombuffer(BASES.encode(), dtype=np.uint8)] = np.arange(4)


@dataclass(frozen=True)
class Scores:
    """Tables EFFECTS and REFERENCE; with reasons, targets that could not be scored and loci that failed whole."""

    effects: pd.DataFrame
    reference: pd.DataFrame
    rejected: list[Target]
    forwards: int
    tokens: int
    failed_loci: dict[str, str] = field(default_factory=dict)


def score_loci(
    model: LanguageModel | OutputModel,
    elements: pd.DataFrame,
    loci: pd.DataFrame | None,
    genome: Genome,
    settings: Settings,
    *,
    batch_size: int | None = None,
    tracks: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Score every element, locus by locus. A locus that fails does not take the others with it.

    Parameters
    ----------
    elements, loci : tables of the schemas ELEMENTS and LOCI; language models do not need the loci.
    batch_size : sequences a batch; None finds it. The effects do not depend on it.
    tracks : names of the tracks of an output model to read; None reads all that it has.
    progress : called with (elements done, elements in all).

    Raises
    ------
    InputError
        Settings that do not fit the model; or every locus failed: it is not in `loci`, a window does not fit into
        memory.
    """
    resolve(settings, model)
    if model.kind == "output":
        _tracks(cast(OutputModel, model), tracks)
        if loci is None:
            raise InputError.at("--loci", f"{model.name} is placed by the TSS, which is not known", "give --loci")
    parts: list[Scores] = []
    failures: dict[str, InputError] = {}
    done = 0
    groups = list(elements.groupby("locus", sort=False))
    for name, group in groups:
        size = len(group)
        report = None if progress is None else _share(progress, done, size, len(elements))
        try:
            locus = None if model.kind != "output" else _locus(loci, str(name))
            parts.append(score_locus(model, group, genome, settings, locus, batch_size, tracks, report))
        except InputError as error:
            failures[str(name)] = error
            parts.append(_failed(model, group, settings, error))
        done += size
    if len(failures) == len(groups):
        raise InputError(*dict.fromkeys(problem for error in failures.values() for problem in error.problems))
    return Scores(
        _concatenate([part.effects for part in parts]),
        _concatenate([part.reference for part in parts]),
        [target for part in parts for target in part.rejected],
        sum(part.forwards for part in parts),
        sum(part.tokens for part in parts),
        {name: str(error) for name, error in failures.items()},
    )


def score_locus(
    model: LanguageModel | OutputModel,
    elements: pd.DataFrame,
    genome: Genome,
    settings: Settings,
    locus: pd.Series | None = None,
    batch_size: int | None = None,
    tracks: Sequence[str] | None = None,
    report: Callable[[float], None] | None = None,
) -> Scores:
    """Plan and run one locus. `report` is called with the fraction done."""
    plan = make_plan(model, elements, genome, settings, locus)
    if isinstance(plan, OutputPlan):
        results = run_output(cast(OutputModel, model), plan, batch_size, tracks, report)
    else:
        results = run_language(cast(LanguageModel, model), plan, batch_size, report)
    return _tables(model, plan, *results)


def _failed(
    model: LanguageModel | OutputModel, elements: pd.DataFrame, settings: Settings, error: InputError
) -> Scores:
    """The scores of a locus that failed: none, and why."""
    reason = "; ".join(f"{problem.where}: {problem.what}" for problem in error.problems)
    plan = LanguagePlan([reject(target, "failed", reason) for target in targets_of(elements)], settings)
    return _tables(model, plan, np.zeros(0), np.full(len(plan.targets), np.nan), [])


def run_language(
    model: LanguageModel,
    plan: LanguagePlan,
    batch_size: int | None = None,
    report: Callable[[float], None] | None = None,
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, Perturbation]]]:
    """Effects (one an edit), predictability (one a target), and the edits with their targets."""
    read = _read_masked if model.kind == "masked" else _read_causal
    effects, predictability = read(model, plan, batch_size, report)
    return effects, predictability, [(plan.windows[edit.window].target, edit.perturbation) for edit in plan.edits]


def _read_masked(
    model: LanguageModel, plan: LanguagePlan, batch_size: int | None, report: Callable[[float], None] | None
) -> tuple[np.ndarray, np.ndarray]:
    at_site = np.zeros((plan.forwards, 4))

    def run(numbers: np.ndarray) -> None:
        tokens = model.encode([plan.sequence(number) for number in numbers.tolist()])
        # The site is in the middle of its window, on either strand.
        middle = plan.lengths[numbers[0]] // 2
        masked = model.mask(tokens, torch.full((len(numbers),), middle, device=tokens.device))
        at_site[numbers] = model.log_probs(masked)[:, middle].double().cpu().numpy()

    _in_batches(model, plan, run, batch_size, report)
    forward = np.array([window.forward for window in plan.windows], dtype=int)
    reverse = np.array([window.reverse for window in plan.windows], dtype=int)
    log_p = at_site[forward]
    if not model.equivariant:
        # Reversing A, C, G, T complements it.
        log_p = (log_p + at_site[reverse][:, ::-1]) / 2
    ref = _codes("".join(window.sequence[len(window.sequence) // 2] for window in plan.windows))
    ref_log_p = log_p[np.arange(len(ref)), ref]
    rows = np.array([edit.window for edit in plan.edits], dtype=int)
    alt = _codes("".join(edit.perturbation.alt for edit in plan.edits))
    target = np.array([window.target for window in plan.windows], dtype=int)
    return log_p[rows, alt] - ref_log_p[rows], _mean_by(target, ref_log_p, len(plan.targets))


def _read_causal(
    model: LanguageModel, plan: LanguagePlan, batch_size: int | None, report: Callable[[float], None] | None
) -> tuple[np.ndarray, np.ndarray]:
    total = np.zeros(plan.forwards)
    kept: dict[int, np.ndarray] = {}
    references = {number for window in plan.windows for number in (window.forward, window.reverse)}

    def run(numbers: np.ndarray) -> None:
        sequences = [plan.sequence(number) for number in numbers.tolist()]
        log_p = _base_log_probs(model, sequences)
        total[numbers] = log_p.sum(axis=1, dtype=float)
        for row, number in enumerate(numbers.tolist()):
            if number in references:
                kept[number] = log_p[row].astype(np.float32)

    _in_batches(model, plan, run, batch_size, report)
    strands = (1,) if model.equivariant else (1, -1)
    effects = np.zeros(len(plan.edits))
    for number, edit in enumerate(plan.edits):
        window = plan.windows[edit.window]
        for strand in strands:
            base, edited = (window.forward, edit.forward) if strand == 1 else (window.reverse, edit.reverse)
            lost = _lost(edit.perturbation, window.start, kept[base][::strand])
            effects[number] += (total[edited] - (total[base] - lost)) / len(strands)
    sums, counts = np.zeros(len(plan.targets)), np.zeros(len(plan.targets))
    for window in plan.windows:
        tile = slice(window.tile_start - window.start, window.tile_end - window.start)
        known = _codes(window.sequence[tile]) >= 0
        for strand in strands:
            log_p = kept[window.forward if strand == 1 else window.reverse][::strand]
            sums[window.target] += log_p[tile][known].sum(dtype=float)
            counts[window.target] += known.sum()
    with np.errstate(invalid="ignore"):
        return effects, sums / counts


def _base_log_probs(model: LanguageModel, sequences: list[str]) -> np.ndarray:
    """Log-probability of each base of each sequence, zero at an N; shape (sequences, length)."""
    tokens = model.encode(sequences)
    codes = _codes("".join(sequences)).reshape(len(sequences), -1)
    log_probs = model.log_probs(tokens)
    index = torch.from_numpy(np.maximum(codes, 0)).to(log_probs.device)
    read = log_probs.gather(2, index[..., None])[..., 0].float().cpu().numpy()
    return np.where(codes >= 0, read, 0.0)


def _lost(edit: Perturbation, start: int, log_p: np.ndarray) -> float:
    """Log-likelihood of the reference bases that the edit turned into N: they are not compared."""
    if "N" not in edit.alt:
        return 0.0
    gone = _codes(edit.alt) < 0
    return float(log_p[edit.start - start : edit.end - start][gone].sum(dtype=float))


def run_output(
    model: OutputModel,
    plan: OutputPlan,
    batch_size: int | None = None,
    tracks: Sequence[str] | None = None,
    report: Callable[[float], None] | None = None,
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, Perturbation]]]:
    """Effects (one an edit), predictability (none: NaN), and the edits with their targets."""
    chosen = _tracks(model, tracks)
    effects = np.zeros(len(plan.edits))
    if plan.edits:
        with torch.inference_mode():
            sequence = plan.reference()
            state = model.reference_state(sequence)
            reference = model.tss_tracks(sequence, state).double().cpu().numpy()[chosen]

        def run(numbers: np.ndarray) -> None:
            edited = [plan.edited(number) for number in numbers.tolist()]
            predicted = model.edited_tss_tracks(state, [letters for letters, _ in edited], [span for _, span in edited])
            values = predicted.double().cpu().numpy()[:, chosen]
            effects[numbers] = _log2_change(values, reference, model.log_outputs).mean(axis=1)

        size = batch_size or _guess(model.device, OUTPUT_BASES_PER_BATCH, len(plan.sequence))
        _run_batches([np.arange(len(plan.edits))], run, lambda _: size, report)
    return effects, np.full(len(plan.targets), np.nan), list(plan.edits)


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


def _in_batches(
    model: LanguageModel,
    plan: LanguagePlan,
    run: Callable[[np.ndarray], None],
    batch_size: int | None,
    report: Callable[[float], None] | None,
) -> None:
    def first_size(numbers: np.ndarray) -> int:
        return batch_size or _guess(model.device, TOKENS_PER_BATCH, plan.lengths[numbers[0]])

    _run_batches(list(plan.groups()), run, first_size, report)


def _run_batches(
    groups: list[np.ndarray],
    run: Callable[[np.ndarray], None],
    first_size: Callable[[np.ndarray], int],
    report: Callable[[float], None] | None,
) -> None:
    """Run each group in batches, halving them when memory runs out."""
    total = sum(len(group) for group in groups)
    done = 0
    for group in groups:
        size = first_size(group)
        first = 0
        while first < len(group):
            batch = group[first : first + size]
            if not _fits(run, batch):
                if len(batch) == 1:
                    raise InputError.at("--window", "one window does not fit into memory", "give a shorter one")
                size = len(batch) // 2
                continue
            first += len(batch)
            done += len(batch)
            if report is not None:
                report(done / total)


def _fits(run: Callable[[np.ndarray], None], batch: np.ndarray) -> bool:
    """Run a batch; False where memory ran out."""
    try:
        with torch.inference_mode():
            run(batch)
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
    else:
        return True
    # Outside the handler: the traceback would keep the failed batch's tensors alive.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return False


def _out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return "out of memory" in text or "not enough memory" in text or "can't allocate memory" in text


def _guess(device: torch.device | str, budget: dict[str, int], length: int) -> int:
    return max(1, budget["cuda" if str(device).startswith("cuda") else "cpu"] // length)


def _tables(
    model: LanguageModel | OutputModel,
    plan: LanguagePlan | OutputPlan,
    effects: np.ndarray,
    predictability: np.ndarray,
    edits: list[tuple[int, Perturbation]],
) -> Scores:
    number = np.array([target for target, _ in edits], dtype=int)
    finite = np.bincount(number[np.isfinite(effects)], minlength=len(plan.targets)) > 0
    targets = [
        Target(target.element, target.chrom, target.start, target.end, "failed", "every effect is NaN or infinite")
        if target.status == "ok" and not finite[index]
        else target
        for index, target in enumerate(plan.targets)
    ]
    scored = np.array([target.status == "ok" for target in targets], dtype=bool)
    readout = plan.settings.readout or READOUT_OF_KIND[model.kind]
    reference = pd.DataFrame(
        {
            "element": [target.element for target in targets],
            "model": model.name,
            "kind": model.kind,
            "readout": readout,
            "predictability": np.where(scored, predictability, np.nan),
            "status": [target.status for target in targets],
            "reason": pd.Series([target.reason for target in targets], dtype=str),
        }
    )
    rejected = [target for target in targets if target.status != "ok"]
    table = pd.DataFrame(dict(_effect_columns(model.name, readout, plan.targets, edits, effects)))
    return Scores(table, reference, rejected, plan.forwards, plan.tokens)


def _effect_columns(
    model: str, readout: str, targets: list[Target], edits: list[tuple[int, Perturbation]], effects: np.ndarray
) -> Iterator[tuple[str, Any]]:
    perturbations = [perturbation for _, perturbation in edits]
    shown = [perturbation.end - perturbation.start <= LETTERS_SHOWN for perturbation in perturbations]
    yield "element", pd.Series([targets[target].element for target, _ in edits], dtype=str)
    yield "model", model
    yield "readout", readout
    yield "start", np.array([perturbation.start for perturbation in perturbations], dtype=np.int64)
    yield "end", np.array([perturbation.end for perturbation in perturbations], dtype=np.int64)
    for side in ("ref", "alt"):
        letters = [getattr(edit, side) if show else "" for edit, show in zip(perturbations, shown, strict=True)]
        yield side, pd.Series(letters, dtype=str)
    yield "replicate", np.array([perturbation.replicate for perturbation in perturbations], dtype=np.int64)
    yield "effect", effects


def _codes(letters: str) -> np.ndarray:
    """0, 1, 2, 3 for A, C, G, T; -1 for anything else."""
    return _CODE[np.frombuffer(letters.encode("ascii"), dtype=np.uint8)]


def _mean_by(group: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.bincount(group, weights=values, minlength=size) / np.bincount(group, minlength=size)


def _locus(loci: pd.DataFrame | None, name: str) -> pd.Series | None:
    if loci is None:
        return None
    rows = loci[loci["locus"] == name]
    if rows.empty:
        raise InputError.at("--loci", f"has no locus {name!r}, which the elements name", "give the loci they came from")
    return rows.iloc[0]


def _share(progress: Progress, done: int, size: int, total: int) -> Callable[[float], None]:
    return lambda fraction: progress(done + size * fraction, total)


def _concatenate(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if len(parts) != 1 else parts[0].reset_index(drop=True)
