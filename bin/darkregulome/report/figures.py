"""The stages' figures, put into the report whole, so that it is one file.

What the report says of a figure stands in the figure: `plots.style.save` writes it there.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import escape

from darkregulome.errors import InputError
from darkregulome.report.content import Section
from darkregulome.report.markup import PARTS

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Figure:
    """A PNG file, the title of its section, and its caption; drawn by others it has neither."""

    path: Path
    title: str
    caption: str

    @property
    def words(self) -> str:
        return self.caption or self.path.stem.replace("_", " ")

    @property
    def base64(self) -> str:
        return base64.b64encode(self.path.read_bytes()).decode("ascii")


def find_figures(folders: Iterable[str | Path]) -> list[Figure]:
    """Every PNG below the folders, by name.

    Raises
    ------
    InputError
        A folder is absent, or a file that is called PNG is none.
    """
    paths: list[Path] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError.at(folder, "is not a folder", "give the figures/ folder of diagnose.py or decompose.py")
        paths += folder.rglob("*.png")
    return [read_figure(path) for path in sorted(paths, key=lambda path: (path.name, str(path)))]


def read_figure(path: Path) -> Figure:
    """A figure with the title and the caption that are written in it; `InputError` if it is no PNG."""
    data = path.read_bytes()
    if not data.startswith(_PNG):
        raise InputError.at(path, "is not a PNG image", "draw it again")
    text = dict(_texts(data))
    return Figure(path, text.get("Title", ""), text.get("Description", ""))


def _texts(data: bytes) -> Iterator[tuple[str, str]]:
    """Keywords and texts of a PNG: its chunks are length, type, content and checksum."""
    at = len(_PNG)
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if kind in (b"tEXt", b"iTXt"):
            # iTXt has flags and a language between, none of which holds the byte 0.
            keyword, *_, text = data[at + 8 : at + 8 + length].split(b"\0")
            yield keyword.decode("latin-1"), text.decode("utf-8" if kind == b"iTXt" else "latin-1", "replace")
        at += length + 12


def figure_sections(figures: Sequence[Figure], leave_out: Iterable[str] = ()) -> list[Section]:
    """One section per title; figures without one are further figures."""
    by_title: dict[str, list[Figure]] = {}
    for figure in figures:
        by_title.setdefault(figure.title or "Further figures", []).append(figure)
    return [
        Section(
            "figures_" + re.sub(r"[^a-z0-9]+", "_", title.lower())[:60],
            str(escape(title)),
            str(escape(items[0].caption)) if len(items) == 1 else "",
            PARTS.figures(items),
        )
        for title, items in by_title.items()
        if title not in set(leave_out)
    ]
