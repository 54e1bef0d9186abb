#!/usr/bin/env python3
"""Map nucleotide dependencies with one model."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError

app = cli.script(
    help="Nucleotide dependency maps by a language model: e[i, j] is how much a substitution at base i changes what "
    "is predicted at base j, at most, in log2 odds. Of the intervals of a BED, or of every sequence of a FASTA; each "
    "has a status in maps.tsv, and those that could be mapped an array in maps.zarr.",
    example="map_dependencies.py --bed promoters.bed --fasta genome.fa.gz --model specieslm-fungi-k1 --outdir maps",
)


@app.command()
def main(
    fasta: Annotated[Path, typer.Option(help="With --bed, the genome; without, the sequences to map.")],
    model: Annotated[str, typer.Option(help="Name of the language model in the registry.")],
    outdir: Annotated[Path, typer.Option(help="Folder to write; what is there is replaced.")],
    bed: Annotated[Path | None, typer.Option(help="Intervals to map, each on the strand of its sixth column.")] = None,
    measure: Annotated[
        str, typer.Option(help="odds, as published, or probability: what is compared, in log2.")
    ] = "odds",
    strands: Annotated[
        str,
        typer.Option(
            help="forward, or both: the mean of the two readings, of a masked model. Of a causal one both are read "
            "anyway: what comes after a base from the one, what comes before from the other."
        ),
    ] = "forward",
    shuffle: Annotated[
        bool,
        typer.Option("--shuffle", help="Map each sequence with its dinucleotides shuffled: controls to call against."),
    ] = False,
    max_distance: Annotated[
        int | None, typer.Option(min=1, help="Keep only pairs of bases within so many bases; all by default.")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Longest sequence mapped; by default what the model can read.")
    ] = None,
    weights: cli.Weights = None,
    registry: cli.Registry = None,
    batch_size: cli.BatchSize = "auto",
    device: cli.Device = "auto",
    precision: cli.Precision = "fp32",
    threads: cli.Threads = 1,
    seed: cli.Seed = 0,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    import torch

    from darkregulome.genome.reference import Reference
    from darkregulome.io.atomic import atomic_folder
    from darkregulome.io.provenance import provenance
    from darkregulome.models.registry import load_model
    from darkregulome.scoring.maps.make import MEASURES, count_statuses, make_maps
    from darkregulome.scoring.maps.sequences import sequences_of_bed, sequences_of_fasta

    cli.one_of("--measure", measure, tuple(MEASURES))
    cli.one_of("--strands", strands, ("forward", "both"))
    size = cli.positive("--batch-size", batch_size)
    torch.set_num_threads(threads)
    parameters = {
        "bed": bed,
        "fasta": fasta,
        "measure": measure,
        "strands": strands,
        "shuffle": shuffle,
        "seed": seed,
        "max_distance": max_distance,
        "max_length": max_length,
        "precision": precision,
    }
    with ExitStack() as stack:
        genome = stack.enter_context(Reference(fasta)) if bed is not None else None
        sequences = sequences_of_bed(bed, genome) if bed and genome else sequences_of_fasta(fasta)
        if shuffle:
            sequences = (sequence.shuffled(seed) for sequence in sequences)
        loaded = load_model(model, weights, device, precision, registry)
        if loaded.kind == "output":
            raise InputError.at(
                f"model {model}", "predicts tracks, not bases", "choose a masked or causal language model"
            )
        record = provenance("map_dependencies.py", parameters, model=model, revision=loaded.revision)
        partial = stack.enter_context(atomic_folder(outdir))
        tell = stack.enter_context(cli.progress_bar(progress, total=1))
        index = make_maps(
            loaded,
            sequences,
            partial,
            record,
            measure=measure,
            strands=strands,
            max_distance=max_distance,
            max_length=max_length,
            batch_size=size,
            report=lambda name, share: tell(share, title=name),
        )
    for note in genome.notes if genome is not None else []:
        cli.console.print(f"note: {note}", markup=False)
    cli.console.print(f"{model}: {len(index)} sequences: {count_statuses(index)}.", markup=False)


if __name__ == "__main__":
    cli.run(app)
