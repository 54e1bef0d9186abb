"""The estimate of what scoring will cost with several models: priced, perhaps calibrated here, recorded and printed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from darkregulome.edits.cost import (
    Cost,
    PricedModel,
    assumptions,
    estimate_cost,
    is_equivariant,
    plan_tasks,
    read_size,
    settle,
    totals,
)
from darkregulome.edits.settings import Settings
from darkregulome.errors import InputError
from darkregulome.io import schemas, tables
from darkregulome.models.numerics import resolve_device
from darkregulome.models.registry import default_registry, find_entry, load_model
from darkregulome.scoring.calibrate import calibrate, measure_start
from darkregulome.scoring.settings import EstimateOptions


@dataclass
class Estimate:
    """The costs of models on devices, the tasks in their order, and what was measured."""

    priced: list[tuple[PricedModel, Cost]] = field(default_factory=list)
    plan: list[dict[str, Any]] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)

    def record(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "parameters": parameters,
            "assumptions": assumptions(),
            "calibration": self.measured,
            "models": [{**cost.record(), "settings": asdict(model.settings)} for model, cost in self.priced],
            "total": totals([cost for _, cost in self.priced]),
        }


def read_elements(path: Path) -> pd.DataFrame:
    """The table of elements, which must hold one."""
    elements = tables.read_table(path, schemas.ELEMENTS)
    if elements.empty:
        raise InputError.at(path, "has no element", "give a table with at least one element")
    return elements


def order_of(loci: Path | None, elements: pd.DataFrame) -> list[str] | None:
    """Names of the loci in the order of their table, which must have all that the elements name."""
    if loci is None:
        return None
    order = tables.read_table(loci, schemas.LOCI)["locus"].astype(str).tolist()
    if absent := sorted(set(elements["locus"].astype(str)) - set(order)):
        raise InputError.at(
            loci, f"has no locus {absent[0]!r}, which the elements name", "give the loci they came from"
        )
    return order


def estimate(
    names: Sequence[str],
    elements: pd.DataFrame,
    settings: Settings,
    options: EstimateOptions,
    *,
    folders: Mapping[str, Path],
    order: Sequence[str] | None,
    threads: int,
    say: Callable[[str], None],
) -> Estimate:
    """What scoring the elements costs with each model, on each device.

    Parameters
    ----------
    folders : checkpoint folders by model, where they are not the registry's.
    order : of the loci.
    """
    devices = _devices(options)
    result = Estimate()
    tasks: dict[str, list[list[dict[str, Any]]]] = {device: [] for device in devices}
    for name in names:
        model = _priced(name, folders.get(name), settings, options)
        if options.calibrate:
            model = _calibrated(model, folders.get(name), elements, options, threads, say)
            result.measured[name] = asdict(model.calibration)  # type: ignore[arg-type]
        for device in devices:
            here = replace(model, device=device)
            result.priced.append((here, estimate_cost(here, elements, options.loci_per_task)))
            tasks[device].append(plan_tasks(here, elements, options.loci_per_task, order))
    # Every model takes the first loci before any takes the next.
    result.plan = [row for device in devices for same_loci in zip(*tasks[device], strict=True) for row in same_loci]
    return result


def _priced(name: str, folder: Path | None, settings: Settings, options: EstimateOptions) -> PricedModel:
    entry = find_entry(name, folder, options.registry)
    if folder is not None and not folder.exists():
        raise InputError.at(folder, "does not exist", f"give the checkpoint folder of {name}")
    at_hand = folder or (options.registry or default_registry()).parent / "models" / (entry.weights or ".")
    return PricedModel(
        name,
        entry.kind,
        entry.architecture,
        read_size(at_hand, entry.architecture),
        settle(name, entry, settings),
        equivariant=is_equivariant(at_hand),
        price_per_hour=options.price_per_hour,
    )


def _devices(options: EstimateOptions) -> tuple[str, ...]:
    if options.calibrate:
        return (resolve_device(options.device).type,)
    devices = ("cpu", "cuda") if options.device == "auto" else (options.device.partition(":")[0],)
    if not set(devices) <= {"cpu", "cuda"}:
        raise InputError.at("--device", f"{options.device!r} is no device", "give auto, cpu or cuda")
    return devices


def _calibrated(
    model: PricedModel,
    folder: Path | None,
    elements: pd.DataFrame,
    options: EstimateOptions,
    threads: int,
    say: Callable[[str], None],
) -> PricedModel:
    """The model with what it takes here, and with what the number of its forwards depends on."""
    torch.set_num_threads(threads)
    load = (model.name, folder, options.device, options.precision, options.registry)
    loaded = load_model(*load)
    say(f"Running {model.name} for a moment.")
    measured = calibrate(
        loaded, elements, model.settings, start=measure_start(*load), seconds=options.calibration_seconds
    )
    equivariant, k = getattr(loaded, "equivariant", False), getattr(loaded, "k", 1)
    return replace(model, calibration=measured, equivariant=equivariant, k=k)


def print_estimate(result: Estimate, threads: int) -> None:
    """The estimate on stdout, for people."""
    table = Table("model", "device", "readout of edits", title="Estimated cost of scoring")
    for title in ("window", "elements", "tasks", "forwards", "FLOP", "time", "memory", "money"):
        table.add_column(title, justify="right")
    stated = {"cpu": "2 CPU cores", "cuda": "one H100"}
    here = {"cpu": f"this CPU, {threads} thread{'s' * (threads > 1)}", "cuda": "this GPU"}
    for model, cost in result.priced:
        table.add_row(
            cost.model,
            (here if cost.calibrated else stated)[cost.device],
            f"{model.settings.readout} of {model.settings.perturbation}",
            f"{model.settings.window:,}",
            f"{cost.elements:,}",
            f"{cost.tasks:,}",
            f"{cost.forwards:,}",
            f"{cost.flops:.1e}",
            _duration(cost.hours),
            f"{cost.memory_gib:.1f} GiB",
            _money(cost.money),
        )
    sums = totals([cost for _, cost in result.priced])
    if len(result.priced) > len(sums):
        table.add_section()
        for total in sums:
            device = (here if result.measured else stated)[total["device"]]
            counts = (f"{total['tasks']:,}", f"{total['forwards']:,}", "", _duration(total["hours"]), "")
            table.add_row("all", device, "", "", "", *counts, _money(total["money"]))
    Console(width=None if Console().is_terminal else 140).print(table)


def _money(amount: float | None) -> str:
    return "" if amount is None else f"{amount:,.2f}"


def _duration(hours: float) -> str:
    for size, unit in ((24, "d"), (1, "h"), (1 / 60, "min")):
        if hours >= size:
            return f"{hours / size:.1f} {unit}"
    return f"{hours * 3600:.1f} s"
