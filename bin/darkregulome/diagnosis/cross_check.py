"""Checks of the scores against data that no model saw: eQTLs of the right gene, and conservation."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bioframe
import numpy as np
import pandas as pd
import pyBigWig

from darkregulome.diagnosis.diagnose import Prepared, prepare, testable, track_floor
from darkregulome.diagnosis.entries import ClaimResult, entries, rounded
from darkregulome.diagnosis.scores import join_scores
from darkregulome.diagnosis.settings import Settings
from darkregulome.errors import InputError
from darkregulome.stats import claims
from darkregulome.stats.claims import NotTestable, Tested
from darkregulome.stats.features import expand
from darkregulome.stats.loci import Floats
from darkregulome.stats.matching import Matches, match_controls, standardised_difference
from darkregulome.stats.randomness import generator
from darkregulome.stats.residual import cross_fit

_CHROM = ("chrom", "chr", "chromosome", "#chrom")
_POSITION = ("pos", "pos_grch38", "position")
_GENE = ("gene", "gene_id", "gene_name", "gene_symbol", "molecular_trait_object_id")
_P = ("pvalue", "pval_nominal", "pval", "p", "p_value")
_VARIANT = re.compile(r"^(?:chr)?([^_:]+)[_:](\d+)[_:]")
MATCHED_ON = ("log_length", "gc", "log_distance", "predictability")


@dataclass(frozen=True)
class CrossCheck:
    """``cross_check_<name>.json``; one row an element with what the check knows of it; profiles for the figure."""

    record: dict[str, Any]
    elements: pd.DataFrame
    profiles: pd.DataFrame


# -- eQTLs -----------------------------------------------------------------------------------------------------------


def read_eqtls(table: pd.DataFrame, where: object, max_p: float | None = None) -> tuple[pd.DataFrame, list[str]]:
    """eQTLs as (chrom, start, end, gene), one row a variant and gene name, and notes.

    Takes ``chrom``/``chr`` and ``pos`` (1-based) or ``pos0`` (0-based), or a GTEx ``variant_id``
    (chr_pos_ref_alt_b38); genes as ``gene``, ``gene_id`` (version dropped), ``gene_name``. Rows without a position
    are left out and counted.

    Raises
    ------
    InputError
        There are no positions, or they are of another assembly than the columns say.
    """
    columns = {str(column).lower(): column for column in table.columns}
    notes: list[str] = []
    chrom, start = _eqtl_positions(table, columns, where)
    keep = chrom.notna() & start.notna() & (start >= 0)
    if not keep.all():
        notes.append(f"{int((~keep).sum())} eQTLs without a position were left out.")
    p_column = next((columns[name] for name in _P if name in columns), None)
    if p_column is not None:
        p_values = pd.to_numeric(table[p_column], errors="coerce")
        if max_p is not None:
            keep &= p_values <= max_p
            notes.append(f"{int(keep.sum())} eQTLs have p of at most {max_p:g}.")
        elif (p_values > 0.05).any():
            notes.append(
                f"{int((p_values > 0.05).sum())} rows have p above 0.05 and were taken all the same: see --max-p."
            )
    elif max_p is not None:
        raise InputError.at(where, "has no column of p-values", f"name one of {', '.join(_P)}, or leave out --max-p")
    base = pd.DataFrame({"chrom": chrom, "start": start})[keep].astype({"chrom": str, "start": int})
    names = [columns[name] for name in _GENE if name in columns]
    genes = [base.assign(gene=table.loc[base.index, name].astype("string").map(gene_key)) for name in names]
    frame = pd.concat(genes).dropna(subset=["gene"]) if genes else base.assign(gene=None)
    frame["end"] = frame["start"] + 1
    return frame[["chrom", "start", "end", "gene"]].drop_duplicates().reset_index(drop=True), notes


def _eqtl_positions(table: pd.DataFrame, columns: dict[str, Any], where: object) -> tuple[pd.Series, pd.Series]:
    chrom = next((columns[name] for name in _CHROM if name in columns), None)
    position = next((columns[name] for name in _POSITION if name in columns), None)
    if chrom is not None and "pos0" in columns:
        return table[chrom].astype("string"), pd.to_numeric(table[columns["pos0"]], errors="coerce")
    if chrom is not None and position is not None:
        return table[chrom].astype("string"), pd.to_numeric(table[position], errors="coerce") - 1
    variant = next((columns[name] for name in ("variant_id", "variant") if name in columns), None)
    if variant is not None:
        parts = table[variant].astype("string").str.extract(_VARIANT)
        return parts[0], pd.to_numeric(parts[1], errors="coerce") - 1
    raise InputError.at(
        where,
        f"has no positions (its columns are {', '.join(map(str, table.columns))})",
        "give chrom and pos (1-based), chrom and pos0 (0-based), or variant_id as chr_pos_ref_alt_b38",
    )


def gene_key(name: Any) -> Any:
    """A gene's name for comparison: upper case, Ensembl version dropped."""
    if name is None or pd.isna(name) or str(name).strip() == "":
        return pd.NA
    text = str(name).strip().upper()
    return text.split(".")[0] if text.startswith("ENS") else text


