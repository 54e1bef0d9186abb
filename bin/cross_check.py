#!/usr/bin/env python3
"""Check the scores against data that no model saw."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    help="Check the scores, raw and residual, against data that no model saw.",
    example="cross_check.py eqtl --elements elements.parquet --ris ris.parquet --loci loci.tsv --eqtl eqtls.tsv.gz "
    "--outdir cross_checks",
)

Elements = Annotated[Path, typer.Option(help="Element table (parquet, TSV or CSV).")]
Ris = Annotated[Path, typer.Option(help="Score table: element, model, ris[, predictability, kind, readout].")]
Outdir = Annotated[Path, typer.Option(help="Folder for the JSON, the table and the figure.")]
Permutations = Annotated[int, typer.Option(min=99, help="Draws of each null.")]
Alpha = Annotated[float, typer.Option(min=1e-9, max=0.999, help="Level of the verdicts, on q.")]
TrackFloor = Annotated[float, typer.Option(min=0.0, help="Least effect of an output model that counts, log2 units.")]


@app.callback()
def common(version: cli.Version = False) -> None:
    pass


@app.command(
    epilog="Example:  cross_check.py eqtl --elements elements.parquet --ris ris.parquet --loci loci.tsv "
    "--eqtl eqtls.tsv.gz --outdir cross_checks"
)
def eqtl(
    elements: Elements,
    ris: Ris,
    loci: Annotated[Path, typer.Option(help="Locus table: whose gene an element belongs to.")],
    eqtl: Annotated[
        Path, typer.Option(help="eQTLs: chrom and pos (1-based), or pos0, or variant_id; gene, gene_id or gene_name.")
    ],
    outdir: Outdir,
    max_p: Annotated[float | None, typer.Option(help="Take only eQTLs with a p-value of at most this.")] = None,
    permutations: Permutations = 10_000,
    alpha: Alpha = 0.05,
    track_floor: TrackFloor = 0.01,
    seed: cli.Seed = 0,
    threads: cli.Threads = 1,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    """Do elements that hold an eQTL of their own gene score higher than matched elements?"""
    from threadpoolctl import threadpool_limits

    from darkregulome.diagnosis.cross_check import check_eqtl, read_eqtls
    from darkregulome.diagnosis.output import read_scores, settings_from, write_cross_check
    from darkregulome.io.schemas import LOCI
    from darkregulome.io.tables import read_table

    settings = settings_from(permutations=permutations, alpha=alpha, track_floor=track_floor, seed=seed)
    element_table, ris_table = read_scores(elements, ris)
    locus_table = read_table(loci, LOCI)
    eqtls, notes = read_eqtls(read_table(eqtl), eqtl, max_p)
    with threadpool_limits(threads):
        check = check_eqtl(element_table, ris_table, locus_table, eqtls, settings, notes)
    write_cross_check(check, outdir, {"elements": elements, "ris": ris, "loci": loci, "eqtl": eqtl, "max_p": max_p})
    _say(check.record, progress)


@app.command(
    epilog="Example:  cross_check.py conservation --elements elements.parquet --ris ris.parquet --bigwig phylop.bw "
    "--outdir cross_checks"
)
def conservation(
    elements: Elements,
    ris: Ris,
    bigwig: Annotated[Path, typer.Option(help="Conservation, base by base (phyloP, phastCons).")],
    outdir: Outdir,
    permutations: Permutations = 10_000,
    alpha: Alpha = 0.05,
    seed: cli.Seed = 0,
    threads: cli.Threads = 1,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    """Are scores and conservation linked, beyond what predictability explains of both?"""
    from threadpoolctl import threadpool_limits

    from darkregulome.diagnosis.cross_check import check_conservation, element_means
    from darkregulome.diagnosis.output import read_scores, settings_from, write_cross_check

    settings = settings_from(permutations=permutations, alpha=alpha, seed=seed)
    element_table, ris_table = read_scores(elements, ris)
    means, notes = element_means(element_table, bigwig)
    with threadpool_limits(threads):
        check = check_conservation(element_table, ris_table, means, settings, notes)
    write_cross_check(check, outdir, {"elements": elements, "ris": ris, "bigwig": bigwig})
    _say(check.record, progress)


def _say(record: dict, progress: bool) -> None:
    # Warnings are said even where progress is not wanted.
    for note in record["notes"]:
        cli.console.print(note, markup=False)
    for skipped in record["not_tested"]:
        cli.console.print(f"  not tested  {skipped['model']}: {skipped['reason']}", markup=False)
    if progress:
        for claim in record["claims"]:
            cli.console.print(f"{claim['verdict']:>12}  {claim['model']}: {claim['sentence']}", markup=False)


if __name__ == "__main__":
    cli.run(app)
