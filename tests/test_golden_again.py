"""Another golden set of the same layout: other sizes, weights and inputs, and numbers by code that is not ours.

The test of `test_golden.py` passes on it; so it knows no case by its name or its numbers.
Sources of the numbers: `transformers` (Mamba's mixer, BERT), enformer-pytorch, and loops over the published formulas.
"""

import json
from itertools import product

import numpy as np
import pytest
import torch
from enformer_pytorch.config_enformer import EnformerConfig
from enformer_pytorch.modeling_enformer import Enformer
from safetensors.torch import save_file
from scipy.special import softmax
from torch.nn import functional as F
from transformers import BertConfig, BertForMaskedLM, MambaConfig
from transformers.models.mamba.modeling_mamba import MambaMixer

import test_golden


def write(folder, config, inputs, expected, tensors=None):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    np.savez(folder / "input.npz", **inputs)
    np.savez(folder / "expected.npz", **{name: np.asarray(x) for name, x in expected.items()})
    if tensors is not None:
        kept = {name: tensor.detach().float().contiguous().clone() for name, tensor in tensors.items()}
        save_file(kept, folder / "model.safetensors")


def draw(rng, *shape, spread=0.3):
    return torch.from_numpy(rng.normal(0, spread, shape)).float()


def rms(x, weight, eps):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight


def caduceus(folder, rng):
    """A Caduceus-Ph out of the mixers of transformers, its projections tied."""
    width, layers, states, rank, eps = 20, 3, 5, 3, 1e-3
    sizes = {"hidden_size": width, "state_size": states, "time_step_rank": rank, "conv_kernel": 3, "expand": 3}
    backbone = "caduceus.backbone."
    tensors = {backbone + "embeddings.word_embeddings.weight": draw(rng, 16, width)}
    tokens = torch.from_numpy(rng.integers(4, 12, (2, 33)))
    hidden, residual = tensors[backbone + "embeddings.word_embeddings.weight"][tokens], 0
    for layer in range(layers):
        norm = tensors[f"{backbone}layers.{layer}.norm.weight"] = 1 + draw(rng, width)
        residual = hidden + residual
        x, hidden, first = rms(residual, norm, eps), 0, None
        for direction in ("fwd", "rev"):
            mixer = MambaMixer(MambaConfig(num_hidden_layers=1, **sizes), layer_idx=0).eval().requires_grad_(False)
            # Wider weights multiply the rounding of any float32 by ten, theirs and ours.
            state = {name: draw(rng, *tensor.shape, spread=0.2) for name, tensor in mixer.state_dict().items()}
            if first is not None:
                state |= {name: first[name] for name in ("in_proj.weight", "out_proj.weight")}
            mixer.load_state_dict(state)
            stem = f"{backbone}layers.{layer}.mixer.mamba_{direction}."
            tied = () if first is None else ("in_proj.weight", "out_proj.weight")
            tensors |= {stem + name: tensor for name, tensor in state.items() if name not in tied}
            hidden = hidden + (mixer(x) if first is None else mixer(x.flip(1)).flip(1))
            first = first or state
    norm = tensors[backbone + "norm_f.weight"] = 1 + draw(rng, width)
    hidden = rms(hidden + residual, norm, eps)
    logits = hidden @ tensors[backbone + "embeddings.word_embeddings.weight"].t()
    config = {"model_type": "caduceus", "d_model": width, "n_layer": layers, "vocab_size": 12, "norm_epsilon": eps}
    config |= {"ssm_cfg": {"d_state": states, "d_conv": 3, "expand": 3, "dt_rank": rank}, "fused_add_norm": False}
    write(folder, config, {"input_ids_one": tokens}, {"logits_one": logits, "hidden_one": hidden}, tensors)


