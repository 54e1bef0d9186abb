"""Models over k-mers against naive loops, the tokenizer of transformers, and what is refused by name."""

import itertools
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import EsmTokenizer

from darkregulome.edits.settings import Settings
from darkregulome.errors import InputError
from darkregulome.models import kmers
from darkregulome.models.esm import fitting
from darkregulome.models.registry import load_model
from element_runs import score_loci
from random_models import MemoryGenome, kmer_words, make_model, write_words

SEQUENCES = ["ACGTTGCATTAGGCCATACCGATTACAGATTTACGGA", "ACGTTGNNTTAGGCCATACCGATTACNGATTTACGGA"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def logits():
    return torch.randn(5, 4**3, generator=torch.Generator().manual_seed(0)) * 3


def triples(codes=range(4)):
    return list(itertools.product(codes, repeat=3))


# Arithmetic of k-mers -----------------------------------------------------------------------------------------------


def test_marginals_are_sums_over_the_kmers(logits):
    found, p = kmers.marginals(logits, 3), logits.softmax(-1)
    for place, base in itertools.product(range(3), range(4)):
        columns = [i for i, kmer in enumerate(triples()) if kmer[place] == base]
        torch.testing.assert_close(found[:, place, base], p[:, columns].sum(-1))


def test_conditionals_are_ratios_of_kmers_that_differ_in_one_base(logits):
    codes = torch.tensor([[0, 1, 2], [3, kmers.MASKED, 0], [kmers.MASKED] * 3, [1, 1, kmers.UNKNOWN], [2, 0, 3]])
    found = kmers.conditionals(logits, codes)
    p = logits.double().softmax(-1)
    for row, place in itertools.product(range(5), range(3)):
        given = [c if c < 4 and at != place else None for at, c in enumerate(codes[row].tolist())]
        weight = torch.zeros(4, dtype=torch.float64)
        for i, kmer in enumerate(triples()):
            if all(known is None or known == base for known, base in zip(given, kmer, strict=True)):
                weight[kmer[place]] += p[row, i]
        torch.testing.assert_close(found[row, place].double(), (weight / weight.sum()).log(), rtol=1e-4, atol=1e-5)


def test_conditionals_survive_kmers_that_are_next_to_impossible():
    logits = torch.zeros(1, 64)
    logits[0, :16] = -200.0  # every k-mer that begins with A
    codes = torch.tensor([[0, 2, kmers.MASKED]])
    torch.testing.assert_close(kmers.conditionals(logits, codes)[0, 2], torch.full((4,), 0.25).log())


def test_chain_multiplies_to_the_kmers_probability(logits):
    for kmer in triples()[::7]:
        read = kmers.chain(logits, torch.tensor([kmer] * 5))
        total = sum(read[:, place, base] for place, base in enumerate(kmer))
        torch.testing.assert_close(total, logits.log_softmax(-1)[:, kmer[0] * 16 + kmer[1] * 4 + kmer[2]])


def test_chain_sums_out_an_unknown_base(logits):
    read = kmers.chain(logits, torch.tensor([[kmers.UNKNOWN, 2, 1]] * 5))
    p = kmers.marginals(logits, 3)
    torch.testing.assert_close(read[:, 1].exp(), p[:, 1])


@pytest.mark.parametrize(
    ("known", "starts", "lengths"),
    [
        ("1111111", [0, 3, 6], [3, 3, 1]),
        ("1101111", [0, 1, 2, 3, 6], [1, 1, 1, 3, 1]),
        ("0001110", [0, 1, 2, 3, 6], [1, 1, 1, 3, 1]),
        ("00", [0, 1], [1, 1]),
    ],
)
def test_stretches_between_unknown_letters_are_cut_from_the_left(known, starts, lengths):
    found = kmers.segments(np.array([letter == "1" for letter in known]), 3)
    assert [array.tolist() for array in found] == [starts, lengths]


@pytest.mark.parametrize(
    ("known", "part"), [("1111", "1111"), ("0011111", "11111"), ("1111100", "11111"), ("0111111101", "11111")]
)
def test_too_many_tokens_lose_the_unknown_ends_first(known, part):
    flags = np.array([letter == "1" for letter in known])
    kept = flags[fitting(flags, 5)]
    assert "".join("01"[flag] for flag in kept.tolist()) == part


# Overlapping k-mers -------------------------------------------------------------------------------------------------


def test_base_is_the_mean_of_the_kmers_that_cover_it(folder):
    model = make_model("bert_k3", folder)
    sequence, words = SEQUENCES[0], kmer_words(3, "ACGT")
    tokens = model.encode([sequence])
    logits = model.network(model.token_ids(tokens)).logits[0, 1:-1][:, model.vocabulary.kmers]
    p = logits.softmax(-1)
    wanted = torch.zeros(len(sequence), 4)
    for start, place in itertools.product(range(len(sequence) - 2), range(3)):
        for number, word in enumerate(words):
            wanted[start + place, "ACGT".index(word[place])] += p[start, number] / 3
    torch.testing.assert_close(model.base_probabilities(tokens)[0], wanted)
    wanted = (wanted + 1e-10) / (wanted + 1e-10).sum(-1, keepdim=True)
    torch.testing.assert_close(model.log_probs(tokens)[0], wanted.log())


def test_tokens_are_special_tokens_and_kmers(folder):
    model = make_model("bert_k1", folder)
    ids = model.token_ids(model.mask(model.encode(["ATCGN"]), torch.tensor([1])))
    assert ids.tolist() == [[2, 9, 5, 4, 7, 8, 1, 3]]  # [CLS] homo_sapiens A [MASK] C G [UNK] [SEP]
    model = make_model("bert_k3", folder)
    ids = model.token_ids(model.mask(model.encode(["AAATTTTTT"]), torch.tensor([4])))
    assert ids.tolist() == [[2, 5, 6, 4, 4, 4, 5 + 21, 5 + 21, 3]]  # AAA AAT, three masks, TTT TTT


def test_logits_are_the_same_however_many_rows_are_held_at_once(folder, monkeypatch):
    model = make_model("bert_k3", folder)
    tokens = model.encode([SEQUENCES[0]] * 5)
    whole = model.log_probs(tokens)
    monkeypatch.setattr("darkregulome.models.bert.TOKENS_AT_A_TIME", 40)
    torch.testing.assert_close(model.log_probs(tokens), whole)


def test_longest_window_leaves_room_for_the_special_tokens(folder):
    assert make_model("bert_k1", folder).context == 80 - 3
    assert make_model("bert_k3", folder).context == 80 - 2 + 2
    assert make_model("esm", folder).context == (22 - 3) * 6
    assert make_model("llama", folder).context == 20 * 6


@pytest.mark.parametrize("name", ["bert_k1", "bert_k3", "esm"])
def test_pseudo_likelihood_masks_no_more_of_the_tokens_than_training_did(folder, name):
    model, shares = make_model(name, folder), []
    mask_id = model.vocabulary.special["mask"]
    embedding = model.network.get_input_embeddings()
    embedding.register_forward_hook(lambda module, ids, out: shares.append((ids[0] == mask_id).float().mean().item()))
    genome = MemoryGenome(SEQUENCES[0] * 8)
    elements = pd.DataFrame({"element": ["e"], "locus": ["L"], "chrom": ["c"], "start": [140], "end": [150]})
    settings = Settings(window=77, sites=2, readout="loglik")
    scores = score_loci(model, elements, None, genome, settings)
    assert scores.reference["status"].tolist() == ["ok"]
    assert scores.effects["effect"].abs().max() > 0
    assert 0 < max(shares) < 0.25


# Separate k-mers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", [*SEQUENCES, "ACG", "NACGTACGTNN", "ACGTACG" * 4])
def test_tokens_of_esm_are_those_of_its_own_tokenizer(folder, sequence):
    model = make_model("esm", folder)
    official = EsmTokenizer(str(folder / "esm" / "vocab.txt"), eos_token=None)(sequence)["input_ids"]
    codes = model.encode([sequence])
    cut = kmers.segments((codes[0] != kmers.UNKNOWN).numpy(), 6)
    assert model.token_ids(codes, *(torch.from_numpy(array) for array in cut))[0].tolist() == official


def test_masked_base_has_the_log_ratios_of_the_kmers_that_differ_in_it(folder):
    model = make_model("esm", folder)
    sequence, site = SEQUENCES[0], 13  # in the third 6-mer, at its second place
    tokens = model.mask(model.encode([sequence]), torch.tensor([site]))
    cut = [torch.from_numpy(array) for array in kmers.segments(np.ones(len(sequence), dtype=bool), 6)]
    ids = model.token_ids(tokens, *cut)
    assert (ids[0] == 2).nonzero().tolist() == [[3]]
    logits = model.network(ids, attention_mask=torch.ones_like(ids)).logits[0, 3].log_softmax(-1)
    words = {word: 4 + number for number, word in enumerate(kmer_words(6))}
    found = model.log_probs(tokens)[0, site]
    for alt in "ACGT":
        ratio = logits[words[sequence[12] + alt + sequence[14:18]]] - logits[words[sequence[12:18]]]
        assert (found["ACGT".index(alt)] - found["ACGT".index(sequence[site])]).item() == pytest.approx(
            ratio.item(), abs=1e-5
        )


def test_window_with_more_letters_than_fit_is_read_in_its_middle(folder):
    model = make_model("esm", folder)
    inner = (SEQUENCES[0] * 3)[:108]
    found = model.log_probs(model.encode(["N" * 3 + inner + "N" * 3]))[0]
    torch.testing.assert_close(found[3:-3], model.log_probs(model.encode([inner + "N" * 1]))[0, :-1])
    torch.testing.assert_close(found[:3].exp(), torch.full((3, 4), 0.25))


# Causal k-mers ------------------------------------------------------------------------------------------------------


def test_likelihood_of_a_window_is_that_of_its_kmers(folder):
    model = make_model("llama", folder)
    sequence = SEQUENCES[0][:36]
    words = {word: 32 + number for number, word in enumerate(kmer_words(6))}
    ids = [1, *(words[sequence[i : i + 6]] for i in range(0, 36, 6))]
    tokens = model.encode([sequence])
    assert model.token_ids(tokens).tolist() == [ids]
    logits = model.network(torch.tensor([ids])).logits[0, :, 32:].log_softmax(-1)
    wanted = sum(logits[i, ids[i + 1] - 32].item() for i in range(1, 6))
    found = model.log_probs(tokens)[0]
    total = sum(found[i, "ACGT".index(sequence[i])].item() for i in range(6, 36))
    assert total == pytest.approx(wanted, abs=1e-4)


def test_first_bases_that_make_no_kmer_are_not_read(folder):
    model = make_model("llama", folder)
    both = model.log_probs(model.encode(["TTTT" + SEQUENCES[0][:36], "ACGA" + SEQUENCES[0][:36]]))
    torch.testing.assert_close(both[0], both[1])
    torch.testing.assert_close(both[0, :4].exp(), torch.full((4, 4), 0.25))
    assert model.token_ids(model.encode(["ACG" + "N" + "ACGTACGTT"[:8]])).tolist()[0][1] == 0  # <oov>


# What is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"model_type": "bert", "pre_layer_norm": True, "auto_map": {"AutoModel": "x.y"}}, "is a GENA-LM BERT"),
        ({"model_type": "bert", "alibi_starting_size": 512, "auto_map": {"AutoModel": "x.y"}}, "is a DNABERT-2"),
        ({"model_type": "esm", "add_bias_fnn": False}, "is a Nucleotide Transformer v2"),
        ({"model_type": "bert", "auto_map": {"AutoModel": "x.y"}}, r"names code of its own \(`auto_map`\)"),
        ({"model_type": "llama", "auto_map": {"AutoModel": "x.y"}}, r"names code of its own \(`auto_map`\)"),
        ({"model_type": "bert", "position_embedding_type": "relative_key"}, "has relative positions"),
        ({"model_type": "bert", "position_embedding_type": "rotary"}, "has a `position_embedding_type` other than"),
        ({"model_type": "bert", "is_decoder": True}, r"is a decoder \(`is_decoder`\)"),
        ({"model_type": "esm", "is_decoder": True}, r"is a decoder \(`is_decoder`\)"),
    ],
)
def test_lookalikes_are_refused_by_name(tmp_path, fields, told):
    (tmp_path / "config.json").write_text(json.dumps(fields))
    with pytest.raises(InputError, match=told) as raised:
        load_model("mine", weights=tmp_path)
    assert len(raised.value.problems) == 1


