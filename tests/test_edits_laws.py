"""What edits and their costs come to, by their definitions: formulas written out, and loops over elements."""

import json
import random
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from darkregulome.edits import cost
from darkregulome.edits.batches import BASES_PER_BATCH, Batches
from darkregulome.edits.cost import PricedModel, count_forwards, count_work, estimate_cost, is_equivariant, read_size
from darkregulome.edits.edit import blocks, deletions, insertions, n_masks, shuffles
from darkregulome.edits.settings import EVERY_SITE, MIN_WINDOW, SITES, Settings, preferred_window, resolve
from darkregulome.errors import InputError
from darkregulome.io.schemas import PLAN
from darkregulome.io.tables import check_table
from darkregulome.models.architecture import ModelSize, find_architecture
from darkregulome.models.registry import ModelEntry

SIZE = ModelSize(channels=24, layers=5, parameters=1_000_000)
ARCHITECTURES = {"masked": "caduceus", "causal": "hyenadna", "output": "enformer"}


class Shape:
    """All that settings ask of a model."""

    def __init__(self, kind: str, context: int = 400, name: str = "m"):
        self.kind, self.context, self.name = kind, context, name


def elements(**columns) -> pd.DataFrame:
    return pd.DataFrame({"locus": "L", "n_fraction": 0.0, "length": 10, "distance": 0, **columns})


def model_of(kind: str, settings: Settings | None = None, context: int = 400, **options) -> PricedModel:
    settled = resolve(settings or Settings(), Shape(kind, context))
    return PricedModel("m", kind, ARCHITECTURES[kind], SIZE, settled, **options)


# -- time, memory and work -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("kind", ["masked", "causal", "output"])
def test_seconds_and_operations_are_those_of_their_formulas(kind, device):
    model = model_of(kind, device=device)
    start = cost.START_SECONDS[device]
    flops = 2 * SIZE.parameters * 400 * 11
    if kind == "output":
        flops = find_architecture("enformer").flops(SIZE, 400, 4, 7)
        spent = flops / cost.OUTPUT_FLOPS_PER_SECOND[device]
    else:
        spent = 11 * 400 * SIZE.layers * SIZE.channels * cost.NANOSECONDS[device][kind] / 1e9
    assert spent > 0
    assert model.flops(4, 7) == pytest.approx(flops)
    assert model.seconds(4, 7, 2, 3) == pytest.approx(3 * start + spent)
    calibrated = replace(model, calibration=cost.Calibration(start=5.0, locus=2.0, work=0.25, elements_timed=1))
    by_hand = 3 * 5 + 4 * 2 + 7 * 0.25 if kind == "output" else 3 * 5 + 2 * 2 + 11 * 0.25
    assert calibrated.seconds(4, 7, 2, 3) == pytest.approx(by_hand)


