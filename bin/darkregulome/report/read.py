"""Everything that a report is made of, read and checked before anything is written."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from darkregulome.errors import InputError, Problem, raise_all
from darkregulome.io.documents import read_json
from darkregulome.io.tables import read_table
from darkregulome.report.figures import find_figures
from darkregulome.report.records import CrossCheck, Diagnosis, Truth, read_cards, read_record
from darkregulome.report.sections import Findings


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
