"""Elements that hold an eQTL of their own gene score apart from matched elements."""

from darkregulome.claims.claim import Claim
from darkregulome.claims.sentences import say_contrast
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    return say_contrast(entry, "Elements that hold an eQTL score", "matched elements")


CLAIM = Claim(
    name="eqtl",
    title="eQTLs of the same gene",
    question="do elements that hold an eQTL of their own gene score higher than matched ones?",
    statistic="elements with an eQTL of their own gene less matched controls",
    unit="eQTL less matched elements, SD",
    floor=0.1,
    reference="0.25 SD",
    subject="the eQTL enrichment",
    say=_say,
    order=8,
    simulated={"demo-enformer": "survives"},
)
