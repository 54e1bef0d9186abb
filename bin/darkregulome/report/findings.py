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
from darkregulome.report.records import (
    Calibration,
    CrossCheck,
    Diagnosis,
    ModelCard,
    Truth,
    check_version,
    read_cards,
    read_record,
)
from darkregulome.report.settings import RegulomeFiles


@dataclass(frozen=True)
class Findings:
    """All that a report is made of; only the diagnosis must be there."""

    diagnosis: Diagnosis
    decomposition: Mapping[str, Any] | None = None
    cross_checks: Sequence[CrossCheck] = ()
    calibration: Calibration | None = None
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


def read_findings(files: RegulomeFiles) -> Findings:
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
        "diagnosis": collect(read_record, files.diagnosis, Diagnosis, "give the diagnosis.json of diagnose.py"),
        "cross_checks": [
            collect(read_record, path, CrossCheck, "give a JSON of cross_check.py") for path in files.cross_checks
        ],
        "failed": {path: collect(read_failures, path) for path in files.failed},
        "cards": collect(read_cards, files.model_cards),
        "figures": collect(find_figures, files.figures),
    }
    if files.decomposition is not None:
        parts["decomposition"] = collect(read_decomposition, files.decomposition)
    if files.calibration is not None:
        remedy = "give the calibration.json of calibrate.py"
        parts["calibration"] = collect(read_record, files.calibration, Calibration, remedy)
    if files.truth is not None:
        parts["truth"] = collect(read_record, files.truth, Truth, "give the truth.json of simulate.py genome")
    raise_all(problems)
    return Findings(**parts)


def read_decomposition(path: Path) -> dict[str, Any]:
    """`decomposition.json` as it is; `InputError` if it is none, or of another version."""
    content = read_json(path, "give the decomposition.json of decompose.py")
    check_version(content, path)
    return content


def read_failures(path: Path) -> pd.DataFrame:
    """A table of what has no score. A stage in which nothing failed may leave an empty file."""
    if path.is_file() and path.stat().st_size == 0:
        return pd.DataFrame()
    return read_table(path, dtype=str)
