"""The elements of both genes of a pair score high."""

from darkregulome.claims.claim import Claim
from darkregulome.claims.sentences import say_contrast
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    pair = " and ".join(entry.details["pair"])
    return say_contrast(entry, f"Elements of {pair} score", "those of permuted maps")


CLAIM = Claim(
    name="protein_pair",
    title="Pairs of proteins",
    question="do the elements of both genes of a pair score high?",
    statistic="mean of the two genes' mean scores",
    unit="mean of both genes less permuted map, SD",
    floor=0.1,
    reference="0.25 SD",
    subject="the pair",
    say=_say,
    order=11,
)
