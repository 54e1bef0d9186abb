"""What a calibration is asked to do, checked: elements, worlds, claims, and the autocorrelation of the noise."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pandas as pd

from darkregulome.diagnosis.calibrate import Asked, plantable
from darkregulome.diagnosis.example import example_elements, noise_like, unscored
from darkregulome.diagnosis.scores import ModelScores, join_scores
from darkregulome.diagnosis.settings import CalibrationPlan
from darkregulome.diagnosis.worlds import Design, all_worlds
from darkregulome.errors import InputError
from darkregulome.io.schemas import ELEMENTS, RIS
from darkregulome.io.tables import read_table
from darkregulome.stats.noise import geometric


@dataclass(frozen=True)
class Plan:
    """What is asked; `parameters` are what the record says of it."""

    asked: list[Asked]
    parameters: dict[str, Any]


def calibration_input(plan: CalibrationPlan, seed: int) -> Plan:
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
        designs = [Design(scored[name], *noise_like(scored[name]), f"as {name}")]
    asked = [
        Asked(worlds[world], claims[claim], design)
        for claim in counted
        for world in wanted
        if worlds[world].asks(claim)
        for design in designs
    ]
    if not asked:
        raise InputError.at("--claims", f"has none that {plan.worlds} can be asked about", "use horizon")
    loci = designs[0].scores.loci
    size = {"n": loci.n, "n_loci": loci.count}
    return Plan(asked, {"claims": counted, "worlds": wanted, "model": name, **size})


def on_elements(table: pd.DataFrame) -> ModelScores:
    """Elements without scores, for worlds to score."""
    table = unscored(table.drop(columns=["ris", "predictability"], errors="ignore"))
    return ModelScores("drawn", "masked", "llr", table, "own", {})


def words_of(option: str, text: str, choices: Collection[str]) -> list[str]:
    """The words of an option, by comma, each one of the choices; InputError where one is not."""
    words = list(choices) if text == "all" else [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in choices]
    if unknown or not words:
        raise InputError.at(option, f"names {', '.join(map(repr, unknown)) or 'nothing'}", f"use {', '.join(choices)}")
    return words


def correlations_of(text: str) -> list[float]:
    """Autocorrelations by comma; InputError where one is none."""
    try:
        values = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        values = []
    if not values or not all(0 <= value < 1 for value in values):
        raise InputError.at("--autocorrelation", f"is {text!r}", "give numbers from 0 up to 1, by comma")
    return values
