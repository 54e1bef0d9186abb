#!/usr/bin/env python3
"""Draw logos of what a model predicts, and of ISM, for the regions of a BED."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.errors import InputError

app = cli.script(
    help="Logos of regions: of the distributions that a language model predicts at each base while it is masked, by "
    "their information in bits, and of ISM, for any model. A figure a region (SVG and PNG), and a table of all bases.",
    example="draw_logos.py --bed promoters.bed --fasta genome.fa.gz --model demo-caduceus --outdir logos",
)


@app.command()
def main(
    bed: Annotated[Path, typer.Option(help="Regions: BED, or a table with chrom, start, end; 500 bases each at most.")],
    fasta: cli.Fasta,
    model: cli.Model,
    outdir: Annotated[Path, typer.Option(help="Folder of the results.")],
    weights: cli.Weights = None,
    registry: cli.Registry = None,
    loci: cli.NearestTss = None,
    score: Annotated[str, typer.Option(help="Score of the ISM, as in score_variants.py; or auto.")] = "auto",
    window: cli.Window = "auto",
    tracks: cli.Tracks = None,
    most: Annotated[
        int, typer.Option("--max-regions", min=1, help="Regions drawn; the rest is only in the table.")
    ] = 50,
    batch_size: cli.BatchSize = "auto",
    device: cli.Device = "auto",
    precision: cli.Precision = "fp32",
    threads: cli.Threads = 1,
    seed: cli.Seed = 0,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    import pandas as pd
    import torch

    from darkregulome.genome.reference import Reference
    from darkregulome.io import schemas, tables
    from darkregulome.io.provenance import provenance
    from darkregulome.models.registry import find_entry, load_model
    from darkregulome.plots.logos import draw_logo
    from darkregulome.scoring.embeddings.windows import read_windows
    from darkregulome.scoring.logos import bounded, read_logos
    from darkregulome.scoring.variants.score import Settings, make_scorer
    from darkregulome.scoring.variants.scores import choose_scores

    torch.set_num_threads(threads)
    entry = find_entry(model, weights, registry)
    chosen, indexed = cli.track_names(tracks)
    loci_table = None if loci is None else tables.read_table(loci, schemas.LOCI)
    with Reference(fasta) as genome:
        regions = [bounded(region) for region in read_windows(bed, genome)]
        if not any(region.status == "ok" for region in regions):
            raise InputError.at(
                bed, f"has no region to draw ({regions[0].reason})", "give shorter regions of the FASTA"
            )
        loaded = load_model(model, weights, device, precision, registry, indexed)
        size = loaded.context
        if loaded.kind != "output":
            size = min(cli.positive("--window", window) or entry.window or size, size)
        batch = cli.positive("--batch-size", batch_size)
        scores = choose_scores([score], loaded.kind, "--score")
        settings = Settings(scores=scores, window=size, max_length=1, max_n=1.0, batch_size=batch, tracks=tuple(chosen))
        scorer = make_scorer(loaded, genome, settings, loci_table)
        rows = []
        for number, logo in enumerate(read_logos(loaded, scorer, regions, genome, size=size, batch_size=batch)):
            rows.append(logo.table())
            if number < most:
                parts = (logo.sequence, logo.probabilities, logo.information, logo.importance)
                draw_logo(logo.region.name, *parts, outdir / "figures", f"{scorer.names[0]}, turned")
            if progress:
                cli.console.print(f"{model}: {logo.region.name}", markup=False)
        notes = genome.notes
    parameters = {"bed": bed, "fasta": fasta, "score": scores[0], "window": size, "tracks": chosen}
    made_by = provenance("draw_logos.py", parameters, model=model, revision=loaded.revision)
    tables.write_table(pd.concat(rows).assign(model=model), outdir / "logos.tsv.gz")
    failed = [{"region": r.name, "status": r.status, "reason": r.reason} for r in regions if r.status != "ok"]
    tables.write_json(
        {"model": model, "regions": len(regions), "failed": failed, "provenance": made_by}, outdir / "logos.json"
    )
    for note in notes:
        cli.console.print(f"note: {note}", markup=False)
    cli.console.print(f"{model}: {len(rows)} of {len(regions)} regions.", markup=False)


if __name__ == "__main__":
    cli.run(app)
