#!/usr/bin/env python3
"""Simulate a genome whose truth is known, in every input format of the pipeline."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from darkregulome.cli import Seed, Version, run, script

app = script(
    "Simulate a genome whose truth is known: genes, elements, signals, variants, and what was planted in them.",
    "simulate_genome.py --out genome --seed 1",
)


class Formats(StrEnum):
    all = "all"
    training = "training"


@app.command()
def main(
    out: Annotated[Path, typer.Option("--out", help="Folder to write; a simulated genome there is replaced.")],
    seed: Seed = 0,
    null: Annotated[bool, typer.Option("--null", help="Plant nothing: then nothing may be found.")] = False,
    loci: Annotated[int, typer.Option("--loci", min=1, help="Genes.")] = 10,
    flank: Annotated[int, typer.Option("--flank", help="Bases of a locus on either side of its TSS.")] = 24_000,
    loci_per_contig: Annotated[int, typer.Option("--loci-per-contig", min=1, help="Genes on one contig.")] = 2,
    formats: Annotated[
        Formats, typer.Option("--formats", help="training: only the sequence, TSSs, signals and truth.")
    ] = Formats.all,
    version: Version = False,
) -> None:
    from darkregulome.simulate.genome import simulate
    from darkregulome.simulate.writing import write_genome

    genome = simulate(seed=seed, loci=loci, flank=flank, null=null, loci_per_contig=loci_per_contig)
    write_genome(genome, out, formats.value)


if __name__ == "__main__":
    run(app)
