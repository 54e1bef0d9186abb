#!/usr/bin/env python3
"""Base pairs of real RNAs in dependency maps: `benchmarks/rna_contacts.py --minutes 20`.

Trains a small BERT, or GPN, on some families of ArchiveII (Sloma and Mathews 2016), without every fifth member, and
maps those and a family that was never seen. AUROC of paired bases against all others that could pair, by the dependency
itself, by runs of it along anti-diagonals, and by what needs no model: the longest run of complementary bases that
holds a pair. Pseudoknots (all brackets but round ones) apart, with the other pairs left out. Tomaz da Silva et al. 2025
report 0.95, with models of 90 million parameters trained on hundreds of species. The data are found by
DARKREGULOME_SHARED.

A BERT counts from the start of the sequence, so it reads whole ones only; a GPN learns from windows, and maps any
length. Which members are held out was settled before any AUROC was seen; of the weights those are kept that have the
least loss on a tenth of the members that is neither trained on nor reported.
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
sys.path[:0] = [str(ROOT / "bin"), str(ROOT / "tests" / "support")]

from darkregulome.models.registry import load_model  # noqa: E402
from darkregulome.scoring.maps.calls import COMPLEMENTARY, MIN_LOOP, Scale, stem_field, symmetric  # noqa: E402
from darkregulome.scoring.maps.dependency import dependency_map  # noqa: E402
from known_structures import contact_auc, read_dot_bracket  # noqa: E402

COPIES = 8
"""Times that a sequence shorter than the window is given in training: what stands beside it is drawn anew each time."""

BERT = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128}
GPN = {"model_type": "ConvNet", "hidden_size": 48, "n_layers": 12, "kernel_size": 5, "dilation_max": 32}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seen", default="5s,tRNA", help="families that are trained on")
    parser.add_argument("--unseen", default="srp", help="families that are mapped only")
    parser.add_argument("--architecture", default="bert", choices=("bert", "gpn"))
    parser.add_argument("--window", type=int, default=132, help="of training, in bases")
    parser.add_argument("--longest", type=int, default=132, help="sequence that is used; of a BERT the window at most")
    parser.add_argument("--minutes", type=float, default=20, help="of training")
    parser.add_argument("--batch", type=int, default=64, help="sequences a step")
    parser.add_argument("--each", type=int, default=40, help="sequences mapped of a family, at most")
    parser.add_argument("--weights", type=Path, help="a checkpoint of an earlier run, instead of training")
    parser.add_argument("--keep", type=Path, help="folder for the checkpoint")
    given = parser.parse_args()
    seen, unseen = given.seen.split(","), given.unseen.split(",")
    table = read_structures(given.longest)
    if absent := {*seen, *unseen} - set(table["family"]):
        parser.error(f"no RNA of at most {given.longest} bases is of {', '.join(sorted(absent))}")
    with tempfile.TemporaryDirectory() as folder:
        weights = given.weights or train(table[table["family"].isin(seen)], Path(folder), given)
        registry = Path(folder, "models.yml")
        entry = {"kind": "masked", "architecture": given.architecture, "context": given.longest}
        registry.write_text(json.dumps({"models": {"rna": entry}}))
        model = load_model("rna", weights=weights, device="cpu", registry=registry)
        card = json.loads((weights / "model_card.json").read_text())
        print(json.dumps({key: value for key, value in card.items() if "loss" in key or "step" in key}))
        print(
            "| family | its members in training | mapped | dependency | runs of it | complementary runs | pseudoknots |"
        )
        print("|---|---|---|---|---|---|---|")
        for family in (*seen, *unseen):
            rows = table[table["family"] == family]
            known = (rows["part"] == "train").sum() if family in seen else 0
            mapped = rows[rows["part"] == "test"] if known else rows
            if len(mapped):
                window = given.window if given.architecture == "bert" else 0
                report(model, family, mapped.iloc[: given.each], known, window)


def read_structures(longest: int) -> pd.DataFrame:
    """ArchiveII up to some length, letters as of DNA; `part`: every fifth of a family is test, every tenth valid."""
    shared = Path(os.environ.get("DARKREGULOME_SHARED", ROOT.parent / "shared"))
    table = pd.read_table(shared / "data" / "bench" / "rna_ss" / "archiveII.dbn.tsv")
    table["sequence"] = table["sequence"].str.upper().str.replace("U", "T")
    table = table[(table["length"] <= longest) & table["sequence"].str.fullmatch("[ACGT]+")].copy()
    number = table.groupby("family").cumcount()
    table["part"] = np.select([number % 5 == 0, number % 10 == 1], ["test", "valid"], "train")
    return table


def report(model, family: str, rows: pd.DataFrame, known: int, window: int) -> None:
    """One line of the table: means over the sequences."""
    rng = np.random.default_rng(1)
    found = defaultdict(list)
    for row in rows.itertuples():
        bases = range(row.length)
        even = symmetric(dependency_map(model, padded(row.sequence, window, rng), positions=bases, targets=bases))
        nested, knotted = read_dot_bracket(row.dot_bracket)
        every = [*nested, *knotted]
        found["dependency"].append(contact_auc(even, every))
        found["runs"].append(contact_auc(stem_field(Scale.of([even]).standardise(even)), every))
        found["bases"].append(contact_auc(complementary_runs(row.sequence), every))
        if knotted:
            found["knots"].append(contact_auc(even, knotted, others=nested))
            found["pairs"] += knotted
    means = [np.mean(found[name]) for name in ("dependency", "runs", "bases")]
    knots = f"{np.mean(found['knots']):.3f} ({len(found['pairs'])} pairs)" if found["knots"] else "none"
    print(f"| {family} | {known} | {len(rows)} | {' | '.join(f'{mean:.3f}' for mean in means)} | {knots} |", flush=True)


def complementary_runs(bases: str) -> np.ndarray:
    """The length of the longest run of bases that can pair along the anti-diagonal of each entry; (length, length)."""
    can = np.array([[one + other in COMPLEMENTARY for other in bases] for one in bases], dtype=float)
    can *= np.abs(np.subtract.outer(range(len(bases)), range(len(bases)))) > MIN_LOOP
    inwards, outwards = can.copy(), can.copy()
    for i in range(len(bases) - 2, -1, -1):
        inwards[i, 1:] *= 1 + inwards[i + 1, :-1]  # in reading order of i, what runs on to (i + 1, j - 1)
    for i in range(1, len(bases)):
        outwards[i, :-1] *= 1 + outwards[i - 1, 1:]
    return np.maximum(inwards + outwards - 1, 0)


def padded(bases: str, window: int, rng: np.random.Generator) -> str:
    """A sequence at the start of a window, random bases behind it if it is shorter."""
    return bases + "".join(rng.choice(list("ACGT"), max(window - len(bases), 0)))


def train(table: pd.DataFrame, folder: Path, given: argparse.Namespace) -> Path:
    """A BERT of about 150,000 weights, or a GPN of about 200,000."""
    rng = np.random.default_rng(0)
    lines = []
    for row in table[table["part"] != "test"].itertuples():
        for copy in range(COPIES if row.length < given.window else 1):
            name = f"{row.part}_{row.Index}_{copy}"
            lines.append(f">{name}\n{padded(row.sequence, given.window, rng)}\n")
    fasta, config = folder / "rna.fa", folder / "config.json"
    fasta.write_text("".join(lines))
    places = {"max_position_embeddings": given.window + 2, "type_vocab_size": 1, "pad_token_id": 0}
    bert = {"model_type": "bert", **BERT, **places, "attn_implementation": "eager"}
    config.write_text(json.dumps(bert if given.architecture == "bert" else GPN))
    out = given.keep or folder / "rna"
    command = [
        *(sys.executable, ROOT / "bin" / "train_lm.py", "--fasta", fasta, "--config", config),
        *("--architecture", given.architecture),
        *("--holdout", "valid_*", "--minutes", given.minutes, "--window", given.window, "--batch", given.batch),
        *("--learning-rate", 2e-3, "--patience", 10_000, "--strands", "forward"),
        *("--threads", 1, "--device", "cpu", "--outdir", out),
    ]
    subprocess.run([str(word) for word in command], check=True)
    return out


if __name__ == "__main__":
    main()
