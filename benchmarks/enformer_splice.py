#!/usr/bin/env python3
"""Enformer at its official size, random weights: an edited element by the splice, and by the full forward.

The full forward is enformer-pytorch's own, all tracks in all bins, from which the mean over the TSS's bins is taken.
Needs 5 GB; prints the ratio of the times and the largest relative difference of the tracks.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))

from darkregulome.genome.sequence import dinucleotide_shuffle
from darkregulome.models.enformer import EnformerModel, build_enformer, full_tracks

CONTEXT, TRACKS = 196_608, 5_313


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bases", type=int, default=500, help="length of the edited element")
    parser.add_argument(
        "--distance", type=int, default=250, help="from its start to the TSS; farther away, random weights feel nothing"
    )
    parser.add_argument("--edits", type=int, default=2)
    parser.add_argument("--dim", type=int, default=1536, help="1536 is the official width")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()

    torch.manual_seed(0)
    if given.device == "cpu":
        torch.set_num_threads(1)
    config = {"dim": given.dim, "depth": 11, "heads": 8, "output_heads": {"human": TRACKS}}
    network = build_enformer(config, use_tf_gamma=given.dim == 1536)  # the table fits the official width alone
    for name, parameter in network.named_parameters():
        if name.endswith("to_out.weight"):  # zero in a fresh network, so that nothing would be felt at the TSS
            torch.nn.init.normal_(parameter, std=0.05)
        elif parameter.dim() == 3:  # torch's own start lets a signal fade by a third a layer: an edit would not be felt
            torch.nn.init.kaiming_normal_(parameter)
    wanted = {f"track_{index}": index for index in range(0, TRACKS, 150)}
    model = EnformerModel(
        "enformer", network, context=CONTEXT, tracks=wanted, head="human", device=torch.device(given.device)
    )
    rng = np.random.default_rng(0)
    reference = "".join(rng.choice(list("ACGT"), CONTEXT))
    start = model.tss_offset - given.distance
    span = (start, start + given.bases)
    edited = [
        reference[: span[0]] + dinucleotide_shuffle(reference[span[0] : span[1]], rng) + reference[span[1] :]
        for _ in range(given.edits)
    ]

    state = model.reference_state(reference)
    before = model.tss_tracks(reference, state)  # also makes what is computed once a model
    times: dict[str, list[float]] = {"full": [], "spliced": []}
    errors, effects = [], []
    for sequence in edited:
        began = time.process_time()
        whole = full_tracks(network, [sequence], "human").float().cpu()
        times["full"].append(time.process_time() - began)
        # The network gives the central target_length bins.
        offset = (model.bins - whole.shape[1]) // 2
        expected = whole[0, [row - offset for row in model.tss_bins]].mean(0)[list(wanted.values())]
        began = time.process_time()
        found = model.edited_tss_tracks(state, [sequence], [span])[0].cpu()
        times["spliced"].append(time.process_time() - began)
        errors.append(((found - expected).abs() / expected.abs().clamp(min=1e-3)).max().item())
        effects.append(((expected - before.cpu()).abs() / expected.abs().clamp(min=1e-3)).max().item())
    full, spliced = min(times["full"]), min(times["spliced"])
    print(
        f"dim {given.dim}, {given.bases}-base element {given.distance} from the TSS, {len(wanted)} tracks, "
        f"{given.device}"
    )
    print(f"full {full:.2f} s, spliced {spliced:.2f} s: {full / spliced:.1f}x")
    print(f"largest relative difference {max(errors):.1e}; largest relative effect {max(effects):.1e}")


if __name__ == "__main__":
    main()
