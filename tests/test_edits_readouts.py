"""Every perturbation and readout against a naive loop that edits strings and runs one full forward at a time."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch

import test_models_enformer as enformer
from darkregulome.edits.forwards import MASK_STRIDE
from darkregulome.edits.settings import Settings
from darkregulome.genome.sequence import reverse_complement
from darkregulome.models import letters
from darkregulome.models.language import LetterLanguageModel
from element_runs import make_plan, score_loci
from fake_models import LOG2_10, EquivariantMasked, LinearOutput, MarkovCausal, MarkovMasked, OrderZeroMasked
from test_models_hyenadna import network
from test_scoring_elements import MemoryGenome, element_table, locus_table, random_dna

LENGTH = 400
GENOME = MemoryGenome(chr1=random_dna(LENGTH, 3)[:190] + "NN" + random_dna(LENGTH, 4)[192:])
ELEMENTS = element_table((180, 200), (150, 171), (203, 216))
EDITS = {
    "substitution": Settings(perturbation="substitution", sites=3, alternatives=3),
    "blocks of substitutions": Settings(perturbation="substitution", block=6, replicates=2),
    "shuffle": Settings(perturbation="shuffle", replicates=2),
    "blocks of shuffles": Settings(perturbation="shuffle", block=7),
    "deletion": Settings(perturbation="deletion"),
    "blocks of deletions": Settings(perturbation="deletion", block=5),
    "mask": Settings(perturbation="mask"),
    "insertion": Settings(perturbation="insertion", sites=3, insert="6", replicates=2),
    "given insertion": Settings(perturbation="insertion", sites=2, insert="acgta"),
}


def tiny_hyena(context=64):
    return LetterLanguageModel(
        "hyena", network(context + 2), kind="causal", context=context, alphabet=letters.CHARACTERS
    )


def without_reuse(model):
    """The same model, but every edit is a full forward."""

    class Plain:
        kind, equivariant, reuses_prefix = "causal", False, False

    plain = Plain()
    for name in ("name", "context", "device", "encode", "log_probs", "hidden"):
        setattr(plain, name, getattr(model, name))
    return plain


def log_p_of_bases(model, sequence):
    """log p of each base of one sequence, NaN at an N."""
    log_probs = model.log_probs(model.encode([sequence]))[0].double().numpy()
    return np.array(
        [row["ACGT".index(b)] if b in "ACGT" else np.nan for b, row in zip(sequence, log_probs, strict=True)]
    )


def edited_string(start, end, edit):
    """The edited window as letters with the contig's coordinate of each (None: put in), made base by base."""
    read = [(GENOME.fetch("chr1", at, at + 1), at) for at in range(start - 200, end + 200)]
    before = [pair for pair in read if start <= pair[1] < edit.start]
    after = [pair for pair in read if pair[1] >= edit.end]
    same = len(edit.alt) == edit.end - edit.start
    middle = [(base, edit.start + i if same else None) for i, base in enumerate(edit.alt)]
    return (before + middle + after)[: end - start]


def flip(pairs):
    return [(reverse_complement(base), at) for base, at in pairs[::-1]]


def plain_string(start, end):
    return [(GENOME.fetch("chr1", at, at + 1), at) for at in range(start, end)]


def letters_of(pairs):
    return "".join(base for base, _ in pairs)


def shared_loglik(model, reference, edited, log_p=log_p_of_bases):
    """Log-likelihood of the edited window less that of the reference, over the bases that both have."""
    before = dict(zip((at for _, at in reference), log_p(model, letters_of(reference)), strict=True))
    after = zip((at for _, at in edited), log_p(model, letters_of(edited)), strict=True)
    return float(np.nansum([value - before[at] for at, value in after if at in before]))


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("make", [MarkovCausal, tiny_hyena])
def test_loglik_of_causal_models_equals_a_naive_loop(name, make):
    check_against_a_naive_loop(make, ELEMENTS, EDITS[name])


