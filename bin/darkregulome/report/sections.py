"""The sections of the report, in the order in which a reviewer reads them, as MultiQC custom content."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from darkregulome.io.model_cards import knows_grammar
from darkregulome.io.tables import write_json
from darkregulome.report.agreement import agreement_sections
from darkregulome.report.content import Section
from darkregulome.report.figures import GROUPS, figures_html, grouped_figures
from darkregulome.report.markup import (
    MISSING,
    STYLE,
    badge,
    claim_name,
    definitions,
    interval,
    model_name,
    number,
    plain,
    probability,
    render,
    table,
)
from darkregulome.report.methods import flatten, methods_html
from darkregulome.report.records import VERDICTS, Claim, CrossCheck, Diagnosis, ModelCard, NotTested, Outcome, Truth

MOST_ROWS = 500
"""Rows of failures shown; the files hold them all."""

SHARES = {
    "predictability": ("predictability alone", "#2166ac"),
    "shared": ("shared", "#92c5de"),
    "annotation": ("annotation alone", "#1b7837"),
    "unexplained": ("unexplained", "#d9d9d9"),
}


@dataclass(frozen=True)
class Findings:
    """All that a report is made of; only the diagnosis must be there."""

    diagnosis: Diagnosis
    decomposition: Mapping[str, Any] | None = None
    cross_checks: Sequence[CrossCheck] = ()
    truth: Truth | None = None
    failed: Mapping[Path, pd.DataFrame] = field(default_factory=dict)
    cards: Sequence[ModelCard] = ()
    figures: Sequence[Path] = ()

    @property
    def claims(self) -> list[Claim]:
        """Every claim, the diagnosis' first."""
        return [
            *self.diagnosis.claims,
            *self.layer_claims,
            *(claim for check in self.cross_checks for claim in check.claims),
        ]

    @property
    def layer_claims(self) -> list[Claim]:
        """What the decomposition claims: whether language and output models share a layer."""
        return [Claim.model_validate(entry) for entry in (self.decomposition or {}).get("claims", [])]


def report_sections(findings: Findings) -> list[Section]:
    """Every section that there is something to say in, first things first."""
    figures = _figure_sections(findings.figures)
    shares = shares_section(findings.diagnosis)
    agreement = agreement_sections(findings.decomposition)
    # What the reader can hover over is not shown a second time as a picture.
    if shares is not None:
        figures.pop("shares", None)
    if any(section.plot_type == "heatmap" for section in agreement):
        figures.pop("rank_agreement", None)
    ordered = [
        verdict_section(findings.diagnosis, findings.layer_claims),
        input_notes_section(findings.diagnosis),
        planted_section(findings.truth, findings.claims),
        figures.pop("horizon", None),
        shares,
        *(figures.pop(group, None) for group in ("shares", "classes", "ladder", "effects", "nulls", "lists")),
        figures.pop("rank_agreement", None),
        *agreement,
        cross_check_section(findings.cross_checks),
        figures.pop("cross_check_figures", None),
        figures.pop("other_figures", None),
        models_section(findings.diagnosis, findings.cards),
        failed_section(findings.failed, findings.diagnosis),
        methods_section(findings),
    ]
    return [section for section in ordered if section is not None]


def write_sections(sections: Sequence[Section], folder: str | Path) -> list[Path]:
    """Write one `<id>_mqc.json` a section; the paths, in order."""
    paths = [Path(folder) / f"{section.file_id}_mqc.json" for section in sections]
    for section, path in zip(sections, paths, strict=True):
        write_json(section.content(), path)
    return paths


def verdict_section(diagnosis: Diagnosis, layers: Sequence[Claim] = ()) -> Section:
    """The answer: one row a claim and model; then what could hardly have been seen."""
    claims = [*diagnosis.claims, *layers]
    count = Counter(claim.verdict for claim in claims if claim.verdict is not None)
    tally = Markup('<p class="dr-tally">{}</p>').format(
        Markup("").join(
            Markup('{}<span class="dr-count">{}</span>').format(badge(verdict), count[verdict]) for verdict in VERDICTS
        )
    )
    return Section(
        "verdicts",
        "Verdicts",
        "What each claim does when it is tested on the scores as they are (raw) and on what is left of them once the "
        "predictability of the sequence is taken out (residual): effect, [95 % interval], q. Only a survivor "
        "may be news about regulation. A residual effect that is below its floor, or turned over, has q 1 here; the "
        "words then give its q whatever the size.",
        "html",
        str(
            STYLE
            + tally
            + warnings_list(diagnosis.warnings)
            + claims_table(claims)
            + not_tested_table(diagnosis.not_tested)
        ),
    )