@pytest.mark.parametrize("context", [400, 100_000, 3_000_000])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("kind", ["masked", "causal", "output"])
def test_memory_is_that_of_the_weights_and_of_one_batch(kind, device, context):
    model = model_of(kind, context=context, device=device)
    if kind == "output":
        windows = max(1, BASES_PER_BATCH["output"][device] // context)
        numbers = windows * context * SIZE.channels / 2 * 4
    else:
        numbers = max(context, BASES_PER_BATCH["language"][device]) * SIZE.channels * cost.ACTIVATIONS_PER_CHANNEL
    expected = 4 * (SIZE.parameters + numbers) + cost.RUNTIME_BYTES
    assert model.memory() == pytest.approx(expected)
    estimate = estimate_cost(model, elements(n_fraction=[0.0, 0.0]))
    assert estimate.memory_gib == pytest.approx(expected / 1024**3)
    assert (estimate.model, estimate.kind, estimate.device, estimate.calibrated) == ("m", kind, device, False)
    assert estimate.money is None
    assert estimate.record()["forwards"] == estimate.reference_forwards + estimate.edit_forwards


@pytest.mark.parametrize("kind", ["masked", "causal", "output"])
def test_work_is_every_sequence_or_for_an_output_model_every_edit(kind):
    table = elements(distance=[-20, 5, 40])
    settings = resolve(Settings(sites=3), Shape(kind))
    references, edits = count_forwards(table, kind, settings)
    assert edits > 0
    assert count_work(table, kind, settings) == (edits if kind == "output" else references + edits)
    if kind == "masked":
        one = count_forwards(table, kind, settings, equivariant=True)
        assert one[1] == edits / 2
        assert count_work(table, kind, settings, equivariant=True) == sum(one)


def test_one_strand_of_an_equivariant_model_costs_half():
    table = elements(length=[10, 30])
    for readout in ("llr", "loglik", "dependency"):
        both = model_of("masked", Settings(readout=readout, sites=4))
        one = replace(both, equivariant=True)
        assert [2 * count for count in one.forwards(table)] == list(both.forwards(table))
        tokens = replace(both, k=3)
        assert tokens.forwards(table)[1] == both.forwards(table)[1] * (3 if readout == "loglik" else 1)


@pytest.mark.parametrize("context", [40, 41])
def test_elements_that_lie_in_one_window_with_what_is_read_are_usable(context):
    rows = [(distance, length) for distance in range(-30, 31) for length in (1, 5, 12)]
    table = elements(distance=[row[0] for row in rows], length=[row[1] for row in rows])
    output = cost.usable(table, "output", resolve(Settings(), Shape("output", context)))
    assert list(output.index) == [at for at, (distance, n) in enumerate(rows) if abs(distance) + n <= context // 2]
    for kind in ("masked", "causal"):
        settings = resolve(Settings(readout="dependency", target="7,3"), Shape(kind, context))
        near = cost.usable(table, kind, settings)
        # Left of the TSS an element reaches past it by the 3 bases downstream; right of it by the 7 upstream.
        fits = [abs(d) + n + (3 if d < 0 else 7) <= context for d, n in rows]
        assert list(near.index) == [at for at, fine in enumerate(fits) if fine]
        assert len(cost.usable(table, kind, resolve(Settings(readout="loglik"), Shape(kind, context)))) == len(rows)
    assert cost.usable(table.assign(n_fraction=1.0), "masked", settings).empty


def test_a_causal_model_reads_an_element_on_the_strand_that_has_the_region_behind_it():
    settings = resolve(Settings(readout="dependency", target="7,3", perturbation="mask"), Shape("causal"))
    table = elements(distance=[-30, -7, -6, 0, 2, 3, 20, 25], locus=["A", "A", "A", "B", "B", "B", "B", "A"])
    # A: two upstream share a reference, one in the region has both strands; one downstream. B: two in the region.
    references, edits = count_forwards(table, "causal", settings)
    flanking = {(locus, d < 0) for locus, d in zip(table["locus"], table["distance"], strict=True) if d <= -7 or d >= 3}
    within = sum(-7 < d < 3 for d in table["distance"])
    assert references == len(flanking) + 2 * within
    assert edits == len(table) - within + 2 * within


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"d_model": 7, "n_layer": 3}, (7, 3)),
        ({"dim": 8, "depth": 4}, (8, 4)),
        ({"hidden_size": 9, "num_hidden_layers": 5}, (9, 5)),
        ({"d_model": 7, "n_layers": 6, "hidden_size": 1}, (7, 6)),
    ],
)
def test_the_size_of_a_checkpoint_is_read_from_its_config_and_its_weights(tmp_path, names, expected):
    save_file({"a": torch.zeros(3, 5), "b": torch.zeros(2), "c": torch.zeros(())}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(names))
    assert read_size(tmp_path, "caduceus") == ModelSize(*expected, 15 + 2 + 1)
    (tmp_path / "config.json").write_text("{}")
    published = find_architecture("caduceus").size
    assert read_size(tmp_path, "caduceus") == replace(published, parameters=18)
    (tmp_path / "model.safetensors").write_bytes(b"no")
    assert read_size(tmp_path, "caduceus") == published


@pytest.mark.parametrize(
    ("text", "equivariant"),
    [('{"rcps": true}', True), ('{"rcps": false}', False), ("{}", False), ("[1]", False), ("x", False)],
)
def test_a_config_says_whether_one_strand_is_enough(tmp_path, text, equivariant):
    assert is_equivariant(tmp_path) is False
    (tmp_path / "config.json").write_text(text)
    assert is_equivariant(tmp_path) is equivariant


def test_hours_say_what_they_rest_on():
    said = json.loads(json.dumps(cost.assumptions()))
    assert said == {
        "cpu": "2 cores",
        "cuda": "one H100",
        "language_model_nanoseconds_per_base_layer_channel": cost.NANOSECONDS,
        "output_model_flops_per_second": cost.OUTPUT_FLOPS_PER_SECOND,
        "task_start_seconds": cost.START_SECONDS,
        "precision": "fp32 on a CPU, tf32 on a GPU",
    }


