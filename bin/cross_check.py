#!/usr/bin/env python3
"""Check the scores against data that no model saw. Every claim that needs outside data is a subcommand."""

from pathlib import Path
from typing import Annotated, Any

import typer

from darkregulome import cli
from darkregulome.claims.claim import Claim, OutsideData, cross_checks
from darkregulome.diagnosis.settings import Settings, Tables

EXAMPLE = "cross_check.py {check} --elements elements.parquet --ris ris.parquet {data} --outdir cross_checks"

app = cli.script(
    help="Check the scores, rung by rung, against data that no model saw.",
    example=EXAMPLE.format(check="eqtl", data="--loci loci.tsv --eqtl eqtls.tsv.gz"),
)


@app.callback()
def common(version: cli.Version = False) -> None:
    pass


def subcommand(claim: Claim, needs: OutsideData) -> None:
    """Add the subcommand of one claim."""
    asked = ("permutations", "list_length", "alpha", "seed", *(("track_floor",) if claim.in_readout_units else ()))
    parameters = {
        "tables": Tables,
        "files": needs.asks,
        "outdir": Annotated[Path, typer.Option(help="Folder for the JSON, the table and the figure.")],
        "settings": Annotated[Settings, cli.Take(*asked)],
        "run": cli.Run,
    }

    def check(tables: Tables, files: Any, outdir: Path, settings: Settings, run: cli.Run) -> None:
        from threadpoolctl import threadpool_limits

        from darkregulome.diagnosis.output import read_settings, write_cross_check
        from darkregulome.diagnosis.run import cross_check
        from darkregulome.io.schemas import ELEMENTS, RIS
        from darkregulome.io.tables import read_rows

        settings = read_settings(settings, tables.model_cards)
        elements, ris = read_rows(tables.elements, ELEMENTS), read_rows(tables.ris, RIS)
        data = needs.read(elements, files)
        with threadpool_limits(1):
            checked = cross_check(claim, data, ris, settings)
        inputs = {"elements": tables.elements, "ris": tables.ris, **files.model_dump()}
        write_cross_check(checked, claim, outdir, inputs)
        cli.say_claims(checked.record, run.progress)

    check.__annotations__ = parameters
    example = cli.epilog_of(EXAMPLE.format(check=needs.check, data=needs.example).replace("  ", " "))
    cli.command(app, name=needs.check, help=claim.question[0].upper() + claim.question[1:], epilog=example)(check)


for each in cross_checks():
    subcommand(*each)

if __name__ == "__main__":
    cli.run(app)
