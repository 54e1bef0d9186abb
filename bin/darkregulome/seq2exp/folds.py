"""Training over folds of whole contigs and several seeds: no test gene shares a contig with a training gene."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ttest_rel

from darkregulome.errors import InputError
from darkregulome.io.schemas import SEQ2EXP_METRICS
from darkregulome.io.tables import check_table, read_table
from darkregulome.models.numerics import check_precision, resolve_device
from darkregulome.seq2exp.data import ExpressionWindows
from darkregulome.seq2exp.network import Seq2ExpConfig
from darkregulome.seq2exp.recipe import Recipe
from darkregulome.seq2exp.settings import FoldPlan
from darkregulome.seq2exp.train import Genes, Start, Trained, identity, measures, predict, train_seq2exp
from darkregulome.seq2exp.variants import retrained
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


StateOf = Callable[[str, dict[str, Any]], StateFile | None]
"""Where to keep what a restart of one training needs, by the training's name and what it is made of."""


def train_folds(
    name: str,
    config: Seq2ExpConfig,
    recipe: Recipe,
    windows: ExpressionWindows,
    genes: pd.DataFrame,
    plan: FoldPlan,
    report: Report = lambda _row: None,
    state: StateOf = lambda _name, _identity: None,
) -> Iterator[Run]:
    """Train and test a model, called `name` in the measures, for each of some folds and seeds, one at a time."""
    device, precision = resolve_device(plan.device), check_precision(plan.precision)
    for fold, seed in product(plan.test_folds, plan.all_seeds):
        parts, begin = split(genes, plan.folds, fold), {"model": name, "fold": fold, "seed": seed}
        data = Genes(windows, parts["training"], parts["validation"])

        def train(label: str, start: Start, data: Genes = data, begin: Mapping[str, Any] = begin) -> Trained:
            label = f"{label}_fold{begin['fold']}_seed{start.seed}"
            made_of = identity(start, windows, genes, begin["fold"]) | {"folds": plan.folds}
            return train_seq2exp(
                start, data, device, precision, lambda row: report({**begin, **row}), state(label, made_of)
            )

        trained = train(name, Start(config, recipe, seed))
        tested: list[tuple[str, Trained, float | None]] = [("mask", trained, None)]
        if plan.top and config.source == "learnt":
            tested.append(("top", trained, plan.top))
        if plan.retrain and config.source == "learnt":
            again = Start(*retrained(config, recipe, plan.retrain), seed, trained.model)
            tested.append(("retrained", train(f"{name}-retrained", again), None))
        rows = []
        for evaluation, one, top in tested:
            predicted = predict(one.model, windows, parts["test"], recipe.batch, top)
            measured = measures(parts["test"]["target"], predicted)
            rows.append({**begin, "evaluation": evaluation, "genes": len(predicted), **measured})
        yield Run(fold, seed, parts, trained, rows)


def metrics_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Measures of all runs (schema SEQ2EXP_METRICS)."""
    return check_table(pd.DataFrame(rows), SEQ2EXP_METRICS, "metrics")


def summarise(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Of each model and evaluation, mean and standard deviation over seeds of the means over folds."""
    found = []
    for (model, name), group in rows.groupby(["model", "evaluation"], sort=False):
        by_seed = group.groupby("seed")[list(MEASURES)].mean()
        mean, sd = by_seed.mean(), by_seed.std(ddof=1)
        values = {measure: {"mean": float(mean[measure]), "sd": float(sd[measure])} for measure in MEASURES}
        found.append(
            {"model": model, "evaluation": name, "seeds": len(by_seed), "folds": int(group["fold"].nunique()), **values}
        )
    return found


def compare(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The first model and evaluation against each other one, paired over folds and seeds.

    `difference` is the mean of the first less the other, p that of a paired t test. Folds share training genes and
    seeds share all of them, so that p is a guide and no proof.
    """
    by_run = rows.set_index(["fold", "seed"])
    names = list(dict.fromkeys(zip(rows["model"], rows["evaluation"], strict=True)))
    parts = {name: by_run[(by_run["model"] == name[0]) & (by_run["evaluation"] == name[1])] for name in names}
    found = []
    for other in names[1:]:
        for measure in ("mse", "mae", "pearson"):
            pair = pd.DataFrame({"one": parts[names[0]][measure], "other": parts[other][measure]}).dropna()
            gain = pair["one"] - pair["other"]
            p = ttest_rel(pair["one"], pair["other"]).pvalue if len(pair) > 1 and gain.std() > 0 else np.nan
            begin = {"model": " ".join(names[0]), "other": " ".join(other), "measure": measure, "runs": len(pair)}
            found.append({**begin, "difference": float(gain.mean()), "p": float(p)})
    return found


def summary_of(rows: pd.DataFrame) -> dict[str, Any]:
    """The content of metrics.json."""
    return {"target": "log10(expression + 1)", "summary": summarise(rows), "comparisons": compare(rows)}


def gather_metrics(parts: Sequence[Path], first: str | None = None) -> pd.DataFrame:
    """Measures of several runs in one table: the model `first` at the top, the others by name, then fold and seed.

    Raises
    ------
    InputError : a table does not fit, two hold the same training, or none has the model `first`.
    """
    table = pd.concat([read_table(path, SEQ2EXP_METRICS) for path in parts], ignore_index=True)
    keys = ["model", "fold", "seed", "evaluation"]
    twice = table[table.duplicated(keys)]
    if len(twice):
        row = twice.iloc[0]
        what = f"{row['model']}, fold {row['fold']}, seed {row['seed']}"
        raise InputError.at("metrics.tsv", f"{what} is given twice", "give each training once")
    if first is not None and first not in set(table["model"]):
        raise InputError.at(
            "--first", f"{first!r} is none of the models", f"give one of {', '.join(table['model'].unique())}"
        )
    rank = {"mask": 0, "top": 1, "retrained": 2}
    order = table.assign(later=table["model"] != first, rank=table["evaluation"].map(rank))
    return order.sort_values(["later", "model", "rank", "fold", "seed"], ignore_index=True).drop(
        columns=["later", "rank"]
    )
