#!/usr/bin/env python3
"""Apply trained Seq2Exp models: masks, elements and predictions."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    "Apply one or several trained Seq2Exp models to genes: the mask of every base as bigWig, elements with their "
    "scores as BED, and a table of predictions. Several models are averaged.",
    "apply_seq2exp.py --model models/fold0_seed0 --model models/fold0_seed1 --fasta genome.fa.gz "
    "--expression expression.tsv --signal h3k27ac=h3k27ac.bw --signal dnase=dnase.bw --outdir masks",
)


class Genes(StrEnum):
    all = "all"
    test = "test"


@app.command()
def main(
    model: Annotated[list[Path], typer.Option(help="Checkpoint folder of train_seq2exp.py; may be repeated.")],
    fasta: cli.Fasta,
    expression: cli.Expression,
    outdir: Annotated[Path, typer.Option(help="Folder for mask.bw, elements.bed.gz and predictions.tsv.")],
    signal: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE: bigWig of a signal of the models; repeat it for each.")
    ] = None,
    peaks: Annotated[Path | None, typer.Option(help="BED of peaks, for models whose mask is given.")] = None,
    genes: Annotated[
        Genes, typer.Option(help="test: each model speaks only of genes on the contigs that it was tested on.")
    ] = Genes.test,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Bases with at least this mask make elements.")] = 0.5,
    min_length: Annotated[int, typer.Option(min=1, help="Shortest element, in bases.")] = 20,
    batch: Annotated[int, typer.Option(min=1, help="Genes at once.")] = 8,
    ccres: Annotated[
        Path | None, typer.Option(help="BED of known elements: does the mask agree with them? Writes overlap.json.")
    ] = None,
    elements: Annotated[Path | None, typer.Option(help="elements.parquet of the genes' loci, for --residuals.")] = None,
    residuals: Annotated[
        Path | None,
        typer.Option(
            help="residuals.parquet of diagnose.py: does the mask agree more with residual than with raw RIS?"
        ),
    ] = None,
    permutations: Annotated[int, typer.Option(min=99, help="Draws of the null of the agreement.")] = 1999,
    seed: cli.Seed = 0,
    threads: cli.Threads = 1,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    import torch

    from darkregulome.errors import InputError
    from darkregulome.genome.reference import Reference
    from darkregulome.io.schemas import SEQ2EXP_PREDICTIONS
    from darkregulome.io.tables import write_json, write_table
    from darkregulome.seq2exp.data import ExpressionWindows, parse_signals, read_genes, read_intervals
    from darkregulome.seq2exp.output import Ensemble, base_masks, elements_of, write_elements, write_mask
    from darkregulome.seq2exp.overlap import overlap_table, read_residuals

    if (residuals is None) != (elements is None):
        raise InputError.at("--residuals", "and --elements go together", "give both, or neither")
    torch.set_num_threads(threads)
    ensemble = Ensemble(model, held_out=genes is Genes.test)
    with Reference(fasta) as reference:
        table = read_genes(expression, reference.contigs)
        # Whatever may be refused is read before anything is written.
        known = None if ccres is None else read_intervals(ccres, reference.contigs)
        scored = None if residuals is None else read_residuals(residuals, str(elements), reference.contigs)
        windows = ExpressionWindows(reference, parse_signals(signal or []), ensemble.config, peaks)
        applied = ensemble.apply(windows, table, batch)
        lengths = reference.lengths
    if not applied["models"].any():
        raise InputError.at("--genes", "no gene lies on a test contig of any model", "give --genes all")
    masks = base_masks(applied, table, ensemble.config.resolution)
    found = elements_of(masks, lengths, threshold, min_length)
    write_mask(masks, lengths, outdir / "mask.bw")
    write_elements(found, outdir / "elements.bed.gz")
    predictions = table.join(applied.drop(columns="soft"))
    write_table(predictions[SEQ2EXP_PREDICTIONS.columns], outdir / "predictions.tsv", SEQ2EXP_PREDICTIONS)
    if known is not None or scored is not None:
        strands = table.set_index("gene").loc[masks["gene"], "strand"].reset_index(drop=True)
        overlap = overlap_table(masks, strands, ensemble.config.resolution, known, scored, permutations, seed)
        write_json(overlap, outdir / "overlap.json")
    if progress:
        spoken = int((applied["models"] > 0).sum())
        cli.console.print(f"{spoken} of {len(table)} genes, {len(found)} elements", markup=False)


if __name__ == "__main__":
    cli.run(app)
