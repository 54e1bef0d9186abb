#!/usr/bin/env python3
"""Every claim on 30,448 elements and three models: seconds, memory, and the ratio to scipy's permutation test.

Planted scores on example elements (92 loci), with eQTLs, conservation, families, a network and pairs that are drawn
beside them. 100,000 rotations, 10,000 draws of each other null; tables and figures are not written. Compiled kernels
are built before, on a small table. Prints a row a part, and one claim (the raw horizon) against
`scipy.stats.permutation_test`, which is given fewer resamples: the ratio is of the times of one draw.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import permutation_test
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))

from darkregulome.diagnosis.cross_check import check_conservation, check_eqtl
from darkregulome.diagnosis.decompose import decompose
from darkregulome.diagnosis.diagnose import diagnose, prepare
from darkregulome.diagnosis.families import check_families
from darkregulome.diagnosis.genes import check_network, check_pairs
from darkregulome.diagnosis.planted import TRUTHS, ScoreModel, example_elements, geometric, make_design, plant
from darkregulome.diagnosis.planted_outside import plant_outside
from darkregulome.diagnosis.settings import Settings
from darkregulome.diagnosis.string_network import Network
from darkregulome.stats.claims import horizon
from darkregulome.stats.nulls import RotationNull


def tables(loci: int, per_locus: int, elements: int) -> dict[str, object]:
    """Elements, scores of three models, and what the cross-checks take."""
    table = example_elements(loci, per_locus).head(elements)
    rng = np.random.default_rng(0)
    families = np.array(["SINE/Alu", "LINE/L1", "LTR/ERV1", "DNA/hAT"])[rng.integers(0, 4, len(table))]
    table["family"] = np.where(table["class"] == "TE", families, "none")
    design = make_design(table)
    first, output = plant(design, TRUTHS["horizon_and_class"], ScoreModel(geometric(0.5)), 10_000, 0.25, rng)
    second, _ = plant(design, TRUTHS["predictability"], ScoreModel(geometric(0.5)), 10_000, 0.25, rng)
    named = {
        "first": (first, "masked", "llr"),
        "second": (second, "causal", "loglik"),
        "third": (output, "output", "x"),
    }
    ris = pd.concat(
        [
            one.table[["element", "ris", "predictability"]].assign(model=name, kind=kind, readout=readout, status="ok")
            for name, (one, kind, readout) in named.items()
        ],
        ignore_index=True,
    )
    ris.loc[ris["kind"] == "output", "predictability"] = np.nan
    one = prepare(first, Settings(permutations=99))
    outside = plant_outside(one, rng)
    names = one.scores.table["locus"].iloc[one.scores.loci.starts].to_numpy()
    genes = np.array([f"GENE{i}" for i in range(len(names))])
    chosen = one.scores.table[outside.with_eqtl]
    gene_of = dict(zip(names, genes, strict=True))
    eqtls = pd.DataFrame({"chrom": chosen["chrom"], "start": chosen["start"], "end": chosen["start"] + 1})
    links = pd.DataFrame(np.sort(genes[outside.edges], axis=1), columns=["gene1", "gene2"]).assign(score=900)
    return {
        "elements": table,
        "ris": ris,
        "loci": pd.DataFrame({"locus": names, "gene": genes}),
        "eqtls": eqtls.assign(gene=chosen["locus"].map(gene_of).to_numpy()),
        "conservation": pd.Series(outside.conservation, one.scores.table["element"])
        .reindex(table["element"])
        .to_numpy(),
        "network": Network(links, []),
        "pairs": links[["gene1", "gene2"]].head(20),
        "one": one,
    }


def parts(given: dict, settings: Settings, threads: int = 1) -> dict[str, Callable[[], object]]:
    """The stages of a run, by name."""
    both = given["elements"], given["ris"]
    return {
        "diagnosis": lambda: diagnose(*both, settings, threads),
        "decomposition": lambda: decompose(*both, settings),
        "conservation": lambda: check_conservation(*both, given["conservation"], settings),
        "eQTLs": lambda: check_eqtl(*both, given["loci"], given["eqtls"], settings),
        "TE families": lambda: check_families(*both, settings),
        "network": lambda: check_network(*both, given["loci"], given["network"], settings),
        "pairs": lambda: check_pairs(*both, given["loci"], given["pairs"], settings),
    }


def against_scipy(given: dict, permutations: int, resamples: int) -> tuple[float, float]:
    """CPU seconds of `permutations` draws of the raw horizon: ours, and scipy's from `resamples` of them."""
    one = given["one"]
    near = one.scores.distance <= 10_000
    started = time.process_time()
    null = RotationNull(one.scores.loci, permutations, np.random.default_rng(0))
    horizon(one.raw, near, type(one.setting)(one.scores.loci, null, one.setting.resamples, 0.05))
    ours = time.process_time() - started

    def difference(first, second, axis):
        return first.mean(axis=axis) - second.mean(axis=axis)

    started = time.process_time()
    samples = one.raw[near], one.raw[~near]
    permutation_test(samples, difference, n_resamples=resamples, vectorized=True, batch=20, rng=0)
    return ours, (time.process_time() - started) * permutations / resamples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--permutations", type=int, default=100_000, help="rotations; other nulls have 10,000 at most")
    parser.add_argument("--resamples", type=int, default=400, help="permutations that scipy is given")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    with threadpool_limits(1):
        small = tables(8, 40, 320)
        for part in parts(small, Settings(permutations=99)).values():
            part()
        given = tables(92, 331, 30_448)
        wall, cpu = time.perf_counter(), time.process_time()
        for name, part in parts(given, Settings(permutations=asked.permutations), asked.threads).items():
            before, before_cpu = time.perf_counter(), time.process_time()
            part()
            print(f"{name:<16}{time.perf_counter() - before:7.1f} s{time.process_time() - before_cpu:7.1f} CPU s")
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{'all':<16}{time.perf_counter() - wall:7.1f} s{time.process_time() - cpu:7.1f} CPU s, {memory:.2f} GiB")
        ours, theirs = against_scipy(given, asked.permutations, asked.resamples)
    print(f"horizon, {asked.permutations:,} draws: {ours:.3f} CPU s; scipy {theirs:.0f}: {theirs / ours:.0f} times")


if __name__ == "__main__":
    main()
