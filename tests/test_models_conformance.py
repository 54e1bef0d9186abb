"""Laws of models/protocol.py, for every architecture: what the engine takes for granted of a model."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from darkregulome.edits.settings import Settings
from darkregulome.edits.windows import centred_window, tiles
from darkregulome.genome.sequence import reverse_complement
from darkregulome.models.architecture import architecture_names
from darkregulome.models.protocol import LanguageModel, OutputModel
from element_runs import score_loci
from random_models import LANGUAGE_MODELS, OUTPUT_MODELS, MemoryGenome, make_model

LENGTH = 67  # odd, and no multiple of any k


def random_dna(length, seed=0):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


SEQUENCE, OTHER = random_dna(LENGTH), random_dna(LENGTH, 1)
NOISE = 2e-5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module", params=LANGUAGE_MODELS)
def language_model(request, folder):
    return make_model(request.param, folder)


@pytest.fixture(scope="module", params=OUTPUT_MODELS)
def output_model(request, folder):
    return make_model(request.param, folder)


def read(model, *sequences):
    return model.log_probs(model.encode(sequences))


def changed(sequence, site):
    """`sequence` with another base at `site`."""
    return sequence[:site] + "CGTA"["ACGT".index(sequence[site])] + sequence[site + 1 :]


def test_every_architecture_is_tested(folder):
    tested = {name.partition("_")[0] for name in (*LANGUAGE_MODELS, *OUTPUT_MODELS)} | {"mpra_dragonn", "caduceus"}
    assert set(architecture_names()) <= tested


def test_distributions_are_normalised_at_every_base(language_model):
    assert isinstance(language_model, LanguageModel)
    found = read(language_model, SEQUENCE, OTHER)
    assert found.shape == (2, LENGTH, 4)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(2, LENGTH))
    assert found.std(dim=1).mean() > 0.05, "the random weights make no function worth testing"


def test_tokens_have_the_shape_of_the_sequences(language_model):
    tokens = language_model.encode([SEQUENCE, OTHER])
    assert (tokens.shape, tokens.dtype) == ((2, LENGTH), torch.int64)


def test_hidden_state_is_one_vector_a_base(language_model):
    hidden = language_model.hidden(language_model.encode([SEQUENCE, OTHER]))
    assert hidden.shape[:2] == (2, LENGTH)
    assert hidden.dtype == torch.float32
    assert (hidden[0] - hidden[1]).abs().max() > 1e-3


def test_lower_case_reads_as_upper_case(language_model):
    torch.testing.assert_close(read(language_model, SEQUENCE.lower()), read(language_model, SEQUENCE), rtol=0, atol=0)


@pytest.mark.parametrize("letters", ["N" * LENGTH, SEQUENCE[:20] + "N" * 9 + SEQUENCE[29:], "RYKMSWN" + SEQUENCE[7:]])
def test_unknown_letters_are_read(language_model, letters):
    found = read(language_model, letters)
    assert found.isfinite().all()
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(1, LENGTH))
    assert language_model.hidden(language_model.encode([letters])).isfinite().all()


def test_a_sequence_reads_the_same_in_any_batch(language_model):
    batch = [OTHER, SEQUENCE, "N" * 5 + SEQUENCE[5:], OTHER[:30] + "N" + OTHER[31:]]
    together = read(language_model, *batch)
    for sequence, found in zip(batch, together, strict=True):
        torch.testing.assert_close(read(language_model, sequence)[0], found, rtol=0, atol=NOISE)


@pytest.mark.parametrize("site", [0, 1, 5, 33, LENGTH - 1])
def test_masked_site_does_not_see_its_own_base(language_model, site):
    others = [SEQUENCE[:site] + base + SEQUENCE[site + 1 :] for base in "ACGT"]
    tokens = language_model.encode(others)
    if language_model.kind == "causal":
        with pytest.raises(ValueError, match=r"no \[MASK\]"):
            language_model.mask(tokens, torch.tensor([site]))
        return
    before = tokens.clone()
    masked = language_model.mask(tokens, torch.full((4,), site))
    assert torch.equal(tokens, before)
    at_site = language_model.log_probs(masked)[:, site]
    torch.testing.assert_close(at_site, at_site[:1].expand(4, -1), rtol=0, atol=NOISE)
    rows = language_model.mask(tokens[:2], torch.tensor([site, 20]))
    torch.testing.assert_close(
        language_model.log_probs(rows)[0], language_model.log_probs(masked)[0], rtol=0, atol=NOISE
    )
    neighbour = site + 1 if site < 40 else site - 1
    near = language_model.mask(language_model.encode([changed(SEQUENCE, neighbour)]), torch.tensor([site]))
    if 5 <= site < LENGTH - 5:  # nearer to an end the masked k-mers can hold the neighbour too
        assert (language_model.log_probs(near)[0, site] - at_site[0]).abs().max() > 1e-4


@pytest.mark.parametrize("site", [3, 20, LENGTH - 2])
def test_causal_prediction_depends_on_earlier_bases_alone(language_model, site):
    if language_model.kind != "causal":
        pytest.skip("a masked model")
    before, after = read(language_model, SEQUENCE, changed(SEQUENCE, site))
    torch.testing.assert_close(before[: site + 1], after[: site + 1], rtol=0, atol=5 * NOISE)
    assert (before[site + 1 :] - after[site + 1 :]).abs().max() > 1e-4
    torch.testing.assert_close(before[0], torch.full((4,), math.log(0.25)))


@pytest.mark.parametrize("length", [60, LENGTH])
def test_nothing_is_known_of_the_first_base_of_a_causal_model(language_model, length):
    if language_model.kind != "causal":
        pytest.skip("a masked model")
    first = read(language_model, SEQUENCE[:length])[0, 0]
    torch.testing.assert_close(first, torch.full((4,), math.log(0.25)))


def test_equivariance_is_claimed_where_it_holds(language_model):
    forward = read(language_model, SEQUENCE)
    reverse = read(language_model, reverse_complement(SEQUENCE)).flip((1, 2))
    assert torch.allclose(forward, reverse, atol=1e-4) == language_model.equivariant


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_half_precision_gives_about_the_same_in_float32(name, tmp_path):
    model = make_model(name, tmp_path, precision="bf16")
    tokens = model.encode([SEQUENCE, OTHER])
    if model.kind == "masked":
        tokens = model.mask(tokens, torch.tensor([20, 30]))
    found, model.precision = model.log_probs(tokens), "fp32"
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(2, LENGTH), rtol=0, atol=1e-3)
    assert (found.exp() - model.log_probs(tokens).exp()).abs().mean() < 0.02


def test_longest_window_is_read(language_model):
    letters = random_dna(language_model.context, 5)
    assert read(language_model, letters).isfinite().all()


def test_language_model_goes_through_the_engine(language_model):
    """Effects at sampled sites equal those of single windows, each read alone, on both strands."""
    genome = MemoryGenome(random_dna(300, 3))
    elements = pd.DataFrame({"element": ["e"], "locus": ["L"], "chrom": ["c"], "start": [140], "end": [170]})
    window = 41
    scores = score_loci(language_model, elements, None, genome, Settings(window=window, sites=3))
    assert scores.reference["status"].tolist() == ["ok"]
    assert len(scores.effects) == (9 if language_model.kind == "masked" else 3)
    for row in scores.effects.itertuples():
        naive = _masked_effect if language_model.kind == "masked" else _causal_effect
        assert row.effect == pytest.approx(naive(language_model, genome, row, elements.iloc[0], window), abs=3e-4)


def _masked_effect(model, genome, row, element, window):
    sequence = genome.fetch("c", row.start - window // 2, row.start + window // 2 + 1)
    total = 0.0
    for letters, alt, ref in (
        (sequence, row.alt, row.ref),
        (reverse_complement(sequence), reverse_complement(row.alt), reverse_complement(row.ref)),
    ):
        tokens = model.mask(model.encode([letters]), torch.tensor([window // 2]))
        found = model.log_probs(tokens)[0, window // 2]
        total += (found["ACGT".index(alt)] - found["ACGT".index(ref)]).item() / 2
    return total


def _causal_effect(model, genome, row, element, window):
    # An element longer than half the window is read in tiles.
    first, last = next(
        (element.start + a, element.start + b)
        for a, b in tiles(element.end - element.start, window)
        if element.start + a <= row.start < element.start + b
    )
    start, end = centred_window(first, last, window)
    sequence = genome.fetch("c", start, end)
    edited = sequence[: row.start - start] + row.alt + sequence[row.start - start + 1 :]
    total = 0.0
    for before, after in ((sequence, edited), (reverse_complement(sequence), reverse_complement(edited))):
        total += (_log_likelihood(model, after) - _log_likelihood(model, before)) / 2
    return total


def _log_likelihood(model, sequence):
    found = read(model, sequence)[0].double()
    return sum(found[i, "ACGT".index(base)].item() for i, base in enumerate(sequence))


def test_output_model_reads_its_window(output_model):
    assert isinstance(output_model, OutputModel)
    sequence = random_dna(output_model.context, 2)
    tracks = output_model.tss_tracks(sequence)
    assert tracks.shape == (len(output_model.tracks),)
    assert tracks.isfinite().all()
    assert 0 <= output_model.tss_offset < output_model.context
    torch.testing.assert_close(output_model.tss_tracks(sequence.lower()), tracks)
    with pytest.raises(ValueError, match="bases, not"):
        output_model.tss_tracks(sequence[1:])


def test_edited_windows_read_as_they_do_alone(output_model):
    sequence = random_dna(output_model.context, 2)
    state = output_model.reference_state(sequence)
    torch.testing.assert_close(output_model.tss_tracks(sequence, state), output_model.tss_tracks(sequence))
    middle, end = output_model.context // 2, output_model.context
    spans = [(0, 3), (middle - 5, middle + 9), (end - 2, end)]
    edited = [sequence[:a] + "A" * (b - a) + sequence[b:] for a, b in spans]
    found = output_model.edited_tss_tracks(state, edited, spans)
    for letters, tracks in zip(edited, found, strict=True):
        torch.testing.assert_close(output_model.tss_tracks(letters), tracks, rtol=1e-4, atol=NOISE)
    assert (found[1] - output_model.tss_tracks(sequence)).abs().max() > 1e-6


def test_output_model_goes_through_the_engine(output_model):
    middle = 30_000
    genome = MemoryGenome(random_dna(60_000, 3))
    elements = pd.DataFrame(
        {"element": ["near", "far"], "locus": "L", "chrom": "c", "start": [middle - 20, 10], "end": [middle + 20, 90]}
    )
    loci = pd.DataFrame({"locus": ["L"], "chrom": ["c"], "tss": [middle], "strand": ["+"]})
    scores = score_loci(output_model, elements, loci, genome, Settings(perturbation="mask"))
    assert scores.reference.set_index("element")["status"].to_dict() == {"near": "ok", "far": "outside_context"}
    (row,) = scores.effects.itertuples()
    start = middle - output_model.tss_offset
    sequence = genome.fetch("c", start, start + output_model.context)
    edited = sequence[: row.start - start] + "N" * 40 + sequence[row.end - start :]
    before, after = (output_model.tss_tracks(letters).double() for letters in (sequence, edited))
    wanted = (after - before) * math.log2(10) if output_model.log_outputs else torch.log2((after + 1) / (before + 1))
    assert row.effect == pytest.approx(wanted.mean().item(), abs=1e-4)
