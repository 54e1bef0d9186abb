"""What a calibration is asked to do, checked: elements, worlds, claims, and the autocorrelation of the noise."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from darkregulome.diagnosis.calibration_input import correlations_of, words_of
from darkregulome.diagnosis.planted import estimate_score_model, example_elements, unscored
from darkregulome.diagnosis.scores import join_scores
from darkregulome.errors import InputError
from darkregulome.io.schemas import ELEMENTS, RIS
from darkregulome.io.tables import read_table
from darkregulome.stats.noise import geometric
from darkregulome.verdicts.calibrate import Asked, plantable
from darkregulome.verdicts.scores import LadderScores
from darkregulome.verdicts.settings import WorldPlan
from darkregulome.verdicts.worlds import Design, all_worlds


@dataclass(frozen=True)
class Plan:
    """What is asked; `parameters` are what the record says of it."""

    asked: list[Asked]
    parameters: dict[str, Any]


def calibration_input(plan: WorldPlan, seed: int) -> Plan:
    """Read and check everything.

    Raises
    ------
    InputError
        A word is unknown, a number is none, or the tables do not fit.
    """
    worlds, claims = all_worlds(), plantable()
    wanted = words_of("--worlds", plan.worlds, worlds)
    counted = words_of("--claims", plan.claims, claims)
    if plan.ris is not None and plan.elements is None:
        raise InputError.at("--ris", "is given without --elements", "give the elements that the scores are of")
    table = (
        example_elements(plan.loci, plan.per_locus, seed)
        if plan.elements is None
        else read_table(plan.elements, ELEMENTS)
    )
    name = None
    if plan.ris is None:
        scores = on_elements(table)
        designs = [
            Design(scores, geometric(rho), label=f"autocorrelation {rho:g}")
            for rho in correlations_of(plan.autocorrelation)
        ]
    else:
        scored = {one.name: one for one in join_scores(table, read_table(plan.ris, RIS))}
        name = plan.model or next(iter(scored))
        if name not in scored:
            raise InputError.at("--model", f"{name!r} is not in the score table", f"choose from {', '.join(scored)}")
        like = estimate_score_model(scored[name])
        designs = [Design(LadderScores.of(scored[name]), like.autocorrelation, like.locus_sd, f"as {name}")]
    asked = [Asked(worlds[world], claims[claim], design) for claim in counted for world in wanted for design in designs]
    loci = designs[0].scores.loci
    size = {"n": loci.n, "n_loci": loci.count}
    return Plan(asked, {"claims": counted, "worlds": wanted, "model": name, **size})


def on_elements(table: pd.DataFrame) -> LadderScores:
    """Elements without scores, for worlds to score."""
    table = unscored(table.drop(columns=["ris", "predictability"], errors="ignore"))
    return LadderScores("drawn", "masked", "llr", table, "own", {})
