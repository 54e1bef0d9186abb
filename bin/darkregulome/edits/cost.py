"""What scoring will cost, from the table of elements and the size of the model alone: nothing is loaded or read.

The counts are an upper bound: identical windows, which are run once, are not known before the sequence is read.
The hours rest on throughputs that are stated here and written into the estimate; expect a factor of two or three. With
a calibration (`scoring/calibrate.py`) they rest on what this device was measured to take, and are within 30 %.
Either way they hold the start of each task; not what a scheduler, an image or staged files take before it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from darkregulome.edits.batches import BASES_PER_BATCH
from darkregulome.edits.forwards import MASK_STRIDE
from darkregulome.edits.plan import probed_tiles
from darkregulome.edits.settings import Settings, Settled, resolve
from darkregulome.edits.windows import tiles
from darkregulome.models.architecture import ModelSize, find_architecture

UNKNOWN_CONTEXT = 1024
BYTES_PER_PARAMETER = 4
RUNTIME_BYTES = 0.6e9
"""Python, PyTorch and the tables."""
ACTIVATIONS_PER_CHANNEL = 24
"""Float32 numbers alive at once, per base and channel of the model's width."""

NANOSECONDS = {"cpu": {"masked": 80.0, "causal": 155.0}, "cuda": {"masked": 0.15, "causal": 0.14}}
"""Time of a language model per base, layer and channel: a 256-channel Caduceus of 16 layers and a HyenaDNA of 8, on 2
CPU cores (measured at 8 kb) and on one H100 (estimated)."""
OUTPUT_FLOPS_PER_SECOND = {"cpu": 34e9, "cuda": 15e12}
"""Throughput on Enformer: 2 CPU cores (measured), one H100 (estimated)."""
START_SECONDS = {"cpu": 10.0, "cuda": 20.0}
"""From the start of Python until a model stands: 3 to 8 s of a CPU core (measured); with a GPU (estimated)."""


@dataclass(frozen=True)
class Cost:
    """The estimate for one model, or for one of its tasks."""

    model: str
    kind: str
    device: str
    loci: int
    tasks: int
    elements: int
    reference_forwards: int
    edit_forwards: int
    tokens: int
    flops: float
    hours: float
    memory_gib: float
    money: float | None
    calibrated: bool = False
    """True where the hours rest on a measurement on this device."""

    @property
    def forwards(self) -> int:
        """Sequences through the model."""
        return self.reference_forwards + self.edit_forwards

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "forwards": self.forwards}


@dataclass(frozen=True)
class Calibration:
    """Seconds of a task's start, of a locus by itself, and of a sequence (of an output model: an edit)."""

    start: float
    locus: float
    work: float
    elements_timed: int

    def seconds(self, work: int, loci: int, tasks: int) -> float:
        """What scoring will take, summed over tasks."""
        return tasks * self.start + loci * self.locus + work * self.work


