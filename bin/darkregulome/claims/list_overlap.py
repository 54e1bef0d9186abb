"""A language model and an output model share their top elements."""

from darkregulome.claims.claim import Claim
from darkregulome.claims.sentences import say_overlap
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    first, second = entry.model.split("|")
    return say_overlap(entry, f"{first} and {second}")


CLAIM = Claim(
    name="list_overlap",
    title="Overlap of top lists",
    question="do a language model and an output model share their top elements?",
    statistic="elements common to two top lists",
    unit="overlap beyond chance",
    floor=0.05,
    reference="an overlap of 0.1 beyond chance",
    subject="the overlap",
    say=_say,
    order=5,
)
