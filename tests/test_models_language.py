"""Laws that a language model must obey, whatever its weights."""

import math

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from darkregulome.errors import InputError
from darkregulome.models import letters
from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, RcpsEmbedding
from darkregulome.models.checkpoint import save_checkpoint
from darkregulome.models.hyenadna import HyenaConfig, HyenaDNAForCausalLM
from darkregulome.models.language import UNIFORM, LetterLanguageModel
from darkregulome.models.protocol import LanguageModel
from darkregulome.models.registry import load_model

SEQUENCE = "ACGTTGCATTAGGCCATACCGATTACAGATTTACGGA"
COMPLEMENTED = SEQUENCE.translate(str.maketrans("ACGT", "TGCA"))[::-1]


def caduceus(**changes):
    settings = {"d_model": 16, "n_layer": 2, "ssm_cfg": {"d_state": 4}} | changes
    network = CaduceusForMaskedLM(CaduceusConfig(**settings))
    # Wider weights than at the start of a training, so that the laws are tested on a function that does something.
    embedding = network.caduceus.backbone.embeddings.word_embeddings
    torch.nn.init.normal_((embedding.embedding if isinstance(embedding, RcpsEmbedding) else embedding).weight)
    return network.eval()


def hyena(**changes):
    settings = {"d_model": 16, "n_layer": 2, "max_seq_len": 66, "filter_order": 8, "activation_freq": 10} | changes
    network = HyenaDNAForCausalLM(HyenaConfig(**settings))
    for name, parameter in network.named_parameters():
        if name.endswith("weight") and parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


@pytest.fixture(params=["ph", "ps", "ps_unfused", "hyena"])
def model(request):
    torch.manual_seed(1)
    if request.param == "hyena":
        return LetterLanguageModel("hyena", hyena(), kind="causal", context=66, alphabet=letters.CHARACTERS)
    rcps = request.param != "ph"
    network = caduceus(rcps=rcps, fused_add_norm=request.param != "ps_unfused")
    return LetterLanguageModel(request.param, network, kind="masked", context=128, equivariant=rcps)


def test_model_has_what_the_engine_asks_for(model):
    assert isinstance(model, LanguageModel)
    tokens = model.encode([SEQUENCE, SEQUENCE.lower()])
    log_probs = model.log_probs(tokens)
    assert log_probs.shape == (2, len(SEQUENCE), 4)
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(2, len(SEQUENCE)))
    torch.testing.assert_close(log_probs[0], log_probs[1], rtol=0, atol=1e-5)
    channels = 32 if model.name.startswith("ps") else 16
    assert model.hidden(tokens).shape == (2, len(SEQUENCE), channels)


def test_equivariant_model_gives_the_reverse_complement_of_its_answer(model):
    forward = model.log_probs(model.encode([SEQUENCE]))
    reverse = model.log_probs(model.encode([COMPLEMENTED])).flip((1, 2))
    assert torch.allclose(forward, reverse, atol=1e-4) == model.equivariant


def test_masked_site_does_not_see_its_own_base(model):
    if model.kind != "masked":
        with pytest.raises(ValueError, match="no \\[MASK\\]"):
            model.mask(model.encode([SEQUENCE]), torch.tensor([0]))
        return
    site, others = 11, [SEQUENCE[:11] + base + SEQUENCE[12:] for base in "ACGT"]
    tokens = model.encode(others)
    masked = model.mask(tokens, torch.full((4,), site))
    assert (tokens[:, site] != letters.MASK).all()
    at_site = model.log_probs(masked)[:, site]
    torch.testing.assert_close(at_site, at_site[:1].expand(4, -1), rtol=0, atol=1e-5)
    assert not torch.allclose(model.log_probs(tokens)[0, site], at_site[0], atol=1e-3)


def test_causal_model_predicts_a_base_from_those_before_it():
    torch.manual_seed(1)
    model = LetterLanguageModel("hyena", hyena(), kind="causal", context=66)
    changed = SEQUENCE[:11] + ("A" if SEQUENCE[11] != "A" else "C") + SEQUENCE[12:]
    before, after = model.log_probs(model.encode([SEQUENCE, changed]))
    torch.testing.assert_close(before[:12], after[:12], rtol=0, atol=1e-4)
    assert (before[12] - after[12]).abs().max() > 1e-3
    torch.testing.assert_close(before[0], torch.full((4,), math.log(0.25)))
    assert math.log(0.25) == UNIFORM


