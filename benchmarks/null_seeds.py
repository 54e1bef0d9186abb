#!/usr/bin/env python3
"""How often does a claim survive where nothing is planted? `benchmarks/null_seeds.py --seeds 20 --folder null_seeds`.

The demo's stages, with the demo's settings and shipped models, on one simulated genome per seed in which nothing is
planted. What scoring gave is kept in the folder, so that a second call repeats the statistics alone. At the end: in how
many seeds any claim survived or hinged, the words by claim, and the claims whose q given the full features is below
0.05, whatever floors and gates say; all claims of all seeds are in claims.tsv of the folder.
"""

import argparse
import importlib
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bin"))

MODELS = ("demo-caduceus", "demo-hyena", "demo-enformer")
FLANK, SEED, PERMUTATIONS, NETWORK_SCORE = 24_000, 1, 10_000, 400
"""As in conf/simulated.config and nextflow.config."""
RUNGS = ("raw", "trivial", "full")
OUTSIDE = ("eqtls.tsv.gz", "phylop.bw", "string_links.txt.gz", "string_info.txt.gz")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="number of genomes")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--folder", type=Path, default=Path("null_seeds"), help="where scores and claims are kept")
    given = parser.parse_args()
    parts = []
    for seed in range(given.first, given.first + given.seeds):
        started = time.perf_counter()
        kept = given.folder / f"seed_{seed}"
        if not (kept / "ris.parquet").exists():
            score(seed, kept)
        rows = pd.DataFrame(claims_of(seed, kept))
        survives = rows[rows["verdict"] == "survives"]
        survivors = [f"{claim} of {model}" for claim, model in zip(survives["claim"], survives["model"], strict=True)]
        took = time.perf_counter() - started
        print(f"seed {seed}: {', '.join(survivors) or 'nothing survives'} ({took:.0f} s)", flush=True)
        parts.append(rows)
    table = pd.concat(parts)
    table.to_csv(given.folder / "claims.tsv", sep="\t", index=False)
    report(table)


def score(seed: int, kept: Path) -> None:
    """Simulate the null genome of `seed`, score its elements, and keep what the statistics need; the scores last."""
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        genome = folder / "genome"
        script("simulate", "genome", plant="nothing", seed=seed, outdir=genome)
        fasta, gtf, loci = genome / "genome.fa.gz", genome / "genes.gtf.gz", kept / "loci.tsv"
        script("prepare_loci", loci=genome / "loci.csv", gtf=gtf, fasta=fasta, flank=FLANK, out=loci)
        annotation = {"regulatory": "regulatory.bed.gz", "repeats": "rmsk.txt.gz", "conserved": "conserved.bed.gz"}
        given = {option: genome / file for option, file in annotation.items()} | {"class_map": genome / "class_map.csv"}
        script("build_elements", loci=loci, fasta=fasta, gtf=gtf, **given, outdir=folder)
        elements = next(folder.glob("**/elements.parquet"))
        tables = []
        for model in MODELS:
            effects, reference = folder / f"{model}.effects.parquet", folder / f"{model}.reference.parquet"
            options = {"elements": elements, "loci": loci, "fasta": fasta, "model": model, "seed": SEED}
            script("score_elements", "--no-progress", **options, out=effects, reference_out=reference)
            tables += [f"--effects={effects}", f"--reference={reference}"]
        script("pool_ris", *tables, elements=elements, outdir=folder)
        for path in (elements, *(genome / name for name in OUTSIDE), next(folder.glob("**/ris.parquet"))):
            shutil.copy(path, kept / path.name)


def claims_of(seed: int, kept: Path) -> list[dict]:
    """Diagnose and cross-check the kept scores of one seed: one row per claim and model."""
    scores = {"elements": kept / "elements.parquet", "ris": kept / "ris.parquet"}
    with tempfile.TemporaryDirectory() as folder:
        tests = {"permutations": PERMUTATIONS, "seed": SEED, "outdir": folder}
        script("diagnose", "--no-progress", **scores, **tests)
        loci = {"loci": kept / "loci.tsv"}
        network = {"network": kept / "string_links.txt.gz", "network_info": kept / "string_info.txt.gz"}
        script("cross_check", "eqtl", **scores, **tests, **loci, eqtl=kept / "eqtls.tsv.gz")
        script("cross_check", "conservation", **scores, **tests, bigwig=kept / "phylop.bw")
        script("cross_check", "families", **scores, **tests)
        script("cross_check", "network", **scores, **tests, **loci, **network, min_score=NETWORK_SCORE)
        script("cross_check", "pairs", **scores, **tests, **loci, **network)
        records = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*.json"))]
    return [
        {
            "seed": seed,
            "claim": claim["claim"],
            "model": claim["model"],
            **{f"{rung}_{number}": (claim.get(rung) or {}).get(number) for rung in RUNGS for number in ("effect", "q")},
            "reason": claim.get("reason", ""),
            "verdict": claim["verdict"],
        }
        for record in records
        for claim in record["claims"]
    ]


def script(name: str, *words: str, **options: object) -> None:
    """Run a script of bin/ in this process: its imports are paid for once."""
    listed = [f"--{option.replace('_', '-')}={value}" for option, value in options.items()]
    importlib.import_module(name).app([*words, *listed], standalone_mode=False)


def report(table: pd.DataFrame) -> None:
    seeds = table["seed"].nunique()
    for word in ("survives", "hinges"):
        rows = table[table["verdict"] == word]
        print(f"\n{rows['seed'].nunique()} of {seeds} seeds have a claim that {word}, {len(rows)} of {len(table)}.")
        print(rows.to_string(index=False) if len(rows) else "None does.")
    print("\n", table.groupby(["claim", "verdict"]).size().unstack(fill_value=0).to_string())
    small = table[table["full_q"] < 0.05].groupby(["claim", "model"]).size()
    print(f"\nq given the full features below 0.05, whatever floors and gates say, in seeds of {seeds}:")
    print(small.to_string() if len(small) else "none")


if __name__ == "__main__":
    main()
