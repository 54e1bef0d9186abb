"""Sequences as numbers: the vocabularies of models that read single letters, and one-hot bases for output models."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from darkregulome.errors import InputError

CLS, SEP, BOS, MASK, PAD, RESERVED, UNK = range(7)
A, C, G, T, N = range(7, 12)
VOCABULARY_SIZE = 12
BASE_IDS = (A, C, G, T)

_BASE_OF_BYTE = np.zeros((256, 4), dtype=np.float32)
for _column, _letter in enumerate("ACGT"):
    _BASE_OF_BYTE[ord(_letter), _column] = _BASE_OF_BYTE[ord(_letter.lower()), _column] = 1


@dataclass(frozen=True)
class Alphabet:
    """A vocabulary of single letters: upper and lower case are one, and what is neither base nor N is unknown.

    Attributes
    ----------
    bases : ids of A, C, G, T.
    """

    bases: tuple[int, int, int, int]
    mask: int
    pad: int
    unknown: int
    n: int
    _id_of_byte: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = np.full(256, self.unknown, dtype=np.int64)
        for letter, token in zip("ACGTN", (*self.bases, self.n), strict=True):
            table[ord(letter)] = table[ord(letter.lower())] = token
        object.__setattr__(self, "_id_of_byte", table)

    @property
    def complement(self) -> dict[int, int]:
        """Complement of the base ids; every other id is its own."""
        return dict(zip(self.bases, self.bases[::-1], strict=True))

    def reading_n_as(self, token: str) -> "Alphabet":
        """The same with N read as ``"pad"``, or as its own token, ``"n"``; unchanged where N is unknown anyway."""
        return replace(self, n=self.pad) if token == "pad" and self.n != self.unknown else self

    def tokenize(self, sequences: Sequence[str]) -> torch.Tensor:
        """Ids of equally long sequences, without special tokens: int64, shape (batch, length).

        Raises
        ------
        InputError : the sequences differ in length, or one holds a character outside of ASCII.
        """
        return torch.from_numpy(self._id_of_byte[letters_of(sequences)])


CHARACTERS = Alphabet(bases=BASE_IDS, mask=MASK, pad=PAD, unknown=UNK, n=N)
"""Of Caduceus and HyenaDNA."""

LOWER_CASE = Alphabet(bases=(3, 4, 5, 6), mask=1, pad=0, unknown=2, n=2)
"""Of GPN and PlantCaduceus: [PAD] [MASK] [UNK] a c g t. N is unknown."""


def letters_of(sequences: Sequence[str]) -> np.ndarray:
    """The bytes of equally long sequences: uint8, shape (batch, length).

    Raises
    ------
    InputError : the sequences differ in length, or one holds a character outside of ASCII.
    """
    lengths = {len(sequence) for sequence in sequences}
    if len(lengths) != 1:
        raise InputError.at("sequences", f"have lengths {sorted(lengths)[:5]}", "give sequences of one length")
    try:
        letters = np.frombuffer("".join(sequences).encode("ascii"), dtype=np.uint8)
    except UnicodeEncodeError as error:
        raise InputError.at("sequences", f"hold {error.object[error.start]!r}", "give DNA letters") from error
    return letters.reshape(len(sequences), lengths.pop())


def one_hot(sequences: Sequence[str]) -> torch.Tensor:
    """One-hot A, C, G, T of equally long sequences: float32, (batch, length, 4); any other letter is all zeros."""
    letters = np.frombuffer("".join(sequences).encode("ascii", "replace"), dtype=np.uint8)
    return torch.from_numpy(_BASE_OF_BYTE[letters.reshape(len(sequences), -1)])


def padded_size(size: int, multiple: int) -> int:
    """`size` rounded up to a multiple of `multiple`."""
    return -(-size // multiple) * multiple if multiple > 1 else size
