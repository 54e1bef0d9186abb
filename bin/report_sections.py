#!/usr/bin/env python3
"""Sections of the report, for MultiQC."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    "Write the report's sections from the diagnosis and what goes with it, as custom content for MultiQC.",
    "report_sections.py --diagnosis diagnosis.json --decomposition decomposition.json "
    "--cross-checks cross_check_eqtl.json --figures figures --outdir sections && "
    "multiqc --config assets/multiqc_config.yml sections",
)

# Several files after one option (`--figures a b`) would be read as arguments; lists are repeated or comma-separated.
Files = list[str] | None


@app.command()
def main(
    diagnosis: Annotated[Path, typer.Option("--diagnosis", help="diagnosis.json of diagnose.py.")],
    outdir: Annotated[Path, typer.Option("--outdir", help="Folder of the *_mqc.json files.")],
    decomposition: Annotated[Path | None, typer.Option("--decomposition", help="decomposition.json.")] = None,
    cross_checks: Annotated[
        Files, typer.Option("--cross-checks", help="cross_check_*.json; repeat or use commas.")
    ] = None,
    truth: Annotated[Path | None, typer.Option("--truth", help="truth.json of a simulated genome.")] = None,
    failed: Annotated[
        Files, typer.Option("--failed", help="Tables of what has no score; repeat or use commas.")
    ] = None,
    model_cards: Annotated[
        Files, typer.Option("--model-cards", help="model_card.json files; repeat or use commas.")
    ] = None,
    figures: Annotated[Files, typer.Option("--figures", help="Folders of PNG figures; repeat or use commas.")] = None,
    version: cli.Version = False,
) -> None:
    from darkregulome.report.read import read_findings
    from darkregulome.report.sections import report_sections, write_sections

    findings = read_findings(
        diagnosis,
        decomposition=decomposition,
        cross_checks=cli.paths(cross_checks),
        truth=truth,
        failed=cli.paths(failed),
        model_cards=cli.paths(model_cards),
        figures=cli.paths(figures),
    )
    write_sections(report_sections(findings), outdir)


if __name__ == "__main__":
    cli.run(app)
