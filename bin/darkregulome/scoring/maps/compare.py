"""Do two models see the same dependencies? Correlation of their maps of a sequence, against maps that lie elsewhere.

All maps are high near the diagonal, so any two are correlated. The null turns all diagonals of one map by the same part
of their length: it keeps the decay with distance and the map's own patterns, which then stand at other bases.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from darkregulome.stats.nulls import DiagonalNull, empirical_p


@dataclass(frozen=True)
class Agreement:
    """How two maps of one sequence agree.

    Attributes
    ----------
    n : entries that both have, without the diagonal.
    spearman, pearson : correlation of these entries.
    null : mean Spearman correlation with turned maps. p : share of turned maps that agree as well, one-sided.
    """

    sequence: str
    n: int
    spearman: float
    pearson: float
    null: float
    p: float


def compare_maps(
    sequence: str, first: np.ndarray, second: np.ndarray, permutations: int, rng: np.random.Generator
) -> tuple[Agreement, np.ndarray]:
    """The agreement of two maps, (length, length), and its null draws of the Spearman correlation, (permutations,)."""
    both = np.isfinite(first) & np.isfinite(second)
    np.fill_diagonal(both, False)
    n = int(both.sum())
    missing = float("nan")
    if n < 3:
        return Agreement(sequence, n, missing, missing, missing, missing), np.full(permutations, np.nan)
    ranks = [_standard(np.asarray(rankdata(values[both]))) for values in (first, second)]
    observed = float(ranks[0] @ ranks[1]) / n
    whole = np.full(first.shape, np.nan)
    whole[both] = ranks[1]
    null = DiagonalNull(whole, symmetric=False)
    draws = np.array([float(ranks[0] @ null.rotate_together(rng)[both]) / n for _ in range(permutations)])
    pearson = float(_standard(first[both]) @ _standard(second[both])) / n
    p = empirical_p(observed, draws, two_sided=False) if permutations else missing
    return Agreement(sequence, n, observed, pearson, float(draws.mean()) if permutations else missing, p), draws


def pooled(agreements: Iterable[Agreement], draws: Iterable[np.ndarray]) -> dict[str, Any]:
    """Mean over sequences, against the means of their null draws."""
    compared = [(item, null) for item, null in zip(agreements, draws, strict=True) if item.n >= 3]
    if not compared:
        return asdict(Agreement("all", 0, *[float("nan")] * 4))
    spearman = float(np.mean([item.spearman for item, _ in compared]))
    null = np.mean([null for _, null in compared], axis=0)
    return asdict(
        Agreement(
            "all",
            sum(item.n for item, _ in compared),
            spearman,
            float(np.mean([item.pearson for item, _ in compared])),
            float(null.mean()) if len(null) else float("nan"),
            empirical_p(spearman, null, two_sided=False) if len(null) else float("nan"),
        )
    )


def _standard(values: np.ndarray) -> np.ndarray:
    centred = np.asarray(values, dtype=float) - np.mean(values)
    spread = np.sqrt(np.mean(centred**2))
    return centred / spread if spread > 0 else centred
