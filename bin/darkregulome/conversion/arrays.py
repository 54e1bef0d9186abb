"""Arrays of attributions or of in-silico mutagenesis (tangermeme, gReLU, captum), saved by `numpy.savez`.

Layouts, n sequences of L bases, channels in the order A, C, G, T:

- ``(n, 4, L)``, one channel per base is not zero: attributions of the observed bases. The effect is their size.
- ``(n, 4, L)``, one channel per base is zero (the reference's) and the others are not: ISM, alternative less
  reference. The effect is the mean size over the three alternatives.
- ``(n, L)``: attributions base by base.
- ``y0`` of shape ``(n,)`` or ``(n, T)`` and ``y_hat`` of shape ``(n, 4, L)`` or ``(n, 4, L, T)``: predictions before
  and after each substitution (tangermeme's raw outputs). ISM of their difference, mean size over the T outputs.

Hypothetical attributions (all four channels not zero) need the sequence, as ``one_hot`` or ``X`` in the same file.
Row i is of the interval i of a BED; where its length is not L, the L bases around its middle are meant.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from darkregulome.conversion.scored import Floats, WindowScores
from darkregulome.conversion.settings import ScoreFormat
from darkregulome.errors import InputError
from darkregulome.genome.bed import bed_intervals
from darkregulome.io.npz import numbers, open_npz
from darkregulome.options import either

ONE_HOT = ("one_hot", "X", "sequences")
USUAL_NAMES = ("attributions", "attr", "X_attr", "ism", "arr_0")
_ZERO = 1e-4
"""A channel this small next to the largest of its array counts as zero (half precision has three digits)."""
LAYOUTS = "see the layouts of npz in docs/usage.md"


def read_arrays(path: Path, form: ScoreFormat) -> WindowScores:
    """Effects base by base of an npz file.

    Raises
    ------
    InputError
        The file, the array or its shape is none of the layouts above, or does not fit the intervals.
    """
    with open_npz(path, "write it with numpy.savez") as archive:
        arrays = dict(archive)
    if form.intervals is None:
        raise InputError.at(path, "holds arrays without places", "give the BED of its sequences by --intervals")
    values, per_base = _effects(arrays, form.dataset, form.target, path)
    rows, length = values.shape
    return WindowScores(_windows(form.intervals, rows, length, path), values, per_base)


def _effects(arrays: Mapping[str, NDArray], dataset: str | None, target: int | None, path: Path) -> tuple[Floats, int]:
    if dataset is None and {"y0", "y_hat"} <= set(arrays):
        before, after = (_floats(arrays, name, path) for name in ("y0", "y_hat"))
        if after.ndim not in (3, 4) or after.shape[1] != 4 or before.shape != after.shape[:1] + after.shape[3:]:
            raise InputError.at(path, f"has y0 {before.shape} and y_hat {after.shape}", LAYOUTS)
        changes = after - before[:, None, None]
        changes = changes if changes.ndim == 4 else changes[..., None]
        return substitution_effects(of_target(changes, target, path), path), 3
    name = dataset or next((name for name in USUAL_NAMES if name in arrays), None)
    if name is None or name not in arrays:
        raise InputError.at(
            path,
            f"has the arrays {', '.join(arrays)}, and none called {dataset or either(USUAL_NAMES)}",
            "name it by --dataset",
        )
    array = _floats(arrays, name, path)
    if array.ndim == 2:
        return np.abs(array), 1
    if array.ndim == 4:
        array = of_target(array, target, path)
    elif array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[1] != 4:
        raise InputError.at(path, f"has {name} of shape {arrays[name].shape}", LAYOUTS)
    return _of_channels(array, arrays, name, path)


def _floats(arrays: Mapping[str, NDArray], name: str, path: Path) -> Floats:
    return numbers(arrays, name, path, LAYOUTS).astype(np.float64)


def of_target(array: Floats, target: int | None, path: Path) -> Floats:
    """Along the last axis of an array (..., T), all targets, or the one asked for."""
    if target is None:
        return array
    if not 0 <= target < array.shape[-1]:
        raise InputError.at(path, f"has {array.shape[-1]} targets", f"give --target 0 to {array.shape[-1] - 1}")
    return array[..., [target]]


def _of_channels(array: Floats, arrays: Mapping[str, NDArray], name: str, path: Path) -> tuple[Floats, int]:
    size = np.abs(array)
    zero = size <= _ZERO * size.max(initial=0.0)
    if ((~zero).sum(axis=1) <= 1).all():
        return size.sum(axis=1).mean(axis=-1), 1
    if zero.any(axis=1).all():
        return substitution_effects(array, path), 3
    one_hot = next((_floats(arrays, key, path) for key in ONE_HOT if key in arrays), None)
    if one_hot is None or one_hot.shape != array.shape[:3]:
        raise InputError.at(
            path,
            f"has {name} with all four channels of a base, so which base is observed cannot be seen",
            "multiply it by the one-hot sequence, or put that into the file as one_hot",
        )
    return np.abs((array * (one_hot != 0)[..., None]).sum(axis=1)).mean(axis=-1), 1


def substitution_effects(changes: Floats, path: Path) -> Floats:
    """Mean size over the three alternatives and the targets: changes of shape (n, 4, L, T) to (n, L)."""
    size = np.abs(changes)
    if (size.min(axis=1) > _ZERO * size.max(initial=0.0)).any():
        raise InputError.at(
            path,
            "has bases where all four substitutions change the prediction, so they are not measured from the reference",
            "give alternative less reference, or y0 with y_hat",
        )
    return (size.sum(axis=1) / 3.0).mean(axis=-1)


def _windows(intervals: Path, rows: int, length: int, path: Path) -> pd.DataFrame:
    places = [row[1:4] for row in bed_intervals(intervals)]
    if len(places) != rows:
        raise InputError.at(
            intervals, f"has {len(places)} intervals, where {path} has {rows} sequences", "give its BED, in its order"
        )
    table = pd.DataFrame(places, columns=["chrom", "start", "end"])
    start = (table["start"] + table["end"]) // 2 - length // 2
    start = start.where(table["end"] - table["start"] != length, table["start"])
    if (start < 0).any():
        row = int(np.flatnonzero(start < 0)[0])
        raise InputError.at(
            f"{intervals}:{row + 1}",
            f"is too near the contig's start for {length} bases around its middle",
            "leave out sequences that were padded",
        )
    return table.assign(start=start, end=start + length)
