"""What the ISM engine knows of a model: these protocols, and nothing else.

Three kinds. A masked language model gives, at every position, the distribution of the base there; a causal one
the distribution of the base there given what stands before it; an output model predicts tracks from sequence.
Bases are always in the order A, C, G, T on the last axis.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch

BASES = "ACGT"


@runtime_checkable
class LanguageModel(Protocol):
    """A masked or causal language model at base resolution."""

    name: str
    kind: str
    """``"masked"`` or ``"causal"``."""
    context: int
    """Longest window, in bases."""
    equivariant: bool
    """True where the reverse complement gives the reverse-complemented answer, so that one strand is enough."""
    device: torch.device

    def encode(self, sequences: Sequence[str]) -> torch.Tensor:
        """Token ids of equally long sequences: int64, shape (batch, length). Any case; IUPAC and N allowed."""
        ...

    def mask(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """A copy of `tokens` in which row i is masked at ``positions[i]`` (shape (batch,)). Masked models only."""
        ...

    def log_probs(self, tokens: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of A, C, G, T at each position: float32, (batch, length, 4), normalised over the four.

        Position i of a causal model is the prediction of base i from the bases before it; position 0, which
        nothing precedes, is uniform.
        """
        ...

    def hidden(self, tokens: torch.Tensor) -> torch.Tensor:
        """Last hidden state: float32, shape (batch, length, d_model)."""
        ...


@runtime_checkable
class PrefixReuse(Protocol):
    """What a causal language model may offer besides: an edit costs only what comes after it."""

    reuses_prefix: bool
    """False where the class has the methods but this model cannot serve them."""

    def reference_state(self, tokens: torch.Tensor, first: int = 0) -> "WithLogProbs":
        """`log_probs` of reference windows (windows, length), and what edits at or after position `first` can reuse."""
        ...

    def edited_log_probs(self, state: object, rows: torch.Tensor, tokens: torch.Tensor, first: int) -> torch.Tensor:
        """`log_probs` from position `first` on, (edits, length - first, 4), of edited windows `tokens` (edits, length).

        ``rows[i]`` is the number of the i-th one's reference in `state`, which it equals before `first`; `first` is not
        below the state's. Exact: equals `log_probs` of the whole windows to float32 noise.
        """
        ...


class WithLogProbs(Protocol):
    """A state that knows the reference's log-probabilities, (windows, length, 4)."""

    @property
    def log_probs(self) -> torch.Tensor: ...


@runtime_checkable
class OutputModel(Protocol):
    """A sequence-to-function model."""

    name: str
    kind: str
    """``"output"``."""
    context: int
    """Length of the input window, exact."""
    tss_offset: int
    """Position of the TSS's base inside the window, on the strand that the model reads."""
    stranded: bool
    """True where the window is read on the gene's strand; False where it is always read on the forward strand."""
    tracks: tuple[str, ...]
    log_outputs: bool
    """True where predictions are logarithms already (base 10 for Xpresso), so that effects are differences."""
    device: torch.device

    def reference_state(self, sequence: str) -> object:
        """What can be reused between edits of one window (for Enformer: its tower's output)."""
        ...

    def tss_tracks(self, sequence: str, state: object | None = None) -> torch.Tensor:
        """Predicted tracks in the bins of the TSS, natural scale, shape (tracks,): mean over those bins."""
        ...

    def edited_tss_tracks(
        self, state: object, sequences: Sequence[str], spans: Sequence[tuple[int, int]]
    ) -> torch.Tensor:
        """The same for edited windows of the same length, shape (edits, tracks).

        ``spans[i]`` is the half-open interval outside of which ``sequences[i]`` equals the reference of `state`.
        Exact: equals `tss_tracks` of each sequence to float32 noise.
        """
        ...
