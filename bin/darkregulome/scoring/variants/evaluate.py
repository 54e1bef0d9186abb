"""Scores of variants against labels (pathogenic or not) or measurements (a reporter assay), several side by side."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from darkregulome.errors import InputError
from darkregulome.genome.bigwig import bigwig_means
from darkregulome.genome.contigs import bare_contig
from darkregulome.genome.vcf import VcfFile, info_of
from darkregulome.io.paths import require_file
from darkregulome.io.tables import read_table
from darkregulome.scoring.variants.published_ism import read_published_ism
from darkregulome.scoring.variants.settings import Question, ScoredVariants
from darkregulome.stats.evaluation import (
    LABEL_STATISTICS,
    MEASURE_STATISTICS,
    Statistic,
    auprc,
    auroc,
    estimate,
    frequency_bins,
    interval,
)
from darkregulome.stats.matching import matchable, matched_draws, standardised_mean_differences
from darkregulome.stats.randomness import generator

MINIMUM = 5
"""Fewest items of each label, or measurements, of which a statistic is given."""
FREQUENCY_EDGES = (0.0, 1e-4, 1e-3, 1e-2, 5e-2, 0.2, 0.5)
"""Edges of the bins of minor allele frequency."""
TRANSFORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"": np.positive, "neg": np.negative, "abs": np.abs}
"""What may stand after a column's name: ``llr:neg`` is high where the log-likelihood ratio is low."""
KEYS = ["chrom", "pos", "ref", "alt"]


def statistics_of(question: Question) -> dict[str, Statistic]:
    """The statistics that answer a question."""
    return LABEL_STATISTICS if question.label else MEASURE_STATISTICS


def read_scores(path: Path) -> pd.DataFrame:
    """A table of scored variants, or a scored VCF as one: one row per ALT, one column per INFO field, in lower case.

    Of a VCF that score_variants.py wrote, ``DR_LLR`` is the column ``llr``.
    """
    if not str(path).lower().endswith((".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")):
        return read_table(path)
    require_file(path)
    file = VcfFile(path)
    types, rows = file.info_types(), []
    for record in file.records():
        if record.start is None:
            raise InputError.at(path, f"cannot be read as VCF at record {record.number + 1}", "check it: bcftools view")
        info = {name: _by_alt(text, *types.get(name, ("1", "String"))) for name, text in info_of(record).items()}
        for at, alt in enumerate(record.alts):
            values = {_column(name): of[at] if 0 < at < len(of) else of[0] for name, of in info.items()}
            place = {"chrom": record.chrom, "pos": record.start + 1, "id": record.columns[2]}
            rows.append({**values, **place, "ref": record.ref, "alt": alt})
    return pd.DataFrame(rows, columns=None if rows else KEYS)


def _by_alt(text: str, number: str, kind: str) -> list[Any]:
    """The values of an INFO field, one per ALT, or one for all of them."""
    if not text:
        return [True]
    values = text.split(",") if number != "1" else [text]
    values = values if number in ("A", ".") else values[:1]
    read = {"Integer": int, "Float": float}.get(kind, str)
    try:
        return [None if value == "." else read(value) for value in values]
    except ValueError:
        return [None]


def read_scored(inputs: ScoredVariants, tracks: Mapping[str, Path]) -> tuple[pd.DataFrame, list[str]]:
    """Scored variants with what is known of them, and notes.

    Parameters
    ----------
    tracks : bigWigs by the name of their column.
    """
    truth, index = inputs.truth, inputs.truth_index
    if (index is not None) != (truth is not None and truth.suffix == ".npz"):
        raise InputError.at("--truth-index", "goes with a --truth that ends in .npz", "give both, or neither")
    table = read_scores(inputs.scores)
    if truth is not None:
        annotated = read_table(truth, dtype={"chrom": str}) if index is None else read_published_ism(truth, index)
        table = join(table, annotated, inputs.on or tuple(KEYS), truth, inputs.scores)
    return with_bigwigs(table, tracks)


def _column(name: str) -> str:
    return name.removeprefix("DR_").lower()


