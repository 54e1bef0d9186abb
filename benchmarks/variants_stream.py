#!/usr/bin/env python3
"""A long VCF through the scripts: peak memory of each, and whether every record comes out once and in order.

    variants_stream.py --records 1000000 --shards 2

The model is trivial (one number a base), so that what is measured is the stream. Each script runs in a process of its
own. Prints one JSON object.
"""

import argparse
import gzip
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

BIN = Path(__file__).resolve().parents[1] / "bin"
SPACING = 5
"""Bases from one record to the next."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(measure(Path(name), given.records, given.shards), indent=1))


def measure(folder: Path, records: int, shards: int) -> dict:
    """Write a VCF, score it in parts, join them, and compare the result with what was written."""
    write_input(folder, records)
    parts, peaks = [], {}
    started = time.time()
    for shard in range(1, shards + 1):
        parts.append(folder / f"part{shard}.vcf.gz")
        words = ["--vcf", folder / "in.vcf.gz", "--fasta", folder / "genome.fa", "--out", parts[-1]]
        peaks[f"score {shard}/{shards}"] = run(
            "score_variants", *words, "--model", "trivial", "--shard", f"{shard}/{shards}", "--no-progress"
        )
    peaks["gather"] = run("gather", "variants", *parts, "--out", folder / "out.vcf.gz")
    seconds = time.time() - started
    scored = in_order = 0
    with gzip.open(folder / "out.vcf.gz", "rt") as handle:
        lines = (line.split("\t") for line in handle if not line.startswith("#"))
        for count, (line, (position, ref, alt)) in enumerate(zip(lines, variants(records), strict=True)):
            in_order += line[1:5] == [str(position), f"v{count}", ref, alt]
            scored += "DR_STATUS=ok;DR_LLR=" in line[7]
    return {
        "records": records,
        "in_order": in_order,
        "scored": scored,
        "peak_mib": {name: round(peak / 1024) for name, peak in peaks.items()},
        "seconds": round(seconds),
    }


def genome(records: int) -> np.ndarray:
    """Letters of the only contig."""
    letters = np.frombuffer(b"ACGT", np.uint8)
    return letters[np.random.default_rng(1).integers(0, 4, SPACING * records + 100)]


def variants(records: int) -> Iterator[tuple[int, str, str]]:
    """Position from 1, REF and ALT of each record: substitutions, every tenth a deletion of a base."""
    bases = genome(records).tobytes().decode()
    for number in range(records):
        at = 50 + SPACING * number
        if number % 10:
            yield at + 1, bases[at], "ACGT".replace(bases[at], "")[number % 3]
        else:
            yield at + 1, bases[at : at + 2], bases[at]


def write_input(folder: Path, records: int) -> None:
    (folder / "genome.fa").write_text(f">chr1\n{genome(records).tobytes().decode()}\n")
    with gzip.open(folder / "in.vcf.gz", "wt", compresslevel=1) as handle:
        handle.write("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
        for number, (position, ref, alt) in enumerate(variants(records)):
            handle.write(f"chr1\t{position}\tv{number}\t{ref}\t{alt}\t.\tPASS\tAC=1\n")


def run(script: str, *words: object) -> int:
    """Run a script in a child process with the trivial model; its peak memory in KiB."""
    child = os.fork()
    if not child:
        arguments = [sys.executable, __file__, "--script", script, *map(str, words)]
        os.execv(sys.executable, arguments)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{script} failed")
    return usage.ru_maxrss


def run_script(name: str, words: list[str]) -> None:
    """In the child: the script itself."""
    import importlib.util

    sys.path.insert(0, str(BIN))
    if name == "score_variants":
        with_trivial_model()
    spec = importlib.util.spec_from_file_location(name, BIN / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.argv = [name, *words]
    module.cli.run(module.app)


def with_trivial_model() -> None:
    """A registry that knows one model, which has a number a base."""
    import torch

    from darkregulome.models import registry

    class Trivial:
        """Log-probabilities that depend on the base itself alone."""

        name, kind, context, equivariant, revision = "trivial", "masked", 16, True, None
        device = torch.device("cpu")
        codes = torch.full((256,), 4)
        codes[list(b"ACGT")] = torch.arange(4)
        table = torch.log_softmax(torch.arange(24.0).reshape(6, 4) % 5, dim=1)

        def encode(self, sequences):
            letters = np.frombuffer("".join(sequences).encode(), np.uint8).copy()
            return self.codes[torch.from_numpy(letters).long()].reshape(len(sequences), -1)

        def mask(self, tokens, positions):
            masked = tokens.clone()
            masked[torch.arange(len(tokens)), positions] = 5
            return masked

        def log_probs(self, tokens):
            return self.table[tokens]

    registry.find_entry = lambda *_: argparse.Namespace(window=16)
    registry.load_model = lambda *_: Trivial()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--script"]:
        run_script(sys.argv[2], sys.argv[3:])
    else:
        main()
