"""An element in its surroundings, in whose place other sequences can stand."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkregulome.edits.edit import Edit
from darkregulome.edits.windows import PaddedSequence
from darkregulome.genome.bases import N_CODE, base_codes


@dataclass(frozen=True)
class Place:
    """``[start, end)`` of a contig, which is the element `element` of a locus, and what surrounds it."""

    element: str
    locus: str
    start: int
    end: int
    source: PaddedSequence
    layouts: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    """Where a model reads each block of bases: kept by what draws, for all that stands in this place."""

    @property
    def length(self) -> int:
        """Bases of the element."""
        return self.end - self.start

    @cached_property
    def sequence(self) -> str:
        """The real sequence."""
        return self.source.read(self.start, self.end)

    @cached_property
    def bases(self) -> NDArray[np.int64]:
        """Offsets of the letters that are A, C, G or T: the others are never redrawn."""
        return np.flatnonzero(base_codes(self.sequence) != N_CODE)

    def window(self, sequence: str, start: int, end: int) -> str:
        """``[start, end)`` of the contig with `sequence` in the element's place, as far as it lies inside."""
        edit = Edit(self.start, self.end, self.sequence, sequence).within(start, end)
        return self.source.edited(edit, start, end)
