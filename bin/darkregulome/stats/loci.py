"""Elements in order within their loci: the layout that every statistic here works on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Loci:
    """Contiguous runs of elements, one run a locus, in order of position within it.

    Attributes
    ----------
    codes : shape (n,), locus of each element, 0 to n_loci - 1, not decreasing.
    starts : shape (n_loci,), index of the first element of each locus.
    sizes : shape (n_loci,), number of elements of each locus.
    positions : shape (n,), place of each element in bases, not decreasing within a locus; None: evenly spaced.
    """

    codes: Ints
    starts: Ints
    sizes: Ints
    positions: Floats | None = None

    @classmethod
    def of(cls, codes: NDArray, positions: NDArray | None = None) -> "Loci":
        """The layout of sorted locus codes (or names); raises ValueError where a locus is not contiguous."""
        codes = np.asarray(codes)
        if len(codes) == 0:
            raise ValueError("no elements")
        changes = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
        if len(changes) != len(np.unique(codes)):
            raise ValueError("the elements of a locus must be contiguous: sort by locus and position")
        sizes = np.diff(np.r_[changes, len(codes)])
        places = None if positions is None else np.asarray(positions, dtype=np.float64)
        return cls(np.repeat(np.arange(len(changes)), sizes), changes.astype(np.int64), sizes.astype(np.int64), places)

    @property
    def n(self) -> int:
        """Number of elements."""
        return len(self.codes)

    @property
    def count(self) -> int:
        """Number of loci."""
        return len(self.starts)

    def sums(self, values: NDArray) -> Floats:
        """Sum within each locus: shape (n, ...) to (n_loci, ...)."""
        return np.add.reduceat(np.asarray(values, dtype=float), self.starts, axis=0)

    def center(self, values: NDArray) -> Floats:
        """`values` (shape (n,) or (n, k)) less the mean of their locus."""
        values = np.asarray(values, dtype=float)
        sizes = self.sizes if values.ndim == 1 else self.sizes[:, None]
        return values - (self.sums(values) / sizes)[self.codes]

    def slices(self) -> list[slice]:
        """One slice a locus."""
        return [slice(start, start + size) for start, size in zip(self.starts, self.sizes, strict=True)]

    def standardise(self, values: NDArray) -> tuple[Floats, float]:
        """`values` centred within loci and divided by their within-locus SD; and that SD.

        The SD has n - n_loci degrees of freedom. Values without any spread within loci come back as zeros, with SD 0.
        """
        centred = self.center(values)
        freedom = max(self.n - self.count, 1)
        sd = float(np.sqrt((centred**2).sum() / freedom))
        if sd <= 1e-12 * max(1.0, float(np.abs(values).max())):
            return np.zeros(self.n), 0.0
        return centred / sd, sd
