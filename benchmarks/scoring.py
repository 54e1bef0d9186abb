#!/usr/bin/env python3
"""Time the scoring of one locus by each model that is shipped, on this machine."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = ROOT / "bin"
SHIPPED = ("demo-caduceus", "demo-hyena", "demo-enformer")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script("simulate", "genome", outdir=folder / "genome", loci=1)
        common = {"fasta": folder / "genome" / "genome.fa.gz"}
        loci = {"loci": folder / "loci.tsv"}
        gtf = {"gtf": folder / "genome" / "genes.gtf.gz"}
        script("prepare_loci", **common, **gtf, loci=folder / "genome" / "loci.csv", flank=24000, out=loci["loci"])
        annotation = {"regulatory": "regulatory.bed.gz", "repeats": "rmsk.txt.gz", "class_map": "class_map.csv"}
        given = {option: folder / "genome" / file for option, file in annotation.items()}
        script("build_elements", **common, **gtf, **loci, **given, outdir=folder / "elements")
        elements = {"elements": folder / "elements" / "elements.parquet"}
        outputs = {"out": folder / "effects.parquet", "reference_out": folder / "reference.parquet"}
        for model in SHIPPED:
            if not (ROOT / "assets" / "models" / model).exists():
                print(json.dumps({"model": model, "skipped": "not shipped"}))
                continue
            started = time.perf_counter()
            script("score_elements", **elements, **loci, **common, **outputs, model=model, threads=2)
            print(json.dumps({"model": model, "seconds": round(time.perf_counter() - started, 1)}), flush=True)


def script(name: str, *command: str, **options: object) -> None:
    words = [*command]
    words += [word for option, value in options.items() for word in (f"--{option.replace('_', '-')}", str(value))]
    subprocess.run([sys.executable, str(BIN / f"{name}.py"), *words], check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