def warnings_list(warnings: Sequence[str]) -> Markup:
    """Claims that these elements could hardly show; nothing where there is none."""
    items = Markup("").join(Markup("<li>{}</li>").format(warning) for warning in warnings)
    return Markup('<ul class="dr-text">{}</ul>').format(items) if items else Markup("")


def input_notes_section(diagnosis: Diagnosis) -> Section | None:
    """What was worked out or could not be known of scores that are not ours; warnings first."""
    if not diagnosis.notes:
        return None
    notes = sorted(diagnosis.notes, key=lambda note: not note.startswith("WARNING"))
    items = Markup("").join(Markup("<li>{}</li>").format(note) for note in notes)
    return Section(
        "input_notes",
        "What the scores came with",
        "The scores are another tool's. What their tables lacked was worked out, or could not be; read the verdicts "
        "with this in mind.",
        "html",
        str(Markup('<ul class="dr-text">{}</ul>').format(items)),
    )


def claims_table(claims: Sequence[Claim]) -> Markup:
    """Claims in order of first mention, the models of each below one another."""
    groups: dict[str, list[Claim]] = {}
    for claim in claims:
        groups.setdefault(claim.claim, []).append(claim)
    return render(
        _CLAIMS,
        groups=[
            (claim_name(name), [(claim, model_name(claim.model), badge(claim.verdict)) for claim in group])
            for name, group in groups.items()
        ],
        outcome=_outcome,
    )


_CLAIMS = """<div class="dr-scroll"><table class="dr-table"><thead><tr>
<th>Claim</th><th>Model</th><th class="dr-number">Raw</th><th class="dr-number">Residual</th>
<th>Verdict</th><th>In words</th>
</tr></thead><tbody>
{% for name, group in groups %}
{% for claim, model, verdict in group %}
<tr>
{% if loop.first %}
<td rowspan="{{ loop.length }}">{{ name }}</td>
{% endif %}
<td>{{ model }}</td>
<td class="dr-number">{{ outcome(claim.raw) }}</td>
<td class="dr-number">{{ outcome(claim.residual, claim) }}</td>
<td>{{ verdict }}</td>
<td class="dr-words">{{ claim.sentence }}
{%- if claim.unit %}<br><span class="dr-small">Effect: {{ claim.unit }}.</span>{% endif %}</td>
</tr>
{% endfor %}
{% endfor %}
</tbody></table></div>"""


def _outcome(outcome: Outcome, claim: Claim | None = None) -> Markup:
    """An effect with its interval, and q below; those of the claim where the outcome has none of its own."""
    effect = claim.effect if outcome.effect is None and claim else outcome.effect
    bounds = claim.interval if outcome.interval is None and claim else outcome.interval
    name, chance = ("p", outcome.p) if outcome.q is None and outcome.p is not None else ("q", outcome.q)
    return render(
        '{{ effect }}<br><span class="dr-small">{% if bounds %}{{ bounds }}<br>{% endif %}'
        "{{ name }} = {{ chance }}</span>",
        effect=number(effect),
        bounds=interval(bounds),
        name=name,
        chance=probability(chance),
    )


def not_tested_table(items: Sequence[NotTested]) -> Markup:
    """Claims that could not be tested, and why; nothing where there is none."""
    if not items:
        return Markup("")
    rows = [(claim_name(item.claim), model_name(item.model), item.reason) for item in items]
    return Markup("<h4>Not tested</h4>") + table(("Claim", "Model", "Reason"), rows)


