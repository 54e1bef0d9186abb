#!/usr/bin/env python3
"""Sections of the report, for MultiQC."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError
from darkregulome.report.settings import RegulomeFiles

REGULOME = (
    "report.py regulome --diagnosis diagnosis.json --decomposition decomposition.json "
    "--cross-checks cross_check_eqtl.json --figures figures --outdir sections && "
    "multiqc --config assets/multiqc_config.yml sections"
)
app = cli.script("Write the sections of a report, as custom content for MultiQC.", REGULOME)

Outdir = Annotated[Path, typer.Option(help="Folder of the *_mqc.json files.")]
# Several files after one option (`--figures a b`) would be read as arguments; lists are repeated or comma-separated.
Files = list[str] | None


@app.callback()
def common(version: cli.Version = False) -> None:
    pass


@cli.command(app, epilog=cli.epilog_of(REGULOME))
def regulome(files: RegulomeFiles, outdir: Outdir) -> None:
    """Verdicts first, then planted against found, figures, agreement of models, cross-checks and what failed."""
    from darkregulome.report.content import write_sections
    from darkregulome.report.findings import read_findings
    from darkregulome.report.regulome import report_sections

    write_sections(report_sections(read_findings(files)), outdir)


@cli.command(
    app,
    epilog=cli.epilog_of(
        "report.py embeddings --embeddings embeddings/demo-caduceus --logos logos/demo-caduceus --outdir sections"
    ),
)
def embeddings(
    outdir: Outdir,
    embeddings: Annotated[Files, typer.Option(help="Folders of embed_windows.py; repeat or use commas.")] = None,
    logos: Annotated[Files, typer.Option(help="Folders of draw_logos.py, named for the models.")] = None,
) -> None:
    """Embedded windows, and logos."""
    from darkregulome.report.content import write_sections
    from darkregulome.report.embeddings import embedding_sections, read_embeddings
    from darkregulome.report.figures import find_figures

    if not embeddings and not logos:
        raise InputError.at("--embeddings and --logos", "are both missing", "give one of them")
    records = [read_embeddings(folder) for folder in cli.paths(embeddings)]
    figures = {folder.name: find_figures([folder]) for folder in cli.paths(logos)}
    write_sections(embedding_sections(records, figures), outdir)


@cli.command(app, epilog=cli.epilog_of("report.py training --checkpoint yeast-mini-gpn --outdir sections"))
def training(
    checkpoint: Annotated[list[Path], typer.Option(help="Checkpoint folder; may be repeated.")],
    outdir: Outdir,
    metrics: Annotated[Path | None, typer.Option(help="metrics.json of Seq2Exp.")] = None,
    overlap: Annotated[Path | None, typer.Option(help="overlap.json of apply_seq2exp.py.")] = None,
) -> None:
    """Checkpoints of train_lm.py or train_seq2exp.py, and the measures of Seq2Exp."""
    from darkregulome.report.content import write_sections
    from darkregulome.report.training import read_trainings, training_sections

    write_sections(training_sections(read_trainings(checkpoint), metrics, overlap), outdir)


@cli.command(
    app,
    epilog=cli.epilog_of(
        "report.py variants --scored demo-caduceus.vcf.gz --evaluation evaluation/demo-caduceus --outdir sections"
    ),
)
def variants(
    scored: Annotated[Files, typer.Option(help="Files of score_variants.py, one per model; repeat or use commas.")],
    outdir: Outdir,
    evaluation: Annotated[Files, typer.Option(help="Folders of evaluate_scores.py, named for the models.")] = None,
) -> None:
    """Scored variants, and how good the scores are."""
    from darkregulome.report.content import write_sections
    from darkregulome.report.variants import read_evaluations, variant_sections
    from darkregulome.scoring.variants.summary import summarise

    evaluations = read_evaluations(cli.paths(evaluation))
    write_sections(variant_sections([summarise(path) for path in cli.paths(scored)], evaluations), outdir)


if __name__ == "__main__":
    cli.run(app)
