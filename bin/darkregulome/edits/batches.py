"""Batches that fit into memory: the first size is a guess, halved for good when memory runs out."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from darkregulome.errors import InputError
from darkregulome.models.protocol import LanguageModel, OutputModel

BASES_PER_BATCH = {
    "language": {"cpu": 2**13, "cuda": 2**20},
    "output": {"cpu": 2**18, "cuda": 2**22},
}
"""First guesses of a batch of a language model and of an output model, in bases, by device."""
OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "_alloc_failed")
"""What errors say that are no `torch.OutOfMemoryError`; the last are those of cuBLAS, cuFFT and cuDNN."""


def bases_per_batch(model: LanguageModel | OutputModel) -> int:
    """First guess of a batch, in bases: halved where memory does not suffice."""
    guesses = BASES_PER_BATCH["output" if model.kind == "output" else "language"]
    return guesses["cuda" if str(model.device).startswith("cuda") else "cpu"]


class Batches:
    """Runs numbered jobs in batches, and reports the share that is done.

    Parameters
    ----------
    budget : bases per batch.
    size : sequences per batch at most; None leaves it to the budget.
    total : jobs in all, for the report.
    """

    def __init__(
        self, budget: int, size: int | None, total: int, report: Callable[[float], None] | None = None
    ) -> None:
        self.budget = budget
        self.size = size
        self._total, self._done, self._report = total, 0, report

    @classmethod
    def of(
        cls,
        model: LanguageModel | OutputModel,
        size: int | None,
        total: int,
        report: Callable[[float], None] | None = None,
    ) -> "Batches":
        """Batches of the first guess for a model."""
        return cls(bases_per_batch(model), size, total, report)

    def run(
        self, jobs: np.ndarray, lengths: int | Sequence[int] | np.ndarray, call: Callable[[np.ndarray], None]
    ) -> None:
        """Call `call` with batches of `jobs`.

        Parameters
        ----------
        lengths : bases that a job runs, one number or one per job, in rising order; a batch is as long as its last.
        """
        lengths = np.broadcast_to(np.asarray(lengths), len(jobs))
        at = 0
        while at < len(jobs):
            rows = np.arange(1, len(jobs) - at + 1)
            limit = self.budget if self.size is None else self.size
            cost = rows * lengths[at:] if self.size is None else rows
            count = max(1, int(np.count_nonzero(cost <= limit)))
            if fits(call, jobs[at : at + count]):
                at += count
                self.done(count)
            elif count == 1:
                raise InputError.at("--window", "one window does not fit into memory", "give a shorter one")
            elif self.size is None:
                self.budget = int(cost[count // 2 - 1])
            else:
                self.size = count // 2

    def done(self, count: int) -> None:
        """Count jobs as done."""
        self._done += count
        if self._report is not None:
            self._report(self._done / self._total)


def fits(run: Callable[[np.ndarray], None], batch: np.ndarray) -> bool:
    """Run a batch; False where memory ran out."""
    try:
        with torch.inference_mode():
            run(batch)
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
    else:
        return True
    # Outside the handler: the traceback would keep the failed batch's tensors alive.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return False


def _out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return any(sign in text for sign in OUT_OF_MEMORY)
