"""Does a language model know the grammar? Its held-out loss inside marked motifs, beside their surroundings."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from darkregulome.errors import InputError
from darkregulome.training.lm import LanguageTraining, probe_loss
from darkregulome.training.windows import Codes

PROBED_WINDOWS = 128


def probe_card(
    model: torch.nn.Module, causal: bool, held_out: Codes, bed: Path, settings: LanguageTraining
) -> dict[str, float]:
    """Loss (nats per base) inside and outside the intervals of `bed`, in held-out windows centred on them."""
    windows, inside = _windows_at(held_out, bed, settings.window)
    return {
        "inside": probe_loss(model, causal, windows, inside, settings),
        "outside": probe_loss(model, causal, windows, ~inside, settings),
        "windows": len(windows),
    }


def _windows_at(held_out: Codes, bed: Path, length: int) -> tuple[np.ndarray, np.ndarray]:
    intervals = pd.read_csv(bed, sep="\t", header=None, usecols=[0, 1, 2], names=["chrom", "start", "end"], comment="#")
    marks = {name: np.zeros(len(codes), dtype=bool) for name, codes in held_out.items()}
    intervals = intervals[intervals["chrom"].isin(list(held_out))]
    for row in intervals.itertuples():
        marks[row.chrom][row.start : row.end] = True
    chosen = intervals.iloc[:: max(1, len(intervals) // PROBED_WINDOWS)].head(PROBED_WINDOWS)
    windows, inside = [], []
    for row in chosen.itertuples():
        start = (row.start + row.end - length) // 2
        if start >= 0 and start + length <= len(held_out[row.chrom]):
            windows.append(held_out[row.chrom][start : start + length])
            inside.append(marks[row.chrom][start : start + length])
    if not windows:
        raise InputError.at(bed, "has no interval on a held-out contig", "give intervals on the contigs of --holdout")
    return np.stack(windows), np.stack(inside)
