"""bigWig files: opened and checked in one way, and their values over intervals."""

import os
import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
from numpy.typing import NDArray

from darkregulome.errors import InputError, listed
from darkregulome.genome.contigs import Contigs
from darkregulome.io.paths import require_file

# Kent et al., Bioinformatics 2010, supplement: magic, version, zoom levels, offsets of contigs, data and index;
# from byte 64 on, for each zoom level its reduction, a reserved word, and the offsets of its data and index.
_HEADER = struct.Struct("<IHHQQQ")
_ZOOMS_AT = 64
_ZOOM = struct.Struct("<IIQQ")
_BIGWIG_MAGIC = (0x888FFC26).to_bytes(4, "little")
_BIGBED_MAGIC = (0x8789F2EB).to_bytes(4, "little")


class BigWig:
    """A bigWig, opened for reading; contigs may be asked for as ``chr1`` or ``1``.

    Attributes
    ----------
    contigs : names and lengths, the file's own.
    ends_well : whether it ends with its magic number, as it does unless its writer was killed.

    Raises
    ------
    InputError
        The file is absent, no bigWig, or damaged; damage of the data shows when they are read.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        require_file(self.path)
        self.ends_well = self._check_header()
        try:
            self._file = pyBigWig.open(str(self.path))
        except RuntimeError as error:
            raise self._damaged() from error
        self.contigs = Contigs(self._file.chroms(), self.path)

    def __enter__(self) -> "BigWig":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def require_contigs(self, names: Iterable[str], where: object) -> None:
        """Refuse a file that has none of the contigs that `where` has."""
        names = list(dict.fromkeys(names))
        if not any(self.contigs.resolve(name) for name in names):
            raise InputError.at(
                self.path, f"has none of the contigs of {where} ({listed(names)})", "give a bigWig of the same assembly"
            )

    def values(self, chrom: str, start: int, end: int) -> NDArray[np.float32]:
        """The values of ``[start, end)``, shape (end - start,); NaN where the file has none, or not the contig."""
        values = np.full(max(end - start, 0), np.nan, dtype=np.float32)
        name = self.contigs.resolve(chrom)
        low, high = max(start, 0), min(end, self.contigs.lengths.get(name or "", 0))
        if name is not None and low < high:
            try:
                read = self._file.values(name, low, high, numpy=True)
                # A file that has no value at all gives no array of NaN, but an empty one.
                values[low - start : high - start] = read if len(read) else np.nan
            except RuntimeError as error:
                raise self._damaged() from error
        return values

    def _check_header(self) -> bool:
        """Whether the file ends as it should; refuses another format, and an index that would lie past the end."""
        size = self.path.stat().st_size
        with open(self.path, "rb") as handle:
            header = handle.read(_HEADER.size)
            if header[:4] == _BIGBED_MAGIC:
                raise InputError.at(self.path, "is a bigBed, not a bigWig", "give a bigWig")
            if header[:4] != _BIGWIG_MAGIC:
                raise InputError.at(self.path, "is not a bigWig", "give one (bedGraphToBigWig makes it)")
            try:
                _, _, n_zooms, chromosomes, data, index = _HEADER.unpack(header)
                handle.seek(_ZOOMS_AT)
                zooms = [_ZOOM.unpack(handle.read(_ZOOM.size)) for _ in range(n_zooms)]
            except struct.error as error:
                raise self._damaged() from error
            if max(chromosomes, data, index, *(offset for zoom in zooms for offset in zoom[2:])) >= size:
                raise self._damaged()
            handle.seek(-4, os.SEEK_END)
            return handle.read() == _BIGWIG_MAGIC

    def _damaged(self) -> InputError:
        return InputError.at(self.path, "is a damaged or truncated bigWig", "copy it again")


def bigwig_means(
    intervals: pd.DataFrame, bigwig: str | Path, absolute: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.int64], list[str]]:
    """Mean of a bigWig over each interval, over the bases that have a value.

    Parameters
    ----------
    intervals : chrom, start, end; contigs may be named ``chr1`` or ``1``.
    absolute : take the mean of absolute values.

    Returns
    -------
    Means, shape (rows,), NaN where the file has no value; bases with a value, shape (rows,); notes on contigs that the
    file lacks.

    Raises
    ------
    InputError
        The file is no bigWig, is damaged, or shares no contig with the intervals.
    """
    means, counts = np.full(len(intervals), np.nan), np.zeros(len(intervals), dtype=np.int64)
    chroms = intervals["chrom"].astype(str)
    with BigWig(bigwig) as track:
        if len(intervals):
            track.require_contigs(chroms, "the elements")
        missing = chroms[[track.contigs.resolve(chrom) is None for chrom in chroms]].value_counts()
        for i, (chrom, start, end) in enumerate(zip(chroms, intervals["start"], intervals["end"], strict=True)):
            values = track.values(chrom, int(start), int(end)).astype(np.float64)
            values = values[np.isfinite(values)]
            if len(values):
                means[i] = (np.abs(values) if absolute else values).mean()
                counts[i] = len(values)
    notes = [f"The bigWig lacks {chrom}: {count} elements without a value." for chrom, count in sorted(missing.items())]
    return means, counts, notes
