"""What trained models say of a genome's genes: masks as bigWig and BED, predictions as a table."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyBigWig

from darkregulome.errors import InputError
from darkregulome.genome.intervals import write_bed
from darkregulome.io.atomic import atomic_path
from darkregulome.models.checkpoint import read_card
from darkregulome.seq2exp.data import ExpressionWindows
from darkregulome.seq2exp.network import Seq2Exp, load_seq2exp
from darkregulome.seq2exp.train import predict

ELEMENT_COLUMNS = ["chrom", "start", "end", "gene", "score", "strand", "mean_mask", "max_mask"]
"""Columns of the BED of elements; `score` is 1000 times the mean mask."""


class Ensemble:
    """Models of several folds and seeds that read the same input; what they say of a gene is their mean.

    Parameters
    ----------
    folders : checkpoint folders.
    held_out : let a model speak only of genes on the contigs that it was tested on, as its card names them.

    Raises
    ------
    InputError : a folder is not a checkpoint, the models read different inputs, or a card names no test contigs.
    """

    def __init__(self, folders: Sequence[Path], held_out: bool):
        self.models = [load_seq2exp(folder) for folder in folders]
        self.config = self.models[0].config
        for folder, model in zip(folders, self.models, strict=True):
            same = ("signals", "log10_signals", "window", "resolution", "source")
            if any(getattr(model.config, name) != getattr(self.config, name) for name in same):
                raise InputError.at(folder, "reads another input than the first model", "give models of one recipe")
        self._contigs = [_test_contigs(folder) if held_out else None for folder in folders]

    def apply(self, windows: ExpressionWindows, genes: pd.DataFrame, batch: int = 8) -> pd.DataFrame:
        """One row a gene: prediction, its standard deviation over models, mask_ratio, models, and `soft`, the mean
        mask (positions,) in the direction of the gene. Genes of which no model speaks have `models` 0."""
        found: list[list[dict[str, Any]]] = [[] for _ in range(len(genes))]
        for model, contigs in zip(self.models, self._contigs, strict=True):
            chosen = np.flatnonzero(np.ones(len(genes), bool) if contigs is None else genes["chrom"].isin(contigs))
            for row, made in zip(chosen, _rows(model, windows, genes.iloc[chosen], batch), strict=True):
                found[row].append(made)
        return pd.DataFrame([_mean(rows) for rows in found], index=genes.index)


def _rows(model: Seq2Exp, windows: ExpressionWindows, genes: pd.DataFrame, batch: int) -> Iterator[dict[str, Any]]:
    if len(genes):
        for row in predict(model, windows, genes, batch, masks=True).to_dict("records"):
            yield {str(name): value for name, value in row.items()}


def _mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    if not rows:
        return {"prediction": np.nan, "prediction_sd": np.nan, "mask_ratio": np.nan, "models": 0, "soft": None}
    predictions = np.array([row["prediction"] for row in rows])
    return {
        "prediction": predictions.mean(),
        "prediction_sd": predictions.std(ddof=1) if len(rows) > 1 else np.nan,
        "mask_ratio": np.mean([row["mask_ratio"] for row in rows]),
        "models": len(rows),
        "soft": np.mean([row["soft"] for row in rows], axis=0),
    }


def _test_contigs(folder: Path) -> set[str]:
    contigs = read_card(folder).get("contigs")
    if not isinstance(contigs, Mapping) or "test" not in contigs:
        raise InputError.at(folder, "has no card that names its test contigs", "use --genes all")
    return set(contigs["test"])


def base_masks(applied: pd.DataFrame, genes: pd.DataFrame, resolution: int) -> pd.DataFrame:
    """Each gene's mask per base, in the direction of the genome.

    Returns
    -------
    Columns gene, chrom, start (of the window; may be negative) and mask, float32, (window,).
    """
    rows = []
    columns = (genes[name].tolist() for name in ("gene", "chrom", "tss", "strand"))
    for gene, chrom, tss, strand, soft in zip(*columns, applied["soft"], strict=True):
        if soft is not None:
            mask = np.repeat(soft if strand == "+" else soft[::-1], resolution).astype(np.float32)
            # On the minus strand the window is read backwards; in whose middle the TSS lies is the same window.
            rows.append({"gene": gene, "chrom": chrom, "start": tss - len(mask) // 2, "mask": mask})
    return pd.DataFrame(rows, columns=["gene", "chrom", "start", "mask"])


def elements_of(masks: pd.DataFrame, lengths: Mapping[str, int], threshold: float, min_length: int) -> pd.DataFrame:
    """Runs of bases whose mask is at least `threshold`, gene by gene: columns `ELEMENT_COLUMNS`."""
    rows = []
    columns = (masks[name] for name in ("gene", "chrom", "start", "mask"))
    for gene, chrom, start, mask in zip(*columns, strict=True):
        inside = (mask >= threshold) & _on_contig(start, len(mask), lengths[chrom])
        edges = np.flatnonzero(np.diff(np.concatenate(([0], inside.astype(np.int8), [0]))))
        for first, end in edges.reshape(-1, 2).tolist():
            if end - first >= min_length:
                mean = float(mask[first:end].mean())
                values = (chrom, start + first, start + end, gene, round(1000 * mean), ".", mean)
                rows.append((*values, float(mask[first:end].max())))
    return pd.DataFrame(rows, columns=ELEMENT_COLUMNS).round({"mean_mask": 4, "max_mask": 4})


def write_elements(elements: pd.DataFrame, path: str | Path) -> None:
    """Elements as BED.gz with its index."""
    write_bed(elements[ELEMENT_COLUMNS], path)


def write_mask(masks: pd.DataFrame, lengths: Mapping[str, int], path: str | Path) -> None:
    """The mask as bigWig: where windows of several genes overlap, their mean; outside of windows, no value."""
    with atomic_path(path) as partial, pyBigWig.open(str(partial), "w") as bigwig:
        bigwig.addHeader([(name, int(length)) for name, length in lengths.items()])
        for chrom, length in lengths.items():
            total, count = np.zeros(length, np.float32), np.zeros(length, np.uint16)
            here = masks[masks["chrom"] == chrom]
            for start, mask in zip(here["start"].tolist(), here["mask"], strict=True):
                low, high = max(start, 0), min(start + len(mask), length)
                total[low:high] += mask[low - start : high - start]
                count[low:high] += 1
            starts, ends, values = _runs(total, count)
            if len(starts):
                bigwig.addEntries([chrom] * len(starts), starts.tolist(), ends=ends.tolist(), values=values.tolist())


def _runs(total: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Runs of equal means over covered bases: starts, ends, values."""
    mean = np.divide(total, count, out=np.full(len(total), -1, np.float32), where=count > 0)
    starts = np.flatnonzero(np.concatenate(([True], mean[1:] != mean[:-1])))
    ends = np.append(starts[1:], len(mean))
    covered = mean[starts] >= 0
    return starts[covered], ends[covered], mean[starts][covered].astype(float)


def _on_contig(start: int, size: int, length: int) -> np.ndarray:
    position = start + np.arange(size)
    return (position >= 0) & (position < length)
