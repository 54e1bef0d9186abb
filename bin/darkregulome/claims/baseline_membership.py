"""The features of predictability alone tell the top elements."""

from darkregulome.claims.claim import Claim
from darkregulome.claims.sentences import effect_with_interval
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    top = f"{100 * settings.top_fraction:g} %"
    return (
        f"The features alone tell the top {top} of elements with an AUC of {entry.raw.effect:.3f}",
        f"{effect_with_interval(entry.residual, 3)} is left of it",
    )


CLAIM = Claim(
    name="baseline_membership",
    title="Top decile from features alone",
    question="do the six features alone tell the top elements?",
    statistic="the features' held-out discriminant for the top tenth",
    unit="out-of-fold AUC",
    floor=0.2,
    reference="an AUC of 0.70",
    subject="membership by features",
    say=_say,
    order=3,
)