def test_the_plan_of_tasks_has_the_columns_of_its_schema():
    table = elements(locus=["A", "A", "B"], distance=[0, 9, 5])
    rows = pd.DataFrame(cost.plan_tasks(model_of("masked", price_per_hour=2.0), table))
    assert list(rows) == PLAN.columns
    check_table(rows, PLAN, "plan")
    assert rows[
        ["task", "model", "device", "loci", "elements", "readout", "perturbation", "window"]
    ].to_numpy().tolist() == [
        ["A", "m", "cpu", "A", 2, "llr", "substitution", 400],
        ["B", "m", "cpu", "B", 1, "llr", "substitution", 400],
    ]


# -- settings --------------------------------------------------------------------------------------------------------


def test_a_model_that_is_not_loaded_is_settled_by_its_entry_and_named():
    entry = ModelEntry(kind="masked", architecture="caduceus", window=64, context=128, readout="loglik", sites=5)
    settled = cost.settle("mine", entry, Settings())
    assert (settled.readout, settled.window, settled.sites) == ("loglik", 64, 5)
    settled = cost.settle("mine", entry, Settings(window=100, sites=2, readout="llr"))
    assert (settled.readout, settled.window, settled.sites) == ("llr", 100, 2)
    assert cost.settle("mine", entry, Settings(window=200)).window == 200
    bare = ModelEntry(kind="causal", architecture="hyenadna")
    assert cost.settle("mine", bare, Settings()).window == cost.UNKNOWN_CONTEXT
    output = ModelEntry(kind="output", architecture="enformer", context=128)
    with pytest.raises(InputError, match="64 bases do not fit mine, which reads 128; give exactly 128"):
        cost.settle("mine", output, Settings(window=64))


@pytest.mark.parametrize("context", [64, 200])
@pytest.mark.parametrize("window", [None, 32, 100])
def test_a_model_sees_what_its_entry_prefers_and_no_more_than_it_can(context, window):
    entry = ModelEntry(kind="masked", architecture="caduceus", window=window)
    assert preferred_window(entry, Shape("masked", context)) == min(window or context, context)
    assert preferred_window(entry, Shape("output", context)) == context
    assert Settings().preferring(entry, context).window == min(window or context, context)
    assert Settings(window=16).preferring(entry, context).window == 16


def test_a_readout_that_cannot_read_the_edits_is_not_preferred():
    entry = ModelEntry(kind="masked", architecture="caduceus", readout="llr", perturbation="shuffle", window=64)
    assert Settings().preferring(entry, 64).perturbation == "shuffle"
    assert Settings().preferring(entry, 64).readout is None
    assert Settings(perturbation="substitution").preferring(entry, 64).readout == "llr"
    assert Settings(perturbation="substitution", block=3).preferring(entry, 64).readout is None
    assert Settings(perturbation="mask").preferring(entry, 64).perturbation == "mask"
    assert Settings(readout="loglik").preferring(entry, 64).readout == "loglik"


def test_what_is_left_open_is_settled_by_the_kind_of_model():
    masked, causal, output = (resolve(Settings(), Shape(kind)) for kind in ("masked", "causal", "output"))
    assert [(one.readout, one.perturbation, one.alternatives) for one in (masked, causal, output)] == [
        *(("llr", "substitution", 3), ("loglik", "substitution", 1), ("track", "shuffle", 1))
    ]
    assert {(one.sites, one.window, one.block, one.insert, one.target) for one in (masked, causal, output)} == {
        (SITES, 400, 0, 10, (200, 50))
    }
    every = resolve(Settings(perturbation="saturation", sites=2, alternatives=1), Shape("causal"))
    assert (every.sites, every.alternatives) == (EVERY_SITE, 3)
    assert resolve(Settings(placement="end"), Shape("causal")).placement == "end"
    assert resolve(Settings(placement="end"), Shape("masked")).placement == "centre"
    assert resolve(Settings(perturbation="mask"), Shape("masked")).readout == "loglik"
    assert resolve(Settings(block=4), Shape("masked")).readout == "loglik"
    assert [
        resolve(Settings(perturbation=perturbation, block=block), Shape("causal")).by_site
        for perturbation in ("substitution", "saturation", "insertion", "deletion")
        for block in (None, 3)
    ] == [True, False, True, False, True, True, False, False]


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"window": 401}, "masked", "401 bases do not fit m, which reads 400; give at most 400"),
        ({"window": 399}, "output", "give exactly 400"),
        (
            {"readout": "track"},
            "masked",
            "'track' is not a readout of masked models; use llr, loglik, dependency or auto",
        ),
        ({"readout": "llr", "perturbation": "mask"}, "masked", "'mask' cannot be read as llr"),
        ({"readout": "llr", "block": 2}, "masked", "'substitution' cannot be read as llr"),
        ({"perturbation": "insertion", "insert": "101"}, "causal", "101 bases do not fit; give 1 to 100 bases"),
        ({"perturbation": "insertion", "insert": "0"}, "causal", "0 bases do not fit"),
        ({"insert": "ACX"}, "causal", "'ACX' is neither a number nor DNA"),
        ({"target": "5"}, "causal", "'5' is no region"),
        ({"target": "0,0"}, "causal", "'0,0' is no region"),
        ({"target": "-1,5"}, "causal", "'-1,5' is no region"),
        ({"target": "1,2,3"}, "causal", "'1,2,3' is no region"),
    ],
)
def test_settings_that_do_not_fit_a_model_are_refused(settings, kind, message):
    with pytest.raises(InputError, match=message):
        resolve(Settings(**settings), Shape(kind))


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"window": 400}, "output"),
        ({"window": MIN_WINDOW}, "masked"),
        ({"perturbation": "insertion", "insert": "100"}, "causal"),
        ({"perturbation": "insertion", "insert": "acgt"}, "causal"),
        ({"insert": "1000"}, "causal"),
        ({"target": "0,1"}, "causal"),
        ({"target": " 1, 0"}, "causal"),
    ],
)
def test_settings_that_just_fit_are_taken(settings, kind):
    assert resolve(Settings(**settings), Shape(kind))


