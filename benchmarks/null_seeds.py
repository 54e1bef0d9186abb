#!/usr/bin/env python3
"""How often does a claim survive where nothing is planted? `benchmarks/null_seeds.py --seeds 20 --out null_seeds.tsv`.

The demo's stages, with the demo's settings and shipped models, on one simulated genome a seed in which nothing is
planted. One row a claim, model and seed; seeds that the table holds already are not run again. At the end: in how
many seeds any claim survived, and the claims whose residual q alone is below 0.05, whatever their floors say.
"""

import argparse
import importlib
import json
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bin"))

MODELS = ("demo-caduceus", "demo-hyena", "demo-enformer")
FLANK, SEED, PERMUTATIONS = 24_000, 1, 10_000
"""As in conf/simulated.config and nextflow.config."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="number of genomes, seeds 0 upwards")
    parser.add_argument("--out", type=Path, default=Path("null_seeds.tsv"), help="table of claims by seed")
    given = parser.parse_args()
    for seed in range(given.seeds):
        if given.out.exists() and seed in set(pd.read_csv(given.out, sep="\t")["seed"]):
            continue
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            rows = pd.DataFrame(claims_of(seed, Path(folder)))
        rows.to_csv(given.out, sep="\t", mode="a", header=not given.out.exists(), index=False)
        survivors = rows.loc[rows["verdict"] == "survives", ["claim", "model"]].agg(" of ".join, axis=1).tolist()
        took = time.perf_counter() - started
        print(f"seed {seed}: {', '.join(survivors) or 'nothing survives'} ({took:.0f} s)", flush=True)
    report(pd.read_csv(given.out, sep="\t"))


def claims_of(seed: int, folder: Path) -> list[dict]:
    """Run the stages on the null genome of `seed`; a row a claim."""
    genome = folder / "genome"
    script("simulate_genome", "--null", seed=seed, out=genome)
    fasta, gtf, loci = genome / "genome.fa.gz", genome / "genes.gtf.gz", folder / "loci.tsv"
    script("prepare_loci", loci=genome / "loci.csv", gtf=gtf, fasta=fasta, flank=FLANK, out=loci)
    annotation = {"regulatory": "regulatory.bed.gz", "repeats": "rmsk.txt.gz", "conserved": "conserved.bed.gz"}
    given = {option: genome / name for option, name in annotation.items()} | {"class_map": genome / "class_map.csv"}
    script("build_elements", loci=loci, fasta=fasta, gtf=gtf, **given, outdir=folder)
    elements = next(folder.glob("**/elements.parquet"))
    tables = []
    for model in MODELS:
        effects, reference = folder / f"{model}.effects.parquet", folder / f"{model}.reference.parquet"
        options = {"elements": elements, "loci": loci, "fasta": fasta, "model": model, "seed": SEED}
        script("score_elements", "--no-progress", **options, out=effects, reference_out=reference)
        tables += [f"--effects={effects}", f"--reference={reference}"]
    script("pool_ris", *tables, elements=elements, outdir=folder)
    scores = {"elements": elements, "ris": next(folder.glob("**/ris.parquet"))}
    tests = {"permutations": PERMUTATIONS, "seed": SEED, "outdir": folder / "diagnosis"}
    script("diagnose", "--no-progress", **scores, **tests)
    script("cross_check", "eqtl", **scores, **tests, loci=loci, eqtl=genome / "eqtls.tsv.gz")
    script("cross_check", "conservation", **scores, **tests, bigwig=genome / "phylop.bw")
    records = [json.loads(path.read_text()) for path in sorted(tests["outdir"].glob("*.json"))]
    return [
        {
            "seed": seed,
            "claim": claim["claim"],
            "model": claim["model"],
            "raw_q": claim["raw"]["q"],
            "residual_p": claim["residual"]["p"],
            "residual_q": claim["residual"]["q"],
            "effect": claim["effect"],
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
    survives = table[table["verdict"] == "survives"]
    print(f"\n{survives['seed'].nunique()} of {seeds} seeds have a claim that survives, {len(survives)} of {len(table)}.")
    print(survives.to_string(index=False) if len(survives) else "None does.")
    small = table[table["residual_q"] < 0.05].groupby(["claim", "model"]).size()
    print(f"\nResidual q below 0.05, whatever the floors, in seeds of {seeds}:")
    print(small.to_string() if len(small) else "none")


if __name__ == "__main__":
    main()
