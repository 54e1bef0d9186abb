"""Windows with binned targets, of which the data sets of Basenji and Borzoi are made, for the Enformer trainer.

A data set is four files: a FASTA whose records are whole contigs or pieces named ``contig:start-end``; a BED of the
windows that have targets; an npz with one array (windows, bins, tracks); and a table of the tracks (`identifier`,
`description`, and `strand_pair`: the row of the same track on the other strand, its own where there is none).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from darkregulome.errors import InputError
from darkregulome.genome.bed import bed_intervals
from darkregulome.io.npz import numbers, open_npz
from darkregulome.io.tables import read_table
from darkregulome.training.enformer import Site
from darkregulome.training.settings import EnformerTraining
from darkregulome.training.windows import Codes, Place, read_codes, reverse_complement_codes, split_contigs

_PIECE = re.compile(r"(?P<contig>.+):(?P<start>\d+)-(?P<end>\d+)")


@dataclass(frozen=True)
class TargetSet:
    """Windows of sequence with their targets.

    Attributes
    ----------
    codes : base codes of each window, by its name ``contig:start-end``, uint8, (bases,).
    targets : of each window, float32, (bins, tracks).
    identifiers, descriptions : of the tracks.
    pairs : for each track, the one of the same experiment on the other strand, or itself: (tracks,).
    """

    codes: Codes
    targets: Mapping[str, np.ndarray]
    identifiers: tuple[str, ...]
    descriptions: tuple[str, ...]
    pairs: np.ndarray

    def split(self, holdout: Sequence[str], exclude: Sequence[str], where: object) -> tuple["TargetSet", "TargetSet"]:
        """The windows of other contigs, less those of the excluded ones, and those of held-out contigs."""
        contigs: dict[str, list[str]] = {}
        for name in self.codes:
            contigs.setdefault(name.rpartition(":")[0], []).append(name)
        parts = split_contigs({contig: np.zeros(0) for contig in contigs}, holdout, where, exclude)
        training, held_out = ([name for contig in part for name in contigs[contig]] for part in parts)
        return self._only(training), self._only(held_out)

    def _only(self, names: Collection[str]) -> "TargetSet":
        codes = {name: self.codes[name] for name in names}
        targets = {name: self.targets[name] for name in names}
        return TargetSet(codes, targets, self.identifiers, self.descriptions, self.pairs)


def read_target_set(fastas: Sequence[Path], windows: Path, targets: Path, table: Path, pattern: str = "") -> TargetSet:
    """Read a data set; of the tracks those whose description matches `pattern` (a regular expression).

    Raises
    ------
    InputError : the files do not fit each other, a window has no sequence, or the pattern keeps one strand of a pair.
    """
    places = _read_windows(windows)
    tracks = _read_tracks(table)
    values = _read_targets(targets, len(places), len(tracks))
    kept = _kept(tracks, pattern, table)
    new = {int(old): row for row, old in enumerate(kept)}
    codes = _cut(read_codes(fastas), places, fastas[0])
    return TargetSet(
        codes,
        {name: values[row][:, kept].astype(np.float32) for row, name in enumerate(codes)},
        tuple(tracks["identifier"].iloc[kept].astype(str)),
        tuple(tracks["description"].iloc[kept].astype(str)),
        np.array([new[int(pair)] for pair in tracks["strand_pair"].iloc[kept]]),
    )


def _read_windows(path: Path) -> list[tuple[str, int, int]]:
    lengths: dict[tuple[str, int, int], int] = {}
    for row in bed_intervals(path):
        where, window, length = f"{path}:{row.line}", row[1:4], row.end - row.start
        if length != next(iter(lengths.values()), length):
            raise InputError.at(where, "is not as long as the first window", "give windows of one length")
        if window in lengths:
            raise InputError.at(where, "is a window that was given before", "give each window once")
        lengths[window] = length
    return list(lengths)


def _read_tracks(path: Path) -> pd.DataFrame:
    tracks = read_table(path)
    missing = [name for name in ("identifier", "description", "strand_pair") if name not in tracks]
    if missing:
        raise InputError.at(path, f"has no column {missing[0]!r}", "give the table of the data set's tracks")
    pairs = pd.to_numeric(tracks["strand_pair"], errors="coerce").fillna(-1).astype(int).to_numpy()
    inside = (pairs >= 0) & (pairs < len(tracks))
    mutual = inside & (pairs[np.where(inside, pairs, 0)] == np.arange(len(tracks)))
    if not mutual.all():
        row = int(np.flatnonzero(~mutual)[0])
        raise InputError.at(
            path,
            f"strand_pair of {tracks['identifier'].iloc[row]} is not a row that names it in turn",
            "give the row of the track on the other strand, counted from 0, or its own",
        )
    return tracks.assign(strand_pair=pairs)


def _read_targets(path: Path, windows: int, tracks: int) -> np.ndarray:
    remedy = "give windows x bins x tracks"
    with open_npz(path, remedy) as archive:
        names = list(archive)
        values = numbers(archive, names[0], path, remedy) if names else np.empty(0)
    if values.ndim != 3 or values.shape[::2] != (windows, tracks):
        raise InputError.at(
            path,
            f"has the shape {values.shape}, but there are {windows} windows and {tracks} tracks",
            "give windows x bins x tracks, in the order of the BED and of the table",
        )
    if not np.isfinite(values).all() or values.min(initial=0) < 0:
        raise InputError.at(path, "has values that are negative or no numbers", "give counts, not negative")
    return values


def _kept(tracks: pd.DataFrame, pattern: str, table: Path) -> np.ndarray:
    try:
        chosen = np.array([re.search(pattern, str(description)) is not None for description in tracks["description"]])
    except re.error as error:
        raise InputError.at("--track-pattern", f"is no regular expression ({error})", "mend it") from error
    if not chosen.any():
        raise InputError.at("--track-pattern", f"{pattern!r} keeps no track of {table}", "see its descriptions")
    alone = chosen & ~chosen[tracks["strand_pair"]]
    if alone.any():
        name = tracks["identifier"][alone].iloc[0]
        raise InputError.at("--track-pattern", f"keeps {name} without its other strand", "keep both")
    return np.flatnonzero(chosen)


def _cut(records: Codes, places: Sequence[tuple[str, int, int]], fasta: Path) -> dict[str, np.ndarray]:
    """Base codes of windows, by name, from records that are whole contigs or pieces."""
    pieces: dict[str, list[tuple[int, np.ndarray]]] = {}
    for name, codes in records.items():
        found = _PIECE.fullmatch(name)
        contig, start = (found["contig"], int(found["start"])) if found else (name, 0)
        pieces.setdefault(contig, []).append((start, codes))
    cut: dict[str, np.ndarray] = {}
    for contig, start, end in places:
        around = [
            (first, codes) for first, codes in pieces.get(contig, []) if first <= start <= end <= first + len(codes)
        ]
        if not around:
            raise InputError.at(
                fasta,
                f"has no sequence of {contig}:{start}-{end}",
                "give the genome, or records named contig:start-end",
            )
        first, codes = around[0]
        cut[f"{contig}:{start}-{end}"] = codes[start - first : end - first]
    return cut


class TargetWindows:
    """Cuts of a `TargetSet`, behind `enformer.Windows`: they lie within windows, so that every bin has its target.

    A bin of the model is the mean of the targets in it. Read on the other strand, the tracks of a pair change places.
    """

    centred = False

    def __init__(self, data: TargetSet, settings: EnformerTraining):
        self._data = data
        (self._length,) = {len(codes) for codes in data.codes.values()}
        (bins,) = {len(targets) for targets in data.targets.values()}
        self._bin, self._grid = settings.bin, self._length // bins
        if self._length % bins or settings.bin % self._grid:
            raise InputError.at(
                "--targets", f"{bins} bins do not part {self._length} bases evenly", f"give parts of {settings.bin}"
            )
        longest = max(settings.window + 2 * settings.shift, settings.tower_window)
        if longest > self._length or settings.shift % settings.bin:
            raise InputError.at(
                "--window",
                f"of {settings.window} with --shift {settings.shift} needs {longest} bases, not {self._length}",
                f"give less, and a shift of whole bins of {settings.bin}",
            )
        self.sites: list[Site] = [(name, self._length // 2) for name in data.codes]

    def cut(self, name: str, start: int, length: int, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        """Base codes, (length,), and mean targets, (bins, tracks), from a multiple of the targets' bin on."""
        codes = self._data.codes[name][start : start + length]
        targets = self._data.targets[name][start // self._grid : (start + length) // self._grid]
        bins = targets.reshape(-1, self._bin // self._grid, targets.shape[1]).mean(axis=1)
        return (reverse_complement_codes(codes), bins[::-1, self._data.pairs]) if flip else (codes, bins)

    def around(self, site: Site, length: int, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        """The cut of `length` bases in the middle of a window."""
        return self.cut(site[0], site[1] - length // 2, length, flip)

    def near(self, length: int, rng: np.random.Generator) -> Place:
        """A random short cut, anywhere in any window."""
        name, _ = self.sites[rng.integers(len(self.sites))]
        return name, int(rng.integers((self._length - length) // self._grid + 1)) * self._grid

    def places(self, length: int, count: int) -> list[Place]:
        """Cuts beside each other that cover up to `count` windows."""
        starts = range(0, self._length - length + 1, length)
        return [(name, start) for name, _ in self.sites[:count] for start in starts]
