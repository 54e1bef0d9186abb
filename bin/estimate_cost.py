#!/usr/bin/env python3
"""Estimate what scoring elements will cost before anything is run."""

from dataclasses import asdict
from functools import partial
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
    plan_out: Annotated[
        Path | None, typer.Option(help="Where to write the plan: every task with its cost, in order (parquet, TSV).")
    ] = None,
    loci: Annotated[
        Path | None, typer.Option(help="Table of loci: tasks take them in its order; without it in the elements'.")
    ] = None,
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
    loci_per_task: Annotated[
        int, typer.Option(min=1, help="Loci that a task scores; each task costs a start of its own.")
    ] = 1,
    threads: cli.Threads = 1,
    seed: cli.Seed = 0,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    import pandas as pd

    from darkregulome.edits.cost import assumptions, plan_tasks, totals
    from darkregulome.io import schemas, tables

    cli.different_files(out=out, plan_out=plan_out)
    table = tables.read_table(elements, schemas.ELEMENTS)
    if table.empty:
        raise InputError.at(elements, "has no element", "give a table with at least one element")
    names = list(dict.fromkeys(name for item in models for name in item.split(",") if name))
    if not names:
        raise InputError.at("--models", "names no model", "give at least one")
    order = None if loci is None else _order(loci, table)
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
    folders = cli.named_folders("--weights", weights)
    models_planned, measured, tasks = [], {}, {at: [] for at in devices}
    for name in names:
        price, settings = _pricing(name, folders.get(name), registry, asked)
        price = partial(price, price_per_hour=price_per_hour)
        if calibrate:
            load = {"weights": folders.get(name), "device": device, "precision": precision, "registry": registry}
            found = _calibrate(name, table, settings, load, threads, calibration_seconds)
            price = partial(price, **found)
            measured[name] = asdict(found["calibration"])
        for at in devices:
            on_device = partial(price, device=at)
            models_planned.append((on_device(table, settings, loci_per_task=loci_per_task), settings))
            tasks[at].append(plan_tasks(table, settings, on_device, loci_per_task, order))
    # Every model takes the first loci before any takes the next.
    plan = [row for at in devices for same_loci in zip(*tasks[at], strict=True) for row in same_loci]
    costs = [cost for cost, _settings in models_planned]
    parameters = {**asked, "device": device, "price_per_hour": price_per_hour}
    parameters |= {"loci_per_task": loci_per_task, "calibrate": calibrate, "threads": threads, "precision": precision}
    record = {
        "parameters": parameters,
        "assumptions": assumptions(),
        "calibration": measured,
        "models": [{**cost.record(), "settings": asdict(settings)} for cost, settings in models_planned],
        "total": totals(costs),
    }
    if plan_out is not None:
        tables.write_table(pd.DataFrame(plan), plan_out, schemas.PLAN)
    tables.write_json(record, out)
    _show(models_planned, record["total"], threads)


def _order(loci, table):
    """Names of the loci in the order of their table, which must have all that the elements name."""
    from darkregulome.io import schemas, tables

    order = tables.read_table(loci, schemas.LOCI)["locus"].astype(str).tolist()
    if absent := sorted(set(table["locus"].astype(str)) - set(order)):
        raise InputError.at(
            loci, f"has no locus {absent[0]!r}, which the elements name", "give the loci they came from"
        )
    return order


def _pricing(name, given, registry, asked):
    """What prices elements that a model scores, of which the table is still to be given; and how the model scores."""
    from darkregulome.edits.cost import UNKNOWN_CONTEXT, estimate_cost, is_equivariant, read_size, settle
    from darkregulome.edits.plan import settings_of
    from darkregulome.models.registry import default_registry, find_entry

    entry = find_entry(name, given, registry)
    if given is not None and not given.exists():
        raise InputError.at(given, "does not exist", f"give the checkpoint folder of {name}")
    at_hand = given or (registry or default_registry()).parent / "models" / (entry.weights or ".")
    settings = settle(name, entry, settings_of(entry, entry.context or entry.window or UNKNOWN_CONTEXT, **asked))
    size = read_size(at_hand, entry.architecture)
    return partial(estimate_cost, name, entry, size, equivariant=is_equivariant(at_hand)), settings


def _devices(device: str, calibrate: bool) -> tuple[str, ...]:
    if calibrate:
        from darkregulome.models.numerics import resolve_device

        return (resolve_device(device).type,)
    devices = ("cpu", "cuda") if device == "auto" else (device.partition(":")[0],)
    if not set(devices) <= {"cpu", "cuda"}:
        raise InputError.at("--device", f"{device!r} is no device", "give auto, cpu or cuda")
    return devices


def _calibrate(name, table, settings, load, threads, seconds):
    """What the model takes here, and what of it the number of forwards depends on, by the names that pricing has."""
    import torch

    from darkregulome.models.registry import load_model
    from darkregulome.scoring.calibrate import calibrate, measure_start

    torch.set_num_threads(threads)
    model = load_model(name, **load)
    cli.console.print(f"Running {name} for a moment.")
    found = calibrate(model, table, settings, start=measure_start(name, **load), seconds=seconds)
    reads = {"equivariant": getattr(model, "equivariant", False), "k": getattr(model, "k", 1)}
    return {"calibration": found, **reads}


def _show(models, totals, threads: int) -> None:
    """The estimate on stdout, for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "device", "readout of edits", title="Estimated cost of scoring")
    for title in ("window", "elements", "tasks", "forwards", "FLOP", "time", "memory", "money"):
        table.add_column(title, justify="right")
    stated = {"cpu": "2 CPU cores", "cuda": "one H100"}
    here = {"cpu": f"this CPU, {threads} thread{'s' * (threads > 1)}", "cuda": "this GPU"}
    for cost, settings in models:
        table.add_row(
            cost.model,
            (here if cost.calibrated else stated)[cost.device],
            f"{settings.readout} of {settings.perturbation}",
            f"{settings.window:,}",
            f"{cost.elements:,}",
            f"{cost.tasks:,}",
            f"{cost.forwards:,}",
            f"{cost.flops:.1e}",
            _duration(cost.hours),
            f"{cost.memory_gib:.1f} GiB",
            _money(cost.money),
        )
    if len(models) > len(totals):
        table.add_section()
        for total in totals:
            device = (here if models[0][0].calibrated else stated)[total["device"]]
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


if __name__ == "__main__":
    cli.run(app)
