"""What scoring will cost, from the table of elements and the size of the model alone: nothing is loaded or read.

The counts are an upper bound: identical windows, which are run once, are not known before the sequence is read.
The hours rest on throughputs that are stated here and written into the estimate; expect a factor of two or three. With
a calibration (`ism/calibrate.py`) they rest on what this device was measured to take, and are within 30 %.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from darkregulome.ism.engine import OUTPUT_BASES_PER_BATCH, TOKENS_PER_BATCH
from darkregulome.ism.plan import PERTURBATION_OF_KIND, tiles
from darkregulome.models.architecture import ModelSize, find_architecture

if TYPE_CHECKING:
    from darkregulome.ism.calibrate import Calibration

BYTES_PER_PARAMETER = 4
RUNTIME_BYTES = 0.6e9
"""Python, PyTorch and the tables."""
ACTIVATIONS_PER_CHANNEL = 24
"""Float32 numbers alive at once, a base and channel of the model's width."""

NANOSECONDS = {"cpu": {"masked": 80.0, "causal": 155.0}, "cuda": {"masked": 0.15, "causal": 0.14}}
"""Time of a language model, a base, layer and channel: a 256-channel Caduceus of 16 layers and a HyenaDNA of 8, on 2
CPU cores (measured at 8 kb) and on one H100 (estimated)."""
OUTPUT_FLOPS_PER_SECOND = {"cpu": 34e9, "cuda": 15e12}
"""Throughput on Enformer: 2 CPU cores (measured), one H100 (estimated)."""


@dataclass(frozen=True)
class Cost:
    """The estimate for one model."""

    model: str
    kind: str
    device: str
    elements: int
    reference_forwards: int
    edit_forwards: int
    tokens: int
    flops: float
    hours: float
    memory_gib: float
    money: float | None
    calibrated: bool = False
    """True where the hours rest on a measurement on this device; they then hold the start of each task."""

    @property
    def forwards(self) -> int:
        """Sequences through the model."""
        return self.reference_forwards + self.edit_forwards

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "forwards": self.forwards}


def estimate_cost(
    name: str,
    entry: Any,
    size: ModelSize,
    elements: pd.DataFrame,
    *,
    sites: int = 8,
    replicates: int = 1,
    device: str = "cpu",
    price_per_hour: float | None = None,
    calibration: "Calibration | None" = None,
    loci_per_task: int = 1,
) -> Cost:
    """The cost of scoring `elements` with one model.

    Parameters
    ----------
    entry : the model's entry in the registry.
    size : of its network, see `read_size`.
    device : ``"cpu"`` for 2 cores, ``"cuda"`` for one H100.
    price_per_hour : of the device.
    calibration : what the model was measured to take; without it the hours rest on stated throughputs.
    loci_per_task : of a run; each task starts anew. Counts with a calibration only.
    """
    window = entry.window or entry.context or 1024
    perturbation = entry.perturbation or PERTURBATION_OF_KIND[entry.kind]
    references, edits = count_forwards(elements, entry.kind, perturbation, window, sites, replicates)
    tokens = (references + edits) * window
    if entry.kind == "output":
        flops = _output_flops(entry.architecture, size, window, references, edits)
        seconds = flops / OUTPUT_FLOPS_PER_SECOND[device]
        batch = max(1, OUTPUT_BASES_PER_BATCH[device] // window) * window
        # Half the width at full resolution, and the tower halves the length again and again.
        activations = batch * size.channels / 2 * 4
    else:
        flops = 2.0 * size.parameters * tokens
        seconds = tokens * size.layers * size.channels * NANOSECONDS[device][entry.kind] * 1e-9
        activations = max(window, TOKENS_PER_BATCH[device]) * size.channels * ACTIVATIONS_PER_CHANNEL
    memory = RUNTIME_BYTES + BYTES_PER_PARAMETER * (size.parameters + activations)
    if calibration is not None:
        loci = int(elements["locus"].nunique())
        work = edits if entry.kind == "output" else references + edits
        placed = references if entry.kind == "output" else loci
        seconds = calibration.seconds(work, placed, -(-loci // loci_per_task))
    hours = seconds / 3600
    return Cost(
        name,
        entry.kind,
        device,
        len(elements),
        references,
        edits,
        tokens,
        flops,
        hours,
        memory / 2**30,
        None if price_per_hour is None else hours * price_per_hour,
        calibration is not None,
    )


def count_forwards(
    elements: pd.DataFrame, kind: str, perturbation: str, window: int, sites: int, replicates: int
) -> tuple[int, int]:
    """Forwards of references and of edits, both strands counted for language models; elements of N only cost nothing.

    An output model runs one reference a locus, and only elements whose far edge lies within half a window of the TSS.
    """
    known = elements[elements["n_fraction"] < 1]
    length = known["length"].to_numpy()
    letters = np.maximum(1, np.round(length * (1 - known["n_fraction"].to_numpy()))).astype(int)
    an_element = np.minimum(letters, sites) if perturbation == "substitution" else np.full(len(known), replicates)
    if kind == "masked":
        return 0, 2 * int(an_element.sum())
    if kind == "output":
        inside = known["distance"].abs().to_numpy() + length <= window // 2
        return int(known.loc[inside, "locus"].nunique()), int(an_element[inside].sum())
    pieces = np.array([len(tiles(int(bases), window)) for bases in length], dtype=int)
    edits = an_element if perturbation == "substitution" else an_element * pieces
    return 2 * int(pieces.sum()), 2 * int(edits.sum())


def count_work(elements: pd.DataFrame, kind: str, perturbation: str, window: int, sites: int, replicates: int) -> int:
    """What the time of scoring grows with: sequences through a language model, edits of an output model."""
    references, edits = count_forwards(elements, kind, perturbation, window, sites, replicates)
    return edits if kind == "output" else references + edits


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
        "precision": "fp32 on a CPU, tf32 on a GPU",
    }


def _output_flops(architecture: str, size: ModelSize, window: int, references: int, edits: int) -> float:
    counted = find_architecture(architecture).flops
    if counted is None:
        return 2.0 * size.parameters * window * (references + edits)
    return counted(size, window, references, edits)
