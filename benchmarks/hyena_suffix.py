#!/usr/bin/env python3
"""HyenaDNA: edits near the end of a window, by suffix reuse and by the full forward, side by side.

Random weights at a published size. Prints a row of the table of `table.py`, and details on stderr.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))

from table import row

from darkregulome.models import letters
from darkregulome.models.hyenadna import HyenaConfig, HyenaDNAForCausalLM
from darkregulome.models.language import LetterLanguageModel

REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=16_384)
    parser.add_argument("--from-end", type=int, default=1_000, help="how much of the window's end is edited")
    parser.add_argument("--edits", type=int, default=9)
    parser.add_argument("--d-model", type=int, default=256)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu-time", action="store_true", help="count CPU time: where others use the machine too")
    given = parser.parse_args()

    torch.manual_seed(0)
    torch.set_num_threads(given.threads)
    clock = time.process_time if given.cpu_time else time.perf_counter
    config = HyenaConfig(d_model=given.d_model, n_layer=given.layers, max_seq_len=given.length + 2, activation_freq=10)
    network = HyenaDNAForCausalLM(config)
    for name, parameter in network.named_parameters():
        if name.endswith("weight") and parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.05)
    model = LetterLanguageModel(
        "hyena",
        network,
        kind="causal",
        context=given.length,
        alphabet=letters.CHARACTERS,
        device=torch.device(given.device),
    )
    tokens = torch.randint(7, 11, (1, given.length))
    first = given.length - given.from_end
    # Spread evenly over the end, as the sites of an element there are; the earliest costs most.
    starts = [first + turn * (given.from_end - 1) // (given.edits - 1) for turn in range(given.edits)]
    rows = torch.zeros(1, dtype=torch.long)

    began = clock()
    state = model.reference_state(tokens, first)
    reference = clock() - began
    model.log_probs(tokens)  # the first call makes the filters
    full, reused, errors = [], [], []
    for start in starts:
        edited = tokens.clone()
        edited[0, start] = 7 + (edited[0, start] - 6) % 4
        model.edited_log_probs(state, rows, edited, start)  # the filters of this length
        found, seconds = fastest(lambda: model.edited_log_probs(state, rows, edited, start), clock)  # noqa: B023
        reused.append(seconds)
        expected, seconds = fastest(lambda: model.log_probs(edited)[:, start:], clock)  # noqa: B023
        full.append(seconds)
        errors.append((found - expected).abs().max().item())
    what = (
        f"HyenaDNA, width {given.d_model}, {given.layers} layers, {given.length:,} bases: a substitution in the last "
        f"{given.from_end:,}, by suffix reuse"
    )
    difference = f"{max(errors):.1e} of a log-probability"
    row(what, "full forward of the same model", sum(full) / len(full), sum(reused) / len(reused), difference)
    print(f"the earliest alone {full[0] / reused[0]:.1f}x; the reference, once, {reference:.2f} s", file=sys.stderr)


def fastest(run: Callable[[], torch.Tensor], clock: Callable[[], float]) -> tuple[torch.Tensor, float]:
    """What it gives, and the seconds of the fastest of `REPEATS` runs: another's load falls on both sides alike."""
    taken = []
    for _ in range(REPEATS):
        began = clock()
        found = run()
        found.sum().item()  # waits for a GPU
        taken.append(clock() - began)
    return found, min(taken)


if __name__ == "__main__":
    main()
