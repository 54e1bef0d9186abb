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

from darkregulome.diagnosis.planted import ScoreModel, example_elements, make_design, plant, truths

from darkregulome.claims import conservation, eqtl, network, protein_pair, te_family
from darkregulome.claims.horizon import near_less_far
from darkregulome.claims.string_network import Network
from darkregulome.diagnosis.decompose import decompose
from darkregulome.diagnosis.diagnose import diagnose
from darkregulome.diagnosis.prepared import prepare
from darkregulome.diagnosis.run import cross_check
from darkregulome.diagnosis.settings import Settings
from darkregulome.stats.noise import geometric
from darkregulome.stats.nulls import RotationNull


def tables(loci: int, per_locus: int, elements: int) -> dict[str, object]:
    """Elements, scores of three models, and what the cross-checks take."""
    table = example_elements(loci, per_locus).head(elements)
    rng = np.random.default_rng(0)
    families = np.array(["SINE/Alu", "LINE/L1", "LTR/ERV1", "DNA/hAT"])[rng.integers(0, 4, len(table))]
    table["family"] = np.where(table["class"] == "TE", families, "none")
    design = make_design(table)
    settings = Settings(permutations=99)
    first, output = plant(design, truths()["horizon_and_class"], ScoreModel(geometric(0.5)), settings, 0.25, rng)
    second, _ = plant(design, truths()["predictability"], ScoreModel(geometric(0.5)), settings, 0.25, rng)
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
    one = prepare(first, settings)
    conserved, held, linked = (claim.plant.data(one, rng) for claim in (conservation.CLAIM, eqtl.CLAIM, network.CLAIM))
    names = one.scores.table["locus"].iloc[one.scores.loci.starts].to_numpy()
    genes = np.array([f"GENE{i}" for i in range(len(names))])
    chosen = one.scores.table[held.holds.to_numpy()]
    gene_of = dict(zip(names, genes, strict=True))
    eqtls = pd.DataFrame({"chrom": chosen["chrom"], "start": chosen["start"], "end": chosen["start"] + 1})
    links = pd.DataFrame(np.sort(genes[linked.planted], axis=1), columns=["gene1", "gene2"]).assign(score=900)
    return {
        "elements": table,
        "ris": ris,
        "loci": pd.DataFrame({"locus": names, "gene": genes}),
        "eqtls": eqtls.assign(gene=chosen["locus"].map(gene_of).to_numpy()),
        "conservation": conserved.means.reindex(table["element"]).to_numpy(),
        "network": Network(links, []),
        "pairs": links[["gene1", "gene2"]].head(20),
        "one": one,
    }


def parts(given: dict, settings: Settings, threads: int = 1) -> dict[str, Callable[[], object]]:
    """The stages of a run, by name."""
    both = given["elements"], given["ris"]

    def check(claim, *data):
        return cross_check(claim.CLAIM, claim.hold(given["elements"], *data), given["ris"], settings)

    return {
        "diagnosis": lambda: diagnose(*both, settings, threads),
        "decomposition": lambda: decompose(*both, settings),
        "conservation": lambda: check(conservation, given["conservation"]),
        "eQTLs": lambda: check(eqtl, given["loci"], given["eqtls"]),
        "TE families": lambda: check(te_family, te_family.Families()),
        "network": lambda: check(network, given["loci"], given["network"]),
        "pairs": lambda: check(protein_pair, given["loci"], given["pairs"]),
    }


def against_scipy(given: dict, permutations: int, resamples: int) -> tuple[float, float]:
    """CPU seconds of `permutations` draws of the raw horizon: ours, and scipy's from `resamples` of them."""
    one = given["one"]
    near = one.scores.distance <= 10_000
    started = time.process_time()
    null = RotationNull(one.scores.loci, permutations, np.random.default_rng(0))
    near_less_far(one.raw, near, type(one.setting)(one.scores.loci, null, one.setting.resamples, 0.05))
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
