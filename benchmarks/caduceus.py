#!/usr/bin/env python3
"""A whole Caduceus against one of transformers' parts: `benchmarks/caduceus.py --threads 2`.

The published Caduceus-Ph (16 layers, width 256, random weights) on one window of 8,192 bases. The other side is the
same model, of the same weights, put together from the `MambaMixer` and `MambaRMSNorm` of transformers, which run
eagerly without CUDA kernels: a mixer for each direction of each layer. It has a process of its own, since ours has
`keep_freed_memory`. The two take turns of at least LEAST seconds, as many forwards as that takes, and the turn of the
fastest mean counts; their log-probabilities are compared.

Prints rows of the table of `table.py`: a forward, with each scan; and the saturation of an element by the engine, both
strands, against a loop that runs such a forward for each of the three alternatives of a base.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from table import row

from darkregulome.edits.settings import Settings
from darkregulome.errors import InputError
from darkregulome.models import kernels
from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM, Mamba
from darkregulome.models.language import LetterLanguageModel
from darkregulome.models.numerics import keep_freed_memory, numerics
from darkregulome.scoring.calibrate import RandomGenome
from element_runs import score_loci

STRANDS, ALTERNATIVES = 2, 3
LEAST = 2.0
"""Seconds of a turn: half a second is at the mercy of whatever else runs."""


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
    device = torch.device(given.device)
    clock = time.process_time if given.cpu_time else time.perf_counter
    size = Size(given.length, given.layers)
    network, tokens = drawn(size)
    model = LetterLanguageModel("caduceus", network, kind="masked", context=given.length, device=device)
    names = ("torch", *kernels.ON_DEVICE[device.type])
    seconds: dict[str, list[float]] = {name: [] for name in ("eager", *names, "saturation")}
    difference: dict[str, float] = {}
    # As `load_model` does.
    keep_freed_memory()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        for _ in range(given.repeats):
            taken, wanted = other.submit(eager_turn, size, given.threads, str(device), given.cpu_time).result()
            seconds["eager"].append(taken)
            for kernel in names:
                os.environ[kernels.VARIABLE] = kernel
                try:
                    kernels.check_choice()
                except InputError as error:
                    print(error, file=sys.stderr)
                    continue
                if kernel not in difference:
                    model.log_probs(tokens)  # what is compiled once
                found = timed(lambda: model.log_probs(tokens), seconds[kernel], clock)
                difference[kernel] = np.abs(found.cpu().numpy() - wanted).max()
            os.environ.pop(kernels.VARIABLE)
            timed(lambda: saturate(model, given.length, given.bases), seconds["saturation"], clock)
    instead, eager = "of transformers' parts", min(seconds["eager"])
    name = f"Caduceus, {given.layers} layers, width {network.config.d_model}, {given.length:,} bases"
    for kernel, error in difference.items():
        row(
            f"{name}: a forward, scan `{kernel}`",
            instead,
            eager,
            min(seconds[kernel]),
            f"{error:.1e}, log-probabilities",
        )
    naive = STRANDS * ALTERNATIVES * given.bases * eager
    row(
        f"the same: saturation of {given.bases} bases by the engine",
        f"{instead}, for each ALT and strand",
        naive,
        min(seconds["saturation"]),
    )
    print({name: [round(x, 3) for x in turns] for name, turns in seconds.items()}, file=sys.stderr)


def saturate(model: LetterLanguageModel, window: int, bases: int) -> np.ndarray:
    """Effects of all substitutions of an element."""
    start = window
    table = pd.DataFrame({"element": ["e"], "locus": "L", "chrom": "chr1", "start": start, "end": start + bases})
    settings = Settings(perturbation="saturation", window=window)
    found = score_loci(model, table, None, RandomGenome(2 * window + bases), settings, batch_size=1)
    assert len(found.effects) == ALTERNATIVES * bases
    return found.effects["effect"].to_numpy()


class Eager(torch.nn.Module):
    """A Caduceus-Ph of transformers' parts, with our weights."""

    def __init__(self, ours: CaduceusForMaskedLM):
        from transformers import MambaConfig
        from transformers.models.mamba.modeling_mamba import MambaMixer, MambaRMSNorm

        super().__init__()
        config = ours.config
        sizes = {"hidden_size": config.d_model, "state_size": config.ssm_cfg.d_state, "time_step_rank": config.dt_rank}
        backbone = ours.caduceus.backbone

        def copied(theirs: torch.nn.Module, ours: torch.nn.Module) -> torch.nn.Module:
            theirs.load_state_dict(ours.state_dict())
            return theirs

        def norm(ours: torch.nn.Module) -> torch.nn.Module:
            return copied(MambaRMSNorm(config.d_model, eps=config.norm_epsilon), ours)

        def mixer(ours: Mamba) -> torch.nn.Module:
            return copied(MambaMixer(MambaConfig(num_hidden_layers=1, **sizes), layer_idx=0), ours)

        self.embedding, self.head = backbone.embeddings.word_embeddings, ours.lm_head
        self.norms = torch.nn.ModuleList([*(norm(layer.norm) for layer in backbone.layers), norm(backbone.norm_f)])
        mixers = [layer.mixer for layer in backbone.layers]
        self.forth = torch.nn.ModuleList(mixer(both.mamba_fwd) for both in mixers)
        self.back = torch.nn.ModuleList(mixer(both.mamba_rev) for both in mixers)
        self.eval().requires_grad_(False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        total = self.embedding(tokens)
        for norm, forth, back in zip(self.norms, self.forth, self.back, strict=False):
            x = norm(total)
            total = total + forth(x) + back(x.flip(1)).flip(1)
        return self.head(self.norms[-1](total))


class Size(NamedTuple):
    """Of a window and of the model."""

    length: int
    layers: int


def drawn(size: Size) -> tuple[CaduceusForMaskedLM, torch.Tensor]:
    """The model and the window, the same in every process."""
    torch.manual_seed(0)
    network = CaduceusForMaskedLM(CaduceusConfig(n_layer=size.layers))
    return network, torch.randint(7, 11, (1, size.length))


@cache
def drawn_eager(size: Size, device: str) -> tuple[Eager, torch.Tensor]:
    """The same of transformers' parts."""
    network, tokens = drawn(size)
    return Eager(network).to(device), tokens.to(device)


def eager_turn(size: Size, threads: int, device: str, cpu_time: bool) -> tuple[float, np.ndarray]:
    """Seconds of a forward of transformers' parts, and its log-probabilities of A, C, G, T."""
    torch.set_num_threads(threads)
    model, tokens = drawn_eager(size, device)
    seconds: list[float] = []
    with numerics(torch.device(device), "fp32"):
        logits = timed(lambda: model(tokens), seconds, time.process_time if cpu_time else time.perf_counter)
        return seconds[0], logits[..., 7:11].log_softmax(-1).cpu().numpy()


def timed(run: Callable[[], Any], seconds: list[float], clock: Callable[[], float]) -> Any:
    """What it returns; the time that it took is appended, the mean of a turn."""
    runs, started = 0, clock()
    while runs == 0 or clock() - started < LEAST:
        found = run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        runs += 1
    seconds.append((clock() - started) / runs)
    return found


if __name__ == "__main__":
    main()
