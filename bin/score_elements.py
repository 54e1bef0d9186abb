#!/usr/bin/env python3
"""Score elements by in-silico mutagenesis with one model."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError, Problem, raise_all

app = cli.script(
    help="Score elements by in-silico mutagenesis with one model; write every effect, a status and the predictability.",
    example="score_elements.py --elements elements.parquet --loci loci.tsv --fasta genome.fa.gz --model demo-caduceus "
    "--out effects.parquet --reference-out reference.parquet",
)


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
    import torch

    from darkregulome.genome.reference import Reference
    from darkregulome.io import schemas, tables
    from darkregulome.io.provenance import provenance, sha256_file
    from darkregulome.ism.chunks import ChunkStore, code_digest, digest, identity
    from darkregulome.ism.engine import plan_summary, precision_agreement, score_chunks
    from darkregulome.ism.plan import resolve, settings_of
    from darkregulome.models.checkpoint import find_weights
    from darkregulome.models.registry import checkpoint_folder, find_entry, load_model

    outside = ("progress", "version", "threads", "plan_only", "chunks_dir")
    parameters = {
        name: value
        for name, value in locals().items()
        if isinstance(value, (str, int, float, Path, list)) and name not in outside
    }
    cli.different_files(out=out, reference_out=reference_out)
    torch.set_num_threads(threads)
    table = _select(tables.read_table(elements, schemas.ELEMENTS), elements, locus)
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
    parameters |= {"sites": settings.sites, "window": settings.window, "readout": settings.readout}
    with Reference(fasta) as genome:
        if plan_only:
            _show(plan_summary(loaded, table, loci_table, genome, settings), model)
            return
        source = checkpoint_folder(model, weights, registry)
        source = source if source.is_file() else source / entry.file if entry.file else find_weights(source)
        checkpoint = {"revision": entry.revision, "weights": source.name, "sha256": sha256_file(source)}
        record = provenance("score_elements.py", parameters, model=model, checkpoint=checkpoint)
        store = ChunkStore(
            out,
            {
                "settings": asdict(settings),
                "model": [model, checkpoint, loaded.device.type, precision, chosen, indexed],
                "tables": [digest(table), digest(loci_table)],
                "genome": identity(fasta),
                "code": code_digest(),
            },
            chunks_dir,
        )
        if store.found:
            cli.console.print(f"note: {store.found} finished chunks of an interrupted run are taken as they are.")
        elif precision != "fp32":
            agreement = precision_agreement(loaded, table, loci_table, genome, settings, size, chosen)
            if agreement is not None:
                cli.console.print(agreement.sentence(precision), markup=False)
        counts = Counter[str]()
        with (
            cli.progress_bar(progress, model, "sequences") as report,
            tables.table_writer(out, schemas.EFFECTS, record) as write_effects,
            tables.table_writer(reference_out, schemas.REFERENCE, record) as write_reference,
        ):
            rejected: dict[str, list[tuple[str, str]]] = {}
            failed: dict[str, str] = {}
            for scores in score_chunks(
                loaded,
                table,
                loci_table,
                genome,
                settings,
                batch_size=size,
                tracks=chosen,
                progress=report,
                store=store,
            ):
                write_effects(scores.effects)
                write_reference(scores.reference)
                counts.update(elements=len(scores.reference), effects=len(scores.effects), forwards=scores.forwards)
                counts.update(tokens=scores.tokens)
                failed |= scores.failed_loci
                for row in scores.rejected.itertuples():
                    rejected.setdefault(row.status, []).append((row.element, row.reason))
        notes = genome.notes
    store.remove()
    for note in notes:
        cli.console.print(f"note: {note}", markup=False)
    _tell(failed, rejected)
    cli.console.print(
        f"{model}: {counts['elements'] - sum(map(len, rejected.values()))} of {counts['elements']} elements scored, "
        f"{counts['effects']} effects, {counts['forwards']} sequences of {counts['tokens']} bases in all."
    )


def _select(table, path: Path, loci: list[str] | None):
    """The elements of the loci named, or all. Loci without elements are told of, unless none has any."""
    if table.empty:
        raise InputError.at(path, "has no element", "give a table with at least one element")
    known = set(table["locus"])
    # A name may hold a comma itself.
    wanted = [part for name in loci or [] for part in ([name] if name in known else name.split(",")) if part]
    if not wanted:
        return table
    absent = [name for name in dict.fromkeys(wanted) if name not in known]
    problems = [Problem(str(path), f"has no element of the locus {name!r}", "check --locus") for name in absent]
    if known.isdisjoint(wanted):
        raise_all(problems)
    for problem in problems:
        cli.console.print(f"warning: {problem}", markup=False)
    return table[table["locus"].isin(wanted)]


def _tell(failed: dict[str, str], rejected: dict[str, list[tuple[str, str]]]) -> None:
    """Loci that failed, and elements without a score: the first of each status by name."""
    for name, reason in failed.items():
        cli.console.print(f"warning: the locus {name} failed: {reason}", markup=False)
    for status, elements in rejected.items():
        name, reason = elements[0]
        cli.console.print(
            f"warning: {len(elements)} elements are {status}, such as {name}: {reason}",
            markup=False,
        )


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
