#!/usr/bin/env python3
"""Simulate genes whose expression has known causes, with decoys."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome.cli import Seed, Version, run, script

app = script(
    "Simulate genes whose expression is caused by known elements, among decoys: peaks that do nothing, motifs in "
    "closed chromatin, repeats. Writes every input of train_seq2exp.py, and the truth.",
    "simulate_expression.py --out expression --genes 400 --seed 1",
)


@app.command()
def main(
    out: Annotated[Path, typer.Option("--out", help="Folder to write; a simulation there is replaced.")],
    genes: Annotated[int, typer.Option("--genes", min=1, help="Genes.")] = 400,
    window: Annotated[int, typer.Option("--window", help="Bases around a TSS, a multiple of 128.")] = 1024,
    genes_per_contig: Annotated[int, typer.Option("--genes-per-contig", min=1, help="Genes on one contig.")] = 40,
    seed: Seed = 0,
    version: Version = False,
) -> None:
    from darkregulome.simulate.expression import simulate_expression
    from darkregulome.simulate.writing import write_expression

    write_expression(simulate_expression(seed, genes, window, genes_per_contig), out)


if __name__ == "__main__":
    run(app)