def join(
    scores: pd.DataFrame, truth: pd.DataFrame, on: Sequence[str], where: object, scored: object = "the scores"
) -> pd.DataFrame:
    """Scores with the columns of `truth` that they lack, by the columns `on`; only variants that both have.

    Parameters
    ----------
    where, scored : the files of `truth` and of the scores, for messages.

    Raises
    ------
    InputError : a column is missing, or nothing is common to both.
    """
    for name, table in ((scored, scores), (where, truth)):
        if missing := [column for column in on if column not in table]:
            raise InputError.at(name, f"lacks the column {missing[0]!r}", "name the columns to join --on")
    left, right = _with_text_keys(scores, on), _with_text_keys(truth, on).drop_duplicates(list(on))
    fresh = [*on, *(column for column in right if column not in left)]
    joined = left.merge(right[fresh], on=list(on), how="inner", validate="many_to_one")
    if joined.empty:
        raise InputError.at(where, "has no variant in common with the scores", "check the names of contigs, and --on")
    return joined


def _with_text_keys(table: pd.DataFrame, on: Sequence[str]) -> pd.DataFrame:
    """Keys as text; ``chr1`` and ``1`` are one contig, alleles are alike in either case, and 5.0 is 5."""
    keys = {column: _whole(table[column]).astype(str) for column in on}
    keys |= {column: keys[column].str.upper() for column in ("ref", "alt") if column in keys}
    if "chrom" in keys:
        keys["chrom"] = keys["chrom"].map(bare_contig)
    return table.assign(**keys)


def _whole(values: pd.Series) -> pd.Series:
    return values.astype("Int64") if is_float_dtype(values) and (values.dropna() % 1 == 0).all() else values


def with_bigwigs(table: pd.DataFrame, tracks: Mapping[str, Path]) -> tuple[pd.DataFrame, list[str]]:
    """The table with one column per bigWig, its value at the first base of each variant; notes on absent contigs."""
    notes: list[str] = []
    placed = table["pos"].notna().to_numpy() if tracks else np.zeros(0, dtype=bool)
    for name, path in tracks.items():
        first = table.loc[placed, "pos"].astype(np.int64) - 1
        bases = pd.DataFrame({"chrom": table.loc[placed, "chrom"].astype(str), "start": first, "end": first + 1})
        bases = bases[bases["start"] >= 0]
        values = pd.Series(np.nan, index=table.index)
        values[bases.index], _, said = bigwig_means(bases, path)
        table = table.assign(**{name: values})
        notes += said
    return table, notes


