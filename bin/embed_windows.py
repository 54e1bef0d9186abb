#!/usr/bin/env python3
"""Embed windows with one model, map them, and compare their clusters with annotation."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli
from darkregulome.models.settings import ModelOptions
from darkregulome.scoring.settings import EmbeddingInputs, MapOfEmbeddings, asked_of

app = cli.script(
    help="Embed windows of a genome with one model (the mean of its last hidden states), map them by UMAP, cluster "
    "them by the Leiden algorithm, and compare the clusters with the windows' classes.",
    example="embed_windows.py --windows elements.parquet --fasta genome.fa.gz --model demo-caduceus --outdir results",
)


@cli.command(app)
def main(
    inputs: EmbeddingInputs,
    model: ModelOptions,
    outdir: Annotated[Path, typer.Option(help="Folder of the results.")],
    settings: MapOfEmbeddings,
    run: cli.Run,
) -> None:
    import numpy as np

    from darkregulome.genome.reference import Reference
    from darkregulome.io.provenance import provenance
    from darkregulome.io.schemas import EMBEDDINGS
    from darkregulome.io.tables import write_json, write_table
    from darkregulome.plots.embeddings import draw_map
    from darkregulome.scoring.embeddings.compare import compare, embedding_table, headline
    from darkregulome.scoring.embeddings.embed import composition, embed_windows
    from darkregulome.scoring.embeddings.windows import annotate, read_windows

    entry = model.entry()
    with Reference(inputs.fasta) as genome:
        windows = read_windows(inputs.windows, genome, inputs.label, inputs.max_n)
        if inputs.annotation is not None:
            windows = annotate(windows, inputs.annotation, genome)
        loaded = model.load(run.threads)
        size = inputs.window_for(loaded, entry)
        both = inputs.strands == "both"
        with cli.progress_bar(run.progress, model.model, total=1) as report:
            windows, embeddings = embed_windows(
                loaded, windows, genome, size=size, both_strands=both, batch_size=model.batch_size, progress=report
            )
        counts = np.stack(list(composition(windows, genome)))
        cli.note(genome.notes)
    asked = asked_of(inputs) | {"window": size, "precision": model.precision}
    made_by = provenance("embed_windows.py", asked, model=model.model, revision=loaded.revision)
    record, placed, enriched = compare(windows, embeddings, counts, settings)
    record = {"model": model.model, "dimensions": embeddings.shape[1], **record, "provenance": made_by}
    write_table(embedding_table(windows, embeddings, model.model), outdir / "embeddings.parquet", EMBEDDINGS, made_by)
    write_table(placed, outdir / "windows.tsv.gz")
    if len(enriched):
        write_table(enriched, outdir / "enrichment.tsv")
    draw_map(placed, enriched, outdir / "figures", run.seed)
    write_json(record, outdir / "clusters.json")
    cli.console.print(headline(record), markup=False)


if __name__ == "__main__":
    cli.run(app)
