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
from darkregulome.report.markup import definitions, render
from darkregulome.stats.nulls import find_null


def sections(findings: Findings) -> list[Section]:
    """Definitions, the claims that were tested, and the parameters of the run."""
    parameters = dict(findings.diagnosis.parameters)
    settings = _settings(parameters)
    checks = {f"cross-check {check.check}": check.parameters for check in findings.cross_checks if check.parameters}
    html = render(
        "methods.html",
        settings=settings,
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


def _claims(findings: Findings) -> list[tuple[str, str, str, float | None, float | None, str]]:
    """Name, question, unit, floor, margin and null of each claim that the run tested."""
    rows = []
    for name, entries in by_claim(findings.claims).items():
        question = find_claim(name).question if name in claim_names() else ""
        first = entries[0]
        rows.append((name, question, first.unit, first.floor, first.margin, first.null))
    return rows