# -- edits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inserted", [1, 7, "ACG"])
def test_insertions_have_their_length_and_letters_and_stand_before_their_site(inserted):
    made = list(insertions(100, np.array([0, 4]), inserted, 3, np.random.default_rng(1)))
    draws = 1 if isinstance(inserted, str) else 3
    assert [(edit.start, edit.end, edit.ref, edit.replicate) for edit in made] == [
        (100 + site, 100 + site, "", replicate) for site in (0, 4) for replicate in range(draws)
    ]
    if isinstance(inserted, str):
        assert {edit.alt for edit in made} == {inserted}
    else:
        assert {len(edit.alt) for edit in made} == {inserted}
        assert set("".join(edit.alt for edit in made)) <= set("ACGT")


@pytest.mark.parametrize("size", [0, 1, 3, 10, 11])
@pytest.mark.parametrize("length", [1, 2, 10])
def test_blocks_are_near_equal_and_cover_all(length, size):
    cut = blocks(length, size)
    assert len(cut) == (-(-length // size) if size else 1)
    assert [base for first, last in cut for base in range(first, last)] == list(range(length))
    lengths = [last - first for first, last in cut]
    assert max(lengths) - min(lengths) <= 1


def test_whole_sequences_are_deleted_masked_and_shuffled_where_that_changes_them():
    assert [(edit.start, edit.end, edit.ref, edit.alt) for edit in deletions("ACN", 5)] == [(5, 8, "ACN", "")]
    assert list(deletions("NN", 5)) == []
    assert [(edit.start, edit.end, edit.ref, edit.alt) for edit in n_masks("ACN", 5)] == [(5, 8, "ACN", "NNN")]
    assert list(n_masks("NN", 5)) == []
    sequence = "".join(random.Random(1).choices("ACGT", k=60))
    made = list(shuffles(sequence, 9, 4, np.random.default_rng(1)))
    assert [(edit.start, edit.end, edit.replicate) for edit in made] == [(9, 69, number) for number in range(4)]
    assert sequence not in {edit.alt for edit in made}


@pytest.mark.parametrize("kind", ["masked", "causal", "output"])
@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_batches_of_a_model_begin_with_its_guess(kind, device):
    model, shares = SimpleNamespace(kind=kind, device=device), []
    guess = BASES_PER_BATCH["output" if kind == "output" else "language"][device[:4].removesuffix(":")]
    batches = Batches.of(model, 3, 12, shares.append)
    assert (batches.budget, batches.size) == (guess, 3)
    assert Batches.of(model, None, 12).size is None
    sizes = []
    batches.run(np.arange(8), 10, lambda batch: sizes.append(len(batch)))
    assert sizes == [3, 3, 2]
    assert shares == [3 / 12, 6 / 12, 8 / 12]


def test_an_error_that_is_not_of_memory_is_raised():
    def fail(batch):
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        Batches(100, None, 4).run(np.arange(4), 10, fail)


@pytest.mark.parametrize("size", [5, 7, 9])
def test_a_batch_of_an_odd_size_is_halved_to_a_whole_number(size):
    batches, tried = Batches(10_000, size, 40), []

    def call(batch):
        tried.append(len(batch))
        if len(batch) > size // 2:
            raise RuntimeError("CUDA out of memory")

    batches.run(np.arange(2 * size), 10, call)
    assert tried[:2] == [size, size // 2]
    assert (batches.size, type(batches.size)) == (size // 2, int)
