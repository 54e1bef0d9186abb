"""Does a language model know the grammar? Its held-out loss inside marked motifs, beside their surroundings."""

from pathlib import Path

import numpy as np
import torch

from darkregulome.errors import InputError
from darkregulome.genome.bed import read_bed
from darkregulome.genome.contigs import Contigs
from darkregulome.training.build import Language
from darkregulome.training.lm import probe_loss
from darkregulome.training.settings import LanguageTraining
from darkregulome.training.windows import Codes

PROBED_WINDOWS = 128


def probe_card(
    model: torch.nn.Module, language: Language, held_out: Codes, bed: Path, settings: LanguageTraining
) -> dict[str, float]:
    """Loss (nats per base) inside and outside the intervals of `bed`, in held-out windows centred on them."""
    windows, inside = windows_at(held_out, bed, settings.window)
    return {
        "inside": probe_loss(model, language, windows, inside, settings),
        "outside": probe_loss(model, language, windows, ~inside, settings),
        "windows": len(windows),
    }


def windows_at(held_out: Codes, bed: Path, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Held-out windows around the intervals of `bed`, and where in them the intervals lie: both (windows, length).

    Raises
    ------
    InputError : the file is no BED, or has no interval on a held-out contig.
    """
    contigs = Contigs({name: len(codes) for name, codes in held_out.items()}, "--holdout")
    table = read_bed(bed, contigs).table
    intervals = list(table[["chrom", "start", "end"]].itertuples(index=False, name=None))
    marks = {name: np.zeros(len(codes), dtype=bool) for name, codes in held_out.items()}
    for contig, start, end in intervals:
        marks[contig][start:end] = True
    windows, inside = [], []
    for contig, start, end in intervals[:: max(1, len(intervals) // PROBED_WINDOWS)][:PROBED_WINDOWS]:
        first = (start + end - length) // 2
        if first >= 0 and first + length <= len(held_out[contig]):
            windows.append(held_out[contig][first : first + length])
            inside.append(marks[contig][first : first + length])
    if not windows:
        raise InputError.at(bed, "has no interval on a held-out contig", "give intervals on the contigs of --holdout")
    return np.stack(windows), np.stack(inside)
