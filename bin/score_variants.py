#!/usr/bin/env python3
"""Score variants with one model."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError

app = cli.script(
    help="Score the variants of a VCF, or all SNVs of a BED, with one model. Every record comes out once, in order, "
    "with a status; written as VCF.gz with its index, TSV, CSV or parquet, by the extension of --out.",
    example="score_variants.py --vcf variants.vcf.gz --fasta genome.fa.gz --model demo-caduceus --out scored.vcf.gz",
)


@app.command()
def main(
    fasta: cli.Fasta,
    model: cli.Model,
    out: Annotated[Path, typer.Option(help="Where to write: .vcf.gz, .parquet, .tsv, .csv, the last two also .gz.")],
    vcf: Annotated[Path | None, typer.Option(help="Variants: VCF, plain or compressed, or BCF.")] = None,
    bed: Annotated[Path | None, typer.Option(help="Instead of --vcf: score every SNV of these intervals.")] = None,
    scores: Annotated[
        list[str] | None,
        typer.Option(
            help="llr, influence, influence_signed, loglik, embedding, track; all; or auto, the first that the kind of "
            "model has. Repeated or comma-separated."
        ),
    ] = None,
    weights: cli.Weights = None,
    registry: cli.Registry = None,
    loci: cli.NearestTss = None,
    region: Annotated[str | None, typer.Option(help="Only records that begin here: chr1 or chr1:1001-2000.")] = None,
    shard: Annotated[str | None, typer.Option(help="Only one part of the records: 2/8 is the second of eight.")] = None,
    window: cli.Window = "auto",
    edge: Annotated[str, typer.Option(help="At a contig's end: pad the window with N, or shift it inside.")] = "pad",
    strands: cli.Strands = "both",
    max_allele: Annotated[
        int | None, typer.Option(min=1, help="Longest allele scored, in bases; by default a quarter of the window.")
    ] = None,
    max_n: cli.MaxN = 0.5,
    tracks: cli.Tracks = None,
    prefix: Annotated[str, typer.Option(help="Prefix of the INFO fields; another one for a second model.")] = "DR",
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
    from darkregulome.io import schemas, tables
    from darkregulome.io.provenance import provenance
    from darkregulome.models.registry import find_entry, load_model
    from darkregulome.scoring.variants.place import Judge
    from darkregulome.scoring.variants.records import parse_region, parse_shard
    from darkregulome.scoring.variants.score import Settings, make_scorer, score_records
    from darkregulome.scoring.variants.scores import choose_scores
    from darkregulome.scoring.variants.write import is_vcf, open_writer

    if (vcf is None) == (bed is None):
        raise InputError.at("--vcf and --bed", "are both given, or neither", "give one of them")
    cli.one_of("--edge", edge, ("pad", "shift"))
    cli.one_of("--strands", strands, ("both", "forward"))
    if not prefix.isidentifier() or not prefix.isascii():
        raise InputError.at("--prefix", f"{prefix!r} cannot begin an INFO field", "use letters, digits and _")
    is_vcf(out)
    part = None if shard is None else parse_shard(shard)
    place = None if region is None else parse_region(region)

    torch.set_num_threads(threads)
    entry = find_entry(model, weights, registry)
    chosen, indexed = cli.track_names(tracks)
    loci_table = None if loci is None else tables.read_table(loci, schemas.LOCI)
    with Reference(fasta) as genome:
        source = _source(vcf, bed, genome, place)
        loaded = load_model(model, weights, device, precision, registry, indexed)
        size = loaded.context
        if loaded.kind != "output":
            size = cli.positive("--window", window) or min(entry.window or size, size)
        settings = Settings(
            scores=choose_scores([name for item in scores or [] for name in item.split(",") if name], loaded.kind),
            window=size,
            edge=edge,
            both_strands=strands == "both",
            max_length=max_allele or max(1, size // 4),
            max_n=max_n,
            batch_size=cli.positive("--batch-size", batch_size),
            tracks=tuple(chosen),
        )
        scorer = make_scorer(loaded, genome, settings, loci_table)
        # Nothing of the shard or the region: the parts of a scatter have one header.
        parameters = {
            "input": vcf or bed,
            "fasta": fasta,
            "scores": list(scorer.names),
            "window": size,
            "edge": edge,
            "strands": strands,
            "max_allele": settings.max_length,
            "max_n": max_n,
            "tracks": chosen,
            "precision": precision,
        }
        record = provenance("score_variants.py", parameters, model=model, revision=loaded.revision)
        first, last = (0, None) if part is None else part.bounds(source.count())
        counts: dict[str, int] = {}
        with (
            open_writer(out, source.header, scorer.names, record, prefix) as writer,
            cli.progress_bar(progress, model, "records") as report,
        ):
            stream = source.records()
            judge = Judge(genome, settings.max_length)
            for scored in score_records(stream, scorer, judge, size, first, last, report):
                writer.write(scored)
                for allele in (allele for alleles in scored.alleles for allele in alleles):
                    counts[allele.status] = counts.get(allele.status, 0) + 1
        for note in [*genome.notes, *writer.notes]:
            cli.console.print(f"note: {note}", markup=False)
    shown = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "no record"
    cli.console.print(f"{model}: {sum(counts.values())} alleles: {shown}.", markup=False)


def _source(vcf: Path | None, bed: Path | None, genome, region):
    from darkregulome.scoring.variants.records import BedSource, VcfFile, VcfSource

    if vcf is not None:
        return VcfSource(VcfFile(vcf), region)
    return BedSource(bed, genome, region)


if __name__ == "__main__":
    cli.run(app)
