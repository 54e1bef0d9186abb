"""Elements near the TSS score otherwise than those farther out."""

from darkregulome.claims.claim import Claim
from darkregulome.claims.sentences import say_contrast
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    return say_contrast(entry, f"Scores within {settings.horizon / 1000:g} kb of the TSS are", "farther out")


CLAIM = Claim(
    name="horizon",
    title="Regulatory horizon",
    question="do elements near the TSS score otherwise than those farther out?",
    statistic="near (10 kb or less from the TSS) less far, within loci (a regression with locus effects)",
    unit="near less far, SD",
    floor=0.1,
    reference="0.25 SD",
    subject="the horizon",
    say=_say,
    order=1,
    simulated={"demo-caduceus": "survives", "demo-hyena": "survives"},
)
