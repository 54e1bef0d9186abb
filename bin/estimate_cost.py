#!/usr/bin/env python3
"""Estimate what scoring elements will cost before anything is run."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError

app = cli.script(
    help="Estimate forwards, operations, hours, memory and money of scoring elements, before anything is run.",
    example="estimate_cost.py --elements elements.parquet --models demo-caduceus --calibrate --out cost.json",
)


@app.command()
def main(
    elements: cli.Elements,
    models: cli.Models,
    out: Annotated[Path, typer.Option(help="Where to write the estimate (JSON).")],
    registry: cli.Registry = None,
    sites: cli.Sites = None,
    replicates: cli.Replicates = 1,
    readout: cli.Readout = "auto",
    perturbation: cli.Perturbation = "auto",
    alternatives: cli.Alternatives = None,
    block: cli.Block = None,
    insert: cli.Insert = "10",
    target: cli.Target = "200,50",
    window: cli.Window = "auto",
    placement: cli.Placement = "centre",
    device: Annotated[
        str,
        typer.Option(help="cpu (2 cores), cuda (one H100), or auto: both are shown. With --calibrate: this machine's."),
    ] = "auto",
    price_per_hour: Annotated[float | None, typer.Option(min=0, help="Price of an hour of the device.")] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Run each model here for a moment, and rest the hours on that.")
    ] = False,
    calibration_seconds: Annotated[float, typer.Option(min=0.1, help="How long that moment is.")] = 5.0,
    weights: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER of a model's checkpoint, to calibrate; repeated.")
    ] = None,
    precision: Annotated[str, typer.Option(help="fp32, tf32 or bf16, to calibrate.")] = "fp32",
    loci_per_task: Annotated[int, typer.Option(min=1, help="Loci that a task scores; each task starts anew.")] = 1,
    threads: cli.Threads = 1,
    seed: cli.Seed = 0,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    from darkregulome.io import schemas, tables
    from darkregulome.ism.cost import UNKNOWN_CONTEXT, assumptions, estimate_cost, is_equivariant, read_size
    from darkregulome.ism.plan import settings_of
    from darkregulome.models.registry import default_registry, find_entry

    table = tables.read_table(elements, schemas.ELEMENTS)
    if table.empty:
        raise InputError.at(elements, "has no element", "give a table with at least one element")
    names = [name for item in models for name in item.split(",") if name]
    if not names:
        raise InputError.at("--models", "names no model", "give at least one")
    folders = cli.named_folders("--weights", weights)
    folder = (registry or default_registry()).parent / "models"
    devices = _devices(device, calibrate)
    asked = {
        "readout": readout,
        "perturbation": perturbation,
        "window": cli.positive("--window", window),
        "sites": sites,
        "replicates": replicates,
        "alternatives": alternatives,
        "block": block,
        "insert": insert,
        "target": target,
        "placement": placement,
    }
    costs, measured = [], {}
    for name in names:
        given = folders.get(name)
        entry = find_entry(name, given, registry)
        if given is not None and not given.exists():
            raise InputError.at(given, "does not exist", f"give the checkpoint folder of {name}")
        at_hand = given or folder / (entry.weights or ".")
        size = read_size(at_hand, entry.architecture)
        settings = settings_of(entry, entry.context or entry.window or UNKNOWN_CONTEXT, **asked)
        reads = {"equivariant": is_equivariant(at_hand)}
        calibration = None
        if calibrate:
            load = {"weights": given, "device": device, "precision": precision, "registry": registry}
            calibration, reads = _calibrate(name, table, settings, load, threads, calibration_seconds)
            measured[name] = asdict(calibration)
        costs += [
            estimate_cost(
                name,
                entry,
                size,
                table,
                settings,
                **reads,
                device=at,
                price_per_hour=price_per_hour,
                calibration=calibration,
                loci_per_task=loci_per_task,
            )
            for at in devices
        ]
    parameters = {**asked, "device": device, "price_per_hour": price_per_hour}
    parameters |= {"loci_per_task": loci_per_task, "calibrate": calibrate, "threads": threads, "precision": precision}
    record = {
        "parameters": parameters,
        "assumptions": assumptions(),
        "calibration": measured,
        "models": [cost.record() for cost in costs],
    }
    tables.write_json(record, out)
    _show(costs, threads)


def _devices(device: str, calibrate: bool) -> tuple[str, ...]:
    if calibrate:
        from darkregulome.models.numerics import resolve_device

        return (resolve_device(device).type,)
    devices = ("cpu", "cuda") if device == "auto" else (device.partition(":")[0],)
    if not set(devices) <= {"cpu", "cuda"}:
        raise InputError.at("--device", f"{device!r} is no device", "give auto, cpu or cuda")
    return devices


def _calibrate(name, table, settings, load, threads, seconds):
    """What the model takes here, and what of it the number of forwards depends on."""
    import torch

    from darkregulome.ism.calibrate import calibrate, measure_start
    from darkregulome.models.registry import load_model

    torch.set_num_threads(threads)
    model = load_model(name, **load)
    cli.console.print(f"Running {name} for a moment.")
    found = calibrate(model, table, settings, start=measure_start(name, **load), seconds=seconds)
    return found, {"equivariant": getattr(model, "equivariant", False), "k": getattr(model, "k", 1)}


def _show(costs, threads: int) -> None:
    """The estimate on stdout, for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "device", title="Estimated cost of scoring")
    for title in ("elements", "forwards", "bases", "FLOP", "time", "memory", "money"):
        table.add_column(title, justify="right")
    stated = {"cpu": "2 CPU cores", "cuda": "one H100"}
    here = {"cpu": f"this CPU, {threads} thread{'s' * (threads > 1)}", "cuda": "this GPU"}
    for cost in costs:
        table.add_row(
            cost.model,
            (here if cost.calibrated else stated)[cost.device],
            f"{cost.elements:,}",
            f"{cost.forwards:,}",
            f"{cost.tokens:.2e}",
            f"{cost.flops:.1e}",
            _duration(cost.hours),
            f"{cost.memory_gib:.1f} GiB",
            "" if cost.money is None else f"{cost.money:,.2f}",
        )
    Console(width=None if Console().is_terminal else 120).print(table)


def _duration(hours: float) -> str:
    for size, unit in ((24, "d"), (1, "h"), (1 / 60, "min")):
        if hours >= size:
            return f"{hours / size:.1f} {unit}"
    return f"{hours * 3600:.1f} s"


if __name__ == "__main__":
    cli.run(app)