def evaluate(
    table: pd.DataFrame, question: Question, where: object = "the scores"
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Everything that is asked: the record for JSON, and a table with one row per score, stratum and statistic.

    Parameters
    ----------
    where : the files that the table was read from, for messages.

    Raises
    ------
    InputError : a column is missing or holds no numbers, or there is nothing to judge; all of them are named.
    """
    frame, truth = _prepared(table, question, where)
    rows = []
    for score in question.score:
        values = score_values(frame, score)
        rows += _judged(score, values, truth, frame, question)
    result = pd.DataFrame(rows)
    asked = question.model_dump(include={"label", "positive", "measurement", "by", "draws", "seed"}, mode="json")
    record: dict[str, Any] = {
        "parameters": {"scores": list(question.score), **asked},
        "n": len(frame),
        "results": rows,
    }
    if question.label:
        record["n_positive"] = int(truth.sum())
    if question.frequency:
        record["frequency"] = [_by_frequency(score, frame, question) for score in question.score]
    if question.match or question.match_within:
        record["matched"] = _matched(frame, truth.astype(bool), question)
    return record, result


def score_values(frame: pd.DataFrame, score: str) -> np.ndarray:
    """The values of a column, turned as its suffix says."""
    name, transform = _split(score)
    return TRANSFORMS[transform](pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float))


def _split(score: str) -> tuple[str, str]:
    name, _, transform = score.partition(":")
    return name, transform


def _prepared(table: pd.DataFrame, question: Question, where: object) -> tuple[pd.DataFrame, np.ndarray]:
    truth_column = question.label or question.measurement
    if truth_column is None or (question.label and question.measurement):
        raise InputError.at("--label and --measurement", "are both given, or neither", "give one of them")
    names = [_split(score)[0] for score in question.score]
    others = [truth_column, *question.by, *question.match, *question.match_within]
    wanted = [*names, *others, *([question.frequency] if question.frequency else [])]
    if missing := [name for name in dict.fromkeys(wanted) if name not in table]:
        raise InputError.at(where, f"lacks the column {missing[0]!r}", f"use {', '.join(map(str, table))}")
    if bad := [score for score in question.score if _split(score)[1] not in TRANSFORMS]:
        raise InputError.at("--score", f"{bad[0]!r} ends in no known transform", "use NAME, NAME:neg or NAME:abs")
    frame = table[table["status"] == "ok"] if "status" in table else table
    if question.label:
        labels = frame[question.label]
        usable = labels.notna().to_numpy()
        truth = labels.astype(str).isin(question.positive).to_numpy(dtype=float)
        if not usable.any():
            raise InputError.at(
                where,
                f"has in the column {question.label!r} a label for no variant that has a score",
                "give the labels of these variants",
            )
        if not 0 < truth[usable].sum() < usable.sum():
            raise InputError.at(
                where,
                f"has in the column {question.label!r} {int(truth.sum())} positives ({', '.join(question.positive)}) "
                f"of {int(usable.sum())}",
                f"name --positive among {', '.join(sorted(set(labels.dropna().astype(str)))[:5])}",
            )
    else:
        truth = pd.to_numeric(frame[truth_column], errors="coerce").to_numpy(dtype=float)
        usable = np.isfinite(truth)
        if not usable.any():
            raise InputError.at(
                where, f"holds no numbers in the column {truth_column!r}", "give a column of measurements"
            )
    numbers = frame[usable][list(dict.fromkeys(names))].apply(pd.to_numeric, errors="coerce")
    if empty := [name for name in numbers if not np.isfinite(numbers[name]).any()]:
        raise InputError.at(where, f"holds no numbers in the column {empty[0]!r}", "give a column of scores as --score")
    return frame[usable].reset_index(drop=True), truth[usable]


def _judged(
    score: str, values: np.ndarray, truth: np.ndarray, frame: pd.DataFrame, question: Question
) -> list[dict[str, Any]]:
    rows = [
        row
        for name in statistics_of(question)
        if (row := _one(score, name, "all", "all", values, truth, question)[0]) is not None
    ]
    for column in question.by:
        labels = frame[column].astype(str).to_numpy()
        for name in statistics_of(question):
            parts = []
            for stratum in sorted(set(labels)):
                inside = labels == stratum
                row, drawn = _one(score, name, column, stratum, values[inside], truth[inside], question)
                rows.append(row)
                if np.isfinite(row["value"]):
                    parts.append((row["n"], row["value"], drawn))
            if parts:
                rows.append(_mean_within(score, name, column, parts))
    return rows


def _one(
    score: str, name: str, by: str, stratum: str, values: np.ndarray, truth: np.ndarray, question: Question
) -> tuple[dict[str, Any], np.ndarray]:
    finite = np.isfinite(values)
    values, truth = values[finite], truth[finite]
    n_positive = int(truth.sum()) if question.label else None
    fewest = min(n_positive, len(truth) - n_positive) if n_positive is not None else len(truth)
    value, drawn = float("nan"), np.zeros(0)
    if fewest >= MINIMUM:
        # A bootstrap sample has as many positives as the data.
        strata = truth if question.label else np.zeros(len(truth))
        rng = generator(question.seed, score, name, by, stratum)
        value, drawn = estimate(statistics_of(question)[name], values, truth, strata, question.draws, rng)
    low, high = interval(drawn)
    row = {"score": score, "statistic": name, "by": by, "stratum": stratum, "n": len(truth), "n_positive": n_positive}
    return {**row, "missing": int((~finite).sum()), "value": value, "low": low, "high": high}, drawn


def _mean_within(score: str, name: str, by: str, parts: list[tuple[int, float, np.ndarray]]) -> dict[str, Any]:
    """The mean of the strata, each by its size: what a score does within chromosomes, elements, consequences."""
    sizes = np.array([size for size, *_ in parts], dtype=float)
    value = float(np.average([value for _, value, _ in parts], weights=sizes))
    low, high = interval(np.average(np.stack([drawn for *_, drawn in parts]), axis=0, weights=sizes))
    row = {"score": score, "statistic": name, "by": by, "stratum": "mean within", "n": int(sizes.sum())}
    return {**row, "n_positive": None, "missing": 0, "value": value, "low": low, "high": high}


def _by_frequency(score: str, frame: pd.DataFrame, question: Question) -> dict[str, Any]:
    """Mean score by bin of minor allele frequency, and its rank correlation with it: do rarer alleles score higher?"""
    frequency = pd.to_numeric(frame[question.frequency], errors="coerce").to_numpy(dtype=float)
    values = score_values(frame, score)
    usable = np.isfinite(frequency) & np.isfinite(values) & (frequency >= 0) & (frequency <= 1)
    minor, values = np.minimum(frequency, 1 - frequency)[usable], values[usable]
    rng = generator(question.seed, score, "frequency")
    rho, drawn = float("nan"), np.zeros(0)
    if len(values) >= MINIMUM:
        statistic = MEASURE_STATISTICS["spearman"]
        rho, drawn = estimate(statistic, values, minor, np.zeros(len(values)), question.draws, rng)
    edges = np.array(FREQUENCY_EDGES)
    bins = frequency_bins(minor, edges)
    rows = []
    for number in np.unique(bins):
        inside = values[bins == number]
        resampled = rng.choice(inside, (min(question.draws, 500), len(inside))).mean(axis=1)
        low, high = interval(resampled)
        edge = {"from": float(edges[number]), "to": float(edges[number + 1])}
        rows.append({**edge, "n": len(inside), "mean": float(inside.mean()), "low": low, "high": high})
    means = np.array([row["mean"] for row in rows])
    steps = np.diff(means)
    return {
        "score": score,
        "spearman": rho,
        "interval": interval(drawn),
        "n": len(values),
        "monotone": bool(len(steps) and ((steps <= 0).all() or (steps >= 0).all())),
        "bins": rows,
    }


def _matched(frame: pd.DataFrame, positive: np.ndarray, question: Question) -> dict[str, Any]:
    """AUROC and AUPRC against negatives drawn to be like the positives, one per positive; and how alike they are."""
    if not question.label:
        raise InputError.at("--match", "needs positives and negatives", "give --label")
    columns = [pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float) for name in question.match]
    features = np.column_stack(columns) if columns else np.zeros((len(frame), 0))
    usable = np.isfinite(features).all(axis=1)
    within = [frame[name].astype(str) for name in question.match_within]
    strata = pd.Series("\t".join(row) for row in zip(*within, strict=True)) if within else pd.Series("", frame.index)
    rows = np.flatnonzero(usable)
    features, labels, positive = features[rows], strata.to_numpy()[rows], positive[rows]
    matched = np.flatnonzero(positive)
    if len(matched):
        matched = matched[matchable(labels, matched)]
    if len(matched) < MINIMUM:
        raise InputError.at("--match", f"leaves {len(matched)} positives with a control", "match in fewer columns")
    # Positives that nothing matches are no controls of the others.
    keep = np.flatnonzero(~positive | np.isin(np.arange(len(rows)), matched))
    position = np.searchsorted(keep, matched)
    rng = generator(question.seed, "matched")
    controls = matched_draws(features[keep], labels[keep], position, question.draws, rng)
    record: dict[str, Any] = {"n": len(matched), "unmatched": int(positive.sum() - len(matched)), "balance": []}
    others = np.flatnonzero(~np.isin(np.arange(len(keep)), position))
    before = standardised_mean_differences(features[keep], position, others)
    after = standardised_mean_differences(features[keep], position, controls)
    for name, first, second in zip(question.match, before, after, strict=True):
        record["balance"].append({"column": name, "before": float(first), "after": float(second)})
    record["results"] = []
    truth = np.repeat([1.0, 0.0], len(position))
    for score in question.score:
        values = score_values(frame, score)[rows][keep]
        for name, statistic in (("auroc", auroc), ("auprc", auprc)):
            drawn = np.array([_of_draw(statistic, values, position, draw, truth) for draw in controls])
            low, high = interval(drawn)
            mean = float(np.nanmean(drawn)) if np.isfinite(drawn).any() else float("nan")
            record["results"].append({"score": score, "statistic": name, "value": mean, "low": low, "high": high})
    return record


def _of_draw(
    statistic: Statistic, values: np.ndarray, position: np.ndarray, controls: np.ndarray, truth: np.ndarray
) -> float:
    scores = values[np.concatenate([position, controls])]
    finite = np.isfinite(scores)
    return float(statistic(scores[finite], truth[finite], np.ones((1, int(finite.sum()))))[0])


def headline(record: Mapping[str, Any]) -> list[str]:
    """One line per score and statistic, over all variants."""
    return [
        f"{row['score']}: {row['statistic']} {row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f}), n {row['n']}"
        for row in record["results"]
        if row["by"] == "all"
    ]
