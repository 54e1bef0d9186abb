"""The answer: one row per claim and model; then what could hardly have been seen, and what was not tested."""

from collections import Counter

from darkregulome.io.records import VERDICTS
from darkregulome.report.content import Section
from darkregulome.report.findings import Findings, by_claim
from darkregulome.report.markup import render


def sections(findings: Findings) -> list[Section]:
    """The verdicts of the diagnosis and of the decomposition."""
    claims = [*findings.diagnosis.claims, *findings.layer_claims]
    count = Counter(claim.verdict for claim in claims if claim.verdict is not None)
    html = render(
        "verdicts.html",
        tally={verdict: count[verdict] for verdict in VERDICTS},
        warnings=findings.diagnosis.warnings,
        claims=by_claim(claims),
        not_tested=findings.diagnosis.not_tested,
    )
    return [
        Section(
            "verdicts",
            "Verdicts",
            "What each claim does when it is tested on the scores as they are (raw) and on what is left of them once "
            "the predictability of the sequence is taken out (residual): effect, [95 % interval], q. Only a survivor "
            "may be news about regulation. A residual effect that is below its floor, or of the other sign than the "
            "raw effect, has q 1 here; the words then give its q whatever the size.",
            html,
        )
    ]
