"""Agreement of models, rung by rung, and the layers that it divides the elements into.

Layers ask what is left in an element's top scores once predictability is taken out, and which kind of model sees it:

- ``shared``: top in what the full features leave of the language models and of an output model;
- ``regulatory_output``: top in what they leave of an output model and in no likelihood's;
- ``predictability``: top in the language models only. Either their raw score is explained by the features
  (``explained``), or their residuals agree beyond them (``unexplained``): two likelihoods share what the features
  miss of predictability, so their agreement alone is no evidence of regulation;
- ``none``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from darkregulome.claims.top_lists import list_length
from darkregulome.diagnosis.entries import RUNGS
from darkregulome.diagnosis.layer_confidence import LAYERS, layer_codes, layer_shares
from darkregulome.diagnosis.prepared import Prepared, on_shared, prepare_models
from darkregulome.diagnosis.run import claims_of, judge
from darkregulome.diagnosis.settings import Settings
from darkregulome.io.records import NotTested, rounded
from darkregulome.stats.agreement import (
    descending_ranks,
    kendall,
    list_overlap,
    rank_biased_overlap,
    rank_correlation_draws,
    spearman,
    top_members,
)
from darkregulome.stats.bootstrap import MINIMUM_LOCI, percentile_interval
from darkregulome.stats.loci import Floats
from darkregulome.stats.nulls import RotationNull, benjamini_hochberg, empirical_p
from darkregulome.stats.setting import MINIMUM_GROUP, NotTestable, Setting

FRACTIONS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
"""Depths at which the overlap of two top lists is drawn."""

SURE = 0.8
"""An element counts as sure of its layer where this share of bootstrap samples puts it there."""
RBO_DRAWS = 199
"""Rotations that rank-biased overlap is held against: it is not linear in the scores, so each is laid out in full."""


@dataclass(frozen=True)
class Decomposition:
    """``decomposition.json``; agreement of pairs; overlap by depth; layer of each element."""

    record: dict[str, Any]
    pairs: pd.DataFrame
    overlaps: pd.DataFrame
    layers: pd.DataFrame


def decompose(elements: pd.DataFrame, ris: pd.DataFrame, settings: Settings) -> Decomposition:
    """Rank agreement and list overlaps of every pair of models, rung by rung, and the layer of every element.

    Overlaps of two likelihood models carry no verdict: they are reported as the predictability layer.
    """
    prepared, left_out = prepare_models(elements, ris, settings)
    not_tested: list[NotTested] = []
    pair_rows: list[dict[str, Any]] = []
    overlap_rows: list[dict[str, Any]] = []
    for i, first in enumerate(prepared):
        for second in prepared[i + 1 :]:
            try:
                rows, depths = _agreement(on_shared([first, second], settings), settings)
            except NotTestable as error:
                not_tested.append(NotTested(claim="pair", model=f"{first.name}|{second.name}", reason=str(error)))
                continue
            pair_rows += rows
            overlap_rows += depths
    pairs = pd.DataFrame(pair_rows)
    if len(pairs):
        for rung in RUNGS:
            of_side = pairs["scores"] == rung
            q_values = benjamini_hochberg(pairs.loc[of_side, "p_more"].to_numpy())
            pairs.loc[of_side, "overlap_q"] = q_values
    layers = element_layers(prepared, settings)
    judged = judge(claims_of("decomposition"), prepared, settings)
    record = judged.record(settings, [*left_out, *not_tested]) | {
        "models": {one.name: {"kind": one.scores.kind, "n": one.scores.loci.n} for one in prepared},
        "pairs": pairs.to_dict("records"),
        "layers": _layer_summary(layers),
        "notes": _notes(prepared),
    }
    return Decomposition(rounded(record), pairs, pd.DataFrame(overlap_rows), layers)


def _agreement(both: Sequence[Prepared], settings: Settings) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Of two models on the elements that both scored: rank agreement by rung, and overlap of lists by depth."""
    first, second = both
    setting, n = first.setting, first.setting.loci.n
    rows, depths = [], []
    both_language = first.scores.is_language_model and second.scores.is_language_model
    k = list_length(n, settings)
    for rung in first.rungs if len(first.rungs) < len(second.rungs) else second.rungs:
        row: dict[str, Any] = {"first": first.name, "second": second.name, "scores": rung}
        values, lists = (first.left(rung), second.left(rung)), (first.scaled(rung), second.scaled(rung))
        row |= {
            "n": n,
            "layer": "predictability" if both_language else "regulation",
            "spearman": spearman(*values),
            "spearman_interval": _rank_interval(*values, setting),
            "kendall": kendall(*values),
            **_overlap(*lists, k, setting),
            **_rank_biased(*lists, k, setting),
        }
        rows.append(row)
        at = {name: row[name] for name in ("first", "second", "scores")}
        for fraction in FRACTIONS:
            if (depth := round(fraction * n)) >= MINIMUM_GROUP:
                depths.append(at | {"fraction": fraction} | _overlap(*lists, depth, setting))
    return rows, depths


def _overlap(first: Floats, second: Floats, k: int, setting: Setting) -> dict[str, Any]:
    return list_overlap(top_members(first, k), top_members(second, k), setting)


