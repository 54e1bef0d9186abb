"""What was planted in a simulated genome, and what a sound analysis of it must therefore find."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from darkregulome.claims.claim import all_claims
from darkregulome.io.schemas import CLASSES
from darkregulome.simulate import biology
from darkregulome.simulate.genome import SimulatedGenome

OF_CONSEQUENCE = {"horizon": ("survives", "hinges")}
"""Verdicts of a claim where what is constrained is predictable: its scores cannot tell one from the other."""


def expected_verdicts(plant: str = "regulation") -> list[dict[str, Any]]:
    """Verdicts, one of which a run must reach, where something is planted. Where nothing is, no claim may survive."""
    others = OF_CONSEQUENCE if plant == "consequence" else {}
    return [
        {"claim": claim.name, "model": model, "verdict": list(others.get(claim.name, verdicts))}
        for claim in all_claims()
        for model, verdicts in claim.simulated.items()
    ]


def truth(genome: SimulatedGenome, facts: dict[str, Any]) -> dict[str, Any]:
    """The record of `truth.json`: planted, seed, flank, horizon, expected verdicts, and measured facts.

    `facts` are added to those measured here.
    """
    return {
        "planted": not genome.null,
        "seed": genome.seed,
        "flank": genome.flank,
        "horizon": biology.HORIZON,
        "expected": [] if genome.null else expected_verdicts(genome.plant),
        "words": {"activators": list(biology.ACTIVATORS), "structural": list(biology.STRUCTURALS)},
        "pairing": None if genome.null else _pairing(genome.plant),
        "te_families": {family.name: family.divergence for family in biology.families()},
        "facts": {**measure(genome), **facts},
    }


def _pairing(plant: str) -> dict[str, Any]:
    """How bases are paired near the TSS and far from it."""
    rules = {zone: asdict(biology.pairing_of(zone == "near", plant)) for zone in ("near", "far")}
    return {"turn": biology.TURN, **rules}


def measure(genome: SimulatedGenome) -> dict[str, Any]:
    """What the finished genome holds: counts, shares by zone, and how expression follows the cCREs."""
    elements, loci = genome.elements, genome.loci
    zones = {"near": elements["near"], "far": ~elements["near"]}
    is_te = elements["class"] == "TE"
    others = [name for name in CLASSES if name != "TE"]
    drivers = (elements["strict"] & elements["active"]).groupby(elements["locus"]).sum()
    return {
        "loci": len(loci),
        "contigs": len(genome.contigs),
        "bases": sum(len(sequence) for sequence in genome.contigs.values()),
        "elements": len(elements),
        "classes": {name: int((elements["class"] == name).sum()) for name in CLASSES},
        "te_share": {zone: _round(is_te[inside].mean()) for zone, inside in zones.items()},
        "class_shares_of_non_te": {
            zone: {name: _round((elements.loc[inside & ~is_te, "class"] == name).mean()) for name in others}
            for zone, inside in zones.items()
        },
        "intact_words_share": {zone: _intact_share(elements[inside & ~is_te]) for zone, inside in zones.items()},
        "active_ccres_and_log_cage_correlation": _correlation(
            drivers.reindex(loci["locus"]).to_numpy(), np.log1p(loci["cage"])
        ),
    }


def _intact_share(elements: pd.DataFrame) -> float | None:
    words = elements["words"].sum()
    return _round(elements["intact"].sum() / words) if words else None


def _correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    if len(first) < 3 or np.std(first) == 0 or np.std(second) == 0:
        return None
    return _round(np.corrcoef(first, second)[0, 1])


def _round(value: float) -> float:
    return round(float(value), 4)
