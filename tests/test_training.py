"""The trainers: what they draw, what they mask, and that the loss falls."""

import json

import numpy as np
import pytest
import torch

from darkregulome.errors import InputError
from darkregulome.genome.bases import N_CODE, base_codes, letters_of_codes, reverse_complement_codes
from darkregulome.models import letters
from darkregulome.models.letters import MASK, A
from darkregulome.training.build import language_of
from darkregulome.training.lm import (
    IGNORE,
    Corpus,
    HeldOut,
    LanguageTask,
    codes_to_tokens,
    is_useless,
    loss_per_base,
    mask_tokens,
    next_tokens,
    train_language_model,
    verdict,
)
from darkregulome.training.markov import fit_markov, markov_loss
from darkregulome.training.schedule import Budget
from darkregulome.training.settings import EnformerTraining, LanguageTraining
from darkregulome.training.windows import WindowSampler, evenly_spaced_windows, one_hot, read_repeats, split_contigs
from script_runner import run_script


def repeated_genome(length: int = 20_000) -> dict[str, np.ndarray]:
    """Two contigs tiled with one 16-bp word between random bases: easy to predict, if one looks."""
    rng = np.random.default_rng(0)
    word = base_codes("ACGTTGCAAGGCTTAC")
    contigs = {}
    for name in ("chr1", "chr2"):
        spacer = rng.integers(0, 4, (length // 20, 4), dtype=np.uint8)
        contigs[name] = np.concatenate([np.broadcast_to(word, (length // 20, 16)), spacer], axis=1).ravel()
    return contigs


def test_encoding_knows_case_and_turns_every_other_letter_into_n():
    assert base_codes("ACGTacgtNRx").tolist() == [0, 1, 2, 3, 0, 1, 2, 3, N_CODE, N_CODE, N_CODE]
    assert base_codes("AUug").tolist() == [0, N_CODE, N_CODE, 2]
    assert base_codes("AUug", rna=True).tolist() == [0, 3, 3, 2]
    assert letters_of_codes(base_codes("acgtR")) == "ACGTN"


def test_codes_and_letters_are_one_hot_alike():
    sequences = ["ACGTNRacgtn", "TTTTTTTTTTT"]
    codes = np.stack([base_codes(sequence) for sequence in sequences])
    assert torch.equal(one_hot(codes), letters.one_hot(sequences))
    assert one_hot(codes).dtype == torch.float32


def test_reverse_complement_is_an_involution_and_keeps_n():
    codes = base_codes("ACCGTN")
    assert reverse_complement_codes(codes).tolist() == base_codes("NACGGT").tolist()
    assert (reverse_complement_codes(reverse_complement_codes(codes)) == codes).all()


def test_sampled_windows_are_cuts_of_the_genome_on_either_strand():
    codes = {"chr1": np.random.default_rng(1).integers(0, 4, 500, dtype=np.uint8)}
    text = codes["chr1"].tobytes()
    other = reverse_complement_codes(codes["chr1"]).tobytes()
    windows = WindowSampler(codes, 40, np.random.default_rng(2)).draw(60)
    forward = [window.tobytes() in text for window in windows]
    reverse = [window.tobytes() in other for window in windows]
    assert all(a or b for a, b in zip(forward, reverse, strict=True))
    assert any(forward)
    assert any(reverse)


def test_windows_of_n_are_never_drawn():
    codes = {"chr1": np.concatenate([np.full(1000, N_CODE, np.uint8), np.zeros(200, np.uint8)])}
    windows = WindowSampler(codes, 50, np.random.default_rng(0)).draw(30)
    assert ((windows == N_CODE).mean(axis=1) <= 0.1).all()
    assert (evenly_spaced_windows(codes, 50, 10) != N_CODE).all()


def test_masking_hides_eighty_percent_of_fifteen_percent_and_never_a_pad():
    tokens = codes_to_tokens(np.random.default_rng(0).integers(0, 5, (64, 512), dtype=np.uint8))
    inputs, targets = mask_tokens(tokens, torch.Generator().manual_seed(0))
    is_target = targets != IGNORE
    known = tokens >= A
    assert not (is_target & ~known).any()
    assert float(is_target.sum() / known.sum()) == pytest.approx(0.15, abs=0.01)
    assert float((inputs[is_target] == MASK).float().mean()) == pytest.approx(0.8, abs=0.02)
    assert (inputs[~is_target] == tokens[~is_target]).all()
    assert (targets[is_target] == tokens[is_target]).all()


def test_a_causal_target_is_the_next_base():
    tokens = codes_to_tokens(base_codes("ACGNT")[None])
    _, targets = next_tokens(tokens)
    assert targets.tolist() == [[8, 9, IGNORE, 10, IGNORE]]


def test_markov_loss_agrees_with_counting_by_hand():
    codes = {"chr1": base_codes("ACACACAC")}
    # Both strands: ACACACAC and GTGTGTGT; after A comes C 4 times, after C comes A 3 times, one pseudo-count each.
    log_probabilities = fit_markov(codes, 1)
    assert np.exp(log_probabilities[0]) == pytest.approx([1 / 8, 5 / 8, 1 / 8, 1 / 8])
    assert np.exp(log_probabilities[1]) == pytest.approx([4 / 7, 1 / 7, 1 / 7, 1 / 7])
    assert markov_loss(log_probabilities, base_codes("ACA")[None]) == pytest.approx(-np.log([5 / 8, 4 / 7]).mean())


def test_markov_model_of_order_two_finds_what_order_one_cannot():
    rng = np.random.default_rng(0)
    bases = [0, 1]
    for _ in range(5000):
        bases.append((bases[-2] + 1) % 4 if rng.random() < 0.9 else int(rng.integers(4)))
    codes = {"chr1": np.array(bases, dtype=np.uint8)}
    windows = evenly_spaced_windows(codes, 100, 20)
    assert markov_loss(fit_markov(codes, 2), windows) < markov_loss(fit_markov(codes, 1), windows) - 0.2


@pytest.mark.parametrize("holdout", [["chr9"], [], ["chr1", "chr2"]])
def test_a_holdout_that_leaves_nothing_is_refused(holdout):
    with pytest.raises(InputError):
        split_contigs(repeated_genome(), holdout, "genome.fa")


def small_model(architecture: str):
    if architecture == "caduceus":
        from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM

        return CaduceusForMaskedLM(CaduceusConfig(**json.loads(SMALL_CADUCEUS)))
    if architecture == "gpn":
        from darkregulome.models.gpn import GPNForMaskedLM, read_gpn_config

        return GPNForMaskedLM(read_gpn_config(json.loads(SMALL_GPN)))
    from darkregulome.models.hyenadna import HyenaConfig, HyenaDNAForCausalLM

    return HyenaDNAForCausalLM(HyenaConfig(**json.loads(SMALL_HYENA)))


SMALL_CADUCEUS = json.dumps(
    {
        "d_model": 16,
        "n_layer": 1,
        "vocab_size": 16,
        "ssm_cfg": {"d_state": 4, "d_conv": 4, "expand": 2},
        "rcps": False,
        "bidirectional": True,
        "bidirectional_strategy": "add",
        "bidirectional_weight_tie": True,
        "fused_add_norm": True,
        "rms_norm": True,
        "residual_in_fp32": False,
    }
)
SMALL_GPN = json.dumps({"model_type": "ConvNet", "hidden_size": 16, "n_layers": 4, "kernel_size": 5, "dilation_max": 4})
SMALL_HYENA = json.dumps(
    {
        "d_model": 16,
        "n_layer": 1,
        "d_inner": 32,
        "vocab_size": 12,
        "pad_vocab_size_multiple": 8,
        "max_seq_len": 66,
        "filter_order": 8,
        "emb_dim": 5,
    }
)


@pytest.mark.parametrize("architecture", ["caduceus", "gpn", "hyena"])
def test_a_few_steps_lower_the_loss_below_that_of_chance(architecture):
    genome = repeated_genome()
    training, held_out = split_contigs(genome, ["chr2"], "genome")
    torch.manual_seed(0)
    settings = LanguageTraining(window=64, batch=16, learning_rate=1e-2, evaluate_every=0, heldout_windows=32)
    card, _ = train_language_model(
        small_model(architecture), language_of(architecture), Corpus(training, held_out), Budget(60), settings
    )
    assert card["first_loss"] > 1.3
    assert card["heldout_loss"] < card["first_loss"] - 0.15


def test_equal_steps_and_seed_give_equal_weights():
    genome = repeated_genome(4000)
    training, held_out = split_contigs(genome, ["chr2"], "genome")
    settings = LanguageTraining(window=64, batch=4, evaluate_every=0, heldout_windows=4)
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        model = small_model("caduceus")
        train_language_model(model, language_of("caduceus"), Corpus(training, held_out), Budget(3), settings)
        states.append(model.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("repeat_weight", [1.0, 0.3])
def test_a_step_in_parts_has_the_gradient_of_the_whole(repeat_weight):
    genome = repeated_genome(4000)
    repeats = {name: np.arange(len(codes)) % 7 < 3 for name, codes in genome.items()}
    settings = LanguageTraining(window=64, batch=5, repeat_weight=repeat_weight, heldout_windows=4)
    gradients = []
    for parts in (1, 3):
        torch.manual_seed(3)
        model = small_model("gpn")
        language = language_of("gpn")
        task = LanguageTask(model, language, genome, HeldOut.of(genome, settings), settings, repeats)
        for part, share in task.split(task.draw(), parts):
            (task.losses(part, 0, torch.device("cpu"))[0] * share).backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("architecture", ["gpn", "hyena"])
def test_a_repeat_without_weight_changes_nothing(architecture):
    """The gradient is that of the loss summed over the other targets."""
    genome = repeated_genome(4000)
    repeats = {name: np.arange(len(codes)) % 5 < 2 for name, codes in genome.items()}
    settings = LanguageTraining(window=64, batch=4, repeat_weight=0.0, heldout_windows=4)
    torch.manual_seed(3)
    model, language = small_model(architecture).eval(), language_of(architecture)  # no dropout
    task = LanguageTask(model, language, genome, HeldOut.of(genome, settings), settings, repeats)
    batch = task.draw()
    loss, _ = task.losses(batch, 0, torch.device("cpu"))
    per_base = loss_per_base(model, batch.inputs, batch.targets, language.alphabet)
    sampler = WindowSampler(genome, 64, np.random.default_rng(settings.seed), repeats)
    marks = torch.from_numpy(sampler.draw_marked(4)[1])
    first = 1 if language.causal else 0  # a causal target is the next base
    unique = torch.zeros_like(marks)
    unique[:, : 64 - first] = ~marks[:, first:]
    unique &= batch.targets != IGNORE
    assert 0 < unique.sum() < (batch.targets != IGNORE).sum()
    assert float(loss.detach()) == pytest.approx(float(per_base[unique].mean().detach()), rel=1e-5)


def test_marks_are_cut_and_turned_with_the_bases():
    codes = {"chr1": np.random.default_rng(1).integers(0, 2, 500, dtype=np.uint8)}  # A and C; turned, T and G
    marks = {"chr1": codes["chr1"] == 1}
    windows, cut = WindowSampler(codes, 40, np.random.default_rng(2), marks).draw_marked(30)
    np.testing.assert_array_equal(cut, (windows == 1) | (windows == 2))
    assert {0, 3} <= set(windows.ravel().tolist())


def test_repeats_are_the_lower_case_letters(tmp_path):
    (tmp_path / "genome.fa").write_text(">chr1\nACgtNnA\n")
    assert read_repeats([tmp_path / "genome.fa"])["chr1"].tolist() == [False, False, True, True, False, True, False]


def test_a_model_no_better_than_counting_is_called_of_no_use():
    markov = {str(order): 1.38 - 0.01 * order for order in range(6)}
    assert "beats" in verdict(1.30, markov)
    assert not is_useless(1.30, markov)
    assert "of no use" in verdict(1.35, markov)
    assert is_useless(1.35, markov)
    assert is_useless(float("nan"), markov)


def test_gpn_reads_its_own_letters():
    language = language_of("gpn")
    tokens = codes_to_tokens(base_codes("ACGTN")[None], language.alphabet)
    assert tokens.tolist() == language.alphabet.tokenize(["acgtn"]).tolist()
    inputs, targets = mask_tokens(tokens.repeat(50, 40), torch.Generator().manual_seed(0), 1.0, 0.0, language.alphabet)
    assert (inputs[targets != IGNORE] == language.alphabet.mask).all()
    assert set(targets.unique().tolist()) == {IGNORE, *language.alphabet.bases}


def test_train_lm_writes_a_checkpoint_that_load_model_reads(tmp_path):
    fasta = tmp_path / "genome.fa"
    letters = np.array(list("ACGTN"))
    fasta.write_text("".join(f">{name}\n{''.join(letters[codes])}\n" for name, codes in repeated_genome(4000).items()))
    (tmp_path / "config.json").write_text(SMALL_CADUCEUS)
    words = ["--fasta", fasta, "--architecture", "caduceus", "--config", tmp_path / "config.json", "--holdout", "chr2"]
    words += [
        "--steps",
        2,
        "--window",
        64,
        "--batch",
        4,
        "--outdir",
        tmp_path / "model",
        "--no-progress",
        "--threads",
        1,
    ]
    ran = run_script("train_lm", *words)
    assert ran.code == 0, ran.err
    card = json.loads((tmp_path / "model" / "model_card.json").read_text())
    assert set(card["markov_loss"]) == {"0", "1", "2", "3", "4", "5"}
    from darkregulome.models.registry import load_model

    model = load_model("mine", weights=tmp_path / "model")
    log_probs = model.log_probs(model.encode(["ACGTACGT"]))
    assert log_probs.shape == (1, 8, 4)
    assert torch.allclose(log_probs.exp().sum(-1), torch.ones(1, 8))


def test_a_bert_that_was_trained_is_the_bert_that_is_loaded(tmp_path):
    from darkregulome.models.checkpoint import save_checkpoint
    from darkregulome.models.registry import load_model
    from darkregulome.training.build import build_language_model, extra_files, language_of

    config = tmp_path / "config.json"
    config.write_text(
        json.dumps({"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16})
    )
    trained, settings = build_language_model("bert", config, seed=3)
    torch.nn.init.normal_(trained.bert.embeddings.word_embeddings.weight)
    save_checkpoint(trained.eval(), settings, tmp_path / "bert", files=extra_files("bert"))
    registry = tmp_path / "models.yml"
    registry.write_text(json.dumps({"models": {"mine": {"kind": "masked", "architecture": "bert", "context": 64}}}))
    loaded = load_model("mine", weights=tmp_path / "bert", registry=registry, device="cpu")
    alphabet = language_of("bert").alphabet
    logits = trained(codes_to_tokens(base_codes("ACGTTGCANA")[None], alphabet))[..., list(alphabet.bases)]
    found = loaded.log_probs(loaded.encode(["ACGTTGCANA"]))
    torch.testing.assert_close(found, logits.log_softmax(-1), atol=1e-5, rtol=0)


def test_windows_of_rna_are_not_turned_over():
    codes = {"one": base_codes("AACCAACCAC"), "two": base_codes("UUACAUUACA", rna=True)}
    windows = WindowSampler(codes, 10, np.random.default_rng(0), both_strands=False).draw(20)
    assert {window.tobytes() for window in windows} == {array.tobytes() for array in codes.values()}
    assert codes["two"].tolist() == base_codes("TTACATTACA").tolist()


def test_contigs_are_held_out_by_pattern_too():
    codes = {name: np.zeros(9, np.uint8) for name in ("chr1", "test_a", "test_b", "chr2")}
    training, held_out = split_contigs(codes, ["test_*"], "x", ["chr2"])
    assert (list(training), list(held_out)) == (["chr1"], ["test_a", "test_b"])
    with pytest.raises(InputError, match="none"):
        split_contigs(codes, ["none*"], "x")


def test_small_enformer_learns_that_a_word_makes_a_track():
    from enformer_pytorch import Enformer
    from enformer_pytorch.config_enformer import EnformerConfig

    from darkregulome.training.enformer import TrackWindows, WindowSets, train_enformer

    rng = np.random.default_rng(0)
    codes, tracks, sites = {}, {}, []
    word = base_codes("ACGTTGCAAGGCTTAC")
    for name in ("chr1", "chr2"):
        sequence = rng.integers(0, 4, 8192, dtype=np.uint8)
        track = np.zeros((1, 8192), dtype=np.float32)
        for start in range(64, 8100, 256):
            if rng.random() < 0.5:
                sequence[start : start + 48] = np.tile(word, 3)
                track[0, start - start % 32 : start - start % 32 + 32] = 1
        codes[name], tracks[name] = sequence, track
        sites += [(name, position) for position in range(1024, 7168, 512)]
    config = EnformerConfig(
        dim=24, depth=1, heads=1, output_heads={"human": 1}, target_length=32, attn_dim_key=8, num_downsamples=5,
        dim_divisible_by=4, dropout_rate=0.0, attn_dropout=0.0, pos_dropout=0.0,
    )  # fmt: skip
    settings = EnformerTraining(
        window=1024, bin=32, tower_window=256, batch=4, tower_batch=16, learning_rate=5e-3, shift=96, evaluate_every=0
    )
    torch.manual_seed(0)
    windows = [TrackWindows({name: codes[name]}, tracks, sites, settings) for name in ("chr1", "chr2")]
    card, _ = train_enformer(Enformer(config), WindowSets(*windows), lambda _share: Budget(40), settings)
    assert card["tower"]["training_loss"] < card["tower"]["first_loss"]
    assert card["heldout_pearson_bins"][0] > 0.3


def test_the_frozen_tower_does_not_move_while_the_transformer_learns():
    from enformer_pytorch import Enformer
    from enformer_pytorch.config_enformer import EnformerConfig

    from darkregulome.training.enformer import TrackWindows, WindowSets, train_transformer

    rng = np.random.default_rng(0)
    codes = {"chr1": rng.integers(0, 4, 4096, dtype=np.uint8)}
    tracks = {"chr1": rng.random((1, 4096), dtype=np.float32)}
    config = EnformerConfig(
        dim=24, depth=1, heads=1, output_heads={"human": 1}, target_length=32, attn_dim_key=8, num_downsamples=5,
        dim_divisible_by=4,
    )  # fmt: skip
    settings = EnformerTraining(window=1024, bin=32, batch=2, shift=96, evaluate_every=1)
    torch.manual_seed(0)
    model = Enformer(config)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    windows = TrackWindows(codes, tracks, [("chr1", 2048)], settings)
    train_transformer(model, WindowSets(windows, windows), Budget(3), settings, rng)
    after = model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("transformer.") for name in moved)
    assert not any(name.startswith(("stem.", "conv_tower.")) for name in moved)
