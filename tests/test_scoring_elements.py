"""The engine against naive one-at-a-time loops on models whose likelihoods are known exactly."""

import gc
import itertools
import math
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from darkregulome.edits.batches import BASES_PER_BATCH
from darkregulome.edits.settings import Settings
from darkregulome.edits.windows import output_place, tiles
from darkregulome.errors import InputError
from darkregulome.genome.sequence import reverse_complement
from darkregulome.scoring import elements as engine
from element_runs import element_run, make_plan, score_loci
from fake_models import (
    LOG2_10,
    ORDER_0,
    EquivariantMasked,
    LinearOutput,
    MarkovCausal,
    MarkovMasked,
    OrderZeroMasked,
)

LENGTH = 400


class MemoryGenome:
    """Contigs held in memory."""

    def __init__(self, **contigs: str):
        self.contigs = contigs

    def length(self, chrom):
        if chrom not in self.contigs:
            raise InputError.at("genome", f"has no contig {chrom!r}", "check the names")
        return len(self.contigs[chrom])

    def fetch(self, chrom, start, end):
        bases = self.contigs[chrom]
        return "".join(bases[i] if 0 <= i < len(bases) else "N" for i in range(start, end))


def random_dna(length, seed=0):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


def element_table(*spans, locus="L", chrom="chr1"):
    return pd.DataFrame(
        {
            "element": [f"{chrom}:{start}-{end}" for start, end in spans],
            "locus": locus,
            "chrom": chrom,
            "start": [start for start, _ in spans],
            "end": [end for _, end in spans],
        }
    )


def locus_table(tss=200, strand="+", locus="L", chrom="chr1"):
    return pd.DataFrame({"locus": [locus], "chrom": [chrom], "tss": [tss], "strand": [strand]})


@pytest.fixture(scope="module")
def genome():
    return MemoryGenome(chr1=random_dna(LENGTH))


MODELS = [MarkovMasked, EquivariantMasked, MarkovCausal, LinearOutput]
ELEMENTS = element_table((180, 200), (161, 172), (205, 222))


def by_edit(effects):
    keys = effects[["element", "start", "end", "alt", "replicate"]].itertuples(index=False, name=None)
    return dict(zip(keys, effects["effect"], strict=True))


# Known truths -------------------------------------------------------------------------------------------------------


def test_masked_llr_of_an_order_zero_model_is_the_log_ratio_of_its_frequencies(genome):
    scores = score_loci(OrderZeroMasked(), ELEMENTS, None, genome, Settings())
    log_p = dict(zip("ACGT", np.log(ORDER_0), strict=True))
    complement = dict(zip("ACGT", "TGCA", strict=True))
    for row in scores.effects.itertuples():
        forward = log_p[row.alt] - log_p[row.ref]
        reverse = log_p[complement[row.alt]] - log_p[complement[row.ref]]
        assert row.effect == pytest.approx((forward + reverse) / 2, abs=1e-6)
    assert (scores.effects["effect"].abs() > 0.1).any()


