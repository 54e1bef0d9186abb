"""What the simulated genome was built to give, against what was found."""

from darkregulome.report.content import Section
from darkregulome.report.findings import Findings, flatten
from darkregulome.report.markup import definitions, render


def sections(findings: Findings) -> list[Section]:
    """Planted against found; none where the genome is not simulated."""
    truth = findings.truth
    if truth is None:
        return []
    verdicts = {(claim.claim, claim.model): claim.verdict for claim in findings.claims}
    if truth.planted:
        rows = [
            (item.claim, item.model, item.verdicts, verdicts.get((item.claim, item.model))) for item in truth.expected
        ]
        what = "The genome of this run is simulated, so the answer is known beforehand."
    else:
        rows = [(*names, [], verdict) for names, verdict in verdicts.items() if verdict is not None]
        what = "Nothing was planted in the simulated genome of this run, so nothing may survive."
    facts = {**({} if truth.seed is None else {"seed": truth.seed}), **flatten(truth.facts)}
    html = render(
        "planted.html",
        rows=[(*row, _as_planted(*row[2:])) for row in rows],
        right=sum(_as_planted(*row[2:]) for row in rows),
        untested=sum(verdict is None for *_, verdict in rows),
        facts=definitions(facts) if facts else None,
    )
    return [Section("planted", "Planted against found", what, html)]


def _as_planted(expected: list[str], verdict: str | None) -> bool:
    """Whether a verdict is one of the expected; where none is named, whether the claim did not survive."""
    return verdict in expected if expected else verdict not in ("survives", None)
