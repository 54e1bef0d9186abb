"""Elements that outside data mark, against others of their class and distance: what several cross-checks share."""

from typing import Any

import numpy as np

from darkregulome.claims.top_lists import list_length
from darkregulome.diagnosis.adjust import Ladder, Pair, make_ladder
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Settings
from darkregulome.stats.agreement import top_members
from darkregulome.stats.loci import Bools, Floats, Ints
from darkregulome.stats.matching import matchable, matched_draws
from darkregulome.stats.nulls import empirical_p
from darkregulome.stats.randomness import generator
from darkregulome.stats.setting import MINIMUM_GROUP, MOST_SET_DRAWS, NotTestable, Setting

MATCHED_ON = ("log_length", "gc")
"""Features, with log distance, that controls of a top list resemble its elements in, where they are known."""
POOL_SIZE = 20
"""Nearest elements from which each control is drawn."""


def test_marked(one: Prepared, marked: Bools, name: str, setting: Setting) -> Ladder:
    """Marked elements less others, class and distance held fixed on every rung.

    Parameters
    ----------
    marked : shape (n,). name : of the mark.

    Raises
    ------
    NotTestable
        Too few elements are marked, or too few are not.
    """
    counts = int(marked.sum()), int((~marked).sum())
    if min(counts) < MINIMUM_GROUP:
        raise NotTestable(f"there are {counts[0]} such elements and {counts[1]} others; {MINIMUM_GROUP} are needed")
    return make_ladder(one, Pair(one.raw, marked.astype(float), name, covariates=class_and_distance(one)), setting)


def class_and_distance(one: Prepared) -> Floats:
    """Columns of class and, where it is known, of log distance, in SD: shape (n, q), constant ones left out."""
    columns = one.scores.annotation()
    spread = columns.std(axis=0)
    return np.asarray((columns - columns.mean(axis=0))[:, spread > 0] / spread[spread > 0], dtype=np.float64)


def fold_enrichment(one: Prepared, marked: Bools, settings: Settings) -> dict[str, Any]:
    """By rung, how many of the top elements are marked, against rotated lists and against matched controls.

    The list is that of the scores (raw), or of what the features of a rung leave of them over its fitted size. Rotated
    lists know that neighbours are marked alike; controls, one per element of the list, are of its class and like it in
    length, GC and distance, as far as these are known; `n` elements of the list have one. Each has the expected count,
    the fold (None where nothing is expected), and a one-sided p.

    Parameters
    ----------
    marked : shape (n,).
    """
    k = list_length(len(marked), settings)
    return {
        rung: {"k": k, "marked": int(marked[top].sum()), **_against_nulls(one, np.flatnonzero(top), marked, settings)}
        for rung in one.rungs
        for top in [top_members(one.scaled(rung), k)]
    }


def _against_nulls(one: Prepared, top: Ints, marked: Bools, settings: Settings) -> dict[str, Any]:
    listed = np.zeros(len(marked))
    listed[top] = 1.0
    null = one.setting.null.draw(listed, marked.astype(float))
    scores = one.scores
    trivial = dict(zip(scores.trivial.names, scores.trivial.values.T, strict=True))
    columns = [trivial[name] for name in MATCHED_ON if name in trivial]
    if scores.knows_distance:
        columns.append(np.log1p(scores.distance))
    # Where nothing is known to match on, every element of the class is as near as any other.
    features, pool = (np.column_stack(columns), POOL_SIZE) if columns else (np.zeros((len(marked), 1)), len(marked))
    matched = top[matchable(scores.classes, top)]
    rng = generator(settings.seed, "controls", one.name)
    n_draws = min(settings.permutations, MOST_SET_DRAWS)
    controls = matched_draws(features, scores.classes, matched, n_draws, rng, pool)
    return {
        "rotated": _fold(float(null.observed[0]), null.draws[:, 0]),
        "matched": {
            "n": len(matched),
            **_fold(float(marked[matched].sum()), marked[controls].sum(axis=1).astype(float)),
        },
    }


def _fold(observed: float, draws: Floats) -> dict[str, float | None]:
    expected = float(draws.mean()) if len(draws) else 0.0
    return {
        "expected": expected,
        "fold": observed / expected if expected > 0 else None,
        "p": empirical_p(observed, draws, two_sided=False),
    }


def say_enrichment(details: dict[str, Any], mark: str) -> str:
    """A clause on the fold enrichment of the raw list, of elements that `mark` ("hold an eQTL")."""
    raw = details["enrichment"]["raw"]
    fold, p = raw["matched"]["fold"], raw["matched"]["p"]
    if fold is None:
        return ""
    count = f"{raw['marked']} of the top {raw['k']} elements {mark}"
    return f"; {count}, {fold:.1f} times as many as of matched controls (p = {p:.2g})"