def check_against_a_naive_loop(make, elements, settings):
    model = make()
    plan = make_plan(model, elements, GENOME, settings)
    scores = score_loci(make(), elements, None, GENOME, settings)
    assert len(plan.edits) == len(scores.effects) >= 3
    for edit, effect in zip(plan.edits, scores.effects["effect"], strict=True):
        expected = []
        for reading in edit.readings:
            window = plan.windows[reading.window]
            reference = plain_string(window.start, window.end)
            edited = edited_string(window.start, window.end, edit.edit)
            read = flip if window.reverse else list
            assert window.letters(edit.edit) == letters_of(read(edited))
            expected.append(shared_loglik(model, read(reference), read(edited)))
        assert len(expected) == 2
        assert effect == pytest.approx(np.mean(expected), abs=2e-4, rel=1e-4)
    return scores


def test_edits_that_read_alike_are_not_compared_alike(monkeypatch):
    """Wherever in a run of A one more is put, the letters are the same; which of them is not compared, is not."""
    bases = random_dna(LENGTH, 5)
    monkeypatch.setitem(globals(), "GENOME", MemoryGenome(chr1=bases[:185] + "A" * 10 + "C" + bases[196:]))
    settings = Settings(perturbation="insertion", sites=20, insert="A")
    effects = check_against_a_naive_loop(tiny_hyena, element_table((185, 195)), settings).effects["effect"]
    assert len(effects) == 10
    assert effects.std() > 1e-2


