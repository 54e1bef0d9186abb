"""Training windows: a genome as base codes, and random or evenly spaced cuts of it."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pysam

from darkregulome.errors import InputError

N_CODE = 4
"""Code of every letter that is not A, C, G or T (these are 0 to 3, so that 3 - code is the complement)."""

MAX_N_FRACTION = 0.1
"""Windows with more N than this teach nothing and are drawn again."""

Codes = Mapping[str, np.ndarray]
"""Contig name -> base codes, uint8, shape (length,)."""

_CODE_OF_LETTER = np.full(256, N_CODE, dtype=np.uint8)
for _code, _letters in enumerate(("Aa", "Cc", "Gg", "Tt")):
    for _letter in _letters:
        _CODE_OF_LETTER[ord(_letter)] = _code


def read_codes(fastas: Sequence[Path]) -> dict[str, np.ndarray]:
    """Base codes of every contig of one or several FASTA files (plain or bgzipped)."""
    codes: dict[str, np.ndarray] = {}
    for path in fastas:
        try:
            with pysam.FastxFile(str(path)) as records:
                for record in records:
                    if record.name in codes:
                        raise InputError.at(
                            path, f"contig {record.name!r} is given twice", "rename or drop one of them"
                        )
                    codes[str(record.name)] = encode_bases(record.sequence or "")
        except OSError as error:
            raise InputError.at(path, f"cannot be read ({error})", "give a FASTA file, plain or gzipped") from error
    if not codes:
        raise InputError.at(fastas[0] if fastas else "--fasta", "holds no sequence", "give a FASTA with sequences")
    return codes


def encode_bases(sequence: str) -> np.ndarray:
    """Base codes of a sequence, uint8, any case."""
    return _CODE_OF_LETTER[np.frombuffer(sequence.encode("ascii", "replace"), dtype=np.uint8)]


def reverse_complement_codes(codes: np.ndarray) -> np.ndarray:
    """Reverse complement along the last axis; N stays N."""
    flipped = codes[..., ::-1]
    return np.where(flipped == N_CODE, N_CODE, 3 - flipped).astype(np.uint8)


def split_contigs(codes: Codes, holdout: Collection[str], where: object) -> tuple[dict, dict]:
    """Training and held-out contigs; an unknown held-out name is an error."""
    unknown = sorted(set(holdout) - set(codes))
    if unknown:
        raise InputError.at(
            where, f"held-out contig {unknown[0]!r} is not in it", f"choose of {', '.join(list(codes)[:8])}"
        )
    training = {name: array for name, array in codes.items() if name not in holdout}
    held_out = {name: codes[name] for name in holdout}
    if not training or not held_out:
        raise InputError.at(where, "training and held-out contigs may not be empty", "hold out some contigs, not all")
    return training, held_out


class WindowSampler:
    """Random windows of one length, contigs drawn by their number of windows; either strand."""

    def __init__(self, codes: Codes, length: int, rng: np.random.Generator):
        self._arrays = [array for array in codes.values() if len(array) >= length]
        if not self._arrays:
            raise InputError.at("--fasta", f"no contig is as long as the window of {length}", "use a shorter window")
        starts = np.array([len(array) - length + 1 for array in self._arrays], dtype=float)
        self._weights = starts / starts.sum()
        self._length = length
        self._rng = rng

    def draw(self, count: int) -> np.ndarray:
        """Base codes, uint8, shape (count, length)."""
        windows = np.empty((count, self._length), dtype=np.uint8)
        for row in range(count):
            windows[row] = self._draw_one()
        flip = self._rng.random(count) < 0.5
        windows[flip] = reverse_complement_codes(windows[flip])
        return windows

    def _draw_one(self) -> np.ndarray:
        for _ in range(1000):
            array = self._arrays[self._rng.choice(len(self._arrays), p=self._weights)]
            start = self._rng.integers(len(array) - self._length + 1)
            window = array[start : start + self._length]
            if (window == N_CODE).mean() <= MAX_N_FRACTION:
                return window
        raise InputError.at("--fasta", "holds almost nothing but N", "give sequence with known bases")


def evenly_spaced_windows(codes: Codes, length: int, count: int) -> np.ndarray:
    """Up to `count` windows spread evenly over the contigs, without those of many N; shape (count, length)."""
    starts = [(name, start) for name, array in codes.items() for start in range(0, len(array) - length + 1, length)]
    starts = [
        (name, start)
        for name, start in starts
        if (codes[name][start : start + length] == N_CODE).mean() <= MAX_N_FRACTION
    ]
    if not starts:
        raise InputError.at("--holdout", f"gives no window of {length} bases without N", "hold out longer contigs")
    chosen = np.unique(np.linspace(0, len(starts) - 1, min(count, len(starts))).round().astype(int))
    return np.stack([codes[starts[index][0]][starts[index][1] : starts[index][1] + length] for index in chosen])
