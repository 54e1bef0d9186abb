#!/usr/bin/env python3
"""Pool effects into regulatory influence scores."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError

app = cli.script(
    help="Pool effects into one regulatory influence score (RIS) per element and model; write tables and bigWigs. "
    "An option that takes files takes several: repeated, comma-separated, or one after the other.",
    example="pool_ris.py --elements elements.parquet --effects a.parquet b.parquet --reference ra.parquet rb.parquet "
    "--fai genome.fa.gz.fai --outdir ris",
)


@cli.command(app)
def main(
    elements: cli.Elements,
    effects: Annotated[list[Path], typer.Option(help="Effects, one or more files.")],
    reference: Annotated[list[Path], typer.Option(help="Their reference tables, one or more files.")],
    outdir: Annotated[Path, typer.Option(help="Folder to write to.")],
    run: cli.Run,
    fai: Annotated[Path | None, typer.Option(help="Index of the FASTA: write a bigWig for each model.")] = None,
) -> None:
    import pandas as pd

    from darkregulome.io import schemas, tables
    from darkregulome.io.provenance import provenance
    from darkregulome.scoring.pool import pool_effects, read_contig_lengths, write_bigwigs

    table = tables.read_table(elements, schemas.ELEMENTS)
    lengths = None if fai is None else read_contig_lengths(fai)
    sources = _split(reference)
    ris = pool_effects(
        table,
        pd.concat([tables.read_table(path, schemas.EFFECTS) for path in _split(effects)], ignore_index=True),
        pd.concat([tables.read_table(path, schemas.REFERENCE) for path in sources], ignore_index=True),
    )
    parameters = {"elements": elements, "effects": sorted(path.name for path in _split(effects))}
    record = provenance("pool_ris.py", parameters, models=_made_by(sources))
    if lengths is not None:
        write_bigwigs(table, ris, lengths, outdir)
    tables.write_table(ris, outdir / "ris.tsv.gz", schemas.RIS)
    tables.write_table(ris, outdir / "ris.parquet", schemas.RIS, record)
    for model, group in ris.groupby("model", sort=False):
        counts = ", ".join(f"{count} {status}" for status, count in group["status"].value_counts().items())
        cli.console.print(f"{model}: {counts}", markup=False)
        if group["n_nonfinite"].sum():
            cli.console.print(f"warning: {model}: {group['n_nonfinite'].sum()} effects are not finite, left out.")


def _made_by(sources: list[Path]) -> dict[str, object]:
    """What each scored table says of the model that made it."""
    from darkregulome.io.tables import read_provenance

    records = [read_provenance(path) for path in sources if path.suffix == ".parquet"]
    return {record["model"]: record.get("checkpoint") for record in records if "model" in record}


def _split(paths: list[Path]) -> list[Path]:
    parts = [Path(part) for path in paths for part in str(path).split(",") if part]
    if not parts:
        raise InputError.at("--effects, --reference", "name no file", "give at least one of each")
    if len(set(parts)) < len(parts):
        twice = next(path for path in parts if parts.count(path) > 1)
        raise InputError.at("--effects, --reference", f"name {twice} twice", "give each file once")
    return parts


def _several_values(arguments: list[str]) -> list[str]:
    """``--effects a b`` as ``--effects a --effects b``, which is what a shell's wildcard needs."""
    spread: list[str] = []
    option = ""
    for argument in arguments:
        if argument.startswith("-"):
            option = argument if argument in ("--effects", "--reference") else ""
        elif option and spread[-1] != option:
            spread.append(option)
        spread.append(argument)
    return spread


if __name__ == "__main__":
    import sys

    sys.argv[1:] = _several_values(sys.argv[1:])
    cli.run(app)
