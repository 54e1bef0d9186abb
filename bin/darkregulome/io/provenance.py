"""What made a file: tool version, model revision, parameters. Carried by every file that is written."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from darkregulome import __version__

PARQUET_KEY = b"darkregulome"


def provenance(script: str, parameters: Mapping[str, Any], **extra: Any) -> dict[str, Any]:
    """The record that goes into a file's metadata.

    Paths are cut to their file names: the same run in another folder must give the same bytes.
    """
    plain = {name: _plain(value) for name, value in sorted(parameters.items())}
    return {"tool": "darkregulome", "version": __version__, "script": script, "parameters": plain, **extra}


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def to_json(record: Mapping[str, Any]) -> str:
    """Compact JSON with sorted keys, so that equal records are equal bytes."""
    return json.dumps(record, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
