"""Whether an input is a file that can be read, said in one way everywhere."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from darkregulome.errors import InputError


def require_file(path: str | Path, remedy: str = "check the path") -> None:
    """Say what `path` is, if it is no regular file (or a link to one).

    Raises
    ------
    InputError
        It is absent, a folder, or a pipe: inputs are read more than once, so ``-`` and ``<(...)`` cannot be.
    """
    path = Path(path)
    if path.is_file():
        return
    if path.is_dir():
        raise InputError.at(path, "is a folder", "give a file")
    if str(path) == "-" or (path.exists() and path.is_fifo()):
        raise InputError.at(path, "is a pipe, and inputs are read more than once", "write it to a file and give that")
    raise InputError.at(path, "does not exist", remedy)


@contextmanager
def whole_gzip(path: str | Path) -> Iterator[None]:
    """What a truncated or damaged gzip file makes its library raise, as an `InputError`."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        remedy = made_again(path) or "copy or compress it again"
        raise InputError.at(path, "is a truncated or damaged gzip file", remedy) from error


def made_again(path: str | Path) -> str | None:
    """The remedy for a damaged file that a task of Nextflow has made; None where none has.

    Nextflow takes a finished task's files as they are, however damaged, as long as the task's folder is there.
    """
    for folder in Path(path).resolve().parents:
        if (folder / ".command.run").is_file():
            return f"delete {folder}, and run again with -resume"
    return None
