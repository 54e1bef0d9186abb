"""What each verdict rests on: the gates that had to be open, and how strong an unmeasured cause would have to be."""

from collections.abc import Mapping
from typing import Any

from darkregulome.diagnosis.decision import LEAST_LEFT_OVER, LEAST_RELIABLE, MOST_RESIDUAL_AUC, NEEDED_RELIABLE
from darkregulome.diagnosis.entries import TRIVIALLY_KNOWN
from darkregulome.io.records import ClaimEntry
from darkregulome.report.content import Section
from darkregulome.report.findings import Findings
from darkregulome.report.markup import (
    MISSING,
    PARTS,
    claim_title,
    definitions,
    feature_name,
    model_name,
    number,
    plain,
    table,
)

HEADERS = (
    *("Claim", "Model", "Verdict", "Left to compare", "Still told", "Stable", "Reliability"),
    *("vanishes at", "Hidden cause", "in units of"),
)
WORDS = {
    "Left to compare": f"Share of what is tested that the features do not already tell; below {LEAST_LEFT_OVER:g} the "
    f"two cannot be told apart. Given {TRIVIALLY_KNOWN}; given predictability too.",
    "Still told": "How well the features still tell high from low scores once they are adjusted for (AUC; 0.5 is not "
    f"at all); above {MOST_RESIDUAL_AUC:g} the adjustment has failed.",
    "Stable": "Whether the effect stays without any single locus, and with extreme scores pulled in.",
    "Reliability": "Of the measured predictability, from its two halves: 1 is without error. Below "
    f"{NEEDED_RELIABLE:g} nothing survives, below {LEAST_RELIABLE:g} nothing is said; a dash where the halves are not "
    "known, so that no error was corrected.",
    "vanishes at": "The reliability at which the effect would fall to its floor; a dash where none is.",
    "Hidden cause": "How much of both sides something unmeasured would have to explain (partial R²) to bring the "
    "effect to nothing (robustness value); a dash where the features tell what is tested.",
    "in units of": "The same as a multiple of what the strongest measured feature explains, and its name; none where "
    "that is less than 0.001.",
}


def sections(findings: Findings) -> list[Section]:
    """One row per claim and model with a verdict."""
    rows = [_row(claim) for claim in findings.claims if claim.verdict is not None and claim.gates]
    if not rows:
        return []
    html = table(HEADERS, rows, numeric=range(3, len(HEADERS)))
    return [
        Section(
            "gates",
            "What each verdict rests on",
            "A verdict is given only if the features leave something to compare, if the adjustment has worked, and if "
            "no single locus carries the effect. The last columns say how easily something unmeasured could undo it.",
            html + PARTS.details("What the columns say", definitions(WORDS)),
        )
    ]


def _row(claim: ClaimEntry) -> tuple[Any, ...]:
    gates, sensitivity = claim.gates, claim.sensitivity
    return (
        claim_title(claim.claim),
        model_name(claim.model),
        PARTS.badge(claim.verdict),
        _both(gates, "left_over"),
        _both(gates, "residual_auc"),
        plain(gates.get("stable")),
        number(gates.get("reliability"), 2),
        number(sensitivity.get("reliability_where_it_vanishes"), 2),
        number(sensitivity.get("robustness_value"), 2),
        _multiple(sensitivity),
    )


def _multiple(sensitivity: Mapping[str, Any]) -> str:
    if "robustness_value" not in sensitivity:
        return MISSING
    times = sensitivity.get("in_units_of_it")
    if times is None:
        return "no measured feature matters"
    return f"{number(times)} × {feature_name(str(sensitivity['strongest_feature']))}"


def _both(gates: Mapping[str, Any], name: str) -> str:
    return "; ".join(number(gates[key], 2) for key in (f"{name}_trivial", f"{name}_full") if key in gates)
