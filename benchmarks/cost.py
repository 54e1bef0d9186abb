#!/usr/bin/env python3
"""A calibrated estimate of cost beside what scoring then takes, on this machine: `benchmarks/cost.py`.

Shipped models on one thread, on elements at random places around three TSSs of a random genome; the estimate is
calibrated on a third of them.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))

from darkregulome.edits.cost import PricedModel, estimate_cost, read_size
from darkregulome.edits.settings import Settings, resolve
from darkregulome.models.registry import default_registry, find_entry, load_model
from darkregulome.scoring.calibrate import RandomGenome, calibrate
from darkregulome.scoring.elements import ElementRun, score_elements

LOCI, SPACE = ["L0", "L1", "L2"], 20_000
READOUTS = [
    ("demo-caduceus", {}),
    ("demo-caduceus", {"readout": "loglik", "perturbation": "deletion"}),
    ("demo-hyena", {}),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--elements", type=int, default=240)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of the calibration's longest run")
    parser.add_argument("--cpu-time", action="store_true", help="count CPU time: where others use the machine too")
    given = parser.parse_args()
    clock = time.process_time if given.cpu_time else time.perf_counter
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    loci = pd.DataFrame({"locus": LOCI, "chrom": "calibration", "strand": "+"})
    loci["tss"] = SPACE * (2 * np.arange(len(LOCI)) + 1)
    elements = place(rng, given.elements, loci)
    genome = RandomGenome(2 * SPACE * len(LOCI))
    print("| model | readout, perturbation | estimate / measured | estimate | measured |\n|---|---|---|---|---|")
    for name, asked in READOUTS:
        entry = find_entry(name, None, None)
        model = load_model(name)
        settings = resolve(Settings(**asked).preferring(entry, model.context), model)
        sample = elements.sample(given.elements // 3, random_state=1)
        calibration = calibrate(model, sample, settings, seconds=given.seconds, clock=clock)
        size = read_size(default_registry().parent / "models" / entry.weights, entry.architecture)
        priced = PricedModel(name, entry.kind, entry.architecture, size, settings, calibration=calibration)
        estimate = 3600 * estimate_cost(priced, elements).hours
        began = clock()
        score_elements(ElementRun(model, elements, loci, genome, settings))
        measured = clock() - began
        what = f"{settings.readout}, {settings.perturbation}"
        print(f"| {name} | {what} | **{estimate / measured:.2f}** | {estimate:.2f} s | {measured:.2f} s |", flush=True)


def place(rng: np.random.Generator, count: int, loci: pd.DataFrame) -> pd.DataFrame:
    """Elements of 100 to 500 bases, at random within `SPACE` of the TSSs."""
    table = loci.sample(count, replace=True, random_state=0).reset_index(drop=True)
    table["length"] = rng.integers(100, 500, count)
    table["distance"] = rng.integers(500, SPACE - 1000, count) * rng.choice([-1, 1], count)
    table["start"] = table["tss"] + table["distance"] - np.where(table["distance"] < 0, table["length"] - 1, 0)
    table["end"] = table["start"] + table["length"]
    return table.assign(element=[f"e{row}" for row in range(count)], n_fraction=0.0, cls="cCRE")


if __name__ == "__main__":
    main()
