#!/usr/bin/env python3
"""Base pairs of real RNAs in dependency maps: `benchmarks/rna_contacts.py --minutes 7`.

Trains a small GPN on four families of ArchiveII (Sloma and Mathews 2016), every fifth member held out, and maps
held-out members of these and of a family that was never seen. AUROC of paired bases against all others that could pair,
by the dependency itself, and by runs of it along anti-diagonals; pseudoknots (all brackets but round ones) apart, with
the other pairs left out. Tomaz da Silva et al. 2025 report 0.95, with models of 90 million parameters trained on
hundreds of species. The data are found by DARKREGULOME_SHARED.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bin"))

from darkregulome.ism.dependency import dependency_map  # noqa: E402
from darkregulome.maps.calls import Scale, stem_field, symmetric  # noqa: E402
from darkregulome.maps.evaluate import contact_auc, read_dot_bracket  # noqa: E402
from darkregulome.models.registry import load_model  # noqa: E402

SEEN, UNSEEN = ("5s", "tRNA", "srp", "tmRNA"), ("grp1",)
WINDOW, FLANK = 120, 24
CONFIG = {"model_type": "ConvNet", "hidden_size": 48, "n_layers": 12, "kernel_size": 5, "dilation_max": 32}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=7, help="of training")
    parser.add_argument("--each", type=int, default=6, help="sequences mapped of a family")
    parser.add_argument("--longest", type=int, default=420)
    parser.add_argument("--weights", type=Path, help="a checkpoint of an earlier run, instead of training")
    parser.add_argument("--keep", type=Path, help="folder for the checkpoint")
    given = parser.parse_args()
    shared = Path(os.environ.get("DARKREGULOME_SHARED", ROOT.parent / "shared"))
    table = pd.read_table(shared / "data" / "bench" / "rna_ss" / "archiveII.dbn.tsv")
    table["sequence"] = table["sequence"].str.upper().str.replace("U", "T")
    table["held_out"] = table.groupby("family").cumcount() % 5 == 0
    with tempfile.TemporaryDirectory() as folder:
        weights = given.weights or train(table, Path(folder), given.minutes, given.keep)
        registry = Path(folder, "models.yml")
        entry = {"kind": "masked", "architecture": "gpn", "context": given.longest}
        registry.write_text(json.dumps({"models": {"rna": entry}}))
        model = load_model("rna", weights=weights, device="cpu", registry=registry)
        print(
            json.dumps({k: v for k, v in json.loads((weights / "model_card.json").read_text()).items() if "loss" in k})
        )
        print(
            "| family | seen in training | sequences | AUC, dependency | AUC, runs of it | AUC, pseudoknots (pairs) |"
        )
        print("|---|---|---|---|---|---|")
        for family in (*SEEN, *UNSEEN):
            kept = table[(table["family"] == family) & (table["length"] <= given.longest)]
            kept = kept[kept["held_out"]] if family in SEEN else kept
            if len(kept):
                report(model, family, kept.iloc[: given.each])


def report(model, family: str, rows: pd.DataFrame) -> None:
    found = defaultdict(list)
    pairs = 0
    for row in rows.itertuples():
        even = symmetric(dependency_map(model, row.sequence))
        nested, knotted = read_dot_bracket(row.dot_bracket)
        found["all"].append(contact_auc(even, [*nested, *knotted]))
        found["runs"].append(contact_auc(stem_field(Scale.of([even]).standardise(even)), [*nested, *knotted]))
        if knotted:
            found["knots"].append(contact_auc(even, knotted, others=nested))
            pairs += len(knotted)
    knots = f"{np.mean(found['knots']):.3f} ({pairs})" if pairs else "none"
    seen = "other members" if family in SEEN else "no"
    numbers = f"{np.mean(found['all']):.3f} | {np.mean(found['runs']):.3f} | {knots}"
    print(f"| {family} | {seen} | {len(rows)} | {numbers} |", flush=True)


def train(table: pd.DataFrame, folder: Path, minutes: float, keep: Path | None) -> Path:
    """A GPN on the families of training, each sequence between random flanks, so that none is too short."""
    rng = np.random.default_rng(0)
    lines = []
    for row in table[table["family"].isin(SEEN)].itertuples():
        bare = WINDOW - row.length
        sides = ["".join(rng.choice(list("ACGT"), max(FLANK, bare // 2 + 1))) for _ in range(2)]
        name = f"{'test' if row.held_out else 'train'}_{row.name}".replace(" ", "_")
        lines.append(f">{name}_{row.Index}\n{sides[0]}{row.sequence}{sides[1]}\n")
    fasta, config = folder / "rna.fa", folder / "config.json"
    fasta.write_text("".join(lines))
    config.write_text(json.dumps(CONFIG))
    out = keep or folder / "rna"
    command = [
        *(sys.executable, ROOT / "bin" / "train_lm.py", "--fasta", fasta, "--architecture", "gpn", "--config", config),
        *("--holdout", "test_*", "--minutes", minutes, "--window", WINDOW, "--batch", 32, "--strands", "forward"),
        *("--threads", 1, "--device", "cpu", "--no-progress", "--out", out),
    ]
    subprocess.run([str(word) for word in command], check=True)
    return out


if __name__ == "__main__":
    main()
