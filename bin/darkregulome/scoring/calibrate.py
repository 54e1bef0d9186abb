"""What a model takes on this device, measured: the engine scores a sample of the elements on random sequence.

Real windows, batches and edits, so whatever the engine saves is in the figure. The sample grows until a run is long
enough to be timed; the smallest run and the largest separate what a locus costs by itself from what grows with the
edits.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from darkregulome.edits.cost import Calibration, count_work, usable
from darkregulome.edits.settings import Settled
from darkregulome.models.protocol import LanguageModel, OutputModel
from darkregulome.scoring.elements import ElementRun, score_elements

CONTIG, LOCUS = "calibration", "calibration"

_LOAD = """
import sys
from darkregulome.scoring import elements
from darkregulome.models.registry import load_model
name, weights, device, precision, registry = (word or None for word in sys.argv[1:])
load_model(name, weights, device, precision, registry)
"""


class RandomGenome:
    """One contig of random A, C, G, T; N outside."""

    def __init__(self, length: int, seed: int = 0):
        letters = np.frombuffer(b"ACGT", dtype=np.uint8)
        self._sequence = letters[np.random.default_rng(seed).integers(0, 4, length)].tobytes().decode()

    def fetch(self, chrom: str, start: int, end: int) -> str:
        inside = self._sequence[max(0, start) : max(0, end)]
        left = min(max(0, -start), end - start)
        return "N" * left + inside + "N" * (end - start - left - len(inside))

    def length(self, chrom: str) -> int:
        return len(self._sequence)


def calibrate(
    model: LanguageModel | OutputModel,
    elements: pd.DataFrame,
    settings: Settled,
    *,
    start: float = 0.0,
    seconds: float = 5.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Calibration:
    """Time the engine on a sample of `elements`.

    Parameters
    ----------
    elements : table ELEMENTS; lengths and distances are taken from it.
    start : of a task, see `measure_start`.
    seconds : length of the run to reach, unless the elements are all in it before.
    clock : what tells the time, in seconds.
    """
    able = usable(elements, model.kind, settings)
    if able.empty:
        return Calibration(start, 0.0, 0.0, 0)

    def timed(count: int) -> tuple[float, int]:
        by_tss = model.kind == "output" or settings.readout == "dependency"
        sample = _placed(_spread(able, count), settings.window, by_tss)
        genome = RandomGenome(int(sample["end"].max()) + (settings.window))
        loci = pd.DataFrame({"locus": [LOCUS], "chrom": [CONTIG], "tss": [settings.window], "strand": ["+"]})
        began = clock()
        score_elements(ElementRun(model, sample, loci, genome, settings))
        return clock() - began, _work(sample, model, settings)

    timed(1)  # what is made only once, kernels for one
    small, least = timed(1)
    count, taken, work = 1, small, least
    while taken < seconds and count < len(able):
        # Towards the time asked for, by no more than fourfold at once: a first guess can be far off.
        count = min(len(able), max(count + 1, int(count * min(4.0, 1.1 * seconds / max(taken, 1e-9)))))
        taken, work = timed(count)
    each = (taken - small) / (work - least) if work > least else taken / max(work, 1)
    each = max(each, 0.0)
    return Calibration(start, max(0.0, taken - each * work), each, count)


def measure_start(
    name: str, weights: Path | None = None, device: str = "cpu", precision: str = "fp32", registry: Path | None = None
) -> float:
    """Seconds that a new Python takes until the model stands."""
    words = [name, str(weights or ""), device, precision, str(registry or "")]
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}){_LOAD}"
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *words], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def _work(elements: pd.DataFrame, model: LanguageModel | OutputModel, settings: Settled) -> int:
    model_parts = model.kind, settings, getattr(model, "equivariant", False), getattr(model, "k", 1)
    return count_work(elements, *model_parts)


def _spread(elements: pd.DataFrame, count: int) -> pd.DataFrame:
    """`count` elements of short, middle and long, near and far, as the table has them."""
    ordered = elements.sort_values(["length", "distance"], kind="stable")
    places = (np.arange(count) + 0.5) * len(ordered) / count
    return ordered.iloc[places.astype(int)]


def _placed(sample: pd.DataFrame, window: int, by_tss: bool) -> pd.DataFrame:
    """The sample as elements of one locus of a random contig: side by side, or each at its distance from the TSS."""
    length = sample["length"].to_numpy()
    if by_tss:
        distance = sample["distance"].to_numpy()
        starts = window + np.where(distance < 0, distance - length + 1, distance)
    else:
        starts = window + np.concatenate(([0], np.cumsum(length[:-1] + window)))
    return sample.assign(chrom=CONTIG, locus=LOCUS, start=starts, end=starts + length, n_fraction=0.0)
