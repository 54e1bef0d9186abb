"""The index of a FASTA (.fai, and .gzi where it is compressed): is it of this FASTA, and what does it hide?

htslib indexes the first contig of a name, warns of the second and goes on, and so would every result that lies on it.
It trusts an index as well: with that of an earlier file, every base behind the first change is silently another one.

Between the last base of a contig and the first of the next there stands the header of the next, and nothing else.
That law ties the names, offsets, lengths and line widths of an index to the file, and needs one look per contig.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysam

from darkregulome.errors import InputError

MAX_COMPRESSED_LOOKS = 1000
"""Places looked at in a compressed FASTA, where each costs a block of 64 kB: the widest, where a contig may hide. There
are fewer than that in any assembled genome; in a plain FASTA, where a look costs microseconds, all are looked at."""
HEADER_BYTES = 1 << 16
"""Read at either end of what lies between two contigs: more than the longest header."""


class _Span(NamedTuple):
    """A line of a .fai: a contig, its length, the offset of its first base, and a line's bases and bytes."""

    name: bytes
    length: int
    offset: int
    bases: int
    width: int

    @classmethod
    def of(cls, line: bytes) -> "_Span":
        name, *numbers = line.split()
        return cls(name, *map(int, numbers))

    @property
    def last(self) -> int:
        """Offset of the last base."""
        return self.offset + (self.length - 1) // self.bases * self.width + (self.length - 1) % self.bases


class _Gap(NamedTuple):
    """What lies between a contig's last base (which is part of it) and the first of the next, ``[start, end)``.

    Before the first contig `start` is 0 and `before` None; behind the last one `end` and `after` are None.
    """

    start: int
    end: int | None
    before: bytes | None
    after: bytes | None

    @property
    def width(self) -> float:
        """Its bytes."""
        return np.inf if self.end is None else self.end - self.start


def index_paths(fasta: Path, compressed: bool) -> tuple[Path, Path | None]:
    """Where the index of a FASTA is looked for: its .fai, and the .gzi of a compressed one."""
    return Path(f"{fasta}.fai"), Path(f"{fasta}.gzi") if compressed else None


def make_index_again(fasta: Path) -> str:
    """The remedy for an index that is not that of its FASTA."""
    return f"delete the index and make it again: samtools faidx {fasta}"


def check_index(fasta: Path, fai: Path, gzi: Path | None, where: Path) -> None:
    """Refuse a FASTA that holds a contig twice, whether its index names both or left one out, and another's index.

    What cannot be read as an index or as its FASTA is passed: it is reported where it is opened or read.

    Raises
    ------
    InputError
        At `where`, with the contig.
    """
    try:
        spans = [_Span.of(line) for line in fai.read_bytes().splitlines() if line.strip()]
        gaps = _gaps([span for span in spans if span.length > 0])
    except (ValueError, TypeError, ZeroDivisionError):
        return
    twice = [name for name, count in Counter(span.name for span in spans).items() if count > 1]
    names = {span.name for span in spans if span.length > 0}
    strange: list[_Gap] = []
    try:
        with _reader(fasta, gzi) as read:
            for gap in gaps if gzi is None else gaps[:MAX_COMPRESSED_LOOKS]:
                text = _text(read, gap)
                if not _is_header(text, gap):
                    strange.append(gap)
                twice += [name for name in _hidden(text, gap) if name in names and name not in twice]
    except (OSError, ValueError):
        pass
    if twice:
        more = f" (and {len(twice) - 1} more)" if len(twice) > 1 else ""
        what = f"holds the contig {twice[0].decode(errors='replace')!r} twice{more}"
        raise InputError.at(where, what, "rename or drop one of them, and delete its index")
    if strange:
        first = min(strange, key=lambda gap: gap.start)
        name, edge = (first.before, "end") if first.after is None else (first.after, "begin")
        contig = str(name, errors="replace") if name else ""
        what = f"has an index that is not its own: the contig {contig!r} does not {edge} where {fai.name} says"
        raise InputError.at(where, what, make_index_again(where))


def _gaps(spans: list[_Span]) -> list[_Gap]:
    """Gaps before, between and after contigs that have bases, the widest first."""
    spans = sorted(spans, key=lambda span: span.offset)
    starts, ends = [0, *(span.last for span in spans)], [*(span.offset for span in spans), None]
    names = [None, *(span.name for span in spans), None]
    gaps = [_Gap(*gap) for gap in zip(starts, ends, names[:-1], names[1:], strict=True)]
    return sorted(gaps, key=lambda gap: -gap.width)


@contextmanager
def _reader(fasta: Path, gzi: Path | None) -> Iterator[Callable[[int, int], bytes]]:
    """A function that reads a number of bytes at an offset of the text, fewer or none past its end."""
    if gzi is None:
        with open(fasta, "rb") as handle:
            yield lambda at, count: os.pread(handle.fileno(), count, at)
        return
    blocks = _Blocks(gzi)
    with pysam.BGZFile(str(fasta), "rb", index=None) as text:

        def read(at: int, count: int) -> bytes:
            virtual = blocks.virtual(at)
            if virtual is None:
                return b""
            text.seek(virtual)
            return text.read(count)

        yield read


def _text(read: Callable[[int, int], bytes], gap: _Gap) -> bytes:
    """The text of a gap; of one that hides a contig, and behind the last contig, only the ends."""
    if gap.end is None or gap.width <= 2 * HEADER_BYTES:
        return read(gap.start, HEADER_BYTES if gap.end is None else max(gap.end - gap.start, 0))
    return read(gap.start, HEADER_BYTES) + b"\n" + read(gap.end - HEADER_BYTES, HEADER_BYTES)


def _is_header(text: bytes, gap: _Gap) -> bool:
    """Whether a gap is one base, blank lines and headers, the last of them that of the contig that follows."""
    if gap.before is not None:
        base, text = text[:1], text[1:]
        if base.isspace() or not base or not (text[:1].isspace() or not text):
            return False
    first = text.lstrip()[:1]
    if gap.after is None:
        return first in (b"", b">")
    return first == b">" and text.endswith(b"\n") and _named(text.splitlines()[-1]) == gap.after


def _named(line: bytes) -> bytes | None:
    """The contig that a header names; None for another line."""
    words = line[1:].split(maxsplit=1)
    return words[0] if line[:1] == b">" and words else None


def _hidden(text: bytes, gap: _Gap) -> Iterator[bytes]:
    """Names of contigs that begin in a gap, but for the one that follows it."""
    names = [name for line in text.split(b"\n") if (name := _named(line)) is not None]
    yield from names[:-1] if names and names[-1] == gap.after else names


class _Blocks:
    """The .gzi of a bgzipped file: where its blocks begin, compressed and not (htslib, bgzip(1))."""

    def __init__(self, gzi: Path):
        pairs = np.fromfile(gzi, dtype="<u8")[1:]
        pairs = pairs[: len(pairs) // 2 * 2].reshape(-1, 2).astype(np.int64)
        self._compressed = np.concatenate([[0], pairs[:, 0]])
        self._plain = np.concatenate([[0], pairs[:, 1]])

    def virtual(self, offset: int) -> int | None:
        """Virtual offset (SAM specification, section 4.1.1) of an offset in the text; None past the last block."""
        block = int(np.searchsorted(self._plain, offset, side="right")) - 1
        within = int(offset - self._plain[block])
        return int(self._compressed[block]) << 16 | within if within < 1 << 16 else None
