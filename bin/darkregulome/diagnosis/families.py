"""Cross-check: which families of transposable elements score apart from other elements like theirs."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from darkregulome.diagnosis.cross_check import CrossCheck, match_elements, prepared_models, run_check
from darkregulome.diagnosis.diagnose import Prepared, Sides, track_floor
from darkregulome.diagnosis.settings import Settings
from darkregulome.errors import InputError
from darkregulome.io.records import rounded
from darkregulome.stats import claims
from darkregulome.stats.claims import NotTestable, Tested
from darkregulome.stats.loci import Bools
from darkregulome.stats.randomness import generator

LEVELS = ("family", "subclass")
MINIMUM_MEMBERS = 20
"""A family with fewer elements is not tested."""
MOST_IMBALANCE = 0.25
"""Largest standardised difference after matching with which a comparison is trusted (Stuart 2010, Stat Sci 25:1)."""


def families_of(elements: pd.DataFrame, level: str) -> pd.Series:
    """The family of each transposable element, by element; empty for the others, and where the table names none.

    Raises
    ------
    InputError
        There is no such level.
    """
    if level not in LEVELS:
        raise InputError.at("--level", f"is {level!r}", f"use {' or '.join(LEVELS)}")
    if level not in elements.columns:
        return pd.Series(pd.NA, index=elements["element"])
    names = elements[level].where(elements["class"] == "TE")
    return pd.Series(names.where(~names.isin([".", "none", ""])).to_numpy(), index=elements["element"])


def check_families(
    elements: pd.DataFrame,
    ris: pd.DataFrame,
    settings: Settings,
    level: str = "family",
    min_members: int = MINIMUM_MEMBERS,
) -> CrossCheck:
    """Do the members of a family score apart from transposable elements of other families that are like them?

    Controls are matched in length, GC, distance and predictability. A family with no others like it (`MOST_IMBALANCE`)
    is not tested: its mark could be its predictability. Where matching succeeds, the raw difference is free of the
    features already, so the residual's p-value is the larger of both: a difference that only the residual shows comes
    from the regression. One claim a family and model; the family of tests is all of them.
    """
    family_of = families_of(elements, level)
    counts = family_of.value_counts()
    tested = sorted(counts.index[counts >= min_members])
    notes = [f"{len(tested)} of {len(counts)} families have {min_members} elements or more and are tested."]
    prepared, skipped = prepared_models(elements, ris, settings)

    def test_of(family: str):
        def test(one: Prepared) -> tuple[Tested, Tested, dict[str, Any]]:
            members = (one.scores.table["element"].map(family_of) == family).to_numpy(dtype=bool)
            sides, balance = family_sides(one, members, family, settings)
            details = {"family": family, "n_members": int(members.sum()), "balance": balance}
            return sides.raw, sides.residual, details

        return test

    tests = {name: test_of(name) for name in tested}
    null = "matched draws and rotation"
    record = run_check("families", null, prepared, skipped, settings, tests, claim="te_family", floor=track_floor)
    record["notes"] = notes
    record["families"] = {str(name): int(count) for name, count in counts.items()}
    table = elements[["element", "locus", "chrom", "start", "end", "class"]].assign(family=family_of.to_numpy())
    return CrossCheck(
        rounded(record), table[table["family"].notna()].reset_index(drop=True), _profile(record["claims"])
    )


def family_sides(one: Prepared, members: Bools, family: str, settings: Settings) -> tuple[Sides, list[dict[str, Any]]]:
    """Members of a family (shape (n,)) less matched elements of others, raw and residual; balance of the matching.

    Raises
    ------
    NotTestable
        No other elements are like them, or there are too few members.
    """
    matches, balance = match_elements(one, members)
    worst = max(balance, key=lambda row: abs(row["after"]), default=None)
    if worst is not None and abs(worst["after"]) > MOST_IMBALANCE:
        raise NotTestable(
            f"no other elements are like them in {worst['covariate'].replace('_', ' ')} "
            f"(standardised difference {worst['after']:.1f} after matching)"
        )
    name = one.scores.name
    raw, residual = (
        claims.matched_contrast(values, matches, one.setting, generator(settings.seed, "family", family, name))
        for values in (one.raw, one.residual)
    )
    return Sides(raw, replace(residual, p=max(raw.p, residual.p))), balance


def _profile(entries: list[dict[str, Any]]) -> pd.DataFrame:
    """One row a family and model, for the table and the figure."""
    columns = ["family", "model", "n_members", "raw", "raw_q", "residual", "low", "high", "residual_q", "verdict"]
    rows = [
        (
            *(entry["details"]["family"], entry["model"].split("|")[0], entry["details"]["n_members"]),
            *(entry["raw"]["effect"], entry["raw"]["q"], entry["residual"]["effect"]),
            *(*(np.nan if bound is None else bound for bound in entry["interval"]), entry["residual"]["q"]),
            entry["verdict"],
        )
        for entry in entries
    ]
    return pd.DataFrame(rows, columns=columns)
