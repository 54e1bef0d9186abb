"""Scores are linked to conservation."""

from darkregulome.claims.claim import Claim
from darkregulome.claims.sentences import effect_with_interval
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    return (
        f"Scores and conservation have a rank correlation of {entry.raw.effect:.2f}",
        f"{effect_with_interval(entry.residual)} remains",
    )


CLAIM = Claim(
    name="conservation",
    title="Conservation",
    question="are scores linked to conservation, beyond what predictability explains of both?",
    statistic="correlation within loci: of ranks, of what features leave of their normal scores",
    unit="rank correlation",
    floor=0.05,
    reference="a correlation of 0.1",
    subject="the link to conservation",
    say=_say,
    order=7,
)
