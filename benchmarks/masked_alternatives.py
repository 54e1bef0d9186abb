#!/usr/bin/env python3
"""A masked model: three ALTs a site by one masked pass, and by a loop that runs each ALT.

A random Caduceus, in the same batches. Prints a row of the table of `table.py`.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from table import row

from darkregulome.edits.batches import bases_per_batch
from darkregulome.edits.settings import Settings
from darkregulome.genome.sequence import reverse_complement
from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM
from darkregulome.models.language import LetterLanguageModel
from element_runs import score_loci


class Memory:
    """One contig in memory."""

    def __init__(self, bases: str):
        self.bases = bases

    def length(self, chrom: str) -> int:
        return len(self.bases)

    def fetch(self, chrom: str, start: int, end: int) -> str:
        inside = self.bases[max(0, start) : max(0, end)]
        return "N" * max(0, -start) + inside + "N" * (end - max(0, start) - len(inside))


def each_alternative(model: LetterLanguageModel, genome: Memory, sites: range, window: int) -> np.ndarray:
    """log p(alt) - log p(ref), both strands averaged, with a masked pass a strand for every alternative."""
    flank = (window - 1) // 2
    jobs = [(site, alt) for site in sites for alt in "ACGT" if alt != genome.bases[site]]
    effects = np.zeros(len(jobs))
    size = bases_per_batch(model) // window
    for read, order in ((str, "ACGT"), (reverse_complement, "TGCA")):
        for first in range(0, len(jobs), size):
            batch = jobs[first : first + size]
            tokens = model.encode([read(genome.fetch("", site - flank, site + flank + 1)) for site, _ in batch])
            masked = model.mask(tokens, torch.full((len(batch),), flank, device=tokens.device))
            at_site = model.log_probs(masked)[:, flank].double().cpu().numpy()
            for place, (site, alt) in enumerate(batch):
                change = at_site[place, order.index(alt)] - at_site[place, order.index(genome.bases[site])]
                effects[first + place] += change / 2
    return effects


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=32)
    parser.add_argument("--window", type=int, default=1024)
    parser.add_argument("--d-model", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu-time", action="store_true", help="count CPU time: where others use the machine too")
    given = parser.parse_args()

    torch.manual_seed(0)
    torch.set_num_threads(given.threads)
    clock = time.process_time if given.cpu_time else time.perf_counter
    network = CaduceusForMaskedLM(CaduceusConfig(d_model=given.d_model, n_layer=given.layers))
    model = LetterLanguageModel(
        "caduceus", network, kind="masked", context=given.window, device=torch.device(given.device)
    )
    genome = Memory("".join(np.random.default_rng(0).choice(list("ACGT"), 4 * given.window)))
    start = 2 * given.window
    table = pd.DataFrame({"element": ["e"], "locus": "L", "chrom": "chr1", "start": start, "end": start + given.sites})
    settings = Settings(perturbation="saturation")
    score_loci(model, table, None, genome, Settings(sites=2))  # warms up

    began = clock()
    together = score_loci(model, table, None, genome, settings).effects["effect"].to_numpy()
    one_pass = clock() - began

    began = clock()
    apart = each_alternative(model, genome, range(start, start + given.sites), given.window)
    loop = clock() - began
    size = f"Caduceus, width {given.d_model}, {given.layers} layers, {given.window:,} bases"
    difference = f"{np.abs(together - apart).max():.1e}"
    row(f"{size}: three ALTs a site, one masked pass", "a pass an ALT of the same model", loop, one_pass, difference)


if __name__ == "__main__":
    main()
