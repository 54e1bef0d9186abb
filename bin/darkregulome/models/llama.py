"""Llama over separate 6-mers: GENERator, a causal model.

The network is that of `transformers`; the weights are loaded key by key. The tokens are ``<s>`` and 6-mers. A window
whose length is no multiple of six loses its first bases, as its authors advise: nothing is predicted there. Inside a
6-mer the base's distribution given those before it follows from the 6-mer's own, by the chain rule, so that the
log-likelihood of a sequence is that of its 6-mers. Source: Wu et al. 2025 (arXiv:2502.07272).
"""

from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from darkregulome.errors import InputError
from darkregulome.models import kmers
from darkregulome.models.architecture import Architecture, Checkpoint, ModelSize
from darkregulome.models.checkpoint import find_weights, load_weights, read_config
from darkregulome.models.language import UNIFORM
from darkregulome.models.lookalikes import build_network, refuse_lookalikes
from darkregulome.models.numerics import numerics

K = 6
GENERATOR_SPECIALS = 32
GENERATOR_VOCABULARY = GENERATOR_SPECIALS + 4**K
"""GENERator's tokenizer is code. It numbers 32 special tokens, then all 6-mers in the order A, T, C, G."""

TOKENS_AT_A_TIME = 2**13
"""K-mer tokens whose logits, 4**k each, are held at once."""


class KmerLlama(LlamaForCausalLM):
    """Llama with the names that its files omit."""

    def aliases(self) -> dict[str, str]:
        """Names that the files omit, each with the name of the tensor it repeats."""
        return {"lm_head.weight": "model.embed_tokens.weight"} if self.config.tie_word_embeddings else {}


class CausalKmerModel(kmers.KmerLanguageModel):
    """A `KmerLlama` behind `protocol.LanguageModel`. Its tokens are codes of bases (`models/kmers.py`)."""

    kind = "causal"

    def __init__(self, name: str, network: KmerLlama, vocabulary: kmers.KmerVocabulary, **settings: Any):
        room = (network.config.max_position_embeddings - 1) * vocabulary.k
        super().__init__(name, network, vocabulary, room, **settings)

    def mask(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Masked models only."""
        raise ValueError(f"{self.name} is a {self.kind} model: it has no [MASK]")

    def token_ids(self, tokens: Tensor) -> Tensor:
        """What the network reads: int64, shape (batch, 1 + length // k)."""
        ids = kmers.kmer_tokens(self._kmers(tokens), self.vocabulary)
        return torch.nn.functional.pad(ids, (1, 0), value=self.vocabulary.special["start"])

    def _kmers(self, tokens: Tensor) -> Tensor:
        return tokens[:, tokens.shape[1] % self.k :].unflatten(1, (-1, self.k))

    def log_probs(self, tokens: Tensor) -> Tensor:
        """Log-probabilities of A, C, G, T given the bases before: float32, shape (batch, length, 4).

        Uniform at the first base, which nothing precedes, and at those that make up no whole k-mer.
        """
        tokens = tokens.to(self.device)
        found = torch.full((*tokens.shape, 4), UNIFORM, device=self.device)
        with numerics(self.device, self.precision):
            states = self._states(tokens)[:, :-1].flatten(0, 1)
            codes = self._kmers(tokens).flatten(0, 1)
            read = []
            for first in range(0, len(states), TOKENS_AT_A_TIME):
                rows = slice(first, first + TOKENS_AT_A_TIME)
                logits = self.network.lm_head(states[rows])[..., self.vocabulary.kmers.to(self.device)].float()
                read.append(kmers.chain(logits, codes[rows]))
            if read:
                dropped = tokens.shape[1] % self.k
                found[:, dropped:] = torch.cat(read).unflatten(0, (len(tokens), -1)).flatten(1, 2)
        found[:, 0] = UNIFORM
        return found

    def hidden(self, tokens: Tensor) -> Tensor:
        """Last hidden state after the k-mer that holds the base: float32, shape (batch, length, hidden_size).

        For bases that make up no whole k-mer that of the start token.
        """
        tokens = tokens.to(self.device)
        with numerics(self.device, self.precision):
            states = self._states(tokens).float()
        lengths = torch.full((states.shape[1],), self.k, device=self.device)
        lengths[0] = tokens.shape[1] % self.k
        return states.repeat_interleave(lengths, dim=1)

    def _states(self, tokens: Tensor) -> Tensor:
        return self.network.model(self.token_ids(tokens), use_cache=False).last_hidden_state


def _vocabulary(folder: Path, size: int) -> kmers.KmerVocabulary:
    tokens = kmers.read_tokens(folder)
    if not tokens and size == GENERATOR_VOCABULARY:
        specials = ["<oov>", "<s>", "</s>", "<pad>", "<mask>"]
        tokens = {token: number for number, token in enumerate(specials)}
        words = ("".join(kmer) for kmer in product("ATCG", repeat=K))
        tokens |= {word: number for number, word in enumerate(words, start=GENERATOR_SPECIALS)}
    if not tokens:
        raise InputError.at(
            folder,
            f"has no vocabulary, and {size} tokens are not GENERator's {GENERATOR_VOCABULARY}",
            f"put one of {', '.join(kmers.TOKENIZER_FILES[:3])} next to the weights",
        )
    return kmers.vocabulary_of(tokens, folder)


def _build(checkpoint: Checkpoint) -> CausalKmerModel:
    folder = checkpoint.folder
    config = read_config(folder)
    refuse_lookalikes(config, folder)
    vocabulary = _vocabulary(folder, int(config.get("vocab_size", 0)))
    vocabulary.require(folder, "unknown", "start")
    kmers.check_size(vocabulary, config, folder)
    network = build_network(lambda: KmerLlama(LlamaConfig(**config)), folder)
    load_weights(network, find_weights(folder))
    context = checkpoint.entry.context
    return CausalKmerModel(checkpoint.name, network, vocabulary, context=context, **checkpoint.settings)


ARCHITECTURE = Architecture(
    "causal",
    _build,
    ModelSize(2048, 26, 1_200_000_000),
    model_types=("llama",),
    files=kmers.TOKENIZER_FILES,
)
