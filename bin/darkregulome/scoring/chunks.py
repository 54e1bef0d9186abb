"""Finished chunks of a run, kept until its tables are written: an interrupted run goes on from the last of them."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from darkregulome.errors import InputError
from darkregulome.io import schemas, tables
from darkregulome.io.atomic import make_folder
from darkregulome.io.provenance import to_json
from darkregulome.scoring.elements import Scores


class ChunkStore:
    """A hidden folder next to an output, named by what the chunks depend on.

    Each chunk is two tables. The second one is written last, and both whole or not at all, so a chunk is there or is
    not; one that cannot be read is not.

    Parameters
    ----------
    out : the output that the chunks are for.
    parts : whatever the effects depend on; another value is another folder.
    place : where the folder is made, instead of next to the output: the next attempt may have another place for that.
    """

    def __init__(self, out: str | Path, parts: Mapping[str, Any], place: str | Path | None = None):
        self.out, self.place = Path(out), None if place is None else Path(place)
        key = hashlib.sha256(to_json(parts).encode()).hexdigest()[:16]
        self.folder = (self.place or self.out.parent) / f".{self.out.name}.{key}.chunks"
        self.finished = len(list(self.folder.glob("*.reference.parquet")))
        """Chunks that an earlier run has left."""

    def load(self, number: int) -> Scores | None:
        """A finished chunk, or None."""
        effects, reference = self._paths(number)
        if not (effects.is_file() and reference.is_file()):
            return None
        try:
            counts = tables.read_provenance(reference)
            return Scores(
                tables.read_table(effects, schemas.EFFECTS),
                tables.read_table(reference, schemas.REFERENCE),
                int(counts["forwards"]),
                int(counts["tokens"]),
            )
        except (InputError, KeyError, ValueError, OSError):
            return None

    def save(self, number: int, scores: Scores) -> None:
        """Keep a finished chunk."""
        make_folder(self.folder)
        effects, reference = self._paths(number)
        counts = {"forwards": scores.forwards, "tokens": scores.tokens}
        tables.write_table(scores.effects, effects, schemas.EFFECTS)
        tables.write_table(scores.reference, reference, schemas.REFERENCE, counts)

    def remove(self) -> None:
        """Delete the chunks, and what runs with other parameters have left next to this output.

        In a place that outputs share, other runs may be at work on an output of this name: they keep theirs.
        """
        if self.place is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        for folder in self.out.parent.glob(f".{self.out.name}.*.chunks"):
            shutil.rmtree(folder, ignore_errors=True)

    def _paths(self, number: int) -> tuple[Path, Path]:
        stem = f"{number:06d}"
        return self.folder / f"{stem}.effects.parquet", self.folder / f"{stem}.reference.parquet"


def identity(path: str | Path) -> list[Any]:
    """What tells a large file from another without reading it: name, size, time of change in nanoseconds."""
    stat = Path(path).stat()
    return [Path(path).name, stat.st_size, stat.st_mtime_ns]


def digest(frame: pd.DataFrame | None) -> str:
    """SHA-256 of a table's contents."""
    return "" if frame is None else hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()


def code_digest() -> str:
    """SHA-256 of the package's own code: chunks of another version are not taken for this one's."""
    package = Path(__file__).resolve().parents[1]
    sha = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        sha.update(path.read_bytes())
    return sha.hexdigest()
