"""Small deterministic models with exact, known likelihoods and outputs; they implement models/protocol.py.

Each counts what is asked of it in `sequences_run`.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch

from motif_law import conditionals

MASK = 4
UNKNOWN = 5
_LETTERS = "ACGT#N"
_CODES = np.full(256, UNKNOWN)
_CODES[[ord(letter) for letter in "ACGT"]] = range(4)
ORDER_0 = np.array([0.4, 0.1, 0.2, 0.3])


def transition_matrix(seed: int = 0) -> np.ndarray:
    """A first-order Markov chain over A, C, G, T: rows sum to one, no zero."""
    return np.random.default_rng(seed).dirichlet(np.full(4, 2.0), size=4)


class FakeLanguageModel:
    """Encodes, masks and counts; `distribution` says the rest."""

    kind = "masked"
    equivariant = False
    revision = None

    def __init__(self, name: str = "fake", context: int = 64):
        self.name = name
        self.context = context
        self.device = torch.device("cpu")
        self.sequences_run: list[str] = []
        self.batch_sizes: list[int] = []

    def encode(self, sequences: Sequence[str]) -> torch.Tensor:
        assert len({len(sequence) for sequence in sequences}) == 1, "a batch has one length"
        return torch.from_numpy(np.stack([_CODES[np.frombuffer(s.upper().encode(), np.uint8)] for s in sequences]))

    def mask(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        masked = tokens.clone()
        masked[torch.arange(len(tokens)), positions] = MASK
        return masked

    def log_probs(self, tokens: torch.Tensor) -> torch.Tensor:
        assert tokens.shape[1] <= self.context
        sequences = ["".join(_LETTERS[token] for token in row) for row in tokens.tolist()]
        self.sequences_run += sequences
        self.batch_sizes.append(len(sequences))
        return torch.tensor([[self.distribution(s, i) for i in range(len(s))] for s in sequences]).log().float()

    def hidden(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.log_probs(tokens)

    def distribution(self, sequence: str, position: int) -> list[float]:
        raise NotImplementedError


class OrderZeroMasked(FakeLanguageModel):
    """Every base is drawn from `ORDER_0`, whatever stands around it."""

    def distribution(self, sequence, position):
        return ORDER_0.tolist()


class MarkovMasked(FakeLanguageModel):
    """p(base | left and right neighbour) of a first-order chain: proportional to P(left, b) P(b, right)."""

    def __init__(self, name: str = "markov-masked", context: int = 64, seed: int = 0):
        super().__init__(name, context)
        self.chain = transition_matrix(seed)

    def distribution(self, sequence, position):
        weight = np.ones(4)
        if position > 0 and sequence[position - 1] in "ACGT":
            weight *= self.chain[_LETTERS.index(sequence[position - 1])]
        if position + 1 < len(sequence) and sequence[position + 1] in "ACGT":
            weight *= self.chain[:, _LETTERS.index(sequence[position + 1])]
        return (weight / weight.sum()).tolist()


class EquivariantMasked(MarkovMasked):
    """The strand-symmetric mean (of log-probabilities, normalised) of a `MarkovMasked`: one strand is enough."""

    equivariant = True

    def distribution(self, sequence, position):
        complement = str.maketrans("ACGT", "TGCA")
        mirrored = sequence.translate(complement)[::-1]
        forward = np.array(super().distribution(sequence, position))
        reverse = np.array(super().distribution(mirrored, len(sequence) - 1 - position))[::-1]
        weight = np.sqrt(forward * reverse)
        return (weight / weight.sum()).tolist()


class MarkovCausal(FakeLanguageModel):
    """A causal model of order k; a context that is short or holds an N gives the uniform distribution."""

    kind = "causal"

    def __init__(self, name: str = "markov-causal", context: int = 64, order: int = 2, seed: int = 0):
        super().__init__(name, context)
        self.order = order
        rng = np.random.default_rng(seed)
        self.table = {"".join(kmer): rng.dirichlet(np.full(4, 2.0)) for kmer in itertools.product("ACGT", repeat=order)}

    def distribution(self, sequence, position):
        before = sequence[max(0, position - self.order) : position]
        return self.table.get(before, np.full(4, 0.25)).tolist()


class LawOfMotifPairs(FakeLanguageModel):
    """The model that cannot be bettered: the law that sequences with motif pairs are drawn from."""

    def log_probs(self, tokens):
        return torch.from_numpy(np.log(conditionals(tokens.numpy())))


class LinearOutput:
    """Each track is a weighted sum over positions and bases, made positive; N weighs nothing."""

    kind = "output"
    revision = None

    def __init__(
        self,
        name: str = "linear",
        context: int = 64,
        tss_offset: int = 40,
        stranded: bool = True,
        log_outputs: bool = False,
        tracks: tuple[str, ...] = ("cage", "dnase"),
        seed: int = 0,
    ):
        self.name, self.context, self.tss_offset = name, context, tss_offset
        self.stranded, self.log_outputs, self.tracks = stranded, log_outputs, tracks
        self.device = torch.device("cpu")
        self.weights = np.random.default_rng(seed).random((len(tracks), context, 5))
        self.weights[..., 4] = 0
        self.sequences_run: list[str] = []
        self.batch_sizes: list[int] = []

    def predict(self, sequence: str) -> np.ndarray:
        assert len(sequence) == self.context
        codes = ["ACGTN".index(letter) for letter in sequence]
        total = self.weights[:, np.arange(self.context), codes].sum(axis=1)
        return np.log10(1 + total) if self.log_outputs else total

    def reference_state(self, sequence: str) -> object:
        return sequence

    def tss_tracks(self, sequence: str, state: object | None = None) -> torch.Tensor:
        self.sequences_run.append(sequence)
        return torch.from_numpy(self.predict(sequence)).float()

    def edited_tss_tracks(self, state, sequences, spans) -> torch.Tensor:
        for sequence, (first, last) in zip(sequences, spans, strict=True):
            assert sequence[:first] == state[:first], "an edit reaches outside its span"
            assert sequence[last:] == state[last:], "an edit reaches outside its span"
        self.sequences_run += list(sequences)
        self.batch_sizes.append(len(sequences))
        return torch.stack([torch.from_numpy(self.predict(sequence)).float() for sequence in sequences])


LOG2_10 = math.log2(10)
