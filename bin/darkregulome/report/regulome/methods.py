"""The methods of a run, from its claims, its null and its settings, for a reader who has only the report."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from darkregulome import __version__
from darkregulome.claims.claim import claim_names, find_claim
from darkregulome.diagnosis.settings import Settings
from darkregulome.errors import InputError
from darkregulome.report.content import Section
from darkregulome.report.findings import Findings, by_claim, flatten
from darkregulome.report.markup import definitions, number, render
from darkregulome.stats.nulls import find_null

FITS = {
    "linear": "a linear regression",
    "quadratic": "a regression on the features and their squares",
    "splines": "a regression on splines of the features",
    "boosting": "gradient boosting",
}
"""How features are taken out, by the word of `Settings.residualize`."""


def sections(findings: Findings) -> list[Section]:
    """Definitions, the claims that were tested, and the parameters of the run."""
    parameters = dict(findings.diagnosis.parameters)
    settings = _settings(parameters)
    checks = {f"cross-check {check.check}": check.parameters for check in findings.cross_checks if check.parameters}
    html = render(
        "methods.html",
        settings=settings,
        fit=FITS[settings.residualize],
        null=find_null(settings.null).sentence,
        claims=_claims(findings),
        parameters=definitions({"darkregulome": __version__, **flatten(parameters | checks)}),
    )
    return [Section("methods", "Methods", "What the words of this report mean.", html)]


def _settings(parameters: Mapping[str, Any]) -> Settings:
    """The settings that the diagnosis was made with; the usual ones for what the file does not say."""
    try:
        return Settings.model_validate({name: parameters[name] for name in Settings.model_fields if name in parameters})
    except ValidationError as error:
        names = ", ".join(str(misfit["loc"][0]) for misfit in error.errors())
        problem = f"has parameters of another version ({names})"
        raise InputError.at("the diagnosis", problem, "run diagnose.py of this version again") from error


def _claims(findings: Findings) -> list[tuple[str, str, str, str, str]]:
    """Name, question, floor with unit, reference effect and null of each claim that the run tested."""
    rows = []
    for name, entries in by_claim(findings.claims).items():
        claim = find_claim(name) if name in claim_names() else None
        floor = f"{number(entries[0].floor)} ({entries[0].unit})"
        rows.append((name, claim.question if claim else "", floor, claim.reference if claim else "", entries[0].null))
    return rows
