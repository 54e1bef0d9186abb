#!/usr/bin/env python3
"""Everything a run was given, checked before any model runs."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.cli import console

app = cli.script(
    help="Check everything a run was given: all problems at once on stderr (exit 2), or checked.json.",
    example="check_inputs.py --fasta GRCh38.fa.gz --gtf gencode.gtf.gz --loci genes.csv "
    "--regulatory cCREs.bed.gz --models demo-caduceus,demo-hyena --out checked.json",
)


@app.command()
def main(
    fasta: cli.Fasta,
    gtf: cli.Gtf,
    loci: cli.LocusList,
    out: Annotated[Path, typer.Option(help="JSON to write where all is well.")],
    regulatory: cli.Regulatory = None,
    repeats: cli.Repeats = None,
    conserved: cli.Conserved = None,
    class_map: cli.ClassMap = None,
    conservation: Annotated[Path | None, typer.Option(help="Conservation scores (bigWig).")] = None,
    eqtl: Annotated[Path | None, typer.Option(help="eQTLs (TSV): chrom, pos, ref, gene_id.")] = None,
    variants: Annotated[Path | None, typer.Option(help="Variants (VCF).")] = None,
    models: Annotated[list[str] | None, typer.Option(help="Models, repeated or comma-separated.")] = None,
    weights: Annotated[list[str] | None, typer.Option(help="NAME=FOLDER of a model's checkpoint; repeated.")] = None,
    registry: Annotated[
        Path | None, typer.Option(help="Registry of models (YAML); by default the shipped one.")
    ] = None,
    flank: cli.Flank = 100_000,
    min_length: cli.MinLength = 50,
    max_length: cli.MaxLength = 1000,
    allow_failed_loci: Annotated[
        bool, typer.Option("--allow-failed-loci", help="Loci that cannot be placed are notes, as long as one is left.")
    ] = False,
    device: cli.Device = "auto",
    seed: cli.Seed = 1,
    threads: cli.Threads = 1,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    from dataclasses import asdict

    from darkregulome.elements.build import ElementSettings
    from darkregulome.elements.checks import RunInputs, check_run
    from darkregulome.io.provenance import provenance
    from darkregulome.io.tables import write_json

    inputs = RunInputs(
        **{"fasta": fasta, "gtf": gtf, "loci": loci, "flank": flank, "failed_loci_allowed": allow_failed_loci},
        **{"regulatory": regulatory, "repeats": repeats, "conserved": conserved, "class_map": class_map},
        **{"conservation": conservation, "eqtl": eqtl, "variants": variants, "registry": registry, "device": device},
        models=[name.strip() for item in models or [] for name in item.split(",") if name.strip()],
        weights=cli.named_folders("--weights", weights),
        elements=ElementSettings(min_length, max_length),
    )
    checked = check_run(inputs)
    for note in checked.notes:
        console.print(f"note: {note}", markup=False)
    parameters = {"fasta": fasta, "gtf": gtf, "loci": loci, "flank": flank, "models": list(inputs.models)}
    write_json({**asdict(checked), "provenance": provenance("check_inputs", parameters)}, out)


if __name__ == "__main__":
    cli.run(app)
