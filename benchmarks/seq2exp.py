#!/usr/bin/env python3
"""Does a learnt mask find the elements that cause expression, and leave out those that only look like it?

Simulates genes (`simulate.py expression`), trains Seq2Exp, the predictor alone (of the sequence, and of the sequence
and the signals) and the predictor under a mask of peaks, each with the same recipe, and compares on contigs left out of
training: the errors of the predicted expression, and the AUROC of each method's score for planted causal elements
against decoys. `docs/seq2exp.md` has the figures. With `--retrain`, a fresh predictor learns
from the top of the finished mask too.

    python benchmarks/seq2exp.py --first-seed 20 --seeds 20 --retrain 0.2 --out seq2exp.json
    python benchmarks/seq2exp.py --summarise a.json b.json
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import ttest_rel, wilcoxon
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))

from darkregulome.genome.reference import Reference
from darkregulome.seq2exp.data import ExpressionWindows, read_genes
from darkregulome.seq2exp.folds import split
from darkregulome.seq2exp.network import Seq2Exp
from darkregulome.seq2exp.recipe import read_recipe
from darkregulome.seq2exp.train import Genes, Start, Trained, measures, predict, saliency, train_seq2exp
from darkregulome.seq2exp.variants import retrained, variant
from darkregulome.simulate.expression import SimulatedExpression, simulate_expression
from darkregulome.simulate.writing import write_expression

RECIPE = Path(__file__).with_suffix(".yaml")
FOLDS = 5
DECOYS = ("silent_peak", "closed_motif", "repeat")
OURS, RETRAINED = "Seq2Exp: mask", "Seq2Exp: retrained"
METHODS = {
    "Seq2Exp": "config",
    "sequence alone": "caduceus",
    "sequence and signals": "caduceus-signals",
    "peak mask": "peaks",
}
"""Each with its name among `variants.VARIANTS`."""
OPEN = ("sequence alone", "sequence and signals")
"""Predictors without a mask: what they attribute to an element is asked instead."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="genomes, each with a training of its own")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--genes", type=int, default=1000)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--retrain", type=float, help="share of positions, those of the highest mask")
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--out", type=Path, default=Path("seq2exp.json"))
    parser.add_argument("--summarise", nargs="+", type=Path, help="report on these results instead of training")
    options = parser.parse_args()
    if options.summarise:
        report(pd.DataFrame([row for path in options.summarise for row in json.loads(path.read_text())]))
        return
    torch.set_num_threads(1)
    rows: list[dict] = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        made = simulate_expression(seed, options.genes, read_recipe(options.recipe)[0].window, options.genes // 10)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch, "simulated")
            write_expression(made, folder)
            for method in options.methods:
                found = run(method, made, folder, seed, options.recipe, options.retrain)
                rows += [{"seed": seed, **row} for row in found]
                print(pd.DataFrame(rows[-len(found) :]).round(3).to_string(header=False), flush=True)
        options.out.write_text(json.dumps(rows, indent=1) + "\n")
    report(pd.DataFrame(rows))


def report(rows: pd.DataFrame) -> None:
    """Means over genomes, how many reach the aims, and paired tests of Seq2Exp's AUROC and MSE against the others'."""
    groups = rows.drop(columns="seed").groupby("score", sort=False)
    print("mean", groups.mean().round(3).to_string(), "standard deviation", groups.std().round(3).to_string(), sep="\n")
    ours = rows[rows["score"] == OURS]
    if len(ours) < 2:
        return
    folds = {
        "whole": ours["mask_ratio"] / ours["planted_ratio"],
        "without the promoter, which is always kept and where nothing is planted": (
            (ours["mask_ratio"] - ours["centre_ratio"]) / ours["planted_ratio"]
        ),
    }
    print(
        ours[["seed", "auroc", "mse", "pearson", "mask_ratio", "planted_ratio", "validation_mse"]].round(3).to_string()
    )
    print(f"{len(ours)} genomes: AUROC at least 0.9 on {(ours['auroc'] >= 0.9).sum()}, least {ours['auroc'].min():.3f}")
    for what, fold in folds.items():
        shown = f"{fold.mean():.2f} ({fold.min():.2f} to {fold.max():.2f}), within 2 on {fold.between(0.5, 2).sum()}"
        print(f"mask ratio over the planted one, {what}: {shown}")
    for measure in ("auroc", "mse"):
        wide = rows.pivot(index="seed", columns="score", values=measure)
        for one in [OURS] + [RETRAINED] * (measure == "mse" and RETRAINED in wide):
            for other in wide.columns.drop(one):
                print(f"{measure}: {one} less {other}: {_paired(wide[one], wide[other])}")


def _paired(one: pd.Series, other: pd.Series) -> str:
    """Mean difference with its interval, t test and signed-rank test over genomes."""
    pair = pd.DataFrame({"one": one, "other": other}).dropna()
    gain = pair["one"] - pair["other"]
    if len(gain) < 2 or not gain.any():
        return "the same"
    test = ttest_rel(pair["one"], pair["other"])
    low, high = test.confidence_interval()
    return (
        f"{gain.mean():.4f} ({low:.4f} to {high:.4f}), higher on {(gain > 0).sum()} of {len(gain)}; "
        f"paired t p {test.pvalue:.2g}, signed rank p {wilcoxon(gain).pvalue:.2g}"
    )


def run(
    method: str, made: SimulatedExpression, folder: Path, seed: int, recipe_file: Path, retrain: float | None
) -> list[dict]:
    """Train one method on one genome; one row for each score that it gives to elements."""
    config, recipe = read_recipe(recipe_file)
    config = variant(config, METHODS[method])
    with Reference(folder / "genome.fa.gz") as reference:
        genes = read_genes(folder / "expression.tsv", reference.contigs)
        signals = {name: folder / f"{name}.bw" for name in config.signals}
        windows = ExpressionWindows(reference, signals, config, folder / "peaks.bed", recipe.shift)
        parts = split(genes, FOLDS, 0)
        test = parts["test"]
        elements = made.elements[made.elements["gene"].isin(test["gene"])].reset_index(drop=True)

        def row_of(trained: Trained, predicted: pd.DataFrame, began: float) -> dict:
            return measures(test["target"], predicted) | {
                "planted_ratio": made.causal_fraction,
                "centre_ratio": config.mask.centre / config.window,
                "validation_mse": trained.validation_mse,
                "best_step": trained.best_step,
                "cpu_seconds": time.process_time() - began,
            }

        data = Genes(windows, parts["training"], parts["validation"])
        began = time.process_time()
        trained = train_seq2exp(Start(config, recipe, seed), data)
        predicted = predict(trained.model, windows, test, recipe.batch, masks=True)
        shared = row_of(trained, predicted, began)
        scores = scores_of(method, trained.model, windows, test, elements, predicted, recipe.batch)
        rows = [{"score": f"{method}: {name}", **aurocs(elements, values), **shared} for name, values in scores.items()]
        if retrain and config.source == "learnt":
            began = time.process_time()
            again = train_seq2exp(Start(*retrained(config, recipe, retrain), seed, trained.model), data)
            rows.append({"score": RETRAINED, **row_of(again, predict(again.model, windows, test, recipe.batch), began)})
    return rows


def scores_of(
    method: str,
    model: Seq2Exp,
    windows: ExpressionWindows,
    genes: pd.DataFrame,
    elements: pd.DataFrame,
    predicted: pd.DataFrame,
    batch: int,
) -> dict[str, np.ndarray]:
    """What a method says of every element: its mask, or what its predictor attributes to the element."""
    resolution = model.config.resolution
    if method not in OPEN:
        masks = [np.repeat(soft, resolution) for soft in predicted["soft"]]
        return {"mask": mean_within(elements, genes, masks)}
    return {
        "gradient x input": mean_within(elements, genes, saliency(model, windows, genes, batch)),
        "occlusion": occlusion(model, windows, genes, elements, predicted),
    }


def mean_within(elements: pd.DataFrame, genes: pd.DataFrame, values: list[np.ndarray]) -> np.ndarray:
    """Mean over each element of per-base values that each gene has in its own direction."""
    found = np.zeros(len(elements))
    for row, rows in positions(elements, genes, len(values[0]) // 2):
        for index, (first, end) in rows:
            found[index] = values[row][first:end].mean()
    return found


def occlusion(
    model: Seq2Exp, windows: ExpressionWindows, genes: pd.DataFrame, elements: pd.DataFrame, predicted: pd.DataFrame
) -> np.ndarray:
    """Size of the change of the prediction when an element's positions alone are masked."""
    found = np.zeros(len(elements))
    resolution = model.config.resolution
    for row, rows in positions(elements, genes, model.config.window // 2):
        batch = windows.batch(genes.iloc[row : row + 1])
        masks = torch.ones(len(rows), model.config.window // resolution)
        for place, (_, (first, end)) in enumerate(rows):
            masks[place, first // resolution : -(-end // resolution)] = 0
        with torch.no_grad():
            x = model.inputs(batch.bases, batch.signals).expand(len(rows), -1, -1)
            changed = model.predict(x, masks).numpy() - predicted["prediction"].iloc[row]
        found[[index for index, _ in rows]] = np.abs(changed)
    return found


def positions(elements: pd.DataFrame, genes: pd.DataFrame, half: int):
    """For each gene, by row: its elements' rows and places in a window of twice `half`, in the gene's direction."""
    by_gene = elements.groupby("gene").indices

    for row, (gene, tss, strand) in enumerate(zip(genes["gene"], genes["tss"], genes["strand"], strict=True)):
        here = elements.iloc[by_gene.get(gene, [])]
        first, end = here["start"].to_numpy() - tss + half, here["end"].to_numpy() - tss + half
        if strand == "-":
            first, end = 2 * half - end, 2 * half - first
        if len(here):
            yield row, list(zip(here.index.tolist(), zip(first.tolist(), end.tolist(), strict=True), strict=True))


def aurocs(elements: pd.DataFrame, scores: np.ndarray) -> dict[str, float]:
    """AUROC of the scores for causal elements against all decoys, and against each kind."""
    causal = (elements["kind"] == "causal").to_numpy()
    found = {"auroc": roc_auc_score(causal, scores)}
    for kind in DECOYS:
        chosen = causal | (elements["kind"] == kind).to_numpy()
        found[f"auroc_{kind}"] = roc_auc_score(causal[chosen], scores[chosen])
    return {name: float(value) for name, value in found.items()}


if __name__ == "__main__":
    main()
