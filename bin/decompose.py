#!/usr/bin/env python3
"""Compare the models' rankings, raw and residual, and divide the elements into layers."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    help="Rank agreement and overlap of top lists between models, raw and residual, and the layer of each element: "
    "what the likelihood models share, and what only an output model keeps.",
    example="decompose.py --elements elements.parquet --ris ris.parquet --outdir decomposition",
)


@app.command()
def main(
    elements: cli.Elements,
    ris: cli.Ris,
    outdir: Annotated[Path, typer.Option(help="Folder for decomposition.json, tables and figures.")],
    top: cli.TopFraction = 0.1,
    alpha: cli.Alpha = 0.05,
    permutations: cli.Permutations = 10_000,
    null: cli.Null = "rotation",
    bootstrap: cli.Bootstrap = 1000,
    residualize: cli.Residualize = "linear",
    model_cards: cli.ModelCards = None,
    seed: cli.Seed = 0,
    threads: cli.Threads = 1,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    from threadpoolctl import threadpool_limits

    from darkregulome.diagnosis.decompose import decompose
    from darkregulome.diagnosis.output import read_scores, settings_from, write_decomposition
    from darkregulome.io.model_cards import models_without_grammar

    settings = settings_from(
        permutations=permutations,
        null=null,
        alpha=alpha,
        bootstrap=bootstrap,
        residualize=residualize,
        top_fraction=top,
        without_grammar=models_without_grammar(model_cards or []),
        seed=seed,
    )
    element_table, ris_table = read_scores(elements, ris)
    with threadpool_limits(threads):
        decomposition = decompose(element_table, ris_table, settings)
    write_decomposition(decomposition, outdir, {"elements": elements, "ris": ris})
    for warning in decomposition.record["warnings"]:
        cli.console.print(warning, markup=False)
    if progress:
        for claim in decomposition.record["claims"]:
            cli.console.print(f"{claim['verdict']:>12}  {claim['sentence']}", markup=False)
        for layer, content in decomposition.record["layers"].items():
            cli.console.print(f"{content['n']:>8}  {layer}", markup=False)


if __name__ == "__main__":
    cli.run(app)
