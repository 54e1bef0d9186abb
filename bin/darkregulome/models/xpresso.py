"""Xpresso: a small convolutional network from a promoter's sequence to its gene's expression.

Source: Agarwal and Shendure 2020 (doi:10.1016/j.celrep.2020.107663). Layer for layer the published Keras models; only
the format of the weights differs.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from darkregulome.models.architecture import Architecture, Checkpoint, ModelSize
from darkregulome.models.checkpoint import load_weights
from darkregulome.models.output import DirectOutputModel, flops_per_forward, weights_file

CONTEXT, TSS_OFFSET = 10_500, 7_000
"""The window: 7,000 bases upstream of the TSS on the gene's strand, and 3,500 from the TSS on."""

HALF_LIFE_FEATURES = 6
"""mRNA half-life features, in addition to the sequence. Always zero here: an edit of a promoter does not touch them."""


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


def _build(checkpoint: Checkpoint) -> DirectOutputModel:
    network = Xpresso()
    load_weights(network, weights_file(checkpoint))
    return DirectOutputModel(
        checkpoint,
        network,
        context=CONTEXT,
        tss_offset=TSS_OFFSET,
        stranded=True,
        outputs=("log10_expression",),
        log_base=10,
    )


FORWARD_FLOPS = 9.1e7

ARCHITECTURE = Architecture(
    "output",
    _build,
    ModelSize(128, 2, 113_000),
    flops=flops_per_forward(FORWARD_FLOPS),
)
