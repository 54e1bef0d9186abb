"""Scores tell cCREs from other elements."""

from darkregulome.claims.claim import Claim
from darkregulome.claims.sentences import effect_with_interval
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    return (
        f"Scores tell cCREs from other elements with an AUC of {entry.raw.effect:.2f}",
        f"an AUC of {effect_with_interval(entry.residual)} remains",
    )


CLAIM = Claim(
    name="ccre_discrimination",
    title="cCRE discrimination",
    question="do scores tell cCREs from other elements?",
    statistic="contrast of ranks over its standard error between loci",
    unit="AUC, cCRE against other",
    floor=0.02,
    reference="an AUC of 0.57",
    subject="cCRE discrimination",
    say=_say,
    order=4,
    simulated={"demo-enformer": "survives"},
)
