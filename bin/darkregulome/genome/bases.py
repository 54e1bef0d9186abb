"""Bases as numbers: A, C, G, T are 0, 1, 2, 3, so that the complement of a base is 3 less its code."""

import numpy as np
from numpy.typing import NDArray

BASES = "ACGT"
N_CODE = 4
"""Code of every letter that is no base."""

_LETTERS = np.frombuffer(f"{BASES}N".encode("ascii"), dtype=np.uint8)
_DNA = np.full(256, N_CODE, dtype=np.uint8)
for _code, _base in enumerate(BASES):
    _DNA[ord(_base)] = _DNA[ord(_base.lower())] = _code
_RNA = _DNA.copy()
_RNA[[ord("U"), ord("u")]] = _RNA[ord("T")]


def base_codes(sequence: str, rna: bool = False) -> NDArray[np.uint8]:
    """Codes of a sequence of any case, shape (length,); with `rna`, U is T."""
    return (_RNA if rna else _DNA)[np.frombuffer(sequence.encode("ascii", "replace"), dtype=np.uint8)]


def letters_of_codes(codes: NDArray[np.integer]) -> str:
    """The sequence of codes; what is no base is N."""
    return _LETTERS[codes].tobytes().decode("ascii")


def reverse_complement_codes(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reverse complement along the last axis; what is no base stays so."""
    flipped = codes[..., ::-1]
    return np.where(flipped == N_CODE, N_CODE, 3 - flipped).astype(np.uint8)
