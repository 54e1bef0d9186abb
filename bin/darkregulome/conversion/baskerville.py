"""Scores of baskerville (Borzoi, Basenji): `scores.h5` of hound_snp, and of hound_ism_bed and hound_ism_snp.

Layouts, n variants or sequences, T targets:

- variants: ``chr`` (n,), ``pos`` (n,) 1-based, ``ref_allele``, ``alt_allele`` (n,), and a statistic ``(n, T)`` such as
  logSAD;
- saturation mutagenesis: ``chr``, ``start``, ``end`` (n,), optionally ``strand``, and a statistic ``(n, L, 4, T)`` or
  ``(n, L, 4)``, zero at the reference base, L = end - start; on the minus strand the first base is the last one.
  hound_ism_snp has it in the groups ``ref`` and ``alt``; that of ``ref`` is taken.

Per-gene statistics (logSED by variant and gene) are not taken: their rows are pairs.
"""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from darkregulome.conversion.arrays import of_target, substitution_effects
from darkregulome.conversion.scored import Scores, WindowScores
from darkregulome.conversion.settings import ScoreFormat
from darkregulome.conversion.variants import site_scores
from darkregulome.errors import InputError
from darkregulome.io.paths import require_file

_NOT_STATISTICS = frozenset(
    {"chr", "start", "end", "strand", "pos", "snp", "seqs", "label", "ref_allele", "alt_allele"}
    | {"target_ids", "target_labels", "gene", "gene_ids", "REF", "ALT", "percentiles", "del_loci", "progress_status"}
)
LAYOUTS = "see the layouts of baskerville in docs/usage.md"


def read_baskerville(path: Path, form: ScoreFormat) -> Scores:
    """Effects of a `scores.h5`.

    Raises
    ------
    InputError
        The file is no HDF5, or none of the layouts above, or has several statistics and none was named.
    """
    require_file(path)
    try:
        with h5py.File(path, "r") as scores:
            if {"chr", "pos", "ref_allele", "alt_allele"} <= set(scores):
                return _variants(scores, form.dataset, form.target, path)
            if {"chr", "start", "end"} <= set(scores):
                return _saturation(scores, form.dataset, form.target, path)
            names = ", ".join(list(scores)[:8])
    except OSError as error:
        raise InputError.at(path, "cannot be read as HDF5", "copy it again") from error
    raise InputError.at(path, f"has the datasets {names}", LAYOUTS)


def _statistic(scores: h5py.File, dataset: str | None, dimensions: tuple[int, ...], path: Path) -> str:
    statistics: list[str] = []

    def visit(name: str, item: object) -> None:
        is_array = isinstance(item, h5py.Dataset) and item.ndim in dimensions
        if is_array and not name.startswith("alt/") and name.rsplit("/", 1)[-1] not in _NOT_STATISTICS:
            statistics.append(name)

    scores.visititems(visit)
    if dataset is not None and (dataset in statistics or f"ref/{dataset}" in statistics):
        return dataset if dataset in statistics else f"ref/{dataset}"
    if dataset is None and len(statistics) == 1:
        return statistics[0]
    what = "no statistic" if not statistics else f"the statistics {', '.join(statistics)}"
    raise InputError.at(
        path,
        f"has {what}{f', and no {dataset}' if dataset else ''}",
        "name one by --dataset" if statistics else LAYOUTS,
    )


def _text(dataset: h5py.Dataset) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in dataset[()]]


def _variants(scores: h5py.File, dataset: str | None, target: int | None, path: Path) -> Scores:
    name = _statistic(scores, dataset, (2,), path)
    values = of_target(np.asarray(scores[name], dtype=np.float64), target, path)
    table = pd.DataFrame(
        {
            "chrom": _text(scores["chr"]),
            "pos": np.asarray(scores["pos"], dtype=np.int64),
            "ref": _text(scores["ref_allele"]),
            "alt": _text(scores["alt_allele"]),
        }
    )
    if len(values) != len(table):
        raise InputError.at(path, f"has {len(values)} rows of {name} for {len(table)} variants", LAYOUTS)
    return site_scores(table.assign(score=np.abs(values).mean(axis=1)), path, log_ratios=False)


def _saturation(scores: h5py.File, dataset: str | None, target: int | None, path: Path) -> Scores:
    name = _statistic(scores, dataset, (3, 4), path)
    values = np.asarray(scores[name], dtype=np.float64)
    values = values if values.ndim == 4 else values[..., None]
    start, end = (np.asarray(scores[key], dtype=np.int64) for key in ("start", "end"))
    if values.shape[2] != 4 or len(values) != len(start) or (end - start != values.shape[1]).any():
        raise InputError.at(path, f"has {name} of shape {values.shape}, which does not fit its start and end", LAYOUTS)
    effects = substitution_effects(of_target(values, target, path).transpose(0, 2, 1, 3), path)
    if "strand" in scores:
        minus = np.array(_text(scores["strand"])) == "-"
        effects[minus] = effects[minus, ::-1]
    windows = pd.DataFrame({"chrom": _text(scores["chr"]), "start": start, "end": end})
    return WindowScores(windows, effects, 3)
