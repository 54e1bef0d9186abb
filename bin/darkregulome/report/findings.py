"""Everything that the report of a diagnosis is made of, read and checked before anything is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from darkregulome.errors import InputError, Problem, raise_all
from darkregulome.io.documents import read_json
from darkregulome.io.records import ClaimEntry
from darkregulome.io.tables import read_table
from darkregulome.report.figures import Figure, find_figures
from darkregulome.report.records import CrossCheck, Diagnosis, ModelCard, Truth, read_cards, read_record


@dataclass(frozen=True)
class Findings:
    """All that a report is made of; only the diagnosis must be there."""

    diagnosis: Diagnosis
    decomposition: Mapping[str, Any] | None = None
    cross_checks: Sequence[CrossCheck] = ()
    truth: Truth | None = None
    failed: Mapping[Path, pd.DataFrame] = field(default_factory=dict)
    cards: Sequence[ModelCard] = ()
    figures: Sequence[Figure] = ()

    @property
    def claims(self) -> list[ClaimEntry]:
        """Every claim, the diagnosis' first."""
        return [
            *self.diagnosis.claims,
            *self.layer_claims,
            *(claim for check in self.cross_checks for claim in check.claims),
        ]

    @property
    def layer_claims(self) -> list[ClaimEntry]:
        """What the decomposition claims: whether language and output models share a layer."""
        return [ClaimEntry.from_json(entry) for entry in (self.decomposition or {}).get("claims", [])]


def by_claim(claims: Sequence[ClaimEntry]) -> dict[str, list[ClaimEntry]]:
    """Claims under their names, in order of first mention."""
    groups: dict[str, list[ClaimEntry]] = {}
    for claim in claims:
        groups.setdefault(claim.claim, []).append(claim)
    return groups


def flatten(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in parameters.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def read_findings(
    diagnosis: Path,
    *,
    decomposition: Path | None = None,
    cross_checks: Sequence[Path] = (),
    truth: Path | None = None,
    failed: Sequence[Path] = (),
    model_cards: Sequence[Path] = (),
    figures: Sequence[Path] = (),
) -> Findings:
    """Read every file.

    Raises
    ------
    InputError
        All that is wrong with any of the files, at once.
    """
    problems: list[Problem] = []

    def collect(read: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return read(*arguments)
        except InputError as error:
            problems.extend(error.problems)
            return None

    parts: dict[str, Any] = {
        "diagnosis": collect(read_record, diagnosis, Diagnosis, "give the diagnosis.json of diagnose.py"),
        "cross_checks": [
            collect(read_record, path, CrossCheck, "give a JSON of cross_check.py") for path in cross_checks
        ],
        "failed": {path: collect(read_failures, path) for path in failed},
        "cards": collect(read_cards, model_cards),
        "figures": collect(find_figures, figures),
    }
    if decomposition is not None:
        parts["decomposition"] = collect(read_json, decomposition, "give the decomposition.json of decompose.py")
    if truth is not None:
        parts["truth"] = collect(read_record, truth, Truth, "give the truth.json of simulate.py genome")
    raise_all(problems)
    return Findings(**parts)


def read_failures(path: Path) -> pd.DataFrame:
    """A table of what has no score. A stage in which nothing failed may leave an empty file."""
    if path.is_file() and path.stat().st_size == 0:
        return pd.DataFrame()
    return read_table(path, dtype=str)
