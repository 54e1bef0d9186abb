"""Maps on disk: a folder of `maps.zarr`, one array a sequence, and their index `maps.tsv`.

An array holds e[i, j], float32, in the order of the bases as they were read. The whole map has the shape
(length, length); a band of it (length, 2 * max_distance + 1), its column c being j = i + c - max_distance, NaN where
that is outside of the sequence. A map is written row by row, and never stands whole in memory.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from darkregulome.errors import InputError
from darkregulome.io.schemas import MAPS
from darkregulome.io.tables import read_table

ARRAYS, INDEX = "maps.zarr", "maps.tsv"
REMEDY = "copy or make the maps again"
CHUNK = 1 << 20
"""Bytes of a chunk, about: that many rows are held before they are written."""


class MapWriter:
    """The arrays of one folder, being written.

    Parameters
    ----------
    max_distance : half the width of the band; None for whole maps.
    """

    def __init__(self, folder: Path, record: Mapping[str, Any], max_distance: int | None = None):
        self._group = zarr.open_group(str(folder / ARRAYS), mode="w")
        self._group.attrs.update({**record, "max_distance": max_distance})
        self._max_distance = max_distance

    def new_map(self, name: str, bases: str) -> "RowWriter":
        """An empty map of a sequence."""
        length = len(bases)
        width = length if self._max_distance is None else min(2 * self._max_distance + 1, 2 * length - 1)
        rows = max(1, min(length, CHUNK // (4 * width)))
        array = self._group.create_array(
            name, shape=(length, width), chunks=(rows, width), dtype="float32", fill_value=np.nan
        )
        array.attrs["bases"] = bases
        return RowWriter(array, rows, banded=self._max_distance is not None)


class RowWriter:
    """Rows of one map, handed over in rising or in falling order."""

    def __init__(self, array: Any, rows: int, banded: bool):
        self._array, self._rows, self._banded = array, rows, banded
        self._chunk = -1
        self._buffer = np.empty((0, 0), np.float32)

    def add(self, position: int, row: np.ndarray, columns: slice = slice(None)) -> None:
        """Set the row of a base, (length,), or some columns of it; what was set before stays."""
        chunk = position // self._rows
        if chunk != self._chunk:
            self.flush()
            self._chunk = chunk
            self._buffer = np.asarray(self._array[chunk * self._rows : (chunk + 1) * self._rows])
        wanted = np.full(len(row), np.nan, np.float32)
        wanted[columns] = row[columns]
        if self._banded:
            wanted = to_band(wanted, position, self._array.shape[1] // 2)
        line = self._buffer[position - chunk * self._rows]
        np.copyto(line, wanted, where=~np.isnan(wanted))

    def flush(self) -> None:
        """Write what is held."""
        if self._chunk >= 0:
            first = self._chunk * self._rows
            self._array[first : first + len(self._buffer)] = self._buffer
            self._chunk = -1


def to_band(row: np.ndarray, position: int, reach: int) -> np.ndarray:
    """The part of a row (length,) within `reach` of its base, shape (2 * reach + 1,), NaN outside of the sequence."""
    band = np.full(2 * reach + 1, np.nan, np.float32)
    first, last = max(0, position - reach), min(len(row), position + reach + 1)
    band[first - position + reach : last - position + reach] = row[first:last]
    return band


def from_band(band: np.ndarray) -> np.ndarray:
    """The whole map, (length, length), of a band (length, 2 * reach + 1); NaN farther out."""
    length, reach = len(band), band.shape[1] // 2
    values = np.full((length, length), np.nan, np.float32)
    for column in range(band.shape[1]):
        offset = column - reach
        if abs(offset) < length:
            rows = np.arange(max(0, -offset), min(length, length - offset))
            values[rows, rows + offset] = band[rows, column]
    return values


@dataclass(frozen=True)
class StoredMap:
    """One map.

    Attributes
    ----------
    row : its row of the index, by column.
    values : e[i, j], float32, (length, length), i and j counted along the strand that was read; NaN where there is
        none: the rows outside of a band.
    bases : the sequence as it was read.
    """

    row: Mapping[str, Any]
    values: np.ndarray
    bases: str

    @property
    def key(self) -> tuple[Any, ...]:
        """What the same sequence has in another model's folder."""
        return _key(self.row)


def _key(row: Mapping[Any, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("sequence", "chrom", "start", "end", "strand"))


class MapFolder:
    """The maps that `map_dependencies.py` wrote.

    Attributes
    ----------
    index : `maps.tsv`.
    model, parameters : what they were made with.

    Raises
    ------
    InputError : the folder lacks a part, or a part of it is damaged: its arrays are looked at when they are read.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        if not (self.folder / ARRAYS).is_dir():
            raise InputError.at(folder, f"holds no {ARRAYS}", "give the folder that map_dependencies.py wrote")
        self.index = read_table(self.folder / INDEX, MAPS)
        try:
            self._group = zarr.open_group(str(self.folder / ARRAYS), mode="r")
        except (OSError, ValueError, KeyError) as error:
            raise InputError.at(self.folder / ARRAYS, f"cannot be read ({error})", REMEDY) from error
        attributes: Any = self._group.attrs.asdict()
        self.model: str = attributes.get("model", self.folder.name)
        self.parameters: dict[str, Any] = attributes.get("parameters", {})
        self.banded = attributes.get("max_distance") is not None
        mapped = self.index[self.index["status"] == "ok"].to_dict("records")
        self._rows = {_key(row): {str(name): value for name, value in row.items()} for row in mapped}

    def maps(self) -> Iterator[StoredMap]:
        """Every map of the status ``ok``, one at a time."""
        for row in self._rows.values():
            yield self._read(row)

    def find(self, key: tuple[Any, ...]) -> StoredMap | None:
        """The map of the same sequence as another folder's, by its `StoredMap.key`, or None."""
        row = self._rows.get(key)
        return None if row is None else self._read(row)

    def _read(self, row: Mapping[str, Any]) -> StoredMap:
        name = str(row["array"])
        try:
            array: Any = self._group[name]
            values, bases = np.asarray(array), str(array.attrs["bases"])
        # RuntimeError: a damaged chunk.
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise InputError.at(self.folder / ARRAYS / name, f"cannot be read ({error})", REMEDY) from error
        # A chunk whose file is gone reads as NaN, and every row has its own base at least.
        if np.isnan(values).all(axis=1).any():
            raise InputError.at(self.folder / ARRAYS / name, "lacks some of its rows", REMEDY)
        return StoredMap(row, from_band(values) if self.banded else values, bases)
