"""Fresh models from a config file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from darkregulome.errors import InputError
from darkregulome.io.documents import read_json
from darkregulome.models.letters import CHARACTERS, LOWER_CASE, Alphabet


@dataclass(frozen=True)
class Language:
    """How a language model reads and is trained: from both sides (masked) or from the left (causal)."""

    causal: bool
    alphabet: Alphabet


MASKED, CAUSAL = Language(False, CHARACTERS), Language(True, CHARACTERS)
BERT_WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"ACGT")
"""The vocabulary of a BERT over single bases, in the order of its ids."""

TRIED_BASES = 16
"""With so many bases a new model is run once, to see that it does."""

_OF_WRONG_SIZES = (
    TypeError,
    ValueError,
    RuntimeError,
    AssertionError,
    LookupError,
    AttributeError,
    ArithmeticError,
    MemoryError,
)
"""What PyTorch, transformers and einops raise over sizes that do not fit one another."""

LANGUAGES = {
    "caduceus": MASKED,
    "gpn": Language(False, LOWER_CASE),
    "bert": Language(False, Alphabet(bases=(5, 6, 7, 8), mask=4, pad=0, unknown=1, n=1)),
    "hyena": CAUSAL,
}
"""What `train_lm.py` can train, by the name of the architecture."""


def language_of(architecture: str) -> Language:
    """How an architecture reads; an unknown one is an error."""
    if architecture not in LANGUAGES:
        names = ", ".join(LANGUAGES)
        raise InputError.at("--architecture", f"{architecture!r} is unknown", f"give one of {names}")
    return LANGUAGES[architecture]


def build_language_model(architecture: str, config: Path, seed: int) -> tuple[torch.nn.Module, Any]:
    """A freshly initialised model and its configuration."""
    language = language_of(architecture)
    torch.manual_seed(seed)
    settings = _read_config(config)
    with _of_this_config(config, architecture):
        model, built = _BUILDERS[architecture](settings)
        # Some sizes fit one another only when the model runs: said before anything else is read.
        training = model.training
        with torch.no_grad():
            model.eval()(torch.full((1, TRIED_BASES), language.alphabet.bases[0]))
        model.train(training)
    return model, built


@contextmanager
def _of_this_config(config: Path, architecture: str) -> Iterator[None]:
    """What a configuration of sizes that do not fit makes its model raise, as an `InputError`."""
    try:
        yield
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in error.errors())
        raise InputError.at(config, f"does not fit {architecture} ({faults})", "mend the configuration") from error
    except _OF_WRONG_SIZES as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError.at(config, f"makes no {architecture} that runs ({said})", "mend the configuration") from error


def _caduceus(settings: dict[str, Any]) -> tuple[torch.nn.Module, Any]:
    from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM

    config = CaduceusConfig(**settings)
    return CaduceusForMaskedLM(config), config


def _gpn(settings: dict[str, Any]) -> tuple[torch.nn.Module, Any]:
    from darkregulome.models.gpn import GPNForMaskedLM, read_gpn_config

    config = read_gpn_config({"model_type": "ConvNet", **settings})
    return GPNForMaskedLM(config), config


def _hyena(settings: dict[str, Any]) -> tuple[torch.nn.Module, Any]:
    from darkregulome.models.hyenadna import HyenaConfig, HyenaDNAForCausalLM

    config = HyenaConfig(**settings)
    return HyenaDNAForCausalLM(config), config


def _bert(settings: dict[str, Any]) -> tuple[torch.nn.Module, Any]:
    from transformers import BertConfig

    from darkregulome.models.bert import KmerBert

    class BertOverBases(KmerBert):
        """Reads bases alone, (batch, length), between [CLS] and [SEP]; gives their logits."""

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
            start, end = (tokens.new_full((len(tokens), 1), BERT_WORDS.index(word)) for word in ("[CLS]", "[SEP]"))
            hidden = self.bert(torch.cat((start, tokens, end), dim=1)).last_hidden_state
            return self.logits_of(hidden[:, 1:-1])

    config = BertConfig(**(settings | {"vocab_size": len(BERT_WORDS)}))
    return BertOverBases(config), config


_BUILDERS = {"caduceus": _caduceus, "gpn": _gpn, "bert": _bert, "hyena": _hyena}


def extra_files(architecture: str) -> dict[str, str]:
    """Texts that the loader of an architecture reads beside config.json and the weights."""
    return {"vocab.txt": "\n".join(BERT_WORDS) + "\n"} if architecture == "bert" else {}


def build_enformer(config: Path, seed: int) -> tuple[torch.nn.Module, Any]:
    """A freshly initialised Enformer and its configuration."""
    from enformer_pytorch import Enformer
    from enformer_pytorch.config_enformer import EnformerConfig

    torch.manual_seed(seed)
    settings = _read_config(config)
    with _of_this_config(config, "enformer"):
        enformer = EnformerConfig(**settings)
        return Enformer(enformer), enformer


def _read_config(path: Path) -> dict[str, Any]:
    return read_json(path, "give the model's config.json")
