"""Values of a bigWig over intervals."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
from numpy.typing import NDArray

from darkregulome.errors import InputError
from darkregulome.genome.contigs import Contigs


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
    try:
        track = pyBigWig.open(str(bigwig))
    except RuntimeError as error:
        raise InputError.at(bigwig, "cannot be opened as a bigWig", "check the path and the format") from error
    if track is None or not track.isBigWig():
        raise InputError.at(bigwig, "is not a bigWig", "convert it with bedGraphToBigWig")
    contigs = Contigs(track.chroms(), bigwig)
    means, counts = np.full(len(intervals), np.nan), np.zeros(len(intervals), dtype=np.int64)
    missing: dict[str, int] = {}
    columns = zip(intervals["chrom"], intervals["start"], intervals["end"], strict=True)
    try:
        for i, (chrom, start, end) in enumerate(columns):
            name = contigs.resolve(str(chrom))
            if name is None:
                missing[str(chrom)] = missing.get(str(chrom), 0) + 1
                continue
            end = min(int(end), contigs.lengths[name])
            if start >= end:
                continue
            values = np.asarray(track.values(name, int(start), end), dtype=np.float64)
            values = values[np.isfinite(values)]
            if len(values):
                means[i] = (np.abs(values) if absolute else values).mean()
                counts[i] = len(values)
    except RuntimeError as error:
        raise InputError.at(bigwig, "is damaged or truncated", "copy it again") from error
    finally:
        track.close()
    if len(intervals) and sum(missing.values()) == len(intervals):
        raise InputError.at(
            bigwig,
            f"has none of the elements' contigs ({', '.join(sorted(missing)[:3])})",
            "give a bigWig of the same assembly",
        )
    notes = [f"The bigWig lacks {chrom}: {count} elements without a value." for chrom, count in sorted(missing.items())]
    return means, counts, notes
