"""Scores elements: plans them in chunks, runs each plan, makes the tables.

A chunk is some elements of one locus. Nothing outlives its chunk but its two tables, so memory does not grow with the
number of elements. `readout` says what an effect is.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

import numpy as np
import pandas as pd

from darkregulome.edits.batches import bases_per_batch
from darkregulome.edits.plan import (
    LanguagePlan,
    Plan,
    PlannedEdit,
    Target,
    make_plan,
    needs_locus,
    reject,
    targets_of,
)
from darkregulome.edits.predictability import Predictability
from darkregulome.edits.readout import Runner
from darkregulome.edits.settings import Settled
from darkregulome.edits.windows import Genome
from darkregulome.errors import InputError
from darkregulome.models.protocol import LanguageModel, OutputModel

LETTERS_SHOWN = 50
"""Longer edits are written with empty REF and ALT (schema EFFECTS)."""
BATCHES_PER_CHUNK = 64
ELEMENTS_PER_CHUNK = 512

PROBED_ELEMENTS, PROBED_SITES = 8, 4
GOOD_CORRELATION, GOOD_ERROR = 0.999, 0.05
"""What a precision must reach next to fp32 not to be warned of."""

Progress = Callable[[float, int], None]


@dataclass(frozen=True)
class Scores:
    """Tables EFFECTS and REFERENCE of some elements; loci that failed whole, each with its reason."""

    effects: pd.DataFrame
    reference: pd.DataFrame
    forwards: int
    tokens: int
    failed_loci: dict[str, str] = field(default_factory=dict)

    @property
    def rejected(self) -> pd.DataFrame:
        """Rows of the reference that could not be scored: element, status, reason."""
        return self.reference.loc[self.reference["status"] != "ok", ["element", "status", "reason"]]


class Store(Protocol):
    """Where finished chunks are kept, by number."""

    def load(self, number: int) -> Scores | None: ...

    def save(self, number: int, scores: Scores) -> None: ...


@dataclass(frozen=True)
class ElementRun:
    """Elements to score with one model.

    Attributes
    ----------
    elements, loci : tables of the schemas ELEMENTS and LOCI; the loci are needed where the TSS is.
    batch_size : sequences per batch; None finds it. The effects do not depend on it.
    tracks : names of the tracks of an output model to read; by default all that it has.
    """

    model: LanguageModel | OutputModel
    elements: pd.DataFrame
    loci: pd.DataFrame | None
    genome: Genome
    settings: Settled
    batch_size: int | None = None
    tracks: Sequence[str] = ()


@dataclass(frozen=True)
class Chunk:
    """Some elements of one locus."""

    number: int
    locus: str
    elements: pd.DataFrame


def chunks(job: ElementRun) -> Iterator[Chunk]:
    """The elements, locus by locus, in pieces of about `BATCHES_PER_CHUNK` batches: the same for the same elements."""
    elements, settings = job.elements, job.settings
    budget = BATCHES_PER_CHUNK * bases_per_batch(job.model)
    edits = _expected_edits(elements, settings)
    cost = (edits * settings.window).astype(float)
    number = 0
    for locus, group in elements.assign(_cost=cost).groupby("locus", sort=False):
        done = np.cumsum(group.pop("_cost").to_numpy()) / budget
        piece = np.maximum((done - done[:1]).astype(int), np.arange(len(group)) // ELEMENTS_PER_CHUNK)
        for _, part in group.groupby(piece, sort=True):
            yield Chunk(number, str(locus), part)
            number += 1


def _expected_edits(elements: pd.DataFrame, settings: Settled) -> np.ndarray:
    """Edits of each element, at most: what is not A, C, G or T gives none."""
    lengths = (elements["end"] - elements["start"]).to_numpy()
    if settings.perturbation == "decoy":
        sites = np.minimum(lengths, settings.sites) if settings.readout == "llr" else 1
        return elements["decoys"].map(len).to_numpy() * sites
    if settings.by_site:
        return np.minimum(lengths, settings.sites) * settings.alternatives
    return np.ceil(lengths / (settings.block or np.inf)).clip(min=1) * settings.replicates


def score_chunks(job: ElementRun, progress: Progress | None = None, store: Store | None = None) -> Iterator[Scores]:
    """Score every element, chunk by chunk, in the order of the table. A locus that fails does not take others with it.

    Parameters
    ----------
    progress : called with (elements done, elements in all).
    store : chunks that it has are not run again; those that are run are handed to it.

    Raises
    ------
    InputError
        Settings that do not fit the model; or, at the end, every chunk has failed: its locus is not in `loci`, its
        windows do not fit into memory.
    """
    if job.loci is None and needs_locus(job.model, job.settings):
        raise InputError.at("--loci", f"{job.model.name} is placed by the TSS, which is not known", "give --loci")
    runner = Runner(job.model, job.batch_size, job.tracks)
    errors: list[InputError] = []
    total, done, in_all = 0, 0, len(job.elements)
    for chunk in chunks(job):
        total += 1
        size = len(chunk.elements)
        report = None if progress is None else _share(progress, done, size, in_all)
        scores = None if store is None else store.load(chunk.number)
        if scores is None:
            try:
                plan = plan_chunk(job, chunk)
                scores = _tables(job.model, plan, *runner.run(plan, report))
            except InputError as error:
                errors.append(error)
                scores = _failed(job, chunk, error)
            # What failed is tried again by the next run.
            if store is not None and not scores.failed_loci:
                store.save(chunk.number, scores)
        yield scores
        done += size
        if progress is not None:
            progress(done, in_all)
    if total and len(errors) == total:
        raise InputError(*dict.fromkeys(problem for error in errors for problem in error.problems))


def score_elements(job: ElementRun) -> Scores:
    """The tables of `score_chunks` in one piece."""
    parts = list(score_chunks(job))
    return Scores(
        _concatenate([part.effects for part in parts]),
        _concatenate([part.reference for part in parts]),
        sum(part.forwards for part in parts),
        sum(part.tokens for part in parts),
        {locus: reason for part in parts for locus, reason in part.failed_loci.items()},
    )


def plan_chunk(job: ElementRun, chunk: Chunk) -> Plan:
    """What will be run for a chunk."""
    locus = _locus(job.loci, chunk.locus) if needs_locus(job.model, job.settings) else None
    return make_plan(job.model, chunk.elements, job.genome, job.settings, locus)


def plan_summary(job: ElementRun) -> pd.DataFrame:
    """What would be run, one row per chunk, in order; nothing is run.

    Columns: chunk, locus, elements (that can be scored), not_scored (the others by status), edits, sequences (that
    differ), forwards, bases (of all forwards), bases_reused (of these, those that come before an edit, which a model
    that can reuse does not run again).
    """
    rows = []
    for chunk in chunks(job):
        row: dict[str, Any] = {"chunk": chunk.number + 1, "locus": chunk.locus}
        try:
            plan = plan_chunk(job, chunk)
        except InputError as error:
            rows.append(row | {"elements": 0, "not_scored": f"{len(chunk.elements)} failed: {error}"} | _COSTS)
            continue
        status = Counter(target.status for target in plan.targets)
        reuses = isinstance(plan, LanguagePlan) and getattr(job.model, "reuses_prefix", False)
        rows.append(
            row
            | {
                "elements": status.pop("ok", 0),
                "not_scored": ", ".join(f"{count} {name}" for name, count in sorted(status.items())),
                "edits": len(plan.edits),
                "sequences": len(plan.passes) if isinstance(plan, LanguagePlan) else plan.forwards,
                "forwards": plan.forwards,
                "bases": plan.tokens,
                "bases_reused": cast(LanguagePlan, plan).tokens_reused if reuses else 0,
            }
        )
    return pd.DataFrame(rows)


_COSTS = {"edits": 0, "sequences": 0, "forwards": 0, "bases": 0, "bases_reused": 0}


@dataclass(frozen=True)
class Agreement:
    """Effects of some edits in a lower precision against fp32."""

    effects: int
    correlation: float
    error: float
    """Mean absolute error over the mean absolute effect in fp32."""

    @property
    def good(self) -> bool:
        """Whether the precision leaves the effects as they are."""
        return self.correlation >= GOOD_CORRELATION and self.error <= GOOD_ERROR

    def sentence(self, precision: str) -> str:
        """What was measured, as a note or a warning."""
        text = (
            f"{precision}: {self.effects} effects correlate {self.correlation:.4f} with fp32; the mean error is "
            f"{100 * self.error:.2g} % of the mean effect"
        )
        return f"note: {text}." if self.good else f"warning: {text}; use fp32, or tf32 on a GPU."


def precision_agreement(job: ElementRun) -> Agreement | None:
    """Score a few elements in fp32 and in the model's own precision; None where too few can be scored.

    The elements are spread over the table; of each there are at most `PROBED_SITES` sites.
    """
    model = cast(Any, job.model)
    own = getattr(model, "precision", "fp32")
    if own == "fp32":
        return None
    probe = replace(job.settings, sites=min(job.settings.sites, PROBED_SITES), replicates=1)
    rows = np.unique(np.linspace(0, len(job.elements) - 1, PROBED_ELEMENTS).astype(int))
    effects = []
    try:
        for precision in ("fp32", own):
            model.precision = precision
            scores = score_elements(replace(job, elements=job.elements.iloc[rows], settings=probe))
            effects.append(scores.effects["effect"].to_numpy(float))
    except InputError:
        return None  # the run itself will say it
    finally:
        model.precision = own
    exact, rough = effects
    finite = np.isfinite(exact) & np.isfinite(rough)
    if finite.sum() < 3 or not exact[finite].std():
        return None
    with np.errstate(invalid="ignore"):
        correlation = float(np.nan_to_num(np.corrcoef(exact[finite], rough[finite])[0, 1]))
    error = float(np.abs(exact - rough)[finite].mean() / np.abs(exact[finite]).mean())
    return Agreement(int(finite.sum()), correlation, error)


def _failed(job: ElementRun, chunk: Chunk, error: InputError) -> Scores:
    """The scores of a chunk that failed: none, and why."""
    reason = "; ".join(f"{problem.where}: {problem.what}" for problem in error.problems)
    plan = LanguagePlan([reject(target, "failed", reason) for target in targets_of(chunk.elements)], job.settings)
    scores = _tables(job.model, plan, np.zeros(0), Predictability.unknown(len(plan.targets)))
    scores.failed_loci[chunk.locus] = str(error)
    return scores


def _tables(model: LanguageModel | OutputModel, plan: Plan, effects: np.ndarray, read: Predictability) -> Scores:
    number = np.array([edit.target for edit in plan.edits], dtype=int)
    finite = np.bincount(number[np.isfinite(effects)], minlength=len(plan.targets)) > 0
    targets = [
        reject(target, "failed", "every effect is NaN or infinite")
        if target.status == "ok" and not finite[index]
        else target
        for index, target in enumerate(plan.targets)
    ]
    scored = np.array([target.status == "ok" for target in targets], dtype=bool)
    readout = plan.settings.readout
    reference = pd.DataFrame(
        {
            "element": pd.Series([target.element for target in targets], dtype=str),
            "model": model.name,
            "kind": model.kind,
            "readout": readout,
            "predictability": np.where(scored, read.mean, np.nan),
            "predictability_a": np.where(scored, read.half_a, np.nan),
            "predictability_b": np.where(scored, read.half_b, np.nan),
            "predictability_at": pd.Series(np.where(scored, read.at, ""), dtype=str),
            "status": [target.status for target in targets],
            "reason": pd.Series([target.reason for target in targets], dtype=str),
        }
    )
    table = pd.DataFrame(dict(_effect_columns(model.name, readout, plan.targets, plan.edits, effects)))
    if plan.settings.perturbation == "decoy":
        table["decoys"] = pd.Series([planned.edit.decoys for planned in plan.edits], dtype=str)
    return Scores(table, reference, plan.forwards, plan.tokens)


def _effect_columns(
    model: str, readout: str, targets: list[Target], edits: list[PlannedEdit], effects: np.ndarray
) -> Iterator[tuple[str, Any]]:
    changes = [planned.edit for planned in edits]
    short = [max(len(edit.ref), len(edit.alt)) <= LETTERS_SHOWN for edit in changes]
    yield "element", pd.Series([targets[planned.target].element for planned in edits], dtype=str)
    yield "model", pd.Series([model] * len(edits), dtype=str)
    yield "readout", pd.Series([readout] * len(edits), dtype=str)
    yield "start", np.array([edit.start for edit in changes], dtype=np.int64)
    yield "end", np.array([edit.end for edit in changes], dtype=np.int64)
    for side in ("ref", "alt"):
        letters = [getattr(edit, side) if is_short else "" for edit, is_short in zip(changes, short, strict=True)]
        yield side, pd.Series(letters, dtype=str)
    yield "replicate", np.array([edit.replicate for edit in changes], dtype=np.int64)
    yield "effect", effects


def _locus(loci: pd.DataFrame | None, name: str) -> pd.Series:
    rows = cast(pd.DataFrame, loci)
    rows = rows[rows["locus"] == name]
    if rows.empty:
        raise InputError.at("--loci", f"has no locus {name!r}, which the elements name", "give the loci they came from")
    return rows.iloc[0]


def _share(progress: Progress, done: int, size: int, total: int) -> Callable[[float], None]:
    return lambda fraction: progress(done + size * fraction, total)


def _concatenate(parts: list[pd.DataFrame]) -> pd.DataFrame:
    # Empty tables would turn integers into floats.
    filled = [part for part in parts if len(part)] or parts[:1]
    return pd.concat(filled, ignore_index=True) if len(filled) != 1 else filled[0].reset_index(drop=True)
