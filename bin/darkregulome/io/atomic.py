"""Outputs appear whole or not at all: written next to their place, then renamed.

What is being written is locked. A process that was killed leaves its part behind, without the lock; the next one that
writes the same output removes it.
"""

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from darkregulome.errors import InputError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; rename it to `path` on success, delete it on failure.

    The temporary name keeps the suffixes of `path`, since writers choose formats by them.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError.at(path, "is a folder", "give the name of a file to write")
    make_folder(path.parent)
    _remove_abandoned(path.parent, f".partial-????????-{glob.escape(path.name)}")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".partial-", suffix=f"-{path.name}")
    partial = Path(name)
    try:
        _lock(handle)
        yield partial
        partial.chmod(0o644)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder next to `path`; on success it takes the place of `path`, whole."""
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise InputError.at(path, "is a file", "give the name of a folder to write")
    make_folder(path.parent)
    _remove_abandoned(path.parent, f".partial-{glob.escape(path.name)}-????????")
    partial = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".partial-{path.name}-"))
    handle = os.open(partial, os.O_RDONLY)
    try:
        _lock(handle)
        yield partial
        partial.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        os.close(handle)


def _lock(handle: int) -> bool:
    """Take an open file's lock if nobody has it; where the file system knows no locks, nothing is ever abandoned."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_abandoned(folder: Path, pattern: str) -> None:
    """Delete what processes that are no more were writing under a name of this pattern."""
    for left in folder.glob(pattern):
        with suppress(OSError):
            handle = os.open(left, os.O_RDONLY)
            try:
                if _lock(handle):
                    shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()
            finally:
                os.close(handle)


def require_place(path: Path) -> None:
    """Say, before anything is done, that an output cannot be made at `path`; nothing is made here.

    Raises
    ------
    InputError
        A file is where a folder would have to be, or the folder that is there cannot be written.
    """
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise InputError.at(path, f"cannot be made: {above} is a file", "give an output folder that can be written")
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError.at(
            path, f"cannot be made: {above} cannot be written", "check the permissions, or give another place"
        )


def make_folder(folder: Path) -> None:
    """Create `folder` with its parents, or say why it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError.at(
            folder, f"cannot be created ({error.strerror})", "give an output folder that can be written"
        ) from error
