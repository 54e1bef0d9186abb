#!/usr/bin/env python3
"""Estimate what scoring elements will cost before anything is run."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError

app = cli.script(
    help="Estimate forwards, operations, hours, memory and money of scoring elements, before anything is run.",
    example="estimate_cost.py --elements elements.parquet --models demo-caduceus,demo-hyena --out cost.json",
)


@app.command()
def main(
    elements: Annotated[Path, typer.Option(help="Table of elements.")],
    models: Annotated[list[str], typer.Option(help="Models by name, repeated or comma-separated.")],
    out: Annotated[Path, typer.Option(help="Where to write the estimate (JSON).")],
    registry: Annotated[Path | None, typer.Option(help="Another registry of models (YAML).")] = None,
    sites: Annotated[
        int | None, typer.Option(min=1, help="Sites substituted in an element; by default each model's own number.")
    ] = None,
    replicates: Annotated[int, typer.Option(min=1, help="Shuffles of an element.")] = 1,
    device: Annotated[str, typer.Option(help="cpu (2 cores), cuda (one H100), or auto: both are shown.")] = "auto",
    price_per_hour: Annotated[float | None, typer.Option(min=0, help="Price of an hour of the device.")] = None,
    threads: cli.Threads = 1,
    seed: cli.Seed = 0,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    from darkregulome.io import schemas, tables
    from darkregulome.ism.cost import assumptions, estimate_cost, read_size
    from darkregulome.models.registry import default_registry, find_entry

    table = tables.read_table(elements, schemas.ELEMENTS)
    devices = ("cpu", "cuda") if device == "auto" else (device.partition(":")[0],)
    if not set(devices) <= {"cpu", "cuda"}:
        raise InputError.at("--device", f"{device!r} is no device", "give auto, cpu or cuda")
    folder = (registry or default_registry()).parent / "models"
    costs = []
    for name in (name for item in models for name in item.split(",") if name):
        entry = find_entry(name, None, registry)
        size = read_size(folder / (entry.weights or "."), entry.architecture)
        costs += [
            estimate_cost(
                name,
                entry,
                size,
                table,
                sites=sites or entry.sites,
                replicates=replicates,
                device=at,
                price_per_hour=price_per_hour,
            )
            for at in devices
        ]
    if not costs:
        raise InputError.at("--models", "names no model", "give at least one")
    parameters = {"sites": sites, "replicates": replicates, "device": device, "price_per_hour": price_per_hour}
    record = {"parameters": parameters, "assumptions": assumptions(), "models": [cost.record() for cost in costs]}
    tables.write_json(record, out)
    _show(costs)


def _show(costs) -> None:
    """The estimate on stdout, for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "device", title="Estimated cost of scoring")
    for title in ("elements", "forwards", "bases", "FLOP", "time", "memory", "money"):
        table.add_column(title, justify="right")
    names = {"cpu": "2 CPU cores", "cuda": "one H100"}
    for cost in costs:
        table.add_row(
            cost.model,
            names[cost.device],
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
