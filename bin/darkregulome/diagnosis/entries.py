"""A tested claim, its verdict and its sentence, as they stand in the JSON."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from darkregulome.diagnosis.settings import FLOORS, REFERENCES, Settings
from darkregulome.diagnosis.simulated_power import power_by_simulation
from darkregulome.stats.claims import Tested
from darkregulome.stats.verdict import (
    MINIMUM_POWER,
    Evidence,
    above_floors,
    benjamini_hochberg,
    counted_p,
    counts,
    decide,
    sign_flip,
)

UNITS = {
    "horizon": "near less far, SD",
    "class_hierarchy": "eta squared beyond chance",
    "baseline_membership": "out-of-fold AUC",
    "ccre_discrimination": "AUC, cCRE against other",
    "list_overlap": "overlap beyond chance",
    "layers": "overlap of the two kinds' lists beyond chance",
    "eqtl": "eQTL less matched elements, SD",
    "conservation": "rank correlation",
    "network": "correlation of linked genes' scores beyond degree",
    "te_family": "family less matched elements, SD",
    "protein_pair": "mean of both genes less permuted map, SD",
}


@dataclass(frozen=True)
class ClaimResult:
    """One claim on one model (or pair), raw and residual, before the family is known.

    Attributes
    ----------
    residual_sd : within-locus SD of the residual, in the readout's units: turns a contrast in SD into natural units.
    track_floor : least effect in those units; None where the readout has no floor.
    """

    claim: str
    model: str
    raw: Tested
    residual: Tested
    n: int
    n_loci: int
    null: str
    residual_sd: float
    track_floor: float | None
    details: dict[str, Any] = field(default_factory=dict)


def entries(results: Sequence[ClaimResult], settings: Settings) -> list[dict[str, Any]]:
    """Adjust the family, raw and residual apart, decide each claim, and write each entry.

    In the residual's family a claim that its floor or its sign stops has p 1 (`counted_p`).
    """
    simulated = [
        power_by_simulation(result.claim, result.model, result.n, result.n_loci, settings) for result in results
    ]
    evidence = [_evidence(result, power) for result, power in zip(results, simulated, strict=True)]
    residual_p = np.array([result.residual.p for result in results])
    counted = counted_p(residual_p, np.array([counts(one) for one in evidence], dtype=bool))
    raw_q = benjamini_hochberg(np.array([result.raw.p for result in results]))
    residual_q, any_q = benjamini_hochberg(counted), benjamini_hochberg(residual_p)
    return [
        _entry(
            result,
            replace(
                evidence[i],
                raw_q=float(raw_q[i]),
                residual_q=float(residual_q[i]),
                residual_q_any=float(any_q[i]),
            ),
            settings,
            by_simulation=simulated[i] is not None,
        )
        for i, result in enumerate(results)
    ]


def _evidence(result: ClaimResult, simulated: float | None) -> Evidence:
    """What a verdict rests on, but for the family's q; with the analytic power where none is `simulated`."""
    return Evidence(
        raw_q=float("nan"),
        residual_q=float("nan"),
        raw_sign=result.raw.sign,
        residual_sign=result.residual.sign,
        magnitude=result.residual.magnitude,
        floor=FLOORS[result.claim],
        power=result.residual.power if simulated is None else simulated,
        natural=result.residual.contrast * result.residual_sd,
        natural_floor=result.track_floor,
    )


def _entry(result: ClaimResult, evidence: Evidence, settings: Settings, by_simulation: bool) -> dict[str, Any]:
    verdict = decide(evidence, settings.alpha)
    details = dict(result.details)
    unlearnt = [name for name in re.split(r"[|+]", result.model) if name in settings.without_grammar]
    if unlearnt and verdict == "absent":
        # A model that has not learnt the grammar cannot show what the grammar does.
        verdict = "underpowered"
        details["without_grammar"] = unlearnt
    details["raw"], details["residual"] = result.raw.details, result.residual.details
    if by_simulation:
        details["analytic_power"] = result.residual.power
    details["sign_flip"] = sign_flip(evidence)
    details["above_floors"] = above_floors(evidence)
    if result.track_floor is not None:
        details["track_effect_log2"], details["track_floor_log2"] = evidence.natural, result.track_floor
    entry = {
        "claim": result.claim,
        "model": result.model,
        "unit": UNITS[result.claim],
        "raw": _numbers(result.raw, evidence.raw_q),
        "residual": _numbers(result.residual, evidence.residual_q) | {"q_any": evidence.residual_q_any},
        "effect": result.residual.effect,
        "interval": list(result.residual.interval),
        "null": result.null,
        "n": result.n,
        "n_loci": result.n_loci,
        "power": evidence.power,
        "floor": result.residual.neutral + FLOORS[result.claim],
        "verdict": verdict,
        "details": details,
    }
    entry["sentence"] = sentence(entry, settings)
    return rounded(entry)