def test_byte_pair_tokens_are_refused_with_the_reason(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    write_words(tmp_path, "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"ACGT", "AC", "GATTACA")
    with pytest.raises(InputError, match=r"has tokens of 3 lengths.*GROVER"):
        load_model("mine", weights=tmp_path)


@pytest.mark.parametrize(
    ("name", "fields", "told"),
    [
        ("bert_k3", {"hidden_act": "nonsense"}, "nonsense"),
        ("bert_k3", {"num_attention_heads": 5}, "multiple of the number of attention heads"),
        ("esm", {"hidden_size": "x"}, "hidden_size"),
        ("llama", {"rope_scaling": {"rope_type": "nonsense"}}, "nonsense"),
        ("gpn_bytenet", {"depthwise": True, "slim": True}, "divisible by groups"),
    ],
)
def test_a_config_of_no_network_is_one_sentence(folder, tmp_path, name, fields, told):
    make_model(name, folder)
    shutil.copytree(folder / name, tmp_path / name)
    config = json.loads((tmp_path / name / "config.json").read_text()) | fields
    (tmp_path / name / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=rf"config.json: describes no network that can be built .*{told}") as raised:
        load_model("mine", weights=tmp_path / name)
    assert len(raised.value.problems) == 1


def test_the_bias_of_an_untied_bert_is_that_of_the_file_which_has_it_once(folder, tmp_path):
    make_model("bert_k3", folder)
    shutil.copytree(folder / "bert_k3", tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text()) | {"tie_word_embeddings": False}
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    tensors = load_file(tmp_path / "m" / "model.safetensors")
    tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"] + 1
    bias = tensors["cls.predictions.bias"] = torch.arange(float(config["vocab_size"]))
    assert "cls.predictions.decoder.bias" not in tensors
    save_file(tensors, tmp_path / "m" / "model.safetensors")
    decoder = load_model("mine", weights=tmp_path / "m").network.cls.predictions.decoder
    assert torch.equal(decoder.bias, bias)
    assert torch.equal(decoder.weight, tensors["cls.predictions.decoder.weight"])


def test_a_layer_in_pieces_is_the_whole_layer(folder, tmp_path):
    whole = make_model("bert_k3", folder)
    shutil.copytree(folder / "bert_k3", tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text()) | {"chunk_size_feed_forward": 4}
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    tokens = whole.encode([SEQUENCES[0][:31]])
    assert torch.equal(load_model("mine", weights=tmp_path / "m").log_probs(tokens), whole.log_probs(tokens))


@pytest.mark.parametrize("model_type", ["bert", "esm"])
def test_models_of_proteins_are_refused_although_they_know_a_c_g_and_t(tmp_path, model_type):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type, "vocab_size": 33}))
    write_words(tmp_path, "<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO", "<mask>")
    with pytest.raises(InputError, match="has a vocabulary of amino acids: it is a model of proteins"):
        load_model("mine", weights=tmp_path)