def test_tokens_are_the_official_ones():
    tokens = letters.CHARACTERS.tokenize(["ACGTNacgtnRY-"])[0].tolist()
    assert tokens == [7, 8, 9, 10, 11, 7, 8, 9, 10, 11, 6, 6, 6]
    assert letters.CHARACTERS.reading_n_as("pad").tokenize(["AN"])[0].tolist() == [7, 4]


PLANT = {
    "model_type": "caduceus",
    "architectures": ["Caduceus"],
    "d_model": 16,
    "n_layer": 2,
    "vocab_size": 8,
    "ssm_cfg": {"d_state": 4},
    "rcps": True,
    "residual_in_fp32": True,
    "complement_map": {"0": 0, "1": 1, "2": 2, "3": 6, "4": 5, "5": 4, "6": 3, "7": 7},
}


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
def test_plant_caduceus_reads_lower_case_letters_and_is_equivariant(tmp_path, bare, mapped):
    """PlantCaduceus: PS with the vocabulary of GPN; its files are of the network with the head, or of the bare one."""
    torch.manual_seed(1)
    fields = PLANT if mapped else {name: value for name, value in PLANT.items() if name != "complement_map"}
    network = caduceus(**fields)
    save_checkpoint(network, fields, tmp_path / "plant")
    if bare:
        tensors = load_file(tmp_path / "plant" / "model.safetensors")
        tensors = {k.removeprefix("caduceus."): v for k, v in tensors.items() if k.startswith("caduceus.")}
        save_file(tensors, tmp_path / "plant" / "model.safetensors")
    model = load_model("plant", weights=tmp_path / "plant")
    assert model.encode(["ACGTacgtNR"])[0].tolist() == [3, 4, 5, 6, 3, 4, 5, 6, 2, 2]
    tokens = model.encode([SEQUENCE])
    assert model.mask(tokens, torch.tensor([4]))[0, 4] == 1
    with torch.inference_mode():
        torch.testing.assert_close(model.log_probs(tokens), network(tokens)[..., 3:7].log_softmax(-1))
    reverse = model.log_probs(model.encode([COMPLEMENTED])).flip((1, 2))
    torch.testing.assert_close(model.log_probs(tokens), reverse, rtol=0, atol=1e-4)
    assert model.equivariant


def test_sequences_of_several_lengths_are_refused():
    with pytest.raises(letters.InputError, match="lengths"):
        letters.CHARACTERS.tokenize(["ACG", "AC"])


