#!/usr/bin/env python3
"""Join the parts of a scattered score_variants.py."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    help="Join the parts of a scattered score_variants.py, in the order given, into one file of the same kind.",
    example="gather_variants.py part1.vcf.gz part2.vcf.gz --out scored.vcf.gz",
)


@app.command()
def main(
    parts: Annotated[list[Path], typer.Argument(help="Parts, in order: all .vcf.gz, all parquet, all TSV or all CSV.")],
    out: Annotated[Path, typer.Option(help="Where to write, with the parts' extension.")],
    version: cli.Version = False,
) -> None:
    from darkregulome.io.paths import require_file
    from darkregulome.variants.write import gather

    for part in parts:
        require_file(part)
    for note in gather(parts, out):
        cli.console.print(f"note: {note}", markup=False)


if __name__ == "__main__":
    cli.run(app)
