"""Training over folds of whole contigs and several seeds: no test gene shares a contig with a training gene."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from darkregulome.errors import InputError
from darkregulome.io.schemas import SEQ2EXP_METRICS
from darkregulome.io.tables import check_table
from darkregulome.seq2exp.data import ExpressionWindows
from darkregulome.seq2exp.network import Seq2ExpConfig
from darkregulome.seq2exp.recipe import Recipe
from darkregulome.seq2exp.train import Trained, identity, measures, predict, train_seq2exp
from darkregulome.training.state import StateFile

MEASURES = ("mse", "mae", "pearson", "mask_ratio", "continuity")

Report = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Run:
    """One training: its fold and seed, the genes of each part, the model, and one row of measures an evaluation."""

    fold: int
    seed: int
    parts: dict[str, pd.DataFrame]
    trained: Trained
    rows: list[dict[str, Any]]

    def card(self, command: str) -> dict[str, Any]:
        """The model card."""
        contigs = {name: sorted(part["chrom"].unique()) for name, part in self.parts.items()}
        return {
            "command": command,
            "fold": self.fold,
            "seed": self.seed,
            "contigs": contigs,
            "genes": {name: len(part) for name, part in self.parts.items()},
            "best_step": self.trained.best_step,
            "test": self.rows,
        }


def folds(chroms: pd.Series, count: int) -> dict[str, int]:
    """Contig -> fold, such that the folds hold about equally many genes and no contig is in two.

    Raises
    ------
    InputError : there are fewer contigs than folds, or fewer than three folds.
    """
    sizes = chroms.value_counts()
    if not 3 <= count <= len(sizes):
        raise InputError.at(
            "--folds",
            f"{count} does not do for {len(sizes)} contigs with genes",
            "give at least 3 (training, validation, test) and at most one a contig",
        )
    filled = np.zeros(count, int)
    made: dict[str, int] = {}
    for name, size in sorted(sizes.items(), key=lambda item: (-item[1], str(item[0]))):
        fold = int(filled.argmin())
        made[str(name)], filled[fold] = fold, filled[fold] + size
    return made


def split(genes: pd.DataFrame, count: int, fold: int) -> dict[str, pd.DataFrame]:
    """Genes for training, validation and test: fold `fold` is the test, the next one the validation."""
    member = genes["chrom"].map(folds(genes["chrom"], count))
    parts = {"test": member == fold, "validation": member == (fold + 1) % count}
    parts["training"] = ~(parts["test"] | parts["validation"])
    return {name: genes[chosen].reset_index(drop=True) for name, chosen in parts.items()}


def train_folds(
    config: Seq2ExpConfig,
    recipe: Recipe,
    windows: ExpressionWindows,
    genes: pd.DataFrame,
    count: int,
    which: Iterable[int],
    seeds: Iterable[int],
    top: float | None = None,
    device: torch.device | str = "cpu",
    report: Report = lambda _row: None,
    state: Callable[[int, int, dict[str, Any]], StateFile] | None = None,
    precision: str = "fp32",
) -> Iterator[Run]:
    """Train and test a model for each of some folds and seeds, one at a time.

    Parameters
    ----------
    count : folds in all; `which` of them are run.
    top : test a second time with this fraction of positions, those of the highest mask, and nothing else.
    state : gives, for a fold and a seed and what the training is made of, where to keep what a restart needs.
    """
    for fold in which:
        parts = split(genes, count, fold)
        for seed in seeds:

            def told(row: Mapping[str, Any], fold: int = fold, seed: int = seed) -> None:
                report({"fold": fold, "seed": seed, **row})

            kept = None
            if state is not None:
                kept = state(fold, seed, identity(config, recipe, windows, genes, fold, seed) | {"folds": count})
            trained = train_seq2exp(
                config, recipe, windows, parts["training"], parts["validation"], seed, device, told, kept, precision
            )
            rows = []
            for name, fraction in (("mask", None), *([("top", top)] if top else [])):
                predicted = predict(trained.model, windows, parts["test"], recipe.batch, fraction)
                measured = measures(parts["test"]["target"], predicted)
                rows.append({"fold": fold, "seed": seed, "evaluation": name, "genes": len(predicted), **measured})
            yield Run(fold, seed, parts, trained, rows)


def metrics_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Measures of all runs (schema SEQ2EXP_METRICS)."""
    return check_table(pd.DataFrame(rows), SEQ2EXP_METRICS, "metrics")


def summarise(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean over all runs of an evaluation, and standard deviation over seeds of the means over folds."""
    found = []
    for name, group in rows.groupby("evaluation", sort=False):
        by_seed = group.groupby("seed")[list(MEASURES)].mean()
        mean, sd = by_seed.mean(), by_seed.std(ddof=1)
        values = {measure: {"mean": float(mean[measure]), "sd": float(sd[measure])} for measure in MEASURES}
        found.append({"evaluation": name, "seeds": len(by_seed), "folds": int(group["fold"].nunique()), **values})
    return found
