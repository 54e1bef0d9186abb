"""The one place that opens text: plain or gzipped, its lines with their numbers, damage reported in one sentence."""

import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from darkregulome.errors import InputError
from darkregulome.io.paths import require_file, whole_gzip

GZIP_MAGIC = b"\x1f\x8b"
# The empty block with which every complete BGZF file ends (SAM specification, section 4.1.2).
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def compression(path: Path) -> str:
    """``"none"``, ``"gzip"`` or ``"bgzip"``, by a file's first bytes.

    Raises
    ------
    InputError
        The file is absent, cannot be read, or is bgzipped and lacks its last block.
    """
    require_file(path)
    try:
        with open(path, "rb") as handle:
            header = handle.read(18)
            handle.seek(max(0, handle.seek(0, os.SEEK_END) - len(BGZF_END)))
            tail = handle.read()
    except OSError as error:
        raise InputError.at(path, f"cannot be read ({error.strerror})", "check its permissions") from error
    if header[:2] != GZIP_MAGIC:
        return "none"
    # A BGZF block is a gzip member with an extra field whose subfield is called BC.
    if not (len(header) == 18 and header[3] & 4 and header[12:14] == b"BC"):
        return "gzip"
    if tail != BGZF_END:
        raise InputError.at(path, "is a truncated bgzip file (its end is missing)", "copy or compress it again")
    return "bgzip"


def open_binary(path: Path) -> IO[bytes]:
    """Open a file for reading bytes; gzip is recognised by its content, not by the file's name, and undone."""
    opener: Any = open if compression(path) == "none" else gzip.open
    return opener(path, "rb")


def open_text(path: Path, errors: str = "strict", newline: str | None = None) -> IO[str]:
    """Open a UTF-8 file for reading, gzipped or not; `errors` and `newline` as of `open`."""
    # utf-8-sig: what Excel and Windows save begins with a byte order mark, which belongs to no contig or gene.
    return io.TextIOWrapper(open_binary(path), encoding="utf-8-sig", errors=errors, newline=newline)


def text_lines(path: str | Path, errors: str = "strict", newline: str | None = None) -> Iterator[str]:
    """Yield every line without its end; see `open_text`.

    Raises
    ------
    InputError
        The file is absent, not text, or a truncated or damaged gzip file.
    """
    path = Path(path)
    number = 0
    try:
        with whole_gzip(path), open_text(path, errors, newline) as handle:
            for line in handle:
                number += 1
                yield line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError.at(
            f"{path}:{number + 1}", "is not UTF-8 text", "give a text file, plain or gzipped"
        ) from error


def numbered_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line) of every line that is neither blank nor a ``#`` comment; see `text_lines`."""
    for number, line in enumerate(text_lines(path), start=1):
        if line and not line.startswith("#") and not line.isspace():
            yield number, line
