"""A family of transposable elements scores apart from others like it."""

from darkregulome.claims.claim import Claim
from darkregulome.claims.sentences import say_contrast
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    family = entry.details["family"]
    return say_contrast(entry, f"Elements of {family} score", "matched ones of other families")


CLAIM = Claim(
    name="te_family",
    title="Families of transposable elements",
    question="does a family of transposable elements score apart from others like it?",
    statistic="elements of a family less matched ones of other families",
    unit="family less matched elements, SD",
    floor=0.1,
    reference="0.25 SD",
    subject="the family's mark",
    say=_say,
    order=9,
)
