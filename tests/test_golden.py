"""Numbers of the official implementations, reproduced: every case folder of $GOLDEN_DIR (its README says what is what).

Tolerances are twice the case's own distance between float32 and float64, and at least 2e-5.
"""

import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest
import torch

from darkregulome.genome.sequence import reverse_complement
from darkregulome.models import letters
from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM
from darkregulome.models.checkpoint import load_weights, read_config
from darkregulome.models.enformer import EnformerModel
from darkregulome.models.hyenadna import HyenaConfig, HyenaDNAForCausalLM
from darkregulome.models.registry import load_model
from darkregulome.scoring.maps.dependency import dependency_map
from darkregulome.seq2exp import mask as seq2exp
from enformers import full_tracks, load_enformer
from known_structures import variant_influence
from places import GOLDEN
from scans import selective_scan

GOLDEN = Path(os.environ.get("GOLDEN_DIR", GOLDEN))
CASES = sorted(path.parent for path in GOLDEN.glob("*/config.json"))

FLOOR = 2e-5
"""Smallest absolute tolerance."""


def test_there_are_golden_cases():
    assert CASES, f"no case folder under {GOLDEN}: set GOLDEN_DIR"


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_golden_case_is_reproduced(case):
    checks = {
        "caduceus": _check_caduceus,
        "hyenadna": _check_hyenadna,
        "enformer": _check_enformer,
        "bert": _check_specieslm,
        "ConvNet": _check_gpn,
        "GPN": _check_gpn,
        "selective_scan": _check_scan,
        "seq2exp": _check_seq2exp,
    }
    config = json.loads((case / "config.json").read_text())
    model_config = config
    if "model_case" in config:
        model_config = json.loads((case.parent / config["model_case"] / "config.json").read_text())
    kind = model_config.get("model_type") or model_config.get("kind")
    if config and all(isinstance(group, dict) and "marginal_mean" in group for group in config.values()):
        kind = "seq2exp"
    check = checks.get(kind)
    if model_config is not config:
        check = _check_enformer_edits if kind == "enformer" else _check_dependency
    if check is None:
        pytest.fail(f"{case}: no loader knows this case (kind {kind!r})")
    with torch.inference_mode():
        check(case)


def _arrays(case):
    return np.load(case / "input.npz"), np.load(case / "expected.npz")


def _tolerance(expected, name):
    wide = name.replace("logits_", "logits64_").replace("tracks_", "tracks64_")
    if wide == name or wide not in expected.files:
        return FLOOR
    return max(FLOOR, 2 * float(np.abs(expected[wide] - expected[name]).max()))


def _assert_close(found, expected, name, tolerance=None):
    error = np.abs(np.asarray(found) - expected[name]).max()
    allowed = _tolerance(expected, name) if tolerance is None else tolerance
    assert error <= allowed, f"{name}: off by {error:.2g}, {allowed:.2g} allowed"


def _check_tokens(inputs):
    for key in inputs.files:
        if key.startswith("seqs_"):
            ids = inputs[f"input_ids_{key[5:]}"]
            found = letters.CHARACTERS.tokenize([str(sequence) for sequence in inputs[key]]).numpy()
            np.testing.assert_array_equal(found, ids[:, : found.shape[1]])
            assert (ids[:, found.shape[1] :] == letters.SEP).all()
    if "tok_string" in inputs.files:
        found = letters.CHARACTERS.tokenize([str(inputs["tok_string"][0])]).numpy()
        np.testing.assert_array_equal(found, inputs["tok_ids"])


def _check_language_model(network, inputs, expected):
    for key in (key for key in inputs.files if key.startswith("input_ids_")):
        tag, tokens = key.removeprefix("input_ids_"), torch.from_numpy(inputs[key])
        _assert_close(network(tokens), expected, f"logits_{tag}")
        if f"hidden_{tag}" in expected.files:
            _assert_close(_golden_hidden(network, tokens), expected, f"hidden_{tag}")


def _golden_hidden(network, tokens):
    """The last hidden state; for the unfused Caduceus-PS the one that enters the last block.

    There the official code leaves the normed state out of its list of hidden states, and the golden vector is the last
    of that list: the output of the last mixer but one. The logits are those of the whole network, all the same.
    """
    config = network.config
    if isinstance(config, CaduceusConfig) and config.rcps and not config.fused_add_norm:
        backbone = network.caduceus.backbone
        hidden, residual = backbone.embeddings(tokens), None
        for layer in backbone.layers[:-1]:
            hidden, residual = layer(hidden, residual)
        return hidden
    return network.hidden(tokens)


def _caduceus(case, **changes):
    network = CaduceusForMaskedLM(CaduceusConfig(**(read_config(case) | changes))).eval()
    load_weights(network, case / "model.safetensors")
    return network


