"""Training of Seq2Exp, and its measures."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from darkregulome.seq2exp.data import Batch, ExpressionWindows
from darkregulome.seq2exp.guard import KlGuard
from darkregulome.seq2exp.mask import continuity, top_mask, total_loss
from darkregulome.seq2exp.network import Seq2Exp, Seq2ExpConfig
from darkregulome.seq2exp.recipe import Recipe
from darkregulome.seq2exp.variants import take_generator
from darkregulome.training.loop import Losses, Plan, Task, decay_groups, train
from darkregulome.training.schedule import Budget
from darkregulome.training.state import StateFile

Report = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Trained:
    """A trained model with its curve (one row a validation), the step that was kept, and its validation MSE."""

    model: Seq2Exp
    curve: list[dict[str, Any]]
    best_step: int
    validation_mse: float


@dataclass(frozen=True)
class Start:
    """What is trained: a configuration by a recipe, from a seed; a frozen mask is that of `generator_of`."""

    config: Seq2ExpConfig
    recipe: Recipe
    seed: int = 0
    generator_of: Seq2Exp | None = None


@dataclass(frozen=True)
class Genes:
    """Windows of the whole genome, and the genes (chrom, tss, strand, target) of training and validation."""

    windows: ExpressionWindows
    training: pd.DataFrame
    validation: pd.DataFrame


RESTART = 1_000_000
"""What is added to the seed for every further start."""


def train_seq2exp(
    start: Start,
    genes: Genes,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    report: Report = lambda _row: None,
    state: StateFile | None = None,
) -> Trained:
    """Train a model; keep the weights with the least validation MSE. `state` keeps what a restart needs.

    Returns
    -------
    The model in evaluation mode, with its curve.
    """
    trained, recipe = [], start.recipe
    plan = Plan(
        Budget(recipe.steps),
        rate=lambda step, _progress: recipe.rate(step),
        clip=recipe.clip,
        smoothing=0.9,
        evaluate_every=recipe.validate_every,
        evaluate_last=True,
        watch="validation_mse",
        # Before the KL has its full weight the mask is more open than it will be.
        watch_from=recipe.kl_ramp[1] * recipe.steps,
        parts=recipe.accumulate,
        device=torch.device(device),
        precision=precision,
    )
    for restart in range(recipe.restarts):
        # Of several, each has a file of its own, since those that are done are not trained again.
        own_state = state if state is None or recipe.restarts == 1 else state.of_part(f"restart{restart}")
        seed = start.seed + RESTART * restart
        torch.manual_seed(seed)
        model = Seq2Exp(start.config)
        model.start_at(float(genes.training["target"].mean()))
        if start.generator_of is not None:
            take_generator(model, start.generator_of)
        task = ExpressionTask(model, recipe, genes, np.random.default_rng(seed))
        done = train(task, plan, report, own_state)
        trained.append(Trained(model.eval(), done.curve, done.best_step, done.best))
    return min(trained, key=lambda one: one.validation_mse)


class ExpressionTask(Task):
    """A Seq2Exp model, and genes drawn in random order, their windows shifted and turned at random."""

    model: Seq2Exp

    def __init__(self, model: Seq2Exp, recipe: Recipe, genes: Genes, rng: np.random.Generator):
        self.model, self._recipe, self._genes, self._rng = model, recipe, genes, rng
        self.generators = {"genes": rng}
        self.optimizer = torch.optim.AdamW(
            decay_groups(model, recipe.weight_decay), lr=recipe.first_rate, betas=(0.9, recipe.beta2)
        )
        self._order, self._next = np.zeros(0, int), 0
        tolerance = recipe.kl_guard if model.config.source == "learnt" else None
        self._guard = None if tolerance is None else KlGuard(tolerance)

    def begin(self, step: int) -> None:
        """Whether masks are drawn, and what the guard makes of the step before; and give the generator the predictor's
        weights, where the recipe says so."""
        if self._guard is not None:
            self._guard.end_step(weighed=self._recipe.kl_weight_at(step - 1) > 0)
        learnt = self.model.config.source == "learnt"
        self.model.draws = learnt and step < self._recipe.draw_until * self._recipe.steps
        share = self._recipe.copy_predictor
        if share is not None and step == round(share * self._recipe.steps) and self.model.generator is not None:
            self.model.generator.load_state_dict(self.model.predictor.state_dict())
            # What the optimizer knows of the generator is of other weights, whose gradients were small: it would
            # take steps far above its rate.
            for parameter in (*self.model.generator.parameters(), *self.model.logits.parameters()):
                self.optimizer.state.pop(parameter, None)

    def draw(self) -> Batch:
        """Genes of one step: every gene once an epoch, the last, incomplete batch of an epoch being left out."""
        size = min(self._recipe.batch, len(self._genes.training))
        if self._next + size > len(self._order):
            self._order, self._next = self._rng.permutation(len(self._genes.training)), 0
        rows = self._order[self._next : self._next + size]
        self._next += size
        return self._genes.windows.batch(self._genes.training.iloc[rows], self._rng)

    def split(self, batch: Batch, parts: int) -> list[tuple[Batch, float]]:
        """Some genes each."""
        if parts == 1:
            return [(batch, 1.0)]
        rows = [part for part in torch.arange(len(batch.target)).tensor_split(parts) if len(part)]
        return [(batch.rows(part), len(part) / len(batch.target)) for part in rows]

    def losses(self, batch: Batch, step: int, device: torch.device) -> Losses:
        """See `losses_of`."""
        share = 1.0 if self._guard is None else self._guard.factor
        loss, shown = losses_of(self.model, batch.to(device), self._recipe, step, share)
        if self._guard is not None:
            self._guard.see(shown["prediction_loss"], len(batch.target))
        return loss, shown

    def evaluate(self) -> dict[str, float]:
        """Measures on the validation genes."""
        predicted = predict(self.model, self._genes.windows, self._genes.validation, self._recipe.batch)
        found = measures(self._genes.validation["target"], predicted)
        return {f"validation_{name}": value for name, value in found.items()}

    def position(self) -> dict[str, Any]:
        """The order of this epoch and how much of it is done, and what the guard knows."""
        guard = {} if self._guard is None else {"guard": asdict(self._guard)}
        return {"order": self._order.tolist(), "next": self._next, **guard}

    def seek(self, position: Mapping[str, Any]) -> None:
        """Go on in an epoch."""
        self._order, self._next = np.array(position["order"], int), int(position["next"])
        if self._guard is not None:
            self._guard = KlGuard(**position["guard"])


def losses_of(model: Seq2Exp, batch: Batch, recipe: Recipe, step: int, kl_share: float = 1.0) -> Losses:
    """The loss of some genes, its parts, and the ratio of the mask that was drawn.

    `kl_share` is the share of the recipe's weight that the KL has at this step: see `KlGuard`.
    """
    made = model(batch.bases, batch.signals, batch.given)
    weight = kl_share * recipe.kl_weight_at(step)
    steps = continuity(made.mask)
    loss, prediction = total_loss(made.prediction, batch.target, made.kl, steps, weight, recipe.continuity_weight)
    return loss, {
        "loss": loss.item(),
        "prediction_loss": prediction.item(),
        "kl": made.kl.item(),
        "kl_weight": weight,
        "mask_ratio": made.mask.mean().item(),
    }


def identity(start: Start, windows: ExpressionWindows, genes: pd.DataFrame, fold: int) -> dict[str, Any]:
    """What a training is made of, for its `StateFile`; the first window stands for all sequence and signals."""
    first = windows.read(str(genes["chrom"].iloc[0]), int(genes["tss"].iloc[0]))
    digest = hashlib.sha256(genes[["chrom", "tss", "strand", "target"]].to_csv(index=False).encode())
    digest.update(first.sequence.tobytes() + first.signals.tobytes())
    return {
        "model": start.config.model_dump(mode="json"),
        "recipe": start.recipe.model_dump(mode="json"),
        "data": digest.hexdigest()[:16],
        "fold": fold,
        "seed": start.seed,
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
            part = windows.batch(genes.iloc[first : first + batch]).to(device)
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
        part = windows.batch(genes.iloc[first : first + batch]).to(next(model.parameters()).device)
        x = model.inputs(part.bases, part.signals).requires_grad_()
        with torch.no_grad():
            mask = model(part.bases, part.signals, part.given).mask
        (gradient,) = torch.autograd.grad(model.predict(x, mask).sum(), x)
        found += list((gradient * x).sum(-1).abs().detach().cpu().numpy())
    return found
