#!/usr/bin/env python3
"""Score elements by in-silico mutagenesis with one model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from darkregulome import cli
from darkregulome.errors import InputError, Problem, raise_all

app = cli.script(
    help="Score elements by in-silico mutagenesis with one model; write every effect, a status and the predictability.",
    example="score_elements.py --elements elements.parquet --loci loci.tsv --fasta genome.fa.gz --model demo-caduceus "
    "--out effects.parquet --reference-out reference.parquet",
)


@app.command()
def main(
    elements: Annotated[Path, typer.Option(help="Table of elements.")],
    fasta: Annotated[Path, typer.Option(help="Reference sequence, plain or bgzipped FASTA.")],
    model: Annotated[str, typer.Option(help="Name of the model in the registry.")],
    out: Annotated[Path, typer.Option(help="Where to write the effects.")],
    reference_out: Annotated[Path, typer.Option(help="Where to write statuses and predictability.")],
    loci: Annotated[Path | None, typer.Option(help="Table of loci; output models need it.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Checkpoint folder instead of the registry's.")] = None,
    registry: Annotated[Path | None, typer.Option(help="Another registry of models (YAML).")] = None,
    locus: Annotated[
        list[str] | None, typer.Option(help="Score the elements of these loci only; repeated or comma-separated.")
    ] = None,
    readout: Annotated[str, typer.Option(help="llr, loglik, track, or auto: the model's own.")] = "auto",
    perturbation: Annotated[
        str, typer.Option(help="substitution, shuffle, mask (N), or auto: the model's own.")
    ] = "auto",
    sites: Annotated[
        int | None, typer.Option(min=1, help="Sites substituted in an element; by default the model's own number.")
    ] = None,
    alternatives: Annotated[
        int | None, typer.Option(help="Bases tried at a site, 1 or 3; by default 3 for masked models, else 1.")
    ] = None,
    replicates: Annotated[int, typer.Option(min=1, help="Shuffles of an element.")] = 1,
    window: Annotated[str, typer.Option(help="Bases that a language model sees, or auto: the model's own.")] = "auto",
    tracks: Annotated[
        list[str] | None,
        typer.Option(help="Tracks of an output model: names of the registry's, or NAME=INDEX in the model's head."),
    ] = None,
    batch_size: Annotated[str, typer.Option(help="Sequences a batch, or auto.")] = "auto",
    device: cli.Device = "auto",
    precision: cli.Precision = "fp32",
    threads: cli.Threads = 1,
    seed: cli.Seed = 0,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    import torch

    from darkregulome.genome.reference import Reference
    from darkregulome.io import schemas, tables
    from darkregulome.io.provenance import provenance, sha256_file
    from darkregulome.ism.engine import score_loci
    from darkregulome.ism.plan import Settings
    from darkregulome.models.checkpoint import find_weights
    from darkregulome.models.registry import checkpoint_folder, find_entry, load_model

    parameters = {
        name: value
        for name, value in locals().items()
        if isinstance(value, (str, int, float, Path, list)) and name not in ("progress", "version", "threads")
    }
    torch.set_num_threads(threads)
    table = _select(tables.read_table(elements, schemas.ELEMENTS), elements, locus)
    loci_table = None if loci is None else tables.read_table(loci, schemas.LOCI)
    entry = find_entry(model, weights, registry)
    chosen, indexed = _tracks(tracks)
    loaded = load_model(model, weights, device, precision, registry, indexed)
    if precision == "bf16":
        cli.console.print("warning: bf16 ruins small effects (correlation with fp32 about 0.98); use fp32 or tf32.")
    settings = Settings(
        readout=_auto(readout, entry.readout),
        perturbation=_auto(perturbation, entry.perturbation),
        window=_number("--window", window) or min(entry.window or loaded.context, loaded.context),
        sites=sites or entry.sites,
        replicates=replicates,
        alternatives=alternatives,
        seed=seed,
    )
    parameters |= {"sites": settings.sites, "window": settings.window}
    with Reference(fasta) as genome, _bar(progress, model) as report:
        scores = score_loci(
            loaded,
            table,
            loci_table,
            genome,
            settings,
            batch_size=_number("--batch-size", batch_size),
            tracks=chosen,
            progress=report,
        )
        notes = genome.notes
    for note in notes:
        cli.console.print(f"note: {note}", markup=False)
    _tell(scores)
    source = checkpoint_folder(model, weights, registry)
    source = source if source.is_file() else source / entry.file if entry.file else find_weights(source)
    checkpoint = {"revision": entry.revision, "weights": source.name, "sha256": sha256_file(source)}
    record = provenance("score_elements.py", parameters, model=model, checkpoint=checkpoint)
    # Both are checked before either is written: one without the other would be half a result.
    effects = tables.check_table(scores.effects, schemas.EFFECTS, out)
    reference = tables.check_table(scores.reference, schemas.REFERENCE, reference_out)
    tables.write_table(effects, out, provenance=record)
    tables.write_table(reference, reference_out, provenance=record)
    scored = (reference["status"] == "ok").sum()
    cli.console.print(
        f"{model}: {scored} of {len(reference)} elements scored, {len(effects)} effects, "
        f"{scores.forwards} sequences of {scores.tokens} bases in all."
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


def _tracks(given: list[str] | None) -> tuple[list[str], dict[str, int] | None]:
    """Tracks by name, or name and index of others than the registry's."""
    items = [item for option in given or [] for item in option.split(",") if item]
    pairs = [item.rpartition("=") for item in items]
    if not any(equals for _, equals, _ in pairs):
        return items, None
    if not all(name and index.isdigit() for name, _, index in pairs):
        raise InputError.at("--tracks", f"{', '.join(items)!r} mixes names and indices", "give NAME=INDEX for each")
    return [name for name, _, _ in pairs], {name: int(index) for name, _, index in pairs}


def _auto(value: str, of_model: str | None) -> str | None:
    return of_model if value == "auto" else value


def _number(option: str, value: str) -> int | None:
    if value == "auto":
        return None
    if not value.isdigit() or int(value) < 1:
        raise InputError.at(option, f"{value!r} is neither auto nor a positive number", "give one of them")
    return int(value)


def _tell(scores) -> None:
    """Loci that failed, and elements without a score: the first of each status by name."""
    for name, reason in scores.failed_loci.items():
        cli.console.print(f"warning: the locus {name} failed: {reason}", markup=False)
    by_status: dict[str, list] = {}
    for target in scores.rejected:
        by_status.setdefault(target.status, []).append(target)
    for status, targets in by_status.items():
        cli.console.print(
            f"warning: {len(targets)} elements are {status}, such as {targets[0].element}: {targets[0].reason}",
            markup=False,
        )


@contextmanager
def _bar(shown: bool, title: str) -> Iterator[Callable[[float, int], None] | None]:
    if not shown:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=cli.console, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=int(done), total=total)


if __name__ == "__main__":
    cli.run(app)
