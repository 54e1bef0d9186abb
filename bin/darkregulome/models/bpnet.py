"""BPNet in the form of bpnet-lite: dilated convolutions from 2,114 bases to the reads of a ChIP-seq experiment.

Of its two outputs the total of reads is the track; the head of the profile's shape (``fconv``) is not read. Source:
Avsec et al. 2021 (doi:10.1038/s41588-021-00782-6); names of the parameters as in bpnet-lite.
"""

import math

from torch import Tensor, nn
from torch.nn import functional as F

from darkregulome.models.architecture import Architecture, Checkpoint, ModelSize
from darkregulome.models.checkpoint import load_weights
from darkregulome.models.output import DirectOutputModel, flops_per_forward, weights_file

CONTEXT, PROFILE = 2_114, 1_000
"""Bases read, and the central ones of which the reads are predicted."""
CHANNELS, LAYERS = 64, 8
PROFILE_TAPS = 75
"""Width of the profile's head. The counts are read from where it looks."""


class BPNet(nn.Module):
    """One-hot (batch, 4, 2114) to the natural logarithm of the reads plus one (batch, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.iconv = nn.Conv1d(4, CHANNELS, 21, padding=10)
        dilations = [2**layer for layer in range(1, LAYERS + 1)]
        self.rconvs = nn.ModuleList(nn.Conv1d(CHANNELS, CHANNELS, 3, padding=d, dilation=d) for d in dilations)
        self.linear = nn.Linear(CHANNELS, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.iconv(x))
        for convolve in self.rconvs:
            x = x + F.relu(convolve(x))
        beyond = (CONTEXT - PROFILE) // 2 - PROFILE_TAPS // 2
        return self.linear(x[..., beyond : CONTEXT - beyond].mean(-1))


def _build(checkpoint: Checkpoint) -> DirectOutputModel:
    network = BPNet()
    load_weights(network, weights_file(checkpoint), ignore=("fconv.",))
    return DirectOutputModel(checkpoint, network, context=CONTEXT, outputs=("log_counts",), log_base=math.e)


FORWARD_FLOPS = 4.4e8

ARCHITECTURE = Architecture(
    "output",
    _build,
    ModelSize(CHANNELS, LAYERS, 114_000),
    flops=flops_per_forward(FORWARD_FLOPS),
)
