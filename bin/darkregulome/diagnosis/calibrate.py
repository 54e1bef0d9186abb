"""Does the diagnosis say what is true? Worlds whose truth is known are drawn, diagnosed, and the verdicts counted."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from darkregulome.claims.claim import Claim, ClaimResult, all_claims
from darkregulome.diagnosis.entries import entries
from darkregulome.diagnosis.prepared import Prepared, prepare
from darkregulome.diagnosis.run import workers
from darkregulome.diagnosis.settings import Settings
from darkregulome.diagnosis.worlds import Design, World, draw_world, elements_in
from darkregulome.io.records import VERDICTS, ClaimEntry, rounded
from darkregulome.stats.learners import LEARNERS
from darkregulome.stats.noise import correlated_noise
from darkregulome.stats.randomness import generator
from darkregulome.stats.setting import NotTestable

MOST_WRONG = 0.05
"""Share of tables in which a wrong word may be said."""


def plantable() -> dict[str, Claim]:
    """The claims that worlds can be asked about, by name."""
    return {claim.name: claim for claim in all_claims() if claim.signal is not None}


@dataclass(frozen=True)
class Asked:
    """One claim in one world on one design."""

    world: World
    claim: Claim
    design: Design


def calibrate(
    asked: Sequence[Asked],
    tables: int,
    effect: float,
    settings: Settings,
    threads: int = 1,
    say: Callable[[str], None] = lambda sentence: None,
) -> dict[str, Any]:
    """Draw every world in `tables` tables, ask its claim of each, and count the verdicts.

    Every table has its own generator, so that the counts are the same for any number of threads.

    Parameters
    ----------
    effect : planted, in SD of the score within loci. say : takes the counts of each world as soon as they are there.
    """
    jobs = [(one, index) for one in asked for index in range(tables)]
    rows = []
    with workers(threads) as pool:
        results = pool.map(lambda job: one_table(job[0], job[1], effect, settings), jobs)
        for one in asked:
            row = _row(one, list(islice(results, tables)), effect)
            counts = ", ".join(f"{word} {count}" for word, count in row["verdicts"].items() if count)
            say(f"{row['claim']}, {row['world']}, {row['scores']}: {counts or 'not tested'}.")
            rows.append(row)
    return rounded({"version": 2, "worlds": rows, "warnings": _warnings(rows)})


def one_table(asked: Asked, index: int, effect: float, settings: Settings) -> ClaimEntry | str:
    """One table's verdict on the claim, as a family of its own; or why it could not be tested."""
    rng = generator(settings.seed, asked.world.name, asked.claim.name, asked.design.label, str(index))
    own = settings.model_copy(update={"seed": int(rng.integers(2**31))})
    try:
        subject = asked.claim.asked_of(_models(asked, effect, own, rng), own)
        ladder = asked.claim.test(subject, own)
    except NotTestable as error:
        return str(error)
    loci = subject.setting.loci
    result = ClaimResult(asked.claim, subject.model, ladder, loci.n, loci.count, own.null)
    return entries([result], own)[0]


def _models(asked: Asked, effect: float, settings: Settings, rng: np.random.Generator) -> list[Prepared]:
    """The model that the world scores; of a claim about two kinds, a language model too, on whose scores it acts."""
    signal = asked.claim.signal
    assert signal is not None
    if asked.claim.needs != "two kinds of models":
        return [
            prepare(draw_world(asked.design, asked.world, lambda own: signal(own, settings), effect, rng), settings)
        ]
    elements = elements_in(asked.world, asked.design.scores)
    noise = correlated_noise(asked.design.autocorrelation, elements.loci, rng)
    language = replace(elements, name="language", table=elements.table.assign(ris=noise))
    output = draw_world(asked.design, asked.world, lambda _: signal(language, settings), effect, rng)
    return [prepare(one, settings) for one in (language, replace(output, name="output", kind="output"))]


def _row(asked: Asked, tables: Sequence[ClaimEntry | str], effect: float) -> dict[str, Any]:
    said = [entry for entry in tables if isinstance(entry, ClaimEntry)]
    words = Counter(entry.verdict for entry in said)
    right = asked.world.right_words(asked.claim.name)
    wrong = sum(words[word] for word in VERDICTS if word not in right)
    truth = None if asked.world.size is None else asked.world.size * effect
    if truth and asked.claim.needs == "two kinds of models":
        # Planted in SD of the score, and measured as a share of a list.
        truth = None
    return {
        "world": asked.world.name,
        "says": asked.world.says,
        "claim": asked.claim.name,
        "scores": asked.design.label,
        "n": said[0].n if said else None,
        "n_loci": said[0].n_loci if said else None,
        "tables": len(said),
        "regulation": asked.world.regulation,
        "decidable": asked.world.decidable,
        "effect": truth,
        "verdicts": {word: words[word] for word in VERDICTS},
        "reasons": dict(Counter(entry.reason for entry in said if entry.reason)),
        "right": sorted(right),
        "wrong": wrong,
        "wrong_interval": _interval(wrong, len(said)),
        "coverage": {} if truth is None else _coverage(said, truth),
        "not_tested": dict(Counter(entry for entry in tables if isinstance(entry, str))),
    }


def _interval(count: int, tables: int) -> list[float]:
    """95 % (Wilson)."""
    if not tables:
        return [0.0, 1.0]
    bounds = binomtest(count, tables).proportion_ci(method="wilson")
    return [float(bounds.low), float(bounds.high)]


def _coverage(said: Sequence[ClaimEntry], truth: float) -> dict[str, float]:
    """Share of tables whose interval given the trivial features holds the true effect: by learner, and the envelope."""
    covered: dict[str, list[bool]] = {name: [] for name in (*LEARNERS, "envelope")}
    for entry in said:
        if entry.trivial is None:
            continue
        intervals = {name: own.interval for name, own in entry.trivial.learners.items()}
        for name, bounds in {**intervals, "envelope": entry.trivial.interval}.items():
            low, high = bounds or (None, None)
            covered[name].append(low is not None and high is not None and low <= truth <= high)
    return {name: float(np.mean(held)) for name, held in covered.items() if held}


def _warnings(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Tables that were not tested, worlds in which a wrong word is said too often, and those rarely decided."""
    warnings = []
    for row in rows:
        where = f"{row['claim']}, {row['world']}, {row['scores']}"
        warnings += [f"{n} tables were not tested: {why} ({where})." for why, n in row["not_tested"].items()]
        if row["tables"] and row["wrong_interval"][0] > MOST_WRONG:
            warnings.append(f"A wrong word is said in {row['wrong']} of {row['tables']} tables ({where}).")
        if row["tables"] and row["decidable"] and row["verdicts"]["undecided"] > row["tables"] / 2:
            warnings.append(
                f"These elements rarely decide: {row['verdicts']['undecided']} of {row['tables']} tables are undecided "
                f"({where})."
            )
    return warnings


def calibration_table(record: dict[str, Any]) -> pd.DataFrame:
    """One row per claim, world and design."""
    plain = ("claim", "world", "scores", "n", "n_loci", "tables", "regulation", "effect")
    rows = [
        {
            **{name: row[name] for name in plain},
            **row["verdicts"],
            "right": ", ".join(row["right"]),
            "wrong": row["wrong"],
            **{f"covered_{name}": share for name, share in row["coverage"].items()},
        }
        for row in record["worlds"]
    ]
    return pd.DataFrame(rows)
