"""Xpresso: a small convolutional network from a promoter's sequence to its gene's expression.

Source: Agarwal and Shendure 2020 (doi:10.1016/j.celrep.2020.107663). Layer for layer the published Keras models; only
the format of the weights differs.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from darkregulome.errors import InputError
from darkregulome.models.architecture import Architecture, Checkpoint, ModelSize
from darkregulome.models.checkpoint import load_weights
from darkregulome.models.letters import one_hot
from darkregulome.models.numerics import numerics

CONTEXT, TSS_OFFSET = 10_500, 7_000
"""The window: 7,000 bases upstream of the TSS on the gene's strand, and 3,500 from the TSS on."""

HALF_LIFE_FEATURES = 6
"""mRNA half-life features beside the sequence. Always zero here: an edit of a promoter does not touch them."""


class Xpresso(nn.Module):
    """Two convolutions and three dense layers: one-hot (batch, 4, 10500) to the log10 expression z-score (batch, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv1d(4, 128, 6)
        self.c2 = nn.Conv1d(128, 32, 9, padding="same")
        self.d1 = nn.Linear(32 * (CONTEXT // 300) + HALF_LIFE_FEATURES, 64)
        self.d2 = nn.Linear(64, 2)
        self.d3 = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool1d(F.relu(self.c1(F.pad(x, (2, 3)))), 30)  # Keras pads an even kernel one more on the right
        x = F.max_pool1d(F.relu(self.c2(x)), 10)
        x = F.pad(x.transpose(1, 2).flatten(1), (0, HALF_LIFE_FEATURES))
        return self.d3(F.relu(self.d2(F.relu(self.d1(x)))))


class XpressoModel:
    """An Xpresso behind `protocol.OutputModel`: predictions are logarithms to base 10, so effects are differences."""

    kind = "output"
    context = CONTEXT
    tss_offset = TSS_OFFSET
    stranded = True
    tracks: tuple[str, ...] = ("log10_expression",)
    log_outputs = True

    def __init__(
        self,
        name: str,
        network: Xpresso,
        *,
        device: torch.device = torch.device("cpu"),
        precision: str = "fp32",
        revision: str | None = None,
    ):
        self.name, self.device, self.precision, self.revision = name, device, precision, revision
        self.network = network.to(device).eval().requires_grad_(False)

    def reference_state(self, sequence: str) -> str:
        """The reference itself: the network is too small for anything to be worth keeping."""
        return sequence

    def tss_tracks(self, sequence: str, state: object | None = None) -> Tensor:
        """Predicted expression, shape (1,)."""
        return self._predict([sequence])[0]

    def edited_tss_tracks(self, state: object, sequences: Sequence[str], spans: Sequence[tuple[int, int]]) -> Tensor:
        """Predicted expression of edited windows, shape (edits, 1)."""
        return self._predict(sequences)

    def _predict(self, sequences: Sequence[str]) -> Tensor:
        for sequence in sequences:
            if len(sequence) != CONTEXT:
                raise ValueError(f"{self.name} reads {CONTEXT} bases, not {len(sequence)}")
        with numerics(self.device, self.precision):
            return self.network(one_hot(sequences).to(self.device).transpose(1, 2)).float()


def load_xpresso(weights: Path, file_name: str | None = None) -> Xpresso:
    """Xpresso from a file of weights, or from the folder that holds `file_name`."""
    if weights.is_dir():
        if file_name is None:
            raise InputError.at(weights, "is a folder of several Xpresso models", "give one file of weights")
        weights = weights / file_name
    network = Xpresso()
    load_weights(network, weights)
    return network


def _build(checkpoint: Checkpoint) -> XpressoModel:
    network = load_xpresso(checkpoint.folder, checkpoint.entry.file)
    return XpressoModel(checkpoint.name, network, **checkpoint.settings)


FORWARD_FLOPS = 9.1e7

ARCHITECTURE = Architecture(
    "output",
    _build,
    ModelSize(128, 2, 113_000),
    flops=lambda size, window, references, edits: FORWARD_FLOPS * (references + edits),
)
