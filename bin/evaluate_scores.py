#!/usr/bin/env python3
"""Judge scores of variants by labels or measurements."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError
from darkregulome.scoring.variants.settings import Question, ScoredVariants

app = cli.script(
    help="Judge scores of variants by labels (AUROC, AUPRC) or measurements (Spearman, Pearson), with bootstrap "
    "intervals, over all and by chromosome, consequence or element.",
    example="evaluate_scores.py --scores scored.parquet --truth clinvar.tsv --score llr:neg --score phylop "
    "--label significance --positive pathogenic --by chrom,consequence --outdir evaluation",
)


@cli.command(app)
def main(
    inputs: ScoredVariants,
    question: Question,
    outdir: Annotated[Path, typer.Option(help="Folder of the results.")],
    run: cli.Run,
) -> None:
    from darkregulome.io.provenance import provenance
    from darkregulome.io.tables import write_json, write_table
    from darkregulome.plots.evaluation import draw_evaluation
    from darkregulome.scoring.variants.evaluate import evaluate, headline, read_scored

    if question.label and not question.positive:
        raise InputError.at("--positive", "is not given", "name the labels that are positives")
    tracks = dict(item.partition("=")[::2] for item in inputs.bigwig)
    if bad := [name for name, file in tracks.items() if not (name and file)]:
        raise InputError.at("--bigwig", f"{bad[0]!r} names no file", "write NAME=FILE")
    table, notes = read_scored(inputs, {name: Path(file) for name, file in tracks.items()})
    where = inputs.scores if inputs.truth is None else f"{inputs.scores} with {inputs.truth}"
    record, rows = evaluate(table, question, where)
    bigwigs = [f"{name}={Path(file).name}" for name, file in tracks.items()]
    asked = {"scores": inputs.scores, "truth": inputs.truth, "on": inputs.on, "bigwig": bigwigs}
    record["provenance"] = provenance("evaluate_scores.py", {**record["parameters"], **asked})
    draw_evaluation(record, outdir)
    write_table(rows, outdir / "evaluation.tsv")
    write_json(record, outdir / "evaluation.json")
    cli.note(notes)
    for line in headline(record):
        cli.console.print(line, markup=False)


if __name__ == "__main__":
    cli.run(app)
