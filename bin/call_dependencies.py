#!/usr/bin/env python3
"""Call blocks and stems in dependency maps, and compare models."""

import re
from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError
from darkregulome.scoring.settings import CallSettings

app = cli.script(
    help="Call motifs, blocks and stems in the maps of map_dependencies.py against a null, draw them, and compare "
    "models on the same sequences. The null is each map with its diagonals permuted, or, with --controls, the maps of "
    "shuffled sequences.",
    example="call_dependencies.py --maps maps --controls shuffled --outdir dependencies",
)


@cli.command(app)
def main(
    maps: Annotated[list[Path], typer.Option(help="Folder of map_dependencies.py; repeat for several models.")],
    outdir: Annotated[Path, typer.Option(help="Folder to write; what is there is replaced.")],
    settings: CallSettings,
    run: cli.Run,
    controls: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of map_dependencies.py --shuffle, one per model, in any order."),
    ] = None,
    comparisons: Annotated[int, typer.Option(min=10, help="Turned maps, to compare models with.")] = 199,
    drawn: Annotated[int, typer.Option(min=0, help="Sequences drawn, and shown in the report: the first ones.")] = 8,
) -> None:
    from darkregulome.io.atomic import atomic_folder
    from darkregulome.io.provenance import provenance
    from darkregulome.io.tables import write_json
    from darkregulome.plots.dependencies import draw_agreement
    from darkregulome.report.content import write_sections
    from darkregulome.report.dependencies import dependency_sections
    from darkregulome.scoring.maps.folders import call_folder, compare_folders

    folders = _by_model(maps, "--maps")
    shuffled = _by_model(controls or [], "--controls")
    if shuffled and set(shuffled) != set(folders):
        raise InputError.at("--controls", f"are of {', '.join(shuffled)}", f"give those of {', '.join(folders)}")
    parameters = settings.model_dump()
    with atomic_folder(outdir) as partial, cli.progress_bar(run.progress, unit="maps") as progress:
        entries, pictures = {}, []
        for model, folder in folders.items():
            place = partial / re.sub(r"[^A-Za-z0-9._-]", "_", model)
            entries[model], called = call_folder(
                folder, shuffled.get(model), settings, place, drawn, lambda name, done: progress(done, title=name)
            )
            pictures += [_draw(model, item, number, place) for number, item in enumerate(called, start=1)]
        compared = compare_folders(list(folders.values()), comparisons, settings.seed)
        if compared:
            draw_agreement(compared, partial / "figures")
        record = {"parameters": parameters, "models": entries, "comparisons": compared}
        made_by = provenance("call_dependencies.py", parameters)
        write_json(record | {"provenance": made_by}, partial / "dependencies.json")
        write_sections(dependency_sections(record, pictures), partial / "sections")
    for model, entry in entries.items():
        counts = ", ".join(f"{count} {name}" for name, count in entry["calls"].items())
        cli.console.print(f"{model}: {entry['statuses'].get('ok', 0)} maps: {counts}.", markup=False)
    for comparison in compared:
        first, second = comparison["models"]
        spearman = comparison["pooled"]["spearman"]
        cli.console.print(f"{first} and {second}: Spearman correlation {spearman:.3f}.", markup=False)


def _draw(model: str, item, number: int, place: Path):
    """Draw a called map; the same for the report."""
    from darkregulome.plots.dependencies import draw_map
    from darkregulome.report.dependencies import ReportMap

    boxes = [(block.first, block.second) for block in item.calls.blocks]
    pairs = [pair for stem in item.calls.stems for pair in stem.pairs]
    title = f"{item.stored.row['sequence']}, {model}"
    draw_map(item.stored.values, title, place / "figures", f"map_{number}", boxes, pairs)
    return ReportMap(model, item.stored.row, item.stored.values, item.stored.bases, boxes, pairs)


def _by_model(paths: list[Path], option: str):
    from darkregulome.scoring.maps.store import MapFolder

    folders: dict[str, MapFolder] = {}
    for path in paths:
        folder = MapFolder(path)
        if folder.model in folders:
            raise InputError.at(option, f"gives two folders of {folder.model}", "give each model once")
        folders[folder.model] = folder
    return folders


if __name__ == "__main__":
    cli.run(app)
