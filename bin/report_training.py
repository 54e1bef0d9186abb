#!/usr/bin/env python3
"""Sections of the report of trained models, for MultiQC."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    "Write the report's sections from checkpoints of train_lm.py or train_seq2exp.py, and from the measures of the "
    "latter, as custom content for MultiQC.",
    "report_training.py --checkpoint yeast-mini-gpn --outdir sections && "
    "multiqc --config assets/multiqc_config.yml --config assets/multiqc_training.yml sections",
)


@app.command()
def main(
    checkpoint: Annotated[list[Path], typer.Option(help="Checkpoint folder; may be repeated.")],
    outdir: Annotated[Path, typer.Option(help="Folder of the *_mqc.json files.")],
    metrics: Annotated[Path | None, typer.Option(help="metrics.json of Seq2Exp.")] = None,
    overlap: Annotated[Path | None, typer.Option(help="overlap.json of apply_seq2exp.py.")] = None,
    version: cli.Version = False,
) -> None:
    from darkregulome.report.sections import write_sections
    from darkregulome.report.training import read_trainings, training_sections

    write_sections(training_sections(read_trainings(checkpoint), metrics, overlap), outdir)


if __name__ == "__main__":
    cli.run(app)
