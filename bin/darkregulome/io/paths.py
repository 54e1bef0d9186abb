"""Whether an input is a file that can be read, said in one way everywhere."""

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