def bare_contig(name: str) -> str:
    """A contig's name without the prefix ``chr``; M for MT."""
    bare = re.sub(r"^chr", "", str(name), flags=re.IGNORECASE)
    return "M" if bare.upper() == "MT" else bare


def elements_with_eqtl(elements: pd.DataFrame, loci: pd.DataFrame, eqtls: pd.DataFrame) -> tuple[pd.Series, bool]:
    """Whether each element holds an eQTL of its own locus's gene (shape of `elements`), and whether genes were known.

    Where the table names no genes at all, position alone decides, and the second value is False.
    """
    gene_matched = bool(eqtls["gene"].notna().any())
    places = elements[["chrom", "start", "end"]].assign(row=np.arange(len(elements)))
    places["chrom"] = places["chrom"].map(bare_contig)
    variants = eqtls.assign(chrom=eqtls["chrom"].map(bare_contig))
    hits = bioframe.overlap(places, variants, how="inner", suffixes=("", "_eqtl"))
    if gene_matched:
        own: dict[str, set[str]] = {}
        for column in ("gene", "gene_id", "gene_name"):
            if column in loci.columns:
                for locus, gene in zip(loci["locus"], loci[column].map(gene_key), strict=True):
                    own.setdefault(str(locus), set()).update(() if pd.isna(gene) else (str(gene),))
        owner = elements["locus"].astype(str).to_numpy()[hits["row"].to_numpy(dtype=int)]
        right = [gene in own.get(locus, ()) for locus, gene in zip(owner, hits["gene_eqtl"], strict=True)]
        hits = hits[np.array(right, dtype=bool)] if len(hits) else hits
    found = np.zeros(len(elements), dtype=bool)
    found[hits["row"].to_numpy(dtype=int)] = True
    return pd.Series(found, index=elements.index), gene_matched


def check_eqtl(
    elements: pd.DataFrame,
    ris: pd.DataFrame,
    loci: pd.DataFrame,
    eqtls: pd.DataFrame,
    settings: Settings,
    notes: Sequence[str] = (),
) -> CrossCheck:
    """Do elements that hold an eQTL of their own gene score higher than matched elements of the same class?"""
    found, gene_matched = elements_with_eqtl(elements, loci, eqtls)
    holds = pd.Series(found.to_numpy(), index=elements["element"])
    said = list(notes)
    if not gene_matched:
        said.append("WARNING: the eQTL table names no gene; position alone was used, so other genes' eQTLs count too.")
    balances: dict[str, Any] = {}

    def test(one: Prepared) -> tuple[Tested, Tested, dict[str, Any]]:
        chosen = one.scores.table["element"].map(holds).to_numpy(dtype=bool)
        matches, balance = _match(one, chosen)
        balances[one.scores.name] = balance
        raw, residual = (
            claims.matched_contrast(values, matches, one.setting, generator(settings.seed, "matched", one.scores.name))
            for values in (one.raw, one.residual)
        )
        details = {
            "n_with_eqtl": int(chosen.sum()),
            "n_unmatched": matches.unmatched,
            "n_matched_in_own_locus": matches.same_locus,
            "gene_matched": gene_matched,
        }
        return raw, residual, details

    record = _run("eqtl", "matched draws and rotation", elements, ris, settings, test)
    record |= {"gene_matched": gene_matched, "balance": balances, "n_eqtls": len(eqtls), "notes": said}
    table = elements[["element", "locus", "chrom", "start", "end", "class", "distance"]].assign(
        eqtl=found.to_numpy(dtype=int)
    )
    return CrossCheck(rounded(record), table, pd.DataFrame())


def _match(one: Prepared, chosen: np.ndarray) -> tuple[Matches, list[dict[str, Any]]]:
    names = one.scores.features.names
    features = {name: one.scores.features.values[:, names.index(name)] for name in MATCHED_ON if name in names}
    logs = np.log1p(one.scores.distance)
    features["log_distance"] = (logs - logs.mean()) / (logs.std() or 1.0)
    covariates = np.column_stack(list(features.values()))
    matches = match_controls(chosen, one.scores.classes, one.scores.loci.codes, covariates)
    others = np.flatnonzero(~chosen)
    if not len(matches.chosen):
        return matches, []
    balance = [
        {
            "covariate": name,
            "before": standardised_difference(values, np.flatnonzero(chosen), others),
            "after": standardised_difference(values, matches.chosen, matches.pools.ravel()),
        }
        for name, values in features.items()
    ]
    return matches, balance


# -- conservation ----------------------------------------------------------------------------------------------------


