#!/usr/bin/env python3
"""Enformer at its official size, random weights: an edited element by the splice, and by the full forward.

The full forward is enformer-pytorch's own, all tracks in all bins, from which the mean over the TSS's bins is taken.
Needs 5 GB. The random weights are set so that every layer's activations are of order one and an edit is felt. Prints
a row of the table of `table.py`, and on stderr how large effects are beside the difference, as shares of the track.
With `--float64` both are also compared with the full forward in float64, which tells whose rounding a difference is;
that takes 10 GB and many minutes at the official width.
"""

import argparse
import copy
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))

from table import row

from darkregulome.genome.sequence import dinucleotide_shuffle
from darkregulome.models.enformer import EnformerModel, build_enformer
from darkregulome.models.letters import one_hot

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
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu-time", action="store_true", help="count CPU time: where others use the machine too")
    parser.add_argument("--float64", action="store_true", help="compare with float64 too")
    given = parser.parse_args()

    torch.manual_seed(0)
    if given.device == "cpu":
        torch.set_num_threads(given.threads)
    rng = np.random.default_rng(0)
    config = {"dim": given.dim, "depth": 11, "heads": 8, "output_heads": {"human": TRACKS}}
    network = build_enformer(config, use_tf_gamma=given.dim == 1536)  # the table fits the official width alone
    let_edits_be_felt(network, random_bases(rng, 16_384))
    wanted = {f"track_{index}": index for index in range(0, TRACKS, 150)}
    model = EnformerModel(
        "enformer", network, context=CONTEXT, tracks=wanted, head="human", device=torch.device(given.device)
    )
    reference = random_bases(rng, CONTEXT)
    start = model.tss_offset - given.distance
    span = (start, start + given.bases)
    edited = [
        reference[: span[0]] + dinucleotide_shuffle(reference[span[0] : span[1]], rng) + reference[span[1] :]
        for _ in range(given.edits)
    ]
    clock = time.process_time if given.cpu_time else time.perf_counter

    state = model.reference_state(reference)
    before = model.tss_tracks(reference, state).cpu()  # also makes what is computed once a model
    times: dict[str, list[float]] = {"full": [], "spliced": []}
    fulls, spliceds = [], []
    for sequence in edited:
        began = clock()
        whole = full_tracks(network, [sequence], "human").float().cpu()
        times["full"].append(clock() - began)
        fulls.append(at_tss(whole, model, wanted))
        for _ in range(2):
            began = clock()
            found = model.edited_tss_tracks(state, [sequence], [span])[0].cpu()
            times["spliced"].append(clock() - began)
        spliceds.append(found)
    full, spliced = torch.stack(fulls), torch.stack(spliceds)
    slow, fast = min(times["full"]), min(times["spliced"])
    what = f"Enformer, width {given.dim}: an edit of {given.bases} bases, by the splice"
    row(what, "full forward by enformer-pytorch", slow, fast, f"{share(spliced, full):.1e} of the track")
    note(f"tracks {full.min():.2f} to {full.max():.2f}; largest effect {share(full, before):.1e} of the track")
    if given.float64:
        exact_network = copy.deepcopy(network).double()
        exact = torch.stack(
            [at_tss(full_tracks(exact_network, [sequence], "human").cpu(), model, wanted) for sequence in edited]
        )
        note(f"from the full forward in float64: full {share(full, exact):.1e}, spliced {share(spliced, exact):.1e}")


def note(text: str) -> None:
    print(text, file=sys.stderr)


def random_bases(rng: np.random.Generator, length: int) -> str:
    return "".join(rng.choice(list("ACGT"), length))


@torch.no_grad()
def let_edits_be_felt(network: torch.nn.Module, sequence: str) -> None:
    """Random weights through which an edit is felt at the TSS, as trained ones would be.

    Convolutions start by Kaiming, attention's outputs at random instead of zero, and every norm of the tower takes the
    means and variances that `sequence` has at its place, as training would have given it.
    """
    for name, parameter in network.named_parameters():
        if name.endswith("to_out.weight"):
            torch.nn.init.normal_(parameter, std=0.05)
        elif parameter.dim() == 3:
            torch.nn.init.kaiming_normal_(parameter)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm1d)]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    network.conv_tower(network.stem(one_hot([sequence]).transpose(1, 2)))
    network.eval()


def at_tss(whole: torch.Tensor, model: EnformerModel, wanted: dict[str, int]) -> torch.Tensor:
    """The wanted tracks of a full output (1, bins, tracks), which is the window's central bins: mean of the TSS's."""
    offset = (model.bins - whole.shape[1]) // 2
    return whole[0, [row - offset for row in model.tss_bins]].mean(0)[list(wanted.values())]


def share(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference as a share of what is expected."""
    return ((found.double() - expected).abs() / expected.abs()).max().item()


def full_tracks(network: torch.nn.Module, sequences: list[str], head: str) -> torch.Tensor:
    """All tracks in all bins by enformer-pytorch's own forward: (batch, bins, tracks)."""
    with torch.inference_mode():
        return network(one_hot(sequences).to(next(network.parameters()).device), head=head)


if __name__ == "__main__":
    main()