def planted_section(truth: Truth | None, claims: Sequence[Claim]) -> Section | None:
    """What the simulated genome was built to give, against what was found."""
    if truth is None:
        return None
    found = {(claim.claim, claim.model): claim.verdict for claim in claims}
    rows: list[tuple[str, str, list[str] | None, str | None]]
    if truth.planted:
        rows = [(item.claim, item.model, item.verdicts, found.get((item.claim, item.model))) for item in truth.expected]
        what = "The genome of this run is simulated, so the answer is known beforehand."
    else:
        rows = [(name, model, None, verdict) for (name, model), verdict in found.items() if verdict is not None]
        what = "Nothing was planted in the simulated genome of this run, so nothing may survive."
    right = sum(_matches(expected, verdict) for *_, expected, verdict in rows)
    untested = sum(verdict is None for *_, verdict in rows)
    tally = f"{right} of {len(rows)} as planted" + (f", {untested} not tested" if untested else "")
    cells = [
        (
            claim_name(name),
            model_name(model),
            Markup("must not survive") if expected is None else Markup(" or ").join(map(badge, expected)),
            MISSING_VERDICT if verdict is None else badge(verdict),
            _mark(expected, verdict),
        )
        for name, model, expected, verdict in rows
    ]
    html = render("<p><b>{{ tally }}.</b></p>", tally=tally)
    html += table(("Claim", "Model", "Planted", "Found", ""), cells)
    facts = {**({} if truth.seed is None else {"seed": truth.seed}), **flatten(truth.facts)}
    if facts:
        html += Markup("<details><summary>What was planted</summary>{}</details>").format(definitions(facts))
    return Section("planted", "Planted against found", what, "html", str(html))


MISSING_VERDICT = Markup('<span class="dr-badge dr-unjudged">not tested</span>')


def _matches(expected: list[str] | None, verdict: str | None) -> bool:
    if verdict is None:
        return False
    return verdict != "survives" if expected is None else verdict in expected


def _mark(expected: list[str] | None, verdict: str | None) -> Markup:
    if verdict is None:
        return Markup('<span class="dr-untested">– not tested</span>')
    if _matches(expected, verdict):
        return Markup('<span class="dr-tick">✓ as planted</span>')
    return Markup('<span class="dr-cross">✗ differs</span>')


def shares_section(diagnosis: Diagnosis) -> Section | None:
    """Variance shares of each model's RIS, as stacked bars in per cent."""
    data = {
        str(escape(name)): {share: 100 * value for share in SHARES if (value := model.shares.get(share)) is not None}
        for name, model in diagnosis.models.items()
    }
    data = {name: shares for name, shares in data.items() if shares}
    if not data:
        return None
    return Section(
        "shares",
        "Variance shares",
        "How much of the variance of RIS is explained by the predictability of the sequence alone, by annotation "
        "(class and distance) alone, by both without telling them apart, and by neither.",
        "bargraph",
        data,
        pconfig={
            "title": "Variance of RIS explained",
            "ylab": "% of the variance",
            "ysuffix": " %",
            "tt_decimals": 1,
            "cpswitch": False,
            "stacking": "relative",
            "sort_samples": False,
            "hide_zero_cats": False,
        },
        extra={"categories": {share: {"name": name, "color": color} for share, (name, color) in SHARES.items()}},
    )


def cross_check_section(checks: Sequence[CrossCheck]) -> Section | None:
    """Claims that were tested against data from outside the genome sequence."""
    claims = [claim for check in checks for claim in check.claims]
    missed = [item for check in checks for item in check.not_tested]
    warned = [warning for check in checks for warning in check.warnings]
    if not claims and not missed:
        return None
    return Section(
        "cross_checks",
        "Cross-checks",
        "The scores against data that no model has seen: elements that hold an eQTL of their own gene against elements "
        "matched by class, length, GC, distance and predictability; the link to conservation, beyond what "
        "predictability explains of both; whether genes linked in a protein network score alike, against networks in "
        "which each keeps its number of links; families of transposable elements against others like them; and pairs "
        "of proteins, against permuted maps of elements to genes and all other pairs.",
        "html",
        str(warnings_list(warned) + claims_table(claims) + not_tested_table(missed) + check_notes(checks)),
    )


def check_notes(checks: Sequence[CrossCheck]) -> Markup:
    """What each check says of its data; nothing where none says anything."""
    rows = [(check.check, note) for check in checks for note in check.notes]
    return Markup("<h4>Notes</h4>") + table(("Check", "Note"), rows) if rows else Markup("")


def models_section(diagnosis: Diagnosis, cards: Sequence[ModelCard]) -> Section | None:
    """What each model is, and whether it has learnt anything that could be diagnosed."""
    by_name = {card.model: card for card in cards}
    names = list(dict.fromkeys([*diagnosis.models, *by_name]))
    if not names:
        return None
    orders = sorted({order for card in cards for order in card.markov_loss}, key=lambda order: (len(order), order))
    headers = ["Model", "Kind", "Elements", "R²"]
    if cards:
        headers += ["Held-out loss", f"Markov, order {', '.join(orders)}", "In motifs, around them"]
    headers.append("In words")
    rows = [_model_row(name, diagnosis, by_name.get(name, ModelCard()), orders, bool(cards)) for name in names]
    html = table(headers, rows, numeric=range(2, len(headers) - 1))
    commands = {card.model: card.command for card in cards if card.command}
    if commands:
        html += Markup("<details><summary>Commands that trained them</summary>{}</details>").format(
            table(
                ("model", "command"),
                [(name, Markup("<code>{}</code>").format(text)) for name, text in commands.items()],
            )
        )
    return Section(
        "models",
        "Models",
        "Losses of language models in nats per base on sequence that training did not see, beside Markov models of the "
        "same sequence (ln 4 = 1.386 is a guess). R² is the part of the variance of RIS that the six features explain.",
        "html",
        str(html),
    )