def power_warnings(written: Sequence[dict[str, Any]]) -> list[str]:
    """Claims that these elements could hardly show, one sentence a claim, with the models it is so for."""
    weak: dict[str, list[str]] = {}
    for entry in written:
        if entry["power"] is not None and entry["power"] < MINIMUM_POWER:
            simulated = " by simulation" if "analytic_power" in entry["details"] else ""
            weak.setdefault(entry["claim"], []).append(f"{entry['model']} {entry['power']:.2f}{simulated}")
    return [
        f"WARNING: {claim} is underpowered at this size: the power to see {REFERENCES[claim]} is {', '.join(models)}. "
        "Where it is not found, nothing is shown."
        for claim, models in weak.items()
    ]


def _numbers(tested: Tested, q: float) -> dict[str, Any]:
    return {
        "statistic": tested.statistic,
        "p": tested.p,
        "q": q,
        "effect": tested.effect,
        "interval": list(tested.interval),
    }


def rounded(value: Any, digits: int = 6) -> Any:
    """Floats to `digits` significant digits: the last bits of a sum depend on threads and libraries."""
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item, digits) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{float(value):.{digits}g}") if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value


# -- sentences -------------------------------------------------------------------------------------------------------


def sentence(entry: dict[str, Any], settings: Settings) -> str:
    """One plain sentence for a reader who is no statistician."""
    raw, rest = _SAYING[entry["claim"]](entry, settings)
    verdict, details = entry["verdict"], entry["details"]
    subject = _SUBJECT[entry["claim"]]
    chance = _q(entry["residual"]["q_any" if _stopped(details) else "q"])
    remains = f"{rest} after what predictability explains ({chance})"
    if verdict == "survives":
        return f"{raw}, and {remains}: {subject} survives."
    if verdict == "underpowered" and "without_grammar" in details:
        return (
            f"{raw}; {remains}, but by its card {' and '.join(details['without_grammar'])} does not know the grammar: "
            f"nothing can be said of {subject}."
        )
    if verdict == "underpowered":
        return (
            f"{raw}; {remains}, but these data could hardly show an effect of the stated size "
            f"({_power(entry['power'])}): nothing can be said of {subject}."
        )
    if verdict == "absent":
        return f"{raw} ({_q(entry['raw']['q'])}); {remains}: {subject} is absent."
    return f"{raw}, but {remains}{_why(entry, details, settings)}: {subject} collapses."


def _why(entry: dict[str, Any], details: dict[str, Any], settings: Settings) -> str:
    """Why a residual that is not chance still does not count."""
    if not entry["residual"]["q_any"] < settings.alpha or not _stopped(details):
        return ""
    if details["sign_flip"]:
        return ", the other way round"
    if "track_effect_log2" in details and abs(details["track_effect_log2"]) < details["track_floor_log2"]:
        return f", a change of {abs(details['track_effect_log2']):.2g} log2 units, too small to be measured"
    return ", less than the floor"


def _stopped(details: dict[str, Any]) -> bool:
    """True where the residual's sign or a floor keeps the claim from surviving, whatever its p."""
    return bool(details["sign_flip"]) or not details["above_floors"]


def _q(q: float | None) -> str:
    return "q not known" if q is None or not np.isfinite(q) else f"q = {q:.2g}"


def _power(power: float) -> str:
    return f"power {power:.2f}" if np.isfinite(power) else "power not known"


def _span(numbers: dict[str, Any], digits: int = 2) -> str:
    low, high = numbers["interval"]
    if low is None or high is None or not (np.isfinite(low) and np.isfinite(high)):
        return f"{numbers['effect']:.{digits}f}"
    return f"{numbers['effect']:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _contrast(entry: dict[str, Any], these: str, those: str) -> tuple[str, str]:
    """A difference in SD: ``<these> 0.30 SD higher than <those>``, and what remains of it."""
    effect = entry["raw"]["effect"]
    direction = "higher" if effect >= 0 else "lower"
    return f"{these} {abs(effect):.2f} SD {direction} than {those}", f"{_span(entry['residual'])} SD remains"


