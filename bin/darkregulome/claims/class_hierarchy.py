"""The order of the classes of elements, pair by pair; of the pairs that can be told from their features."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from darkregulome.claims.claim import Claim, Findings, Make, Subject
from darkregulome.claims.discrimination import signal_of
from darkregulome.claims.sentences import say_contrast
from darkregulome.diagnosis.adjust import Ladder, Pair, make_ladder
from darkregulome.diagnosis.decision import FLOOR, LEAST_LEFT_OVER
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import ClaimEntry, Verdict
from darkregulome.stats.agreement import kendall
from darkregulome.stats.loci import Floats
from darkregulome.stats.setting import MINIMUM_GROUP, NotTestable


def _subjects(models: Sequence[Prepared], settings: Settings, data: Any) -> Iterator[tuple[str, Make]]:
    for one in models:
        words, counts = np.unique(one.scores.classes, return_counts=True)
        means = {str(word): float(one.raw[one.scores.classes == word].mean()) for word in words}
        large = sorted(map(str, words[counts >= MINIMUM_GROUP]), key=lambda word: (-means[word], word))
        for high, low in combinations(large, 2):
            yield f"{one.name}|{high} over {low}", partial(_pair, one, (high, low))


PLANTED_PAIR = ("cCRE", "TE")
"""The two classes that calibration asks about: it acts on the first."""


def _planted_pair(models: Sequence[Prepared], settings: Settings) -> Subject:
    missing = set(PLANTED_PAIR) - set(models[0].scores.classes.tolist())
    if missing:
        raise NotTestable(f"there is no element of class {' or '.join(sorted(missing))}")
    return _pair(models[0], PLANTED_PAIR)


def _pair(one: Prepared, words: tuple[str, str]) -> Subject:
    return Subject(f"{one.name}|{words[0]} over {words[1]}", one, one.setting, words)


def _test(subject: Subject, settings: Settings) -> Ladder:
    """One class against another, every further class held fixed."""
    one, (high, low) = subject.one, subject.data
    classes = one.scores.classes
    member = {f"class {word}": (classes == word).astype(float) for word in sorted(set(classes.tolist()) - {low})}
    tested = member.pop(f"class {high}")
    pair = Pair(one.raw, tested, f"class {high}", others=member, group="classes")
    return make_ladder(one, pair, subject.setting)


def _order(findings: Findings) -> dict[str, Any]:
    """By model: whether the order of its identifiable classes survives."""
    by_model: dict[str, list[ClaimEntry]] = {}
    for entry in findings.entries:
        by_model.setdefault(entry.model.split("|")[0], []).append(entry)
    return {"class_order": {name: _order_of(own) for name, own in by_model.items()}}


def _order_of(entries: Sequence[ClaimEntry]) -> dict[str, Any]:
    """Kendall's tau of raw and adjusted class means, and the word that follows from those of the pairs.

    The order survives where every identifiable pair that differs raw survives; it collapses, or is absent, where every
    one does. It hinges where every one survives or hinges, and reverses where one does and none survives.
    """
    identifiable = [
        entry for entry in entries if entry.trivial is not None and (entry.trivial.left_over or 0.0) >= LEAST_LEFT_OVER
    ]
    words = [_kept_word(entry) for entry in identifiable if entry.verdict is not None]
    rungs = ("trivial", "full") if all(entry.full for entry in identifiable) else ("trivial",)
    return {
        "verdict": _word([word for word in words if word != "absent"] or words),
        "pairs": {entry.model.split("|", 1)[1]: entry.verdict for entry in entries},
        "not_identifiable": [entry.model.split("|", 1)[1] for entry in entries if entry not in identifiable],
        "kendall_tau": {rung: _tau(identifiable, rung) for rung in rungs} if len(identifiable) > 1 else {},
    }


def _kept_word(entry: ClaimEntry) -> Verdict:
    """What a pair says of the order: undecided where its difference has the other sign than raw, where it was not sure
    to be there (else it *reverses*): such an order is not kept."""
    turned = entry.trivial is not None and (entry.trivial.effect or 0.0) * (entry.raw.effect or 0.0) < 0
    return "undecided" if turned and entry.verdict in ("survives", "hinges") else entry.verdict or "undecided"


def _word(words: Sequence[Verdict]) -> Verdict:
    kinds = set(words)
    if not kinds or "undecided" in kinds:
        return "undecided"
    if len(kinds) == 1:
        return words[0]
    if kinds == {"survives", "hinges"}:
        return "hinges"
    return "reverses" if "reverses" in kinds and "survives" not in kinds else "undecided"


def _tau(entries: Sequence[ClaimEntry], rung: str) -> float:
    """Kendall's tau of the raw order of classes and that of a rung; its error is that of the pairs, and not worked out.

    Pairs share classes and loci, so that their intervals do not give one of tau.
    """
    classes = sorted({word for entry in entries for word in entry.model.split("|", 1)[1].split(" over ")})
    to_means = _means_from_pairs(entries, classes)
    raw, adjusted = (
        np.array([entry.rungs[side].effect or 0.0 for entry in entries]) @ to_means for side in ("raw", rung)
    )
    return kendall(raw, adjusted)


def _means_from_pairs(entries: Sequence[ClaimEntry], classes: Sequence[str]) -> Floats:
    """What turns pairwise differences into class means that sum to zero (least squares): shape (pairs, classes)."""
    design = np.zeros((len(entries), len(classes)))
    for row, entry in enumerate(entries):
        high, low = entry.model.split("|", 1)[1].split(" over ")
        design[row, classes.index(high)], design[row, classes.index(low)] = 1.0, -1.0
    return np.asarray(np.linalg.pinv(design).T, dtype=np.float64)


def _describe(subject: Subject, ladder: Ladder, settings: Settings) -> Mapping[str, Any]:
    high, low = subject.data
    classes = subject.one.scores.classes
    return {"classes": [high, low], "n": [int((classes == high).sum()), int((classes == low).sum())]}


def _say(entry: ClaimEntry, settings: Settings) -> str:
    high, low = entry.model.split("|", 1)[1].split(" over ")
    return say_contrast(entry, f"{high} elements score", f"{low} elements")


CLAIM = Claim(
    name="class_hierarchy",
    title="Class hierarchy",
    question="do classes of elements differ, and in which order?",
    statistic="difference of two classes, the others held fixed, both sides partialled out",
    unit="one class less another, SD of the score",
    floor=FLOOR,
    subject="the difference of classes",
    order=2,
    subjects=_subjects,
    test=_test,
    say=_say,
    describe=_describe,
    summary=_order,
    signal=signal_of(PLANTED_PAIR[0]),
    calibrated=_planted_pair,
)
