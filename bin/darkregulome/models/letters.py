"""Sequences as numbers: the vocabulary that Caduceus and HyenaDNA share, and one-hot bases for output models."""

from collections.abc import Sequence

import numpy as np
import torch

from darkregulome.errors import InputError

CLS, SEP, BOS, MASK, PAD, RESERVED, UNK = range(7)
A, C, G, T, N = range(7, 12)
VOCABULARY_SIZE = 12
BASE_IDS = (A, C, G, T)
COMPLEMENT = {A: T, C: G, G: C, T: A}
"""Complement of the base ids; every other id is its own."""

_ID_OF_BYTE = np.full(256, UNK, dtype=np.int64)
for _letter, _id in zip("ACGTN", (A, C, G, T, N), strict=True):
    _ID_OF_BYTE[ord(_letter)] = _ID_OF_BYTE[ord(_letter.lower())] = _id

_BASE_OF_BYTE = np.zeros((256, 4), dtype=np.float32)
for _column, _letter in enumerate("ACGT"):
    _BASE_OF_BYTE[ord(_letter), _column] = _BASE_OF_BYTE[ord(_letter.lower()), _column] = 1


def tokenize(sequences: Sequence[str], n_id: int = N) -> torch.Tensor:
    """Ids of equally long sequences, without special tokens: int64, shape (batch, length).

    Lower case equals upper case; A, C, G, T are 7 to 10, N is `n_id`, and any other character is [UNK] (6), as
    in the official character tokenizer.

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
    ids = _ID_OF_BYTE[letters].reshape(len(sequences), lengths.pop())
    if n_id != N:
        ids[ids == N] = n_id
    return torch.from_numpy(ids)


def one_hot(sequences: Sequence[str]) -> torch.Tensor:
    """One-hot A, C, G, T of equally long sequences: float32, (batch, length, 4); any other letter is all zeros."""
    letters = np.frombuffer("".join(sequences).encode("ascii", "replace"), dtype=np.uint8)
    return torch.from_numpy(_BASE_OF_BYTE[letters.reshape(len(sequences), -1)])


def padded_size(size: int, multiple: int) -> int:
    """`size` rounded up to a multiple of `multiple`."""
    return -(-size // multiple) * multiple if multiple > 1 else size