def test_missing_vocabulary_is_told(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match=r"has no vocabulary; put one of tokenizer.json, vocab.txt"):
        load_model("mine", weights=tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama", "vocab_size": 5000}')
    with pytest.raises(InputError, match=r"5000 tokens are not GENERator's 4128"):
        load_model("mine", weights=tmp_path)


def test_species_is_asked_for_where_the_vocabulary_has_some(folder):
    make_model("bert_k1", folder)
    with pytest.raises(InputError, match=r"trained with a species .* such as homo_sapiens, danio_rerio"):
        load_model("mine", weights=folder / "bert_k1")
    load_model("mine", weights=make_model("bert_k3", folder) and folder / "bert_k3")


def test_species_that_is_not_known_is_told(folder, tmp_path):
    make_model("bert_k1", folder)
    path = tmp_path / "models.yml"
    entry = {"kind": "masked", "architecture": "bert", "species": "mus_musculus"}
    path.write_text(json.dumps({"models": {"mine": entry}}))
    with pytest.raises(InputError, match="knows no 'mus_musculus'"):
        load_model("mine", weights=folder / "bert_k1", registry=path)


def test_species_without_a_row_in_the_weights_is_told(folder, tmp_path):
    make_model("bert_k3", folder)
    for name in ("config.json", "model.safetensors", "vocab.txt"):
        (tmp_path / name).write_bytes((folder / "bert_k3" / name).read_bytes())
    (tmp_path / "added_tokens.json").write_text(json.dumps({"mus_musculus": 69}))
    (tmp_path / "models.yml").write_text(
        json.dumps({"models": {"mine": {"kind": "masked", "architecture": "bert", "species": "mus_musculus"}}})
    )
    assert kmers.read_vocabulary(tmp_path).words == {"mus_musculus": 69}
    with pytest.raises(InputError, match="has a token 69, but only 69 rows in its weights"):
        load_model("mine", weights=tmp_path, registry=tmp_path / "models.yml")
