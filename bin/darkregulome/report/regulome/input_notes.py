"""What was worked out or could not be known of scores that are not ours."""

from darkregulome.report.content import Section
from darkregulome.report.findings import Findings
from darkregulome.report.markup import PARTS


def sections(findings: Findings) -> list[Section]:
    """Notes on the input; warnings first."""
    if not findings.diagnosis.notes:
        return []
    notes = sorted(findings.diagnosis.notes, key=lambda note: not note.startswith("WARNING"))
    return [
        Section(
            "input_notes",
            "What the scores came with",
            "The scores are another tool's. What their tables lacked was worked out, or could not be; read the "
            "verdicts with this in mind.",
            PARTS.notes(notes),
        )
    ]
