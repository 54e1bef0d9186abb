"""Effects to regulatory influence scores (RIS), and RIS to bigWig."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig

from darkregulome.errors import InputError, Problem, raise_all
from darkregulome.genome.textfile import numbered_lines
from darkregulome.io.atomic import atomic_path
from darkregulome.io.paths import require_file
from darkregulome.io.schemas import HALVES, RIS


def pool_effects(elements: pd.DataFrame, effects: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """One row per element and model (schema RIS).

    `ris` is the mean and `ris_max` the largest of the absolute effects; effects that are NaN or infinite are left
    out, and `n_nonfinite` counts them. An element that a model has no record of, or no finite effect, is kept, with a
    status and without a score.

    Parameters
    ----------
    elements, effects, reference : tables of the schemas ELEMENTS, EFFECTS and REFERENCE.

    Raises
    ------
    InputError
        Effects or reference of elements that `elements` does not have, of models without a reference, or one
        element scored twice by one model.
    """
    _check(elements, effects, reference)
    models = reference.groupby("model", sort=False)[["kind", "readout"]].first()
    rows = pd.MultiIndex.from_product([models.index, elements["element"]], names=["model", "element"])
    table = models.reindex(rows.get_level_values("model")).set_index(rows)
    by_name = reference.set_index(["model", "element"])
    pooled = _pool(effects)
    for column in ("ris", "ris_max"):
        table[column] = pooled[column].reindex(rows)
    for column in ("n_perturbations", "n_nonfinite"):
        table[column] = pooled[column].reindex(rows).fillna(0).astype(np.int64)
    table["predictability"] = by_name["predictability"].reindex(rows).astype(float)
    for column in HALVES:
        table[column] = by_name[column].reindex(rows) if column in by_name else np.nan
    empty = elements.set_index("element")["n_fraction"].reindex(rows.get_level_values("element")) >= 1
    absent = np.where(empty.to_numpy(), "n_masked", "no_effects")
    status = by_name["status"].reindex(rows)
    status = status.where(status.notna(), absent)
    status = status.mask((status == "ok") & (table["n_perturbations"] == 0), "no_effects")
    table["status"] = status
    # A status other than ok means that there is no score: half a score would be taken for one.
    table.loc[table["status"] != "ok", ["ris", "ris_max"]] = np.nan
    table = table.reset_index()
    return table[[*RIS.columns, "n_nonfinite"]]


def _pool(effects: pd.DataFrame) -> pd.DataFrame:
    values = effects["effect"].to_numpy(float)
    finite = np.isfinite(values)
    size = pd.DataFrame(
        {
            "model": effects["model"].to_numpy(),
            "element": effects["element"].to_numpy(),
            "size": np.where(finite, np.abs(values), np.nan),
            "nonfinite": (~finite).astype(np.int64),
        }
    )
    groups = size.groupby(["model", "element"], sort=False)
    return groups.agg(
        ris=("size", "mean"),
        ris_max=("size", "max"),
        n_perturbations=("size", "count"),
        n_nonfinite=("nonfinite", "sum"),
    )


def _check(elements: pd.DataFrame, effects: pd.DataFrame, reference: pd.DataFrame) -> None:
    names = set(elements["element"])
    problems = []
    for option, frame in (("--effects", effects), ("--reference", reference)):
        strange = [name for name in frame["element"].unique() if name not in names]
        if strange:
            problems.append(
                Problem(
                    option,
                    f"{len(strange)} elements are not in --elements, such as {strange[0]!r}",
                    "give the elements that were scored",
                )
            )
    strange = sorted(set(effects["model"]) - set(reference["model"]))
    if strange:
        problems.append(Problem("--reference", f"has no model {strange[0]!r}", "give the reference of every model"))
    twice = reference[reference.duplicated(["element", "model"])]
    if not twice.empty:
        first = twice.iloc[0]
        problems.append(
            Problem(
                "--reference",
                f"has {first['element']!r} of {first['model']!r} more than once ({len(twice)} rows too many in all)",
                "give each file once",
            )
        )
    raise_all(problems)


def write_bigwigs(
    elements: pd.DataFrame, ris: pd.DataFrame, lengths: Mapping[str, int], folder: str | Path
) -> list[Path]:
    """One bigWig per model, ``<model>.bw``: RIS over the elements; where elements overlap, their mean.

    Parameters
    ----------
    lengths : length of every contig in bases, in the order in which the bigWig is to have them.
    """
    where = elements.set_index("element")[["chrom", "start", "end"]]
    paths = []
    for model, group in ris.groupby("model", sort=False):
        scored = group.dropna(subset=["ris"]).join(where, on="element")
        _check_contigs(scored, lengths)
        path = Path(folder) / f"{model}.bw"
        with atomic_path(path) as partial:
            _write_bigwig(scored, lengths, partial)
        paths.append(path)
    return paths


def _write_bigwig(scored: pd.DataFrame, lengths: Mapping[str, int], path: Path) -> None:
    with pyBigWig.open(str(path), "w") as handle:
        handle.addHeader([(name, int(length)) for name, length in lengths.items()])
        for chrom in lengths:
            here = scored[scored["chrom"] == chrom]
            starts, ends, values = mean_of_overlaps(here["start"], here["end"], here["ris"])
            if len(starts):
                handle.addEntries([chrom] * len(starts), starts.tolist(), ends=ends.tolist(), values=values.tolist())


def mean_of_overlaps(starts, ends, values) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Intervals that may overlap, as sorted ones that do not: each carries the mean of those that cover it."""
    starts, ends, values = np.asarray(starts, np.int64), np.asarray(ends, np.int64), np.asarray(values, float)
    edges = np.unique(np.concatenate([starts, ends]))
    first, last = np.searchsorted(edges, starts), np.searchsorted(edges, ends)
    count, total = np.zeros(len(edges) + 1), np.zeros(len(edges) + 1)
    for change, weight in ((count, np.ones(len(values))), (total, values)):
        np.add.at(change, first, weight)
        np.add.at(change, last, -weight)
    # The running sum is exact where it must be zero: gaps are taken from the counts.
    depth, level = np.cumsum(count)[: len(edges) - 1], np.cumsum(total)[: len(edges) - 1]
    covered = depth > 0
    return edges[:-1][covered], edges[1:][covered], level[covered] / depth[covered]


def read_contig_lengths(fai: str | Path) -> dict[str, int]:
    """Contig lengths of a FASTA index (.fai), in its order."""
    require_file(fai, "make it with samtools faidx")
    lengths: dict[str, int] = {}
    for number, line in numbered_lines(fai):
        fields = line.split("\t")
        if len(fields) < 2 or not fields[1].isdecimal():
            raise InputError.at(f"{fai}:{number}", "is not a line of a FASTA index", "make it with samtools faidx")
        lengths[fields[0]] = int(fields[1])
    return lengths


def _check_contigs(scored: pd.DataFrame, lengths: Mapping[str, int]) -> None:
    problems = []
    for chrom, last in scored.groupby("chrom", sort=False)["end"].max().items():
        if chrom not in lengths:
            problems.append(Problem("--fai", f"has no contig {chrom!r}", "give the index of the FASTA that was scored"))
        elif last > lengths[str(chrom)]:
            problems.append(
                Problem(
                    "--fai", f"{chrom} has {lengths[str(chrom)]} bases, an element ends at {last}", "give its index"
                )
            )
    raise_all(problems)
