#!/usr/bin/env python3
"""Judge scores of variants by labels or measurements."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError

app = cli.script(
    help="Judge scores of variants by labels (AUROC, AUPRC) or measurements (Spearman, Pearson), with bootstrap "
    "intervals, over all and by chromosome, consequence or element.",
    example="evaluate_scores.py --scores scored.parquet --truth clinvar.tsv --score llr:neg --score phylop "
    "--label significance --positive pathogenic --by chrom,consequence --outdir evaluation",
)
List = list[str] | None


@app.command()
def main(
    scores: Annotated[Path, typer.Option(help="Scored variants: parquet, TSV, CSV or VCF.")],
    score: Annotated[
        list[str], typer.Option(help="Columns to judge; NAME:neg where low is the effect, NAME:abs without the sign.")
    ],
    outdir: Annotated[Path, typer.Option(help="Folder of the results.")],
    truth: Annotated[
        Path | None,
        typer.Option(help="Table with labels, measurements and any other column; or published ISM (.npz): see docs."),
    ] = None,
    truth_index: Annotated[Path | None, typer.Option(help="Table of the windows of published ISM.")] = None,
    bigwig: Annotated[
        List, typer.Option(help="NAME=FILE: a column NAME with the bigWig's value at POS, such as phyloP; repeated.")
    ] = None,
    on: Annotated[List, typer.Option(help="Columns by which the two are joined: chrom,pos,ref,alt by default.")] = None,
    label: Annotated[str | None, typer.Option(help="Column of labels.")] = None,
    positive: Annotated[List, typer.Option(help="Labels that are positives; all others are negatives.")] = None,
    measurement: Annotated[str | None, typer.Option(help="Instead of --label: a column of measurements.")] = None,
    by: Annotated[List, typer.Option(help="Columns whose values are judged one by one as well.")] = None,
    frequency: Annotated[str | None, typer.Option(help="Column of allele frequencies.")] = None,
    match: Annotated[List, typer.Option(help="Numeric columns in which negatives are matched.")] = None,
    match_within: Annotated[List, typer.Option(help="Columns that matched negatives must share.")] = None,
    draws: Annotated[int, typer.Option(min=0, help="Bootstrap samples, and draws of matched controls.")] = 1000,
    seed: cli.Seed = 0,
    version: cli.Version = False,
) -> None:
    from darkregulome.io.provenance import provenance
    from darkregulome.io.tables import read_table, write_json, write_table
    from darkregulome.plots.evaluation import draw_evaluation
    from darkregulome.scoring.variants.evaluate import (
        KEYS,
        Question,
        evaluate,
        headline,
        join,
        read_scores,
        with_bigwigs,
    )
    from darkregulome.scoring.variants.published_ism import read_published_ism

    question = Question(
        scores=_names(score),
        label=label,
        positive=_names(positive),
        measurement=measurement,
        by=_names(by),
        frequency=frequency,
        match=_names(match),
        match_within=_names(match_within),
        draws=draws,
        seed=seed,
    )
    if question.label and not question.positive:
        raise InputError.at("--positive", "is not given", "name the labels that are positives")
    tracks = [item.partition("=") for item in bigwig or []]
    if bad := [name for name, _, file in tracks if not (name and file)]:
        raise InputError.at("--bigwig", f"{bad[0]!r} names no file", "write NAME=FILE")
    if (truth_index is not None) != (truth is not None and truth.suffix == ".npz"):
        raise InputError.at("--truth-index", "goes with a --truth that ends in .npz", "give both, or neither")
    table = read_scores(scores)
    if truth is not None:
        known = read_table(truth) if truth_index is None else read_published_ism(truth, truth_index)
        table = join(table, known, _names(on) or tuple(KEYS), truth, scores)
    table, notes = with_bigwigs(table, {name: Path(file) for name, _, file in tracks})
    record, rows = evaluate(table, question, scores if truth is None else f"{scores} with {truth}")
    given = {
        "scores": scores,
        "truth": truth,
        "on": _names(on),
        "bigwig": [f"{n}={Path(f).name}" for n, _, f in tracks],
    }
    record["provenance"] = provenance("evaluate_scores.py", {**record["parameters"], **given})
    draw_evaluation(record, outdir)
    write_table(rows, outdir / "evaluation.tsv")
    write_json(record, outdir / "evaluation.json")
    for note in notes:
        cli.console.print(f"note: {note}", markup=False)
    for line in headline(record):
        cli.console.print(line, markup=False)


def _names(given: list[str] | None) -> tuple[str, ...]:
    return tuple(name for item in given or [] for name in item.split(",") if name)


if __name__ == "__main__":
    cli.run(app)
