"""GPN, all of it: convolutional masked language models.

Two networks: ConvNet (gpn-brassicales) and bytenet (gpn-animal-promoter).

Parameter names are those of the official checkpoints. Source: Benegas et al. 2023 (doi:10.1073/pnas.2311219120); golden
vectors computed by the official code are in `tests/golden`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from darkregulome.models.architecture import Architecture, Checkpoint, ModelSize
from darkregulome.models.checkpoint import find_weights, load_weights, named, read_config
from darkregulome.models.language import LetterLanguageModel
from darkregulome.models.letters import LOWER_CASE
from darkregulome.models.lookalikes import build_network

CONTEXT = 512
"""Window of the published models, in training and in scoring. The networks themselves have no limit."""


class Dilations(BaseModel):
    """How the dilations of the convolutions grow from layer to layer, in both kinds of config.json."""

    model_config = ConfigDict(extra="ignore")

    vocab_size: PositiveInt = 7
    hidden_size: PositiveInt = 512
    n_aux_features: int = 0
    hidden_act: Literal["gelu"] = "gelu"
    initializer_range: float = 0.02
    dilation_base: PositiveInt = 2
    dilation_cycle: PositiveInt = 6
    dilation_double_every: PositiveInt = 1
    dilation_max: PositiveInt = 32

    def dilation(self, layer: int) -> int:
        """Dilation of a layer: doubled from one to the next, from the start again after a cycle."""
        doublings = layer % self.dilation_cycle // self.dilation_double_every
        return min(self.dilation_max, self.dilation_base**doublings)

    @model_validator(mode="after")
    def _check(self) -> "Dilations":
        if self.n_aux_features:
            raise ValueError("n_aux_features is not 0: models of alignments (GPN-MSA) are not supported")
        return self


class ConvNetConfig(Dilations):
    """config.json of the ConvNet, by its own field names."""

    model_type: Literal["ConvNet"] = "ConvNet"
    n_layers: PositiveInt = 25
    kernel_size: PositiveInt = 9


class GPNConfig(Dilations):
    """config.json of the later GPN, by its own field names. Of its encoders only bytenet was published."""

    model_type: Literal["GPN"] = "GPN"
    encoder: Literal["bytenet"]
    embedding: Literal["one_hot", "embedding"] = "one_hot"
    num_hidden_layers: PositiveInt = 25
    dilation_cycle: PositiveInt = 8
    dilation_max: PositiveInt = 9999
    first_kernel_size: PositiveInt = 9
    rest_kernel_size: PositiveInt = 5
    bias: bool = False
    slim: bool = False
    depthwise: bool = False
    mlm_head_transform: bool = True
    tie_word_embeddings: bool = False


class Transpose(nn.Module):
    """Swaps length and channels. A module because its place counts in the checkpoints' names."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


