"""Calls of several models' maps, and their comparison: the folder that `call_dependencies.py` writes."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np

from darkregulome.errors import InputError
from darkregulome.scoring.maps.calls import Calls, Controls, call_map
from darkregulome.scoring.maps.compare import compare_maps, pooled
from darkregulome.scoring.maps.output import write_calls
from darkregulome.scoring.maps.store import MapFolder, StoredMap
from darkregulome.scoring.settings import CallSettings

MADE_ALIKE = ("measure", "strands", "max_distance")
"""Parameters of maps that their controls must share: each changes what an entry is, or which there are."""


@dataclass(frozen=True)
class Called:
    """One map and what was called in it."""

    stored: StoredMap
    calls: Calls


Report = Callable[[str, int], None]


def call_folder(
    maps: MapFolder,
    controls: MapFolder | None,
    settings: CallSettings,
    outdir: Path,
    keep: int,
    report: Report = lambda _model, _done: None,
) -> tuple[dict[str, Any], list[Called]]:
    """Call every map of a model and write its BED and BEDPE files.

    Parameters
    ----------
    controls : maps of shuffled sequences, or None to call each map against itself.
    keep : maps to return, the first ones, to be shown.
    report : called with how many maps are done.

    Returns
    -------
    The model's entry of `dependencies.json`, and the maps to show.

    Raises
    ------
    InputError : the controls are no maps of shuffled sequences, or are made in another way than the maps.
    """
    null = None
    if controls is not None:
        _check_controls(maps, controls)
        null = Controls.of(
            lambda: (item.values for item in maps.maps()), lambda: (item.values for item in controls.maps()), settings
        )
    rows: list[tuple[Mapping[str, Any], Calls]] = []
    first_called: list[Called] = []
    for number, stored in enumerate(maps.maps()):
        calls = call_map(
            stored.values, settings.model_copy(update={"seed": settings.seed + number}), stored.bases, null
        )
        rows.append((stored.row, calls))
        if number < keep:
            first_called.append(Called(stored, calls))
        report(maps.model, number + 1)
    write_calls(outdir, rows)
    entry = {
        "statuses": dict(Counter(maps.index["status"])),
        "calls": {
            "motifs": sum(len(calls.motifs) for _, calls in rows),
            "blocks": sum(len(calls.blocks) for _, calls in rows),
            "stems": sum(len(calls.stems) for _, calls in rows),
        },
        "null": "diagonals permuted" if controls is None else "shuffled sequences",
        "parameters": maps.parameters,
    }
    return entry, first_called


def _check_controls(maps: MapFolder, controls: MapFolder) -> None:
    if not controls.parameters.get("shuffle"):
        raise InputError.at(controls.folder, "are not of shuffled sequences", "make them with --shuffle")
    for name in MADE_ALIKE:
        ours, theirs = (str(folder.parameters.get(name)) for folder in (maps, controls))
        if ours != theirs:
            option = f"--{name.replace('_', '-')}"
            raise InputError.at(
                controls.folder, f"are made with {option} {theirs}, and the maps with {ours}", "make both alike"
            )
    if not any(True for _ in islice(controls.maps(), 1)):
        raise InputError.at(controls.folder, "holds no map", "see the statuses in its maps.tsv")


def compare_folders(folders: Sequence[MapFolder], permutations: int, seed: int) -> list[dict[str, Any]]:
    """Every pair of models on the sequences that both have mapped."""
    comparisons = []
    for first, second in combinations(folders, 2):
        rng = np.random.default_rng(seed)
        agreements, draws = [], []
        for stored in first.maps():
            other = second.find(stored.key)
            if other is not None:
                name = str(stored.row["sequence"])
                agreement, null = compare_maps(name, stored.values, other.values, permutations, rng)
                agreements.append(agreement)
                draws.append(null)
        comparisons.append(
            {
                "models": [first.model, second.model],
                "pooled": pooled(agreements, draws),
                "sequences": [asdict(item) for item in agreements],
            }
        )
    return comparisons