def hyenadna(folder, rng):
    """The published formulas in float64, its long convolutions term by term."""
    width, layers, longest, order, bands, inner = 10, 2, 40, 6, 3, 22
    length, backbone, tensors = 29, "hyena.backbone.", {}

    def make(name, *shape, spread=0.4, about=0.0):
        tensors[name] = about + draw(rng, *shape, spread=spread)
        return tensors[name].double()

    def dense(name, into, out_of, x):
        return x @ make(f"{name}.weight", into, out_of).t() + make(f"{name}.bias", into)

    def norm(name, x):
        return F.layer_norm(x, (width,), make(f"{name}.weight", width, about=1.0), make(f"{name}.bias", width))

    tokens = torch.from_numpy(rng.integers(7, 12, (2, length)))
    x = make(backbone + "embeddings.word_embeddings.weight", 16, width, spread=1.0)[tokens]
    for layer in range(layers):
        stem = f"{backbone}layers.{layer}."
        mixer = stem + "mixer."
        u = dense(mixer + "in_proj", 3 * width, width, norm(stem + "norm1", x))
        taps = make(mixer + "short_filter.weight", 3 * width, 1, 3)
        short = torch.zeros_like(u) + make(mixer + "short_filter.bias", 3 * width)
        for back in range(3):
            short[:, back:] += u[:, : length - back] * taps[:, 0, 2 - back]
        filters = mixer + "filter_fn."
        z, t = make(filters + "pos_emb.z", 1, longest, 1 + 2 * bands), make(filters + "pos_emb.t", 1, longest, 1)
        frequency = make(filters + "implicit_filter.1.freq", 1, order, about=3.0)
        h = torch.sin(frequency * dense(filters + "implicit_filter.0", order, 1 + 2 * bands, z))
        h = torch.sin(frequency * dense(filters + "implicit_filter.2", order, order, h))
        h = h @ make(filters + "implicit_filter.4.weight", width, order).t()
        h = (h * (torch.exp(-t * make(filters + "modulation.deltas", 1, 1, width).abs()) + 0.05))[0]
        gate, factor, v = short.split(width, dim=-1)
        v = v * factor
        y = v * make(filters + "bias", width)
        for now, back in product(range(length), range(length)):
            if back <= now:
                y[:, now] += v[:, now - back] * h[back]
        x = x + dense(mixer + "out_proj", width, width, y * gate)
        wide = F.gelu(dense(stem + "mlp.fc1", inner, width, norm(stem + "norm2", x)), approximate="tanh")
        x = x + dense(stem + "mlp.fc2", width, inner, wide)
    hidden = norm(backbone + "ln_f", x)
    logits = hidden @ make("lm_head.weight", 16, width).t()
    config = {"model_type": "hyenadna", "d_model": width, "n_layer": layers, "d_inner": inner, "vocab_size": 12}
    config |= {"max_seq_len": longest, "filter_order": order, "emb_dim": 1 + 2 * bands, "num_inner_mlps": 1}
    write(folder, config, {"input_ids_one": tokens}, {"logits_one": logits, "hidden_one": hidden}, tensors)


def enformer(folder, rng):
    """enformer-pytorch's own forward, of another depth, resolution and crop."""
    config = {"dim": 36, "depth": 1, "heads": 3, "attn_dim_key": 5, "num_downsamples": 3, "dim_divisible_by": 6}
    config |= {"model_type": "enformer", "output_heads": {"human": 4, "mouse": 2}, "target_length": 22}
    network = Enformer(EnformerConfig(**config)).eval()
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not name.startswith("_trunk."):
            change = draw(rng, *tensor.shape, spread=0.2)
            tensor.add_(change.abs() if name.endswith("_var") else change)
    sequences = ["".join(rng.choice(list("ACGTNacgt"), 30 * 8)) for _ in range(2)]
    one_hot = torch.tensor([["ACGT".find(base.upper()) for base in sequence] for sequence in sequences])
    one_hot = F.one_hot(one_hot + 1, 5)[..., 1:].float()
    expected = {f"tracks_{head}": network(one_hot, head=head) for head in config["output_heads"]}
    expected["conv_tower"] = network.conv_tower(network.stem(one_hot.transpose(1, 2))).transpose(1, 2)
    tensors = {name: x for name, x in network.state_dict().items() if not name.startswith("_trunk.")}
    write(folder, config, {"seqs": np.array(sequences)}, expected, tensors)


