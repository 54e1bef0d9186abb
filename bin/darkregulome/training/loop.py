"""The one training loop, for language models, Enformer and Seq2Exp.

A `Task` says what is trained, a `Plan` how. Devices, mixed precision and the clipping of gradients are accelerate's.
With a `StateFile` a training that was killed goes on where it was, and ends with the weights that it would have had
(on a CPU in float32 to the bit).
"""

import copy
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from darkregulome.errors import InputError
from darkregulome.models.numerics import keep_freed_memory, tf32
from darkregulome.training.schedule import Budget
from darkregulome.training.state import Generators, StateFile, random_state, set_random_state

Report = Callable[[Mapping[str, Any]], None]
Losses = tuple[Tensor, Mapping[str, float]]


class Task(ABC):
    """What is trained: a model with its optimizer, how a step's examples are drawn, and what their loss is.

    All that is random comes from `generators` and from torch's own generator, or a restart could not repeat it.
    """

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    generators: Generators

    def begin(self, step: int) -> None:  # noqa: B027, most tasks have nothing to do
        """What is to be done before a step."""

    @abstractmethod
    def draw(self) -> Any:
        """The examples of one step, on the CPU."""

    @abstractmethod
    def split(self, batch: Any, parts: int) -> Sequence[tuple[Any, float]]:
        """The examples in about equal parts, each with its share of the step's loss."""

    @abstractmethod
    def losses(self, batch: Any, step: int, device: torch.device) -> Losses:
        """The mean loss of some examples, and what is shown of it (``loss`` among it)."""

    def evaluate(self) -> Mapping[str, float]:
        """Measures on examples that are not trained on."""
        return {}

    def train_mode(self) -> None:
        """Training mode, for all that learns."""
        self.model.train()

    @property
    def learned(self) -> list[torch.nn.Parameter]:
        """The parameters whose gradient is clipped."""
        return list(self.model.parameters())

    def position(self) -> dict[str, Any]:
        """Where the drawing of examples is, beside `generators`: JSON."""
        return {}

    def seek(self, position: Mapping[str, Any]) -> None:
        """Go on drawing from a `position`."""
        assert not position, "a task with a position of its own must be able to seek it"


@dataclass(frozen=True)
class Plan:
    """How a task is trained.

    Attributes
    ----------
    rate : learning rate of a step, given the step and the fraction of the budget that is spent.
    clip : largest norm of the gradient.
    smoothing : weight of the past in the running losses.
    evaluate_every : steps between evaluations; 0 for none.
    evaluate_last : evaluate after the last step as well.
    watch : the measure of `Task.evaluate` whose least value decides which weights are kept; None keeps the last ones.
    watch_from : steps that must have been done before weights may be kept.
    patience : stop after so many evaluations without a lower `watch`.
    parts : parts into which each step is cut, one gradient after the other, so that less memory is enough.
    """

    budget: Budget
    rate: Callable[[int, float], float]
    clip: float = 1.0
    smoothing: float = 0.98
    evaluate_every: int = 0
    evaluate_last: bool = False
    watch: str | None = None
    watch_from: float = 0
    patience: int | None = None
    parts: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "fp32"


@dataclass
class Outcome:
    """How a training went. Its curve has one row an evaluation: step, progress, running losses, measures."""

    steps: int = 0
    first: dict[str, float] = field(default_factory=dict)
    running: dict[str, float] = field(default_factory=dict)
    curve: list[dict[str, Any]] = field(default_factory=list)
    best: float = math.inf
    best_step: int = 0
    waited: int = 0
    stopped: bool = False

    def card(self) -> dict[str, Any]:
        """What a model card says of the training."""
        first, last = (losses.get("loss", math.nan) for losses in (self.first, self.running))
        return {"steps": self.steps, "first_loss": first, "training_loss": last}


def train(task: Task, plan: Plan, report: Report = lambda _row: None, state: StateFile | None = None) -> Outcome:
    """Train `task.model` in place.

    Raises
    ------
    InputError : the loss became infinite or not a number, or the state file is another training's.
    """
    if plan.device.type == "cpu":
        keep_freed_memory()
    loop = _Loop(task, plan, report, state)
    with tf32(plan.precision == "tf32"):
        return loop.run()