def _overlap(entry: dict[str, Any], whose: str) -> tuple[str, str]:
    """What two top lists share, and what their residuals' do."""
    raw = entry["details"]["raw"]
    return (
        f"The top {raw['k']} elements of {whose} share {raw['overlap']} ({raw['expected_by_chance']:.0f} by chance)",
        f"{entry['details']['residual']['overlap']} are shared",
    )


def _say_horizon(entry: dict[str, Any], settings: Settings) -> tuple[str, str]:
    return _contrast(entry, f"Scores within {settings.horizon / 1000:g} kb of the TSS are", "farther out")


def _say_classes(entry: dict[str, Any], settings: Settings) -> tuple[str, str]:
    order = " > ".join(entry["details"]["raw"]["order"])
    return (
        f"Class explains {100 * max(entry['raw']['effect'], 0):.1f} % of the variance of scores ({order})",
        f"{100 * max(entry['residual']['effect'], 0):.1f} % remains",
    )


def _say_baseline(entry: dict[str, Any], settings: Settings) -> tuple[str, str]:
    top = f"{100 * settings.top_fraction:g} %"
    return (
        f"The features alone tell the top {top} of elements with an AUC of {entry['raw']['effect']:.3f}",
        f"{_span(entry['residual'], 3)} is left of it",
    )


def _say_ccre(entry: dict[str, Any], settings: Settings) -> tuple[str, str]:
    return (
        f"Scores tell cCREs from other elements with an AUC of {entry['raw']['effect']:.2f}",
        f"an AUC of {_span(entry['residual'])} remains",
    )


def _say_lists(entry: dict[str, Any], settings: Settings) -> tuple[str, str]:
    first, second = entry["model"].split("|")
    return _overlap(entry, f"{first} and {second}")


def _say_layers(entry: dict[str, Any], settings: Settings) -> tuple[str, str]:
    return _overlap(entry, "the language models and those of the output models")


def _say_eqtl(entry: dict[str, Any], settings: Settings) -> tuple[str, str]:
    return _contrast(entry, "Elements that hold an eQTL score", "matched elements")


def _say_conservation(entry: dict[str, Any], settings: Settings) -> tuple[str, str]:
    return (
        f"Scores and conservation have a rank correlation of {entry['raw']['effect']:.2f}",
        f"{_span(entry['residual'])} remains",
    )


def _say_network(entry: dict[str, Any], settings: Settings) -> tuple[str, str]:
    details = entry["details"]["raw"]
    return (
        f"Scores of linked genes have a correlation of {details['assortativity']:.2f} "
        f"({details['expected_by_degree']:.2f} in networks of the same degrees)",
        f"{_span(entry['residual'])} beyond degree remains",
    )


def _say_family(entry: dict[str, Any], settings: Settings) -> tuple[str, str]:
    return _contrast(entry, f"Elements of {entry['details']['family']} score", "matched ones of other families")


def _say_pair(entry: dict[str, Any], settings: Settings) -> tuple[str, str]:
    return _contrast(entry, f"Elements of {' and '.join(entry['details']['pair'])} score", "those of permuted maps")


_SAYING = {
    "horizon": _say_horizon,
    "class_hierarchy": _say_classes,
    "baseline_membership": _say_baseline,
    "ccre_discrimination": _say_ccre,
    "list_overlap": _say_lists,
    "layers": _say_layers,
    "eqtl": _say_eqtl,
    "conservation": _say_conservation,
    "network": _say_network,
    "te_family": _say_family,
    "protein_pair": _say_pair,
}
_SUBJECT = {
    "horizon": "the horizon",
    "class_hierarchy": "the class hierarchy",
    "baseline_membership": "membership by features",
    "ccre_discrimination": "cCRE discrimination",
    "list_overlap": "the overlap",
    "layers": "the shared layer",
    "eqtl": "the eQTL enrichment",
    "conservation": "the link to conservation",
    "network": "the link to the network",
    "te_family": "the family's mark",
    "protein_pair": "the pair",
}
