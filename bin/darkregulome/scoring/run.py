"""A whole run of scoring elements: which elements and weights, into which tables, and what is reported of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from darkregulome.errors import InputError, Problem, raise_all
from darkregulome.io import schemas, tables
from darkregulome.io.provenance import sha256_file
from darkregulome.models.checkpoint import find_weights
from darkregulome.models.registry import checkpoint_folder, find_entry
from darkregulome.scoring.chunks import ChunkStore, code_digest, digest, identity
from darkregulome.scoring.elements import ElementRun, Scores
from darkregulome.scoring.settings import ElementInputs

Write = Callable[[pd.DataFrame], None]


def read_inputs(inputs: ElementInputs) -> tuple[pd.DataFrame, pd.DataFrame | None, tuple[Problem, ...]]:
    """The elements to score, the table of loci if there is one, and problems with loci that were asked for."""
    elements = tables.read_table(inputs.elements, schemas.ELEMENTS)
    elements, absent = select_loci(elements, inputs.elements, inputs.locus)
    return elements, None if inputs.loci is None else tables.read_table(inputs.loci, schemas.LOCI), absent


def select_loci(
    elements: pd.DataFrame, where: Path, loci: Sequence[str] | None
) -> tuple[pd.DataFrame, tuple[Problem, ...]]:
    """The elements of the loci named, or all; and the loci that have none.

    Parameters
    ----------
    where : the table's file, for messages.
    loci : names, each of which may be several by comma; none are all.

    Raises
    ------
    InputError
        The table is empty, or none of the loci has an element.
    """
    if elements.empty:
        raise InputError.at(where, "has no element", "give a table with at least one element")
    names = set(elements["locus"])
    # A name may hold a comma itself.
    wanted = [part for name in loci or [] for part in ([name] if name in names else name.split(",")) if part]
    if not wanted:
        return elements, ()
    absent = [name for name in dict.fromkeys(wanted) if name not in names]
    problems = [Problem(str(where), f"has no element of the locus {name!r}", "check --locus") for name in absent]
    if names.isdisjoint(wanted):
        raise_all(problems)
    return elements[elements["locus"].isin(wanted)], tuple(problems)


def checkpoint_record(model: str, weights: Path | None, registry: Path | None) -> dict[str, Any]:
    """Which weights a model has: revision, file and SHA-256."""
    entry = find_entry(model, weights, registry)
    source = checkpoint_folder(model, weights, registry)
    if source.is_dir():
        source = source / entry.file if entry.file else find_weights(source)
    return {"revision": entry.revision, "weights": source.name, "sha256": sha256_file(source)}


def chunk_store(out: Path, job: ElementRun, model: Sequence[Any], genome: Path, place: Path | None) -> ChunkStore:
    """Where finished chunks are kept, under a name of all that the effects depend on, the code included.

    Parameters
    ----------
    model : what tells the loaded model from others: name, weights, device, precision, tracks.
    place : see `ChunkStore`.
    """
    parts = {
        "settings": asdict(job.settings),
        "model": list(model),
        "tables": [digest(job.elements), digest(job.loci)],
        "genome": identity(genome),
        "code": code_digest(),
    }
    return ChunkStore(out, parts, place)


@dataclass
class Outcome:
    """Counts of a run, and what has no score.

    Attributes
    ----------
    rejected : status to (element, reason) of the elements that have it.
    failed_loci : locus to reason.
    """

    counts: Counter[str] = field(default_factory=Counter)
    rejected: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    failed_loci: dict[str, str] = field(default_factory=dict)

    def add(self, scores: Scores) -> None:
        """Count a chunk."""
        self.counts.update(elements=len(scores.reference), effects=len(scores.effects))
        self.counts.update(forwards=scores.forwards, tokens=scores.tokens)
        self.failed_loci |= scores.failed_loci
        for row in scores.rejected.itertuples():
            self.rejected.setdefault(str(row.status), []).append((str(row.element), str(row.reason)))

    def warnings(self) -> list[str]:
        """Loci that failed, and elements without a score: the first of each status by name."""
        said = [f"the locus {name} failed: {reason}" for name, reason in self.failed_loci.items()]
        for status, elements in self.rejected.items():
            name, reason = elements[0]
            said.append(f"{len(elements)} elements are {status}, such as {name}: {reason}")
        return said

    def sentence(self, model: str) -> str:
        """What was scored, in one line."""
        count = self.counts
        return (
            f"{model}: {count['elements'] - sum(map(len, self.rejected.values()))} of {count['elements']} elements "
            f"scored, {count['effects']} effects, {count['forwards']} sequences of {count['tokens']} bases in all."
        )


def write_scores(chunks: Iterable[Scores], effects: Write, reference: Write) -> Outcome:
    """Hand every chunk to the writers of both tables as it comes, and count."""
    outcome = Outcome()
    for scores in chunks:
        effects(scores.effects)
        reference(scores.reference)
        outcome.add(scores)
    return outcome


def print_plan(summary: pd.DataFrame, title: str) -> None:
    """A plan on stdout, for people: one line per chunk, in the order in which they would be run."""
    columns = list(summary.columns)
    table = Table(title=f"What would be run with {title}, in this order")
    for name in columns:
        table.add_column(name.replace("_", " "), justify="left" if name in ("locus", "not_scored") else "right")
    total = {name: summary[name].sum() for name in columns if summary[name].dtype.kind == "i" and name != "chunk"}
    rows: list[dict[Any, Any]] = [*summary.to_dict("records"), {"locus": "in all", **total}]
    for row in rows:
        cells = [row.get(name, "") for name in columns]
        table.add_row(*(str(cell) if isinstance(cell, str) else f"{int(cell):,}" for cell in cells))
    Console(width=None if Console().is_terminal else 160).print(table)
