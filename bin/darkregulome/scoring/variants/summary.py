"""A scored file in numbers: statuses by class of allele, and the distribution of each score, for the report.

The file is read as a stream; what is held is one number an allele and score.
"""

import math
import re
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from darkregulome.errors import InputError
from darkregulome.genome.alleles import CLASSES, allele_class
from darkregulome.genome.vcf import VcfFile, info_of
from darkregulome.io.paths import require_file
from darkregulome.io.schemas import VARIANTS
from darkregulome.io.tables import check_table, parse_provenance, read_provenance, reading, table_format

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 50
"""Bins of a distribution, between the quantiles `RANGE` of all its scores."""
RANGE = (0.005, 0.995)
ROWS = 2**16
"""Rows read at once."""

_PROVENANCE = re.compile(r"##(?P<prefix>\w+)_provenance=(?P<json>\{.*\})")

Alleles = Iterator[tuple[str, str, str, Mapping[str, float]]]
"""REF, ALT, status and scores of each allele."""


def summarise(path: str | Path) -> dict[str, Any]:
    """Counts and distributions of one scored file.

    Returns
    -------
    ``model``, ``file``, ``alleles``; ``statuses``: status to class to number; ``scores``: score to ``edges`` of the
    bins and, by class, ``n``, ``mean``, ``quantiles`` (of `QUANTILES`), ``density`` (per unit of the score).

    Raises
    ------
    InputError : the file was not written by score_variants.py.
    """
    path = Path(path)
    model, alleles = _of_vcf(path) if path.name.endswith(".vcf.gz") else _of_table(path)
    statuses: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(CLASSES, 0))
    values: dict[tuple[str, str], array] = defaultdict(lambda: array("d"))
    for ref, alt, status, scores in alleles:
        kind = allele_class(ref, alt)
        statuses[status][kind] += 1
        for name, value in scores.items():
            values[name, kind].append(value)
    names = list(dict.fromkeys(name for name, _ in values))
    return {
        "model": model,
        "file": path.name,
        "alleles": sum(sum(counts.values()) for counts in statuses.values()),
        "statuses": {status: dict(counts) for status, counts in sorted(statuses.items())},
        "scores": {
            name: _distribution({kind: np.asarray(values[name, kind]) for kind in CLASSES if (name, kind) in values})
            for name in names
        },
    }


def _distribution(by_class: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    every = np.concatenate(list(by_class.values()))
    low, high = np.quantile(every, RANGE)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    summaries = {}
    for kind, values in by_class.items():
        # What lies outside is in the quantiles, and would flatten the picture.
        counts, _ = np.histogram(values, edges)
        summaries[kind] = {
            "n": len(values),
            "mean": float(values.mean()),
            "quantiles": [float(value) for value in np.quantile(values, QUANTILES)],
            "density": (counts / len(values) / np.diff(edges)).tolist(),
        }
    return {"edges": edges.tolist(), "classes": summaries}


def _of_vcf(path: Path) -> tuple[str, Alleles]:
    file = VcfFile(path)
    provenance = next((match for line in file.meta if (match := _PROVENANCE.match(line))), None)
    if provenance is None:
        raise InputError.at(path, "was not scored by score_variants.py", "give a file that it wrote")
    prefix, model = f"{provenance['prefix']}_", _model(parse_provenance(provenance["json"], path), path)

    def alleles() -> Alleles:
        for record in file.records():
            fields = info_of(record).items()
            own = {name.removeprefix(prefix).lower(): text for name, text in fields if name.startswith(prefix)}
            statuses = own.pop("status", "malformed").split(",")
            own.pop("line", None)
            numbers = {name: text.split(",") for name, text in own.items()}
            try:
                for at, (alt, status) in enumerate(zip(record.alts, statuses, strict=False)):
                    scores = {name: float(values[at]) for name, values in numbers.items() if values[at] != "."}
                    yield record.ref, alt, status, _finite(scores)
            except (ValueError, IndexError) as error:
                raise InputError.at(
                    f"{path}: record {record.number + 1}",
                    "has scores that are no numbers, or not one an ALT",
                    "score it again",
                ) from error

    return model, alleles()


def _of_table(path: Path) -> tuple[str, Alleles]:
    def alleles() -> Alleles:
        for frame in _frames(path):
            if missing := [name for name in VARIANTS.columns if name not in frame]:
                raise InputError.at(path, f"lacks the column {missing[0]!r}", "give a table of score_variants.py")
            frame = check_table(frame, VARIANTS, path)
            scores = [str(name) for name in frame if name not in VARIANTS.columns]
            columns = zip(*(_numbers(frame[name]) for name in scores), strict=True) if scores else [()] * len(frame)
            names = zip(frame["ref"], frame["alt"], frame["status"], columns, strict=True)
            for ref, alt, status, values in names:
                yield ref, alt, status, _finite(dict(zip(scores, values, strict=True)))

    require_file(path)
    return _model(read_provenance(path), path), alleles()


def _numbers(column: pd.Series) -> NDArray[np.float64]:
    """What a column holds as numbers; words, which any table may have next to its scores, are none."""
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def _finite(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in scores.items() if math.isfinite(value)}


def _frames(path: Path) -> Iterator[pd.DataFrame]:
    kind = table_format(path)
    if kind == "parquet":
        with reading(path):
            yield from (batch.to_pandas() for batch in pq.ParquetFile(path).iter_batches(ROWS))
        return
    text = dict.fromkeys(("chrom", "id", "ref", "alt", "status", "reason"), str)
    # "NA" may be an ID; only the numbers' columns can be empty.
    with (
        reading(path),
        pd.read_csv(path, sep=kind, chunksize=ROWS, dtype=text, keep_default_na=False, na_values={"pos": ""}) as chunks,
    ):
        yield from chunks


def _model(made_by: Mapping[str, Any], path: Path) -> str:
    """The model that a file's provenance names; else the file's name."""
    return str(made_by.get("model") or path.name.split(".")[0])
