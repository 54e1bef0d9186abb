#!/usr/bin/env python3
"""Call elements that matter more than decoys in their place."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.decoys.settings import CallingSettings, CallInputs

app = cli.script(
    help="Call elements that matter more to a model than decoys in their place, at a false discovery rate: a table, a "
    "BED, and the elements for which more decoys should be drawn (again.bed).",
    example="call_elements.py --elements elements.parquet --effects shuffle.parquet --effects learnt.parquet "
    "--decoy-table decoys_shuffle.parquet --decoy-table decoys_learnt.parquet --outdir called",
)


@cli.command(app)
def main(
    inputs: CallInputs,
    settings: CallingSettings,
    outdir: Annotated[Path, typer.Option(help="Folder to write to.")],
    run: cli.Run,
) -> None:
    from darkregulome.decoys.call import (
        call_elements,
        draw_again,
        rank_elements,
        read_balance,
        read_effects,
        write_bed,
    )
    from darkregulome.io import schemas, tables
    from darkregulome.io.atomic import atomic_path, make_folder

    elements = tables.read_rows(inputs.elements, schemas.ELEMENTS)
    effects = read_effects(inputs.effects)
    effects = effects[effects["element"].isin(elements["element"])]
    balance = read_balance(inputs.decoy_table)
    ranks = rank_elements(effects, settings.again)
    calls = call_elements(elements, ranks, balance, settings.alpha, settings.family)
    make_folder(outdir)
    tables.write_table(calls, outdir / "elements_called.tsv.gz", schemas.CALLED)
    with atomic_path(outdir / "elements_called.bed") as partial:
        write_bed(calls, partial)
    with atomic_path(outdir / "again.bed") as partial:
        draw_again(calls, settings.again).to_csv(partial, sep="\t", header=False, index=False)
    for model, own in calls.groupby("model", sort=False):
        counts = ", ".join(f"{count} {word}" for word, count in own["word"].value_counts().items())
        cli.console.print(f"{model}: {counts}", markup=False)


if __name__ == "__main__":
    cli.run(app)
