"""What has no score, with the reason."""

from darkregulome.report.content import Section
from darkregulome.report.findings import Findings
from darkregulome.report.markup import plain, render

MOST_ROWS = 500
"""Rows of failures shown; the files hold them all."""


def sections(findings: Findings) -> list[Section]:
    """Failures by file, and elements without a score by model; the section says also that there is none."""
    unscored = [
        (name, status, plain(count))
        for name, model in findings.diagnosis.models.items()
        for status, count in model.without_score.items()
        if count
    ]
    if not findings.failed and not unscored:
        return []
    files = [
        (path.name, len(frame), list(frame.columns), frame.head(MOST_ROWS).to_numpy().tolist())
        for path, frame in findings.failed.items()
        if not frame.empty
    ]
    return [
        Section(
            "failed",
            "Not scored",
            "Loci and elements that were given and have no score, with the reason. The run went on without them.",
            render("failed.html", files=files, unscored=unscored, most=MOST_ROWS),
        )
    ]
