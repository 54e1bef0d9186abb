"""Arrays saved by `numpy.savez`."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from darkregulome.errors import InputError
from darkregulome.io.paths import require_file


@contextmanager
def open_npz(path: str | Path, remedy: str) -> Iterator[Mapping[str, np.ndarray]]:
    """The arrays of an npz file by name, each read when it is asked for.

    Raises
    ------
    InputError
        The file is absent, damaged, no npz, or an array that is read holds Python objects: they would run code.
    """
    require_file(path)
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("a single array")
        with archive:
            yield archive
    # A damaged zip may claim to be encrypted (RuntimeError) or compressed in an unknown way (NotImplementedError).
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise InputError.at(path, "is not an npz archive of plain arrays", remedy) from error


def numbers(arrays: Mapping[str, np.ndarray], name: str, path: str | Path, remedy: str) -> np.ndarray:
    """One of the arrays of an npz file, of real numbers.

    Raises
    ------
    InputError : it holds something else: text, dates, complex numbers.
    """
    array = arrays[name]
    if array.dtype.kind not in "biuf":
        raise InputError.at(path, f"holds in {name!r} {array.dtype}, not numbers", remedy)
    return array