def _check_caduceus(case):
    inputs, expected = _arrays(case)
    network = _caduceus(case)
    _check_tokens(inputs)
    _check_language_model(network, inputs, expected)
    for key in (key for key in inputs.files if key.startswith("input_ids_rc_")):
        _check_equivariance(network, inputs, key)
    for key in (key for key in expected.files if key.startswith("wrong_unfused_logits_")):
        _check_exchange_matters(network, inputs, expected, key)


def _check_equivariance(network, inputs, key):
    tokens = torch.from_numpy(inputs[key.replace("_rc_", "_")])
    complement = torch.tensor([letters.CHARACTERS.complement.get(i, i) for i in range(network.config.vocab_size)])
    assert torch.equal(complement[tokens.flip(1)], torch.from_numpy(inputs[key]))
    forward, reverse = network(tokens), network(complement[tokens.flip(1)])
    assert (reverse - forward.flip(1)[..., complement]).abs().max() <= FLOOR


def _check_exchange_matters(network, inputs, expected, key):
    """The unfused branch on fused weights is another function: it must give the control's logits, not the case's."""
    tag = key.removeprefix("wrong_unfused_logits_")
    tokens = torch.from_numpy(inputs[f"input_ids_{tag}"])
    for layer in network.caduceus.backbone.layers:
        layer.exchange = False
    wrong = network(tokens).numpy()
    for layer in network.caduceus.backbone.layers:
        layer.exchange = True
    assert np.abs(wrong - expected[key]).max() <= _tolerance(expected, f"logits_{tag}")
    assert np.abs(wrong - expected[f"logits_{tag}"]).max() > 1


def _check_hyenadna(case):
    inputs, expected = _arrays(case)
    network = HyenaDNAForCausalLM(HyenaConfig(**read_config(case))).eval()
    load_weights(network, case / "model.safetensors")
    _check_tokens(inputs)
    _check_language_model(network, inputs, expected)
    _check_language_model(network, inputs, expected)  # again, from the cached filters


def _check_gpn(case):
    inputs, expected = _arrays(case)
    model = load_model("gpn", weights=case)
    for key in (key for key in inputs.files if key.startswith("seqs_")):
        ids = inputs[f"input_ids_{key[5:]}"]
        # A letter that no alphabet has stands for [MASK], which is one token.
        found = model.encode([str(sequence).replace("[MASK]", "-") for sequence in inputs[key]])
        np.testing.assert_array_equal(np.where(ids == letters.LOWER_CASE.mask, letters.LOWER_CASE.unknown, ids), found)
    _check_language_model(model.network, inputs, expected)
    with pysam.FastaFile(str(_indexed(case / "genome.fa"))) as genome:
        _check_variants(case, model, genome, int(inputs["window_size"]), "llr", _llr)
        _check_variants(case, model, genome, int(inputs["window_size_influence"]), "influence", _influence)


def _check_specieslm(case):
    inputs, expected = _arrays(case)
    model = _specieslm(case, str(inputs["species"][0]))
    k = int(inputs["k"])
    sequence = str(inputs["seqs"][0])
    tokens = model.encode([sequence])
    assert model.k == k
    np.testing.assert_array_equal(model.token_ids(tokens), inputs["input_ids"])
    logits = model.network(model.token_ids(tokens)).logits[0]
    _assert_close(logits[: len(expected["logits"])], expected, "logits")
    found = model.base_probabilities(tokens)[0].numpy()
    if k == 1:  # the original takes the softmax over the whole vocabulary there, and leaves the sum below 1
        whole = logits.softmax(-1)[2:-1, model.vocabulary.kmers].sum(-1, keepdim=True)
        found = found * whole.numpy()
    _assert_close(found, expected, "nt_probs", 1e-6)
    if "nt_probs_rolling_mask" in expected.files:
        sites = torch.arange(len(sequence))
        masked = model.mask(tokens.repeat(len(sequence), 1), sites)
        _assert_close(model.base_probabilities(masked)[sites, sites], expected, "nt_probs_rolling_mask", 1e-6)
    _check_dependency(case, model)


def _specieslm(case, species):
    """The model of a case; the registry names its species."""
    registry = Path(tempfile.mkdtemp()) / "models.yml"
    registry.write_text(json.dumps({"models": {"m": {"kind": "masked", "architecture": "bert", "species": species}}}))
    return load_model("m", weights=case, registry=registry)


def _indexed(fasta):
    """A copy of the FASTA beside which an index can be written."""
    copy = Path(tempfile.mkdtemp()) / fasta.name
    copy.write_bytes(fasta.read_bytes())
    return copy


