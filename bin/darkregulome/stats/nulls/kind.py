"""What a null that users choose by name says of itself, and how it is found.

A file of this folder that holds one ends with ``NULL = NullKind(...)``; the file has the name of the null. Options, the
pipeline's parameter and the report's methods read that record.
"""

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from darkregulome.stats import nulls
from darkregulome.stats.loci import Floats, Loci

if TYPE_CHECKING:
    from darkregulome.stats.nulls.rotation import NullDraws

_DECLARES = re.compile(r"^NULL\b.*=", re.MULTILINE)


class Null(Protocol):
    """Draws of what the scores would be if nothing were there, the same at every call."""

    permutations: int

    @property
    def log10_distinct(self) -> float:
        """log10 of the number of distinct draws: how small a p-value there could be at all."""

    def draw(self, scores: NDArray, weights: NDArray) -> "NullDraws":
        """The null of ``weights.T @ scores``; `weights` has shape (n,) or (n, k)."""

    def locus_draws(self, scores: NDArray, weights: NDArray) -> Iterator[tuple[int, Floats]]:
        """Each locus and its share of the draws of ``weights.T @ scores``, shape (permutations, k)."""


@dataclass(frozen=True)
class NullKind:
    """One null.

    Attributes
    ----------
    name : in options and files; the name of its module.
    sentence : what it draws and why, for the methods.
    make : builds it from the layout of the elements, their classes, the number of draws, and their source.
    """

    name: str
    sentence: str
    make: Callable[[Loci, NDArray, int, np.random.Generator], Null]


def null_names() -> tuple[str, ...]:
    """Names of all nulls, found without importing them."""
    return _names_in(tuple(nulls.__path__))


@lru_cache
def _names_in(folders: tuple[str, ...]) -> tuple[str, ...]:
    files = (path for folder in folders for path in Path(folder).glob("*.py"))
    return tuple(sorted(path.stem for path in files if _DECLARES.search(path.read_text())))


def find_null(name: str) -> NullKind:
    """The null of a name out of `null_names`."""
    if name not in null_names():
        raise KeyError(name)
    return importlib.import_module(f"darkregulome.stats.nulls.{name}").NULL
