"""The estimate against the engine's own plans, and against figures published for the real models."""

from types import SimpleNamespace

import pandas as pd
import pytest

from darkregulome.ism.cost import count_forwards, estimate_cost, read_size
from darkregulome.ism.plan import Settings, make_plan
from darkregulome.models.architecture import find_architecture
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
