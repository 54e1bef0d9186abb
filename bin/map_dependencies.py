#!/usr/bin/env python3
"""Map nucleotide dependencies with one model."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError
from darkregulome.models.settings import ModelOptions
from darkregulome.scoring.settings import MapSettings

app = cli.script(
    help="Nucleotide dependency maps by a language model: e[i, j] is how much a substitution at base i changes what "
    "is predicted at base j, at most, in log2 odds. Of the intervals of a BED, or of every sequence of a FASTA; each "
    "has a status in maps.tsv, and those that could be mapped an array in maps.zarr.",
    example="map_dependencies.py --bed promoters.bed --fasta genome.fa.gz --model specieslm-fungi-k1 --outdir maps",
)


@cli.command(app)
def main(
    fasta: Annotated[Path, typer.Option(help="With --bed, the genome; without, the sequences to map.")],
    model: ModelOptions,
    outdir: Annotated[Path, typer.Option(help="Folder to write; what is there is replaced.")],
    settings: MapSettings,
    run: cli.Run,
    bed: Annotated[Path | None, typer.Option(help="Intervals to map, each on the strand of its sixth column.")] = None,
) -> None:
    from darkregulome.genome.reference import Reference
    from darkregulome.io.atomic import atomic_folder
    from darkregulome.io.provenance import provenance
    from darkregulome.scoring.maps.make import count_statuses, make_maps
    from darkregulome.scoring.maps.sequences import sequences_of_bed, sequences_of_fasta

    with ExitStack() as stack:
        genome = stack.enter_context(Reference(fasta)) if bed is not None else None
        sequences = sequences_of_bed(bed, genome) if bed and genome else sequences_of_fasta(fasta)
        if settings.shuffle:
            sequences = (sequence.shuffled(settings.seed) for sequence in sequences)
        loaded = model.load(run.threads)
        if loaded.kind == "output":
            raise InputError.at(
                f"model {model.model}", "predicts tracks, not bases", "choose a masked or causal language model"
            )
        asked = {"bed": bed, "fasta": fasta, **settings.model_dump(), "precision": model.precision}
        record = provenance("map_dependencies.py", asked, model=model.model, revision=loaded.revision)
        partial = stack.enter_context(atomic_folder(outdir))
        progress = stack.enter_context(cli.progress_bar(run.progress, total=1))
        index = make_maps(
            loaded,
            sequences,
            partial,
            record,
            settings,
            batch_size=model.batch_size,
            report=lambda name, share: progress(share, title=name),
        )
    cli.note(genome.notes if genome is not None else [])
    cli.console.print(f"{model.model}: {len(index)} sequences: {count_statuses(index)}.", markup=False)


if __name__ == "__main__":
    cli.run(app)
