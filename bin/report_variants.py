#!/usr/bin/env python3
"""Sections of the report of scored variants, for MultiQC."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    "Write the report's sections from scored variants, and from their evaluations, as custom content for MultiQC.",
    "report_variants.py --scored demo-caduceus.vcf.gz --evaluation evaluation/demo-caduceus --outdir sections && "
    "multiqc --config assets/multiqc_config.yml --config assets/multiqc_instruments.yml sections",
)

# Several files after one option (`--scored a b`) would be read as arguments; lists are repeated or comma-separated.
Files = list[str] | None


@app.command()
def main(
    scored: Annotated[Files, typer.Option(help="Files of score_variants.py, one a model; repeat or use commas.")],
    outdir: Annotated[Path, typer.Option(help="Folder of the *_mqc.json files.")],
    evaluation: Annotated[Files, typer.Option(help="Folders of evaluate_scores.py, named for the models.")] = None,
    version: cli.Version = False,
) -> None:
    from darkregulome.report.sections import write_sections
    from darkregulome.report.variants import read_evaluations, variant_sections
    from darkregulome.variants.summary import summarise

    evaluations = read_evaluations(cli.paths(evaluation))
    write_sections(variant_sections([summarise(path) for path in cli.paths(scored)], evaluations), outdir)


if __name__ == "__main__":
    cli.run(app)