def element_means(elements: pd.DataFrame, bigwig: str | Path) -> tuple[Floats, list[str]]:
    """Mean of a bigWig over each element (NaN where it has no values), and notes on contigs that it lacks.

    Raises
    ------
    InputError
        The file is no bigWig, or shares no contig with the elements.
    """
    try:
        track = pyBigWig.open(str(bigwig))
    except RuntimeError as error:
        raise InputError.at(bigwig, "cannot be opened as a bigWig", "check the path and the format") from error
    if track is None or not track.isBigWig():
        raise InputError.at(bigwig, "is not a bigWig", "convert it with bedGraphToBigWig")
    sizes = {bare_contig(name): (name, size) for name, size in track.chroms().items()}
    means = np.full(len(elements), np.nan)
    missing: dict[str, int] = {}
    for i, (chrom, start, end) in enumerate(zip(elements["chrom"], elements["start"], elements["end"], strict=True)):
        name, size = sizes.get(bare_contig(chrom), (None, 0))
        if name is None:
            missing[str(chrom)] = missing.get(str(chrom), 0) + 1
        elif start < min(end, size):
            value = track.stats(name, int(start), int(min(end, size)), type="mean", exact=True)[0]
            means[i] = np.nan if value is None else value
    track.close()
    if len(elements) and sum(missing.values()) == len(elements):
        raise InputError.at(
            bigwig,
            f"has none of the elements' contigs ({', '.join(sorted(missing)[:3])})",
            "give a bigWig of the same assembly",
        )
    notes = [f"The bigWig lacks {chrom}: {count} elements without a value." for chrom, count in sorted(missing.items())]
    return means, notes


def check_conservation(
    elements: pd.DataFrame, ris: pd.DataFrame, means: Floats, settings: Settings, notes: Sequence[str] = ()
) -> CrossCheck:
    """Are scores and conservation linked within loci, and beyond what predictability explains of both?"""
    table = elements[["element", "locus", "chrom", "start", "end", "class", "distance"]].assign(conservation=means)
    known = np.isfinite(means)
    if not known.any():
        raise InputError.at("conservation", "has no value in any element", "give a bigWig that covers the loci")
    values = pd.Series(means, index=elements["element"])
    profiles: list[pd.DataFrame] = []

    def test(one: Prepared) -> tuple[Tested, Tested, dict[str, Any]]:
        scores = one.scores
        conservation = np.asarray(scores.table["element"].map(values), dtype=np.float64)
        features = expand(scores.features.values, settings.basis)
        partial = cross_fit(conservation, features, scores.loci, scores.folds).residual
        profiles.append(_conservation_profile(one, conservation))
        raw = claims.rank_association(one.raw, scores.loci.center(conservation), one.setting)
        residual = claims.rank_association(one.residual, scores.loci.center(partial), one.setting)
        return raw, residual, {}

    record = _run("conservation", settings.null, elements[known], ris, settings, test)
    record |= {"n_without_value": int((~known).sum()), "notes": list(notes)}
    joined = pd.concat(profiles, ignore_index=True) if profiles else pd.DataFrame()
    return CrossCheck(rounded(record), table, joined)


def _conservation_profile(one: Prepared, conservation: Floats, bins: int = 10) -> pd.DataFrame:
    """Mean score, raw and residual, by bins of conservation with equal numbers of elements."""
    edges = np.unique(np.quantile(conservation, np.linspace(0, 1, bins + 1)))
    bin_of = np.clip(np.searchsorted(edges, conservation, side="right") - 1, 0, max(len(edges) - 2, 0))
    rows = []
    for side, values in (("raw", one.raw), ("residual", one.residual)):
        for place in np.unique(bin_of):
            inside = bin_of == place
            rows.append(
                {
                    "model": one.scores.name,
                    "scores": side,
                    "conservation": float(np.median(conservation[inside])),
                    "mean": float(values[inside].mean()),
                    "n": int(inside.sum()),
                }
            )
    return pd.DataFrame(rows)


# -- both ------------------------------------------------------------------------------------------------------------


def _run(
    check: str,
    null: str,
    elements: pd.DataFrame,
    ris: pd.DataFrame,
    settings: Settings,
    test: Callable[[Prepared], tuple[Tested, Tested, dict[str, Any]]],
) -> dict[str, Any]:
    models, skipped = testable(join_scores(elements, ris))
    prepared = [prepare(model, settings) for model in models]
    results = []
    for one in prepared:
        try:
            raw, residual, details = test(one)
        except NotTestable as error:
            skipped.append({"claim": check, "model": one.scores.name, "reason": str(error)})
            continue
        # A rank correlation is no difference of means: the floor in the readout's units does not apply to it.
        floor = track_floor(one.scores, settings) if check == "eqtl" else None
        name, loci = one.scores.name, one.scores.loci
        results.append(
            ClaimResult(check, name, raw, residual, loci.n, loci.count, null, one.residual_sd, floor, details)
        )
    return {
        "check": check,
        "parameters": settings.model_dump(),
        "claims": entries(results, settings),
        "not_tested": skipped,
    }
