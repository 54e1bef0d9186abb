"""What a calibration is asked to do, checked: elements, truths, claims, and the model of the scores."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from darkregulome.diagnosis.calibrate import Condition, counted_names
from darkregulome.diagnosis.planted import (
    Design,
    ScoreModel,
    estimate_score_model,
    example_elements,
    make_design,
    truths,
)
from darkregulome.diagnosis.scores import join_scores
from darkregulome.diagnosis.settings import CalibrationPlan
from darkregulome.errors import InputError
from darkregulome.io.schemas import ELEMENTS, RIS
from darkregulome.io.tables import read_table
from darkregulome.stats.noise import geometric


@dataclass(frozen=True)
class Plan:
    """Elements, conditions and claims of a calibration; `parameters` are what its record says of them."""

    design: Design
    conditions: list[Condition]
    claims: list[str]
    parameters: dict[str, Any]


def calibration_input(asked: CalibrationPlan, seed: int) -> Plan:
    """Read and check everything.

    Raises
    ------
    InputError
        A word is unknown, a number is none, or the tables do not fit.
    """
    every = truths()
    wanted = words_of("--truths", asked.truths, every)
    counted = words_of("--claims", asked.claims, counted_names())
    elements, ris = asked.elements, asked.ris
    if ris is not None and elements is None:
        raise InputError.at("--ris", "is given without --elements", "give the elements that the scores are of")
    table = example_elements(asked.loci, asked.per_locus, seed) if elements is None else read_table(elements, ELEMENTS)
    if table["distance"].isna().any():
        remedy = "give elements with a distance (convert_scores.py --gtf works it out)"
        raise InputError.at(elements, "has elements whose distance from the TSS is not known", remedy)
    if ris is None:
        design = make_design(table)
        name = None
        models = {
            f"autocorrelation {rho:g}": ScoreModel(geometric(rho), r2=asked.r2, skew=asked.skew)
            for rho in correlations_of(asked.autocorrelation)
        }
    else:
        scored = {one.name: one for one in join_scores(table, read_table(ris, RIS))}
        name = asked.model or next(iter(scored))
        if name not in scored:
            raise InputError.at("--model", f"{name!r} is not in the score table", f"choose from {', '.join(scored)}")
        one = scored[name]
        own = one.table.set_index("element")["predictability"].dropna()
        design = make_design(table[table["element"].isin(one.table["element"])], own if len(own) else None)
        models = {f"as {name}": replace(estimate_score_model(one), skew=asked.skew)}
    conditions = [
        Condition(every[truth], label, score_model) for truth in wanted for label, score_model in models.items()
    ]
    described = {
        label: {"lag1": (*one.autocorrelation, 0.0)[1], "locus_sd": one.locus_sd, "r2": one.r2, "skew": one.skew}
        for label, one in models.items()
    }
    size = {"n": design.language.loci.n, "n_loci": design.language.loci.count}
    return Plan(design, conditions, counted, {"claims": counted, "model": name, "score_models": described, **size})


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