@dataclass(frozen=True)
class PricedModel:
    """A model, how it scores, and what its time is worth.

    Attributes
    ----------
    size : of its network, see `read_size`.
    equivariant : a language model of which one strand is enough, see `is_equivariant`.
    k : bases that a masked model's token covers.
    device : ``"cpu"`` for 2 cores, ``"cuda"`` for one H100.
    price_per_hour : of the device.
    calibration : what the model was measured to take; without it the hours rest on stated throughputs.
    """

    name: str
    kind: str
    architecture: str
    size: ModelSize
    settings: Settled
    equivariant: bool = False
    k: int = 1
    device: str = "cpu"
    price_per_hour: float | None = None
    calibration: Calibration | None = None

    def forwards(self, elements: pd.DataFrame) -> tuple[int, int]:
        """Forwards of references and of edits."""
        return count_forwards(elements, self.kind, self.settings, self.equivariant, self.k)

    def seconds(self, references: int, edits: int, loci: int, tasks: int) -> float:
        """What these forwards take."""
        if self.calibration is not None:
            output = self.kind == "output"
            work = edits if output else references + edits
            return self.calibration.seconds(work, references if output else loci, tasks)
        start = tasks * START_SECONDS[self.device]
        if self.kind == "output":
            return start + self.flops(references, edits) / OUTPUT_FLOPS_PER_SECOND[self.device]
        tokens = (references + edits) * self.settings.window
        each = self.size.layers * self.size.channels * NANOSECONDS[self.device][self.kind] * 1e-9
        return start + tokens * each

    def flops(self, references: int, edits: int) -> float:
        """Operations of these forwards."""
        window, counted = self.settings.window, find_architecture(self.architecture).flops
        if self.kind == "output" and counted is not None:
            return counted(self.size, window, references, edits)
        return 2.0 * self.size.parameters * window * (references + edits)

    def memory(self) -> float:
        """Bytes that a task takes."""
        window = self.settings.window
        if self.kind == "output":
            batch = max(1, BASES_PER_BATCH["output"][self.device] // window) * window
            # Half the width at full resolution, and the tower halves the length again and again.
            activations = batch * self.size.channels / 2 * 4
        else:
            batch = max(window, BASES_PER_BATCH["language"][self.device])
            activations = batch * self.size.channels * ACTIVATIONS_PER_CHANNEL
        return RUNTIME_BYTES + BYTES_PER_PARAMETER * (self.size.parameters + activations)


def estimate_cost(model: PricedModel, elements: pd.DataFrame, loci_per_task: int = 1) -> Cost:
    """The cost of scoring `elements` with one model, each task starting again from scratch."""
    references, edits = model.forwards(elements)
    loci = int(elements["locus"].nunique())
    tasks = -(-loci // loci_per_task)
    hours = model.seconds(references, edits, loci, tasks) / 3600
    return Cost(
        model=model.name,
        kind=model.kind,
        device=model.device,
        loci=loci,
        tasks=tasks,
        elements=len(elements),
        reference_forwards=references,
        edit_forwards=edits,
        tokens=(references + edits) * model.settings.window,
        flops=model.flops(references, edits),
        hours=hours,
        memory_gib=model.memory() / 2**30,
        money=None if model.price_per_hour is None else hours * model.price_per_hour,
        calibrated=model.calibration is not None,
    )


def plan_tasks(
    model: PricedModel, elements: pd.DataFrame, loci_per_task: int = 1, order: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """The tasks of one model and what each will cost, in the order in which they are started: rows of the table PLAN.

    Parameters
    ----------
    order : of the loci, as their table has it; by default as the elements have it. Loci without an element have no
        task.
    """
    groups = {str(name): group for name, group in elements.groupby("locus", sort=False)}
    names = [name for name in (groups if order is None else order) if name in groups]
    rows = []
    for first in range(0, len(names), loci_per_task):
        loci = names[first : first + loci_per_task]
        cost = estimate_cost(model, pd.concat([groups[name] for name in loci]), loci_per_task)
        rows.append(
            {
                "task": loci[0] if len(loci) == 1 else f"{loci[0]}..{loci[-1]}",
                "model": cost.model,
                "device": cost.device,
                "loci": ",".join(loci),
                "elements": cost.elements,
                "readout": model.settings.readout,
                "perturbation": model.settings.perturbation,
                "window": model.settings.window,
                "reference_forwards": cost.reference_forwards,
                "edit_forwards": cost.edit_forwards,
                "bases": cost.tokens,
                "hours": cost.hours,
                "memory_gib": cost.memory_gib,
                "money": cost.money,
            }
        )
    return rows


def totals(costs: Sequence[Cost]) -> list[dict[str, Any]]:
    """The sums over models, one record per device: models, tasks, forwards, hours, money."""
    sums = []
    for device in dict.fromkeys(cost.device for cost in costs):
        on = [cost for cost in costs if cost.device == device]
        priced = all(cost.money is not None for cost in on)
        sums.append(
            {
                "device": device,
                "models": len(on),
                "tasks": sum(cost.tasks for cost in on),
                "forwards": sum(cost.forwards for cost in on),
                "hours": sum(cost.hours for cost in on),
                "money": sum(cost.money or 0.0 for cost in on) if priced else None,
            }
        )
    return sums


@dataclass(frozen=True)
class _Unloaded:
    """What `resolve` asks of a model."""

    name: str
    kind: str
    context: int


def settle(name: str, entry: Any, settings: Settings) -> Settled:
    """`settings` settled for a model that is not loaded, what they leave open being taken from its entry."""
    context = entry.context or entry.window or UNKNOWN_CONTEXT
    return resolve(settings.preferring(entry, context), _Unloaded(name, entry.kind, max(context, settings.window or 0)))


def count_forwards(
    elements: pd.DataFrame, kind: str, settings: Settled, equivariant: bool = False, k: int = 1
) -> tuple[int, int]:
    """Forwards of references and of edits by the rules of `plan`; elements that cannot be scored cost nothing.

    Parameters
    ----------
    equivariant : one strand is run, not both.
    k : bases that a masked model's token covers.
    """
    able = usable(elements, kind, settings)
    strands = 1 if equivariant else 2
    if kind == "output":
        return int(able["locus"].nunique()), int(_edits(able, kind, settings).sum())
    if settings.readout == "llr":
        # The masked pass of a site serves all that stands there in its place. Predictability takes passes of its own.
        lengths = able["length"].value_counts()
        probes = [_probe_forwards(int(bases), settings, MASK_STRIDE * k) for bases in lengths.index]
        sites = strands * int(np.minimum(_letters(able), settings.sites).sum())
        if settings.perturbation == "decoy":
            return sites, sites * settings.replicates
        return strands * int(np.dot(probes, lengths)), sites
    edits = _edits(able, kind, settings)
    if settings.readout == "loglik":
        windows = [len(tiles(int(bases), settings.window)) for bases in able["length"]]
        repeats = MASK_STRIDE * k if kind == "masked" else 1
        return repeats * strands * int(np.sum(windows)), repeats * strands * int(edits.sum())
    if kind == "masked":
        # What the edits are compared with, and once more, masked base by base, the predictability.
        return (1 + MASK_STRIDE * k) * strands * len(able), strands * int(edits.sum())
    # Of a causal model only a strand on which the region comes after the element. The window begins or ends with the
    # region, so all elements on a side of it share their reference; those in the region have their own.
    up, down = settings.target
    side = np.select([able["distance"] <= -up, able["distance"] >= down], [-1, 1], 0)
    shared = able["locus"][side != 0].astype(str) + np.where(side[side != 0] < 0, "\t-", "\t+")
    within = strands * (side == 0)
    return int(shared.nunique() + within.sum()), int((np.where(side == 0, strands, 1) * edits).sum())


def _probe_forwards(length: int, settings: Settled, stride: int) -> int:
    return sum(len(phases) for *_, phases in probed_tiles(length, settings, stride))


def usable(elements: pd.DataFrame, kind: str, settings: Settled) -> pd.DataFrame:
    """The elements that can be scored: that hold a base, and lie in one window with what is read."""
    with_bases = elements[elements["n_fraction"] < 1]
    if kind != "output" and settings.readout != "dependency":
        return with_bases
    window, distance = settings.window, with_bases["distance"].to_numpy()
    if kind == "output":
        return with_bases[np.abs(distance) + with_bases["length"].to_numpy() <= window // 2]
    up, down = settings.target
    return with_bases[np.abs(distance) + with_bases["length"].to_numpy() + np.where(distance < 0, down, up) <= window]


def count_work(elements: pd.DataFrame, kind: str, settings: Settled, equivariant: bool = False, k: int = 1) -> int:
    """What the time of scoring grows with: sequences through a language model, edits of an output model."""
    references, edits = count_forwards(elements, kind, settings, equivariant, k)
    return edits if kind == "output" else references + edits


def _letters(elements: pd.DataFrame) -> np.ndarray:
    """Bases of each element that are not N."""
    bases = elements["length"].to_numpy() * (1 - elements["n_fraction"].to_numpy())
    return np.maximum(1, np.round(bases)).astype(int)


def _edits(elements: pd.DataFrame, kind: str, settings: Settled) -> np.ndarray:
    """Edits of each element."""
    draws = settings.replicates
    if settings.by_site:
        sites = np.minimum(_letters(elements), settings.sites)
        if settings.perturbation == "insertion":
            return sites * (1 if isinstance(settings.insert, str) else draws)
        return sites * settings.alternatives
    if settings.perturbation in ("deletion", "mask"):
        draws = 1
    # A language model edits the tiles of an element one by one where it reads them one by one.
    window = settings.window
    cut = kind != "output" and settings.readout == "loglik"
    pieces = [tiles(int(bases), window) if cut else [(0, int(bases))] for bases in elements["length"]]
    blocks = [sum(-(-(last - first) // (settings.block or last)) for first, last in piece) for piece in pieces]
    return draws * np.array(blocks, dtype=int)


def is_equivariant(folder: str | Path) -> bool:
    """Whether the config.json of a checkpoint says that one strand is enough; False where there is none."""
    try:
        return bool(json.loads((Path(folder) / "config.json").read_text()).get("rcps"))
    except (OSError, ValueError, AttributeError):
        return False


def read_size(folder: str | Path, architecture: str) -> ModelSize:
    """Size of a checkpoint from its config.json and the header of its weights; the published one where it is absent."""
    published = find_architecture(architecture).size
    try:
        config = json.loads((Path(folder) / "config.json").read_text())
        with safe_open(Path(folder) / "model.safetensors", framework="numpy") as weights:
            parameters = sum(int(np.prod(weights.get_slice(key).get_shape())) for key in weights.keys())  # noqa: SIM118
    except (OSError, ValueError, SafetensorError):
        return published
    channels = _first(config, ("d_model", "dim", "hidden_size"), published.channels)
    layers = _first(config, ("n_layer", "depth", "n_layers", "num_hidden_layers"), published.layers)
    return ModelSize(channels, layers, parameters)


def _first(config: dict[str, Any], names: tuple[str, ...], otherwise: int) -> int:
    return next((int(config[name]) for name in names if config.get(name)), otherwise)


def assumptions() -> dict[str, Any]:
    """What hours that are not calibrated, and the memory, rest on."""
    return {
        "cpu": "2 cores",
        "cuda": "one H100",
        "language_model_nanoseconds_per_base_layer_channel": NANOSECONDS,
        "output_model_flops_per_second": OUTPUT_FLOPS_PER_SECOND,
        "task_start_seconds": START_SECONDS,
        "precision": "fp32 on a CPU, tf32 on a GPU",
    }
