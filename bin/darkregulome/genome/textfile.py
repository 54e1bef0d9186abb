"""Lines of a text file, gzipped or not, with their numbers; damage is told in one sentence."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from darkregulome.errors import InputError

GZIP_MAGIC = b"\x1f\x8b"


def numbered_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its end) of every line that is neither blank nor a ``#`` comment.

    gzip is recognised by its content, not by the file's name.

    Raises
    ------
    InputError
        The file is absent, not text, or a truncated or damaged gzip file.
    """
    path = Path(path)
    number = 0
    try:
        with open_text(path) as handle:
            for number, line in enumerate(handle, start=1):
                if line.startswith("#") or line.isspace():
                    continue
                yield number, line.rstrip("\r\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError.at(path, "is a truncated or damaged gzip file", "copy or compress it again") from error
    except UnicodeDecodeError as error:
        raise InputError.at(
            f"{path}:{number + 1}", "is not UTF-8 text", "give a text file, plain or gzipped"
        ) from error


def open_text(path: Path):
    """Open a text file for reading, gzipped or not."""
    if not path.is_file():
        raise InputError.at(path, "does not exist", "check the path")
    try:
        with open(path, "rb") as handle:
            compressed = handle.read(2) == GZIP_MAGIC
        return gzip.open(path, "rt", encoding="utf-8") if compressed else open(path, encoding="utf-8")
    except OSError as error:
        raise InputError.at(path, f"cannot be read ({error.strerror})", "check its permissions") from error
