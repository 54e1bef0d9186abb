#!/usr/bin/env python3
"""Score elements by in-silico mutagenesis with one model."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    help="Score elements by in-silico mutagenesis with one model; write every effect, a status and the predictability.",
    example="score_elements.py --elements elements.parquet --loci loci.tsv --fasta genome.fa.gz --model demo-caduceus "
    "--out effects.parquet --reference-out reference.parquet",
)

NOT_RECORDED = ("progress", "version", "threads", "plan_only", "chunks_dir")
"""What the tables do not depend on."""


@app.command()
def main(
    elements: cli.Elements,
    fasta: cli.Fasta,
    model: cli.Model,
    out: Annotated[Path, typer.Option(help="Where to write the effects.")],
    reference_out: Annotated[Path, typer.Option(help="Where to write statuses and predictability.")],
    loci: Annotated[Path | None, typer.Option(help="Table of loci; output models need it.")] = None,
    weights: cli.Weights = None,
    registry: cli.Registry = None,
    locus: Annotated[
        list[str] | None, typer.Option(help="Score the elements of these loci only; repeated or comma-separated.")
    ] = None,
    readout: cli.Readout = "auto",
    perturbation: cli.Perturbation = "auto",
    sites: cli.Sites = None,
    alternatives: cli.Alternatives = None,
    replicates: cli.Replicates = 1,
    block: cli.Block = None,
    insert: cli.Insert = "10",
    target: cli.Target = "200,50",
    window: cli.Window = "auto",
    placement: cli.Placement = "centre",
    tracks: cli.Tracks = None,
    chunks_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps finished chunks of an interrupted run; by default beside --out. Of use where the "
            "next attempt has another --out."
        ),
    ] = None,
    batch_size: cli.BatchSize = "auto",
    device: cli.Device = "auto",
    precision: cli.Precision = "fp32",
    threads: cli.Threads = 1,
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Print what would be run, and run nothing.")] = False,
    seed: cli.Seed = 0,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    given = dict(locals())
    import torch

    from darkregulome.edits.plan import resolve, settings_of
    from darkregulome.genome.reference import Reference
    from darkregulome.io import schemas, tables
    from darkregulome.io.provenance import provenance
    from darkregulome.models.registry import find_entry, load_model
    from darkregulome.scoring.elements import plan_summary, precision_agreement, score_chunks
    from darkregulome.scoring.run import checkpoint_record, chunk_store, parameters_of, select_loci, write_scores

    cli.different_files(out=out, reference_out=reference_out)
    torch.set_num_threads(threads)
    table, absent = select_loci(tables.read_table(elements, schemas.ELEMENTS), elements, locus)
    _warn(absent)
    loci_table = None if loci is None else tables.read_table(loci, schemas.LOCI)
    entry = find_entry(model, weights, registry)
    chosen, indexed = cli.track_names(tracks)
    loaded = load_model(model, weights, device, precision, registry, indexed)
    settings = settings_of(
        entry,
        loaded.context,
        readout=readout,
        perturbation=perturbation,
        window=cli.positive("--window", window),
        sites=sites,
        replicates=replicates,
        alternatives=alternatives,
        seed=seed,
        block=block,
        insert=insert,
        target=target,
        placement=placement,
    )
    settings = resolve(settings, loaded)
    size = cli.positive("--batch-size", batch_size)
    with Reference(fasta) as genome:
        job = (loaded, table, loci_table, genome, settings)
        if plan_only:
            _show(plan_summary(*job), model)
            return
        checkpoint = checkpoint_record(model, weights, registry)
        parameters = parameters_of(given, settings, outside=NOT_RECORDED)
        record = provenance("score_elements.py", parameters, model=model, checkpoint=checkpoint)
        what = [model, checkpoint, loaded.device.type, precision, chosen, indexed]
        store = chunk_store(out, settings, what, [table, loci_table], fasta, chunks_dir)
        if store.found:
            cli.console.print(f"note: {store.found} finished chunks of an interrupted run are taken as they are.")
        elif precision != "fp32":
            agreement = precision_agreement(*job, size, chosen)
            if agreement is not None:
                cli.console.print(agreement.sentence(precision), markup=False)
        with (
            cli.progress_bar(progress, model, "sequences") as report,
            tables.table_writer(out, schemas.EFFECTS, record) as effects,
            tables.table_writer(reference_out, schemas.REFERENCE, record) as reference,
        ):
            chunks = score_chunks(*job, batch_size=size, tracks=chosen, progress=report, store=store)
            outcome = write_scores(chunks, effects, reference)
    store.remove()
    for note in genome.notes:
        cli.console.print(f"note: {note}", markup=False)
    _warn(outcome.warnings())
    cli.console.print(outcome.sentence(model))


def _warn(sentences: Iterable[object]) -> None:
    for sentence in sentences:
        cli.console.print(f"warning: {sentence}", markup=False)


def _show(summary, title: str) -> None:
    """A plan on stdout, for people: one line a chunk, in the order in which they would be run."""
    from rich.console import Console
    from rich.table import Table

    columns = list(summary.columns)
    table = Table(title=f"What would be run with {title}, in this order")
    for name in columns:
        table.add_column(name.replace("_", " "), justify="left" if name in ("locus", "not_scored") else "right")
    total = {name: summary[name].sum() for name in columns if summary[name].dtype.kind == "i" and name != "chunk"}
    for row in [*summary.to_dict("records"), {"locus": "in all", **total}]:
        cells = [row.get(name, "") for name in columns]
        table.add_row(*(str(cell) if isinstance(cell, str) else f"{int(cell):,}" for cell in cells))
    Console(width=None if Console().is_terminal else 160).print(table)


if __name__ == "__main__":
    cli.run(app)
