"""The index of a FASTA (.fai, and .gzi where it is compressed), and what it hides: contigs that are there twice.

htslib indexes the first contig of a name, warns of the second and goes on, and so would every result that lies on it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam

from darkregulome.errors import InputError

MAX_LOOKS = 1000
"""Places looked at, the widest first: a contig that is hidden is longer than the descriptions of others."""
HEADER_BYTES = 1 << 16


@dataclass(frozen=True)
class _Gap:
    """What lies between the last base of a contig and the first of the next, ``[start, end)`` in the text."""

    start: int
    end: int | None
    following: str | None


def index_paths(fasta: Path, compressed: bool) -> tuple[Path, Path | None]:
    """Where the index of a FASTA is looked for: its .fai, and the .gzi of a compressed one."""
    return Path(f"{fasta}.fai"), Path(f"{fasta}.gzi") if compressed else None


def refuse_contigs_twice(fasta: Path, fai: Path, gzi: Path | None, where: Path) -> None:
    """Refuse a FASTA that holds a contig twice, whether its index names both or left the second out.

    Raises
    ------
    InputError
        At `where`, with the contig.
    """
    try:
        rows = [line.split("\t") for line in fai.read_text().splitlines()]
        spans = [(row[0], *map(int, row[1:5])) for row in rows]
        gaps = _gaps(spans)
    except ValueError:
        return  # not an index: said where it is opened
    twice = [name for name, count in Counter(row[0] for row in rows).items() if count > 1]
    names = {row[0] for row in rows}
    try:
        for name in _hidden(fasta, gzi, gaps):
            if name in names and name not in twice:
                twice.append(name)
    except (OSError, ValueError):
        pass  # damaged, or another file's index: said where the bases are read
    if twice:
        more = f" (and {len(twice) - 1} more)" if len(twice) > 1 else ""
        raise InputError.at(
            where, f"holds the contig {twice[0]!r} twice{more}", "rename or drop one of them, and delete its index"
        )


def _gaps(spans: list[tuple]) -> list[_Gap]:
    """Gaps with room for more than the next contig's name, the widest first."""
    gaps = []
    for i, (_, length, offset, bases, width) in enumerate(spans):
        lines, rest = divmod(length, bases) if bases else (0, 0)
        end = offset + lines * width + (rest + width - bases if rest else 0)
        if i + 1 == len(spans):
            gaps.append(_Gap(end, None, None))
        # ">", the name, and an end of line of two letters at most
        elif spans[i + 1][2] - end > len(spans[i + 1][0].encode()) + 3:
            gaps.append(_Gap(end, spans[i + 1][2], spans[i + 1][0]))
    widest = sorted(gaps, key=lambda gap: gap.start - (gap.end or np.inf))
    return widest[:MAX_LOOKS]


def _hidden(fasta: Path, gzi: Path | None, gaps: list[_Gap]) -> Iterator[str]:
    """Names of contigs that begin where the index has the end of one and the header of another."""
    blocks = None if gzi is None else _Blocks(gzi)
    with open(fasta, "rb") if blocks is None else pysam.BGZFile(str(fasta), "rb", index=None) as handle:
        for gap in gaps:
            handle.seek(gap.start if blocks is None else blocks.virtual(gap.start))
            size = HEADER_BYTES if gap.end is None else min(gap.end - gap.start, HEADER_BYTES)
            header = handle.read(size).lstrip().split(b"\n", 1)[0]
            words = header[1:].decode(errors="replace").split()
            if header[:1] == b">" and words and words[0] != gap.following:
                yield words[0]


class _Blocks:
    """The .gzi of a bgzipped file: where its blocks begin, compressed and not (htslib, bgzip(1))."""

    def __init__(self, gzi: Path):
        pairs = np.fromfile(gzi, dtype="<u8")[1:]
        pairs = pairs[: len(pairs) // 2 * 2].reshape(-1, 2).astype(np.int64)
        self._compressed = np.concatenate([[0], pairs[:, 0]])
        self._plain = np.concatenate([[0], pairs[:, 1]])

    def virtual(self, offset: int) -> int:
        """Virtual offset (SAM specification, section 4.1.1) of an offset in the text."""
        block = int(np.searchsorted(self._plain, offset, side="right")) - 1
        return int(self._compressed[block]) << 16 | int(offset - self._plain[block])