def test_windows_that_read_alike_are_read_where_the_region_lies():
    genome = MemoryGenome(chr1="AC" * (LENGTH // 2))
    table, locus = element_table((210, 218), (212, 220)), locus_table(208)
    settings = Settings(readout="dependency", perturbation="saturation", target="12,8")
    both = score_loci(tiny_hyena(), table, locus, genome, settings).effects["effect"]
    alone = [score_loci(tiny_hyena(), table[row : row + 1], locus, genome, settings).effects for row in (0, 1)]
    wanted = pd.concat(alone)["effect"].to_numpy()
    assert np.isfinite(wanted).all()
    np.testing.assert_allclose(both, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("readout", ["loglik", "dependency"])
@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("placement", ["centre", "end"])
def test_reusing_what_comes_before_an_edit_changes_nothing(readout, name, placement):
    settings = Settings(**{**vars(EDITS[name]), "readout": readout, "placement": placement, "target": "30,10"})
    model = tiny_hyena()
    arguments = ELEMENTS, locus_table(225), GENOME, settings
    expected = score_loci(without_reuse(model), *arguments)
    for batch_size in (None, 1, 3):
        found = score_loci(model, *arguments, batch_size=batch_size)
        scale = expected.effects["effect"].abs().max()
        np.testing.assert_allclose(found.effects["effect"], expected.effects["effect"], rtol=1e-5, atol=1e-5 * scale)
        pd.testing.assert_frame_equal(found.reference, expected.reference, rtol=1e-5)
    assert scale > 1e-2


@pytest.mark.parametrize("span", [(0, 12), (388, 400), (0, 60)])
@pytest.mark.parametrize("name", ["substitution", "shuffle", "deletion", "insertion", "mask"])
def test_reuse_is_exact_at_the_ends_of_a_contig(span, name):
    table, model = element_table(span), tiny_hyena()
    expected = score_loci(without_reuse(model), table, None, GENOME, EDITS[name]).effects["effect"]
    found = score_loci(model, table, None, GENOME, EDITS[name]).effects["effect"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * expected.abs().max())


def test_at_the_end_of_a_window_a_sixteenth_of_it_follows_the_tile_on_either_strand():
    plan = make_plan(tiny_hyena(), ELEMENTS, GENOME, Settings(placement="end", window=64))
    assert {window.reverse for window in plan.windows} == {False, True}
    for window in plan.windows:
        assert window.end - window.start == 64
        assert 64 - window.position(window.tile)[1] == 64 // 16


def test_reuse_runs_fewer_bases():
    class Counting(LetterLanguageModel):
        bases = 0

        def edited_log_probs(self, state, rows, tokens, first):
            self.bases += len(tokens) * (tokens.shape[1] - first)
            return super().edited_log_probs(state, rows, tokens, first)

    model = Counting("hyena", network(66), kind="causal", context=64, alphabet=letters.CHARACTERS)
    settings = Settings(sites=1000, alternatives=3, placement="end")
    score_loci(model, ELEMENTS, None, GENOME, settings, batch_size=1)
    plan = make_plan(model, ELEMENTS, GENOME, settings)
    edits = [job for job in plan.passes if job.edit is not None]
    whole = sum(plan.windows[job.window].end - plan.windows[job.window].start for job in edits)
    assert model.bases == whole - plan.tokens_reused
    assert model.bases < whole / 3


@pytest.mark.parametrize("make", [MarkovMasked, EquivariantMasked])
@pytest.mark.parametrize("name", EDITS)
def test_loglik_of_masked_models_equals_masking_one_base_at_a_time(make, name):
    # These models see only the two neighbours, which are never masked together with a base.
    settings = Settings(**{**vars(EDITS[name]), "readout": "loglik", "window": 40})
    model, oracle = make(), make()
    scores = score_loci(model, ELEMENTS, None, GENOME, settings)
    plan = make_plan(oracle, ELEMENTS, GENOME, settings)

    def one_by_one(_, sequence):
        masked = [sequence[:i] + "#" + sequence[i + 1 :] for i in range(len(sequence))]
        return np.array(
            [math.log(oracle.distribution(m, i)["ACGT".index(b)]) if b in "ACGT" else np.nan
             for i, (b, m) in enumerate(zip(sequence, masked, strict=True))]
        )  # fmt: skip

    for edit, effect in zip(plan.edits, scores.effects["effect"], strict=True):
        window = plan.windows[edit.readings[0].window]
        expected = []
        for read in (list, flip):
            reference = read(plain_string(window.start, window.end))
            edited = read(edited_string(window.start, window.end, edit.edit))
            expected.append(shared_loglik(oracle, reference, edited, one_by_one))
        assert effect == pytest.approx(np.mean(expected), abs=1e-4)
    assert len(model.sequences_run) == plan.forwards == scores.forwards
    for sequence in model.sequences_run:
        masked = np.flatnonzero([letter == "#" for letter in sequence])
        assert (np.diff(masked) == MASK_STRIDE).all()
        assert len(masked) in (len(sequence) // MASK_STRIDE, len(sequence) // MASK_STRIDE + 1)


def log_odds(model, sequence):
    log_probs = model.log_probs(model.encode([sequence]))[0].double()
    p = log_probs.softmax(-1)
    return torch.log(p / (1 - p)).numpy()


def influence(model, reference, edited, edit, region, causal):
    """Changes at the region's positions outside of the edit; those behind it for a causal model."""
    before = dict(zip((at for _, at in reference), log_odds(model, letters_of(reference)), strict=True))
    order = {at: place for place, (_, at) in enumerate(reference)}
    replaced = [order[at] for at in range(edit.start, edit.end)]
    ahead = max(replaced) if replaced else None
    changes = []
    for place, ((_, at), row) in enumerate(zip(edited, log_odds(model, letters_of(edited)), strict=True)):
        if at is None or not region[0] <= at < region[1] or edit.start <= at < edit.end:
            continue
        forward = reference[0][1] < reference[-1][1]
        behind = order[at] > ahead if replaced else (at >= edit.start if forward else at < edit.start)
        if not causal or behind:
            changes.append(np.abs(row - before[at]).max())
        assert place < len(edited)
    return changes


@pytest.mark.parametrize(
    "make", [tiny_hyena, lambda: MarkovMasked(context=100), lambda: EquivariantMasked(context=100)]
)
@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("strand", "+-")
def test_dependency_equals_a_naive_loop(make, name, strand):
    model = make()
    region = (196, 216) if strand == "+" else (201, 221)
    locus = locus_table(208, strand)
    settings = Settings(**{**vars(EDITS[name]), "readout": "dependency", "target": "12,8"})
    table = element_table((180, 200), (165, 178), (202, 210), (216, 230))
    plan = make_plan(model, table, GENOME, settings, locus.iloc[0])
    scores = score_loci(model, table, locus, GENOME, settings)
    assert set(scores.reference["status"]) <= {"ok", "no_effects"}
    # A shuffle keeps its first and last base, and a Markov chain sees no more of it.
    assert (scores.effects["effect"].abs().max() > 1e-2) == (model.kind == "causal" or "shuffle" not in name)
    for edit, effect in zip(plan.edits, scores.effects["effect"], strict=True):
        changes = []
        for reading in edit.readings:
            window = plan.windows[reading.window]
            assert window.region == region
            read = flip if window.reverse else list
            reference = read(plain_string(window.start, window.end))
            edited = read(edited_string(window.start, window.end, edit.edit))
            changes += influence(model, reference, edited, edit.edit, region, model.kind == "causal")
        assert effect == pytest.approx(np.mean(changes), rel=1e-4, abs=1e-5)


def test_dependency_of_a_model_that_sees_nothing_is_zero():
    settings = Settings(readout="dependency", perturbation="substitution", target="5,5")
    scores = score_loci(OrderZeroMasked(context=100), ELEMENTS, locus_table(205), GENOME, settings)
    assert (scores.effects["effect"] == 0).all()
    assert set(scores.reference["status"]) == {"ok"}


def test_dependency_of_a_markov_chain_ends_with_its_order():
    # Order 2: an edit is felt in the two bases that follow it.
    settings = Settings(readout="dependency", sites=1000, target="4,4")
    table = element_table((190, 208))
    effects = score_loci(MarkovCausal(), table, locus_table(212), GENOME, settings).effects
    felt = effects.groupby("start")["effect"].max()
    assert set(felt.index[felt > 0]) == {206, 207}
    assert (felt[felt.index < 206] == 0).all()


def test_elements_too_far_from_the_region_are_outside_context():
    settings = Settings(readout="dependency", target="10,10")
    table = element_table((180, 200), (60, 80), (300, 320))
    reference = score_loci(MarkovCausal(), table, locus_table(215), GENOME, settings).reference
    assert reference["status"].tolist() == ["ok", "outside_context", "outside_context"]


def test_an_edit_of_the_whole_region_has_nothing_to_read():
    settings = Settings(readout="dependency", perturbation="mask", target="5,5")
    reference = score_loci(MarkovMasked(), element_table((200, 220)), locus_table(210), GENOME, settings).reference
    assert reference["status"].tolist() == ["no_effects"]


def test_predictability_of_dependency_is_that_of_loglik():
    for make in (MarkovCausal, MarkovMasked):
        readouts = [
            score_loci(make(context=400), ELEMENTS, locus_table(212), GENOME,
                       Settings(readout=readout, target="8,8", perturbation="mask")).reference["predictability"]
            for readout in ("loglik", "dependency")
        ]  # fmt: skip
        if make is MarkovMasked:
            np.testing.assert_allclose(*readouts, rtol=1e-5)
        assert (readouts[1] < 0).all()


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize(("strand", "stranded"), [("+", True), ("-", True), ("-", False)])
@pytest.mark.parametrize("log_outputs", [False, True])
def test_track_effects_equal_a_naive_loop_and_the_tss_keeps_its_place(name, strand, stranded, log_outputs):
    model = LinearOutput(stranded=stranded, log_outputs=log_outputs)
    locus = locus_table(200, strand)
    plan = make_plan(model, ELEMENTS, GENOME, EDITS[name], locus.iloc[0])
    scores = score_loci(LinearOutput(stranded=stranded, log_outputs=log_outputs), ELEMENTS, locus, GENOME, EDITS[name])
    read = flip if stranded and strand == "-" else list
    start, end = plan.window.place.start, plan.window.place.end
    before = model.predict(letters_of(read(plain_string(start, end))))
    assert len(plan.edits) == len(scores.effects) >= 2
    for edit, effect in zip(plan.edits, scores.effects["effect"], strict=True):
        made = edit.edit
        if made.end <= 200:  # what lies beyond the edit, as seen from the TSS, moves
            shift = len(made.alt) - (made.end - made.start)
            edited = edited_string(start - 50, end + 50, made)[: end - start + 50 + shift][-(end - start) :]
        else:
            edited = edited_string(start, end, made)
        if made.end <= 200 or made.start > 200:
            assert edited[200 - start] == (GENOME.fetch("chr1", 200, 201), 200)
        after = model.predict(letters_of(read(edited)))
        expected = (after - before) * LOG2_10 if log_outputs else np.log2((after + 1) / (before + 1))
        assert effect == pytest.approx(expected.mean(), abs=1e-5)


def test_saturation_is_every_site_and_alternative():
    for make in (MarkovMasked, MarkovCausal, LinearOutput):
        scores = score_loci(make(), ELEMENTS[1:], locus_table(), GENOME, Settings(perturbation="saturation"))
        seen = set(scores.effects[["start", "alt"]].itertuples(index=False, name=None))
        sites = [*range(150, 171), *range(203, 216)] if make is not LinearOutput else range(203, 216)
        bases = GENOME.contigs["chr1"]
        expected = {(at, alt) for at, alt in itertools.product(sites, "ACGT") if bases[at] not in (alt, "N")}
        assert seen >= {(at, alt) for at, alt in expected if at >= 203}
        assert seen <= expected | {(at, alt) for at in range(160, 171) for alt in "ACGT"}


def test_an_insertion_that_changes_nothing_is_not_run():
    genome = MemoryGenome(chr1="A" * LENGTH)
    settings = Settings(perturbation="insertion", insert="AA", sites=4)
    model = MarkovCausal()
    scores = score_loci(model, element_table((180, 200)), None, genome, settings)
    assert scores.effects.empty
    assert len(model.sequences_run) == 2


@pytest.mark.parametrize("perturbation", ["deletion", "insertion"])
def test_edits_that_change_the_length_are_written_as_they_are(perturbation):
    settings = Settings(perturbation=perturbation, sites=2, insert="ACG", block=8)
    effects = score_loci(MarkovCausal(), element_table((203, 216)), None, GENOME, settings).effects
    bases = GENOME.contigs["chr1"]
    for row in effects.itertuples():
        assert row.ref == bases[row.start : row.end]
        assert row.alt == ("" if perturbation == "deletion" else "ACG")
    assert (effects["end"] - effects["start"]).tolist() == ([6, 7] if perturbation == "deletion" else [0, 0])


@pytest.mark.parametrize("perturbation", ["shuffle", "deletion", "insertion", "saturation"])
def test_spliced_edits_of_an_enformer_equal_the_whole_forward(perturbation):
    genome = MemoryGenome(chr1=random_dna(2000, 8))
    table = element_table((680, 690), (900, 960), (1040, 1090), (1312, 1320))
    settings = Settings(perturbation=perturbation, sites=2, insert="20", replicates=2, readout="track")
    if perturbation == "saturation":
        table = table.assign(end=table["start"] + 2)
    model, locus = enformer.model_of(), locus_table(1000)
    plan = make_plan(model, table, genome, settings, locus.iloc[0])
    effects = score_loci(model, table, locus, genome, settings).effects["effect"]
    before = enformer.at_tss(model, [plan.window.reference()])[0].double().numpy()
    assert len(plan.edits) == len(effects) >= 4
    for number, effect in enumerate(effects):
        edited, _ = plan.window.edited(plan.edits[number].edit)
        after = enformer.at_tss(model, [edited])[0].double().numpy()
        assert effect == pytest.approx(np.log2((after + 1) / (before + 1)).mean(), rel=1e-4, abs=2e-6)
    assert effects.abs().max() > 1e-4
