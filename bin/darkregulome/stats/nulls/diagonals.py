"""A map of pairs of bases in which nothing stands across its diagonals.

What depends on the distance of two bases alone stays as it is; a block of a map or an anti-diagonal crosses many
diagonals, and is torn. Three ways of moving the entries of a diagonal: permuted freely; rotated, which keeps what runs
along it; or all diagonals rotated by the same part of their length, which keeps blocks, but elsewhere: the null for the
agreement of two maps of one sequence.
"""

import numpy as np


class DiagonalNull:
    """Draws of a square map whose entries have been moved along their diagonals.

    Parameters
    ----------
    values : shape (length, length). NaN (outside of a band, say) is not moved.
    symmetric : move both triangles alike, by the upper one.
    """

    def __init__(self, values: np.ndarray, symmetric: bool = True):
        values = np.asarray(values, dtype=float)
        if values.ndim != 2 or values.shape[0] != values.shape[1]:
            raise ValueError(f"a map is square, not {values.shape}")
        self._values, self._symmetric = values, symmetric
        length = len(values)
        offsets = range(1, length) if symmetric else [*range(-length + 1, 0), *range(1, length)]
        rows, columns, starts, sizes, at = [], [], [], [], 0
        for offset in offsets:
            row = np.arange(max(0, -offset), min(length, length - offset))
            row = row[np.isfinite(values[row, row + offset])]
            if len(row):
                rows.append(row)
                columns.append(row + offset)
                starts.append(np.full(len(row), at))
                sizes.append(len(row))
                at += len(row)
        empty = np.empty(0, dtype=int)
        self._rows = np.concatenate([empty, *rows])
        self._columns = np.concatenate([empty, *columns])
        self._starts = np.concatenate([empty, *starts])
        self._sizes = np.array(sizes, dtype=int)
        self._places = np.arange(at) - self._starts

    def permute(self, rng: np.random.Generator) -> np.ndarray:
        """Each diagonal in an order of its own."""
        # Sorting by random keys within diagonals: lexsort's last key is the first to count.
        return self._moved(np.lexsort((rng.random(len(self._starts)), self._starts)))

    def rotate(self, rng: np.random.Generator) -> np.ndarray:
        """Each diagonal rotated by a part of its length of its own."""
        return self._rotated(rng.random(len(self._sizes)))

    def rotate_together(self, rng: np.random.Generator) -> np.ndarray:
        """All diagonals rotated by the same part of their length."""
        return self._rotated(np.full(len(self._sizes), rng.random()))

    def _rotated(self, turns: np.ndarray) -> np.ndarray:
        shifts = np.repeat(np.floor(turns * self._sizes).astype(int), self._sizes)
        return self._moved(self._starts + (self._places + shifts) % np.repeat(self._sizes, self._sizes))

    def _moved(self, sources: np.ndarray) -> np.ndarray:
        """The map with each entry from another one of its diagonal."""
        moved_map = self._values.copy()
        moved = self._values[self._rows[sources], self._columns[sources]]
        moved_map[self._rows, self._columns] = moved
        if self._symmetric:
            moved_map[self._columns, self._rows] = moved
        return moved_map
