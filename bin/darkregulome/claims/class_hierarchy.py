"""Classes of elements differ."""

from darkregulome.claims.claim import Claim
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    order = " > ".join(entry.details["raw"]["order"])
    explained, left = (100 * max(side.effect or 0.0, 0.0) for side in (entry.raw, entry.residual))
    return f"Class explains {explained:.1f} % of the variance of scores ({order})", f"{left:.1f} % remains"


CLAIM = Claim(
    name="class_hierarchy",
    title="Class hierarchy",
    question="do classes of elements differ?",
    statistic="between-class share of within-locus variance",
    unit="eta squared beyond chance",
    floor=0.01,
    reference="two groups of classes 0.25 SD apart",
    subject="the class hierarchy",
    say=_say,
    order=2,
    simulated={"demo-caduceus": "collapses", "demo-hyena": "collapses"},
)
