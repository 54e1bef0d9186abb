"""Which verdicts can be reached with so many elements and loci, from `calibration.json`."""

from collections.abc import Sequence

from darkregulome.io.records import VERDICTS
from darkregulome.report.content import Section
from darkregulome.report.findings import Findings
from darkregulome.report.markup import MISSING, PARTS, claim_title, heading, number, plain, table
from darkregulome.report.records import Calibration, World


def sections(findings: Findings) -> list[Section]:
    """What was said in worlds whose truth is known: word by word, and world by world."""
    calibration = findings.calibration
    if calibration is None:
        return []
    rows = [(word, *_best(word, calibration)) for word in VERDICTS if word != "undecided"]
    words = [(PARTS.badge(word), share, where) for word, share, where in rows]
    worlds = [
        (
            *(claim_title(row.claim), row.scores, row.world.replace("_", " "), row.says),
            *(", ".join(row.right), plain({word: count for word, count in row.verdicts.items() if count})),
            *(plain({reason: count for reason, count in row.reasons.items() if count}) or MISSING, row.tables),
        )
        for row in calibration.worlds
    ]
    headers = ("Claim", "Scores", "World", "What is true in it", "Right", "Said", "Why undecided", "Tables")
    html = PARTS.notes([_size(calibration, findings), *calibration.warnings])
    html += table(("Verdict", "Said where it is right", "At best in the world"), words, numeric=(1,))
    html += heading("World by world") + table(headers, worlds, numeric=(7,))
    return [
        Section(
            "calibration",
            "Which verdicts can be reached",
            "Tables whose truth is known were drawn and diagnosed as this run was. A word that is hardly ever said "
            "where it is right cannot be expected of this run either: its absence says nothing.",
            html,
        )
    ]


def _best(word: str, calibration: Calibration) -> tuple[str, str]:
    """Of a word, the largest share of tables that it was said of where it is right, and in which world."""
    shares = [
        (row.verdicts.get(word, 0) / row.tables, row) for row in calibration.worlds if word in row.right and row.tables
    ]
    if not shares:
        return MISSING, "it is right in none that was drawn"
    share, row = max(shares, key=lambda pair: pair[0])
    return f"{100 * share:.0f} %", _name(row)


def _name(row: World) -> str:
    return f"{row.world.replace('_', ' ')} ({claim_title(row.claim).lower()}, {row.scores})"


def _size(calibration: Calibration, findings: Findings) -> str:
    """The sizes of the drawn tables next to those of the run."""
    drawn = sorted({(row.n, row.n_loci) for row in calibration.worlds if row.n and row.n_loci})
    ours = sorted({(claim.n, claim.n_loci) for claim in findings.diagnosis.claims if claim.n and claim.n_loci})
    planted = calibration.parameters.get("effect")
    effect = "" if planted is None else f" The planted effect is {number(planted)} SD."
    return f"Drawn: {_sizes(drawn)}. This run: {_sizes(ours)}.{effect}"


def _sizes(sizes: Sequence[tuple[int, int]]) -> str:
    return " or ".join(f"{plain(n)} elements in {plain(loci)} loci" for n, loci in sizes) or "no table"
