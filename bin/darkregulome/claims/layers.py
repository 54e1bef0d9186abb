"""Language models and output models share a layer of elements beyond predictability."""

from darkregulome.claims.claim import Claim
from darkregulome.claims.sentences import say_overlap
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    return say_overlap(entry, "the language models and those of the output models")


CLAIM = Claim(
    name="layers",
    title="Layer shared by language and output models",
    question="do the language models and the output models of a run share their top elements?",
    statistic="elements common to the top lists of the language models' and the output models' mean scores",
    unit="overlap of the two kinds' lists beyond chance",
    floor=0.05,
    reference="an overlap of 0.1 beyond chance",
    subject="the shared layer",
    say=_say,
    order=6,
)
