#!/usr/bin/env python3
"""Sections of the report of embeddings and logos, for MultiQC."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError

app = cli.script(
    "Write the report's sections from embedded windows, and from logos, as custom content for MultiQC.",
    "report_embeddings.py --embeddings embeddings/demo-caduceus --logos logos/demo-caduceus --outdir sections && "
    "multiqc --config assets/multiqc_config.yml --config assets/multiqc_instruments.yml sections",
)

# Several folders after one option (`--logos a b`) would be read as arguments; lists are repeated or comma-separated.
Folders = list[str] | None


@app.command()
def main(
    outdir: Annotated[Path, typer.Option(help="Folder of the *_mqc.json files.")],
    embeddings: Annotated[Folders, typer.Option(help="Folders of embed_windows.py; repeat or use commas.")] = None,
    logos: Annotated[Folders, typer.Option(help="Folders of draw_logos.py, named for the models.")] = None,
    version: cli.Version = False,
) -> None:
    from darkregulome.report.embeddings import embedding_sections, read_embeddings
    from darkregulome.report.figures import find_figures
    from darkregulome.report.sections import write_sections

    if not embeddings and not logos:
        raise InputError.at("--embeddings and --logos", "are both missing", "give one of them")
    records = [read_embeddings(folder) for folder in cli.paths(embeddings)]
    figures = {folder.name: find_figures([folder]) for folder in cli.paths(logos)}
    write_sections(embedding_sections(records, figures), outdir)


if __name__ == "__main__":
    cli.run(app)
