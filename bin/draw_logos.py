#!/usr/bin/env python3
"""Draw logos of what a model predicts, and of ISM, for the regions of a BED."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.models.settings import TrackModelOptions
from darkregulome.scoring.settings import LogoSettings

app = cli.script(
    help="Logos of regions: of the distributions that a language model predicts at each base while it is masked, by "
    "their information in bits, and of ISM, for any model. One figure per region (SVG and PNG), and a table of all "
    "bases.",
    example="draw_logos.py --bed promoters.bed --fasta genome.fa.gz --model demo-caduceus --outdir logos",
)


@cli.command(app)
def main(
    bed: Annotated[Path, typer.Option(help="Regions: BED, or a table with chrom, start, end; 500 bases each at most.")],
    fasta: cli.Fasta,
    model: TrackModelOptions,
    outdir: Annotated[Path, typer.Option(help="Folder of the results.")],
    settings: LogoSettings,
    run: cli.Run,
) -> None:
    import pandas as pd

    from darkregulome.genome.reference import Reference
    from darkregulome.io import schemas, tables
    from darkregulome.io.provenance import provenance
    from darkregulome.plots.logos import draw_logo
    from darkregulome.scoring.logos import read_logos, read_regions
    from darkregulome.scoring.variants.score import make_scorer

    names, indexed = cli.track_names(model.tracks)
    loci = None if settings.loci is None else tables.read_table(settings.loci, schemas.LOCI)
    entry = model.entry()
    with Reference(fasta) as genome:
        regions = read_regions(bed, genome)
        loaded = model.load(run.threads, indexed)
        settled = settings.settle(loaded, entry, names, model.batch_size)
        scorer = make_scorer(loaded, genome, settled, loci)
        rows = []
        for number, logo in enumerate(read_logos(loaded, scorer, regions, genome, settled)):
            rows.append(logo.table())
            if number < settings.max_regions:
                parts = (logo.sequence, logo.probabilities, logo.information, logo.importance)
                draw_logo(logo.region.name, *parts, outdir / "figures", f"{scorer.names[0]}, turned")
            run.say(f"{model.model}: {logo.region.name}")
        cli.note(genome.notes)
    asked = {"bed": bed, "fasta": fasta, "score": settled.scores[0], "window": settled.window, "tracks": names}
    made_by = provenance("draw_logos.py", asked, model=model.model, revision=loaded.revision)
    tables.write_table(pd.concat(rows).assign(model=model.model), outdir / "logos.tsv.gz")
    failed = [{"region": r.name, "status": r.status, "reason": r.reason} for r in regions if r.status != "ok"]
    record = {"model": model.model, "regions": len(regions), "failed": failed, "provenance": made_by}
    tables.write_json(record, outdir / "logos.json")
    cli.console.print(f"{model.model}: {len(rows)} of {len(regions)} regions.", markup=False)


if __name__ == "__main__":
    cli.run(app)
