#!/usr/bin/env python3
"""A whole Caduceus against the Mamba of transformers on a CPU: `benchmarks/caduceus.py --threads 2`.

The published Caduceus-Ph (16 layers, width 256, random weights) on one window of 8,192 bases, in one process. Without
CUDA kernels, transformers would run its `MambaMixer` 32 times: two directions in each layer. One of these is timed, at
full length and with the weights of one of ours, and its answer compared; what a bidirectional model would need beside
its mixers is not counted.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))

from darkregulome.models import scan
from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, Mamba


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--length", type=int, default=8192, help="bases of the window")
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=2, help="the fastest counts")
    parser.add_argument("--cpu-time", action="store_true", help="count CPU time: where others use the machine too")
    given = parser.parse_args()
    clock = time.process_time if given.cpu_time else time.perf_counter
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    config = CaduceusConfig(n_layer=given.layers)
    model = CaduceusForMaskedLM(config).eval().requires_grad_(False)
    tokens = torch.randint(7, 11, (1, given.length))
    ours = model.caduceus.backbone.layers[0].mixer.mamba_fwd
    theirs = mixer_of_transformers(config, ours)
    hidden = torch.randn(1, given.length, config.d_model)
    print("| | seconds a window | bases a second | against transformers |\n|---|---|---|---|")
    with torch.inference_mode():
        eager = 2 * given.layers * fastest(lambda: theirs(hidden), given.repeats, clock)
        print_row(f"transformers, {2 * given.layers} mixers", given.length, eager, eager)
        for kernel in ("torch", "llvm"):
            os.environ[scan.VARIABLE] = kernel
            model(tokens[:, :64])
            print_row(
                f"darkregulome, {kernel}", given.length, fastest(lambda: model(tokens), given.repeats, clock), eager
            )
        difference = (ours.out_proj(ours.mix(ours.in_proj(hidden))) - theirs(hidden)).abs().max()
    print(f"\nOne mixer, {given.length:,} bases: largest difference from transformers' {difference:.1e}.")


def mixer_of_transformers(config: CaduceusConfig, ours: Mamba) -> torch.nn.Module:
    """transformers' mixer with our weights."""
    from transformers import MambaConfig
    from transformers.models.mamba.modeling_mamba import MambaMixer

    sizes = {"hidden_size": config.d_model, "state_size": config.ssm_cfg.d_state, "time_step_rank": config.dt_rank}
    theirs = MambaMixer(MambaConfig(num_hidden_layers=1, **sizes), layer_idx=0)
    theirs.load_state_dict(ours.state_dict())
    return theirs.eval().requires_grad_(False)


def print_row(name: str, length: int, seconds: float, eager: float) -> None:
    print(f"| {name} | {seconds:.2f} | {length / seconds:,.0f} | {eager / seconds:.1f}x |", flush=True)


def fastest(run: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    """Seconds of the fastest run."""
    taken = []
    for _ in range(repeats):
        started = clock()
        run()
        taken.append(clock() - started)
    return min(taken)


if __name__ == "__main__":
    main()
