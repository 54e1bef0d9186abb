#!/usr/bin/env python3
"""Embed windows with one model, map them, and compare their clusters with annotation."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    help="Embed windows of a genome with one model (the mean of its last hidden states), map them by UMAP, cluster "
    "them by the Leiden algorithm, and compare the clusters with the windows' classes.",
    example="embed_windows.py --windows elements.parquet --fasta genome.fa.gz --model demo-caduceus --outdir results",
)


@app.command()
def main(
    windows: Annotated[
        Path,
        typer.Option(help="Windows: a BED with the class in column 4, or a table of elements (chrom, start, end)."),
    ],
    fasta: cli.Fasta,
    model: cli.Model,
    outdir: Annotated[Path, typer.Option(help="Folder of the results.")],
    label: Annotated[
        str | None, typer.Option(help="Column of the table that holds the class; class by default.")
    ] = None,
    annotation: Annotated[
        Path | None, typer.Option(help="BED: a window's class is the name (column 4) that covers most of it.")
    ] = None,
    weights: cli.Weights = None,
    registry: cli.Registry = None,
    window: cli.Window = "auto",
    strands: cli.Strands = "both",
    max_n: cli.MaxN = 0.5,
    neighbours: Annotated[int, typer.Option(min=2, help="Nearest neighbours of a window in the map.")] = 15,
    min_distance: Annotated[float, typer.Option(min=0, max=1, help="UMAP: least distance of points in the map.")] = 0.1,
    resolution: Annotated[float, typer.Option(min=0.01, help="Leiden: higher gives more clusters.")] = 1.0,
    permutations: cli.Permutations = 9999,
    batch_size: cli.BatchSize = "auto",
    device: cli.Device = "auto",
    precision: cli.Precision = "fp32",
    threads: cli.Threads = 1,
    seed: cli.Seed = 0,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    import numpy as np
    import torch

    from darkregulome.genome.reference import Reference
    from darkregulome.io.provenance import provenance
    from darkregulome.io.schemas import EMBEDDINGS
    from darkregulome.io.tables import write_json, write_table
    from darkregulome.models.registry import find_entry, load_model
    from darkregulome.plots.embeddings import draw_map
    from darkregulome.scoring.embeddings.compare import Settings, compare, embedding_table
    from darkregulome.scoring.embeddings.embed import composition, embed_windows
    from darkregulome.scoring.embeddings.windows import annotate, read_windows

    cli.one_of("--strands", strands, ("both", "forward"))
    torch.set_num_threads(threads)
    entry = find_entry(model, weights, registry)
    settings = Settings(neighbours, min_distance, resolution, permutations, seed)
    with Reference(fasta) as genome:
        chosen = read_windows(windows, genome, label, max_n)
        if annotation is not None:
            chosen = annotate(chosen, annotation, genome)
        loaded = load_model(model, weights, device, precision, registry)
        size = loaded.context
        if loaded.kind != "output":
            size = min(cli.positive("--window", window) or entry.window or size, size)
        with cli.progress_bar(progress, model, total=1) as report:
            chosen, embeddings = embed_windows(
                loaded,
                chosen,
                genome,
                size=size,
                both_strands=strands == "both",
                batch_size=cli.positive("--batch-size", batch_size),
                progress=report,
            )
        counts = np.stack(list(composition(chosen, genome)))
        notes = genome.notes
    parameters = {
        "windows": windows,
        "fasta": fasta,
        "annotation": annotation,
        "label": label,
        "window": size,
        "strands": strands,
        "max_n": max_n,
        "precision": precision,
    }
    made_by = provenance("embed_windows.py", parameters, model=model, revision=loaded.revision)
    record, placed, enriched = compare(chosen, embeddings, counts, settings)
    record = {"model": model, "dimensions": embeddings.shape[1], **record, "provenance": made_by}
    write_table(embedding_table(chosen, embeddings, model), outdir / "embeddings.parquet", EMBEDDINGS, made_by)
    write_table(placed, outdir / "windows.tsv.gz")
    if len(enriched):
        write_table(enriched, outdir / "enrichment.tsv")
    draw_map(placed, enriched, outdir / "figures", seed)
    write_json(record, outdir / "clusters.json")
    for note in notes:
        cli.console.print(f"note: {note}", markup=False)
    agreement = record.get("adjusted_rand")
    said = (
        f"adjusted Rand index {agreement['embedding']:.3f} (composition alone {agreement['composition']:.3f})"
        if agreement
        else "no two classes to compare with"
    )
    count = f"{record['embedded']} of {record['windows']} windows, {record['clusters']} clusters"
    cli.console.print(f"{model}: {count}; {said}.", markup=False)


if __name__ == "__main__":
    cli.run(app)
