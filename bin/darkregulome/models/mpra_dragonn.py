"""MPRA-DragoNN: a small convolutional network from 145 bases to the activity of a reporter, in 12 assays.

Source: Movva et al. 2019 (doi:10.1371/journal.pone.0218073), its ConvModel. Layer for layer the published Keras model;
only the format of the weights differs.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from darkregulome.models.architecture import Architecture, Checkpoint, ModelSize
from darkregulome.models.checkpoint import load_weights
from darkregulome.models.output import DirectOutputModel, flops_per_forward, weights_file

CONTEXT = 145
CHANNELS, TAPS, LAYERS = 120, 5, 3
OUTPUTS = tuple(
    f"{cell}_{promoter}_{replicate}"
    for cell in ("k562", "hepg2")
    for promoter in ("minp", "sv40p")
    for replicate in ("rep1", "rep2", "pooled")
)
"""Log2 of RNA over DNA in Sharpr-MPRA, as normalised for the training: by cell, promoter and replicate."""


class MpraDragonn(nn.Module):
    """Three convolutions and a dense layer: one-hot (batch, 4, 145) to activities (batch, 12)."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.ModuleList(nn.Conv1d(CHANNELS if layer else 4, CHANNELS, TAPS) for layer in range(LAYERS))
        self.b = nn.ModuleList(nn.BatchNorm1d(CHANNELS, eps=1e-3) for _ in range(LAYERS))
        self.d = nn.Linear(CHANNELS * (CONTEXT - LAYERS * (TAPS - 1)), len(OUTPUTS))

    def forward(self, x: Tensor) -> Tensor:
        for convolve, normalise in zip(self.c, self.b, strict=True):
            x = normalise(F.relu(convolve(x)))
        return self.d(x.transpose(1, 2).flatten(1))


def _build(checkpoint: Checkpoint) -> DirectOutputModel:
    network = MpraDragonn()
    load_weights(network, weights_file(checkpoint))
    return DirectOutputModel(checkpoint, network, context=CONTEXT, outputs=OUTPUTS, log_base=2)


FORWARD_FLOPS = 4.1e7

ARCHITECTURE = Architecture(
    "output",
    _build,
    ModelSize(CHANNELS, LAYERS, 339_000),
    flops=flops_per_forward(FORWARD_FLOPS),
)