def _model_row(
    name: str, diagnosis: Diagnosis, card: ModelCard, orders: Sequence[str], with_losses: bool
) -> tuple[Any, ...]:
    summary = diagnosis.models.get(name)
    motifs = card.motif_loss if isinstance(card.motif_loss, Mapping) else {}
    losses = (
        number(card.heldout_loss, 4),
        _losses([card.markov_loss.get(order) for order in orders]),
        _losses([motifs.get("inside"), motifs.get("outside")]),
    )
    return (
        model_name(name),
        (summary.kind if summary else "") or str((card.model_extra or {}).get("kind", "")),
        plain(summary.n) if summary else MISSING,
        number(summary.r2 if summary else None),
        *(losses if with_losses else ()),
        " ".join([card_statement(card), *(summary.notes if summary else [])]).strip(),
    )


def _losses(values: Sequence[float | None]) -> str:
    """Losses beside one another; a dash where there is none."""
    return ", ".join(number(value, 4) for value in values) if any(value is not None for value in values) else MISSING


def card_statement(card: ModelCard) -> str:
    """In words: does the model beat its Markov baselines, and does it know the planted grammar?"""
    said = []
    baselines = [loss for loss in card.markov_loss.values() if loss is not None]
    if card.heldout_loss is not None and baselines:
        beats = card.heldout_loss < min(baselines)
        said.append("Predicts better than every Markov model." if beats else "Predicts no better than a Markov model.")
    knows = knows_grammar(card.motif_loss)
    if knows is not None:
        said.append("Knows the grammar." if knows else "Does not know the grammar: read 'absent' as 'underpowered'.")
    correlation = (card.model_extra or {}).get("heldout_pearson_tss")
    if isinstance(correlation, list) and correlation:
        said.append("Held-out correlation at the TSS: " + ", ".join(number(value, 2) for value in correlation) + ".")
    return " ".join(said)


def failed_section(failed: Mapping[Path, pd.DataFrame], diagnosis: Diagnosis) -> Section | None:
    """What has no score, with the reason; said also when there is none."""
    unscored = [
        (name, status, plain(count))
        for name, model in diagnosis.models.items()
        for status, count in model.without_score.items()
        if count
    ]
    if not failed and not unscored:
        return None
    html = Markup("")
    for path, frame in failed.items():
        if frame.empty:
            continue
        rows = [[plain(value) for value in row] for row in frame.head(MOST_ROWS).itertuples(index=False)]
        html += render("<h4>{{ name }}: {{ count }}</h4>", name=path.name, count=len(frame))
        html += table([str(column) for column in frame.columns], rows)
        if len(frame) > MOST_ROWS:
            html += render("<p>The first {{ shown }} are shown; the file holds all.</p>", shown=MOST_ROWS)
    if unscored:
        html += Markup("<h4>Elements without a score</h4>")
        html += table(("Model", "Status", "Elements"), unscored, numeric=(2,))
    return Section(
        "failed",
        "Not scored",
        "Loci and elements that were given and have no score, with the reason. The run went on without them.",
        "html",
        str(html or Markup("<p>Nothing failed: every locus and element that was given has its scores.</p>")),
    )


def methods_section(findings: Findings) -> Section:
    """Definitions and parameters, for a reader of the report alone."""
    parameters = dict(findings.diagnosis.parameters)
    parameters |= {
        f"cross-check {check.check}": check.parameters for check in findings.cross_checks if check.parameters
    }
    return Section("methods", "Methods", "What the words of this report mean.", "html", str(methods_html(parameters)))


def _figure_sections(paths: Sequence[Path]) -> dict[str, Section | None]:
    grouped = grouped_figures(paths)
    return {
        group.id: Section(group.id, group.title, group.description, "html", str(figures_html(grouped[group.id])))
        for group in GROUPS
        if group.id in grouped
    }
