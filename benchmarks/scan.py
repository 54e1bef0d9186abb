#!/usr/bin/env python3
"""Tokens a second of each kernel of the selective scan: `benchmarks/scan.py --threads 2`.

One direction of one layer of the published Caduceus (512 channels, 16 states) with step size, skip and gate, on random
numbers; the best of some runs. `transformers` is the scan of its Mamba without CUDA kernels, of which one run is timed
at the shortest length: its time a token does not fall with the length.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))

from darkregulome.models import kernels

CHANNELS, STATES = 512, 16
LENGTHS = (1024, 4096, 8192)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1, help="sequences at once")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--cpu-time", action="store_true", help="count CPU time: where others use the machine too")
    given = parser.parse_args()
    clock = time.process_time if given.cpu_time else time.perf_counter
    torch.set_num_threads(given.threads)
    names = ("torch", "compiled") if given.device == "cpu" else ("torch", "triton")
    print("| kernel | " + " | ".join(f"{length:,}" for length in LENGTHS) + " |\n|---|" + "---|" * len(LENGTHS))
    with torch.inference_mode():
        shortest = inputs(given.batch, LENGTHS[0], given.device)
        by_transformers(inputs(1, 8, given.device))  # its import is not to be timed
        seconds = fastest(lambda: by_transformers(shortest), 1, clock)
        print(f"| transformers | {given.batch * LENGTHS[0] / seconds:,.0f} | | |", flush=True)
        for kernel in names:
            os.environ[kernels.VARIABLE] = kernel
            rates = [rate(inputs(given.batch, length, given.device), given.repeats, clock) for length in LENGTHS]
            print(f"| {kernel} | " + " | ".join(f"{value:,.0f}" for value in rates) + " |", flush=True)


def rate(tensors: dict[str, torch.Tensor], repeats: int, clock: Callable[[], float]) -> float:
    """Tokens a second, the first run (which may compile) left out."""
    rows = kernels.ScanRows(*(tensors[name] for name in kernels.ScanRows._fields))
    weights = kernels.ScanWeights(tensors["A"], tensors["D"], tensors["delta_bias"], softplus=True)
    run = lambda: kernels.selective_scan(rows, weights)  # noqa: E731
    run()
    return rows.u.shape[0] * rows.u.shape[1] / fastest(run, repeats, clock)


def inputs(batch: int, length: int, device: str) -> dict[str, torch.Tensor]:
    """Rows as a layer at its start hands them on."""
    draw = torch.Generator().manual_seed(0)
    normal = lambda *shape: torch.randn(*shape, generator=draw)  # noqa: E731
    rows = {name: normal(batch, length, CHANNELS) for name in ("u", "delta", "z")}
    rows |= {name: normal(batch, length, STATES) for name in ("B", "C")}
    rows |= {"D": torch.ones(CHANNELS), "delta_bias": normal(CHANNELS) - 5}
    rows["A"] = -torch.arange(1.0, STATES + 1).expand(CHANNELS, -1)
    return {name: x.to(device) for name, x in rows.items()}


def by_transformers(rows: dict[str, torch.Tensor]) -> torch.Tensor:
    """The same by the code that transformers' Mamba runs without CUDA kernels."""
    from transformers.models.mamba.modeling_mamba import mamba_selective_scan

    wide = {name: rows[name].transpose(1, 2) for name in ("u", "delta", "B", "C", "z")}
    rest = {"D": rows["D"], "z": wide["z"], "delta_bias": rows["delta_bias"], "delta_softplus": True}
    return mamba_selective_scan(wide["u"], wide["delta"], rows["A"], wide["B"], wide["C"], **rest)


def fastest(run: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    """Seconds of the fastest run."""
    taken = []
    for _ in range(repeats):
        started = clock()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(clock() - started)
    return min(taken)


if __name__ == "__main__":
    main()
