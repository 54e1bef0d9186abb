#!/usr/bin/env python3
"""Score elements by in-silico mutagenesis with one model."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.edits.settings import Settings
from darkregulome.models.settings import TrackModelOptions
from darkregulome.scoring.settings import ScoredElements, asked_of

app = cli.script(
    help="Score elements by in-silico mutagenesis with one model; write every effect, a status and the predictability.",
    example="score_elements.py --elements elements.parquet --loci loci.tsv --fasta genome.fa.gz --model demo-caduceus "
    "--out effects.parquet --reference-out reference.parquet",
)


@cli.command(app)
def main(
    inputs: ScoredElements,
    model: TrackModelOptions,
    out: Annotated[Path, typer.Option(help="Where to write the effects.")],
    reference_out: Annotated[Path, typer.Option(help="Where to write statuses and predictability.")],
    settings: Settings,
    run: cli.Run,
    chunks_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps finished chunks of an interrupted run; by default next to --out. Useful where the "
            "next attempt has another --out."
        ),
    ] = None,
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Print what would be run, and run nothing.")] = False,
) -> None:
    from darkregulome.edits.settings import resolve
    from darkregulome.genome.reference import Reference
    from darkregulome.io import tables
    from darkregulome.io.provenance import provenance
    from darkregulome.io.schemas import EFFECTS, REFERENCE
    from darkregulome.scoring.decoys import with_decoys
    from darkregulome.scoring.elements import ElementRun, plan_summary, precision_agreement, score_chunks
    from darkregulome.scoring.run import checkpoint_record, chunk_store, print_plan, read_inputs, write_scores

    cli.different_files(out=out, reference_out=reference_out)
    elements, loci, absent = read_inputs(inputs)
    cli.warn(absent)
    names, indexed = cli.track_names(model.tracks)
    loaded = model.load(run.threads, indexed)
    settled = resolve(settings.preferring(model.entry(), loaded.context), loaded)
    elements, left_out = with_decoys(elements, inputs.decoy_table, settled.perturbation)
    cli.note(left_out)
    with Reference(inputs.fasta) as genome:
        job = ElementRun(loaded, elements, loci, genome, settled, model.batch_size, names)
        if plan_only:
            print_plan(plan_summary(job), model.model)
            return
        checkpoint = checkpoint_record(model.model, model.weights, model.registry)
        asked = asked_of(inputs, model, settings, run, without=("progress", "threads")) | {"out": out}
        asked |= {"sites": settled.sites, "window": settled.window, "readout": settled.readout}
        record = provenance("score_elements.py", asked, model=model.model, checkpoint=checkpoint)
        what = [model.model, checkpoint, loaded.device.type, model.precision, names, indexed]
        store = chunk_store(out, job, what, inputs.fasta, chunks_dir)
        if store.finished:
            cli.note([f"{store.finished} finished chunks of an interrupted run are taken as they are."])
        elif (agreement := precision_agreement(job)) is not None:
            cli.console.print(agreement.sentence(model.precision), markup=False)
        with (
            cli.progress_bar(run.progress, model.model, "sequences") as report,
            tables.table_writer(out, EFFECTS, record) as effects,
            tables.table_writer(reference_out, REFERENCE, record) as reference,
        ):
            outcome = write_scores(score_chunks(job, report, store), effects, reference)
    store.remove()
    cli.note(genome.notes)
    cli.warn(outcome.warnings())
    cli.console.print(outcome.sentence(model.model))


if __name__ == "__main__":
    cli.run(app)