def test_tied_projections_run_once_equal_two_full_mambas():
    torch.manual_seed(0)
    tied = caduceus()
    untied = caduceus(bidirectional_weight_tie=False)
    untied.load_state_dict(tied.state_dict())
    tokens = letters.CHARACTERS.tokenize([SEQUENCE])
    torch.testing.assert_close(tied(tokens), untied(tokens), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bidirectional_weight_tie": False},
        {"bidirectional": False},
        {"bidirectional_strategy": "ew_multiply"},
        {"rms_norm": False, "residual_in_fp32": True},
    ],
)
def test_caduceus_without_a_gradient_equals_caduceus_with_one(changes):
    torch.manual_seed(0)
    network, tokens = caduceus(**changes), letters.CHARACTERS.tokenize([SEQUENCE])
    with torch.inference_mode():
        inferred = network(tokens)
    torch.testing.assert_close(inferred, network(tokens).detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("changes", [{"residual_in_fp32": True}, {"rms_norm": False}, {"bidirectional": False}])
def test_other_settings_of_caduceus_run(changes):
    assert caduceus(**changes)(letters.CHARACTERS.tokenize([SEQUENCE])).isfinite().all()


def test_fresh_mamba_starts_as_published():
    torch.manual_seed(0)
    config = CaduceusConfig(d_model=32, n_layer=2, ssm_cfg={"d_state": 8})
    for block in CaduceusForMaskedLM(config).caduceus.backbone.layers:
        for mamba in (block.mixer.mamba_fwd, block.mixer.mamba_rev):
            torch.testing.assert_close(mamba.A_log.exp(), torch.arange(1.0, 9).expand(64, 8))
            assert (mamba.D == 1).all()
            step = F.softplus(mamba.dt_proj.bias)
            assert 0.00099 < step.min() < step.max() < 0.101


def test_fresh_hyena_has_the_published_positions_and_decays():
    config = HyenaConfig(d_model=8, n_layer=1, max_seq_len=100)
    filters = HyenaDNAForCausalLM(config).hyena.backbone.layers[0].mixer.filter_fn
    t = torch.arange(100) / 99
    torch.testing.assert_close(filters.pos_emb.t[0, :, 0], t)
    angle = 2 * math.pi * torch.arange(100) / 100
    torch.testing.assert_close(filters.pos_emb.z[0, :, 1], torch.cos(1e-4 * angle))
    torch.testing.assert_close(filters.pos_emb.z[0, :, 4], -torch.sin(angle), rtol=1e-4, atol=1e-5)
    reached = torch.exp(-filters.modulation.deltas.abs().flatten())
    assert reached[0] == pytest.approx(0.01 ** (1 / 1.5))
    assert reached[-1] == pytest.approx(0.01 ** (1 / 0.3))


def test_cached_filters_follow_the_weights():
    torch.manual_seed(0)
    network, other, tokens = hyena(), hyena(), letters.CHARACTERS.tokenize([SEQUENCE])
    with torch.inference_mode():
        first = network(tokens)
        torch.testing.assert_close(network(tokens), first, rtol=0, atol=0)
        assert network.hyena.backbone.layers[0].mixer.filter_fn._spectra
    network.load_state_dict(other.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(network(tokens), other(tokens))
        assert not torch.allclose(network(tokens), first, atol=1e-3)
    assert not network.train().hyena.backbone.layers[0].mixer.filter_fn._spectra


@pytest.mark.parametrize("name", ["caduceus", "hyena"])
def test_fresh_network_learns(name):
    torch.manual_seed(0)
    if name == "caduceus":
        network = CaduceusForMaskedLM(CaduceusConfig(d_model=16, n_layer=2, ssm_cfg={"d_state": 4}))
    else:
        network = HyenaDNAForCausalLM(HyenaConfig(d_model=16, n_layer=2, max_seq_len=66, embed_dropout=0.0))
    tokens = letters.CHARACTERS.tokenize([("ACGT" * 16)[i : i + 48] for i in range(4)])
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(20):
        if name == "caduceus":
            masked = tokens.masked_fill(torch.rand(tokens.shape) < 0.3, letters.MASK)
            loss = F.cross_entropy(network(masked).flatten(0, 1), tokens.flatten())
        else:
            loss = F.cross_entropy(network(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert losses[-1] < losses[0] / 2


def test_bf16_is_near_fp32_but_not_it():
    torch.manual_seed(0)
    network = caduceus()
    exact, rounded = (
        LetterLanguageModel("m", network, kind="masked", context=64, precision=precision)
        for precision in ("fp32", "bf16")
    )
    tokens = exact.encode([SEQUENCE])
    difference = (exact.log_probs(tokens) - rounded.log_probs(tokens)).abs().max()
    assert 0 < difference < 0.5


@pytest.mark.parametrize("change", [{7: 7, 10: 10}, {7: 99}])
def test_an_equivariant_model_whose_complement_is_not_that_of_dna_is_refused(tmp_path, change):
    config = CaduceusConfig(d_model=8, n_layer=1, rcps=True)
    save_checkpoint(CaduceusForMaskedLM(config), config, tmp_path / "m")
    tensors = load_file(tmp_path / "m" / "model.safetensors")
    for name in tensors:
        if name.endswith("complement_map"):
            for token, complement in change.items():
                tensors[name][token] = complement
    save_file(tensors, tmp_path / "m" / "model.safetensors")
    with pytest.raises(InputError, match=r"has a `complement_map` .* does not exchange A with T and C with G"):
        load_model("mine", weights=tmp_path / "m")
