#!/usr/bin/env python3
"""Reb1 sites and TATA boxes of yeast in a language model: `benchmarks/yeast_maps.py --weights yeast-mini-gpn`.

For each Reb1 site (ChIP-exo, Rhee and Pugh 2011) and TATA box (Rhee and Pugh 2012), and for background of the same size
drawn within 400 bases of it, outside of any site and of like GC: the dependency within the site (mean of e over its
pairs of bases), what its bases change around it (mean of e from the site to the bases beside it), and the masked
log-likelihood ratio (less the best alternative's, mean over bases). AUROC of each against the background, on the
held-out chromosome and on all. Tomaz da Silva et al. 2025 report 0.92, with models of 90 million parameters trained on
hundreds of fungi. The data are found by DARKREGULOME_SHARED.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bin"))

from darkregulome.genome.reference import Reference, compress_fasta  # noqa: E402
from darkregulome.genome.sequence import gc, reverse_complement  # noqa: E402
from darkregulome.models.protocol import BASES  # noqa: E402
from darkregulome.models.registry import load_model  # noqa: E402
from darkregulome.scoring.maps.dependency import dependency_map  # noqa: E402

WINDOW = 128
"""Bases that the model sees around a site."""

BESIDE = 16
"""Bases on either side whose change counts as around the site."""

DRAWS, NEIGHBOURHOOD = 3, 400
"""Background places a site, and how far from it they may lie: in the same promoter, as a rule."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="GPN trained on the genome without --holdout")
    parser.add_argument("--holdout", default="IX", help="the chromosome that was held out")
    parser.add_argument("--sites", type=int, default=60, help="sites of a kind at most, beside those held out")
    given = parser.parse_args()
    yeast = Path(os.environ.get("DARKREGULOME_SHARED", ROOT.parent / "shared")) / "data" / "bench" / "yeast"
    card = json.loads((given.weights / "model_card.json").read_text())
    print(f"held-out loss {card['heldout_loss']:.4f} nats a base; Markov, order 5: {card['markov_loss']['5']:.4f}")
    kinds = {
        "Reb1": read_sites(yeast / "reb1_chipexo_motif_sites_R64-1-1.bed"),
        "TATA box": read_sites(yeast / "rhee2012-TATAboxes-cleaned.bed"),
    }
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        compress_fasta(yeast / "Saccharomyces_cerevisiae.R64-1-1.dna.toplevel.fa.gz", Path(folder, "yeast.fa.gz"))
        registry = Path(folder, "models.yml")
        entry = {"kind": "masked", "architecture": "gpn", "context": 512}
        registry.write_text(json.dumps({"models": {"yeast": entry}}))
        model = load_model("yeast", weights=given.weights, device="cpu", registry=registry)
        print("| sites | chromosomes | sites, background | AUC, within | AUC, around | AUC, LLR |")
        print("|---|---|---|---|---|---|")
        with Reference(Path(folder, "yeast.fa.gz")) as genome:
            for name, sites in kinds.items():
                held_out = sites[sites["chrom"] == given.holdout]
                others = sites[sites["chrom"] != given.holdout]
                chosen = pd.concat([held_out, others.sample(min(given.sites, len(others)), random_state=0)])
                scored = score_all(model, genome, chosen, pd.concat(kinds.values()), rng)
                for label, rows in (("held out", scored[scored["chrom"] == given.holdout]), ("all", scored)):
                    report(name, label, rows)


def read_sites(path: Path) -> pd.DataFrame:
    columns = {0: "chrom", 1: "start", 2: "end", 5: "strand"}
    table = pd.read_table(path, header=None, comment="#").rename(columns=columns)[list(columns.values())]
    return table.assign(chrom=table["chrom"].str.removeprefix("chr")).drop_duplicates(["chrom", "start"])


def score_all(model, genome, sites: pd.DataFrame, taken: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Scores of the sites, and of their background: the likest in GC of some places drawn beside each."""
    rows = []
    for site in sites.itertuples():
        width = site.end - site.start
        wanted = gc(genome.fetch(site.chrom, site.start, site.end))
        near = taken[taken["chrom"] == site.chrom]
        drawn = []
        while len(drawn) < 20 * DRAWS:
            start = int(site.start + rng.choice((-1, 1)) * rng.integers(width + 10, NEIGHBOURHOOD))
            inside = WINDOW <= start <= genome.length(site.chrom) - WINDOW
            if inside and not ((near["start"] < start + width) & (near["end"] > start)).any():
                drawn.append(start)
        drawn.sort(key=lambda start: abs(gc(genome.fetch(site.chrom, start, start + width)) - wanted))
        places = [(site.start, 1), *((start, 0) for start in drawn[:DRAWS])]
        for start, label in places:
            rows.append({"chrom": site.chrom, "label": label, **scores(model, genome, site, start, width)})
    return pd.DataFrame(rows)


def scores(model, genome, site, start: int, width: int) -> dict[str, float]:
    first = start + width // 2 - WINDOW // 2
    bases = genome.fetch(site.chrom, first, first + WINDOW)
    inside = slice(start - first, start - first + width)
    if site.strand == "-":
        bases, inside = reverse_complement(bases), slice(WINDOW - inside.stop, WINDOW - inside.start)
    values = dependency_map(model, bases, positions=range(inside.start, inside.stop))
    within = values[:, inside]
    beside = np.r_[inside.start - BESIDE : inside.start, inside.stop : inside.stop + BESIDE]
    tokens = model.encode([bases] * width)
    masked = model.mask(tokens, torch.arange(inside.start, inside.stop))
    with torch.inference_mode():
        found = model.log_probs(masked)[torch.arange(width), torch.arange(inside.start, inside.stop)].numpy()
    reference = [BASES.index(base) for base in bases[inside]]
    log_ratio = found - found[np.arange(width), reference][:, None]
    log_ratio[np.arange(width), reference] = -np.inf
    return {
        "within": float(within[~np.eye(width, dtype=bool)].mean()),
        "around": float(values[:, beside].mean()),
        "llr": float(-log_ratio.max(axis=1).mean()),
    }


def report(name: str, label: str, rows: pd.DataFrame) -> None:
    positives = int(rows["label"].sum())
    found = " | ".join(f"{roc_auc_score(rows['label'], rows[score]):.3f}" for score in ("within", "around", "llr"))
    print(f"| {name} | {label} | {positives}, {len(rows) - positives} | {found} |", flush=True)


if __name__ == "__main__":
    main()
