#!/usr/bin/env python3
"""Every claim of the diagnosis on 30,448 elements and three models: seconds, memory, and the ratio to scipy's test.

Worlds are drawn on example elements (92 loci): two language models with halves of predictability, and an output model.
Every learner, both sets of features, 100,000 rotations; tables and figures are not written. Compiled kernels are built
before, on a small table. Prints the parts, a digest of what was said (the same for any number of threads), and the null
of one statistic against `scipy.stats.permutation_test`, which is given fewer resamples: the ratio is of the times of
one draw.
"""

import argparse
import hashlib
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import permutation_test
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))

from darkregulome.diagnosis.calibration_input import on_elements
from darkregulome.diagnosis.decompose import decompose
from darkregulome.diagnosis.diagnose import diagnose
from darkregulome.diagnosis.example import example_elements
from darkregulome.diagnosis.scores import HALVES
from darkregulome.diagnosis.settings import Settings
from darkregulome.diagnosis.worlds import Design, all_worlds, draw_world
from darkregulome.stats.loci import Loci
from darkregulome.stats.noise import geometric
from darkregulome.stats.nulls import find_null
from darkregulome.stats.partial import partial_effect
from darkregulome.stats.setting import Setting

MODELS = {
    "first": ("masked", "llr", "independent"),
    "second": ("causal", "loglik", "reliability_0.9"),
    "third": ("output", "x", "consequence"),
}


def tables(loci: int, per_locus: int, elements: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Elements with every trivial feature, and scores of three models."""
    table = example_elements(loci, per_locus).head(elements)
    rng = np.random.default_rng(0)
    design = Design(on_elements(table), geometric(0.5))
    frames = []
    for name, (kind, readout, world) in MODELS.items():
        scores = draw_world(
            design, all_worlds()[world], lambda one: (one.distance <= 10_000).astype(float), 0.25, rng
        ).table
        frame = scores[["element", "ris", "predictability", *HALVES]].assign(model=name, kind=kind, readout=readout)
        if kind == "output":
            frame[["predictability", *HALVES]] = np.nan
        frames.append(frame)
    columns = ["markov5", "two_sided"]
    return table.merge(scores[["element", *columns]], on="element"), pd.concat(frames, ignore_index=True)


def against_scipy(elements: pd.DataFrame, ris: pd.DataFrame, permutations: int, resamples: int) -> tuple[float, float]:
    """CPU seconds of `permutations` draws of the raw horizon, studentised: ours, and scipy's from `resamples` draws."""
    merged = elements.merge(ris[ris["model"] == "first"], on="element").sort_values(["locus", "start"])
    loci = Loci.of(merged["locus"].to_numpy())
    near = loci.center((merged["distance"].abs() <= 10_000).to_numpy(dtype=float))
    score = loci.standardise(merged["ris"].to_numpy())[0]
    started = time.process_time()
    null = find_null("rotation").make(loci, np.zeros(0), permutations, np.random.default_rng(0))
    partial_effect(score, near, Setting(loci, null, np.zeros((0, loci.count), dtype=np.int64)))
    ours = time.process_time() - started

    def difference(first, second, axis):
        return first.mean(axis=axis) - second.mean(axis=axis)

    started = time.process_time()
    samples = score[near > 0], score[near <= 0]
    permutation_test(samples, difference, n_resamples=resamples, vectorized=True, batch=20, rng=0)
    return ours, (time.process_time() - started) * permutations / resamples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--permutations", type=int, default=100_000, help="rotations")
    parser.add_argument("--resamples", type=int, default=400, help="permutations that scipy is given")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--decompose", action="store_true", help="the decomposition too")
    asked = parser.parse_args()
    settings = Settings(permutations=asked.permutations)
    with threadpool_limits(1):
        diagnose(*tables(8, 40, 320), Settings(permutations=99))
        both = tables(92, 331, 30_448)
        parts = {"diagnosis": lambda: diagnose(*both, settings, asked.threads).record}
        if asked.decompose:
            parts["decomposition"] = lambda: decompose(*both, settings).record
        for name, part in parts.items():
            wall, cpu = time.perf_counter(), time.process_time()
            record = part()
            digest = hashlib.sha256(json.dumps(record).encode()).hexdigest()[:12]
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            took = f"{time.perf_counter() - wall:7.1f} s{time.process_time() - cpu:7.1f} CPU s"
            print(f"{name:<16}{took}, {memory:.2f} GiB, {len(record['claims'])} claims, record {digest}", flush=True)
        ours, theirs = against_scipy(*both, asked.permutations, asked.resamples)
    print(f"horizon, {asked.permutations:,} draws: {ours:.3f} CPU s; scipy {theirs:.0f}: {theirs / ours:.0f} times")


if __name__ == "__main__":
    main()
