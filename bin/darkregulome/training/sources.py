"""What the Enformer is trained on, from files: bigWigs with TSSs, or a data set of windows with targets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from darkregulome.errors import InputError
from darkregulome.training.composition import composition_pearson
from darkregulome.training.enformer import TrackWindows, WindowSets, read_sites, read_tracks
from darkregulome.training.settings import EnformerInputs, EnformerTraining
from darkregulome.training.target_windows import TargetSet, TargetWindows, read_target_set
from darkregulome.training.windows import Codes, read_codes, split_contigs


@dataclass(frozen=True)
class Source:
    """Windows, and what they are made of.

    `codes` and `values` are those of the training, for its identity; `notes` are for the card.
    """

    codes: Codes
    values: Mapping[str, np.ndarray]
    windows: WindowSets
    notes: dict[str, Any] = field(default_factory=dict)

    def card(self, settings: EnformerTraining) -> dict[str, Any]:
        """What the model card says of the data: tracks, windows and, where no TSS is at the centre, baselines."""
        if self.windows.training.centred:
            return dict(self.notes)
        baselines = composition_pearson(self.windows.training, self.windows.held_out, settings.window, settings.bin)
        return {**self.notes, "baseline_pearson_bins": baselines}


def source_of(inputs: EnformerInputs, settings: EnformerTraining) -> Source:
    """The windows of whichever files are given; held-out contigs and those of the validation by name or pattern."""
    return _from_bigwigs(inputs, settings) if inputs.tss is not None else _from_target_set(inputs, settings)


def _from_bigwigs(inputs: EnformerInputs, settings: EnformerTraining) -> Source:
    """Windows around TSSs."""
    assert inputs.tss is not None
    codes = read_codes(inputs.fasta)
    training, held_out = split_contigs(codes, inputs.holdout, inputs.fasta[0], inputs.validation)
    values = read_tracks(inputs.tracks, codes)
    parts = {"training": training, "held_out": held_out}
    sites = read_sites(inputs.tss)
    if inputs.validation:
        parts["validation"] = split_contigs(codes, inputs.validation, inputs.fasta[0])[1]
        _apart(set(held_out), set(parts["validation"]))
    windows = WindowSets(**{name: TrackWindows(part, values, sites, settings) for name, part in parts.items()})
    return Source(training, values, windows, {"tracks": [path.name for path in inputs.tracks]})


def _from_target_set(inputs: EnformerInputs, settings: EnformerTraining) -> Source:
    """Windows of a data set."""
    assert inputs.windows is not None
    assert inputs.targets is not None
    assert inputs.track_table is not None
    data = read_target_set(inputs.fasta, inputs.windows, inputs.targets, inputs.track_table, inputs.track_pattern)
    training, held_out = data.split(inputs.holdout, inputs.validation, inputs.windows)
    parts: dict[str, TargetSet] = {"training": training, "held_out": held_out}
    if inputs.validation:
        parts["validation"] = data.split(inputs.validation, (), inputs.windows)[1]
        _apart(set(held_out.codes), set(parts["validation"].codes))
    windows = WindowSets(**{name: TargetWindows(part, settings) for name, part in parts.items()})
    notes = {
        "tracks": list(data.identifiers),
        "descriptions": list(data.descriptions),
        "windows": {name: list(part.codes) for name, part in parts.items()},
    }
    return Source(training.codes, training.targets, windows, notes)


def _apart(held_out: set[str], validation: set[str]) -> None:
    if both := sorted(held_out & validation):
        raise InputError.at("--validation", f"shares {both[0]} with --holdout", "give other contigs")
