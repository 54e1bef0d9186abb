#!/usr/bin/env python3
"""A whole Caduceus against the Mamba of transformers: `benchmarks/caduceus.py --threads 2`.

The published Caduceus-Ph (16 layers, width 256, random weights) on one window of 8,192 bases, in one process. Without
CUDA kernels, transformers would run its `MambaMixer` 32 times: two directions in each layer. One of these is timed, at
full length and with the weights of one of ours, and its answer compared; what a bidirectional model would need beside
its mixers is not counted.

Prints rows of the table of `table.py`: a forward, with each scan; and the saturation of an element by the engine, both
strands, against a loop that runs such a forward for each of the three alternatives of a base.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))

from table import row

from darkregulome.ism.calibrate import RandomGenome
from darkregulome.ism.engine import score_loci
from darkregulome.ism.plan import Settings
from darkregulome.models import scan
from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, Mamba
from darkregulome.models.language import LetterLanguageModel
from darkregulome.models.numerics import keep_freed_memory, numerics

STRANDS, ALTERNATIVES = 2, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--length", type=int, default=8192, help="bases of the window")
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--bases", type=int, default=2, help="of the element that is saturated")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest counts")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cpu-time", action="store_true", help="count CPU time: where others use the machine too")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    device = torch.device(given.device)
    clock = time.process_time if given.cpu_time else time.perf_counter
    config = CaduceusConfig(n_layer=given.layers)
    network = CaduceusForMaskedLM(config)
    model = LetterLanguageModel("caduceus", network, kind="masked", context=given.length, device=device)
    tokens = torch.randint(7, 11, (1, given.length), device=device)
    ours = model.network.caduceus.backbone.layers[0].mixer.mamba_fwd
    theirs = mixer_of_transformers(config, ours).to(device)
    hidden = torch.randn(1, given.length, config.d_model, device=device)
    with numerics(device, "fp32"):
        eager = 2 * given.layers * fastest(lambda: theirs(hidden), given.repeats, clock)
        difference = (ours.out_proj(ours.mix(ours.in_proj(hidden))) - theirs(hidden)).abs().max().item()
    # As `load_model` does; it came after transformers' turn, which no model of ours would prepare.
    keep_freed_memory()
    instead = f"{2 * given.layers} mixers of transformers"
    size = f"Caduceus, {given.layers} layers, width {config.d_model}, {given.length:,} bases"
    for kernel in ("torch", *scan.ON_DEVICE[device.type]):
        os.environ[scan.VARIABLE] = kernel
        try:
            scan.asked_kernel()
        except scan.InputError as error:
            print(error, file=sys.stderr)
            continue
        model.log_probs(tokens)  # what is compiled once
        seconds = fastest(lambda: model.log_probs(tokens), given.repeats, clock)
        row(f"{size}: a forward, scan `{kernel}`", instead, eager, seconds, f"{difference:.1e}, one mixer")
    os.environ.pop(scan.VARIABLE)
    seconds = fastest(lambda: saturate(model, given.length, given.bases), given.repeats, clock)
    naive = STRANDS * ALTERNATIVES * given.bases * eager
    row(
        f"the same: saturation of {given.bases} bases by the engine",
        f"{instead}, for each ALT and strand",
        naive,
        seconds,
    )


def saturate(model: LetterLanguageModel, window: int, bases: int) -> np.ndarray:
    """Effects of all substitutions of an element."""
    start = window
    table = pd.DataFrame({"element": ["e"], "locus": "L", "chrom": "chr1", "start": start, "end": start + bases})
    settings = Settings(perturbation="saturation", window=window)
    found = score_loci(model, table, None, RandomGenome(2 * window + bases), settings, batch_size=1)
    assert len(found.effects) == ALTERNATIVES * bases
    return found.effects["effect"].to_numpy()


def mixer_of_transformers(config: CaduceusConfig, ours: Mamba) -> torch.nn.Module:
    """transformers' mixer with our weights."""
    from transformers import MambaConfig
    from transformers.models.mamba.modeling_mamba import MambaMixer

    sizes = {"hidden_size": config.d_model, "state_size": config.ssm_cfg.d_state, "time_step_rank": config.dt_rank}
    theirs = MambaMixer(MambaConfig(num_hidden_layers=1, **sizes), layer_idx=0)
    theirs.load_state_dict(ours.state_dict())
    return theirs.eval().requires_grad_(False)


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
