"""Genes linked in a protein network score alike."""

from darkregulome.claims.claim import Claim
from darkregulome.claims.sentences import effect_with_interval
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry


def _say(entry: ClaimEntry, settings: Settings) -> tuple[str, str]:
    details = entry.details["raw"]
    return (
        f"Scores of linked genes have a correlation of {details['assortativity']:.2f} "
        f"({details['expected_by_degree']:.2f} in networks of the same degrees)",
        f"{effect_with_interval(entry.residual)} beyond degree remains",
    )


CLAIM = Claim(
    name="network",
    title="Protein network",
    question="do genes linked in a protein network score alike, beyond their numbers of links?",
    statistic="correlation of the scores of linked genes",
    unit="correlation of linked genes' scores beyond degree",
    floor=0.1,
    reference="a correlation of 0.3",
    subject="the link to the network",
    say=_say,
    order=10,
)
