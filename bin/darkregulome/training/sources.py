"""What the Enformer is trained on, from files: bigWigs with TSSs, or a data set of windows with targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from darkregulome.errors import InputError
from darkregulome.training.composition import composition_pearson
from darkregulome.training.enformer import EnformerTraining, TrackWindows, Windows, read_sites, read_tracks
from darkregulome.training.target_windows import TargetSet, TargetWindows, read_target_set
from darkregulome.training.windows import Codes, read_codes, split_contigs


@dataclass(frozen=True)
class Source:
    """Windows for training, for what is reported and, if any, for choosing weights; and what they are made of.

    `codes` and `values` are those of the training, for its identity; `notes` are for the card.
    """

    codes: Codes
    values: Mapping[str, np.ndarray]
    training: Windows
    held_out: Windows
    validation: Windows | None
    settings: EnformerTraining
    notes: dict[str, Any] = field(default_factory=dict)

    def card(self) -> dict[str, Any]:
        """What the model card says of the data: tracks, windows and, where no TSS is at the centre, baselines."""
        if self.training.centred:
            return dict(self.notes)
        baselines = composition_pearson(self.training, self.held_out, self.settings.window, self.settings.bin)
        return {**self.notes, "baseline_pearson_bins": baselines}


def from_bigwigs(
    fasta: Sequence[Path],
    tracks: Sequence[Path],
    tss: Path,
    holdout: Sequence[str],
    validation: Sequence[str],
    settings: EnformerTraining,
) -> Source:
    """Windows around TSSs; held-out contigs and those of the validation by name or pattern."""
    codes = read_codes(fasta)
    training, held_out = split_contigs(codes, holdout, fasta[0], validation)
    values = read_tracks(tracks, codes)
    sites = read_sites(tss)
    watched = None
    if validation:
        _apart(set(held_out), set(chosen := split_contigs(codes, validation, fasta[0])[1]))
        watched = TrackWindows(chosen, values, sites, settings)
    return Source(
        training,
        values,
        TrackWindows(training, values, sites, settings),
        TrackWindows(held_out, values, sites, settings),
        watched,
        settings,
        {"tracks": [path.name for path in tracks]},
    )


def from_target_set(
    fasta: Sequence[Path],
    windows: Path,
    targets: Path,
    table: Path,
    pattern: str,
    holdout: Sequence[str],
    validation: Sequence[str],
    settings: EnformerTraining,
) -> Source:
    """Windows of a data set; held-out contigs and those of the validation by name or pattern."""
    data = read_target_set(fasta, windows, targets, table, pattern)
    training, held_out = data.split(holdout, validation, windows)
    parts: dict[str, TargetSet] = {"training": training, "held_out": held_out}
    if validation:
        parts["validation"] = data.split(validation, (), windows)[1]
        _apart(set(held_out.codes), set(parts["validation"].codes))
    cut = {name: TargetWindows(part, settings) for name, part in parts.items()}
    notes = {
        "tracks": list(data.identifiers),
        "descriptions": list(data.descriptions),
        "windows": {name: list(part.codes) for name, part in parts.items()},
    }
    return Source(
        training.codes, training.targets, cut["training"], cut["held_out"], cut.get("validation"), settings, notes
    )


def _apart(held_out: set[str], validation: set[str]) -> None:
    if both := sorted(held_out & validation):
        raise InputError.at("--validation", f"shares {both[0]} with --holdout", "give other contigs")
