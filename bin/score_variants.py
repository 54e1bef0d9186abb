#!/usr/bin/env python3
"""Score variants with one model."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.models.settings import TrackModelOptions
from darkregulome.scoring.settings import VariantInputs
from darkregulome.scoring.variants.settings import Settings

app = cli.script(
    help="Score the variants of a VCF, or all SNVs of a BED, with one model. Every record comes out once, in order, "
    "with a status; written as VCF.gz with its index, TSV, CSV or parquet, by the extension of --out.",
    example="score_variants.py --vcf variants.vcf.gz --fasta genome.fa.gz --model demo-caduceus --out scored.vcf.gz",
)


@cli.command(app)
def main(
    inputs: VariantInputs,
    model: TrackModelOptions,
    out: Annotated[Path, typer.Option(help="Where to write: .vcf.gz, .parquet, .tsv, .csv, the last two also .gz.")],
    settings: Settings,
    run: cli.Run,
    prefix: Annotated[str, typer.Option(help="Prefix of the INFO fields; another one for a second model.")] = "DR",
) -> None:
    from darkregulome.genome.reference import Reference
    from darkregulome.genome.vcf import parse_region
    from darkregulome.io import schemas, tables
    from darkregulome.io.provenance import provenance
    from darkregulome.scoring.variants.records import AlleleChecker, open_source, parse_shard
    from darkregulome.scoring.variants.score import make_scorer, score_records
    from darkregulome.scoring.variants.write import check_place, open_writer

    check_place(out, prefix)
    part = None if inputs.shard is None else parse_shard(inputs.shard)
    region = None if inputs.region is None else parse_region(inputs.region)
    names, indexed = cli.track_names(model.tracks)
    loci = None if inputs.loci is None else tables.read_table(inputs.loci, schemas.LOCI)
    entry = model.entry()
    with Reference(inputs.fasta) as genome:
        source = open_source(inputs.vcf, inputs.bed, genome, region)
        loaded = model.load(run.threads, indexed)
        settled = settings.settle(loaded, entry, names, model.batch_size)
        scorer = make_scorer(loaded, genome, settled, loci)
        # Nothing of the shard or the region: the parts of a scatter have one header.
        asked = {
            **{"input": inputs.vcf or inputs.bed, "fasta": inputs.fasta, "scores": list(scorer.names)},
            **{"window": settled.window, "edge": settings.edge, "strands": settings.strands},
            **{"max_allele": settled.max_length, "max_n": settings.max_n, "tracks": names},
            "precision": model.precision,
        }
        record = provenance("score_variants.py", asked, model=model.model, revision=loaded.revision)
        first, last = (0, None) if part is None else part.bounds(source.count())
        statuses: Counter[str] = Counter()
        with (
            open_writer(out, source.header, scorer.names, record, prefix) as writer,
            cli.progress_bar(run.progress, model.model, "records") as report,
        ):
            checker = AlleleChecker(genome, settled.max_length)
            for scored in score_records(source.records(), scorer, checker, settled.window, first, last, report):
                writer.write(scored)
                statuses.update(allele.status for alleles in scored.alleles for allele in alleles)
        cli.note([*genome.notes, *writer.notes])
    counts = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items())) or "no record"
    cli.console.print(f"{model.model}: {statuses.total()} alleles: {counts}.", markup=False)


if __name__ == "__main__":
    cli.run(app)
