"""Predictability against a naive loop over bases, one masked at a time, that no edit of the element touches."""

import math

import numpy as np
import pandas as pd
import pytest

from darkregulome.edits.forwards import MASK_STRIDE, mask_phases
from darkregulome.edits.plan import probed_tiles
from darkregulome.edits.predictability import ELEMENT, WITH_FLANKS
from darkregulome.edits.settings import Settings, resolve
from darkregulome.edits.windows import centred_window
from darkregulome.genome.sequence import reverse_complement
from element_runs import make_plan, score_loci
from fake_models import EquivariantMasked, LinearOutput, MarkovCausal, MarkovMasked
from test_edits_readouts import ELEMENTS, GENOME, LENGTH
from test_scoring_elements import MemoryGenome, element_table, locus_table, random_dna

COLUMNS = ["predictability", "predictability_a", "predictability_b"]
LONG = element_table((100, 160), (170, 290), (300, 360))


def log_p(model, window, at):
    """Of the base at a coordinate: given what is before it, or around it with it masked; None where it is N."""
    letters = window.letters()
    place = window.end - 1 - at if window.reverse else at - window.start
    if letters[place] not in "ACGT":
        return None
    seen = letters if model.kind == "causal" else letters[:place] + "#" + letters[place + 1 :]
    return math.log(model.distribution(seen, place)["ACGT".index(letters[place])])


def bases_read(plan, model, number, target):
    """Mean over windows of log p of every base of a target and its flanks that one of its windows reads."""
    values = {}
    if plan.probes:
        windows = [(window, probe.phases) for probe in plan.probes for window in probe.windows]
    else:
        windows = [(window, range(MASK_STRIDE)) for window in plan.windows]
    for window, phases in windows:
        if window.target != number:
            continue
        first = window.tile[0] - 100 * (window.tile[0] == target.start)
        last = window.tile[1] + 100 * (window.tile[1] == target.end)
        for at in range(max(first, window.start), min(last, window.end)):
            place = window.end - 1 - at if window.reverse else at - window.start
            if place % MASK_STRIDE in phases and (value := log_p(model, window, at)) is not None:
                values.setdefault(at, []).append(value)
    return {at: np.mean(value) for at, value in values.items()}


