"""Training windows: a genome as base codes, and random or evenly spaced cuts of it."""

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import torch

from darkregulome.errors import InputError
from darkregulome.genome.bases import N_CODE, base_codes, reverse_complement_codes
from darkregulome.genome.reference import fasta_records

_ONE_HOT = np.vstack([np.eye(4, dtype=np.float32), np.zeros((1, 4), dtype=np.float32)])
"""A row a base code; N is all zeros, as output models read it."""

MAX_N_FRACTION = 0.1
"""Windows with more N than this teach nothing and are drawn again."""

Codes = Mapping[str, np.ndarray]
"""Contig name -> base codes, uint8, shape (length,)."""


def one_hot(codes: np.ndarray) -> torch.Tensor:
    """One-hot A, C, G, T of base codes: float32, of the shape of `codes` and (4,); what is no base is all zeros."""
    return torch.from_numpy(_ONE_HOT[np.minimum(codes, N_CODE)])


def read_codes(fastas: Sequence[Path]) -> dict[str, np.ndarray]:
    """Base codes of every contig of one or several FASTA files (plain or bgzipped); U counts as T."""
    codes: dict[str, np.ndarray] = {}
    for path in fastas:
        for name, sequence in fasta_records(path):
            if name in codes:
                raise InputError.at(path, f"contig {name!r} is given twice", "rename or drop one of them")
            codes[name] = base_codes(sequence, rna=True)
    if not codes:
        raise InputError.at(fastas[0] if fastas else "--fasta", "holds no sequence", "give a FASTA with sequences")
    return codes


def read_repeats(fastas: Sequence[Path]) -> dict[str, np.ndarray]:
    """Which bases are soft-masked (lower case), by contig: bool, shape (length,)."""
    records = (record for path in fastas for record in fasta_records(path))
    return {
        name: np.frombuffer(sequence.encode("ascii", "replace"), dtype=np.uint8) >= ord("a")
        for name, sequence in records
    }


def split_contigs(
    codes: Codes, holdout: Collection[str], where: object, exclude: Collection[str] = ()
) -> tuple[dict, dict]:
    """Training and held-out contigs, less the excluded ones, by name or pattern (``chr2*``); none found is an error."""
    found = {name: [contig for contig in codes if fnmatchcase(contig, name)] for name in (*holdout, *exclude)}
    unknown = sorted(name for name, contigs in found.items() if not contigs)
    if unknown:
        raise InputError.at(
            where, f"held-out contig {unknown[0]!r} is not in it", f"choose of {', '.join(list(codes)[:8])}"
        )
    chosen = {contig for contigs in found.values() for contig in contigs}
    training = {name: array for name, array in codes.items() if name not in chosen}
    held_out = {contig: codes[contig] for name in holdout for contig in found[name]}
    if not training or not held_out:
        raise InputError.at(where, "training and held-out contigs may not be empty", "hold out some contigs, not all")
    return training, held_out


class WindowSampler:
    """Random windows of one length, contigs drawn by their number of windows; either strand, or as they stand.

    `marks` are one value a base (bool), cut and turned like the bases.
    """

    def __init__(
        self,
        codes: Codes,
        length: int,
        rng: np.random.Generator,
        marks: Mapping[str, np.ndarray] | None = None,
        both_strands: bool = True,
    ):
        names = [name for name, array in codes.items() if len(array) >= length]
        if not names:
            raise InputError.at("--fasta", f"no contig is as long as the window of {length}", "use a shorter window")
        self._arrays = [codes[name] for name in names]
        self._marks = None if marks is None else [marks[name] for name in names]
        starts = np.array([len(array) - length + 1 for array in self._arrays], dtype=float)
        shares = (starts / starts.sum()).cumsum()
        self._shares = shares / shares[-1]
        self._both_strands = both_strands
        self._length = length
        self._rng = rng

    def draw(self, count: int) -> np.ndarray:
        """Base codes, uint8, shape (count, length)."""
        return self.draw_marked(count)[0]

    def draw_marked(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Base codes, uint8, and marks, bool (False where there are none), both of shape (count, length)."""
        windows = np.empty((count, self._length), dtype=np.uint8)
        marks = np.zeros((count, self._length), dtype=bool)
        for row in range(count):
            contig, start = self._place()
            windows[row] = self._arrays[contig][start : start + self._length]
            if self._marks is not None:
                marks[row] = self._marks[contig][start : start + self._length]
        if not self._both_strands:
            return windows, marks
        flip = self._rng.random(count) < 0.5
        windows[flip] = reverse_complement_codes(windows[flip])
        marks[flip] = marks[flip, ::-1]
        return windows, marks

    def _place(self) -> tuple[int, int]:
        for _ in range(1000):
            # What `Generator.choice` does, but for the sum over thousands of contigs at each draw.
            contig = int(self._shares.searchsorted(self._rng.random(), side="right"))
            start = int(self._rng.integers(len(self._arrays[contig]) - self._length + 1))
            if (self._arrays[contig][start : start + self._length] == N_CODE).mean() <= MAX_N_FRACTION:
                return contig, start
        raise InputError.at("--fasta", "holds almost nothing but N", "give sequence with known bases")


Place = tuple[str, int]
"""Contig and start of a window."""


def evenly_spaced_places(codes: Codes, length: int, count: int) -> list[Place]:
    """Up to `count` windows spread evenly over the contigs, without those of many N."""
    starts = [(name, start) for name, array in codes.items() for start in range(0, len(array) - length + 1, length)]
    starts = [
        (name, start)
        for name, start in starts
        if (codes[name][start : start + length] == N_CODE).mean() <= MAX_N_FRACTION
    ]
    if not starts:
        raise InputError.at("--holdout", f"gives no window of {length} bases without N", "hold out longer contigs")
    chosen = np.unique(np.linspace(0, len(starts) - 1, min(count, len(starts))).round().astype(int))
    return [starts[index] for index in chosen]


def cut_windows(arrays: Mapping[str, np.ndarray], places: Sequence[Place], length: int) -> np.ndarray:
    """What `arrays` hold at some places: (places, length)."""
    return np.stack([arrays[name][start : start + length] for name, start in places])


def evenly_spaced_windows(codes: Codes, length: int, count: int) -> np.ndarray:
    """Base codes at `evenly_spaced_places`: (count, length)."""
    return cut_windows(codes, evenly_spaced_places(codes, length, count), length)