class OneHot(nn.Module):
    """One-hot tokens, with zeros up to the width of the network."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, tokens: Tensor) -> Tensor:
        return F.one_hot(tokens, self.size).float()


class ConvNetLayer(nn.Module):
    """Two residual branches, a dilated convolution and a dense layer; the norm comes last in each."""

    def __init__(self, config: ConvNetConfig, dilation: int):
        super().__init__()
        width = config.hidden_size
        convolution = nn.Conv1d(width, width, config.kernel_size, dilation=dilation, padding="same")
        self.conv = nn.Sequential(Transpose(), convolution, Transpose(), nn.GELU(), nn.LayerNorm(width))
        self.ffn = _dense(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.conv(x)
        return x + self.ffn(x)


class ByteNetLayer(nn.Module):
    """A residual branch: narrow, convolve, widen, each after a norm and a GELU."""

    def __init__(self, config: GPNConfig, layer: int):
        super().__init__()
        width, bias = config.hidden_size, config.bias
        inner = width // 2 if config.slim else width
        convolution = nn.Conv1d(
            inner,
            inner,
            config.rest_kernel_size if layer else config.first_kernel_size,
            dilation=config.dilation(layer),
            # Depthwise groups are the width's, as in the official code, which can so only be had without `slim`.
            groups=width if config.depthwise and layer else 1,
            padding="same",
            bias=bias,
        )
        self.layer = nn.Sequential(
            nn.LayerNorm(width, bias=bias),
            nn.GELU(),
            nn.Linear(width, inner, bias=bias),
            nn.LayerNorm(inner, bias=bias),
            nn.GELU(),
            Transpose(),
            convolution,
            Transpose(),
            nn.LayerNorm(inner, bias=bias),
            nn.GELU(),
            nn.Linear(inner, width, bias=bias),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layer(x)


def _dense(width: int, bias: bool = True) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width, bias=bias), nn.GELU(), nn.LayerNorm(width, bias=bias))


def _convnet(config: ConvNetConfig) -> tuple[nn.Module, nn.Module]:
    """The network, and its head: a dense layer with its norm, then the logits."""
    width = config.hidden_size
    layers = (ConvNetLayer(config, config.dilation(layer)) for layer in range(config.n_layers))
    network = named(embedding=OneHot(width), encoder=nn.Sequential(*layers))
    return network, named(decoder=nn.Sequential(*_dense(width), nn.Linear(width, config.vocab_size)))


def _bytenet(config: GPNConfig) -> tuple[nn.Module, nn.Module]:
    """The network, and its head: the logits, after a dense layer with its norm where the config asks for it."""
    width, bias = config.hidden_size, config.bias
    learned = config.embedding == "embedding"
    network = named(
        embeddings=named(word_embeddings=nn.Embedding(config.vocab_size, width) if learned else OneHot(width)),
        encoder=named(layer=nn.Sequential(*(ByteNetLayer(config, layer) for layer in range(config.num_hidden_layers)))),
        ln_f=nn.LayerNorm(width, bias=bias),
    )
    transform = _dense(width, bias) if config.mlm_head_transform else nn.Identity()
    return network, named(transform=transform, decoder=nn.Linear(width, config.vocab_size, bias=bias))


class GPNForMaskedLM(nn.Module):
    """A GPN of either kind with its language-model head.

    ``model(tokens)`` takes int64 ids (batch, length) and gives logits (batch, length, vocabulary);
    ``model.hidden(tokens)`` gives the last hidden state (batch, length, hidden_size).
    """

    def __init__(self, config: ConvNetConfig | GPNConfig):
        super().__init__()
        self.config = config
        self.model, self.cls = _convnet(config) if isinstance(config, ConvNetConfig) else _bytenet(config)
        for name, repeated in self.aliases().items():
            self.get_submodule(name.rpartition(".")[0]).weight = self.get_parameter(repeated)

    def aliases(self) -> dict[str, str]:
        """Names that the official files omit, each with the name of the tensor it repeats."""
        config = self.config
        if isinstance(config, GPNConfig) and config.tie_word_embeddings and config.embedding == "embedding":
            return {"cls.decoder.weight": "model.embeddings.word_embeddings.weight"}
        return {}

    def hidden(self, tokens: Tensor) -> Tensor:
        """The last hidden state: (batch, length, hidden_size)."""
        return self.model(tokens)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.cls(self.hidden(tokens))


def read_gpn_config(config: dict[str, Any]) -> ConvNetConfig | GPNConfig:
    """The settings of either kind, by `model_type`."""
    kind = ConvNetConfig if config.get("model_type") == "ConvNet" else GPNConfig
    return kind.model_validate(config)


def _build(checkpoint: Checkpoint) -> LetterLanguageModel:
    config = read_gpn_config(read_config(checkpoint.folder))
    network = build_network(lambda: GPNForMaskedLM(config), checkpoint.folder)
    load_weights(network, find_weights(checkpoint.folder))
    return LetterLanguageModel(
        checkpoint.name,
        network,
        kind="masked",
        context=checkpoint.entry.context or checkpoint.entry.window or CONTEXT,
        alphabet=LOWER_CASE,
        **checkpoint.settings,
    )


ARCHITECTURE = Architecture("masked", _build, ModelSize(512, 25, 65_900_000), model_types=("ConvNet", "GPN"))
