#!/usr/bin/env python3
"""Check the scores against data that no model saw."""

from pathlib import Path
from typing import Annotated, Any

import typer

from darkregulome import cli

app = cli.script(
    help="Check the scores, raw and residual, against data that no model saw.",
    example="cross_check.py eqtl --elements elements.parquet --ris ris.parquet --loci loci.tsv --eqtl eqtls.tsv.gz "
    "--outdir cross_checks",
)

Outdir = Annotated[Path, typer.Option(help="Folder for the JSON, the table and the figure.")]
Loci = Annotated[Path, typer.Option(help="Locus table: whose gene an element belongs to.")]
NetworkInfo = Annotated[
    Path | None, typer.Option(help="Names of the proteins: STRING's protein.info or protein.aliases.")
]
MinScore = Annotated[int, typer.Option(min=0, max=1000, help="Least score of a link.")]
Evidence = Annotated[str, typer.Option(help="Column of the score: combined_score, experimental, coexpression, ...")]


@app.callback()
def common(version: cli.Version = False) -> None:
    pass


@app.command(
    epilog=cli.shown(
        "cross_check.py eqtl --elements elements.parquet --ris ris.parquet --loci loci.tsv "
        "--eqtl eqtls.tsv.gz --outdir cross_checks"
    )
)
def eqtl(
    elements: cli.Elements,
    ris: cli.Ris,
    loci: Loci,
    eqtl: Annotated[
        Path, typer.Option(help="eQTLs: chrom and pos (1-based), or pos0, or variant_id; gene, gene_id or gene_name.")
    ],
    outdir: Outdir,
    max_p: Annotated[float | None, typer.Option(help="Take only eQTLs with a p-value of at most this.")] = None,
    ld_blocks: Annotated[
        Path | None, typer.Option(help="Blocks of linkage disequilibrium (BED); by default pieces of 20 kb.")
    ] = None,
    permutations: cli.Permutations = 10_000,
    alpha: cli.Alpha = 0.05,
    track_floor: cli.TrackFloor = 0.01,
    model_cards: cli.ModelCards = None,
    seed: cli.Seed = 0,
    threads: cli.Threads = 1,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    """Do elements that hold an eQTL of their own gene score higher than matched elements?"""
    from threadpoolctl import threadpool_limits

    from darkregulome.diagnosis.cross_check import check_eqtl, read_blocks
    from darkregulome.diagnosis.output import read_rows, read_scores, write_cross_check
    from darkregulome.genome.eqtls import read_eqtls
    from darkregulome.io.schemas import LOCI
    from darkregulome.io.tables import read_table

    settings = _settings(permutations, alpha, model_cards, seed, track_floor=track_floor)
    element_table, ris_table = read_scores(elements, ris)
    locus_table = read_rows(loci, LOCI)
    eqtls, notes = read_eqtls(read_table(eqtl), eqtl, max_p)
    blocks = read_blocks(ld_blocks) if ld_blocks is not None else None
    with threadpool_limits(threads):
        check = check_eqtl(element_table, ris_table, locus_table, eqtls, settings, notes, blocks)
    given = {"elements": elements, "ris": ris, "loci": loci, "eqtl": eqtl, "max_p": max_p, "ld_blocks": ld_blocks}
    write_cross_check(check, outdir, given)
    _say(check.record, progress)


@app.command(
    epilog=cli.shown(
        "cross_check.py conservation --elements elements.parquet --ris ris.parquet --bigwig phylop.bw "
        "--outdir cross_checks"
    )
)
def conservation(
    elements: cli.Elements,
    ris: cli.Ris,
    bigwig: Annotated[Path, typer.Option(help="Conservation, base by base (phyloP, phastCons).")],
    outdir: Outdir,
    permutations: cli.Permutations = 10_000,
    alpha: cli.Alpha = 0.05,
    model_cards: cli.ModelCards = None,
    seed: cli.Seed = 0,
    threads: cli.Threads = 1,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    """Are scores and conservation linked, beyond what predictability explains of both?"""
    from threadpoolctl import threadpool_limits

    from darkregulome.diagnosis.cross_check import check_conservation
    from darkregulome.diagnosis.output import read_scores, write_cross_check
    from darkregulome.genome.bigwig import bigwig_means

    settings = _settings(permutations, alpha, model_cards, seed)
    element_table, ris_table = read_scores(elements, ris)
    means, _, notes = bigwig_means(element_table, bigwig)
    with threadpool_limits(threads):
        check = check_conservation(element_table, ris_table, means, settings, notes)
    write_cross_check(check, outdir, {"elements": elements, "ris": ris, "bigwig": bigwig})
    _say(check.record, progress)


@app.command(
    epilog=cli.shown(
        "cross_check.py network --elements elements.parquet --ris ris.parquet --loci loci.tsv "
        "--network 9606.protein.links.v12.0.txt.gz --network-info 9606.protein.info.v12.0.txt.gz --outdir cross_checks"
    )
)
def network(
    elements: cli.Elements,
    ris: cli.Ris,
    loci: Loci,
    network: Annotated[
        Path, typer.Option(help="STRING: protein.links, protein.links.detailed, or an exported network.")
    ],
    outdir: Outdir,
    network_info: NetworkInfo = None,
    min_score: MinScore = 400,
    evidence: Evidence = "combined_score",
    permutations: cli.Permutations = 10_000,
    alpha: cli.Alpha = 0.05,
    model_cards: cli.ModelCards = None,
    seed: cli.Seed = 0,
    threads: cli.Threads = 1,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    """Do genes that are linked in a protein network score alike, beyond their numbers of links?"""
    from threadpoolctl import threadpool_limits

    from darkregulome.diagnosis.genes import check_network, genes_of
    from darkregulome.diagnosis.output import read_rows, read_scores, write_cross_check
    from darkregulome.diagnosis.string_network import read_network
    from darkregulome.io.schemas import LOCI

    settings = _settings(permutations, alpha, model_cards, seed)
    element_table, ris_table = read_scores(elements, ris)
    locus_table = read_rows(loci, LOCI)
    links = read_network(network, set(genes_of(locus_table)), network_info, min_score, evidence)
    with threadpool_limits(threads):
        check = check_network(element_table, ris_table, locus_table, links, settings)
    given = {"elements": elements, "ris": ris, "loci": loci, "network": network, "network_info": network_info}
    write_cross_check(check, outdir, {**given, "min_score": min_score, "evidence": evidence})
    _say(check.record, progress)


@app.command(
    epilog=cli.shown("cross_check.py families --elements elements.parquet --ris ris.parquet --outdir cross_checks")
)
def families(
    elements: cli.Elements,
    ris: cli.Ris,
    outdir: Outdir,
    level: Annotated[
        str, typer.Option(help="Column of the families: family (SINE/Alu) or subclass (AluY).")
    ] = "family",
    min_members: Annotated[int, typer.Option(min=5, help="A family with fewer elements is not tested.")] = 20,
    permutations: cli.Permutations = 10_000,
    alpha: cli.Alpha = 0.05,
    track_floor: cli.TrackFloor = 0.01,
    model_cards: cli.ModelCards = None,
    seed: cli.Seed = 0,
    threads: cli.Threads = 1,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    """Which families of transposable elements score apart from others like theirs?"""
    from threadpoolctl import threadpool_limits

    from darkregulome.diagnosis.families import check_families
    from darkregulome.diagnosis.output import read_scores, write_cross_check

    settings = _settings(permutations, alpha, model_cards, seed, track_floor=track_floor)
    element_table, ris_table = read_scores(elements, ris)
    with threadpool_limits(threads):
        check = check_families(element_table, ris_table, settings, level, min_members)
    write_cross_check(check, outdir, {"elements": elements, "ris": ris, "level": level, "min_members": min_members})
    _say(check.record, progress)


@app.command(
    epilog=cli.shown(
        "cross_check.py pairs --elements elements.parquet --ris ris.parquet --loci loci.tsv "
        "--pairs pairs.tsv --outdir cross_checks"
    )
)
def pairs(
    elements: cli.Elements,
    ris: cli.Ris,
    loci: Loci,
    outdir: Outdir,
    pairs: Annotated[Path | None, typer.Option(help="Pairs of genes: two columns with a header.")] = None,
    network: Annotated[
        Path | None, typer.Option(help="Without --pairs: the strongest links of this network of STRING are tested.")
    ] = None,
    network_info: NetworkInfo = None,
    min_score: Annotated[int, typer.Option(min=0, max=1000, help="Least score of a link that is a pair.")] = 900,
    permutations: cli.Permutations = 10_000,
    alpha: cli.Alpha = 0.05,
    model_cards: cli.ModelCards = None,
    seed: cli.Seed = 0,
    threads: cli.Threads = 1,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    """Do the elements of both genes of a pair score high?"""
    from threadpoolctl import threadpool_limits

    from darkregulome.diagnosis.genes import check_pairs, genes_of, pairs_of_network
    from darkregulome.diagnosis.output import read_rows, read_scores, write_cross_check
    from darkregulome.diagnosis.string_network import read_network, read_pairs
    from darkregulome.errors import InputError
    from darkregulome.io.schemas import LOCI

    settings = _settings(permutations, alpha, model_cards, seed)
    element_table, ris_table = read_scores(elements, ris)
    locus_table = read_rows(loci, LOCI)
    notes: list[str] = []
    if pairs is not None:
        asked = read_pairs(pairs)
    elif network is not None:
        links = read_network(network, set(genes_of(locus_table)), network_info, min_score)
        asked, notes = pairs_of_network(links), [*links.notes, "The pairs are the strongest links of the network."]
    else:
        raise InputError.at("--pairs", "is not given, and no --network either", "give one of them")
    with threadpool_limits(threads):
        check = check_pairs(element_table, ris_table, locus_table, asked, settings, notes)
    given = {"elements": elements, "ris": ris, "loci": loci, "pairs": pairs, "network": network}
    write_cross_check(check, outdir, {**given, "network_info": network_info, "min_score": min_score})
    _say(check.record, progress)


def _settings(permutations: int, alpha: float, model_cards: list[Path] | None, seed: int, **more: float) -> Any:
    """What every check is told, and what only some are."""
    from darkregulome.diagnosis.output import settings_from
    from darkregulome.io.model_cards import models_without_grammar

    silent = models_without_grammar(model_cards or [])
    return settings_from(permutations=permutations, alpha=alpha, without_grammar=silent, seed=seed, **more)


def _say(record: dict, progress: bool) -> None:
    # Warnings are said even where progress is not wanted.
    for note in [*record["notes"], *record["warnings"]]:
        cli.console.print(note, markup=False)
    for skipped in record["not_tested"]:
        cli.console.print(f"  not tested  {skipped['model']}: {skipped['reason']}", markup=False)
    if progress:
        for claim in record["claims"]:
            cli.console.print(f"{claim['verdict']:>12}  {claim['model']}: {claim['sentence']}", markup=False)


if __name__ == "__main__":
    cli.run(app)
