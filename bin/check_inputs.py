#!/usr/bin/env python3
"""Everything a run was given, checked before any model runs."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.elements.settings import ElementSettings, RunInputs

app = cli.script(
    help="Check everything a run was given: all problems at once on stderr (exit 2), or checked.json.",
    example="check_inputs.py --fasta GRCh38.fa.gz --gtf gencode.gtf.gz --loci genes.csv "
    "--regulatory cCREs.bed.gz --models demo-caduceus,demo-hyena --out checked.json",
)


@cli.command(app)
def main(
    inputs: RunInputs,
    out: Annotated[Path, typer.Option(help="JSON to write where all is well.")],
    elements: Annotated[ElementSettings, cli.Take("min_length", "max_length")],
    run: cli.Run,
) -> None:
    from dataclasses import asdict

    from darkregulome.elements.checks import check_run
    from darkregulome.io.provenance import provenance
    from darkregulome.io.tables import write_json

    checked = check_run(inputs, elements)
    cli.note(checked.notes)
    parameters = {name: getattr(inputs, name) for name in ("fasta", "gtf", "loci", "flank", "models")}
    write_json({**asdict(checked), "provenance": provenance("check_inputs", parameters)}, out)


if __name__ == "__main__":
    cli.run(app)
