#!/usr/bin/env python3
"""Test each claim about the scores, raw and residual, and say which survive."""

from pathlib import Path
from typing import Annotated

import typer

from darkregulome import cli

app = cli.script(
    help="Test each claim about influence scores, raw and after what predictability explains, and give verdicts. "
    "The scores may be ours or anybody's: element, model, ris[, predictability].",
    example="diagnose.py --elements elements.parquet --ris ris.parquet --outdir diagnosis",
)


@app.command()
def main(
    ris: Annotated[
        Path,
        typer.Option(
            help="Score table: element (or chrom, start, end), ris (or --score-column)[, model, predictability, kind]."
        ),
    ],
    outdir: Annotated[Path, typer.Option(help="Folder for diagnosis.json, tables and figures.")],
    elements: Annotated[
        Path | None, typer.Option(help="Element table or BED; by default the intervals of the score table.")
    ] = None,
    score_column: Annotated[str | None, typer.Option(help="Column of the score, where it is not called ris.")] = None,
    fasta: Annotated[Path | None, typer.Option(help="Reference: gives features that the elements lack.")] = None,
    gtf: Annotated[Path | None, typer.Option(help="Genes: give loci that the elements lack (the nearest TSS).")] = None,
    loci: Annotated[Path | None, typer.Option(help="Loci, in place of all genes of the GTF.")] = None,
    repeats: Annotated[
        Path | None, typer.Option(help="Repeats: give the repeat fraction that the elements lack.")
    ] = None,
    horizon: cli.Horizon = 10_000,
    permutations: cli.Permutations = 10_000,
    sequential: Annotated[
        int, typer.Option(min=0, help="Stop drawing after so many draws as extreme as the claim (20, say); 0: never.")
    ] = 0,
    null: cli.Null = "rotation",
    alpha: cli.Alpha = 0.05,
    top_fraction: cli.TopFraction = 0.1,
    bootstrap: cli.Bootstrap = 1000,
    track_floor: cli.TrackFloor = 0.01,
    residualize: cli.Residualize = "linear",
    beyond_location: Annotated[
        bool, typer.Option(help="Test the class hierarchy after location is taken out too.")
    ] = False,
    model_cards: cli.ModelCards = None,
    calibration: Annotated[
        list[Path] | None,
        typer.Option(help="calibration.json of calibrate.py: its power in place of the analytic one; repeat."),
    ] = None,
    seed: cli.Seed = 0,
    threads: cli.Threads = 1,
    progress: cli.Progress = True,
    version: cli.Version = False,
) -> None:
    from threadpoolctl import threadpool_limits

    from darkregulome.conversion.convert import read_any_scores
    from darkregulome.diagnosis.diagnose import diagnose
    from darkregulome.diagnosis.output import settings_from, write_diagnosis
    from darkregulome.diagnosis.simulated_power import read_simulated_power
    from darkregulome.elements.class_map import default_class_map
    from darkregulome.elements.own import Around
    from darkregulome.io.model_cards import models_without_grammar, notes_of_strangers

    settings = settings_from(
        horizon=horizon,
        permutations=permutations,
        sequential=sequential,
        null=null,
        alpha=alpha,
        top_fraction=top_fraction,
        bootstrap=bootstrap,
        track_floor=track_floor,
        residualize=residualize,
        beyond_location=beyond_location,
        without_grammar=models_without_grammar(model_cards or []),
        seed=seed,
    )
    settings = settings.model_copy(update={"simulated_power": read_simulated_power(calibration or [], settings)})
    given = read_any_scores(elements, ris, score_column, Around(fasta, gtf, loci, repeats, default_class_map()))
    given.notes.extend(notes_of_strangers(settings.without_grammar, given.ris["model"]))
    # Warnings are said even where progress is not wanted.
    for note in given.notes:
        cli.console.print(note, markup=False)
    with threadpool_limits(1):
        diagnosis = diagnose(given.elements, given.ris, settings, threads)
    diagnosis.record["notes"] = given.notes
    for warning in diagnosis.record["warnings"]:
        cli.console.print(warning, markup=False)
    for skipped in diagnosis.record["not_tested"]:
        cli.console.print(f"  not tested  {skipped['model']}: {skipped['claim']}: {skipped['reason']}", markup=False)
    write_diagnosis(diagnosis, outdir, {"elements": elements, "ris": ris})
    if progress:
        for claim in diagnosis.record["claims"]:
            cli.console.print(f"{claim['verdict']:>12}  {claim['model']}: {claim['sentence']}", markup=False)


if __name__ == "__main__":
    cli.run(app)
