"""Small checkpoints with random weights, one of every architecture, written in the official formats."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import torch

from darkregulome.models.checkpoint import save_checkpoint
from darkregulome.models.registry import load_model
from places import GOLDEN

COMPLEMENT_OF_8 = {"0": 0, "1": 1, "2": 2, "3": 6, "4": 5, "5": 4, "6": 3, "7": 7}
CADUCEUS = {"d_model": 16, "n_layer": 2, "ssm_cfg": {"d_state": 4}}
GPN = {"hidden_size": 16, "dilation_cycle": 3}
BERT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 80,
    "pad_token_id": 0,
}
ESM = BERT | {
    "vocab_size": 4105,
    "max_position_embeddings": 22,
    "pad_token_id": 1,
    "mask_token_id": 2,
    "token_dropout": True,
    "emb_layer_norm_before": False,
    "position_embedding_type": "absolute",
    "tie_word_embeddings": False,
}
LLAMA = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 21,
    "vocab_size": 4128,
}

LANGUAGE_MODELS = (
    "caduceus_ph",
    "caduceus_ps",
    "plant_caduceus",
    "hyenadna",
    "gpn_convnet",
    "gpn_bytenet",
    "bert_k1",
    "bert_k3",
    "esm",
    "llama",
)
OUTPUT_MODELS = ("enformer", "xpresso", "mpra_dragonn", "bpnet")


class MemoryGenome:
    """One contig held in memory."""

    def __init__(self, bases):
        self.bases = bases

    def length(self, chrom):
        return len(self.bases)

    def fetch(self, chrom, start, end):
        return "".join(self.bases[i] if 0 <= i < len(self.bases) else "N" for i in range(start, end))


def make_model(name: str, folder: Path, **options: Any) -> Any:
    """A model of this name, written to `folder` and loaded from there by way of a registry beside it."""
    torch.manual_seed(7)
    entry = _CHECKPOINTS[name](folder / name)
    registry = folder / f"{name}.yml"
    registry.write_text(json.dumps({"models": {name: entry}}))
    weights = folder / name if (folder / name).exists() else GOLDEN / name
    return load_model(name, weights=weights, registry=registry, **options)


def widen(network: torch.nn.Module, spread: float = 0.3) -> torch.nn.Module:
    """Wider weights than at the start of a training, so that laws are tested on a function that does something."""
    for name, parameter in network.named_parameters():
        if (parameter.dim() > 1 and not name.endswith(("A_log", "pos_emb.z", "freq"))) or name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=spread)
    return network


def write_words(folder: Path, *words: str) -> None:
    """A vocabulary, one word a line."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")


def kmer_words(k: int, order: str = "ATCG") -> list[str]:
    """All k-mers, in another order than that of the code under test."""
    return ["".join(kmer) for kmer in product(order, repeat=k)]


def _caduceus(**changes: Any):
    def write(folder: Path) -> dict:
        from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM

        config = CaduceusConfig(**(CADUCEUS | changes))
        network = CaduceusForMaskedLM(config)
        with torch.no_grad():
            torch.nn.init.normal_(network.lm_head.weight if not config.rcps else network.lm_head.lm_head.weight)
        save_checkpoint(network, config, folder)
        return {"kind": "masked", "architecture": "caduceus", "context": 128}

    return write


def _hyenadna(folder: Path) -> dict:
    from darkregulome.models.hyenadna import HyenaConfig, HyenaDNAForCausalLM

    config = HyenaConfig(d_model=16, n_layer=2, max_seq_len=130, filter_order=8, activation_freq=10)
    save_checkpoint(widen(HyenaDNAForCausalLM(config)), config, folder)
    return {"kind": "causal", "architecture": "hyenadna", "n_reads_as": "n"}


def _gpn(fields: dict):
    def write(folder: Path) -> dict:
        from darkregulome.models.gpn import GPNForMaskedLM, read_gpn_config

        save_checkpoint(widen(GPNForMaskedLM(read_gpn_config(fields))), fields, folder)
        return {"kind": "masked", "architecture": "gpn", "context": 128}

    return write


def _bert(k: int, *species: str):
    def write(folder: Path) -> dict:
        from transformers import BertConfig

        from darkregulome.models.bert import KmerBert

        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *kmer_words(k), *species]
        config = BertConfig(**(BERT | {"vocab_size": len(words)}))
        save_checkpoint(widen(KmerBert(config)), config, folder)
        write_words(folder, *words)
        return {"kind": "masked", "architecture": "bert", **({"species": species[0]} if species else {})}

    return write


def _esm(folder: Path) -> dict:
    from transformers import EsmConfig

    from darkregulome.models.esm import KmerEsm

    save_checkpoint(widen(KmerEsm(EsmConfig(**ESM))), {"model_type": "esm"} | ESM, folder)
    write_words(folder, "<unk>", "<pad>", "<mask>", "<cls>", *kmer_words(6), *"ATCGN")
    return {"kind": "masked", "architecture": "esm"}


def _llama(folder: Path) -> dict:
    from transformers import LlamaConfig

    from darkregulome.models.llama import KmerLlama

    save_checkpoint(widen(KmerLlama(LlamaConfig(**LLAMA))), {"model_type": "llama"} | LLAMA, folder)
    return {"kind": "causal", "architecture": "llama"}


def _enformer(folder: Path) -> dict:
    return {"kind": "output", "architecture": "enformer", "context": 2048, "tracks": {"a": 0, "b": 3}}


def _direct(architecture: str, network_name: str):
    def write(folder: Path) -> dict:
        from importlib import import_module

        network = getattr(import_module(f"darkregulome.models.{architecture}"), network_name)()
        folder.mkdir(parents=True)
        torch.save(network.state_dict(), folder / "weights.pt")
        return {"kind": "output", "architecture": architecture, "file": "weights.pt"}

    return write


_CHECKPOINTS = {
    "caduceus_ph": _caduceus(),
    "caduceus_ps": _caduceus(rcps=True),
    "plant_caduceus": _caduceus(rcps=True, vocab_size=8, residual_in_fp32=True, complement_map=COMPLEMENT_OF_8),
    "hyenadna": _hyenadna,
    "gpn_convnet": _gpn(GPN | {"model_type": "ConvNet", "n_layers": 3}),
    "gpn_bytenet": _gpn(GPN | {"model_type": "GPN", "encoder": "bytenet", "num_hidden_layers": 3}),
    "bert_k1": _bert(1, "homo_sapiens", "danio_rerio"),
    "bert_k3": _bert(3),
    "esm": _esm,
    "llama": _llama,
    "enformer": _enformer,
    "xpresso": _direct("xpresso", "Xpresso"),
    "mpra_dragonn": _direct("mpra_dragonn", "MpraDragonn"),
    "bpnet": _direct("bpnet", "BPNet"),
}
