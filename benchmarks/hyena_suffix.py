#!/usr/bin/env python3
"""HyenaDNA: an edit near the end of a window, by suffix reuse and by the full forward, side by side.

Random weights at a published size; prints the ratio of the times and the largest difference of the log-probabilities.
"""

import argparse
import time

import torch

from darkregulome.models import letters
from darkregulome.models.hyenadna import HyenaConfig, HyenaDNAForCausalLM
from darkregulome.models.language import LetterLanguageModel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=16_384)
    parser.add_argument("--from-end", type=int, default=1_000, help="the first base of the edit, from the window's end")
    parser.add_argument("--edit", type=int, default=50, help="bases edited")
    parser.add_argument("--d-model", type=int, default=256)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
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
    edited = tokens.repeat(given.batch, 1)
    edited[:, first : first + given.edit] = torch.randint(7, 11, (given.batch, given.edit))
    rows = torch.zeros(given.batch, dtype=torch.long)

    state = model.reference_state(tokens, first)
    full = model.log_probs(edited)  # the first call of each also makes the filters
    reused = model.edited_log_probs(state, rows, edited, first)
    seconds = {}
    for name, call in (
        ("full", lambda: model.log_probs(edited)),
        ("suffix", lambda: model.edited_log_probs(state, rows, edited, first)),
    ):
        times = []
        for _ in range(given.repeats):
            start = time.perf_counter()
            call().sum().item()
            times.append(time.perf_counter() - start)
        seconds[name] = min(times)
    print(
        f"d {given.d_model}, {given.layers} layers, {given.length} bases, edit in the last {given.from_end}, "
        f"batch {given.batch}, {given.device}"
    )
    print(f"full {seconds['full']:.4f} s, suffix {seconds['suffix']:.4f} s: {seconds['full'] / seconds['suffix']:.1f}x")
    print(f"largest difference {(full[:, first:] - reused).abs().max():.1e} of log-probabilities")


if __name__ == "__main__":
    main()