class _Loop:
    def __init__(self, task: Task, plan: Plan, report: Report, state: StateFile | None):
        self.task, self.plan, self.report, self.state = task, plan, report, state
        if plan.device.type == "cuda":
            torch.cuda.set_device(plan.device)
        self.accelerator = Accelerator(
            cpu=plan.device.type == "cpu", mixed_precision="bf16" if plan.precision == "bf16" else "no"
        )
        task.model.to(plan.device)
        self.done = Outcome()
        self.best: dict[str, Tensor] | None = None
        self.written = time.monotonic()
        self._restore()

    def run(self) -> Outcome:
        done, plan = self.done, self.plan
        if not done.stopped:
            self.task.train_mode()
        while not done.stopped:
            progress = plan.budget.progress(done.steps)
            done.stopped = progress >= 1
            if not done.stopped:
                self._step(done.steps, progress)
                done.steps += 1
                self._evaluate(progress)
            self._keep_state()
        if self.best is not None:
            self.task.model.load_state_dict(self.best)
        return done

    def _step(self, step: int, progress: float) -> None:
        task, plan, done = self.task, self.plan, self.done
        for group in task.optimizer.param_groups:
            group["lr"] = plan.rate(step, progress)
        task.optimizer.zero_grad(set_to_none=True)
        task.begin(step)
        shown: dict[str, float] = {}
        for part, share in task.split(task.draw(), plan.parts):
            with self.accelerator.autocast():
                loss, values = task.losses(part, step, plan.device)
            self.accelerator.backward(loss * share if share != 1 else loss)
            for name, value in values.items():
                shown[name] = shown.get(name, 0.0) + share * value
        if not math.isfinite(shown["loss"]):
            raise InputError.at(f"step {step + 1}", "has a loss that is no number", "lower the learning rate")
        self.accelerator.clip_grad_norm_(task.learned, plan.clip)
        task.optimizer.step()
        done.first = done.first or dict(shown)
        past = plan.smoothing
        done.running = {
            name: past * done.running.get(name, value) + (1 - past) * value for name, value in shown.items()
        }

    def _evaluate(self, progress: float) -> None:
        plan, done = self.plan, self.done
        last = plan.evaluate_last and plan.budget.progress(done.steps) >= 1
        if not (last or (plan.evaluate_every and done.steps % plan.evaluate_every == 0)):
            return
        row = {"step": done.steps, "progress": progress, **done.running, **self.task.evaluate()}
        self.task.train_mode()
        done.curve.append(row)
        self.report(row)
        if plan.watch is None:
            return
        # The first weights that may be kept are, whatever their measure: a training must end with some.
        if (done.steps > plan.watch_from or last) and (row[plan.watch] < done.best or self.best is None):
            self.best = copy.deepcopy(self.task.model.state_dict())
            done.best, done.best_step, done.waited = row[plan.watch], done.steps, 0
        elif self.best is not None:
            done.waited += 1
            done.stopped = plan.patience is not None and done.waited >= plan.patience

    def _keep_state(self) -> None:
        if self.state is None:
            return
        if not self.done.stopped and time.monotonic() - self.written < 60 * self.state.minutes:
            return
        tensors, numpys = random_state(self.task.generators)
        saved = {"model": self.task.model.state_dict(), "optimizer": self.task.optimizer.state_dict()}
        progress = {
            "outcome": vars(self.done),
            "seconds": self.plan.budget.seconds,
            "generators": numpys,
            "position": self.task.position(),
        }
        self.state.write({**saved, "best": self.best, "random": tensors}, progress)
        self.written = time.monotonic()

    def _restore(self) -> None:
        found = None if self.state is None else self.state.read()
        if found is None:
            return
        tensors, progress = found
        self.task.model.load_state_dict(tensors["model"])
        self.task.optimizer.load_state_dict(tensors["optimizer"])
        self.best = tensors["best"]
        set_random_state(self.task.generators, tensors["random"], progress["generators"])
        self.task.seek(progress["position"])
        self.done = Outcome(**progress["outcome"])
        self.plan.budget.spent = progress["seconds"]


def decay_groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices only; never on what a model marks (A_log, D, biases, filters' frequencies)."""
    decayed: list[torch.nn.Parameter] = []
    free: list[torch.nn.Parameter] = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            marked = getattr(parameter, "_no_weight_decay", False) or parameter.ndim < 2
            (free if marked else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
