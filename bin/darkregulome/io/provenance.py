"""What made a file: tool version, model revision, parameters. Carried by every file that is written."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from darkregulome import __version__

PARQUET_KEY = b"darkregulome"


def provenance(script: str, parameters: Mapping[str, Any], **extra: Any) -> dict[str, Any]:
    """The record that goes into a file's metadata.

    Paths are cut to their file names: the same run in another folder must give the same bytes.
    """
    values = plain(dict(sorted(parameters.items())))
    return {"tool": "darkregulome", "version": __version__, "script": script, "parameters": values, **extra}


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def to_json(record: Mapping[str, Any]) -> str:
    """Compact JSON with sorted keys, so that equal records are equal bytes."""
    return json.dumps(plain(record), sort_keys=True)


def plain(value: Any, digits: int | None = None) -> Any:
    """A value as JSON has it: numbers of NumPy as Python's, those that are none as null, a path by its file's name.

    Parameters
    ----------
    digits : significant digits to which floats are rounded; None leaves them.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, digits) for item in value]
    if isinstance(value, Path):
        return value.name
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return value if digits is None else float(f"{value:.{digits}g}")
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
