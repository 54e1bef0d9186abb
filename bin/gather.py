#!/usr/bin/env python3
"""Gather the parts of a scattered work into one file."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    "Gather the parts of scattered work into one file.",
    "gather.py variants part1.vcf.gz part2.vcf.gz --out scored.vcf.gz",
)


@app.callback()
def common(version: cli.Version = False) -> None:
    pass


@cli.command(
    app, epilog=cli.epilog_of("gather.py seq2exp a/metrics.tsv b/metrics.tsv --first seq2exp-hard --outdir all")
)
def seq2exp(
    parts: Annotated[list[Path], typer.Argument(help="metrics.tsv of each run.")],
    outdir: Annotated[Path, typer.Option(help="Folder for metrics.tsv and metrics.json.")],
    first: Annotated[str | None, typer.Option(help="Model against which the others are compared.")] = None,
) -> None:
    """metrics.tsv of several runs of train_seq2exp.py (models, folds, seeds) as one table, with means, standard
    deviations over seeds, and every model against the first one."""
    from darkregulome.io.tables import write_json, write_table
    from darkregulome.seq2exp.folds import gather_metrics, summary_of

    table = gather_metrics(parts, first)
    write_table(table, outdir / "metrics.tsv")
    write_json(summary_of(table), outdir / "metrics.json")


@cli.command(app, epilog=cli.epilog_of("gather.py variants part1.vcf.gz part2.vcf.gz --out scored.vcf.gz"))
def variants(
    parts: Annotated[list[Path], typer.Argument(help="Parts, in order: all .vcf.gz, all parquet, all TSV or all CSV.")],
    out: Annotated[Path, typer.Option(help="Where to write, with the parts' extension.")],
) -> None:
    """The parts of a scattered score_variants.py, in the order given, as one file of the same kind."""
    from darkregulome.io.paths import require_file
    from darkregulome.scoring.variants.write import gather

    for part in parts:
        require_file(part)
    for note in gather(parts, out):
        cli.console.print(f"note: {note}", markup=False)


if __name__ == "__main__":
    cli.run(app)
