"""The estimate against the engine's own plans, and against figures published for the real models."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from darkregulome.edits.cost import (
    START_SECONDS,
    Calibration,
    PricedModel,
    count_forwards,
    estimate_cost,
    plan_tasks,
    read_size,
    settle,
    totals,
)
from darkregulome.edits.plan import make_plan
from darkregulome.edits.settings import Settings, resolve
from darkregulome.errors import InputError
from darkregulome.models.architecture import find_architecture
from darkregulome.models.registry import ModelEntry, default_registry, find_entry, load_model
from darkregulome.scoring.calibrate import RandomGenome, calibrate, measure_start
from darkregulome.scoring.elements import ElementRun, score_elements
from fake_models import LinearOutput, MarkovCausal, MarkovMasked
from test_scoring_elements import MemoryGenome, element_table, locus_table, random_dna


def described(*spans, tss=200):
    table = element_table(*spans)
    distance = [0 if start <= tss < end else min(abs(start - tss), abs(end - 1 - tss)) for start, end in spans]
    return table.assign(length=table["end"] - table["start"], n_fraction=0.0, distance=distance)


class OverThreeBases(MarkovMasked):
    """As if its tokens covered three bases."""

    k = 3


TABLE = described((172, 188), (198, 229), (300, 395), (232, 260), (20, 49))
OUTPUT = LinearOutput(tss_offset=32, stranded=False)
EDITS = [
    {"perturbation": "substitution"},
    {"perturbation": "substitution", "alternatives": 3},
    {"perturbation": "substitution", "block": 7},
    {"perturbation": "saturation"},
    {"perturbation": "shuffle"},
    {"perturbation": "shuffle", "block": 20},
    {"perturbation": "deletion", "block": 30},
    {"perturbation": "mask"},
    {"perturbation": "insertion", "insert": "3"},
    {"perturbation": "insertion", "insert": "ACG"},
]


@pytest.mark.parametrize("edits", EDITS, ids=lambda edits: "-".join(map(str, edits.values())))
@pytest.mark.parametrize(
    ("model", "readout"),
    [
        (MarkovMasked(), "llr"),
        (MarkovMasked(), "loglik"),
        (MarkovMasked(), "dependency"),
        (OverThreeBases("k-mers"), "loglik"),
        (OverThreeBases("k-mers"), "dependency"),
        (MarkovCausal(), "loglik"),
        (MarkovCausal(), "dependency"),
        (OUTPUT, "track"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_estimated_forwards_are_those_of_the_plan(model, readout, edits):
    window = 64 if readout != "dependency" else 400
    settings = Settings(readout=readout, sites=6, replicates=2, window=None if model.kind == "output" else window)
    model.context = max(model.context, window) if model.kind != "output" else model.context
    try:
        settings = resolve(settings.model_copy(update={"target": "6,4", **edits}), model)
    except InputError:
        pytest.skip("llr reads single bases only")
    # One strand of one locus; nothing is N, so that no two sequences and no edit and its reference are alike.
    genome, locus = MemoryGenome(chr1=random_dna(2000)), locus_table().iloc[0]
    plan = make_plan(model, TABLE, genome, settings, locus)
    counted = sum(
        count_forwards(TABLE, model.kind, settings, getattr(model, "equivariant", False), getattr(model, "k", 1))
    )
    # Sequences that happen to be alike are run once; an edit of the whole region leaves nothing to read.
    assert 0.8 * counted <= plan.forwards <= counted


def test_elements_of_n_only_cost_nothing():
    table = described((0, 50), (60, 90)).assign(n_fraction=[1.0, 0.5])
    settings = resolve(Settings(sites=100), MarkovMasked())
    # Seven passes of one window read the predictability.
    assert count_forwards(table, "masked", settings) == (14, 30)
    assert count_forwards(table, "masked", settings, equivariant=True) == (7, 15)


@pytest.mark.parametrize(
    ("architecture", "kind", "window", "days"),
    [("caduceus", "masked", 131_072, 33), ("caduceus", "masked", 8192, 44 / 24), ("hyenadna", "causal", 8192, 45 / 24)],
)
def test_hours_agree_with_the_published_estimates_within_a_factor_of_two(architecture, kind, window, days):
    # 30,448 elements, reference and one edit each, one strand.
    table = pd.DataFrame({"length": 300, "n_fraction": 0.0, "locus": "L", "distance": 0}, index=range(15224))
    edit = "substitution" if kind == "masked" else "shuffle"
    entry = ModelEntry(kind=kind, architecture=architecture, window=window, perturbation=edit)
    size = find_architecture(architecture).size
    model = priced(entry, size, Settings(sites=2), price_per_hour=2.0)
    references, edits = model.forwards(table)
    # They know no passes for predictability: seven a window and strand of a masked model.
    assert (references, edits) == ((14 * 15224, 60_896) if kind == "masked" else (30_448, 30_448))
    assert days / 2 < model.seconds(0, 60_896, 1, 1) / 3600 / 24 < 2 * days
    cost = estimate_cost(model, table)
    assert cost.money == pytest.approx(2 * cost.hours)


def priced(entry, size, settings=None, **options):
    settled = settle("x", entry, settings or Settings())
    return PricedModel("x", entry.kind, entry.architecture, size, settled, **options)


def test_a_checkpoint_that_is_not_at_hand_is_taken_at_its_published_size(tmp_path):
    assert read_size(tmp_path, "enformer") == find_architecture("enformer").size


def scattered(count, seed=0, loci=3):
    """Elements of all lengths beside one another on chr1, in loci of their own."""
    rng = np.random.default_rng(seed)
    length = rng.integers(50, 400, count)
    start = 1000 + np.concatenate(([0], np.cumsum(length[:-1] + 20)))
    table = element_table(*zip(start.tolist(), (start + length).tolist(), strict=True))
    return table.assign(
        length=length, n_fraction=0.0, distance=start, locus=[f"L{i * loci // count}" for i in range(count)]
    )


def test_a_random_genome_is_n_outside_of_itself():
    genome = RandomGenome(100)
    assert genome.length("any") == 100
    assert genome.fetch("any", -3, 2) == "NNN" + genome.fetch("any", 0, 2)
    assert genome.fetch("any", 98, 101) == genome.fetch("any", 98, 100) + "N"
    assert set(genome.fetch("any", 0, 100)) == set("ACGT")
    assert genome.fetch("any", 200, 203) == "NNN"


class Ticking:
    """A model that takes one tick of a clock for each sequence it reads, and none for anything else."""

    def __init__(self, model):
        self.model, self.ticks = model, 0

    def __getattr__(self, name):
        return getattr(self.model, name)

    def log_probs(self, tokens):
        self.ticks += len(tokens)
        return self.model.log_probs(tokens)

    def reference_state(self, sequence):
        self.ticks += 100
        return self.model.reference_state(sequence)

    def edited_tss_tracks(self, state, sequences, spans):
        self.ticks += len(sequences)
        return self.model.edited_tss_tracks(state, sequences, spans)


@pytest.mark.parametrize(
    ("model", "locus"),
    [
        (MarkovMasked(), 0),
        (MarkovCausal(), 0),
        (LinearOutput(tss_offset=32, stranded=False), 100),
    ],
)
def test_what_a_sequence_and_a_locus_take_is_found_exactly(model, locus):
    ticking = Ticking(model)
    table = scattered(12)
    if model.kind == "output":
        table = table.assign(length=20, end=table["start"] + 20, distance=range(-6, 6))
    settings = resolve(Settings(sites=4, window=None if model.kind == "output" else 64), ticking)
    found = calibrate(ticking, table, settings, seconds=1e9, clock=lambda: float(ticking.ticks))
    assert found.elements_timed == 12
    assert found.work == pytest.approx(1, rel=0.02)
    assert found.locus == pytest.approx(locus, abs=3)


def test_a_run_costs_its_starts_its_loci_and_its_sequences():
    entry = ModelEntry(kind="masked", architecture="caduceus", window=64)
    size = find_architecture("caduceus").size
    calibration = Calibration(start=7.0, locus=2.0, work=0.5, elements_timed=5)
    table = scattered(30, loci=3)
    for per_task, tasks in ((1, 3), (2, 2), (5, 1)):
        cost = estimate_cost(priced(entry, size, Settings(sites=4), calibration=calibration), table, per_task)
        assert cost.calibrated
        assert cost.edit_forwards == 30 * 8
        assert cost.hours * 3600 == pytest.approx(tasks * 7 + 3 * 2 + 0.5 * (30 * 8 + cost.reference_forwards))


@pytest.mark.parametrize("calibration", [None, Calibration(start=7.0, locus=2.0, work=0.5, elements_timed=5)])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("kind", ["masked", "causal", "output"])
def test_the_tasks_of_the_plan_are_the_whole_in_parts_and_each_starts_once(kind, device, calibration):
    architecture, window = {"masked": ("caduceus", 64), "causal": ("hyenadna", 64), "output": ("enformer", 196_608)}[
        kind
    ]
    entry = ModelEntry(kind=kind, architecture=architecture, window=window, context=window)
    table = scattered(30, loci=5)
    size = find_architecture(architecture).size
    model = priced(entry, size, Settings(sites=4), device=device, calibration=calibration, price_per_hour=3.0)
    hours = {}
    order = ["L3", "nothing", "L0", "L4", "L1", "L2"]
    for per_task, names in ((1, ["L3", "L0", "L4", "L1", "L2"]), (2, ["L3..L0", "L4..L1", "L2"]), (9, ["L3..L2"])):
        whole = estimate_cost(model, table, per_task)
        plan = pd.DataFrame(plan_tasks(model, table, per_task, order))
        assert plan["task"].tolist() == names
        assert whole.tasks == len(plan)
        assert ",".join(plan["loci"]) == "L3,L0,L4,L1,L2"
        summed = plan[["elements", "reference_forwards", "edit_forwards", "bases"]].sum().tolist()
        assert summed == [whole.elements, whole.reference_forwards, whole.edit_forwards, whole.tokens]
        assert plan["hours"].sum() == pytest.approx(whole.hours)
        assert plan["money"].sum() == pytest.approx(3 * whole.hours)
        hours[per_task] = whole.hours
    start = START_SECONDS[device] if calibration is None else 7.0
    assert 3600 * (hours[1] - hours[2]) == pytest.approx(2 * start)
    assert 3600 * (hours[1] - hours[9]) == pytest.approx(4 * start)


def test_totals_are_of_each_device_and_of_money_only_where_all_have_a_price():
    entry = ModelEntry(kind="masked", architecture="caduceus", window=64)
    model, table = priced(entry, find_architecture("caduceus").size, price_per_hour=2.0), scattered(30, loci=3)
    costs = [estimate_cost(replace(model, device=device), table) for device in ("cpu", "cuda", "cpu")]
    cpu, cuda = totals(costs)
    assert (cpu["device"], cpu["models"], cpu["tasks"]) == ("cpu", 2, 6)
    assert cpu["hours"] == pytest.approx(2 * costs[0].hours)
    assert cpu["money"] == pytest.approx(2 * cpu["hours"])
    assert (cuda["models"], cuda["forwards"]) == (1, costs[1].forwards)
    assert (
        totals([*costs, estimate_cost(replace(model, device="cuda", price_per_hour=None), table)])[1]["money"] is None
    )


@pytest.fixture
def work_clock() -> Iterator[Callable[[], float]]:
    """A clock that goes with what the modules of all networks give: the same on every machine, however busy."""
    numbers = 0

    def count(_module, _given, result):
        nonlocal numbers
        numbers += result.numel() if isinstance(result, torch.Tensor) else 0

    hook = torch.nn.modules.module.register_module_forward_hook(count)
    yield lambda: 1e-8 * numbers
    hook.remove()


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("demo-caduceus", {"sites": 4}),
        ("demo-caduceus", {"perturbation": "deletion"}),
        ("demo-caduceus", {"readout": "dependency", "target": "20,10", "sites": 3}),
        ("demo-hyena", {"sites": 4}),
        ("demo-hyena", {"readout": "dependency", "target": "20,10", "perturbation": "saturation"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_a_calibrated_estimate_is_what_scoring_takes(name, asked, work_clock):
    """By a clock that goes with the work of the networks; benchmarks/cost.py asks a real one."""
    entry = find_entry(name, None, None)
    model, table = load_model(name), scattered(15 if "deletion" in asked.values() else 60)
    settings = resolve(Settings(**asked).preferring(entry, model.context), model)
    if "dependency" in asked.values():  # twenty elements side by side around each TSS
        # Calibration lays all loci over one TSS: an edit that another locus has at the same place would be free there.
        start = 5000 + 7 * (np.arange(len(table)) % 20 - 10) + 2 * (np.arange(len(table)) // 20)
        table = table.assign(
            start=start, end=start + 6, length=6, distance=np.where(start < 4997, start - 4995, start - 5000)
        )
    sample = table.sample(len(table) // 3, random_state=1)
    calibration = calibrate(model, sample, settings, seconds=0.7, clock=work_clock)
    assert calibration.elements_timed > 1
    size = read_size(default_registry().parent / "models" / entry.weights, entry.architecture)
    equivariant = getattr(model, "equivariant", False)
    costed = PricedModel(name, entry.kind, entry.architecture, size, settings, equivariant, calibration=calibration)
    estimate = estimate_cost(costed, table).hours * 3600
    genome = MemoryGenome(chr1=random_dna(int(table["end"].max()) + 1000))
    loci = pd.DataFrame({"locus": table["locus"].unique(), "chrom": "chr1", "tss": 5000, "strand": "+"})
    began = work_clock()
    score_elements(ElementRun(model, table, loci, genome, settings))
    assert estimate == pytest.approx(work_clock() - began, rel=0.3)


def test_the_start_of_a_task_is_measured():
    assert 0.2 < measure_start("demo-hyena") < 300
