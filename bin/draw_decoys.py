#!/usr/bin/env python3
"""Draw decoys: sequences to stand in the place of elements."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.decoys.settings import DecoySettings, DrawingModel
from darkregulome.scoring.settings import ElementInputs, asked_of

app = cli.script(
    help="Draw sequences to stand in the place of elements: dinucleotide shuffles, draws of a Markov chain, or what a "
    "language model would write there; with how predictable they are, and the real sequence.",
    example="draw_decoys.py --elements elements.parquet --loci loci.tsv --fasta genome.fa.gz --decoys learnt "
    "--model demo-caduceus --out decoys.parquet",
)


@cli.command(app)
def main(
    inputs: ElementInputs,
    settings: DecoySettings,
    model: DrawingModel,
    out: Annotated[Path, typer.Option(help="Where to write the decoys.")],
    run: cli.Run,
    ris: Annotated[Path | None, typer.Option(help="Scores, for --decoy-elements top:SHARE.")] = None,
) -> None:
    from darkregulome.decoys.draw import decoy_run, locus_windows, select_elements
    from darkregulome.genome.reference import Reference
    from darkregulome.io import tables
    from darkregulome.io.provenance import provenance
    from darkregulome.io.schemas import DECOYS
    from darkregulome.scoring.run import checkpoint_record, read_inputs

    elements, loci, absent = read_inputs(inputs)
    cli.warn(absent)
    with Reference(inputs.fasta) as genome:
        picked = select_elements(elements, settings.decoy_elements, ris, genome)
        checkpoint, loaded = None, None
        if model.model is not None:
            loaded = model.load(run.threads)
            checkpoint = checkpoint_record(model.model, model.weights, model.registry)
        windows = locus_windows(elements, loci)
        job = decoy_run(picked, genome, settings, model, loaded, windows=windows, seed=run.seed)
        asked = asked_of(inputs, settings, model, run, without=("progress", "threads")) | {"out": out}
        record = provenance("draw_decoys.py", asked, decoys=job.decoys, model=model.model, checkpoint=checkpoint)
        with (
            cli.progress_bar(run.progress, job.decoys, "elements") as report,
            tables.table_writer(out, DECOYS, record) as write,
        ):
            for part in job.draw(report):
                write(part)
    cli.note(genome.notes)
    cli.warn(f"{name} has no decoys: {reason}" for name, reason in list(job.left_out.items())[:5])
    drawn = len(picked) - len(job.left_out)
    cli.console.print(f"{job.decoys}: {len(job.numbers)} decoys of {drawn} of {len(elements)} elements.", markup=False)


if __name__ == "__main__":
    cli.run(app)
