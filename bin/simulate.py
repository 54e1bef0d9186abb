#!/usr/bin/env python3
"""Simulate data whose truth is known: a genome, genes with their expression, or sequences with dependencies."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    "Simulate data whose truth is known: a genome, genes with their expression, or sequences with dependencies.",
    "simulate.py genome --outdir genome --seed 1",
)

Outdir = Annotated[Path, typer.Option(help="Folder to write; an earlier simulation there is replaced.")]
Formats = StrEnum("Formats", ["all", "training"])
Plant = StrEnum("Plant", ["regulation", "consequence", "nothing"])
Kind = StrEnum("Kind", ["families", "pairs"])


@app.callback()
def common(version: cli.Version = False) -> None:
    pass


@cli.command(app, epilog=cli.epilog_of("simulate.py genome --outdir genome --seed 1"))
def genome(
    outdir: Outdir,
    seed: cli.Seed = 0,
    plant: Annotated[
        Plant,
        typer.Option(
            help="regulation; consequence: regulation that is predictable wherever it is constrained; or nothing: then "
            "nothing may be found."
        ),
    ] = Plant.regulation,
    loci: Annotated[int, typer.Option(min=1, help="Genes.")] = 10,
    flank: Annotated[int, typer.Option(help="Bases of a locus on either side of its TSS.")] = 24_000,
    loci_per_contig: Annotated[int, typer.Option(min=1, help="Genes on one contig.")] = 2,
    formats: Annotated[
        Formats, typer.Option(help="training: only the sequence, TSSs, signals and truth.")
    ] = Formats.all,
) -> None:
    """Genes, elements, signals, variants, and what was planted in them: every input format of the pipeline."""
    from darkregulome.simulate.genome import simulate
    from darkregulome.simulate.writing import write_genome

    made = simulate(seed=seed, loci=loci, flank=flank, plant=plant.value, loci_per_contig=loci_per_contig)
    write_genome(made, outdir, formats.value)


@cli.command(app, epilog=cli.epilog_of("simulate.py expression --outdir expression --seed 1"))
def expression(
    outdir: Outdir,
    genes: Annotated[int, typer.Option(min=1, help="Genes.")] = 400,
    window: Annotated[int, typer.Option(help="Bases around a TSS, a multiple of 128.")] = 1024,
    genes_per_contig: Annotated[int, typer.Option(min=1, help="Genes on one contig.")] = 40,
    seed: cli.Seed = 0,
) -> None:
    """Genes whose expression is caused by known elements, among decoys: peaks that do nothing, motifs in closed
    chromatin, repeats. Writes every input of train_seq2exp.py, and the truth."""
    from darkregulome.simulate.expression import simulate_expression
    from darkregulome.simulate.writing import write_expression

    write_expression(simulate_expression(seed, genes, window, genes_per_contig), outdir)


@cli.command(app, epilog=cli.epilog_of("simulate.py dependencies --kind families --outdir families"))
def dependencies(
    kind: Annotated[Kind, typer.Option(help="RNA families, or pairs of motifs.")],
    outdir: Outdir,
    training: Annotated[
        int, typer.Option(min=1, help="Training sequences: per family; four times as many for pairs.")
    ] = 3000,
    test: Annotated[int, typer.Option(min=1, help="Test sequences: per family; four times as many for pairs.")] = 10,
    seed: cli.Seed = 0,
) -> None:
    """Sequences whose dependencies are known, to train a model on and to test its maps: RNA families with stems and
    a pseudoknot, or pairs of motifs, one of which determines how the other is spelled."""
    from darkregulome.simulate.dependency_files import write_families, write_motif_pairs

    if kind is Kind.families:
        write_families(outdir, seed, training=training, test=test)
    else:
        write_motif_pairs(outdir, seed, training=4 * training, test=4 * test)


if __name__ == "__main__":
    cli.run(app)
