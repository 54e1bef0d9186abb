"""What each model is, and whether it has learnt anything that could be diagnosed."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from darkregulome.io.model_cards import knows_grammar
from darkregulome.report.content import Section
from darkregulome.report.findings import Findings
from darkregulome.report.markup import MISSING, PARTS, feature_name, heading, model_name, number, plain, table
from darkregulome.report.records import ModelCard, ModelSummary

FEATURES = ("Model", "Adjusted for", "Not used", "Predictability from", "Its error")


def sections(findings: Findings) -> list[Section]:
    """One row per model: of the diagnosis, and of the model cards."""
    summaries, cards = findings.diagnosis.models, {card.model: card for card in findings.cards}
    names = list(dict.fromkeys([*summaries, *cards]))
    if not names:
        return []
    orders = sorted(
        {order for card in cards.values() for order in card.markov_loss}, key=lambda order: (len(order), order)
    )
    headers = ["Model", "Kind", "Elements", "R², composition", "R², predictability too", "Top tenth told"]
    if cards:
        headers += ["Held-out loss", f"Markov, order {', '.join(orders)}", "In motifs, around them"]
    headers.append("In words")
    rows = [
        (
            model_name(name),
            *_numbers(summary, card),
            *(_losses(card, orders) if cards else ()),
            " ".join([card_statement(card), *summary.notes]).strip(),
        )
        for name in names
        for summary, card in [(summaries.get(name, ModelSummary()), cards.get(name, ModelCard()))]
    ]
    html = table(headers, rows, numeric=range(2, len(headers) - 1))
    if summaries:
        html += heading("Features") + table(FEATURES, [_features(name, one) for name, one in summaries.items()])
    commands = [(name, Markup("<code>{}</code>").format(card.command)) for name, card in cards.items() if card.command]
    if commands:
        html += PARTS.details("Commands that trained them", table(("model", "command"), commands))
    return [
        Section(
            "models",
            "Models",
            "Losses of language models in nats per base on sequence that training did not see, and those of Markov "
            "models of the same sequence (ln 4 = 1.386 is a guess). R²: part of the variance of RIS that composition, "
            "copies and repeats explain on held-out elements, and with predictability too (below zero: nothing). Top "
            "tenth told: how well these features alone tell the highest scores (AUC; 0.5 is not at all).",
            html,
        )
    ]


def _numbers(summary: ModelSummary, card: ModelCard) -> tuple[str, ...]:
    """Kind, number of elements, R² by rung, and AUC of the top tenth from features."""
    kind = summary.kind or str((card.model_extra or {}).get("kind", ""))
    told = "; ".join(number(auc, 2) for auc in summary.top_tenth_from_features.values()) or MISSING
    return kind, plain(summary.n), *(number(summary.r2.get(rung)) for rung in ("trivial", "full")), told


def _features(name: str, summary: ModelSummary) -> tuple[Any, ...]:
    """Which features were used, which were not, where predictability is from, and whether its error is known."""
    own = {"own": "this model", "none": "not measured", "": MISSING}
    dropped = plain({feature_name(one): why for one, why in summary.dropped_features.items()}) or MISSING
    halves = {True: "corrected, from its two halves", False: "not known: its halves were not measured"}
    known = MISSING if summary.halves is None or summary.predictability_source == "none" else halves[summary.halves]
    source = own.get(summary.predictability_source, summary.predictability_source)
    return model_name(name), plain([*map(feature_name, summary.features)]), dropped, source, known


def _losses(card: ModelCard, orders: Sequence[str]) -> tuple[str, str, str]:
    """Losses of the model, of the Markov models by order, and of the model inside and outside of motifs."""
    motifs: Mapping[str, Any] = card.motif_loss if isinstance(card.motif_loss, Mapping) else {}
    return (
        number(card.heldout_loss, 4),
        _joined([card.markov_loss.get(order) for order in orders]),
        _joined([motifs.get("inside"), motifs.get("outside")]),
    )


def _joined(values: Sequence[float | None]) -> str:
    """Losses next to each other; a dash where there is none."""
    return ", ".join(number(value, 4) for value in values) if any(value is not None for value in values) else MISSING


def card_statement(card: ModelCard) -> str:
    """In words: does the model beat its Markov baselines, and does it know the planted grammar?"""
    statements = []
    baselines = [loss for loss in card.markov_loss.values() if loss is not None]
    if card.heldout_loss is not None and baselines:
        comparison = "better than every" if card.heldout_loss < min(baselines) else "no better than a"
        statements.append(f"Predicts {comparison} Markov model.")
    knows = knows_grammar(card.motif_loss)
    if knows is not None:
        statements.append(
            "Knows the grammar." if knows else "Does not know the grammar: nothing of it can be called absent."
        )
    correlation = (card.model_extra or {}).get("heldout_pearson_tss")
    if isinstance(correlation, list) and correlation:
        values = ", ".join(number(value, 2) for value in correlation)
        statements.append(f"Held-out correlation at the TSS: {values}.")
    return " ".join(statements)