def naive(plan, model):
    for number, target in enumerate(plan.targets):
        read = bases_read(plan, model, number, target)
        touched = {at for edit in plan.edits if edit.target == number for at in range(edit.edit.start, edit.edit.end)}
        inside = [at for at in read if target.start <= at < target.end]
        left = [at for at in inside if at not in touched]
        where = ELEMENT
        if len(left) < 20 or len(left) < len(inside) / 4:
            left, where = [at for at in read if at not in touched], WITH_FLANKS
        halves = [[read[at] for at in left if (at - target.start) // 10 % 2 == half] for half in (0, 1)]
        yield (np.mean([read[at] for at in left]), *(np.mean(half) for half in halves), where)


@pytest.mark.parametrize("window", [64, 400])
@pytest.mark.parametrize(
    "edits",
    [
        {},
        {"sites": 30},
        {"sites": 4, "predictability_passes": 3},
        {"perturbation": "saturation"},
        {"perturbation": "shuffle", "block": 30},
    ],
)
@pytest.mark.parametrize(
    ("make", "readout"),
    [
        (MarkovMasked, "llr"), (EquivariantMasked, "llr"), (MarkovMasked, "loglik"), (MarkovCausal, "loglik"),
        (MarkovMasked, "dependency"), (EquivariantMasked, "dependency"), (MarkovCausal, "dependency"),
    ],
)  # fmt: skip
def test_predictability_equals_a_naive_loop_over_untouched_bases(make, readout, edits, window):
    if readout == "llr" and "block" in edits:
        pytest.skip("llr reads single bases only")
    if readout == "dependency" and window == 64:
        pytest.skip("no window holds element and region")
    model, locus = make(context=window), locus_table(220)
    settings = Settings(readout=readout, window=window, target="12,8", **edits)
    for table in (ELEMENTS, LONG):
        plan = make_plan(model, table, GENOME, settings, locus.iloc[0])
        found = score_loci(model, table, locus, GENOME, settings).reference
        expected = list(naive(plan, model))
        np.testing.assert_allclose(found[COLUMNS].to_numpy(float), [row[:3] for row in expected], rtol=1e-5)
        assert found["predictability_at"].tolist() == [row[3] for row in expected]
        assert "saturation" not in edits.values() or set(found["predictability_at"]) == {WITH_FLANKS}


def test_every_readout_reads_the_same_bases_of_the_same_edits():
    settings = Settings(sites=5, window=400, target="12,8")
    by_readout = [
        score_loci(MarkovMasked(context=400), table, locus_table(220), GENOME,
                   settings.model_copy(update={"readout": readout})).reference[COLUMNS]
        for table in (LONG, ELEMENTS) for readout in ("llr", "loglik", "dependency")
    ]  # fmt: skip
    for first in (0, 3):
        for other in by_readout[first + 1 : first + 3]:
            pd.testing.assert_frame_equal(other, by_readout[first], rtol=1e-5)


@pytest.mark.parametrize("make", [MarkovMasked, EquivariantMasked, MarkovCausal])
@pytest.mark.parametrize("span", [(20, 380), (100, 230), (150, 199), (0, 50)])
def test_the_other_strand_of_the_genome_is_as_predictable(make, span):
    text = random_dna(LENGTH, 7)
    settings = Settings(perturbation="saturation", window=64)
    there = LENGTH - span[1], LENGTH - span[0]
    means = [
        score_loci(make(), element_table(one), None, MemoryGenome(chr1=sequence), settings).reference["predictability"]
        for sequence, one in ((text, span), (reverse_complement(text), there))
    ]
    np.testing.assert_allclose(*means, rtol=1e-5)


@pytest.mark.parametrize("stride", [7, 14, 21, 42])
@pytest.mark.parametrize("length", [5, 30, 63, 64])
def test_bases_are_masked_alike_from_both_ends(stride, length):
    for count in range(1, stride + 1):
        phases = mask_phases(length, stride, count)
        places = {place for place in range(length) if place % stride in phases}
        assert places
        assert places == {length - 1 - place for place in places}
        assert count - 1 <= len(phases) <= max(count, 2) or stride > length
    assert mask_phases(length, stride, stride) == tuple(range(min(stride, length)))


def test_an_element_takes_about_seven_forwards_whatever_its_length():
    settings, few = (
        resolve(Settings(window=256, predictability_passes=passes), MarkovMasked(context=256)) for passes in (7, 3)
    )
    for length in range(1, 3000, 13):
        fewer = sum(len(phases) for *_, phases in probed_tiles(length, few, MASK_STRIDE))
        assert fewer <= max(3, len(probed_tiles(length, few, MASK_STRIDE)))
        parts = probed_tiles(length, settings, MASK_STRIDE)
        forwards = sum(len(phases) for *_, phases in parts)
        assert 5 <= forwards <= max(9, len(parts))
        assert (parts[0][0], parts[-1][1]) == (0, length)
        if len(parts) == 1:
            assert forwards == MASK_STRIDE
        for first, last, phases in parts:
            start, end = centred_window(first, last, 256)
            assert 255 <= end - start <= 256
            assert len(phases) >= 1


def test_halves_agree_as_far_as_bases_do_and_an_output_model_has_none():
    reference = score_loci(MarkovMasked(), LONG, None, GENOME, Settings(window=64)).reference
    assert (reference[COLUMNS[1:]].min(axis=1) <= reference["predictability"]).all()
    assert (reference[COLUMNS[1:]].max(axis=1) >= reference["predictability"]).all()
    assert (reference["predictability_a"] != reference["predictability_b"]).all()
    output = score_loci(
        LinearOutput(tss_offset=32, stranded=False), ELEMENTS, locus_table(), GENOME, Settings()
    ).reference
    assert output[COLUMNS].isna().all().all()
    assert set(output["predictability_at"]) == {""}


def test_effects_of_llr_do_not_depend_on_what_is_read_for_predictability():
    """Batches of any size, chunks of any length: the same effects, and the same predictability."""
    settings = Settings(window=64, sites=5)
    whole = score_loci(MarkovMasked(), LONG, None, GENOME, settings)
    for batch_size in (1, 3):
        found = score_loci(MarkovMasked(), LONG, None, GENOME, settings, batch_size=batch_size)
        pd.testing.assert_frame_equal(found.effects, whole.effects)
        pd.testing.assert_frame_equal(found.reference, whole.reference)
    alone = [score_loci(MarkovMasked(), LONG[row : row + 1], None, GENOME, settings).reference for row in range(3)]
    pd.testing.assert_frame_equal(pd.concat(alone, ignore_index=True), whole.reference)
