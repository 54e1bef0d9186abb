"""The answer: what each word says, one row per claim and model, the order of the classes, and what was not tested."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from darkregulome.diagnosis.entries import MEANING
from darkregulome.io.records import VERDICTS, ClaimEntry
from darkregulome.report.content import Section
from darkregulome.report.findings import Findings, by_claim
from darkregulome.report.markup import MISSING, PARTS, model_name, number, plain, render

MEANINGS = MEANING | {"undecided": "these scores cannot tell; the words of the claim say why, and what would decide it"}
ORDER = ("Model", "Verdict", "Order raw and given composition", "Order raw and given predictability too", "Pairs")


def sections(findings: Findings) -> list[Section]:
    """The verdicts of the diagnosis and of the decomposition."""
    orders = findings.diagnosis.class_order
    claims = [*findings.diagnosis.claims, *findings.layer_claims]
    # Of classes the order is shown, and the pairs are folded away.
    names = {f"{model}|{pair}" for model, order in orders.items() for pair in order.pairs}
    pairs = [claim for claim in claims if claim.model in names]
    others = [claim for claim in claims if claim not in pairs]
    count = Counter([*(claim.verdict for claim in others), *(order.verdict for order in orders.values())])
    html = render(
        "verdicts.html",
        words=[(verdict, count[verdict], MEANINGS[verdict]) for verdict in VERDICTS],
        warnings=findings.diagnosis.warnings,
        claims=by_claim(others),
        orders=PARTS.table(ORDER, _orders(findings, pairs), {2, 3}) if orders else None,
        pairs=by_claim(pairs),
        not_tested=findings.diagnosis.not_tested,
    )
    return [
        Section(
            "verdicts",
            "Verdicts",
            "Each claim is asked three times: of the scores as they are (raw), given the composition, copies and "
            "repeats of the sequence, and given also how well the model predicts it. Each cell has the effect, [the "
            "interval that holds for every way of adjusting], and q, which is below 0.05 where chance hardly does it.",
            html,
        )
    ]


def _orders(findings: Findings, pairs: Sequence[ClaimEntry]) -> list[tuple[Any, ...]]:
    """One row per model: whether the order of its classes holds."""
    rows = []
    for model, order in findings.diagnosis.class_order.items():
        words = Counter(
            "not identifiable" if name in order.not_identifiable else word for name, word in order.pairs.items()
        )
        taus = [_tau(order.kendall_tau.get(rung)) for rung in ("trivial", "full")]
        rows.append(
            (model_name(model), PARTS.badge(order.verdict), *taus, plain({str(k): v for k, v in words.items()}))
        )
    return rows


def _tau(value: float | None) -> str:
    return MISSING if value is None else f"τ = {number(value)}"
