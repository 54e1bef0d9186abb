"""ESM over separate 6-mers: Nucleotide Transformer v1 and AgroNT.

The network is that of `transformers`, for which these checkpoints were published; the weights are loaded key by key.
The tokens are ``<cls>``, 6-mers from the left, and single bases where fewer than six are left (before an N, the end).

A masked base masks its whole 6-mer. What is read there is the base's distribution given the other five bases of the
6-mer: the log-ratio of two bases is then that of the two 6-mers that differ in them, the score of the paper's authors.
Source: Dalla-Torre et al. 2025 (doi:10.1038/s41592-024-02523-z).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import EsmConfig, EsmForMaskedLM

from darkregulome.errors import InputError
from darkregulome.models import kmers
from darkregulome.models.architecture import Architecture, Checkpoint, ModelSize
from darkregulome.models.checkpoint import find_weights, load_weights, read_config
from darkregulome.models.language import UNIFORM
from darkregulome.models.lookalikes import build_network, refuse_lookalikes
from darkregulome.models.numerics import numerics

UNUSED = (
    "esm.contact_head.",
    "esm.pooler.",
    "esm.embeddings.position_ids",
    "esm.encoder.emb_layer_norm_after.position",
)
"""Parts of published files that a masked language model of DNA does not use."""


class KmerEsm(EsmForMaskedLM):
    """ESM with the names that its files omit."""

    def aliases(self) -> dict[str, str]:
        """Names that the files omit, each with the name of the tensor it repeats."""
        tied = {"lm_head.decoder.weight": "esm.embeddings.word_embeddings.weight"}
        return tied if self.config.tie_word_embeddings else {}


class SeparateKmerModel(kmers.KmerLanguageModel):
    """A `KmerEsm` behind `protocol.LanguageModel`. Its tokens are codes of bases (`models/kmers.py`)."""

    kind = "masked"

    def __init__(self, name: str, network: KmerEsm, vocabulary: kmers.KmerVocabulary, **settings: Any):
        self._after = [vocabulary.special["end"]] if "end" in vocabulary.special else []
        # ESM counts its positions from the one after the padding token's.
        pad = network.config.pad_token_id or 0
        self._room = network.config.max_position_embeddings - pad - 2 - len(self._after)
        super().__init__(name, network, vocabulary, self._room * vocabulary.k, **settings)

    def mask(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """A copy of `tokens` in which row i is masked at ``positions[i]``, and so the k-mer that holds it."""
        return kmers.mask(tokens, positions)

    def log_probs(self, tokens: Tensor) -> Tensor:
        """Log-probabilities of A, C, G, T: float32, shape (batch, length, 4), normalised over the four.

        In a masked k-mer, given its bases that are not masked; in any other the marginal, which has seen the k-mer.
        """
        return self._by_cut(tokens, self._log_probs, torch.full((4,), UNIFORM))

    def hidden(self, tokens: Tensor) -> Tensor:
        """Last hidden state of the k-mer that holds the base: float32, shape (batch, length, hidden_size)."""
        return self._by_cut(tokens, self._hidden, torch.zeros(self.network.config.hidden_size))

    def _by_cut(self, tokens: Tensor, read: Callable[..., Tensor], otherwise: Tensor) -> Tensor:
        """`read` the rows that are cut into k-mers alike (all of them, unless there are N) together.

        Bases that are not read, because they do not fit, get `otherwise`.
        """
        tokens = tokens.to(self.device)
        known, row_of = (tokens != kmers.UNKNOWN).unique(dim=0, return_inverse=True)
        found = otherwise.to(self.device).repeat(*tokens.shape, 1)
        for number, pattern in enumerate(known.cpu().numpy()):
            cut = kmers.segments(pattern, self.k)
            part = fitting(pattern[cut[0]], self._room)
            starts, lengths = (torch.from_numpy(array[part]).to(self.device) for array in cut)
            rows = row_of == number
            bases = slice(int(starts[0]), int(starts[-1] + lengths[-1]))
            with numerics(self.device, self.precision):
                found[rows, bases] = read(tokens[rows, bases], starts - starts[0], lengths)
        return found

    def token_ids(self, codes: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
        """What the network reads of sequences that are cut alike: int64, shape (batch, tokens)."""
        whole = lengths == self.k
        ids = torch.empty(len(codes), len(starts), dtype=torch.int64, device=codes.device)
        ids[:, whole] = kmers.kmer_tokens(codes[:, self._inside(starts[whole])], self.vocabulary)
        ids[:, ~whole] = self._single_ids(codes[:, starts[~whole]])
        edges = ([self.vocabulary.special["start"]], self._after)
        before, after = (torch.tensor(edge, device=ids.device, dtype=ids.dtype).expand(len(ids), -1) for edge in edges)
        return torch.cat((before, ids, after), dim=1)

    def _single_ids(self, codes: Tensor) -> Tensor:
        assert self.vocabulary.bases is not None  # the builder has checked it
        specials = torch.tensor([self.vocabulary.n, self.vocabulary.special["mask"]])
        return torch.cat((self.vocabulary.bases, specials)).to(codes.device)[codes]

    def _inside(self, starts: Tensor) -> Tensor:
        return starts[:, None] + torch.arange(self.k, device=starts.device)

    def _states(self, codes: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
        ids = self.token_ids(codes, starts, lengths)
        hidden = self.network.esm(ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        return hidden[:, 1 : 1 + len(starts)]

    def _hidden(self, codes: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
        return self._states(codes, starts, lengths).float().repeat_interleave(lengths, dim=1)

    def _log_probs(self, codes: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
        states, whole = self._states(codes, starts, lengths), lengths == self.k
        found = torch.zeros(*codes.shape, 4, device=codes.device)
        places = self._inside(starts[whole])
        inside = codes[:, places]
        logits = self.network.lm_head(states[:, whole])[..., self.vocabulary.kmers.to(codes.device)].float()
        read = (kmers.marginals(logits, self.k) + kmers.EPSILON).log()
        masked = (inside == kmers.MASKED).any(-1)
        read[masked] = kmers.conditionals(logits[masked], inside[masked])
        found[:, places] = read
        if not whole.all():
            bases = self.vocabulary.bases.to(codes.device)  # type: ignore[union-attr]
            found[:, starts[~whole]] = self.network.lm_head(states[:, ~whole])[..., bases].float()
        return found.log_softmax(-1)


def fitting(known: np.ndarray, room: int) -> slice:
    """The tokens that a network with `room` for so many reads: all, or else without the N of the ends, or the middle.

    Every N is a token, so that a window of the longest length fits only without them.

    Parameters
    ----------
    known : of each token, False where it is an N.
    """
    first, last = 0, len(known)
    while last - first > room and not known[first]:
        first += 1
    while last - first > room and not known[last - 1]:
        last -= 1
    spare = max(0, last - first - room)
    return slice(first + spare // 2, last - (spare - spare // 2))


def _build(checkpoint: Checkpoint) -> SeparateKmerModel:
    folder = checkpoint.folder
    config = read_config(folder)
    refuse_lookalikes(config, folder)
    vocabulary = kmers.read_vocabulary(folder)
    vocabulary.require(folder, "unknown", "mask", "start")
    if vocabulary.bases is None:
        raise InputError.at(folder, "has a vocabulary without single bases", "fetch the tokenizer's files again")
    kmers.check_size(vocabulary, config, folder)
    network = build_network(lambda: KmerEsm(EsmConfig(**config | {"chunk_size_feed_forward": 0})), folder)
    load_weights(network, find_weights(folder), ignore=UNUSED)
    context = checkpoint.entry.context
    return SeparateKmerModel(checkpoint.name, network, vocabulary, context=context, **checkpoint.settings)


ARCHITECTURE = Architecture(
    "masked",
    _build,
    ModelSize(1280, 24, 480_000_000),
    model_types=("esm",),
    files=kmers.TOKENIZER_FILES,
)
