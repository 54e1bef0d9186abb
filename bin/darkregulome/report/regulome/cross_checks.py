"""Claims that were tested against data from outside the genome sequence."""

from darkregulome.report.content import Section
from darkregulome.report.findings import Findings, by_claim
from darkregulome.report.markup import render


def sections(findings: Findings) -> list[Section]:
    """All cross-checks in one table, with what was not tested and what each check notes."""
    checks = findings.cross_checks
    claims = [claim for check in checks for claim in check.claims]
    not_tested = [item for check in checks for item in check.not_tested]
    if not claims and not not_tested:
        return []
    html = render(
        "cross_checks.html",
        warnings=[warning for check in checks for warning in check.warnings],
        claims=by_claim(claims),
        not_tested=not_tested,
        notes=[(check.check, note) for check in checks for note in check.notes],
    )
    return [
        Section(
            "cross_checks",
            "Cross-checks",
            "The scores against data that no model has seen. The question, the floor and the null of each claim stand "
            "under Methods, at the end.",
            html,
        )
    ]