def selective_scan(folder, rng):
    batch, width, length, states = 3, 7, 71, 6
    given = {name: rng.normal(size=(batch, width, length)) for name in ("u", "delta", "z")}
    given |= {name: rng.normal(size=(batch, states, length)) for name in ("B", "C")}
    given |= {
        "A": -rng.exponential(2, (width, states)),
        "D": rng.normal(size=width),
        "delta_bias": rng.normal(size=width),
    }
    given = {name: x.astype(np.float32) for name, x in given.items()}
    u, delta, z, B, C, A, D, bias = (x.astype(float) for x in given.values())
    step = np.log1p(np.exp(delta + bias[:, None]))
    state, y = np.zeros((batch, width, states)), np.zeros_like(u)
    for t in range(length):
        decay = np.exp(step[:, :, t, None] * A)
        state = decay * state + (step[:, :, t] * u[:, :, t])[:, :, None] * B[:, None, :, t]
        y[:, :, t] = (state * C[:, None, :, t]).sum(-1)
    y = (y + D[:, None] * u) * z / (1 + np.exp(-z))
    config = {"kind": "selective_scan", "cases": {"mine": {}}}
    inputs = {f"{name}_mine": x for name, x in given.items()} | {"delta_softplus_mine": True}
    write(folder, config, inputs, {"y_mine": y, "last_state_mine": state})


def specieslm(folder, rng):
    """BERT over overlapping dinucleotides after a species, by transformers; what is made of it by plain loops."""
    pairs = ["".join(pair) for pair in product("GTAC", repeat=2)]
    words = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", *pairs, "felis_catus"]
    config = {"vocab_size": len(words), "hidden_size": 18, "num_hidden_layers": 2, "num_attention_heads": 3}
    config |= {"intermediate_size": 20, "max_position_embeddings": 30, "hidden_act": "relu", "layer_norm_eps": 1e-5}
    network = BertForMaskedLM(BertConfig(**config)).eval()
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(draw(rng, *tensor.shape))
    sequence = "".join(rng.choice(list("ACGT"), 16))

    def read(letters):
        ids = ["[CLS]", "felis_catus", *(letters[i : i + 2] for i in range(len(letters) - 1)), "[SEP]"]
        ids = torch.tensor([[words.index(word) for word in ids]])
        logits = network(ids).logits[0]
        p = softmax(logits[2:-1, 5:21].double().numpy(), axis=-1)
        found = np.zeros((len(letters), 4))
        for start, (number, pair), place in product(range(len(p)), enumerate(pairs), range(2)):
            found[start + place, "ACGT".index(pair[place])] += p[start, number] / 2
        return ids, logits, found

    def log2_odds(letters):
        p = read(letters)[2] + 1e-10
        p = p / p.sum(-1, keepdims=True)
        return np.log2(p / (1 - p))

    ids, logits, found = read(sequence)
    reference, length = log2_odds(sequence), len(sequence)
    depends, influence = np.zeros((length, length)), np.zeros((length, 4))
    for site, base in product(range(length), "ACGT"):
        if base != sequence[site]:
            change = log2_odds(sequence[:site] + base + sequence[site + 1 :]) - reference
            depends[site] = np.maximum(depends[site], np.abs(change).max(1))
            influence[site, "ACGT".index(base)] = change.max(1).sum() / (length - 1)
    np.fill_diagonal(depends, 0)
    inputs = {"seqs": np.array([sequence]), "input_ids": ids, "species": np.array(["felis_catus"]), "k": 2}
    expected = {"logits": logits, "nt_probs": found, "dep_map": depends, "variant_influence": influence}
    tied = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias")
    tensors = {name: x for name, x in network.state_dict().items() if name not in tied and "position_ids" not in name}
    write(folder, config | {"model_type": "bert"}, inputs, expected, tensors)
    vocabulary = {"model": {"type": "WordLevel", "vocab": {word: number for number, word in enumerate(words)}}}
    (folder / "tokenizer.json").write_text(json.dumps(vocabulary))


@pytest.fixture(scope="module", params=[caduceus, hyenadna, enformer, selective_scan, specieslm])
def case(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden") / "another"
    torch.manual_seed(0)
    with torch.no_grad():
        request.param(folder, np.random.default_rng(0))
    return folder


def test_a_case_of_other_numbers_is_reproduced(case):
    test_golden.test_golden_case_is_reproduced(case)


def test_every_number_that_is_off_is_seen(case):
    arrays = dict(np.load(case / "expected.npz"))
    for name, values in arrays.items():
        spoilt = values.copy()
        spoilt.flat[values.size // 2] += 1e-2 * np.abs(values).max()
        np.savez(case / "expected.npz", **arrays | {name: spoilt})
        with pytest.raises(AssertionError):
            test_golden.test_golden_case_is_reproduced(case)
    np.savez(case / "expected.npz", **arrays)
