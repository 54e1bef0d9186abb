"""Dependency maps of many sequences by one model, streamed to disk."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darkregulome.edits.forwards import log2_odds, log2_probability
from darkregulome.genome.sequence import reverse_complement
from darkregulome.io.schemas import MAPS
from darkregulome.io.tables import write_table
from darkregulome.models.protocol import LanguageModel
from darkregulome.scoring.maps.dependency import Measure, substitution_changes
from darkregulome.scoring.maps.sequences import Sequence
from darkregulome.scoring.maps.store import INDEX, MapWriter, RowWriter
from darkregulome.scoring.settings import MapSettings

MEASURES: dict[str, Measure] = {"odds": log2_odds, "probability": log2_probability}
"""What is compared: log2 of the odds, as in the published maps, or of the probability."""

SHORTEST = 8
"""Bases below which there is no map: k-mer models read no less."""

Report = Callable[[str, float], None]


def make_maps(
    model: LanguageModel,
    sequences: Iterable[Sequence],
    folder: Path,
    record: Mapping[str, Any],
    settings: MapSettings | None = None,
    *,
    batch_size: int | None = None,
    report: Report = lambda _name, _share: None,
) -> pd.DataFrame:
    """Write `maps.zarr` and `maps.tsv` into `folder`; the index.

    Memory holds one sequence, one batch and a chunk of rows, whatever the length. A sequence that was mapped already
    is not mapped again. A causal model reads both strands: bases after i from the forward one, bases before it
    from the reverse one.

    Parameters
    ----------
    record : provenance, kept with the arrays.
    settings : by default those of the published maps.
    report : called with the name of a sequence and the share of it that is done.
    """
    settings = settings or MapSettings.model_validate({})
    writer = MapWriter(folder, record, settings.max_distance)
    longest = min(model.context, settings.max_length or model.context)
    rows: list[dict[str, Any]] = []
    arrays: dict[bytes, str] = {}
    for sequence in (item.judged(SHORTEST, longest) for item in sequences):
        array = None
        if sequence.status == "ok":
            digest = blake2b(sequence.bases.encode(), digest_size=16).digest()
            array = arrays.get(digest)
            if array is None:
                array = arrays[digest] = str(len(arrays))
                stream_map(
                    model,
                    sequence.bases,
                    writer.new_map(array, sequence.bases),
                    measure=MEASURES[settings.measure],
                    both_strands=settings.strands == "both" and not model.equivariant,
                    batch_size=batch_size,
                    report=partial(report, sequence.name),
                )
        rows.append(_index_row(sequence, array))
    index = pd.DataFrame(rows, columns=MAPS.columns)
    write_table(index, folder / INDEX, MAPS)
    return index


def stream_map(
    model: LanguageModel,
    bases: str,
    writer: RowWriter,
    *,
    measure: Measure = log2_odds,
    both_strands: bool = False,
    batch_size: int | None = None,
    report: Callable[[float], None] | None = None,
) -> None:
    """The map of one sequence, row by row; both strands' is stitched for a causal model, else the mean of the two."""
    causal = model.kind == "causal"
    passes = 2 if causal or both_strands else 1
    length = len(bases)

    def part(number: int) -> Callable[[float], None] | None:
        return None if report is None else lambda share: report((number + share) / passes)

    def rows(text: str, number: int, falling: bool = False) -> Iterator[tuple[int, np.ndarray]]:
        positions = range(length - 1, -1, -1) if falling else None
        progress = None if falling else part(number)
        for changes in substitution_changes(
            model, text, positions=positions, measure=measure, batch_size=batch_size, report=progress
        ):
            yield changes.position, changes.largest()

    if both_strands and not causal:
        # Both readings advance together, so that a row is written once.
        readings = zip(rows(bases, 0), rows(reverse_complement(bases), 1, falling=True), strict=True)
        for (position, row), (mirrored, turned) in readings:
            assert mirrored == length - 1 - position, "the two readings are out of step"
            writer.add(position, (row + turned[::-1]) / 2)
    else:
        for position, row in rows(bases, 0):
            writer.add(position, row, slice(position, None) if causal else slice(None))
    if causal:
        for position, row in rows(reverse_complement(bases), 1):
            place = length - 1 - position
            writer.add(place, row[::-1], slice(0, place))
    writer.flush()
    if report is not None:
        report(1.0)


def _index_row(sequence: Sequence, array: str | None) -> dict[str, Any]:
    row = {name: getattr(sequence, name) for name in ("chrom", "start", "end", "strand", "status")}
    return {**row, "sequence": sequence.name, "length": sequence.end - sequence.start, "array": array}


def count_statuses(index: pd.DataFrame) -> str:
    """``"3 ok, 1 n_inside"``."""
    return ", ".join(f"{count} {status}" for status, count in sorted(Counter(index["status"]).items()))
