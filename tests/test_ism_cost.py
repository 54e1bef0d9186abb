"""The estimate against the engine's own plans, and against figures published for the real models."""

import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from darkregulome.ism.calibrate import Calibration, RandomGenome, calibrate, measure_start
from darkregulome.ism.cost import count_forwards, estimate_cost, read_size
from darkregulome.ism.engine import score_loci
from darkregulome.ism.plan import Settings, make_plan
from darkregulome.models.architecture import find_architecture
from darkregulome.models.registry import default_registry, find_entry, load_model
from fake_models import LinearOutput, MarkovCausal, MarkovMasked
from test_ism_engine import MemoryGenome, element_table, locus_table, random_dna


def described(*spans, tss=200):
    table = element_table(*spans)
    distance = [0 if start <= tss < end else min(abs(start - tss), abs(end - 1 - tss)) for start, end in spans]
    return table.assign(length=table["end"] - table["start"], n_fraction=0.0, distance=distance)


@pytest.mark.parametrize(
    ("model", "perturbation"),
    [
        (MarkovMasked(), "substitution"),
        (MarkovCausal(), "substitution"),
        (MarkovCausal(), "shuffle"),
        (LinearOutput(tss_offset=32, stranded=False), "shuffle"),
    ],
)
def test_estimated_forwards_are_those_of_the_plan(model, perturbation):
    table = described((170, 190), (192, 212), (300, 395), (214, 230))
    genome = MemoryGenome(chr1=random_dna(400))
    settings = Settings(perturbation=perturbation, sites=6, replicates=2)
    plan = make_plan(model, table, genome, settings, locus_table().iloc[0])
    assert sum(count_forwards(table, model.kind, perturbation, 64, 6, 2)) == plan.forwards


def test_elements_of_n_only_cost_nothing():
    table = described((0, 50), (60, 90)).assign(n_fraction=[1.0, 0.5])
    assert count_forwards(table, "masked", "substitution", 64, 100, 1) == (0, 30)


@pytest.mark.parametrize(
    ("architecture", "kind", "window", "days"),
    [("caduceus", "masked", 131_072, 33), ("caduceus", "masked", 8192, 44 / 24), ("hyenadna", "causal", 8192, 45 / 24)],
)
def test_hours_agree_with_the_published_estimates_within_a_factor_of_two(architecture, kind, window, days):
    # 30,448 elements, reference and one edit each, one strand.
    table = pd.DataFrame({"length": 300, "n_fraction": 0.0, "locus": "L", "distance": 0}, index=range(15224))
    entry = SimpleNamespace(kind=kind, architecture=architecture, window=window, context=None, perturbation="shuffle")
    if kind == "masked":
        entry.perturbation = "substitution"
    size = find_architecture(architecture).size
    cost = estimate_cost("x", entry, size, table, sites=2 if kind == "masked" else 1, device="cpu", price_per_hour=2.0)
    assert cost.forwards == 60_896
    assert days / 2 < cost.hours / 24 < 2 * days
    assert cost.money == pytest.approx(2 * cost.hours)


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
    settings = Settings(sites=4, window=None if model.kind == "output" else 64)
    found = calibrate(ticking, table, settings, seconds=1e9, clock=lambda: float(ticking.ticks))
    assert found.elements_timed == 12
    assert found.work == pytest.approx(1, rel=0.02)
    assert found.locus == pytest.approx(locus, abs=3)


def test_a_run_costs_its_starts_its_loci_and_its_sequences():
    entry = SimpleNamespace(
        kind="masked", architecture="caduceus", window=64, context=None, perturbation="substitution"
    )
    size = find_architecture("caduceus").size
    calibration = Calibration(start=7.0, locus=2.0, work=0.5, elements_timed=5)
    table = scattered(30, loci=3)
    for per_task, tasks in ((1, 3), (2, 2), (5, 1)):
        cost = estimate_cost("x", entry, size, table, sites=4, calibration=calibration, loci_per_task=per_task)
        assert cost.calibrated
        assert cost.hours * 3600 == pytest.approx(tasks * 7 + 3 * 2 + 0.5 * 30 * 8)


def test_a_calibrated_estimate_is_what_scoring_takes():
    """On CPU time of one thread, which other work on the machine does not stretch much."""
    torch.set_num_threads(1)
    entry = find_entry("demo-caduceus", None, None)
    model, table = load_model("demo-caduceus"), scattered(60)
    settings = Settings(window=entry.window, sites=4)
    calibration = calibrate(model, table.sample(20, random_state=1), settings, seconds=0.5, clock=time.process_time)
    size = read_size(default_registry().parent / "models" / entry.weights, entry.architecture)
    estimate = estimate_cost("demo-caduceus", entry, size, table, sites=4, calibration=calibration).hours * 3600
    genome = MemoryGenome(chr1=random_dna(int(table["end"].max()) + 1000))
    began = time.process_time()
    score_loci(model, table, None, genome, settings)
    assert estimate == pytest.approx(time.process_time() - began, rel=0.5)


def test_the_start_of_a_task_is_measured():
    assert 0.2 < measure_start("demo-hyena") < 300
