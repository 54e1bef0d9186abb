#!/usr/bin/env python3
"""Simulate sequences whose dependencies are known."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    "Simulate sequences whose dependencies are known, to train a model on and to test its maps: RNA families with "
    "stems and a pseudoknot, or pairs of motifs of which one is spelled as the other says.",
    "simulate_dependencies.py --kind families --out families --seed 1",
)


class Kind(StrEnum):
    families = "families"
    pairs = "pairs"


@app.command()
def main(
    kind: Annotated[Kind, typer.Option(help="RNA families, or pairs of motifs.")],
    out: Annotated[Path, typer.Option(help="Folder to write; what is there is replaced.")],
    training: Annotated[
        int, typer.Option(min=1, help="Training sequences: of each family, or of the pairs a quarter.")
    ] = 3000,
    test: Annotated[int, typer.Option(min=1, help="Test sequences: of each family, or of the pairs a quarter.")] = 10,
    seed: cli.Seed = 0,
    version: cli.Version = False,
) -> None:
    from darkregulome.simulate.dependency_files import write_families, write_motif_pairs

    if kind is Kind.families:
        write_families(out, seed, training=training, test=test)
    else:
        write_motif_pairs(out, seed, training=4 * training, test=4 * test)


if __name__ == "__main__":
    cli.run(app)
