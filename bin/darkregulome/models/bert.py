"""BERT over overlapping k-mers: SpeciesLM (k = 1 and 6), DNABERT, and single-letter BERTs.

The network is that of `transformers`, the weights are loaded key by key. The tokens are
``[CLS] (species) k-mers at every base [SEP]``; the probability of a base is the mean of the marginals of the k-mers
that cover it. Source: Karollus et al. 2024 (doi:10.1186/s13059-024-03221-x) and the code of Tomaz da Silva et al. 2025
(doi:10.1038/s41588-025-02347-3); golden vectors computed by it are in `tests/golden`.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from transformers import BertConfig, BertForMaskedLM

from darkregulome.errors import InputError
from darkregulome.models import kmers
from darkregulome.models.architecture import Architecture, Checkpoint, ModelSize
from darkregulome.models.checkpoint import find_weights, load_weights, read_config
from darkregulome.models.lookalikes import build_network, refuse_lookalikes
from darkregulome.models.numerics import numerics

UNUSED = ("bert.pooler.", "cls.seq_relationship.", "bert.embeddings.position_ids")
"""Parts of published files that a masked language model does not use."""

TOKENS_AT_A_TIME = 2**13
"""K-mer tokens whose logits, 4**k each, are held at once."""


class KmerBert(BertForMaskedLM):
    """BERT with the names that its files omit."""

    def aliases(self) -> dict[str, str]:
        """Names that the files omit, each with the name of the tensor it repeats."""
        tied = {"cls.predictions.decoder.bias": "cls.predictions.bias"}
        if self.config.tie_word_embeddings:
            tied["cls.predictions.decoder.weight"] = "bert.embeddings.word_embeddings.weight"
        return tied

    def logits_of(self, hidden: Tensor) -> Tensor:
        """Logits of last hidden states."""
        return self.cls(hidden)


class OverlappingKmerModel(kmers.KmerLanguageModel):
    """A `KmerBert` behind `protocol.LanguageModel`. Its tokens are codes of bases (`models/kmers.py`)."""

    kind = "masked"

    def __init__(
        self,
        name: str,
        network: KmerBert,
        vocabulary: kmers.KmerVocabulary,
        *,
        species: str | None = None,
        **settings: Any,
    ):
        start, end = vocabulary.special["start"], vocabulary.special["end"]
        self._before = [start] if species is None else [start, vocabulary.words[species]]
        self._after = [end]
        room = network.config.max_position_embeddings - len(self._before) - len(self._after) + vocabulary.k - 1
        super().__init__(name, network, vocabulary, room, **settings)

    def mask(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """A copy of `tokens` in which row i is masked at ``positions[i]``, and so every k-mer that covers it.

        Within k - 1 bases of an end fewer k-mers do; there the k outermost ones are masked, as in the original: in
        training it was always k in a row.
        """
        inside = positions.clamp(self.k - 1, tokens.shape[1] - self.k)
        return kmers.mask(kmers.mask(tokens, positions), inside)

    def token_ids(self, tokens: Tensor) -> Tensor:
        """What the network reads: int64, shape (batch, 2 or 3 special tokens + length - k + 1)."""
        ids = kmers.kmer_tokens(tokens.unfold(1, self.k, 1), self.vocabulary)
        edges = (torch.tensor(edge, device=ids.device).expand(len(ids), -1) for edge in (self._before, self._after))
        before, after = edges
        return torch.cat((before, ids, after), dim=1)

    def base_probabilities(self, tokens: Tensor) -> Tensor:
        """Mean over the k covering k-mers of their marginals, (batch, length, 4).

        Always divided by k, as in the original: at the ends, where fewer k-mers cover a base, the sum is below 1.
        """
        with numerics(self.device, self.precision):
            hidden = self._kmer_states(tokens)
            summed = hidden.new_zeros(*tokens.shape, 4, dtype=torch.float32)
            for rows, found in self._marginals(hidden):
                for place in range(self.k):  # the k-mer that starts at t has its base `place` at t + place
                    summed[rows, place : place + found.shape[1]] += found[:, :, place]
            return summed / self.k

    def _marginals(self, hidden: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Marginals (rows, k-mers, k, 4) of a few rows at a time: their logits are the largest thing of all."""
        ids = self.vocabulary.kmers.to(hidden.device)
        at_a_time = max(1, TOKENS_AT_A_TIME // hidden.shape[1])
        for first in range(0, len(hidden), at_a_time):
            logits = self.network.logits_of(hidden[first : first + at_a_time])[..., ids].float()
            yield slice(first, first + at_a_time), kmers.marginals(logits, self.k)

    def log_probs(self, tokens: Tensor) -> Tensor:
        """Log-probabilities of A, C, G, T: float32, shape (batch, length, 4), normalised over the four."""
        found = self.base_probabilities(tokens) + kmers.EPSILON
        return (found / found.sum(-1, keepdim=True)).log()

    def hidden(self, tokens: Tensor) -> Tensor:
        """Last hidden state, mean over the k-mers that cover a base: float32, shape (batch, length, hidden_size)."""
        with numerics(self.device, self.precision):
            states = self._kmer_states(tokens).float()
            summed = states.new_zeros(*tokens.shape, states.shape[-1])
            covering = states.new_zeros(tokens.shape[1], 1)
            for place in range(self.k):
                summed[:, place : place + states.shape[1]] += states
                covering[place : place + states.shape[1]] += 1
            return summed / covering

    def _kmer_states(self, tokens: Tensor) -> Tensor:
        if tokens.shape[1] < self.k:
            raise ValueError(f"{self.name} reads {self.k} bases or more, not {tokens.shape[1]}")
        hidden = self.network.bert(self.token_ids(tokens.to(self.device))).last_hidden_state
        return hidden[:, len(self._before) : hidden.shape[1] - len(self._after)]


def _build(checkpoint: Checkpoint) -> OverlappingKmerModel:
    folder, entry = checkpoint.folder, checkpoint.entry
    config = read_config(folder)
    refuse_lookalikes(config, folder)
    vocabulary = kmers.read_vocabulary(folder)
    vocabulary.require(folder, "unknown", "mask", "start", "end")
    species = _species(vocabulary, entry.species, checkpoint.name)
    kmers.check_size(vocabulary, config, folder)
    network = build_network(lambda: KmerBert(BertConfig(**config | {"chunk_size_feed_forward": 0})), folder)
    load_weights(network, find_weights(folder), ignore=UNUSED)
    return OverlappingKmerModel(
        checkpoint.name, network, vocabulary, context=entry.context, species=species, **checkpoint.settings
    )


def _species(vocabulary: kmers.KmerVocabulary, species: str | None, name: str) -> str | None:
    """The species to put before the sequence: one that the vocabulary has, and none only where it has none."""
    if species is None and not vocabulary.words:
        return None
    if species not in vocabulary.words:
        some = ", ".join(list(vocabulary.words)[:3])
        found = "was trained with a species before the sequence" if species is None else f"knows no {species!r}"
        raise InputError.at(f"model {name}", found, f"give `species` in its entry of the registry, such as {some}")
    return species


ARCHITECTURE = Architecture(
    "masked",
    _build,
    ModelSize(768, 12, 90_000_000),
    model_types=("bert",),
    files=kmers.TOKENIZER_FILES,
)