def _check_variants(case, model, genome, window, column, score):
    """Scores of the official VEP scripts: the mean of both strands of a window in which N stands past the ends."""
    for variant in pd.read_table(case / f"variants_{column}.tsv").itertuples():
        site = variant.pos - 1
        start, end = site - window // 2, site + window // 2 + window % 2
        inside = genome.fetch(variant.chrom, max(start, 0), end)
        sequence = "N" * max(-start, 0) + inside + "N" * (end - start - max(-start, 0) - len(inside))
        reverse = reverse_complement(sequence)
        forward = score(model, sequence, window // 2, variant.ref, variant.alt)
        other = [reverse_complement(base) for base in (variant.ref, variant.alt)]
        backward = score(model, reverse, window - 1 - window // 2, *other)
        assert (forward + backward) / 2 == pytest.approx(getattr(variant, column), abs=FLOOR), variant
        if hasattr(variant, "llr_fwd"):
            assert forward == pytest.approx(variant.llr_fwd, abs=FLOOR)
            assert backward == pytest.approx(variant.llr_rev, abs=FLOOR)


def _llr(model, sequence, site, ref, alt):
    assert sequence[site].upper() == ref
    tokens = model.mask(model.encode([sequence]), torch.tensor([site]))
    log_probs = model.log_probs(tokens)[0, site]
    return (log_probs["ACGT".index(alt)] - log_probs["ACGT".index(ref)]).item()


def _influence(model, sequence, site, ref, alt):
    assert sequence[site].upper() == ref
    p = model.log_probs(model.encode([sequence, sequence[:site] + alt + sequence[site + 1 :]])).double().exp()
    odds = torch.log(p / (1 - p))
    change = (odds[0] - odds[1]).abs().amax(-1)
    return change[torch.arange(len(sequence)) != site].mean().item()


DEPENDENCY_TOLERANCE = 1e-4
"""The originals take 1 - p in float32, which costs digits where p is near 1: the map of specieslm_k1 is 6e-5 from the
one of the same network in float64, ours 1.4e-5."""


def _check_dependency(case, model=None):
    inputs, expected = _arrays(case)
    model = model or load_model("model", weights=case.parent / read_config(case)["model_case"])
    sequence = str(inputs["seqs"][0])
    tolerance = DEPENDENCY_TOLERANCE
    _assert_close(dependency_map(model, sequence), expected, "dep_map", tolerance)
    _assert_close(variant_influence(model, sequence), expected, "variant_influence", tolerance)
    if "dep_map_gpnstar" in expected.files:
        found = dependency_map(model, sequence, measure=lambda log_probs: log_probs)
        _assert_close(found, expected, "dep_map_gpnstar", tolerance)
        _assert_close((found + found.T) / 2, expected, "dep_map_gpnstar_sym", tolerance)


def _check_scan(case):
    inputs, expected = _arrays(case)
    for name in read_config(case)["cases"]:
        tensors = {
            key: torch.from_numpy(inputs[f"{key}_{name}"])
            for key in ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")
            if f"{key}_{name}" in inputs.files
        }
        softplus = bool(inputs[f"delta_softplus_{name}"])
        y, last = selective_scan(**tensors, softplus=softplus)
        for found, wanted in ((y, expected[f"y_{name}"]), (last, expected[f"last_state_{name}"])):
            assert np.abs(found.numpy() - wanted).max() <= 1e-5 * np.abs(wanted).max(), name


def _enformer(case, context, head="human", use_tf_gamma=None):
    config = read_config(case)
    network = load_enformer(config, case / "model.safetensors", use_tf_gamma)
    tracks = {f"track_{index}": index for index in range(config["output_heads"][head])}
    return EnformerModel(case.name, network, context=context, tracks=tracks, head=head)


def _at_tss(tracks, model, target_length):
    """Mean over the bins of the TSS, from cropped tracks (batch, target bins, tracks)."""
    first = (model.bins - target_length) // 2
    return tracks[:, [index - first for index in model.tss_bins]].mean(1)


ENFORMER_TOLERANCE = 6e-5
"""Twice the README's distance from float64, 2.7e-5; its own noise between batch sizes is up to 3e-5."""


def _enformer_tolerance(values):
    """The same share of larger tracks: the case's are up to 13."""
    return max(ENFORMER_TOLERANCE, 5e-6 * float(np.abs(values).max()))


def _check_enformer(case):
    inputs, expected = _arrays(case)
    sequences = [str(sequence) for sequence in inputs["seqs"]]
    for key in (key for key in expected.files if "tracks_" in key):
        wrong, _, head = key.rpartition("tracks_")
        model = _enformer(case, len(sequences[0]), head, use_tf_gamma=False if wrong else None)
        tolerance = _enformer_tolerance(expected[key])
        _assert_close(full_tracks(model.network, sequences, head), expected, key, tolerance)
        for sequence, tracks in zip(sequences, expected[key], strict=True):
            wanted = _at_tss(tracks[None], model, model.network.config.target_length)[0]
            assert np.abs(model.tss_tracks(sequence).numpy() - wanted).max() <= tolerance
    if "conv_tower" in expected.files:
        tolerance = _enformer_tolerance(expected["conv_tower"])
        _assert_close(model.conv_tower(sequences), expected, "conv_tower", tolerance)


def _check_enformer_edits(case):
    inputs, expected = _arrays(case)
    sequences = [str(sequence) for sequence in inputs["seqs"]]
    model = _enformer(case.parent / read_config(case)["model_case"], len(sequences[0]))
    spans = list(zip(inputs["edit_start"].tolist(), inputs["edit_end"].tolist(), strict=True))[1:]
    state = model.reference_state(sequences[0])
    wanted = _at_tss(expected["tracks_human"], model, model.network.config.target_length)
    found = model.edited_tss_tracks(state, sequences[1:], spans).numpy()
    tolerance = _enformer_tolerance(expected["tracks_human"])
    assert np.abs(model.tss_tracks(sequences[0], state).numpy() - wanted[0]).max() <= tolerance
    assert np.abs(found - wanted[1:]).max() <= tolerance
    spliced = model._splice(state.tower, sequences[1:], spans)
    _assert_close(spliced, {"t": expected["conv_tower"][1:]}, "t", _enformer_tolerance(expected["conv_tower"]))
    for row, span in enumerate(spans, start=1):
        low, high = model.changed_bins(span)
        changed = expected[f"changed_bins_{row}"]
        assert low <= changed.min()
        assert changed.max() < high


def _check_seq2exp(case):
    inputs, expected = _arrays(case)
    logits, signals = torch.from_numpy(inputs["logits"]), torch.from_numpy(inputs["signals"])
    for name, given in read_config(case).items():
        settings = _published_mask(given)
        found = {"seq": seq2exp.sequence_beta(logits, settings.floor)}
        each = seq2exp.signal_beta(signals, settings.signal_betas, settings.floor, settings.signal_scale)
        for index in range(signals.shape[-1]):
            found[f"prior{index}"] = torch.distributions.Beta(
                each.concentration1[..., index], each.concentration0[..., index]
            )
        mask = seq2exp.mask_beta(logits, signals, settings)
        found["z"] = mask
        mean = mask.mean * given["z_scale"]
        for key, beta in found.items():
            for part, values in (("alpha", beta.concentration1), ("beta", beta.concentration0)):
                if f"{name}__{key}_{part}" in expected.files:
                    _assert_relative(values, expected, f"{name}__{key}_{part}")
        _assert_relative(mean, expected, f"{name}__mean_z")
        kl = seq2exp.kl_loss(mask, signals, settings)
        _assert_relative(kl, expected, f"{name}__kl_loss")
        masks = {
            "soft": mean,
            "hard": seq2exp.hard_mask(mean, settings.threshold),
            "top": seq2exp.top_mask(mean, given["test_top_percent"]),
        }
        for kind, values in masks.items():
            kept = seq2exp.keep_centre(values, settings.centre)
            _assert_relative(kept, expected, f"{name}__mask_{kind}")
            steps = seq2exp.continuity(kept)
            _assert_relative(steps, expected, f"{name}__continuity_{kind}")
            total, prediction = seq2exp.total_loss(
                torch.from_numpy(inputs["pred"]),
                torch.from_numpy(inputs["target"]),
                kl,
                steps,
                given["kl_loss_weight"],
                given["continuity_weight"],
            )
            _assert_relative(prediction, expected, f"{name}__pred_loss")
            _assert_relative(total, expected, f"{name}__total_loss_{kind}")


def _published_mask(given):
    """Our settings for one configuration of the published implementation."""
    prior_beta = given["marginal_scale"] * (1 - given["marginal_mean"]) / given["marginal_mean"]
    return seq2exp.MaskSettings(
        combination="published" if given["decouple_x"] else "sequence",
        floor=given["beta_min"],
        signal_scale=given["prior_scale_factor"],
        signal_weights=[float(weight) for weight in given["prior_weight"].split(",")],
        signal_betas=[float(beta) for beta in given["prior_beta"].split(",")],
        prior=(given["marginal_scale"], prior_beta),
        threshold=given["sample_threshold"],
        centre=given["center_len"],
    )


def _assert_relative(found, expected, name):
    """Within 2e-6 of the value: five times the case's distance between float32 and float64."""
    np.testing.assert_allclose(np.asarray(found), expected[name], rtol=2e-6, atol=1e-7, err_msg=name)
