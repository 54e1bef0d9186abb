"""Training of Seq2Exp, and its measures."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from darkregulome.seq2exp.data import Batch, ExpressionWindows
from darkregulome.seq2exp.mask import continuity, top_mask, total_loss
from darkregulome.seq2exp.network import Seq2Exp, Seq2ExpConfig
from darkregulome.seq2exp.recipe import Recipe

Report = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Trained:
    """A trained model with its curve (one row a validation) and the step that was kept."""

    model: Seq2Exp
    curve: list[dict[str, Any]]
    best_step: int


def train_seq2exp(
    config: Seq2ExpConfig,
    recipe: Recipe,
    windows: ExpressionWindows,
    training: pd.DataFrame,
    validation: pd.DataFrame,
    seed: int = 0,
    device: torch.device | str = "cpu",
    report: Report = lambda _row: None,
) -> Trained:
    """Train a model; keep the weights with the least validation MSE.

    Parameters
    ----------
    windows : of the whole genome.
    training, validation : genes (chrom, tss, strand, target).

    Returns
    -------
    The model in evaluation mode, with its curve.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = Seq2Exp(config)
    model.start_at(float(training["target"].mean()))
    model.to(device).train()
    optimizer = torch.optim.AdamW(_decay_groups(model, recipe.weight_decay), lr=recipe.first_rate)
    best, best_step, curve = (float("inf"), copy.deepcopy(model.state_dict())), 0, []
    running: dict[str, float] = {}
    for step, rows in zip(range(recipe.steps), _epochs(len(training), recipe.batch, rng), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        losses = training_step(model, optimizer, windows.batch(training.iloc[rows], rng), recipe, step)
        running = {name: 0.9 * running.get(name, value) + 0.1 * value for name, value in losses.items()}
        last = step + 1 == recipe.steps
        if last or (step + 1) % recipe.validate_every == 0:
            found = measures(validation["target"], predict(model, windows, validation, recipe.batch))
            row = {"step": step + 1, **running, **{f"validation_{name}": value for name, value in found.items()}}
            curve.append(row)
            report(row)
            # Before the KL has its full weight the mask is more open than it will be.
            if found["mse"] < best[0] and (step + 1 > recipe.kl_ramp[1] * recipe.steps or last):
                best, best_step = (found["mse"], copy.deepcopy(model.state_dict())), step + 1
    model.load_state_dict(best[1])
    return Trained(model.eval(), curve, best_step)


def training_step(
    model: Seq2Exp, optimizer: torch.optim.Optimizer, batch: Batch, recipe: Recipe, step: int
) -> dict[str, float]:
    """One step of the optimizer; its losses and the ratio of the mask that was drawn."""
    model.train()
    batch = _to(batch, next(model.parameters()).device)
    made = model(batch.bases, batch.signals, batch.given)
    loss, prediction = total_loss(
        made.prediction,
        batch.target,
        made.kl,
        continuity(made.mask),
        recipe.kl_weight_at(step),
        recipe.continuity_weight,
    )
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
    optimizer.step()
    return {
        "loss": loss.item(),
        "prediction_loss": prediction.item(),
        "kl": made.kl.item(),
        "mask_ratio": made.mask.mean().item(),
    }


def predict(
    model: Seq2Exp,
    windows: ExpressionWindows,
    genes: pd.DataFrame,
    batch: int = 8,
    top: float | None = None,
    masks: bool = False,
) -> pd.DataFrame:
    """Predictions and mask ratios of genes, without any draw: one row a gene.

    Parameters
    ----------
    top : predict from this fraction of positions, those with the highest mask, instead of the mask itself.
    masks : add the column ``soft``, each gene's mask before any threshold, float32, (positions,), in the direction of
        its gene.

    Returns
    -------
    Columns prediction, mask_ratio, continuity.
    """
    model.eval()
    device = next(model.parameters()).device
    rows: list[dict[str, Any]] = []
    with torch.no_grad():
        for first in range(0, len(genes), batch):
            part = _to(windows.batch(genes.iloc[first : first + batch]), device)
            made = model(part.bases, part.signals, part.given)
            mask, prediction = made.mask, made.prediction
            if top is not None:
                mask = model.keep_promoter(top_mask(made.soft, top))
                prediction = model.predict(model.inputs(part.bases, part.signals), mask)
            for row in range(len(mask)):
                found: dict[str, Any] = {
                    "prediction": float(prediction[row]),
                    "mask_ratio": float(mask[row].mean()),
                    "continuity": float(continuity(mask[row : row + 1])),
                }
                rows.append(found | ({"soft": made.soft[row].cpu().numpy()} if masks else {}))
    return pd.DataFrame(rows, index=genes.index)


def measures(target: pd.Series, predicted: pd.DataFrame) -> dict[str, float]:
    """MSE, MAE and Pearson correlation of log10(expression + 1), the mean mask ratio and continuity."""
    wanted, found = target.to_numpy(), predicted["prediction"].to_numpy()
    varies = len(wanted) > 1 and min(wanted.std(), found.std()) > 0
    return {
        "mse": float(np.mean((found - wanted) ** 2)),
        "mae": float(np.mean(np.abs(found - wanted))),
        "pearson": float(np.corrcoef(wanted, found)[0, 1]) if varies else float("nan"),
        "mask_ratio": float(predicted["mask_ratio"].mean()),
        "continuity": float(predicted["continuity"].mean()),
    }


def saliency(model: Seq2Exp, windows: ExpressionWindows, genes: pd.DataFrame, batch: int = 8) -> list[np.ndarray]:
    """Size of gradient times input at every base, each gene's (window,): a predictor's own account of what it uses."""
    model.eval()
    found = []
    for first in range(0, len(genes), batch):
        part = _to(windows.batch(genes.iloc[first : first + batch]), next(model.parameters()).device)
        x = model.inputs(part.bases, part.signals).requires_grad_()
        with torch.no_grad():
            mask = model(part.bases, part.signals, part.given).mask
        (gradient,) = torch.autograd.grad(model.predict(x, mask).sum(), x)
        found += list((gradient * x).sum(-1).abs().detach().cpu().numpy())
    return found


def without_signals(config: Seq2ExpConfig) -> Seq2ExpConfig:
    """The same model reading the sequence alone."""
    mask = config.mask.model_dump() | {"signal_weights": (), "signal_betas": ()}
    return Seq2ExpConfig.model_validate(config.model_dump() | {"signals": (), "log10_signals": (), "mask": mask})


def _epochs(count: int, batch: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows of each step: every gene once an epoch, in random order, the last batch of an epoch being left out."""
    while True:
        order = rng.permutation(count)
        for first in range(0, max(count - batch, 0) + 1, batch):
            yield order[first : first + batch]


def _decay_groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices only, and never on what a Mamba marks (A_log, D, the bias of its step size)."""
    parameters = list(model.parameters())
    free = {id(p) for p in parameters if p.ndim < 2 or getattr(p, "_no_weight_decay", False)}
    return [
        {"params": [p for p in parameters if id(p) not in free], "weight_decay": weight_decay},
        {"params": [p for p in parameters if id(p) in free], "weight_decay": 0.0},
    ]


def _to(batch: Batch, device: torch.device) -> Batch:
    given = None if batch.given is None else batch.given.to(device)
    return Batch(batch.bases.to(device), batch.signals.to(device), batch.target.to(device), given)
