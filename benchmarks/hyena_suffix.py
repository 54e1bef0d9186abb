#!/usr/bin/env python3
"""HyenaDNA: edits near the end of a window, by suffix reuse and by the full forward, side by side.

Random weights at a published size; prints the ratio of the times and the largest difference of log-probabilities.
"""

import argparse
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))

from darkregulome.models import letters
from darkregulome.models.hyenadna import HyenaConfig, HyenaDNAForCausalLM
from darkregulome.models.language import LetterLanguageModel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=16_384)
    parser.add_argument("--from-end", type=int, default=1_000, help="how much of the window's end is edited")
    parser.add_argument("--edits", type=int, default=9)
    parser.add_argument("--d-model", type=int, default=256)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()

    torch.manual_seed(0)
    torch.set_num_threads(1 if given.device == "cpu" else torch.get_num_threads())
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

    began = time.perf_counter()
    state = model.reference_state(tokens, first)
    reference = time.perf_counter() - began
    model.log_probs(tokens)  # the first call makes the filters
    full, reused, errors = [], [], []
    for start in starts:
        edited = tokens.clone()
        edited[0, start] = 7 + (edited[0, start] - 6) % 4
        model.edited_log_probs(state, rows, edited, start)  # the filters of this length
        began = time.perf_counter()
        found = model.edited_log_probs(state, rows, edited, start)
        found.sum().item()
        reused.append(time.perf_counter() - began)
        began = time.perf_counter()
        expected = model.log_probs(edited)[:, start:]
        expected.sum().item()
        full.append(time.perf_counter() - began)
        errors.append((found - expected).abs().max().item())
    print(f"d {given.d_model}, {given.layers} layers, {given.length} bases, {given.device}")
    print(
        f"{given.edits} substitutions over the last {given.from_end} bases: full {sum(full) / len(full):.3f} s each, "
        f"suffix {sum(reused) / len(reused):.4f} s: {sum(full) / sum(reused):.1f}x"
    )
    print(f"the first of them alone: {full[0] / reused[0]:.1f}x; the reference, once: {reference:.2f} s")
    print(f"largest difference {max(errors):.1e} of log-probabilities")


if __name__ == "__main__":
    main()
