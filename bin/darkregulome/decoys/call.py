"""Which elements matter more than decoys in their place: a p-value, a q-value and a word for each.

For an element and a set of K decoys, g is what a model predicts with a sequence in the element's place, up to a
constant: the effects of the decoys are g(decoy) - g(real), and that of the real sequence is 0. The statistic treats the
K + 1 sequences alike, so that under the null, where they are exchangeable, each rank of the real one is as probable:

    T(s) = |g(s) - median of all K + 1|        p = (1 + number of decoys with T >= T(real)) / (1 + K)

A q is Benjamini and Hochberg's over the elements of a model. Of several sets of one kind (shuffle and markov are
trivial; learnt, by one model or several) the largest p counts. The claim of both kinds takes the larger of both p.

More decoys can be drawn for elements whose p is small. Where some elements of a set have more decoys than others, p is
that of the decoys that all have; if it is at most `again`, it is that of all decoys of the element. So p <= u implies
that p of the first decoys was <= u (u >= `again`) or that p of all is (u < `again`), and both are valid: the idea is
that of Besag and Clifford 1991. Other rules, such as taking all decoys of an element for which another model or another
kind of decoys wanted more, are not valid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from darkregulome.errors import InputError
from darkregulome.io import schemas, tables
from darkregulome.stats.nulls import benjamini_hochberg, empirical_p

KINDS = ("trivial", "learnt")
BOTH, TRIVIAL_ONLY, NOT_BEYOND = "beyond trivial and learnt", "beyond trivial only", "not beyond"
ONE_KIND = {
    "trivial": "beyond trivial, learnt not asked",
    "learnt": "beyond learnt, trivial not asked",
}
NOT_DRAWN = "no decoys"
COLOURS = {BOTH: "178,24,43", TRIVIAL_ONLY: "244,165,130", NOT_BEYOND: "190,190,190", NOT_DRAWN: "230,230,230"}


@dataclass(frozen=True)
class Rank:
    """The real sequence among its decoys."""

    n: int
    effect: float
    z: float
    p: float


def rank_among(effects: NDArray[np.float64]) -> Rank:
    """Rank of the real sequence, whose effect is 0, among decoys with these effects (decoy less real)."""
    values = np.append(0.0, effects)
    distances = np.abs(values - np.median(values))
    spread = effects.std(ddof=1) if len(effects) > 1 else np.nan
    z = -effects.mean() / spread if spread > 0 else np.nan
    return Rank(len(effects), float(-np.median(effects)), float(z), empirical_p(distances[0], distances[1:]))


def rank_elements(effects: pd.DataFrame, again: float) -> pd.DataFrame:
    """One row per element, model and set of decoys: n, effect, z, p.

    Parameters
    ----------
    effects : schema EFFECTS with the column `decoys`; an element that was read in tiles has several rows per decoy,
        which are summed. A decoy whose effect is not finite is left out.
    again : an element with a p up to this is judged on all of its decoys, be they more than those that all have.
    """
    keys = ["element", "model", "readout", "decoys"]
    sums = effects.groupby([*keys, "replicate"], sort=False)["effect"].agg(lambda own: own.sum(skipna=False))
    finite = sums[np.isfinite(sums)]
    table = finite.reset_index()
    last = table.groupby([*keys], sort=False)["replicate"].transform("max")
    table["shared"] = table["replicate"] <= last.groupby([table["model"], table["decoys"]]).transform("min")
    rows = []
    for key, own in table.groupby(keys, sort=False):
        rank = rank_among(own.loc[own["shared"], "effect"].to_numpy(float))
        if rank.p <= again and not own["shared"].all():
            rank = rank_among(own["effect"].to_numpy(float))
        rows.append((*key, *vars(rank).values()))
    return pd.DataFrame(rows, columns=[*keys, "n", "effect", "z", "p"])


def kind_of(decoys: str) -> str:
    """``"learnt"`` or ``"trivial"``, by the name of a set."""
    return "learnt" if decoys.startswith("learnt") else "trivial"


def call_elements(
    elements: pd.DataFrame, ranks: pd.DataFrame, balance: pd.DataFrame, alpha: float, family: str
) -> pd.DataFrame:
    """The table of calls (schema CALLED): every element and model, in the order of the elements.

    Parameters
    ----------
    ranks : see `rank_elements`.
    balance : log_likelihood and log_likelihood_real by element and set of decoys.
    family : ``"all"``: elements without decoys count, with p = 1; ``"drawn"``: they do not.
    """
    parts = []
    for _, own in ranks.groupby(["model", "readout"], sort=False):
        table = elements[["element", "chrom", "start", "end", "class"]].assign(
            model=own["model"].iloc[0], readout=own["readout"].iloc[0]
        )
        for kind in KINDS:
            of_kind = own[own["decoys"].map(kind_of) == kind].merge(balance, how="left", on=["element", "decoys"])
            largest = of_kind.sort_values("p", kind="stable", ascending=False).drop_duplicates("element")
            largest = largest.drop(columns=["model", "readout"])
            table = table.merge(
                largest.rename(columns={name: f"{name}_{kind}" for name in largest if name != "element"}),
                how="left",
                on="element",
            )
        parts.append(_judge(table, alpha, family))
    return pd.concat(parts, ignore_index=True)[schemas.CALLED.columns]


def _judge(table: pd.DataFrame, alpha: float, family: str) -> pd.DataFrame:
    """`table` with q and words, for one model."""
    p = {kind: table[f"p_{kind}"].to_numpy(float) for kind in KINDS}
    p["both"] = np.maximum(p["trivial"], p["learnt"])
    beyond = {}
    for kind, values in p.items():
        asked = np.isfinite(values)
        counted = np.where(asked, values, 1.0) if family == "all" and asked.any() else values
        table[f"q_{kind}"] = np.where(asked, benjamini_hochberg(counted), np.nan)
        beyond[kind] = table[f"q_{kind}"].to_numpy(float) <= alpha
    has = {kind: np.isfinite(values) for kind, values in p.items()}
    words = np.full(len(table), NOT_BEYOND, dtype=object)
    words[~has["trivial"] & ~has["learnt"]] = NOT_DRAWN
    words[beyond["trivial"]] = TRIVIAL_ONLY
    words[beyond["trivial"] & beyond["both"]] = BOTH
    words[beyond["trivial"] & ~has["learnt"]] = ONE_KIND["trivial"]
    words[beyond["learnt"] & ~has["trivial"]] = ONE_KIND["learnt"]
    return table.assign(word=words)


def read_effects(paths: Sequence[Path]) -> pd.DataFrame:
    """The effects of decoys of several files.

    Raises
    ------
    InputError
        A file holds effects of other edits, or two hold the same decoys of one element.
    """
    parts = []
    for path in paths:
        part = tables.read_table(path, schemas.EFFECTS)
        if "decoys" not in part or part["decoys"].eq("").any():
            raise InputError.at(path, "has effects of other edits than decoys", "score with --perturbation decoy")
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    if table.empty:
        raise InputError.at(paths[0], "has a header and no row", "give effects of at least one element")
    keys = ["element", "model", "decoys", "replicate", "start", "end"]
    twice = table[table.duplicated(keys)]
    if len(twice):
        row = twice.iloc[0]
        what = f"hold decoy {row['replicate']} ({row['decoys']}) of {row['element']!r} by {row['model']} twice"
        raise InputError.at("--effects", what, "give each file once; draw more decoys with --first")
    read = table.groupby("model")["readout"].nunique()
    if (read > 1).any():
        raise InputError.at("--effects", f"read {read.idxmax()} by several readouts", "call each readout by itself")
    return table


def read_balance(paths: Sequence[Path]) -> pd.DataFrame:
    """Mean log-likelihood of the decoys of each element and set, and that of the real sequence."""
    columns = ["element", "decoys", "log_likelihood", "log_likelihood_real"]
    if not paths:
        return pd.DataFrame({name: pd.Series(dtype=str if at < 2 else float) for at, name in enumerate(columns)})
    table = pd.concat([tables.read_table(path, schemas.DECOYS) for path in paths], ignore_index=True)
    return table.groupby(columns[:2], sort=False, as_index=False)[columns[2:]].mean()


def write_bed(calls: pd.DataFrame, path: Path) -> None:
    """Calls as BED9: name element and model, score -100 log10 of the smallest q (at most 1000), colour by word."""
    q = calls[["q_trivial", "q_learnt", "q_both"]].min(axis=1).fillna(1.0).clip(lower=1e-10)
    bed = calls.assign(
        name=calls["element"] + "|" + calls["model"],
        score=np.minimum(1000, np.round(-100 * np.log10(q))).astype(int),
        strand=".",
        thick_start=calls["start"],
        thick_end=calls["end"],
        colour=calls["word"].map(COLOURS).fillna(COLOURS[TRIVIAL_ONLY]),
    ).sort_values(["chrom", "start", "end", "name"], kind="stable")
    columns = ["chrom", "start", "end", "name", "score", "strand", "thick_start", "thick_end", "colour"]
    bed[columns].to_csv(path, sep="\t", header=False, index=False)


def draw_again(calls: pd.DataFrame, largest: float) -> pd.DataFrame:
    """Elements that more decoys could decide: for some model and kind p is up to `largest`; chrom, start, end, name."""
    p = calls[["p_trivial", "p_learnt"]].min(axis=1)
    return calls.loc[p <= largest, ["chrom", "start", "end", "element"]].drop_duplicates()
