"""Language models over k-mers, read base by base.

What the engine calls the tokens of such a model are codes of single bases (A, C, G, T, unknown, masked); the k-mers are
made of them inside the model. So a masked base masks every k-mer that holds it, whatever the tokenizer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from darkregulome.errors import InputError
from darkregulome.io.documents import read_json
from darkregulome.models.checkpoint import WHOLE
from darkregulome.models.letters import Alphabet
from darkregulome.models.numerics import for_inference
from darkregulome.models.protocol import BASES

UNKNOWN, MASKED = 4, 5
CODES = Alphabet(bases=(0, 1, 2, 3), mask=MASKED, pad=UNKNOWN, unknown=UNKNOWN, n=UNKNOWN)
"""A, C, G, T are 0 to 3."""

EPSILON = 1e-10
"""Added to probabilities that were summed over k-mers before their logarithm, as in the code of SpeciesLM."""

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "added_tokens.json", "tokenizer_config.json")
"""Files that hold a vocabulary: data only."""

AMINO_ACIDS = "EFILPQ"
"""Those letters that stand for no nucleotide, not even an ambiguous one."""

_SPECIAL = {
    "unknown": ("[UNK]", "<unk>", "<oov>"),
    "pad": ("[PAD]", "<pad>"),
    "mask": ("[MASK]", "<mask>"),
    "start": ("[CLS]", "<cls>", "<s>"),
    "end": ("[SEP]", "<eos>", "</s>"),
}


@dataclass(frozen=True)
class KmerVocabulary:
    """Ids of the k-mers and of the other tokens.

    Attributes
    ----------
    k : length of the k-mers.
    kmers : their ids in the order AA..A, AA..C, to TT..T, shape (4**k,).
    bases : ids of the single bases, shape (4,); None where k > 1 and there are none.
    special : ids of the tokens ``unknown``, ``pad``, ``mask``, ``start`` and ``end``, as far as there are such.
    n : id of the letter N, or of ``unknown``.
    words : ids of all other tokens, such as species.
    """

    k: int
    kmers: Tensor
    bases: Tensor | None
    special: Mapping[str, int]
    n: int
    words: Mapping[str, int]

    def require(self, where: Path, *names: str) -> None:
        """Raise an `InputError` where one of the special tokens is missing."""
        missing = [_SPECIAL[name][0] for name in names if name not in self.special]
        if missing:
            raise InputError.at(where, f"has a vocabulary without {', '.join(missing)}", "fetch the tokenizer's files")


def read_tokens(folder: str | Path) -> dict[str, int]:
    """Token -> id, from the tokenizer's files of a checkpoint folder; empty where there are none.

    Raises
    ------
    InputError : a file cannot be read.
    """
    folder = Path(folder)
    tokens: dict[str, int] = {}
    if (folder / "tokenizer.json").exists():
        content = read_json(folder / "tokenizer.json", WHOLE)
        tokens |= {item["content"]: item["id"] for item in content.get("added_tokens", [])}
        vocabulary = content.get("model", {}).get("vocab", {})
        if isinstance(vocabulary, dict):
            tokens |= vocabulary
    elif (folder / "vocab.txt").exists():
        words = (folder / "vocab.txt").read_text().split()
        tokens |= {word: number for number, word in enumerate(words)}
    elif (folder / "vocab.json").exists():
        tokens |= read_json(folder / "vocab.json", WHOLE)
    if (folder / "added_tokens.json").exists():
        tokens |= read_json(folder / "added_tokens.json", WHOLE)
    return tokens


def read_vocabulary(folder: str | Path) -> KmerVocabulary:
    """The vocabulary of a checkpoint folder.

    Raises
    ------
    InputError : there is none, or its tokens are not k-mers of one length: then no distribution over single bases can
        be read, since the length of a masked token tells how many bases are missing.
    """
    folder = Path(folder)
    tokens = read_tokens(folder)
    if not tokens:
        raise InputError.at(
            folder, "has no vocabulary", f"put one of {', '.join(TOKENIZER_FILES[:3])} next to the weights"
        )
    return vocabulary_of(tokens, folder)


def vocabulary_of(tokens: Mapping[str, int], where: Path) -> KmerVocabulary:
    """`read_vocabulary` of tokens that were read already."""
    dna = [token for token in tokens if token and not token.strip(BASES)]
    lengths = sorted({len(token) for token in dna})
    k = lengths[-1] if lengths else 0
    if not lengths or set(lengths) - {1, k} or len(dna) != sum(4**length for length in lengths):
        found = f"tokens of {len(lengths)} lengths" if lengths else "no token of A, C, G and T"
        raise InputError.at(
            where,
            f"has {found}, not every k-mer of one length: no distribution over single bases can be read from it",
            "use a model over bases or k-mers (GROVER, GENA-LM and DNABERT-2 have byte-pair tokens)",
        )
    if k == 1 and set(AMINO_ACIDS) <= tokens.keys():
        raise InputError.at(where, "has a vocabulary of amino acids: it is a model of proteins", "use a model of DNA")
    special = {name: tokens[word] for name, words in _SPECIAL.items() for word in reversed(words) if word in tokens}
    known = {*dna, "N", *(word for words in _SPECIAL.values() for word in words)}
    words = {word: number for word, number in tokens.items() if word not in known and word[:1] not in "[<"}
    return KmerVocabulary(
        k,
        torch.tensor([tokens["".join(kmer)] for kmer in product(BASES, repeat=k)]),
        torch.tensor([tokens[base] for base in BASES]) if 1 in lengths else None,
        special,
        tokens.get("N", special.get("unknown", 0)),
        words,
    )


def require_letters(folder: str | Path, alphabet: Alphabet) -> None:
    """Raise an `InputError` where a checkpoint folder has a vocabulary, and its ids are not those of `alphabet`."""
    tokens = read_tokens(folder) if Path(folder).is_dir() else {}
    wanted = {letter: (letter, letter.lower()) for letter in BASES} | {"[MASK]": _SPECIAL["mask"]}
    ids = dict(zip(wanted, (*alphabet.bases, alphabet.mask), strict=True))
    found = {name: {tokens[word] for word in words if word in tokens} for name, words in wanted.items()}
    other = [name for name in wanted if found[name] and found[name] != {ids[name]}]
    if tokens and not any(found[base] for base in BASES):
        raise InputError.at(folder, "has a vocabulary without A, C, G and T", "use a model over single bases")
    if other:
        raise InputError.at(
            folder,
            f"numbers its tokens in another way ({', '.join(f'{name} is {min(found[name])}' for name in other)}) than "
            f"this architecture ({', '.join(f'{name} is {ids[name]}' for name in other)})",
            "use a checkpoint with the published vocabulary",
        )


def check_size(vocabulary: KmerVocabulary, config: Mapping[str, Any], where: Path) -> None:
    """Raise an `InputError` where a token has no row in weights of the `vocab_size` of a config.json."""
    last = max(int(vocabulary.kmers.max()), *vocabulary.special.values(), *vocabulary.words.values(), vocabulary.n)
    rows = int(config.get("vocab_size", 0))
    if last >= rows:
        raise InputError.at(
            where,
            f"has a token {last}, but only {rows} rows in its weights",
            "fetch the tokenizer that belongs to them",
        )


def mask(codes: Tensor, positions: Tensor) -> Tensor:
    """A copy of `codes` in which row i is masked at ``positions[i]``."""
    masked = codes.clone()
    masked[torch.arange(len(codes), device=codes.device), positions.to(codes.device)] = MASKED
    return masked


def kmer_tokens(windows: Tensor, vocabulary: KmerVocabulary) -> Tensor:
    """Ids of k-mers given as codes (..., k): [MASK] with a masked base, else unknown with an unknown one."""
    k = windows.shape[-1]
    powers = 4 ** torch.arange(k - 1, -1, -1, device=windows.device)
    tokens = vocabulary.kmers.to(windows.device)[(windows.clamp(max=3) * powers).sum(-1)]
    unknown = vocabulary.n if k == 1 else vocabulary.special["unknown"]
    tokens = tokens.masked_fill((windows == UNKNOWN).any(-1), unknown)
    if "mask" in vocabulary.special:
        tokens = tokens.masked_fill((windows == MASKED).any(-1), vocabulary.special["mask"])
    return tokens


def marginals(logits: Tensor, k: int) -> Tensor:
    """Distribution of each base of a k-mer, the others summed out.

    Parameters
    ----------
    logits : over the k-mers in the order of `KmerVocabulary.kmers`, shape (..., 4**k).

    Returns
    -------
    Probabilities, shape (..., k, 4).
    """
    with torch.autocast(logits.device.type, enabled=False):  # a sum of thousands
        return (logits.softmax(-1) @ _base_at(k).to(logits)).unflatten(-1, (k, 4))


def _base_at(k: int) -> Tensor:
    """1 where k-mer i has base b at place j: shape (4**k, 4 k)."""
    index = torch.arange(4**k)
    digits = torch.stack([index // 4 ** (k - 1 - place) % 4 for place in range(k)], dim=1)
    return torch.nn.functional.one_hot(digits, 4).flatten(1).float()


def conditionals(logits: Tensor, codes: Tensor) -> Tensor:
    """Log-distribution of each base of a k-mer given its other bases as far as they are known, (n, k, 4).

    Parameters
    ----------
    logits : over the k-mers, shape (n, 4**k).
    codes : of their bases, shape (n, k); bases that are masked or unknown are summed out.
    """
    k = codes.shape[1]
    joint = logits.unflatten(-1, (4,) * k)
    given = torch.zeros(*codes.shape, 4, device=logits.device).masked_fill(
        (codes[..., None] < 4) & (codes[..., None] != torch.arange(4, device=codes.device)), -torch.inf
    )
    found = []
    for place in range(k):
        others = joint
        for other in set(range(k)) - {place}:
            others = others + given[:, other].view(-1, *(4 if axis == other else 1 for axis in range(k)))
        found.append(others.movedim(place + 1, 1).flatten(2).logsumexp(-1).log_softmax(-1))
    return torch.stack(found, dim=1)


def chain(logits: Tensor, codes: Tensor) -> Tensor:
    """Log-distribution of each base of a k-mer given those before it, (n, k, 4): they multiply to the k-mer's own.

    Parameters
    ----------
    logits : over the k-mers, shape (n, 4**k).
    codes : of their bases, shape (n, k); an unknown base is summed out.
    """
    left, found = logits, []
    for place in range(codes.shape[1]):
        left = left.unflatten(-1, (4, -1))
        summed = left.logsumexp(-1)
        found.append(summed.log_softmax(-1))
        code = codes[:, place]
        chosen = left[torch.arange(len(left), device=left.device), code.clamp(max=3)]
        left = torch.where((code < 4)[:, None], chosen, left.logsumexp(1))
    return torch.stack(found, dim=1)


def segments(known: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """How a tokenizer of separate k-mers cuts a sequence: k-mers from the left of every stretch of known bases, then
    single bases up to its end; every unknown letter by itself.

    Parameters
    ----------
    known : True at A, C, G, T and masked bases, shape (length,).

    Returns
    -------
    Starts and lengths (k or 1) of the tokens.
    """
    starts, lengths = [], []
    edges = np.flatnonzero(np.diff(known.astype(np.int8), prepend=-1, append=-1))
    for first, last in pairwise(edges):
        whole = (last - first) // k * k if known[first] else 0
        starts += [*range(first, first + whole, k), *range(first + whole, last)]
        lengths += [k] * (whole // k) + [1] * (last - first - whole)
    return np.array(starts), np.array(lengths)


class KmerLanguageModel:
    """What the models over k-mers share behind `protocol.LanguageModel`: their tokens are codes of bases.

    Parameters
    ----------
    room : bases that the network has room for.
    context : longest window, in bases, if it is to be shorter.
    """

    equivariant = False

    def __init__(
        self,
        name: str,
        network: torch.nn.Module,
        vocabulary: KmerVocabulary,
        room: int,
        *,
        context: int | None = None,
        device: torch.device = torch.device("cpu"),
        precision: str = "fp32",
        revision: str | None = None,
    ):
        self.name, self.device, self.precision, self.revision = name, device, precision, revision
        self.network: Any = for_inference(network, device)
        self.vocabulary, self.k = vocabulary, vocabulary.k
        self.context = min(context or room, room)

    def encode(self, sequences: Sequence[str]) -> Tensor:
        """Codes of equally long sequences: int64, shape (batch, length)."""
        return CODES.tokenize(sequences).to(self.device)
