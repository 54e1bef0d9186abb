"""Language models over single letters, as the engine sees them: `protocol.LanguageModel`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from darkregulome.errors import InputError
from darkregulome.models import letters
from darkregulome.models.numerics import for_inference, numerics

UNIFORM = -math.log(len(letters.BASE_IDS))
"""Log-probability of a base of which nothing is known."""

CADUCEUS = letters.CHARACTERS.reading_n_as("pad")


def _begin(first: int, length: int) -> int:
    """Where to begin for an edit at position `first` of a window: up to a sixty-fourth of what follows before it.

    oneDNN keeps code of megabytes for each length that it has seen, and few lengths are left so.
    """
    rest = length - first
    step = 1 << max(0, rest.bit_length() - 7)
    return max(0, length - -(-rest // step) * step)


@dataclass(frozen=True)
class PrefixState:
    """Reference windows of a causal model: their log-probabilities (windows, length, 4), and what edits can reuse."""

    log_probs: Tensor
    memory: Any


class LetterLanguageModel:
    """A network that reads letter by letter behind `protocol.LanguageModel`.

    `alphabet` says what N reads as: PAD for Caduceus, whose pre-training replaced N by PAD, so that the embedding of N
    is untrained; the letter N for the official HyenaDNA. IUPAC letters are [UNK] for all.
    """

    def __init__(
        self,
        name: str,
        network: Any,
        *,
        kind: str,
        context: int,
        equivariant: bool = False,
        alphabet: letters.Alphabet = CADUCEUS,
        device: torch.device = torch.device("cpu"),
        precision: str = "fp32",
        revision: str | None = None,
    ):
        self.name, self.kind, self.context, self.equivariant = name, kind, context, equivariant
        self.device, self.precision, self.revision = device, precision, revision
        self.network = for_inference(network, device)
        self.alphabet = alphabet
        self._bases = torch.tensor(alphabet.bases, device=device)
        if equivariant:
            self._check_complement()

    def _check_complement(self) -> None:
        """One strand is enough only where the complement that the network was trained with is that of DNA."""
        for name, found in self.network.named_buffers():
            if name.endswith("complement_map") and found[self._bases].tolist() != [*reversed(self.alphabet.bases)]:
                raise InputError.at(
                    f"model {self.name}",
                    f"has a `complement_map` ({name}) that does not exchange A with T and C with G",
                    "fetch the checkpoint again",
                )

    def encode(self, sequences: Sequence[str]) -> Tensor:
        """Token ids of equally long sequences: int64, shape (batch, length)."""
        return self.alphabet.tokenize(sequences).to(self.device)

    def mask(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """A copy of `tokens` in which row i is [MASK] at ``positions[i]``. Masked models only."""
        if self.kind != "masked":
            raise ValueError(f"{self.name} is a {self.kind} model: it has no [MASK]")
        masked = tokens.clone()
        masked[torch.arange(len(tokens), device=tokens.device), positions.to(tokens.device)] = self.alphabet.mask
        return masked

    def log_probs(self, tokens: Tensor) -> Tensor:
        """Log-probabilities of A, C, G, T: float32, shape (batch, length, 4), normalised over the four."""
        with numerics(self.device, self.precision):
            found = self._normalise(self.network(tokens.to(self.device)))
            return found if self.kind == "masked" else self._shift(found)

    @property
    def reuses_prefix(self) -> bool:
        """True where `reference_state` and `edited_log_probs` can be used: `protocol.PrefixReuse`."""
        return self.kind == "causal" and hasattr(self.network, "remember")

    def reference_state(self, tokens: Tensor, first: int = 0) -> PrefixState:
        """What edits at or after position `first` of the windows `tokens` (windows, length) can reuse."""
        with numerics(self.device, self.precision):
            logits, memory = self.network.remember(tokens.to(self.device), _begin(first, tokens.shape[1]))
            return PrefixState(self._shift(self._normalise(logits)), memory)

    def edited_log_probs(self, state: object, rows: Tensor, tokens: Tensor, first: int) -> Tensor:
        """`log_probs` of edited windows from position `first` on, before which nothing is edited."""
        if not isinstance(state, PrefixState):
            raise TypeError("state must come from reference_state")
        with numerics(self.device, self.precision):
            rows, start = rows.to(self.device), _begin(first, tokens.shape[1])
            logits = self.network.edited(state.memory, rows, tokens[:, start:].to(self.device))[:, first - start : -1]
            # The edited base itself is predicted from what stands before it, as in the reference.
            return torch.cat((state.log_probs[rows, first : first + 1], self._normalise(logits)), dim=1)

    def _normalise(self, logits: Tensor) -> Tensor:
        return logits.float()[..., self._bases].log_softmax(-1)

    def _shift(self, found: Tensor) -> Tensor:
        """Position i of a causal model is the prediction of base i; nothing precedes the first."""
        first = found.new_full((len(found), 1, len(self._bases)), UNIFORM)
        return torch.cat((first, found[:, :-1]), dim=1)

    def hidden(self, tokens: Tensor) -> Tensor:
        """Last hidden state: float32, shape (batch, length, d_model), twice the channels for Caduceus-PS."""
        with numerics(self.device, self.precision):
            return self.network.hidden(tokens.to(self.device)).float()