def test_masked_scores_equal_a_naive_loop(genome):
    model, window = MarkovMasked(context=32), 31
    scores = score_loci(model, ELEMENTS, None, genome, Settings(window=32))
    oracle = MarkovMasked(context=32)
    for _, rows in scores.effects.groupby("element"):
        for site, edits in rows.groupby("start"):
            bases = genome.fetch("chr1", site - window // 2, site + window // 2 + 1)
            forward = np.log(oracle.distribution(bases, window // 2))
            reverse = np.log(oracle.distribution(reverse_complement(bases), window // 2))
            log_p = {base: (forward["ACGT".index(base)] + reverse["TGCA".index(base)]) / 2 for base in "ACGT"}
            ref = genome.contigs["chr1"][site]
            assert set(edits["alt"]) == set("ACGT") - {ref}
            for row in edits.itertuples():
                assert row.ref == ref
                assert row.effect == pytest.approx(log_p[row.alt] - log_p[ref], abs=1e-6)
        assert len(set(rows["start"])) == 8


def log_likelihood(model, sequence):
    return sum(
        math.log(model.distribution(sequence, i)["ACGT".index(base)]) for i, base in enumerate(sequence) if base != "N"
    )


@pytest.mark.parametrize("perturbation", ["substitution", "shuffle", "mask"])
def test_causal_scores_equal_a_naive_loop(genome, perturbation):
    model = MarkovCausal(context=64)
    settings = Settings(perturbation=perturbation, sites=5, replicates=2, window=64)
    scores = score_loci(model, ELEMENTS, None, genome, settings)
    edits = make_plan(model, ELEMENTS, genome, settings).edits
    assert len(edits) == len(scores.effects) > 0
    for edit, effect in zip(edits, scores.effects["effect"], strict=True):
        start, end = edit.edit.start, edit.edit.end
        first, last = (180, 200) if start >= 180 and end <= 200 else (161, 172) if start < 180 else (205, 222)
        flank = (64 - (last - first)) // 2
        reference = genome.fetch("chr1", first - flank, last + flank)
        at, to = start - (first - flank), end - (first - flank)
        edited = reference[:at] + edit.edit.alt + reference[to:]
        total = 0.0
        for read in (lambda s: s, reverse_complement):
            if perturbation == "mask":  # only the bases that are left are compared
                before = sum(
                    math.log(model.distribution(read(reference), i)["ACGT".index(base)])
                    for i, base in enumerate(read(reference))
                    if read(edited)[i] != "N"
                )
            else:
                before = log_likelihood(model, read(reference))
            total += log_likelihood(model, read(edited)) - before
        assert effect == pytest.approx(total / 2, abs=1e-4)


@pytest.mark.parametrize(("strand", "stranded"), [("+", True), ("-", True), ("-", False)])
@pytest.mark.parametrize("log_outputs", [False, True])
def test_output_effects_equal_a_naive_loop(genome, strand, stranded, log_outputs):
    model = LinearOutput(stranded=stranded, log_outputs=log_outputs)
    settings = Settings(replicates=2)
    locus = locus_table(200, strand)
    scores = score_loci(model, ELEMENTS, locus, genome, settings)
    plan = make_plan(model, ELEMENTS, genome, settings, locus.iloc[0])
    oracle = LinearOutput(stranded=stranded, log_outputs=log_outputs)
    flip = stranded and strand == "-"
    start = 201 + 40 - 64 if flip else 200 - 40
    read = reverse_complement if flip else (lambda s: s)
    bases = genome.fetch("chr1", start, start + 64)
    assert read(bases)[40] == (reverse_complement if flip else str)(genome.contigs["chr1"][200])
    before = oracle.predict(read(bases))
    assert len(plan.edits) == len(scores.effects) > 0
    for (_, edit, _), effect in zip(plan.edits, scores.effects["effect"], strict=True):
        edited = bases[: edit.start - start] + edit.alt + bases[edit.end - start :]
        after = oracle.predict(read(edited))
        expected = (after - before) * LOG2_10 if log_outputs else np.log2((after + 1) / (before + 1))
        assert effect == pytest.approx(expected.mean(), abs=1e-5)


def test_only_the_tracks_asked_for_are_read(genome):
    every = score_loci(LinearOutput(), ELEMENTS, locus_table(), genome, Settings())
    each = [
        score_loci(LinearOutput(), ELEMENTS, locus_table(), genome, Settings(), tracks=[t]) for t in ("cage", "dnase")
    ]
    mean = (each[0].effects["effect"] + each[1].effects["effect"]) / 2
    np.testing.assert_allclose(every.effects["effect"], mean, atol=1e-6)
    assert not np.allclose(each[0].effects["effect"], each[1].effects["effect"])
    with pytest.raises(InputError, match="no track 'rna'"):
        score_loci(LinearOutput(), ELEMENTS, locus_table(), genome, Settings(), tracks=["rna"])


# Laws ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_effects_do_not_depend_on_the_batch_size(genome, make, batch_size):
    expected = score_loci(make(), ELEMENTS, locus_table(), genome, Settings(replicates=3))
    model = make()
    found = score_loci(model, ELEMENTS, locus_table(), genome, Settings(replicates=3), batch_size=batch_size)
    pd.testing.assert_frame_equal(found.effects, expected.effects, atol=1e-6)
    pd.testing.assert_frame_equal(found.reference, expected.reference, atol=1e-6)
    assert max(model.batch_sizes) <= batch_size


@pytest.mark.parametrize("make", MODELS)
def test_effects_do_not_depend_on_the_order_or_on_the_other_elements(genome, make):
    everything = by_edit(score_loci(make(), ELEMENTS, locus_table(), genome, Settings()).effects)
    backwards = by_edit(score_loci(make(), ELEMENTS[::-1], locus_table(), genome, Settings()).effects)
    alone = by_edit(score_loci(make(), ELEMENTS[1:2], locus_table(), genome, Settings()).effects)
    assert everything.keys() == backwards.keys()
    assert alone.keys() == {key for key in everything if key[0] == ELEMENTS["element"][1]}
    for key, effect in (backwards | alone).items():
        assert effect == pytest.approx(everything[key], abs=1e-6)


@pytest.mark.parametrize("make", MODELS)
def test_the_seed_decides_the_edits(genome, make):
    runs = [score_loci(make(), ELEMENTS, locus_table(), genome, Settings(seed=seed)).effects for seed in (1, 1, 2)]
    pd.testing.assert_frame_equal(runs[0], runs[1])
    assert by_edit(runs[0]) != by_edit(runs[2])


def test_two_models_are_probed_at_different_sites(genome):
    sites = [
        set(score_loci(MarkovMasked(name), ELEMENTS, None, genome, Settings()).effects["start"]) for name in ("a", "b")
    ]
    assert sites[0] != sites[1]


@pytest.mark.parametrize("make", [MarkovMasked, EquivariantMasked, MarkovCausal])
@pytest.mark.parametrize("window", [40, 41])
@pytest.mark.parametrize("span", [(180, 200), (180, 195), (150, 211)])
def test_the_reverse_complement_of_a_genome_has_the_same_effects(genome, make, window, span):
    settings = Settings(window=window, sites=1000, alternatives=3)
    forward = score_loci(make(), element_table(span), None, genome, settings)
    mirror = MemoryGenome(chr1=reverse_complement(genome.contigs["chr1"]))
    start, end = LENGTH - span[1], LENGTH - span[0]
    reverse = score_loci(make(), element_table((start, end)), None, mirror, settings)
    expected = {(row.start, row.alt): row.effect for row in forward.effects.itertuples()}
    found = {(LENGTH - 1 - row.start, reverse_complement(row.alt)): row.effect for row in reverse.effects.itertuples()}
    assert found.keys() == expected.keys()
    assert len(found) == 3 * (span[1] - span[0])
    for key, effect in found.items():
        assert effect == pytest.approx(expected[key], abs=2e-5)
    assert reverse.reference["predictability"][0] == pytest.approx(forward.reference["predictability"][0], abs=1e-5)


def test_an_equivariant_model_needs_one_strand_and_loses_nothing(genome):
    one, both = EquivariantMasked(), EquivariantMasked()
    both.equivariant = False
    single = score_loci(one, ELEMENTS, None, genome, Settings())
    double = score_loci(both, ELEMENTS, None, genome, Settings())
    pd.testing.assert_frame_equal(single.effects, double.effects, atol=1e-6)
    assert 2 * len(one.sequences_run) == len(both.sequences_run)


def test_swapping_reference_and_alternative_changes_the_sign(genome):
    settings = Settings(sites=1000, alternatives=3, window=64)
    for make in (MarkovMasked, MarkovCausal):
        effects = score_loci(make(), element_table((190, 191)), None, genome, settings).effects
        for row in effects.itertuples():
            bases = genome.contigs["chr1"]
            swapped = MemoryGenome(chr1=bases[:190] + row.alt + bases[191:])
            back = score_loci(make(), element_table((190, 191)), None, swapped, settings).effects
            (effect,) = back.loc[back["alt"] == row.ref, "effect"]
            assert effect == pytest.approx(-row.effect, abs=1e-5)


# Nothing is run in vain ---------------------------------------------------------------------------------------------


def test_one_masked_pass_a_site_and_strand_serves_three_alternatives(genome):
    model = MarkovMasked()
    scores = score_loci(model, element_table((100, 160)), None, genome, Settings(sites=8))
    assert len(scores.effects) == 24
    # The element, of three windows, takes three passes of each for its predictability.
    assert len(model.sequences_run) == 16 + 2 * 3 * 3 == scores.forwards
    of_sites = [sequence for sequence in model.sequences_run if sequence.count("#") == 1]
    assert len(of_sites) == 16
    assert all(sequence[len(sequence) // 2] == "#" for sequence in of_sites)


def test_a_causal_reference_is_run_once_a_window_and_strand(genome):
    model = MarkovCausal()
    scores = score_loci(model, element_table((100, 120)), None, genome, Settings(sites=8))
    assert len(model.sequences_run) == 2 * (1 + 8) == scores.forwards
    assert scores.tokens == sum(map(len, model.sequences_run))


@pytest.mark.parametrize("make", MODELS)
def test_no_sequence_is_run_twice(genome, make):
    model = make()
    # The same intervals under other names, and a repeat of the genome: sites coincide.
    table = pd.concat([ELEMENTS, ELEMENTS.assign(element=ELEMENTS["element"] + "'")], ignore_index=True)
    score_loci(model, table, locus_table(), genome, Settings(sites=1000))
    if model.kind != "output":
        assert len(model.sequences_run) == len(set(model.sequences_run))


@pytest.mark.parametrize("make", MODELS)
def test_identity_edits_are_never_run(make):
    genome = MemoryGenome(chr1="A" * LENGTH)
    model = make()
    settings = Settings(perturbation=None if model.kind == "masked" else "shuffle")
    scores = score_loci(model, ELEMENTS, locus_table(), genome, settings)
    if model.kind == "masked":
        assert (scores.effects["alt"] != scores.effects["ref"]).all()
    else:
        assert scores.effects.empty
        assert set(scores.reference["status"]) == {"no_effects"}
        assert all(set(sequence) <= {"A", "T", "N"} for sequence in model.sequences_run)
        assert len(model.sequences_run) <= 4


@pytest.mark.parametrize("make", MODELS)
def test_the_plan_knows_the_cost_beforehand(genome, make):
    model = make()
    locus = locus_table()
    plan = make_plan(model, ELEMENTS, genome, Settings(replicates=2), locus.iloc[0])
    assert model.sequences_run == []
    score_loci(model, ELEMENTS, locus, genome, Settings(replicates=2))
    assert plan.forwards == len(model.sequences_run)
    assert plan.tokens == sum(map(len, model.sequences_run))


# N, contig ends, statuses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", MODELS)
def test_an_element_of_n_only_is_masked_and_the_others_are_scored(genome, make):
    bases = genome.contigs["chr1"]
    holed = MemoryGenome(chr1=bases[:205] + "N" * 17 + bases[222:])
    scores = score_loci(make(), ELEMENTS, locus_table(), holed, Settings())
    status = dict(zip(scores.reference["element"], scores.reference["status"], strict=True))
    assert status["chr1:205-222"] == "n_masked"
    assert status["chr1:180-200"] == "ok"
    assert "chr1:205-222" not in set(scores.effects["element"])


@pytest.mark.parametrize("make", [MarkovMasked, MarkovCausal])
def test_no_site_falls_on_n_or_iupac(genome, make):
    bases = genome.contigs["chr1"]
    holed = MemoryGenome(chr1=bases[:182] + "NRYNNNKMNN" + bases[192:].lower())
    scores = score_loci(make(), element_table((180, 200)), None, holed, Settings(sites=1000))
    assert set(scores.effects["start"]) == {180, 181, *range(192, 200)}
    assert set(scores.effects["ref"]) <= set("ACGT")
    assert np.isfinite(scores.effects["effect"]).all()


@pytest.mark.parametrize("make", [MarkovMasked, MarkovCausal])
def test_a_window_cut_by_the_contigs_end_is_padded_with_n(genome, make):
    table = element_table((0, 20), (LENGTH - 20, LENGTH))
    model = make()
    scores = score_loci(model, table, None, genome, Settings())
    assert set(scores.reference["status"]) == {"ok"}
    padded = MemoryGenome(chr1="N" * 100 + genome.contigs["chr1"] + "N" * 100)
    shifted = table.assign(start=table["start"] + 100, end=table["end"] + 100)
    expected = score_loci(make(), shifted, None, padded, Settings())
    np.testing.assert_allclose(scores.effects["effect"], expected.effects["effect"], atol=1e-6)


@pytest.mark.parametrize("make", [MarkovMasked, MarkovCausal])
def test_one_bad_element_fails_alone(genome, make):
    table = pd.concat([ELEMENTS, element_table((390, 420)), element_table((10, 30), chrom="chrX")], ignore_index=True)
    scores = score_loci(make(), table, None, genome, Settings())
    assert scores.reference["status"].tolist() == ["ok"] * 3 + ["failed"] * 2
    assert scores.rejected["element"].tolist() == ["chr1:390-420", "chrX:10-30"]
    assert "chrX" in scores.rejected["reason"].iloc[1]


def test_elements_not_wholly_inside_the_output_window_are_outside_context(genome):
    model = LinearOutput(stranded=False)
    start, end, *_ = output_place(200, "+", model)
    table = element_table((start, start + 10), (end - 10, end), (start - 1, start + 10), (end - 10, end + 1), (0, 10))
    scores = score_loci(model, table, locus_table(), genome, Settings())
    assert scores.reference["status"].tolist() == ["ok"] * 2 + ["outside_context"] * 3
    assert scores.reference["predictability"].isna().all()


def test_an_element_whose_effects_are_all_nan_has_failed(genome):
    class Broken(MarkovMasked):
        def distribution(self, sequence, position):
            return [float("nan")] * 4

    scores = score_loci(Broken(), ELEMENTS, None, genome, Settings())
    assert set(scores.reference["status"]) == {"failed"}
    assert scores.effects["effect"].isna().all()


@pytest.mark.parametrize("make", MODELS)
def test_an_output_model_needs_the_locus_and_a_language_model_does_not(genome, make):
    if make is LinearOutput:
        with pytest.raises(InputError, match="--loci"):
            score_loci(make(), ELEMENTS, None, genome, Settings())
        with pytest.raises(InputError, match="no locus 'L'"):
            score_loci(make(), ELEMENTS, locus_table(locus="other"), genome, Settings())
    else:
        assert len(score_loci(make(), ELEMENTS, None, genome, Settings()).effects)


def test_a_locus_that_fails_does_not_take_the_others_with_it(genome):
    table = pd.concat([element_table((170, 185), locus="gone"), ELEMENTS, element_table((160, 175), locus="lost")])
    scores = score_loci(LinearOutput(), table, locus_table(), genome, Settings())
    assert scores.reference["status"].tolist() == ["failed", "ok", "ok", "ok", "failed"]
    assert scores.failed_loci.keys() == {"gone", "lost"}
    reasons = scores.reference["reason"].tolist()
    assert "no locus 'gone'" in reasons[0]
    assert reasons[1] == ""
    alone = score_loci(LinearOutput(), ELEMENTS, locus_table(), genome, Settings())
    pd.testing.assert_frame_equal(scores.effects, alone.effects)
    with pytest.raises(InputError, match=r"(?s)no locus 'gone'.*no locus 'lost'"):
        score_loci(LinearOutput(), table[table["locus"] != "L"], locus_table(), genome, Settings())


@pytest.mark.parametrize(
    ("make", "settings", "option"),
    [
        (MarkovMasked, Settings(readout="track"), "--readout"),
        (MarkovMasked, Settings(readout="llr", perturbation="shuffle"), "--perturbation"),
        (MarkovMasked, Settings(readout="llr", block=5), "--perturbation"),
        (MarkovCausal, Settings(readout="llr"), "--readout"),
        (MarkovCausal, Settings(perturbation="insertion", insert="ACX"), "--insert"),
        (MarkovCausal, Settings(perturbation="insertion", insert="17"), "--insert"),
        (MarkovCausal, Settings(readout="dependency", target="0,0"), "--target"),
        (MarkovCausal, Settings(window=65), "--window"),
        (LinearOutput, Settings(window=32), "--window"),
    ],
)
def test_settings_that_do_not_fit_the_model_are_refused(genome, make, settings, option):
    with pytest.raises(InputError, match=option):
        score_loci(make(), ELEMENTS, locus_table(), genome, settings)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("placement", "left"),
        ("block", 0),
        ("perturbation", "inversion"),
        ("window", 3),
        ("alternatives", 2),
        ("sites", 0),
        ("replicates", 0),
    ],
)
def test_settings_that_fit_no_model_are_refused(setting, value):
    with pytest.raises(ValidationError, match=setting):
        Settings(**{setting: value})


# Long elements, memory, progress ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "window"), [*itertools.product([1, 2, 20, 33, 150, 331], [8, 63, 64])])
def test_tiles_cover_an_element_once_and_are_alike_from_both_ends(length, window):
    cut = tiles(length, window)
    assert cut[0][0] == 0
    assert cut[-1][1] == length
    assert all(left[1] == right[0] for left, right in itertools.pairwise(cut))
    assert cut == [(length - last, length - first) for first, last in reversed(cut)]
    assert max(last - first for first, last in cut) <= window // 2 + 2


def test_every_base_of_a_long_element_has_context_on_both_sides(genome):
    plan = make_plan(MarkovCausal(), element_table((50, 350)), genome, Settings(sites=50))
    for window in plan.windows:
        before, after = window.tile[0] - window.start, window.end - window.tile[1]
        assert before == after >= 64 // 4 - 2
        assert len(window.letters()) == window.end - window.start
    assert sum(window.tile[1] - window.tile[0] for window in plan.windows) == 300 * 2
    assert len(plan.edits) == 50


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory. Tried to allocate"),
        RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize("make", [MarkovMasked, MarkovCausal])
def test_a_batch_that_does_not_fit_is_halved(genome, make, error):
    class Small(make):
        def log_probs(self, tokens):
            if len(tokens) > 5:
                raise error
            return super().log_probs(tokens)

    model = Small()
    scores = score_loci(model, ELEMENTS, None, genome, Settings(), batch_size=64)
    assert 1 < max(model.batch_sizes) <= 5
    pd.testing.assert_frame_equal(scores.effects, score_loci(make(), ELEMENTS, None, genome, Settings()).effects)


def test_a_window_that_never_fits_is_the_users_to_mend_and_other_errors_are_ours(genome):
    def failing(error):
        class Failing(MarkovMasked):
            def log_probs(self, tokens):
                raise error

        return Failing()

    with pytest.raises(InputError, match="does not fit into memory"):
        score_loci(failing(RuntimeError("out of memory")), ELEMENTS, None, genome, Settings())
    with pytest.raises(RuntimeError, match="shapes"):
        score_loci(failing(RuntimeError("shapes")), ELEMENTS, None, genome, Settings())


def test_progress_rises_to_the_number_of_elements(genome):
    seen = []
    table = pd.concat([ELEMENTS, ELEMENTS.assign(element=["x", "y", "z"], locus="M")], ignore_index=True)
    job = element_run(MarkovMasked(), table, None, genome, Settings(), batch_size=4)
    list(engine.score_chunks(job, lambda *at: seen.append(at)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (6, 6)


def test_long_edits_are_written_without_letters(genome):
    scores = score_loci(
        MarkovCausal(context=256), element_table((100, 151), (200, 250)), None, genome, Settings(perturbation="shuffle")
    )
    assert scores.effects["alt"].map(len).tolist() == [0, 50]
    assert engine.LETTERS_SHOWN == 50


# Chunks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", MODELS)
def test_effects_do_not_depend_on_the_chunks(genome, make, monkeypatch):
    expected = score_loci(make(), ELEMENTS, locus_table(), genome, Settings(replicates=2))
    monkeypatch.setattr(engine, "ELEMENTS_PER_CHUNK", 1)
    model = make()
    found = score_loci(model, ELEMENTS, locus_table(), genome, Settings(replicates=2))
    pd.testing.assert_frame_equal(found.effects, expected.effects, atol=1e-6)
    pd.testing.assert_frame_equal(found.reference, expected.reference, atol=1e-6)
    if model.kind == "output":
        # The reference of the locus is run once, not once a chunk.
        assert len(model.sequences_run) == len(found.effects) + 1


def test_chunks_hold_about_as_much_work_each_and_every_element_once(genome, monkeypatch):
    monkeypatch.setitem(BASES_PER_BATCH["language"], "cpu", 64)
    table = element_table(*((at, at + 8) for at in range(100, 300, 10)))
    cut = list(engine.chunks(element_run(MarkovCausal(), table, None, genome, Settings(sites=4))))
    # Four edits of 64 bases are four batches of 64: sixteen elements a chunk.
    assert [len(chunk.elements) for chunk in cut] == [16, 4]
    assert pd.concat([chunk.elements for chunk in cut])["element"].tolist() == table["element"].tolist()
    saturated = list(
        engine.chunks(element_run(MarkovCausal(), table, None, genome, Settings(perturbation="saturation")))
    )
    assert len(saturated) > len(cut)


def test_finished_chunks_are_not_run_again(genome, monkeypatch):
    class Kept(dict):
        load, save = dict.get, dict.__setitem__

    monkeypatch.setattr(engine, "ELEMENTS_PER_CHUNK", 1)
    store, first = Kept(), MarkovMasked()
    expected = list(engine.score_chunks(element_run(first, ELEMENTS, None, genome, Settings()), store=store))
    assert len(store) == 3
    del store[1]
    second = MarkovMasked()
    found = list(engine.score_chunks(element_run(second, ELEMENTS, None, genome, Settings()), store=store))
    assert 0 < len(second.sequences_run) < len(first.sequences_run) / 2
    for left, right in zip(found, expected, strict=True):
        pd.testing.assert_frame_equal(left.effects, right.effects)


def test_a_failed_chunk_is_tried_again(genome):
    class Kept(dict):
        load, save = dict.get, dict.__setitem__

    table = pd.concat([ELEMENTS, element_table((160, 175), locus="lost")])
    store = Kept()
    list(engine.score_chunks(element_run(LinearOutput(), table, locus_table(), genome, Settings()), store=store))
    assert store.keys() == {0}
    both = pd.concat([locus_table(), locus_table(locus="lost")])
    parts = list(engine.score_chunks(element_run(LinearOutput(), table, both, genome, Settings()), store=store))
    assert not any(part.failed_loci for part in parts)


def test_memory_does_not_grow_with_the_number_of_elements(monkeypatch):
    class Flat(OrderZeroMasked):
        def log_probs(self, tokens):
            return torch.full((*tokens.shape, 4), math.log(0.25))

    monkeypatch.setattr(engine, "ELEMENTS_PER_CHUNK", 50)
    genome = MemoryGenome(chr1=random_dna(20_000))
    small, large = (element_table(*((at, at + 20) for at in range(1000, 1000 + 20 * n, 20))) for n in (100, 400))

    def peak(table, keep):
        gc.collect()
        tracemalloc.start()
        kept = [
            part for part in engine.score_chunks(element_run(Flat(), table, None, genome, Settings(sites=4))) if keep
        ]
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(kept) == (8 if keep else 0)
        return found

    peak(small, keep=False)  # fills caches
    streamed = peak(large, keep=False) - peak(small, keep=False)
    collected = peak(large, keep=True) - peak(small, keep=False)
    # What is left to grow is the table of elements itself.
    assert streamed < collected / 2


# Precision ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("noise", "good"), [(0.0, True), (1e-4, True), (0.5, False)])
def test_what_a_precision_costs_is_measured(genome, noise, good):
    class Rough(MarkovMasked):
        precision = "bf16"

        def log_probs(self, tokens):
            exact = super().log_probs(tokens)
            if self.precision == "fp32":
                return exact
            return exact + noise * torch.randn(exact.shape, generator=torch.Generator().manual_seed(0))

    model = Rough()
    agreement = engine.precision_agreement(element_run(model, ELEMENTS, None, genome, Settings(sites=6)))
    assert model.precision == "bf16"
    assert agreement.good == good
    assert agreement.effects == 3 * 4 * 3
    assert agreement.sentence("bf16").startswith("note" if good else "warning")
    exact = score_loci(MarkovMasked(), ELEMENTS, None, genome, Settings(sites=4)).effects["effect"]
    rough = score_loci(Rough(), ELEMENTS, None, genome, Settings(sites=4)).effects["effect"]
    assert agreement.correlation == pytest.approx(np.corrcoef(exact, rough)[0, 1], abs=1e-6)
    assert agreement.error == pytest.approx((exact - rough).abs().mean() / exact.abs().mean(), abs=1e-6)


def test_fp32_is_not_compared_with_itself(genome):
    assert engine.precision_agreement(element_run(MarkovMasked(), ELEMENTS, None, genome, Settings())) is None
