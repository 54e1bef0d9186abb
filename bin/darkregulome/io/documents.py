"""JSON and YAML files that hold one object: records, cards, configurations."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from darkregulome.errors import InputError
from darkregulome.io.paths import require_file


def read_json(path: str | Path, remedy: str) -> dict[str, Any]:
    """The object of a JSON file.

    Parameters
    ----------
    remedy : what the user is to give instead, in the imperative.

    Raises
    ------
    InputError
        The file is absent, no text, no JSON, or holds something else than an object.
    """
    return _read_object(Path(path), "JSON", json.loads, remedy)


def read_yaml(path: str | Path, remedy: str) -> dict[str, Any]:
    """The mapping of a YAML file; see `read_json`."""
    return _read_object(Path(path), "YAML", yaml.safe_load, remedy)


def _read_object(path: Path, language: str, parse: Callable[[str], Any], remedy: str) -> dict[str, Any]:
    require_file(path, remedy)
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError.at(path, f"cannot be read ({error.strerror})", "check its permissions") from error
    except UnicodeDecodeError as error:
        raise InputError.at(path, "is not UTF-8 text", remedy) from error
    except json.JSONDecodeError as error:
        raise InputError.at(f"{path}:{error.lineno}", f"is not JSON ({error.msg})", remedy) from error
    # ValueError: a number of thousands of digits, a date that is none. RecursionError: brackets in brackets.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError.at(path, f"is not {language} ({first})", remedy) from error
    if not isinstance(content, dict):
        kind = "nothing" if content is None else f"a {language} {type(content).__name__}"
        raise InputError.at(path, f"holds {kind}, not an object", remedy)
    return content
