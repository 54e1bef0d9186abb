"""Lines of a text file, gzipped or not, with their numbers; damage is told in one sentence."""

import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from darkregulome.errors import InputError
from darkregulome.io.paths import require_file

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
    # utf-8-sig: what Excel and Windows save begins with a byte order mark, which belongs to no contig or gene.
    if compression(path) == "none":
        return open(path, encoding="utf-8-sig")
    return gzip.open(path, "rt", encoding="utf-8-sig")