def _rank_biased(first: Floats, second: Floats, k: int, setting: Setting) -> dict[str, Any]:
    """Rank-biased overlap of expected depth `k`; under rotation, its mean and a one-sided p."""
    persistence = 1 - 1 / max(k, 2)
    one, two = descending_ranks(first), descending_ranks(second)
    observed = rank_biased_overlap(one, two, persistence)
    record: dict[str, Any] = {"rank_biased_overlap": observed, "rank_biased_expected": None, "rank_biased_p": None}
    if isinstance(setting.null, RotationNull):
        n_draws = min(RBO_DRAWS, setting.null.permutations)
        # Ranks are rotated as the scores are, and need not be sorted again.
        rotated = (setting.null.rotate(two, draw) for draw in range(n_draws))
        drawn = np.array([rank_biased_overlap(one, ranks, persistence) for ranks in rotated])
        p = empirical_p(observed, drawn, two_sided=False)
        record |= {"rank_biased_expected": float(drawn.mean()), "rank_biased_p": p}
    return record


def _rank_interval(first: Floats, second: Floats, setting: Setting) -> list[float]:
    """Bootstrap interval over loci of the correlation of ranks (ranks of the whole set, kept in each resample)."""
    if setting.loci.count < MINIMUM_LOCI:
        return [float("nan"), float("nan")]
    return list(percentile_interval(rank_correlation_draws(first, second, setting)))


def element_layers(prepared: list[Prepared], settings: Settings) -> pd.DataFrame:
    """The layer of each element, from the consensus (mean SD score) of the language models and of the output models.

    Returns
    -------
    One row an element scored by both kinds (or by the only kind there is): element, locus, class, distance, the
    consensus scores, membership of each top list, layer and detail, the share of bootstrap samples of loci that put
    the element there (confidence), and the share of each layer.
    """
    sides = {"language": [], "output": []}  # type: dict[str, list[Prepared]]
    for one in prepared:
        sides["language" if one.scores.is_language_model else "output"].append(one)
    tables = [_consensus(name, chosen, settings) for name, chosen in sides.items() if chosen]
    if not tables:
        return pd.DataFrame(columns=["element", "layer"])
    frame = tables[0]
    for table in tables[1:]:
        frame = frame.join(table, how="inner")
    off = pd.Series(False, index=frame.index)
    raw_top, language = frame.get("language_raw_top", off), frame.get("language_left_top", off)
    output = frame.get("output_left_top", off)
    codes = layer_codes(*(top.to_numpy(dtype=bool) for top in (raw_top, language, output)))
    frame["layer"] = np.array(LAYERS)[codes]
    shares = layer_shares(prepared, frame.index, settings)
    frame["confidence"] = shares[np.arange(len(frame)), codes]
    for at, layer in enumerate(LAYERS):
        frame[f"share_{layer}"] = shares[:, at]
    frame["detail"] = np.where(frame["layer"] != "predictability", "", np.where(language, "unexplained", "explained"))
    where = pd.concat([one.scores.table for one in prepared]).drop_duplicates("element").set_index("element")
    frame = where[["locus", "chrom", "start", "end", "class", "distance"]].join(frame, how="inner")
    order = ["locus", "chrom", "start", "end", "element"]
    return frame.rename_axis("element").reset_index().sort_values(order, kind="stable").reset_index(drop=True)


def _consensus(name: str, models: list[Prepared], settings: Settings) -> pd.DataFrame:
    def mean(values: Callable[[Prepared], Floats]) -> pd.Series:
        parts = [pd.Series(values(one), index=one.scores.table["element"]) for one in models]
        return pd.concat(parts, axis=1, join="inner").mean(axis=1)

    raw, left = mean(lambda one: one.raw), mean(lambda one: one.left(one.rungs[-1]))
    k = list_length(len(raw), settings)
    return pd.DataFrame(
        {
            f"{name}_raw": raw,
            f"{name}_left": left,
            f"{name}_raw_top": top_members(raw.to_numpy(), k),
            f"{name}_left_top": top_members(mean(lambda one: one.scaled(one.rungs[-1])).to_numpy(), k),
        }
    )


def _layer_summary(layers: pd.DataFrame) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    for layer in LAYERS:
        rows = layers[layers["layer"] == layer]
        summary[layer] = {"n": len(rows)}
        if len(rows) and "class" in rows:
            summary[layer]["classes"] = rows["class"].value_counts().sort_index().to_dict()
            distances = rows["distance"].dropna().abs()
            summary[layer]["median_distance"] = float(distances.median()) if len(distances) else None
            summary[layer]["n_sure"] = int((rows["confidence"] >= SURE).sum())
            summary[layer]["median_confidence"] = float(rows["confidence"].median())
    return summary


def _notes(prepared: list[Prepared]) -> list[str]:
    kinds = {one.scores.is_language_model for one in prepared}
    notes = [note for one in prepared for note in one.scores.notes]
    if kinds == {True}:
        notes.append("There is no output model: no element can be in the layers 'shared' and 'regulatory_output'.")
    if kinds == {False}:
        notes.append("There is no language model: no element can be in the layers 'shared' and 'predictability'.")
    return notes
