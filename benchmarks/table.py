#!/usr/bin/env python3
"""The engine against what it replaces, side by side, each pair in one process: `make bench`, or `benchmarks/table.py`.

Runs the benchmarks of this folder that compare, and prints their rows as one table; what they say besides goes to
stderr.
Against `transformers`' own Mamba, against the full forward of the same model for every edit, and, where it is
installed and there is a GPU, against mamba-ssm. `--quick` uses smaller sizes.
"""

import argparse
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
HEADER = "| what | ratio | ours | instead | largest difference |\n|---|---|---|---|---|"


def row(what: str, instead: str, seconds_instead: float, seconds: float, difference: str = "") -> None:
    """Print one comparison."""
    ratio = f"**{seconds_instead / seconds:.3g}x**"
    print(f"| {what} | {ratio} | {seconds:.3g} s | {seconds_instead:.3g} s, {instead} | {difference} |", flush=True)


def machine(threads: int) -> str:
    """The CPU by name, and the threads in use."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return f"{names[0] if names else platform.processor()}, {threads} thread{'s' * (threads > 1)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--cpu-time", action="store_true", help="count CPU time: where others use the machine too")
    parser.add_argument("--quick", action="store_true", help="smaller models and windows, for a first look")
    given = parser.parse_args()
    shared = ["--threads", str(given.threads), "--device", given.device] + ["--cpu-time"] * given.cpu_time
    benchmarks = {
        "caduceus.py": ["--length", "1024", "--layers", "4"] if given.quick else [],
        "masked_alternatives.py": ["--window", "256"] if given.quick else [],
        "hyena_suffix.py": ["--length", "4096", "--edits", "3"] if given.quick else ["--edits", "3"],
        "enformer_splice.py": ["--dim", "384", "--edits", "1"] if given.quick else ["--edits", "1"],
    }
    print(f"{machine(given.threads)}; {'CPU time' if given.cpu_time else 'wall clock'}\n\n{HEADER}", flush=True)
    failed = []
    for name, options in benchmarks.items():
        done = subprocess.run([sys.executable, str(HERE / name), *shared, *options])
        if done.returncode:
            failed.append(name)
    if failed:
        sys.exit(f"error: {', '.join(failed)} did not finish")


if __name__ == "__main__":
    main()
